// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

// Package masktest has what the tests of the masks of formats share: a masker on
// a fixed day with a fixed key, their files, and the comparison with what was
// agreed on.
package masktest

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-dev/sallyport/internal/mask/operator"
	"github.com/sallyport-dev/sallyport/internal/mask/profile"
	"github.com/sallyport-dev/sallyport/internal/mask/rules"
	"github.com/sallyport-dev/sallyport/internal/mask/scan"
	"github.com/sallyport-dev/sallyport/internal/mask/scan/lexicon"
	"github.com/sallyport-dev/sallyport/internal/mask/text"
)

// Masker returns what finds and masks under a profile, on a day in 2026.
func Masker(tb testing.TB, s profile.Spec) *text.Masker {
	tb.Helper()
	now := func() time.Time { return time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC) }
	keys, err := operator.NewKeys(operator.Key{Version: 1, Secret: bytes.Repeat([]byte{7}, 32)})
	if err != nil {
		tb.Fatal(err)
	}
	p, err := profile.Compile(s, keys, now)
	if err != nil {
		tb.Fatal(err)
	}
	sc, err := scan.New(scan.Options{})
	if err != nil {
		tb.Fatal(err)
	}
	return &text.Masker{Scanner: sc, Profile: p}
}

// Files returns the texts of the files that a pattern names, by their names
// without the extension. It ends the test where there are fewer than least.
func Files(tb testing.TB, pattern string, least int) map[string]string {
	tb.Helper()
	paths, err := filepath.Glob(pattern)
	if err != nil || len(paths) < least {
		tb.Fatalf("%s: %d files, want %d or more: %v", pattern, len(paths), least, err)
	}
	out := make(map[string]string)
	for _, p := range paths {
		b, err := os.ReadFile(p)
		if err != nil {
			tb.Fatal(err)
		}
		out[strings.TrimSuffix(filepath.Base(p), filepath.Ext(p))] = string(b)
	}
	return out
}

// Golden compares got with the file at path, or writes it there with update.
// Carriage returns are written as line feeds, so that a change can be read.
func Golden(t *testing.T, path, got string, update bool) {
	t.Helper()
	got = strings.ReplaceAll(got, "\r", "\n")
	if update {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), got); d != "" {
		t.Errorf("masked otherwise (-want +got):\n%s", d)
	}
}

// Bench masks src in a loop with appendTo, and copies the same bytes beside it.
func Bench(b *testing.B, name string, src []byte, appendTo func(dst, src []byte, w *text.Work) ([]byte, error)) {
	b.Run(name, func(b *testing.B) {
		var w text.Work
		dst, err := appendTo(nil, src, &w)
		if err != nil {
			b.Fatal(err)
		}
		b.SetBytes(int64(len(src)))
		b.ReportAllocs()
		for b.Loop() {
			if dst, err = appendTo(dst[:0], src, &w); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("copy", func(b *testing.B) {
		var dst []byte
		b.SetBytes(int64(len(src)))
		for b.Loop() {
			dst = append(dst[:0], src...)
		}
	})
}

// Rules compiles a site's rules, on the same day. The key that they may name is
// "env:KEY".
func Rules(tb testing.TB, yaml string) *rules.Set {
	tb.Helper()
	f, err := rules.Parse("rules.yaml", []byte(yaml))
	if err != nil {
		tb.Fatal(err)
	}
	s, err := rules.Compile(f, rules.Deps{
		Lexicon: lexicon.Load,
		Now:     func() time.Time { return time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC) },
		Secret:  func(string) ([]byte, error) { return bytes.Repeat([]byte{7}, 32), nil },
	})
	if err != nil {
		tb.Fatal(err)
	}
	return s
}
