// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package kubemask

import (
	"bytes"
	"io"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/mask/jsonmask"
	"github.com/sallyport-dev/sallyport/internal/mask/jsonmask/lex"
	"github.com/sallyport-dev/sallyport/internal/mask/text"
)

// MaxUnit bounds what is held of an answer at once, in bytes: an item of a list, a row
// of a table, a member of an object.
const MaxUnit = 32 << 20

// place is where in an answer a writer is.
type place uint8

const (
	before   place = iota // a document has not begun
	atMember              // in an object: a member begins, or the object ends
	inMember              // in a member
	atItem                // in a list: an item begins, or the list ends
	inItem
	afterList // a list has ended: a comma, or the object ends
	after     // the document has ended
)

// writer takes an answer apart as it comes: the members of the document, and of the
// members "items" and "rows" each element. What it has whole it masks and hands on.
type writer struct {
	masker *jsonmask.Masker
	work   *text.Work
	sink   io.Writer
	frames bool // one document after the other

	at     place
	buf    []byte // of the current member or item
	out    []byte // scratch
	depth  int    // of containers within it
	inside bool   // in a string
	escape bool   // behind a backslash in it
	colon  int    // where the member's value begins, 0 while it is not known
	first  bool   // nothing of the object has been handed on
	empty  bool   // nothing of the list has been handed on
	err    error
	ended  bool
	failed int
}

// Write implements io.Writer.
func (w *writer) Write(p []byte) (int, error) {
	if w.ended && w.err == nil {
		w.err = sallyport.E(sallyport.Internal, "mask kubernetes", "the answer has ended")
	}
	if w.err != nil {
		return 0, w.err
	}
	w.out = w.out[:0]
	for i := 0; i < len(p) && w.err == nil; {
		i += w.step(p[i:])
	}
	if w.err != nil {
		w.failed = 1
		return 0, w.err
	}
	if len(w.out) > 0 {
		if _, err := w.sink.Write(w.out); err != nil {
			w.err = err
			return 0, err
		}
	}
	return len(p), nil
}

// Flush implements mask.PayloadWriter.
func (w *writer) Flush() error {
	if w.err == nil && w.at != after && (w.at != before || !w.frames) {
		w.err, w.failed = broken(), 1
	}
	w.ended = true
	return w.err
}

// Abort implements mask.PayloadWriter.
func (w *writer) Abort() {
	clear(w.buf)
	w.buf, w.ended = nil, true
}

// Failed implements mask.PayloadWriter.
func (w *writer) Failed() int { return w.failed }

func broken() error {
	return sallyport.E(sallyport.Integrity, "mask kubernetes", "the cluster's answer is not the JSON of an object").
		WithHint("the answer was withheld, because it could not be masked with certainty")
}

func isSpace(c byte) bool { return c == ' ' || c == '\n' || c == '\t' || c == '\r' }

// step takes in some bytes of p and returns how many.
func (w *writer) step(p []byte) int {
	if w.at == inMember || w.at == inItem {
		return w.collect(p)
	}
	c := p[0]
	if isSpace(c) {
		return 1
	}
	switch w.at {
	case before, after:
		if c != '{' || w.at == after && !w.frames {
			w.err = broken()
			return 0
		}
		w.out = append(w.out, '{')
		w.at, w.first = atMember, true
	case atMember:
		if c == '}' && w.first {
			w.close()
			return 1
		}
		w.begin(inMember)
		return 0
	case atItem:
		if c == ']' && w.empty {
			w.out = append(w.out, ']')
			w.at = afterList
			return 1
		}
		w.begin(inItem)
		return 0
	case afterList:
		switch c {
		case ',':
			w.at = atMember
			w.first = false
		case '}':
			w.close()
		default:
			w.err = broken()
			return 0
		}
	}
	return 1
}

// close ends a document.
func (w *writer) close() {
	w.out = append(w.out, '}')
	if w.frames {
		w.out = append(w.out, '\n')
	}
	w.at = after
}

func (w *writer) begin(at place) {
	w.at, w.buf, w.depth, w.inside, w.escape, w.colon = at, w.buf[:0], 0, false, false, 0
	if at == inMember {
		w.buf = append(w.buf, '{') // a member is masked as an object of one
	}
}

