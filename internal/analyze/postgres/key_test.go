// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package postgres_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	pgquery "github.com/pganalyze/pg_query_go/v6"

	"github.com/sallyport-dev/sallyport/internal/analyze/postgres"
	"github.com/sallyport-dev/sallyport/internal/analyze/postgres/corpus"
	"github.com/sallyport-dev/sallyport/test/pgtest"
)

func TestKey(t *testing.T) {
	for _, c := range []struct {
		a, b string
		same bool
	}{
		{"select 'a' from t", "select 'bcd''e' from t", true},
		{"select 'é' from t", "select '' from t", true},
		{"select * from t where a = 1665", "select * from t where a = 2147483647", true},
		{"select * from t where a = 2147483648", "select * from t where a = 9223372036854775807", true},
		{"select * from t where a = 9223372036854775808", "select * from t where a = 1.5e3", true},
		{"select  1\nfrom t ", "select 1 from t ", true},
		{" select 1", "select 1", true},
		{"select 1.5", "select .25", true},
		{"select 1 order by 1", "select 1 order by 2", false},
		{"select 1664", "select 1665", false},
		{"select 2147483647", "select 2147483648", false},
		{"select 'a'", "select 1665", false},
		{"select 'a'", "select a", false},
		{"select a from t", "select b from t", false},
		{`select "'s"`, `select 's'`, false},
		{"select $1", "select $2", false},
		{"set x = 'a'", "set x = 'b'", false},
		{"SET standard_conforming_strings = 'on'", "SET standard_conforming_strings = 'off'", false},
		{"select 1; set x = 'a'", "select 1; set x = 'b'", false},
		{"copy t to stdout delimiter 'a'", "copy t to stdout delimiter 'b'", false},
		{"explain select 'a'", "explain select 'b'", false},
		{"select e'a'", "select e'b'", false},
		{"select U&'a'", "select U&'b'", false},
		{"select $$a$$", "select $$b$$", false},
		{"select 'a\\'", "select 'b\\'", false},
		{"select 'a' -- x", "select 'b' -- x", false},
		{"select 'a' /* x */", "select 'b' /* x */", false},
		{"select 'a'\n'b'", "select 'c'\n'd'", false},
		{"select 0x10000", "select 0x20000", false},
		{"select 'a' as é", "select 'b' as é", false},
		{"", " ", false},
	} {
		a, _ := postgres.Key(c.a)
		b, _ := postgres.Key(c.b)
		if bytes.Equal(a, b) != c.same {
			t.Errorf("%q and %q: same is %v", c.a, c.b, !c.same)
		}
	}
	if n := testing.AllocsPerRun(100, func() {
		var room [256]byte
		postgres.AppendKey(room[:0], []byte(benchText))
	}); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

// FuzzKey compares the small lexer with PostgreSQL's own: a blanked key has the
// same tokens but the semicolons at the end, with the same text or the same class
// of literal.
func FuzzKey(f *testing.F) {
	set, err := corpus.Load()
	if err != nil {
		f.Fatal(err)
	}
	for _, c := range set.Cases {
		f.Add(c.SQL)
	}
	for _, s := range []string{benchText, "select -1 - -2, a->>'b', x::int, 1e5, 5.e-3, .5, a.b.c, 'it''s', \"q\"\"x\", $12, a[1:2], a<=-1, @-1, ?, 007"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		key, exact := postgres.Key(text)
		if exact {
			if string(key[1:]) != text {
				t.Errorf("an exact key is not the text")
			}
			return
		}
		want, err := tokens(text)
		if err != nil {
			return // the server refuses it as well
		}
		// What ends the statement is no part of the key: the gate cuts it off.
		for strings.HasSuffix(want, "ASCII_59 ;\n") {
			want = strings.TrimSuffix(want, "ASCII_59 ;\n")
		}
		// Literals come back in a form that the lexer reads.
		back := strings.NewReplacer("'s", " 'x' ", "'n", " 0.5 ", "'i", " 1665 ", "'l", " 2147483648 ").Replace(outsideQuotes(string(key[1:])))
		got, err := tokens(back)
		if err != nil {
			t.Fatalf("%q became %q: %v", text, back, err)
		}
		if want != got {
			t.Errorf("%q became %q:\n%s\n%s", text, key[1:], want, got)
		}
	})
}

