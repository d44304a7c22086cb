// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package hl7

import (
	"github.com/sallyport-dev/sallyport/internal/mask/element"
	"github.com/sallyport-dev/sallyport/internal/mask/scan"
)

// nameWords bounds the components of a name that are words of it: family, given and
// middle names.
const nameWords = 3

// patient returns the identifier of the current message's patient (PID-3), which
// shifted dates depend on, or nil.
func (r *run) patient() []byte {
	var id []byte
	r.each(r.message, func(start, end int) {
		if id == nil && string(r.src[start:start+3]) == "PID" {
			if at, stop, ok := r.nth(start, end, 3); ok {
				r.split(&r.named, at, stop)
				id = r.named.component(r.src, 1)
			}
		}
	})
	return id
}

// nth returns where field n of the segment src[start:end] starts and ends.
func (r *run) nth(start, end, n int) (at, stop int, ok bool) {
	for stop = start + 3; n > 0 && stop < end; n-- {
		at = stop + 1
		stop = element.Index(r.src, at, end, r.words.field)
	}
	return at, stop, n == 0
}

// hintAll hints at the names of the current message. Those in the segments before
// the current one have been hinted at when they were masked.
func (r *run) hintAll() {
	if !r.hinted {
		r.hinted = true
		r.names(r.segment, r.hintAt)
	}
}

// hintAt remembers how the words of a name begin.
func (r *run) hintAt(p *parted, by rule) {
	first := firstName(by)
	for n := first; n < first+nameWords && n <= p.count; n++ {
		if name := p.component(r.src, n); len(name) > 0 {
			plain, _ := r.decode(name)
			r.hints.Add(plain)
		}
	}
}

// learn tells the scanner the names of the current message.
func (r *run) learn() {
	if r.learned {
		return
	}
	r.learned = true
	r.w.Known.Reset()
	r.names(r.message, func(p *parted, by rule) {
		first := firstName(by)
		for n := first; n < first+nameWords; n++ {
			if name := p.component(r.src, n); len(name) > 0 && name[0] != '[' {
				plain, _ := r.decode(name)
				r.w.Known.Add(scan.Name, plain)
			}
		}
	})
}

// firstName returns the number of the component with the family name.
func firstName(by rule) int {
	if by == rulePerson {
		return 2
	}
	return 1
}

// names calls f with each name in the current message's segments from a place on.
func (r *run) names(from int, f func(p *parted, by rule)) {
	p := &r.named
	r.each(from, func(start, end int) {
		s := r.m.table.find(r.src[start:])
		for _, i := range s.names {
			at, stop, ok := r.nth(start, end, i+1)
			for ; ok && at < stop; at = p.end() + 1 {
				r.split(p, at, stop)
				f(p, s.fields[i].rule)
			}
		}
	})
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
