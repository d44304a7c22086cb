// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package stream

import (
	"bytes"
	"cmp"
	"slices"
	"unicode/utf8"

	"github.com/sallyport-dev/sallyport/internal/mask/scan"
)

// The ways to look at a line. Those after the first are used when something in
// the line moves the cursor. Each of them is used once more, at dashed and so on,
// where bytes were no UTF-8: in another encoding they may be the dashes of a number.
const (
	removed   = iota // without sequences and control characters
	broken           // with a line break for each movement
	rendered         // as the screen shows it
	dashed           // removed, with dashes for what was no UTF-8
	viewCount = 2 * dashed
)

// view is one way to look at a line: its text, behind the context, and for each
// byte where in the line it stands, or -1.
type view struct {
	text  []byte
	off   []int
	first []int // if not empty, where the first character stands that the screen showed there
	found []scan.Span
}

func (v *view) add(line []byte, from, to int) {
	v.text = append(v.text, line[from:to]...)
	for i := from; i < to; i++ {
		v.off = append(v.off, i)
	}
}

// fill adds a character that is not in the line.
func (v *view) fill(c byte) { v.text, v.off = append(v.text, c), append(v.off, -1) }

func (v *view) reset(context []byte) {
	v.text, v.off, v.first = append(v.text[:0], context...), v.off[:0], v.first[:0]
	for range context {
		v.off = append(v.off, -1)
	}
}

// replacement stands for a byte that is no UTF-8.
const replacement = string(utf8.RuneError)

// dash makes v what other shows, with a dash for each byte that was no UTF-8.
func (v *view) dash(other *view) {
	v.text, v.off, v.first = v.text[:0], v.off[:0], v.first[:0]
	for i := 0; i < len(other.text); i++ {
		c, last := other.text[i], i
		if bytes.HasPrefix(other.text[i:], []byte(replacement)) {
			c, last = '-', i+len(replacement)-1
		}
		first := other.off[i]
		if len(other.first) > 0 {
			first = other.first[i]
		}
		v.text, v.off, v.first = append(v.text, c), append(v.off, other.off[last]), append(v.first, first)
		i = last
	}
}

// hit is a piece of the line that a view shows to be a finding.
type hit struct {
	from, to int // in the line
	view     int
	span     scan.Span // in the view's text
	partly   bool      // a part of the finding has gone out
	keep     bool      // the profile leaves it as it is
}

// look makes the views of the line and finds what has to go, in t.hits.
func (t *Terminal) look() {
	t.used = append(t.used[:0], removed)
	if t.read(&t.views[removed], false) {
		t.used = append(t.used, broken, rendered)
		t.read(&t.views[broken], true)
		t.render(&t.views[rendered])
	}
	for _, i := range t.used {
		if bytes.Contains(t.views[i].text, []byte(replacement)) {
			t.used = append(t.used, dashed+i)
			t.views[dashed+i].dash(&t.views[i])
		}
	}
	t.hits = t.hits[:0]
	for _, i := range t.used {
		v := &t.views[i]
		v.found = t.out.m.Scanner.Scan(v.found[:0], v.text, &t.out.w.Known)
		for _, s := range v.found {
			h, ok := v.locate(s, len(t.context))
			h.view, h.keep = i, t.out.keeps(s.Entity)
			if ok && (!h.keep || i == removed && !h.partly) {
				t.hits = append(t.hits, h)
			}
		}
	}
	t.settle()
}

// locate returns the piece of the line that a finding takes up, with what it has
// overwritten.
func (v *view) locate(s scan.Span, context int) (hit, bool) {
	h := hit{from: -1, span: s, partly: s.Start < context}
	for i := s.Start; i < s.End; i++ {
		if v.off[i] < 0 {
			continue
		}
		from := v.off[i]
		if len(v.first) > 0 {
			from = min(from, v.first[i])
		}
		if h.from < 0 || from < h.from {
			h.from = from
		}
		h.to = max(h.to, v.off[i]+1)
	}
	return h, h.from >= 0
}

// settle joins hits that overlap, under the longest that is masked if one is.
func (t *Terminal) settle() {
	slices.SortStableFunc(t.hits, func(a, b hit) int {
		return cmp.Or(cmp.Compare(a.from, b.from), cmp.Compare(b.to, a.to))
	})
	n := 0
	for _, h := range t.hits {
		if n == 0 || h.from >= t.hits[n-1].to {
			t.hits[n] = h
			n++
			continue
		}
		last := &t.hits[n-1]
		from, to := last.from, max(last.to, h.to)
		if last.keep && !h.keep || last.keep == h.keep && h.to-h.from > last.to-last.from {
			*last = h
		}
		last.from, last.to = from, to
	}
	t.hits = t.hits[:n]
}

// kind says what a unit of the line is.
type kind uint8

const (
	character kind = iota
	quiet          // a sequence or control that leaves the cursor where it is
	movement
)

// unit returns the length and the kind of what stands in the line at i. Carriage
// returns behind end, where the line's end begins, move nothing.
func (t *Terminal) unit(i, end int) (int, kind) {
	c := t.line[i]
	switch {
	case c == esc:
		n := sequenceLen(t.line[i:])
		if moves(t.line[i : i+n]) {
			return n, movement
		}
		return n, quiet
	case c == '\n' || c == '\t':
		return 1, character
	case c == '\b' || c == '\v' || c == '\f' || c == '\r' && i < end:
		return 1, movement
	case c < ' ' || c == del:
		return 1, quiet
	}
	_, n := utf8.DecodeRune(t.line[i:])
	return n, character
}

// lineEnd returns where the line's end begins.
func (t *Terminal) lineEnd() int {
	return len(bytes.TrimRight(t.line, "\r\n"))
}

// read makes the view without sequences and controls and, if separate, with a
// line break for each movement. It reports whether there is one.
func (t *Terminal) read(v *view, separate bool) (moved bool) {
	v.reset(t.context)
	end := t.lineEnd()
	for i := 0; i < len(t.line); {
		if n := printable(t.line[i:]); n > 0 {
			v.add(t.line, i, i+n)
			i += n
			continue
		}
		n, k := t.unit(i, end)
		switch k {
		case character:
			v.add(t.line, i, i+n)
		case movement:
			moved = true
			if separate {
				v.fill('\n')
			}
		}
		i += n
	}
	return moved
}
