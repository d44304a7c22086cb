// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package browser_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

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
			if name != evidence.ManifestName && name != evidence.SignatureName && !yield(name) {
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

// TestAgreementOnHistories wants both verifiers to derive the same from random
// histories, in which every table has rows.
func TestAgreementOnHistories(t *testing.T) {
	t.Parallel()
	p := open(t)
	rows := map[string]bool{}
	for seed := range uint64(6) {
		l := forgery.New(t)
		begun := l.Now()
		l.Wild(rand.New(rand.NewPCG(seed, 7)), 250)
		middle := begun.Add(l.Now().Sub(begun) / 2)
		for name, f := range map[string]export.Filter{
			"whole": {By: "human:<eve>", Purpose: "audit & 'more'"}, "as of a day": {AsOf: middle}, "a period": {From: middle, To: middle.Add(10 * time.Minute)},
			"a resource": {Resource: "lab"}, "a sample": {Sample: 5, Seed: 1<<63 + seed}, "a large sample": {Sample: 5000, Seed: seed},
		} {
			bundle := l.Bundle(f)
			if !agree(t, p, l, fmt.Sprintf("seed %d, %s", seed, name), bundle) {
				t.Errorf("seed %d, %s: not a good bundle", seed, name)
			}
			for name, text := range forgery.Files(t, bundle) {
				rows[name] = rows[name] || bytes.Count(text, []byte("\n")) > 1
			}
		}
	}
	for _, table := range evidence.Tables() {
		if !rows[table.Name+".csv"] {
			t.Errorf("%s has no rows in any history", table.Name)
		}
	}
	wantQuiet(t, p)
}