// outsideQuotes hides the quotes inside quoted identifiers.
func outsideQuotes(key string) string {
	quoted := false
	return strings.Map(func(r rune) rune {
		if r == '"' {
			quoted = !quoted
		}
		if r == '\'' && quoted {
			return '`'
		}
		return r
	}, key)
}

// tokens writes PostgreSQL's tokens of a text, literals by class.
func tokens(text string) (string, error) {
	scan, err := pgquery.Scan(text)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	for _, t := range scan.GetTokens() {
		part := text[t.GetStart():t.GetEnd()]
		switch t.GetToken() {
		case pgquery.Token_SCONST:
			part = "<string>"
		case pgquery.Token_ICONST, pgquery.Token_FCONST:
			part = class(part)
		case pgquery.Token_IDENT:
			part = strings.ReplaceAll(part, "'", "`")
		}
		fmt.Fprintf(&b, "%v %s\n", t.GetToken(), part)
	}
	// An integer that is too large for int4 is FCONST; its class says more.
	return strings.NewReplacer("FCONST <", "NUMBER <", "ICONST <", "NUMBER <").Replace(b.String()), nil
}

func class(s string) string {
	if strings.ContainsAny(s, ".eE") {
		return "<numeric>"
	}
	s = strings.TrimLeft(s, "0")
	switch {
	case len(s) < 4, len(s) == 4 && s < "1665":
		return "<" + s + ">"
	case len(s) < 10, len(s) == 10 && s <= "2147483647":
		return "<int4>"
	case len(s) < 19, len(s) == 19 && s <= "9223372036854775807":
		return "<int8>"
	}
	return "<numeric>"
}

// TestTreeKey has real servers print trees that differ in constants only, or in
// more than that.
func TestTreeKey(t *testing.T) {
	set, err := corpus.Load()
	if err != nil {
		t.Fatal(err)
	}
	for _, major := range pgtest.Majors() {
		t.Run(fmt.Sprint(major), func(t *testing.T) {
			t.Parallel()
			srv := pgtest.Shared(t, major)
			p := connect(t, srv, srv.NewDatabase(t, set.Schema))
			key := func(sql string) string {
				tree, err := p.tree(t, sql)
				if err != nil {
					t.Fatalf("%s: %v", sql, err)
				}
				k, ok := postgres.AppendTreeKey(nil, []byte(tree))
				if !ok {
					t.Fatalf("no key for %s", sql)
				}
				return string(k)
			}
			const base = "select id, zip from hc.patient where id = 4711 and zip in ('a', 'b')"
			for _, same := range []string{
				"select id, zip from hc.patient where id = 99999 and zip in ('a much longer constant than before', '')",
				"select   id,\n zip from hc.patient where id = 4711 and zip in ('a', 'b')",
			} {
				if key(same) != key(base) {
					t.Errorf("another key for %s", same)
				}
			}
			for _, other := range []string{
				"select id, ssn from hc.patient where id = 4711 and zip in ('a', 'b')",
				"select id, zip from hc.patient where id = 4711 and ssn in ('a', 'b')",
				"select id, zip from hc.patient where id = 4711 and zip in ('a', 'b', 'c')",
				"select id, zip from hc.patient where id = 4711::bigint and zip in ('a', 'b')",
				"select id, upper(zip) from hc.patient where id = 4711 and zip in ('a', 'b')",
			} {
				if key(other) == key(base) {
					t.Errorf("the same key for %s", other)
				}
			}
		})
	}
}
