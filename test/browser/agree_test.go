// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package browser_test

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/sallyport-dev/sallyport/evidence"
	"github.com/sallyport-dev/sallyport/internal/export"
	"github.com/sallyport-dev/sallyport/test/browser"
	"github.com/sallyport-dev/sallyport/test/forgery"
)

// agree asks both verifiers about a bundle and wants the same answer. It returns
// it.
func agree(t *testing.T, p *browser.Page, l *forgery.Log, what string, bundle []byte) bool {
	t.Helper()
	want, err := evidence.Verify(bytes.NewReader(bundle), int64(len(bundle)), evidence.Options{Keys: []string{l.Key}})
	if err != nil {
		t.Fatal(err)
	}
	got := check(t, p, bundle, browser.Given{Keys: l.Key})
	if got.Kind == "" || got.OK() != want.OK() {
		t.Errorf("%s: the page says %q %q %v, the verifier in Go %v", what, got.Kind, got.Stopped, got.Faults, want.Faults)
	}
	return want.OK()
}

// derived reports whether the page computes a file, or it is no derived file.
func derived(name string) bool {
	for _, part := range []string{"ledger/", "policies/", "replay/", "recordings/", "session", "principals", "access-grants", "approval-log", "statements"} {
		if strings.Contains(name, part) && !strings.Contains(name, "session-limits") {
			return true
		}
	}
	return false
}

// TestAgreement changes bundles at random, and wants the page and the verifier in
// Go to agree on each of them.
func TestAgreement(t *testing.T) {
	t.Parallel()
	l := forgery.New(t)
	l.Crash()
	p := open(t)
	random := rand.New(rand.NewPCG(7, 25)) // the same ones every time
	whole, part := l.Bundle(export.Filter{}), l.Bundle(export.Filter{Session: "s_two"})
	for range 60 {
		b := bytes.Clone(whole)
		at, bit := random.IntN(len(b)), random.IntN(8)
		b[at] ^= 1 << bit
		if agree(t, p, l, "a flipped bit", b) {
			t.Errorf("byte %d, bit %d: a flipped bit is not found", at, bit)
		}
	}
	names := slices.Sorted(func(yield func(string) bool) {
		for name := range forgery.Files(t, part) {
			if derived(name) && !yield(name) {
				return
			}
		}
	})
	for _, from := range [][]byte{whole, part} {
		for range 30 {
			all := forgery.Files(t, from)
			name := names[random.IntN(len(names))]
			lines := slices.Collect(bytes.Lines(all[name]))
			if len(lines) == 0 {
				continue
			}
			i := random.IntN(len(lines))
			switch random.IntN(3) {
			case 0:
				lines = slices.Delete(lines, i, i+1)
			case 1:
				lines = slices.Insert(lines, i, lines[i])
			default:
				line := bytes.Clone(lines[i])
				line[random.IntN(len(line))] ^= 1 << random.IntN(7)
				lines[i] = line
			}
			all[name] = bytes.Join(lines, nil)
			agree(t, p, l, "changed by the operator: "+name, l.Resign(from, all, nil))
		}
	}
	wantQuiet(t, p)
}
