// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The targets are met on our own sentences, and the lines without identifiers
// stay untouched; what the figures are elsewhere, the command says.
func TestTargetsAreMetOnOwnData(t *testing.T) {
	var out strings.Builder
	if err := run(&out, settings{data: "testdata/own.json", given: true, hard: "../../" + negatives, names: []string{"off", "listed", "safe-list"}}); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	var v verdict
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &v); err != nil {
		t.Fatal(err)
	}
	if !v.Met {
		t.Errorf("missed: %v\n%s", v.Missed, out.String())
	}
	clean := 0
	for _, l := range lines {
		if strings.Contains(l, `"hard-negatives"`) && strings.HasSuffix(l, `"false_hits":0}`) {
			clean++
		}
	}
	if clean != 3 {
		t.Errorf("%d of 3 modes leave the hard negatives alone\n%s", clean, out.String())
	}
}

func TestPositionsAreCodePoints(t *testing.T) {
	if diff := cmp.Diff([]int{0, 2, 3, 6}, byteOffsets("éa€")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestShare(t *testing.T) {
	odd := func(i int) bool { return i%2 == 1 }
	for _, tt := range []struct {
		text string
		want float64
	}{{"abcd", 0.5}, {" b d", 1}, {"a c ", 0}, {"  ", 1}} {
		if got := share([]byte(tt.text), 0, len(tt.text), odd); got != tt.want {
			t.Errorf("%q: %v, want %v", tt.text, got, tt.want)
		}
	}
}

func TestAnUnknownModeIsRefused(t *testing.T) {
	var out strings.Builder
	if err := run(&out, settings{data: "testdata/own.json", given: true, hard: "../../" + negatives, names: []string{"some"}}); err == nil {
		t.Error("no error")
	}
}

func TestDataThatIsNamedMustBeThere(t *testing.T) {
	var out strings.Builder
	if err := run(&out, settings{data: "testdata/nosuch.json", given: true, hard: "../../" + negatives, names: []string{"off"}}); err == nil {
		t.Error("no error")
	}
}

func TestResample(t *testing.T) {
	cases := []labelled{
		{text: []byte("a XX b YYY c"), gold: []gold{{7, 10, "GPE"}, {2, 4, "PERSON"}}},
		{text: []byte("ZZZZ d"), gold: []gold{{0, 4, "PERSON"}}},
	}
	seen := map[string]bool{}
	for seed := range uint64(20) {
		for _, c := range resample(cases, seed+1) {
			for _, g := range c.gold {
				seen[g.label+" "+string(c.text[g.start:g.end])] = true
			}
			seen[string(c.text)] = true
		}
	}
	for _, want := range []string{"GPE YYY", "PERSON XX", "PERSON ZZZZ", "a ZZZZ b YYY c", "a XX b YYY c", "XX d"} {
		if !seen[want] {
			t.Errorf("never came: %s", want)
		}
	}
}
