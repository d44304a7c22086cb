// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package lex_test

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/sallyport-dev/sallyport/internal/mask/jsonmask/lex"
)

// valid reads a document as a mask would.
func valid(b []byte) bool {
	if !utf8.Valid(b) {
		return false
	}
	i := lex.Value(b, lex.Space(b, 0), 0)
	return i >= 0 && lex.Space(b, i) == len(b)
}

func TestValue(t *testing.T) {
	deep := func(n int) string { return strings.Repeat("[", n) + strings.Repeat("]", n) }
	for doc, want := range map[string]bool{
		`{}`: true, ` [ ] `: true, `{"a":[1,-0.5e+3,true,false,null,"\u00e9\ud83d\ude00"]}`: true,
		"\"eight or more bytes before the end\"": true,
		"        \t\n        1":                  true,
		deep(512):                                true,
		deep(513):                                false,
		``:                                       false,
		`{`:                                      false,
		`{"a"}`:                                  false,
		`{"a":1,}`:                               false,
		`[1,]`:                                   false,
		`[1 2]`:                                  false,
		`{a:1}`:                                  false,
		`01`:                                     false,
		`1.`:                                     false,
		`-`:                                      false,
		`1e`:                                     false,
		`.5`:                                     false,
		`tru`:                                    false,
		`"\x"`:                                   false,
		`"\ud800"`:                               false,
		`"\ud800\u0041"`:                         false,
		`"\udc00"`:                               false,
		`"\u12g4"`:                               false,
		"\"a\nb\"":                               false,
		"\"\x00\"":                               false,
		"\"\xff\"":                               false,
		`"open`:                                  false,
		`{} {}`:                                  false,
	} {
		if got := valid([]byte(doc)); got != want {
			t.Errorf("valid(%.40q) = %v, want %v", doc, got, want)
		}
	}
}

func TestQuote(t *testing.T) {
	for _, s := range []string{"", "plain", "a\"b\\c/\n\r\t\b\f\x00\x1f\x7f", "é😀\u2028", "[NAME]"} {
		q := lex.Quote(nil, []byte(s))
		var back string
		if err := json.Unmarshal(q, &back); err != nil || back != s {
			t.Errorf("Quote(%q) = %s, which is %q (%v)", s, q, back, err)
		}
		if got := string(lex.Unquote(nil, q[1:len(q)-1])); got != s {
			t.Errorf("Unquote(Quote(%q)) = %q", s, got)
		}
	}
	if got := string(lex.Quote(nil, []byte("a\xffb"))); got != "\"a\uFFFDb\"" {
		t.Errorf("a byte that is no UTF-8 became %q", got)
	}
}

// FuzzValue compares with the standard library, which is stricter in nothing and
// laxer in surrogates, depth and UTF-8.
func FuzzValue(f *testing.F) {
	for _, s := range []string{`{"a":[1,2.5e-3,"x\u00e9\n"],"b":{}}`, `"\ud83d\ude00"`, "[\"        \"]", `"\ud800"`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, doc []byte) {
		ok := valid(doc)
		if ok && !json.Valid(doc) {
			t.Fatalf("takes %q, which is no JSON", doc)
		}
		lax := strings.Contains(string(doc), `\u`) || !utf8.Valid(doc) || strings.Count(string(doc), "[")+strings.Count(string(doc), "{") > lex.MaxDepth
		if !ok && !lax && json.Valid(doc) {
			t.Fatalf("refuses %q", doc)
		}
		var s string
		if ok && json.Unmarshal(doc, &s) == nil && len(strings.TrimSpace(string(doc))) > 1 && strings.TrimSpace(string(doc))[0] == '"' {
			lit := []byte(strings.TrimSpace(string(doc)))
			if got := string(lex.Unquote(nil, lit[1:len(lit)-1])); got != s {
				t.Fatalf("reads %q as %q, want %q", doc, got, s)
			}
		}
	})
}

func TestStop(t *testing.T) {
	t.Parallel()
	for n := range 20 {
		for _, c := range []byte{'"', '\\'} {
			for _, other := range []string{"a", "\x00", "\x01", "\xa2", "\xdc", "#", "]", "!", "["} {
				clean := strings.Repeat(other, n)
				if got := lex.Stop([]byte(clean)); got != n {
					t.Errorf("%q: %d", clean, got)
				}
				for _, rest := range []string{"", clean, `"\`} {
					if got := lex.Stop([]byte(clean + string(c) + rest)); got != n {
						t.Errorf("%q: %d, not %d", clean+string(c)+rest, got, n)
					}
				}
			}
		}
	}
}
