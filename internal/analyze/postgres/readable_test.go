// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package postgres_test

import (
	"strings"
	"testing"

	"github.com/sallyport-dev/sallyport/internal/analyze/postgres"
)

func TestReadable(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ sql, want string }{
		{"select id, ssn from hc.patient where ssn = '123-45-6789' and id > 42", "select id, ssn from hc.patient where ssn = ? and id > ?"},
		{"SELECT E'a\\'b', U&'\\0041', $a$ x $a$, B'01', X'1F', 1.5e3, 'a'\n'b'", "SELECT ?, ?, ?, ?, ?, ?, ?"},
		{"select 1 -- 123-45-6789\n, 2 /* 123 /* 45 */ */", "select ? , ?"},
		{"select/**/1", "select ?"},
		{"select $1::text", "select $1::text"},
		{`select "Name" as "123-45-6789", "a b", ssn_123456789, "x1234", naïve from "T"`, `select "Name" as <identifier>, <identifier>, <identifier>, <identifier>, <identifier> from "T"`},
		{`select U&"\0041" from t`, `select <identifier> from t`},
		{`alter role x password 'secret'`, `alter role x password ?`},
		{"select a->>'b' @> '{}'", "select a->>? @> ?"},
		{"select '123-45-6789", "<unreadable>"},
		{"select '\xff'", "<unreadable>"},
		{"select 1 \x00 '123-45-6789'", "<unreadable>"},
		{"", ""},
	} {
		if got := postgres.Readable(c.sql); got != c.want {
			t.Errorf("%q\ngot  %s\nwant %s", c.sql, got, c.want)
		}
	}
	long := postgres.Readable("select " + strings.Repeat("a, ", 20_000) + "b")
	if len(long) > 17<<10 || !strings.HasSuffix(long, " ...") {
		t.Errorf("%d bytes", len(long))
	}
}

// FuzzReadable plants a value as a literal and looks for it.
func FuzzReadable(f *testing.F) {
	f.Add("select ", " from t")
	f.Add("select a, -- x\n", "::text")
	f.Add("insert into t values (e'\\'', ", ") /* y */")
	f.Add("select $x$ ", " $x$")
	f.Fuzz(func(t *testing.T, before, after string) {
		const value = "987-65-4321"
		if strings.Contains(before+after, "987") || strings.Contains(before+after, "4321") {
			return
		}
		if got := postgres.Readable(before + "'" + value + "'" + after); strings.Contains(got, "4321") {
			t.Errorf("%q became %q", before+"'"+value+"'"+after, got)
		}
	})
}
