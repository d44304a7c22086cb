// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package hl7

import (
	"bytes"
	"strings"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/mask/element"
	"github.com/sallyport-dev/sallyport/internal/mask/operator"
	"github.com/sallyport-dev/sallyport/internal/mask/scan"
)

// The bytes that frame a message in MLLP; a carriage return follows the second.
const (
	frameStart = 0x0b
	frameEnd   = 0x1c
)

// delimiters are the separators that a header declares; 0 for none.
type delimiters struct {
	field, component, repetition, escaping, sub, truncation byte
}

// has reports whether b is one of them.
func (d *delimiters) has(b byte) bool {
	return b == d.field || b == d.component || b == d.repetition || b == d.escaping || b == d.sub || b == d.truncation
}

func refuse(msg string) error {
	return sallyport.E(sallyport.Integrity, "hl7 message", msg).WithHint("mask the payload as a whole")
}

// file masks everything.
func (r *run) file() error {
	r.started, r.view.end = false, 0
	r.begin(0)
	r.w.Known.Reset()
	at := 0
	if mark := "\xef\xbb\xbf"; bytes.HasPrefix(r.src, []byte(mark)) {
		at = len(mark)
	}
	for at < len(r.src) {
		switch r.src[at] {
		case frameStart, '\r', '\n':
			at++
			continue
		}
		var err error
		r.segment = at
		switch s := r.m.table.find(r.src[at:]); {
		case s != nil && s.header && r.src[at+3] > ' ':
			at, err = r.header(at, s)
		case s != nil && r.started && r.src[at+3] == r.d.field:
			at = r.fields(at+3, s, 1)
		default:
			at, err = r.line(at)
		}
		if err != nil {
			return err
		}
	}
	if !r.started {
		return refuse("there is no message header")
	}
	return nil
}

// line masks the line at an index, which is of a segment without fields or one that no
// table knows, or something else. It returns where the line ends.
func (r *run) line(at int) (int, error) {
	end := lineEnd(r.src, at)
	v := bytes.TrimRight(r.src[at:end], string(rune(frameEnd)))
	switch {
	case len(v) == 0:
	case isHeader(v):
		return at, refuse(noMarks)
	case !r.started:
		return at, refuse("there is text before the first message header")
	case !isName(v) || len(v) > 3 && v[3] != r.d.field:
		r.hide(at, at+len(v), &r.m.table.unknown.rest)
	case len(v) > 3:
		r.fields(at+3, &r.m.table.unknown, 1)
	}
	return end, nil
}

// isHeader reports whether a line begins a message, a batch or a file.
func isHeader(v []byte) bool {
	return len(v) > 3 && (v[0] == 'M' && v[1] == 'S' || (v[0] == 'F' || v[0] == 'B') && v[1] == 'H') &&
		(string(v[:3]) == "MSH" || string(v[:3]) == "FHS" || string(v[:3]) == "BHS")
}

// isName reports whether v begins with what can name a segment: a capital letter
// and two capital letters or digits.
func isName(v []byte) bool {
	if len(v) < 3 || v[0] < 'A' || v[0] > 'Z' {
		return false
	}
	for _, b := range v[1:3] {
		if (b < 'A' || b > 'Z') && (b < '0' || b > '9') {
			return false
		}
	}
	return true
}

// header takes the separators from the header at an index, masks its other fields and
// returns where it ends.
func (r *run) header(at int, s *segment) (int, error) {
	mark := r.src[at+3]
	encoding := r.src[at+4:]
	end := 0
	for end < min(len(encoding), mostSeparators) && encoding[end] > ' ' && encoding[end] != mark {
		end++
	}
	if end == len(encoding) || encoding[end] != mark { // it is too long, or the line has no other field
		end = len(bytes.TrimRight(encoding[:lineEnd(encoding, 0)], string(rune(frameEnd))))
	}
	if err := r.separate(mark, encoding[:end]); err != nil {
		return at, err
	}
	r.started, r.opaque = true, false
	if r.src[at] == 'M' {
		r.begin(at)
		r.w.Row.Number++
		if r.m.ops.Kind(scan.Date) == operator.DateShift {
			r.w.Row.Patient = r.patient()
		}
	}
	if at += 4 + end; at < len(r.src) && r.src[at] == mark {
		at = r.fields(at, s, 3)
	}
	if r.opaque {
		return at, refuse("the message is in a character set whose bytes can look like separators")
	}
	return at, nil
}

