// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package scan

import (
	"cmp"
	"slices"
)

// settle brings dst[base:] into order without overlap. dst[base:mid] are the
// findings of patterns and dst[mid:] those of another pass, each in order and
// without overlap. Where two meet, a pattern that proves itself wins and the
// other keeps its remaining words; of two guesses the longer one wins.
func settle(dst []Span, base, mid int, text []byte) []Span {
	end := len(dst)
	first := base
	for i := mid; i < end; i++ {
		b := dst[i]
		for first < mid && dst[first].End <= b.Start {
			first++
		}
		for j := first; j < mid && dst[j].Start < b.End && b.Start < b.End; j++ {
			a := &dst[j]
			switch {
			case a.Start == a.End:
			case guess(a.Entity) && b.End-b.Start > a.End-a.Start:
				a.End = a.Start // the longer guess replaces it
			default:
				if left, ok := trim(text, Span{b.Start, a.Start, b.Entity, b.Rule}); ok {
					dst = append(dst, left)
				}
				b.Start = a.End
			}
		}
		rest, ok := b, b.Start < b.End
		if ok && b.Start != dst[i].Start {
			rest, ok = trim(text, b)
		}
		if ok {
			dst = append(dst, rest)
		}
	}
	return merge(dst, base, mid, end)
}

// merge brings what is left of dst[base:mid] and dst[end:] into one order. Those in
// between are gone.
func merge(dst []Span, base, mid, end int) []Span {
	i := base
	for _, s := range dst[base:mid] {
		if s.Start < s.End {
			dst[i] = s
			i++
		}
	}
	pieces := dst[end:]
	n := i + len(pieces)
	if n > end { // more pieces than there were findings: they would be overwritten
		kept := append(dst[base:i], pieces...)
		slices.SortFunc(kept, func(a, b Span) int { return cmp.Compare(a.Start, b.Start) })
		return dst[:n]
	}
	for j, k := len(pieces)-1, n-1; j >= 0; k-- {
		if i > base && dst[i-1].Start > pieces[j].Start {
			i--
			dst[k] = dst[i]
		} else {
			dst[k] = pieces[j]
			j--
		}
	}
	return dst[:n]
}

// guess reports whether an entity's patterns have no check of their own.
func guess(e Entity) bool { return e == Year || e == Age || e == ZIP || e == Unique }

// trim takes what is no word off both ends of what a cut left over, and says
// whether a word is left.
func trim(text []byte, s Span) (Span, bool) {
	for s.Start < s.End && !isWord(text[s.Start]) {
		s.Start++
	}
	for s.Start < s.End && !isWord(text[s.End-1]) {
		s.End--
	}
	return s, s.Start < s.End
}
