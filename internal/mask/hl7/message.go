// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package hl7

import (
	"bytes"

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

func refuse(msg string) error {
	return sallyport.E(sallyport.Integrity, "hl7 message", msg).WithHint("mask the payload as a whole")
}

// file masks everything.
func (r *run) file() error {
	r.started, r.message, r.learned, r.hinted = false, 0, false, false
	r.hints.Reset()
	r.w.Known.Reset()
	at := 0
	if mark := "\xef\xbb\xbf"; bytes.HasPrefix(r.src, []byte(mark)) {
		at = len(mark)
	}
	for at < len(r.src) {
		if r.src[at] == frameStart {
			at++
			continue
		}
		end := lineEnd(r.src, at)
		stop := end
		for stop > at && r.src[stop-1] == frameEnd {
			stop--
		}
		if stop > at {
			if err := r.line(at, stop); err != nil {
				return err
			}
		}
		at = end + 1
	}
	if !r.started {
		return refuse("there is no message header")
	}
	return nil
}

// line masks one line, which is not empty.
func (r *run) line(start, end int) error {
	r.segment = start
	v := r.src[start:end]
	switch {
	case isHeader(v):
		return r.header(start, end)
	case !r.started:
		return refuse("there is text before the first message header")
	case !isName(v) || len(v) > 3 && v[3] != r.d.field:
		r.counts.Add(r.m.table.unknown.rest.place, scan.Unique, 1)
		r.replace(start, end, wholeText)
	default:
		r.fields(start+3, end, r.m.table.find(v), 1)
	}
	return nil
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

// header takes the separators from a header and masks its other fields.
func (r *run) header(start, end int) error {
	v := r.src[start:end]
	encoding := v[4:]
	if i := bytes.IndexByte(encoding, v[3]); i >= 0 {
		encoding = encoding[:i]
	}
	if err := r.separate(v[3], encoding); err != nil {
		return err
	}
	r.started = true
	if v[0] == 'M' {
		r.message, r.learned, r.hinted = start, false, false
		r.hints.Reset()
		r.w.Row.Number++
		if r.m.ops.Kind(scan.Date) == operator.DateShift {
			r.w.Row.Patient = r.patient()
		}
	}
	r.opaque = false
	r.fields(start+4+len(encoding), end, r.m.table.find(v), 3)
	if r.opaque {
		return refuse("the message is in a character set whose bytes can look like separators")
	}
	return nil
}

// separate takes a header's separators, which are mostly those that the last one
// had.
func (r *run) separate(field byte, encoding []byte) error {
	if field == r.d.field && bytes.Equal(encoding, r.encoding) {
		return nil
	}
	d, err := parseDelimiters(field, encoding)
	if err != nil {
		return err
	}
	r.encoding = append(r.encoding[:0], encoding...)
	if d == r.d {
		return nil
	}
	r.d = d
	r.words = words{element.Repeat(d.field), element.Repeat(d.component), element.Repeat(d.repetition)}
	r.classes = *element.NewClasses()
	for _, b := range []byte{d.component, d.repetition, d.sub} {
		r.classes[b] = element.Delimiter
	}
	r.classes[d.field], r.classes[d.escaping] = element.Foreign, element.Foreign
	return nil
}

// parseDelimiters reads MSH-2. Some senders write the escape character twice.
func parseDelimiters(fieldSeparator byte, encoding []byte) (delimiters, error) {
	if len(encoding) == 5 && encoding[2] == '\\' && encoding[3] == '\\' {
		encoding = append(append(make([]byte, 0, 4), encoding[:3]...), encoding[4])
	}
	if len(encoding) < 4 || len(encoding) > 5 {
		return delimiters{}, refuse("the header does not declare four or five separators")
	}
	d := delimiters{field: fieldSeparator, component: encoding[0], repetition: encoding[1], escaping: encoding[2], sub: encoding[3]}
	if len(encoding) == 5 {
		d.truncation = encoding[4]
	}
	all := append(append(make([]byte, 0, 6), fieldSeparator), encoding...)
	for i, b := range all {
		mark := b > ' ' && b < 0x7f && (b < '0' || b > '9') && (b|0x20 < 'a' || b|0x20 > 'z')
		if !mark || bytes.IndexByte([]byte(`[]"-.+`), b) >= 0 || bytes.IndexByte(all[:i], b) >= 0 {
			return delimiters{}, refuse("the header's separators are not different punctuation marks")
		}
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
