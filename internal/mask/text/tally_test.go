// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package text_test

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-dev/sallyport/internal/mask/scan"
	"github.com/sallyport-dev/sallyport/internal/mask/text"
)

// TestTally counts more keys than wait for the map, many times and in an order in
// which they push each other out, and compares with a map.
func TestTally(t *testing.T) {
	var tally text.Tally
	if got := tally.Take(); len(got) != 0 {
		t.Errorf("an empty tally has counted %v", got)
	}
	for round := range 3 {
		want := make(map[text.Key]uint64)
		for i := range 5000 {
			k := text.Key{Rule: "path", Entity: scan.Entity(i % 7), Locus: fmt.Sprintf("$.%d", i*i%101)}
			tally.Add(k, uint64(i%3))
			if i%3 > 0 {
				want[k] += uint64(i % 3)
			}
		}
		got := make(map[text.Key]uint64)
		before := text.Key{}
		for _, c := range tally.Take() {
			got[c.Key] = c.N
			if c.Locus < before.Locus || c.Locus == before.Locus && c.Entity <= before.Entity {
				t.Errorf("%v comes after %v", c.Key, before)
			}
			before = c.Key
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Fatalf("round %d (-want +got):\n%s", round, d)
		}
	}
}

// loci are keys by their index.
type loci []string

func (l *loci) Key(number uint32) text.Key { return text.Key{Rule: "field", Locus: (*l)[number]} }

// TestNumbers counts by numbers of two masks, of which one says the same as a key.
func TestNumbers(t *testing.T) {
	var many loci
	for i := range 3000 {
		many = append(many, fmt.Sprintf("F-%04d", i))
	}
	few := loci{"F-0001"}
	var tally text.Tally
	for round := range 2 {
		want := make(map[string]uint64)
		for i := range 9000 {
			n := uint32(i * 7919 % 3000)
			tally.Numbers(&many).Add(n, 2)
			want[many[n]] += 2
		}
		tally.Numbers(&few).Add(0, 5)
		tally.Add(text.Key{Rule: "field", Locus: "F-0001"}, 1)
		want["F-0001"] += 6
		got := make(map[string]uint64)
		for _, c := range tally.Take() {
			got[c.Locus] += c.N
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Fatalf("round %d (-want +got):\n%s", round, d)
		}
	}
	if got := tally.Take(); len(got) != 0 {
		t.Errorf("counted twice: %v", got)
	}
}
