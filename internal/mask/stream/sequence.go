// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package stream

import (
	"bytes"
	"unicode/utf8"
)

// state is where in its syntax a terminal's input stands (ECMA-48, with the
// strings that xterm knows).
type state uint8

const (
	ground  state = iota
	runes         // within a character of several bytes
	escape        // after ESC, and intermediate bytes
	control       // within a control sequence: ESC [
	str           // within a string: ESC ] and its like
	strEnd        // within a string after ESC
	lost          // within a string that is dropped
)

const (
	esc = 0x1B
	bel = 0x07
	can = 0x18
	sub = 0x1A
	del = 0x7F
)

// isString reports whether a byte after ESC begins a string: DCS, SOS, OSC, PM
// or APC.
func isString(c byte) bool { return c == 'P' || c == 'X' || c == ']' || c == '^' || c == '_' }

// feed takes one byte that is not plain.
func (t *Terminal) feed(c byte) {
	switch t.state {
	case runes:
		t.feedRune(c)
	case escape, control:
		t.feedSequence(c)
	case str, strEnd, lost:
		t.feedString(c)
	default:
		t.feedGround(c)
	}
}

func (t *Terminal) feedGround(c byte) {
	switch {
	case c == esc:
		t.begin(c, escape)
	case c == 0, c == can, c == sub:
	case c < utf8.RuneSelf:
		t.add([]byte{c})
	default:
		t.seq = t.seq[:0]
		t.feedRune(c)
	}
}

func (t *Terminal) begin(c byte, s state) {
	t.seq, t.state = append(t.seq[:0], c), s
}

// feedRune collects the bytes of a character. What turns out not to be one is
// replaced as a decoder of the whole would.
func (t *Terminal) feedRune(c byte) {
	t.seq, t.state = append(t.seq, c), runes
	if !utf8.FullRune(t.seq) {
		return
	}
	t.state = ground
	r, size := utf8.DecodeRune(t.seq)
	switch {
	case r == utf8.RuneError && size == 1:
		rest := append([]byte(nil), t.seq[1:]...)
		t.add(utf8.AppendRune(nil, utf8.RuneError))
		for _, c := range rest {
			t.feed(c)
		}
	case 0x80 <= r && r < 0xA0: // an eight-bit control character
		t.feed(esc)
		t.feed(byte(r) - 0x40)
	default:
		t.add(t.seq[:size])
	}
}

// feedSequence takes a byte of a sequence that is no string.
func (t *Terminal) feedSequence(c byte) {
	final := byte('0')
	if t.state == control {
		final = '@'
	}
	first := len(t.seq) == 1
	switch {
	case first && c == '[':
		t.seq, t.state = append(t.seq, c), control
	case first && isString(c):
		t.seq, t.state = append(t.seq, c), str
	case ' ' <= c && c < final && len(t.seq) < maxSequence:
		t.seq = append(t.seq, c)
	case final <= c && c < del:
		t.seq, t.state = append(t.seq, c), ground
		t.addSequence()
	default:
		t.state = ground
		t.feed(c)
	}
}

// feedString takes a byte of a string. A string ends with BEL or ESC \; anything
// else that is no text drops it, and the end of the line ends the dropping.
func (t *Terminal) feedString(c byte) {
	switch {
	case c == '\n':
		t.state = ground
		t.feed(c)
	case c == can || c == sub:
		t.state = ground
	case t.state == strEnd && c != '\\':
		t.begin(esc, escape)
		t.feed(c)
	case t.state == strEnd || c == bel:
		t.seq, t.state = append(t.seq, c), ground
		if len(t.seq) > 2 && plainText(t.seq[2:]) {
			t.addSequence()
		}
	case c == esc:
		t.seq, t.state = append(t.seq, c), strEnd
	case t.state == lost || len(t.seq) >= maxSequence:
		t.seq, t.state = t.seq[:0], lost
	default:
		t.seq = append(t.seq, c)
	}
}

// plainText reports whether a string's payload, with its end, is nothing but
// characters.
func plainText(b []byte) bool {
	b = bytes.TrimSuffix(bytes.TrimSuffix(b, []byte{bel}), []byte{esc, '\\'})
	for len(b) > 0 {
		r, size := utf8.DecodeRune(b)
		if r < ' ' || del <= r && r < 0xA0 || r == utf8.RuneError && size == 1 {
			return false
		}
		b = b[size:]
	}
	return true
}

// sequenceLen returns how long the sequence at the beginning of b is, which is
// complete.
func sequenceLen(b []byte) int {
	if len(b) < 2 {
		return len(b)
	}
	final, i := byte('0'), 1
	switch {
	case isString(b[1]):
		if i := bytes.IndexByte(b, bel); i >= 0 && bytes.IndexByte(b[1:i], esc) < 0 {
			return i + 1
		}
		if i := bytes.IndexByte(b[1:], esc); i >= 0 {
			return min(i+3, len(b))
		}
		return len(b)
	case b[1] == '[':
		final, i = '@', 2
	}
	for i < len(b) && (b[i] < final || b[i] >= del) {
		i++
	}
	return min(i+1, len(b))
}

// moves reports whether a complete sequence may move the cursor. Those that
// cannot are attributes, modes, reports and character sets.
func moves(seq []byte) bool {
	if len(seq) < 2 || isString(seq[1]) {
		return false
	}
	last := seq[len(seq)-1]
	if seq[1] == '[' {
		return bytes.IndexByte([]byte("mhlnqtc"), last) < 0
	}
	return len(seq) == 2 && bytes.IndexByte([]byte("DEMc78"), last) >= 0
}

// appendSequences appends the sequences in b to dst that do not move the cursor.
func appendSequences(dst, b []byte) []byte {
	for i := 0; i < len(b); {
		if b[i] != esc {
			i++
			continue
		}
		n := sequenceLen(b[i:])
		if s := b[i : i+n]; !moves(s) {
			dst = append(dst, s...)
		}
		i += n
	}
	return dst
}
