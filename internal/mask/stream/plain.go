// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package stream

import (
	"bytes"
	"encoding/binary"
)

// Most of what programs print are lines of ASCII without a sequence, which come whole in
// one piece. What is seen of such a line is what it is, so that it is looked at as it
// stands in the piece: there is one view of it, and no byte of it has to be told where it
// came from.

// lines takes the plain lines at the beginning of p, one or as many as are to be taken
// together, and returns how many bytes they are.
func (t *Terminal) lines(p []byte) int {
	if t.state != ground || t.skip || len(t.line) > 0 {
		return 0
	}
	p = p[:min(len(p), window)]
	n, end := 0, 0
	if t.Bulk {
		n = plainBytes(p)
		end = bytes.LastIndexByte(p[:n], '\n') + 1
	} else if end = bytes.IndexByte(p, '\n') + 1; end > 0 {
		if n = plainBytes(p[:end]); n < end {
			end = 0
		}
	}
	if end == 0 && n+1 < len(p) && p[n] == '\r' && p[n+1] == '\n' {
		end = n + 2
	}
	if end == 0 || bytes.Contains(t.context, []byte(replacement)) {
		return t.together(p[:end])
	}
	t.plain(p[:end], n < end)
	return end
}

// together takes plain lines as any others are taken, because of the context that they
// have, and returns how many bytes they are.
func (t *Terminal) together(p []byte) int {
	if !t.Bulk || bytes.IndexByte(p, '\r') >= 0 {
		return 0
	}
	if len(p) > 0 {
		t.line = append(t.line, p...)
		t.look()
		t.release(len(p))
	}
	return len(p)
}

// plain masks lines that are plain but for the carriage return before the last byte, if
// returns says that there is one.
func (t *Terminal) plain(lines []byte, returns bool) {
	v, o, c := &t.views[removed], &t.out, len(t.context)
	v.text = append(append(v.text[:0], t.context...), lines...)
	if returns {
		v.text = append(v.text[:len(v.text)-2], '\n')
	}
	v.found = o.m.Scanner.Scan(v.found[:0], v.text, &o.w.Known)
	at := 0
	for _, s := range v.found {
		partly, keep := s.Start < c, o.keeps(s.Entity)
		if s.End <= c || partly && keep {
			continue
		}
		from, to := max(s.Start-c, 0), s.End-c
		if s.End == len(v.text) {
			to = len(lines)
		}
		o.buf = append(o.buf, lines[at:from]...)
		if keep {
			o.count(v.text, s)
			o.buf = append(o.buf, lines[from:to]...)
		} else {
			o.replace(v.text, s, partly)
		}
		at = to
	}
	o.buf = append(o.buf, lines[at:]...)
	t.context = append(t.context[:0], v.text[contextBefore(v.text, v.found, len(v.text)):]...)
}

const (
	ones  = 0x0101010101010101
	highs = 0x8080808080808080
)

// plainBytes returns how many bytes at the beginning of b are printable ASCII, a tab or
// a line feed.
func plainBytes(b []byte) int {
	i := 0
	for ; i+8 <= len(b); i += 8 {
		w := binary.LittleEndian.Uint64(b[i:])
		controls := ^((w | highs) - ' '*ones)
		if (w|isByte(w, del)|controls&^(isByte(w, '\n')|isByte(w, '\t')))&highs != 0 {
			break
		}
	}
	for ; i < len(b) && (isPrintable(b[i]) || b[i] == '\n' || b[i] == '\t'); i++ {
	}
	return i
}

// isByte sets the high bit of each byte of w that is c, whatever its own high bit.
func isByte(w uint64, c byte) uint64 { return ^((w ^ uint64(c)*ones | highs) - ones) }
