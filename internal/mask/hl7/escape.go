// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package hl7

import (
	"bytes"

	"github.com/sallyport-dev/sallyport/internal/mask/text"
)

// decode returns v without escapes, and for each byte where in v it comes from.
// Without any it returns v itself and no origins.
func (r *run) decode(v []byte) ([]byte, []int32) {
	if bytes.IndexByte(v, r.d.escaping) < 0 {
		return v, nil
	}
	out, origin := r.decoded[:0], r.origin[:0]
	for i := 0; i < len(v); {
		n := 0
		before := len(out)
		if v[i] == r.d.escaping {
			out, n = r.unescape(out, v[i+1:])
		}
		if n == 0 {
			out, n = append(out, v[i]), 1
		}
		for range len(out) - before {
			origin = append(origin, int32(i))
		}
		i += n
	}
	r.decoded, r.origin = out, append(origin, int32(len(v)))
	return r.decoded, r.origin
}

// escaped reports whether v can hold an escape, which has a mark at both ends.
func (r *run) escaped(v []byte) bool {
	i := bytes.IndexByte(v, r.d.escaping)
	return i >= 0 && bytes.IndexByte(v[i+1:], r.d.escaping) >= 0
}

// maxEscape bounds an escape; what is longer is text between two marks.
const maxEscape = 1 << 10

// unescape appends what the escape stands for whose mark is before v, and
// returns its length with both marks, or 0 when it is none. Formatting commands
// break words but for highlighting, which stands within them.
func (r *run) unescape(dst, v []byte) ([]byte, int) {
	end := bytes.IndexByte(v[:min(len(v), maxEscape)], r.d.escaping)
	if end <= 0 {
		return dst, 0
	}
	switch e := v[:end]; {
	case e[0] == 'X':
		dst = unhex(dst, e[1:])
	case e[0] == '.':
		dst = append(dst, '\n')
	case end > 1:
		return dst, 0
	default:
		mark, ok := r.d.named(e[0])
		if !ok {
			return dst, 0
		}
		if mark != 0 {
			dst = append(dst, mark)
		}
	}
	return dst, end + 2
}

// named returns the separator that an escape of one letter stands for, or 0 for
// the ends of highlighting.
func (d *delimiters) named(letter byte) (byte, bool) {
	switch letter {
	case 'F':
		return d.field, true
	case 'S':
		return d.component, true
	case 'T':
		return d.sub, true
	case 'R':
		return d.repetition, true
	case 'E':
		return d.escaping, true
	case 'P':
		return d.truncation, d.truncation != 0
	case 'H', 'N':
		return 0, true
	}
	return 0, false
}

func unhex(dst, v []byte) []byte {
	for ; len(v) >= 2; v = v[2:] {
		dst = append(dst, nibble(v[0])<<4|nibble(v[1]))
	}
	return dst
}

func nibble(b byte) byte {
	switch {
	case b >= '0' && b <= '9':
		return b - '0'
	case b >= 'a' && b <= 'f':
		return b - 'a' + 10
	case b >= 'A' && b <= 'F':
		return b - 'A' + 10
	}
	return 0
}

// changeEscaped puts v in the place of src[start:end] so that it holds no separator.
func (r *run) changeEscaped(start, end int, v []byte) {
	r.escapes = r.d.escape(r.escapes[:0], v)
	r.change(start, end, r.escapes)
}

// escape appends v so that it holds no separator.
func (d *delimiters) escape(dst, v []byte) []byte {
	for _, b := range v {
		e := byte(0)
		switch b {
		case d.field:
			e = 'F'
		case d.component:
			e = 'S'
		case d.sub:
			e = 'T'
		case d.repetition:
			e = 'R'
		case d.escaping:
			e = 'E'
		case '\r', '\n', frameStart, frameEnd:
			b = ' '
		}
		if e == 0 {
			dst = append(dst, b)
		} else {
			dst = append(dst, d.escaping, e, d.escaping)
		}
	}
	return dst
}

// within returns the place in the text of a finding in the decoded text. An
// escape of which a part was found is found as a whole.
func within(origin []int32, start, end int) (from, to int) {
	last := origin[end-1]
	for origin[end] == last {
		end++
	}
	return int(origin[start]), int(origin[end])
}

// maxScan bounds a text that is looked through; a longer one is masked whole.
const maxScan = 16 << 20

// scan masks what the scanner finds in the text src[start:end]. Escapes outside of
// findings stay as they are.
func (r *run) scan(start, end int, f *field) {
	v := r.src[start:end]
	if len(v) == 0 {
		return
	}
	if len(v) > maxScan {
		r.hide(start, end, f)
		return
	}
	if r.hintAll(); r.m.text.Scanner.Silent(v, &r.hints) && !r.escaped(v) {
		return
	}
	r.learn()
	plain, origin := r.decode(v)
	r.w.Locus = r.m.table.loci[f.place]
	r.found = r.m.text.Scanner.Scan(r.found[:0], plain, &r.w.Known)
	for _, s := range r.found {
		op := r.m.text.Profile.Entity(s.Entity)
		if r.w.Spans != nil {
			r.w.Spans(plain, s, op.Kind())
		}
		from, to := s.Start, s.End
		if origin != nil {
			from, to = within(origin, from, to)
		}
		r.plain = r.m.text.Replace(r.plain[:0], plain[s.Start:s.End], s.Entity, op, r.w)
		r.changeEscaped(max(start+from, r.from), start+to, r.plain)
		r.w.Tally.Add(text.Key{Rule: r.m.text.Scanner.Rule(s.Rule), Entity: s.Entity, Operator: op.Kind(), Locus: r.w.Locus}, 1)
	}
}
