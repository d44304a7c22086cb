// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package hl7

import (
	"bytes"

	"github.com/sallyport-dev/sallyport/internal/mask/element"
	"github.com/sallyport-dev/sallyport/internal/mask/scan"
)

// nameWords bounds the components of a name that are words of it: family, given and
// middle names.
const nameWords = 3

// names are the names of the current message, which its texts may hold. Most
// messages have no text that is looked through: then only the places of names were
// noted in passing.
type names struct {
	message int      // where the current message begins
	people  []person // in its segments so far, or in all of them once hinted is set
	hinted  bool     // all names are in hints
	learned bool     // and in w.Known
	hints   scan.Hints
}

// person is one repetition of a field with a name, and perhaps what is behind it.
type person struct {
	start, end int
	by         rule
}

// begin begins a message.
func (r *run) begin(message int) {
	if r.hinted {
		r.hints.Reset()
	}
	r.message, r.people, r.hinted, r.learned = message, r.people[:0], false, false
}

// hintAll hints at the names of the current message. Where those in the segments
// before the current one are has been noted when they were masked.
func (r *run) hintAll() {
	if r.hinted {
		return
	}
	r.hinted = true
	r.each(r.segment, r.note)
	for _, p := range r.people {
		r.words(p, func(word []byte) { r.hints.Add(word) })
	}
}

// learn tells the scanner the names of the current message.
func (r *run) learn() {
	if r.learned {
		return
	}
	r.learned = true
	r.w.Known.Reset()
	for _, p := range r.people {
		r.words(p, func(word []byte) {
			if word[0] != '[' {
				r.w.Known.Add(scan.Name, word)
			}
		})
	}
}

// words calls f with each word of a name.
func (r *run) words(p person, f func(word []byte)) {
	first := 1
	if p.by == rulePerson {
		first = 2
	}
	var parted parted
	r.split(&parted, p.start, p.end)
	for n := first; n < first+nameWords; n++ {
		if word := parted.component(r.src, n); len(word) > 0 {
			plain, _ := r.decode(word)
			f(plain)
		}
	}
}

// note notes the people of the segment src[start:end].
func (r *run) note(start, end int) {
	s := r.m.table.find(r.src[start:])
	if s == nil {
		return
	}
	for _, i := range s.names {
		at, stop, ok := r.nth(start, end, i+1)
		for ; ok && at < stop; at++ {
			var parted parted
			r.split(&parted, at, stop)
			r.people = append(r.people, person{at, parted.end(), s.fields[i].rule})
			at = parted.end()
		}
	}
}

// patient returns the identifier of the current message's patient (PID-3), which
// shifted dates depend on, or nil.
func (r *run) patient() []byte {
	var id []byte
	r.each(r.message, func(start, end int) {
		if id == nil && string(r.src[start:start+3]) == "PID" {
			if at, stop, ok := r.nth(start, end, 3); ok {
				var parted parted
				r.split(&parted, at, stop)
				id = parted.component(r.src, 1)
			}
		}
	})
	return id
}

// nth returns where field n of the segment src[start:end] starts and ends.
func (r *run) nth(start, end, n int) (at, stop int, ok bool) {
	for stop = start + 3; n > 0 && stop < end; n-- {
		at, stop = stop+1, end
		if i := bytes.IndexByte(r.src[at:end], r.d.field); i >= 0 {
			stop = at + i
		}
	}
	return at, stop, n == 0
}

// each calls f with where each segment of the current message, from a place on,
// starts and ends, but for headers.
func (r *run) each(from int, f func(start, end int)) {
	for at := from; at < len(r.src); {
		if r.src[at] == frameStart {
			at++
			continue
		}
		end := lineEnd(r.src, at)
		switch v := r.src[at:end]; {
		case isHeader(v):
			if at > r.message {
				return
			}
		case len(v) > 4 && v[3] == r.d.field:
			f(at, end)
		}
		at = end + 1
	}
}

// lineEnd returns where the line ends that at is in, which need not be in view.
func lineEnd(src []byte, at int) int {
	for ; at < len(src); at += 8 {
		for m := element.Load(src, at).Controls(); m != 0; m = m.Rest() {
			if i := at + m.First(); i >= len(src) || src[i] == '\r' || src[i] == '\n' {
				return min(i, len(src))
			}
		}
	}
	return len(src)
}
