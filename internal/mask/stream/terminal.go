// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package stream

import (
	"io"
	"unicode/utf8"

	"github.com/sallyport-dev/sallyport/internal/mask/scan"
	"github.com/sallyport-dev/sallyport/internal/mask/text"
)

const (
	// maxLine is how long a line without its end may become.
	maxLine = maxToken
	// maxSequence bounds an escape sequence, with its payload.
	maxSequence = 4 << 10
)

// Terminal masks what a program writes to a terminal. A complete line is masked
// and handed on at once, with what came before it as context and nothing of what
// follows: programs do not break values over lines.
//
// Escape sequences and control characters are taken out before anything is
// looked for, and kept in the output. Where they move the cursor, the line is
// looked at in three ways: without them, as the screen shows it, and broken at
// each movement; what any of them shows is masked. Within a masked value the
// sequences stay, behind what stands for it, and movements go.
//
// Sequences that are malformed, longer than 4 KiB or interrupted are dropped, as
// are NULs, and strings for the terminal (titles, links) with a finding in them.
// Bytes that are not UTF-8 become U+FFFD. Control characters of eight bits
// become their form of two bytes.
type Terminal struct {
	// Typing has Idle hand on an unfinished word of lower-case letters, so that
	// people see what they type. The price: where a program pauses in the middle
	// of an e-mail address, the letters before the pause are shown.
	Typing bool
	// Bulk has plain lines that come in one piece looked at together, as a text: each
	// with those that follow it in the piece, so that what comes out can depend on how
	// the lines were cut. It is for programs that print much, and several times as fast.
	Bulk bool

	out     output
	line    []byte // the current line as it goes out where nothing is masked; whole runes and sequences
	context []byte // the plain text before it
	views   [viewCount]view
	used    []int // those of them that say something about the line
	cells   []cell
	hits    []hit
	found   []scan.Span // in the payload of a sequence
	seq     []byte      // a sequence or rune that is not complete
	state   state
	skip    bool // inside a token that was replaced
}

// NewTerminal returns a writer that hands masked output to sink.
func NewTerminal(m *text.Masker, w *text.Work, sink io.Writer) *Terminal {
	return &Terminal{out: output{m: m, w: w, sink: sink}}
}

// Write takes the next piece. It keeps nothing of p.
func (t *Terminal) Write(p []byte) (int, error) {
	if t.out.err != nil {
		return 0, t.out.err
	}
	for i := 0; i < len(p); {
		if n := t.lines(p[i:]); n > 0 {
			i += n
			continue
		}
		if t.state == ground {
			n := printable(p[i:min(len(p), i+maxLine-len(t.line))])
			t.add(p[i : i+n])
			i += n
		}
		if i < len(p) && (t.state != ground || !isPrintable(p[i])) {
			t.feed(p[i])
			i++
		}
	}
	_ = t.out.flush()
	return len(p), t.out.err
}

func isPrintable(c byte) bool { return ' ' <= c && c < 0x7F }

func printable(b []byte) int {
	for i, c := range b {
		if !isPrintable(c) {
			return i
		}
	}
	return len(b)
}

// add takes characters into the line.
func (t *Terminal) add(b []byte) {
	if t.skip {
		i := indexSpace(b)
		if i < 0 {
			return
		}
		t.skip, b = false, b[i:]
	}
	t.line = append(t.line, b...)
	if len(b) > 0 && b[len(b)-1] == '\n' {
		t.look()
		t.release(len(t.line))
	}
	t.overflow()
}

// addSequence takes a complete sequence into the line. A string whose payload
// holds a finding is dropped: it would be shown, and cannot be masked in part.
func (t *Terminal) addSequence() {
	if t.skip {
		return
	}
	if isString(t.seq[1]) {
		t.found = t.out.m.Scanner.Scan(t.found[:0], t.seq[2:], &t.out.w.Known)
		for _, s := range t.found {
			if !t.out.keeps(s.Entity) {
				return
			}
		}
	}
	t.line = append(t.line, t.seq...)
	t.overflow()
}

// overflow hands on a part of the line while it is too long.
func (t *Terminal) overflow() {
	for len(t.line) >= maxLine {
		t.look()
		if c := t.boundary(); c > 0 {
			t.release(c)
			continue
		}
		t.out.oversized()
		t.line, t.context, t.skip = t.line[:0], t.context[:0], true
	}
}

// boundary returns the last place in the line that follows white space, crosses
// no hit and has enough behind it, or 0.
func (t *Terminal) boundary() int {
	v := &t.views[removed]
	for i := len(v.text) - scan.Right; i > len(t.context); i-- {
		if !isSpace(v.text[i-1]) {
			continue
		}
		if c := v.off[i-1] + 1; t.before(c) == c {
			return c
		}
	}
	return 0
}

// before returns the last place up to c that no hit crosses.
func (t *Terminal) before(c int) int {
	for i := len(t.hits) - 1; i >= 0; i-- {
		if h := t.hits[i]; h.from < c && c < h.to {
			return h.from // hits do not overlap
		}
	}
	return c
}

// Idle tells that nothing has come for a while. It hands on the part of the line
// that no further byte can make part of a finding, so that a prompt is shown.
// What it shows depends on when it is called.
func (t *Terminal) Idle() error {
	if t.out.err != nil || len(t.line) == 0 {
		return t.out.err
	}
	t.look()
	cut := len(t.line)
	for _, i := range t.used {
		v := &t.views[i]
		for j := openFrom(v.text, t.Typing); j < len(v.text); j++ {
			if v.off[j] >= 0 {
				cut = min(cut, v.off[j])
			}
		}
	}
	t.release(t.before(cut))
	return t.out.flush()
}

// release masks the line up to a place that no hit crosses, and forgets it but
// for the context of what follows.
func (t *Terminal) release(to int) {
	at, o := 0, &t.out
	for i := range t.hits {
		h := &t.hits[i]
		if h.from >= to {
			break
		}
		o.buf = append(o.buf, t.line[at:h.from]...)
		v := &t.views[h.view]
		if h.keep {
			o.count(v.text, h.span)
			o.buf = append(o.buf, t.line[h.from:h.to]...)
		} else {
			o.replace(v.text, h.span, h.partly)
			o.buf = appendSequences(o.buf, t.line[h.from:h.to])
		}
		at = h.to
	}
	o.buf = append(o.buf, t.line[at:to]...)

	v := &t.views[removed]
	end := len(t.context)
	for end < len(v.text) && v.off[end] < to {
		end++
	}
	t.context = append(t.context[:0], v.text[contextBefore(v.text, v.found, end):end]...)
	t.line = t.line[:copy(t.line, t.line[to:])]
}

// Flush hands on the rest, without a sequence that is not complete, and ends the
// stream.
func (t *Terminal) Flush() error {
	if t.out.err != nil {
		return t.out.err
	}
	if t.state == runes {
		t.replaceInvalid()
	}
	t.look()
	t.release(len(t.line))
	err := t.out.flush()
	t.Abort()
	return err
}

// Abort drops what is pending and ends the stream.
func (t *Terminal) Abort() {
	clear(t.line)
	t.line, t.seq, t.context = nil, nil, nil
	t.out.end()
}

// replaceInvalid takes what was collected of a rune as bytes that are none.
func (t *Terminal) replaceInvalid() {
	seq := t.seq
	t.state = ground
	for range seq {
		t.add(utf8.AppendRune(nil, utf8.RuneError))
	}
}