// collect takes in what belongs to the current member or item.
func (w *writer) collect(p []byte) int {
	n := 0
	for n < len(p) {
		c := p[n]
		if w.inside {
			n += w.string(p[n:])
			continue
		}
		switch c {
		case '"':
			w.inside = true
		case '{', '[':
			if c == '[' && w.depth == 0 && w.at == inMember && w.colon > 0 && w.listed(p[:n]) {
				return n + 1
			}
			w.depth++
		case '}', ']':
			if w.depth == 0 {
				return w.end(p[:n], c)
			}
			w.depth--
		case ',':
			if w.depth == 0 {
				return w.end(p[:n], c)
			}
		case ':':
			if w.depth == 0 && w.colon == 0 {
				w.colon = len(w.buf) + n + 1
			}
		}
		n++
	}
	w.buf = append(w.buf, p...)
	if len(w.buf) > MaxUnit {
		w.err = sallyport.E(sallyport.Exhausted, "mask kubernetes", "an object of the cluster's answer is larger than what can be masked").
			WithHint("ask for less of it")
	}
	return len(p)
}

// string goes on in a string and returns how many bytes of p are in it.
func (w *writer) string(p []byte) int {
	if w.escape {
		w.escape = false
		return 1
	}
	i := lex.Stop(p)
	if i == len(p) {
		return i
	}
	if p[i] == '\\' {
		w.escape = true
	} else {
		w.inside = false
	}
	return i + 1
}

// listed begins a list whose elements are masked one by one, if the current member is
// one. rest is what of it is not in the buffer.
func (w *writer) listed(rest []byte) bool {
	name := append(w.buf[1:len(w.buf):len(w.buf)], rest...) // behind the brace
	name = bytes.TrimSpace(name)
	name, ok := bytes.CutSuffix(name, []byte(":"))
	if name = bytes.TrimSpace(name); !ok || string(name) != `"items"` && string(name) != `"rows"` {
		return false
	}
	w.comma()
	w.out = append(append(w.out, name...), ":["...)
	w.buf = w.buf[:0]
	w.at, w.empty = atItem, true
	return true
}

// comma separates what follows from the member before it.
func (w *writer) comma() {
	if !w.first {
		w.out = append(w.out, ',')
	}
	w.first = false
}

// end masks what is complete with rest, and closed by c.
func (w *writer) end(rest []byte, c byte) int {
	if w.buf = append(w.buf, rest...); len(w.buf) > MaxUnit || w.at == inMember && c == ']' || w.at == inItem && c == '}' {
		w.err = broken()
		return 0
	}
	if w.at == inMember {
		w.member()
	} else {
		w.item()
	}
	if w.err != nil {
		return 0
	}
	switch {
	case c == ',' && w.at == inMember:
		w.at = atMember
	case c == ',':
		w.at = atItem
	case c == '}':
		w.close()
	default:
		w.out = append(w.out, ']')
		w.at = afterList
	}
	return len(rest) + 1
}

// member masks the member in the buffer.
func (w *writer) member() {
	w.buf = append(w.buf, '}')
	if w.word() {
		w.comma()
		w.out = append(w.out, w.buf[1:len(w.buf)-1]...)
		return
	}
	from, first := len(w.out), w.first
	w.comma()
	brace := len(w.out)
	out, err := w.masker.Append(w.out, w.buf, w.work)
	if err != nil || len(out) < brace+2 {
		w.err = broken()
		return
	}
	inner := bytes.TrimSpace(out[brace+1 : len(out)-1])
	if len(inner) == 0 { // a rule leaves it out
		w.out, w.first = out[:from], first
		return
	}
	n := copy(out[brace:], inner)
	w.out = out[:brace+n]
}

// word reports whether the member in the buffer is one of the API's own words, which
// every client needs.
func (w *writer) word() bool {
	if len(w.buf) > 48 {
		return false
	}
	name, value, ok := bytes.Cut(w.buf[1:len(w.buf)-1], []byte(":"))
	if !ok {
		return false
	}
	switch string(bytes.TrimSpace(name)) + string(bytes.TrimSpace(value)) {
	case `"type""ADDED"`, `"type""MODIFIED"`, `"type""DELETED"`, `"type""BOOKMARK"`, `"type""ERROR"`, `"status""Success"`, `"status""Failure"`:
		return true
	}
	return false
}

// item masks the element in the buffer.
func (w *writer) item() {
	from := len(w.out)
	if !w.empty {
		w.out = append(w.out, ',')
	}
	out, err := w.masker.Append(w.out, w.buf, w.work)
	if err != nil {
		w.err = broken()
		return
	}
	if len(out) == len(w.out) {
		w.out = out[:from]
		return
	}
	w.out, w.empty = out, false
}
