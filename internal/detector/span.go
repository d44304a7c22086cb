// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package detector

import (
	"cmp"
	"errors"
	"slices"
	"unicode/utf8"

	"github.com/sallyport-dev/sallyport/internal/mask/scan"
)

// settle checks findings, puts them in order and joins those that overlap under
// the entity of the longest.
func settle(text string, spans []scan.Span) ([]scan.Span, error) {
	for _, s := range spans {
		if s.Start < 0 || s.Start >= s.End || s.End > len(text) {
			return nil, errors.New("a finding lies outside the text")
		}
		if !utf8.RuneStart(text[s.Start]) || s.End < len(text) && !utf8.RuneStart(text[s.End]) {
			return nil, errors.New("a finding cuts a character")
		}
		if s.Entity == scan.None {
			return nil, errors.New("a finding is of no entity")
		}
	}
	slices.SortStableFunc(spans, func(a, b scan.Span) int {
		return cmp.Or(cmp.Compare(a.Start, b.Start), cmp.Compare(b.End, a.End))
	})
	n := 0
	for _, s := range spans {
		if n == 0 || s.Start >= spans[n-1].End {
			spans[n] = s
			n++
			continue
		}
		last := &spans[n-1]
		if s.End-s.Start > last.End-last.Start {
			last.Entity = s.Entity
		}
		last.End = max(last.End, s.End)
	}
	return spans[:n], nil
}

// CodePoints translates offsets that count Unicode code points into offsets of
// bytes.
type CodePoints struct {
	at    []int // by code point; nil when each is one byte
	count int
}

// NewCodePoints reads a text, which must be UTF-8.
func NewCodePoints(text string) CodePoints {
	n := utf8.RuneCountInString(text)
	if n == len(text) {
		return CodePoints{count: n}
	}
	at := make([]int, 0, n+1)
	for i := range text {
		at = append(at, i)
	}
	return CodePoints{at: append(at, len(text)), count: n}
}

// Byte returns the offset of a code point, or of the text's end.
func (c CodePoints) Byte(point int) (int, bool) {
	if point < 0 || point > c.count {
		return 0, false
	}
	if c.at == nil {
		return point, true
	}
	return c.at[point], true
}
