// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"math/rand/v2"
	"slices"
)

// resample puts into each labelled span the value of another one of the same
// label and of the same shape, from another sentence. What is found then only because a rule knows the
// sentence, or the value where it stands, is no longer found; so the figures are
// nearer to those of data that nobody has seen.
func resample(cases []labelled, seed uint64) []labelled {
	values := map[string][][]byte{}
	for _, c := range cases {
		for _, g := range c.gold {
			key := shape(g.label, c.text[g.start:g.end])
			values[key] = append(values[key], c.text[g.start:g.end])
		}
	}
	r := rand.New(rand.NewPCG(seed, 0))
	out := make([]labelled, 0, len(cases))
	for _, c := range cases {
		slices.SortFunc(c.gold, func(a, b gold) int { return a.start - b.start })
		var n labelled
		at := 0
		for _, g := range c.gold {
			if g.start < at {
				continue // within another one
			}
			n.text = append(n.text, c.text[at:g.start]...)
			like := values[shape(g.label, c.text[g.start:g.end])]
			v := like[r.IntN(len(like))]
			n.gold = append(n.gold, gold{len(n.text), len(n.text) + len(v), g.label})
			n.text = append(n.text, v...)
			at = g.end
		}
		n.text = append(n.text, c.text[at:]...)
		out = append(out, n)
	}
	return out
}

// shape tells values apart that do not stand in each other's place: a year alone
// from a whole date, a house number on a line of its own from a whole address.
func shape(label string, v []byte) string {
	shape := []byte(label + " ")
	for _, c := range v {
		switch {
		case c >= '0' && c <= '9':
			c = '0'
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= 0x80:
			c = 'a'
		case c != '\n':
			c = ' '
		}
		if c != shape[len(shape)-1] && !bytes.ContainsRune(shape[len(label)+1:], rune(c)) {
			shape = append(shape, c)
		}
	}
	return string(shape)
}
