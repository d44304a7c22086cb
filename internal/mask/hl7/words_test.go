// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package hl7

import (
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/sallyport-dev/sallyport/internal/mask/element"
)

// TestDictionary looks every word and every system up as it is written, in small letters,
// and with a letter more and less.
func TestDictionary(t *testing.T) {
	all := make(map[string]element.Form)
	isWord := make(map[string]bool)
	for _, w := range strings.Fields(words) {
		isWord[w] = true
	}
	for form, names := range systems {
		for _, name := range strings.Fields(names) {
			all[name] = element.Form(form)
		}
	}
	if len(isWord) < 30 || len(all) < 80 {
		t.Fatalf("%d words and %d systems", len(isWord), len(all))
	}
	check := func(v string) {
		t.Helper()
		wantForm, wantSystem := all[v]
		word, system, form := vocabulary.find([]byte(v))
		if word != isWord[strings.ToUpper(v)] || system != wantSystem || system && form != wantForm {
			t.Errorf("%q: a word %v, a system %v of form %v", v, word, system, form)
		}
	}
	for _, list := range []map[string]bool{isWord, keys(all)} {
		for w := range list {
			for _, v := range []string{w, strings.ToLower(w), w + "X", "X" + w, w[1:], w[:len(w)-1], w[:1] + strings.ToLower(w[1:]), w + strings.Repeat("X", 20)} {
				check(v)
			}
		}
	}
	check("")
}

func keys(m map[string]element.Form) map[string]bool {
	out := make(map[string]bool)
	for k := range m {
		out[k] = true
	}
	return out
}

func TestTables(t *testing.T) {
	for v, want := range map[string]bool{"HL70005": true, "HL71": true, "NIP001": true, "HL7": false, "HL7000005": false, "HL7x": false, "NIP": false, "XIP001": false} {
		if got := isTable([]byte(v)); got != want {
			t.Errorf("%q: %v", v, got)
		}
	}
}

// TestEdit makes random changes, with and without room in what is appended to, and
// compares with strings put together.
func TestEdit(t *testing.T) {
	rng := rand.New(rand.NewPCG(8, 9))
	shown := []value{{}, valueOf("[ID]"), valueOf("[SIXTEEN--BYTES]")}
	for range 20000 {
		src := make([]byte, rng.IntN(300))
		for i := range src {
			src[i] = byte('a' + i%26)
		}
		dst := append(make([]byte, 0, 3+rng.IntN(600)), "pre"...)
		var e edit
		e.begin(src, dst)
		want, from := "pre", 0
		for from < len(src) && rng.IntN(8) > 0 {
			start := from + rng.IntN(min(len(src)-from, 60))
			end := start + rng.IntN(min(len(src)-start, 20)+1)
			want += string(src[from:start])
			if rng.IntN(4) == 0 {
				long := strings.Repeat("long ", rng.IntN(20))
				e.change(start, end, []byte(long))
				want += long
			} else {
				v := &shown[rng.IntN(len(shown))]
				e.put(start, end, v, v.size)
				want += string(v.text[:v.size])
			}
			from = end
		}
		want += string(src[from:])
		if got := string(e.done()); got != want {
			t.Fatalf("%q\nnot %q", got, want)
		}
	}
}

// TestCodesBefore compares with a look at each byte.
func TestCodesBefore(t *testing.T) {
	rng := rand.New(rand.NewPCG(10, 11))
	for range 20000 {
		var ends, word uint64
		text := make([]byte, 64)
		for i := range text {
			text[i] = "aaab1|||.-"[rng.IntN(10)]
			switch text[i] {
			case '|':
				ends |= 1 << i
			case 'a', 'b', '1':
				word |= 1 << i
			}
		}
		got := codesBefore(ends, ends, word)
		for i := range text {
			start := strings.LastIndexByte(string(text[:i]), '|') + 1
			v := string(text[start:i])
			want := text[i] == '|' && start > 0 && len(v) >= 1 && len(v) <= 3 && strings.Trim(v, "ab1") == ""
			if got>>i&1 == 1 != want {
				t.Fatalf("%q at %d: %v", text, i, !want)
			}
		}
	}
}