// separate takes a header's separators, which are mostly those that the last one
// had.
func (r *run) separate(field byte, encoding []byte) error {
	if r.d.are(field, encoding) {
		return nil
	}
	d, err := parseDelimiters(field, encoding)
	if err != nil {
		return err
	}
	r.d = d
	r.view.separate(d)
	r.separated(d.component)
	r.classes = *element.NewClasses()
	for _, b := range []byte{d.component, d.repetition, d.sub} {
		r.classes[b] = element.Delimiter
	}
	r.classes[d.field], r.classes[d.escaping] = element.Foreign, element.Foreign
	return nil
}

// are reports whether a header declares these separators.
func (d *delimiters) are(field byte, encoding []byte) bool {
	sub, truncation := 3, byte(0)
	switch len(encoding) {
	case mostSeparators - 1:
	case mostSeparators:
		if doubled(encoding) {
			sub = 4
		} else {
			truncation = encoding[4]
		}
	default:
		return false
	}
	return field == d.field && encoding[0] == d.component && encoding[1] == d.repetition && encoding[2] == d.escaping &&
		encoding[sub] == d.sub && truncation == d.truncation
}

// doubled reports whether a sender has written the escape character twice.
func doubled(encoding []byte) bool { return encoding[2] == '\\' && encoding[3] == '\\' }

// mostSeparators is how many a header declares at most, beside that of fields.
const mostSeparators = 5

const noMarks = "the header's separators are not different punctuation marks"

// parseDelimiters reads MSH-2.
func parseDelimiters(fieldSeparator byte, encoding []byte) (delimiters, error) {
	n := len(encoding)
	if n < 4 || n > mostSeparators {
		return delimiters{}, refuse("the header does not declare four or five separators")
	}
	d := delimiters{field: fieldSeparator, component: encoding[0], repetition: encoding[1], escaping: encoding[2], sub: encoding[3]}
	if n == mostSeparators {
		d.truncation = encoding[4]
	}
	if n == mostSeparators && doubled(encoding) {
		d.sub, d.truncation, n = d.truncation, 0, 4
	}
	var seen [2]uint64
	all := [...]byte{d.field, d.component, d.repetition, d.escaping, d.sub, d.truncation}
	for i, b := range all {
		if i == len(all)-1 && b == 0 && n == 4 {
			break // there is none
		}
		mark := b > ' ' && b < 0x7f && (b < '0' || b > '9') && (b|0x20 < 'a' || b|0x20 > 'z') && strings.IndexByte(`[]"-.+`, b) < 0
		if !mark || seen[b>>6]>>(b&63)&1 == 1 {
			return delimiters{}, refuse(noMarks)
		}
		seen[b>>6] |= 1 << (b & 63)
	}
	return d, nil
}

// singleByte reports whether the character sets of MSH-18 keep separators apart
// from other characters. Those of East Asia that switch or pair bytes do not.
func singleByte(sets []byte) bool {
	for len(sets) > 0 {
		set := sets
		if i := bytes.IndexByte(sets, '~'); i >= 0 {
			set, sets = sets[:i], sets[i+1:]
		} else {
			sets = nil
		}
		switch {
		case len(set) == 0, string(set) == "ASCII", bytes.HasPrefix(set, []byte("8859/")), bytes.HasPrefix(set, []byte("UNICODE UTF-8")), string(set) == "UTF-8", string(set) == "UNICODE":
		default:
			return false
		}
	}
	return true
}
