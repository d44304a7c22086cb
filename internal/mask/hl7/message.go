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

// lines splits a file at carriage returns and line feeds. Each kind of end is
// looked up only when the last one found has been passed.
type lines struct {
	src    []byte
	cr, lf int // next of each, at least at
	at     int
}

func next(src []byte, from int, b byte) int {
	if i := bytes.IndexByte(src[from:], b); i >= 0 {
		return from + i
	}
	return len(src)
}

// line returns where the next line begins and ends, and where the one after it
// begins. A line's end is CR, LF or both.
func (l *lines) line() (start, end, after int) {
	if l.cr < l.at || l.at == 0 {
		l.cr = next(l.src, l.at, '\r')
	}
	if l.lf < l.at || l.at == 0 {
		l.lf = next(l.src, l.at, '\n')
	}
	start, end = l.at, min(l.cr, l.lf)
	after = min(end+1, len(l.src))
	if end == l.cr && l.lf == end+1 && l.lf < len(l.src) {
		after = end + 2
	}
	l.at = after
	return start, end, after
}

// file masks everything.
func (r *run) file(dst []byte) ([]byte, error) {
	r.started, r.message, r.learned = false, 0, false
	r.w.Known.Reset()
	l := lines{src: r.src}
	if mark := []byte("\xef\xbb\xbf"); bytes.HasPrefix(r.src, mark) {
		dst, l.at = append(dst, mark...), len(mark)
		l.cr, l.lf = -1, -1
	}
	for l.at < len(r.src) {
		start, end, after := l.line()
		for start < end && r.src[start] == frameStart {
			dst = append(dst, frameStart)
			start++
		}
		stop := end
		for stop > start && r.src[stop-1] == frameEnd {
			stop--
		}
		if stop > start {
			var err error
			if dst, err = r.line(dst, start, stop); err != nil {
				return nil, err
			}
		}
		dst = append(dst, r.src[stop:after]...)
	}
	if !r.started {
		return nil, refuse("there is no message header")
	}
	return dst, nil
}

// line masks one line, which is not empty.
func (r *run) line(dst []byte, start, end int) ([]byte, error) {
	v := r.src[start:end]
	if isHeader(v) {
		return r.header(dst, start, v)
	}
	if !r.started {
		return nil, refuse("there is text before the first message header")
	}
	if len(v) < 3 || !isName(v[:3]) || len(v) > 3 && v[3] != r.d.field {
		r.counts.Add(r.m.table.unknown.rest.place, scan.Unique)
		return append(dst, wholeText...), nil
	}
	s := r.m.table.segments[[3]byte(v)]
	if s == nil {
		s = &r.m.table.unknown
	}
	return r.fields(append(dst, v[:3]...), v[3:], s, 1), nil
}

// isHeader reports whether a line begins a message, a batch or a file.
func isHeader(v []byte) bool {
	return len(v) > 3 && (v[0] == 'M' && v[1] == 'S' || (v[0] == 'F' || v[0] == 'B') && v[1] == 'H') &&
		(string(v[:3]) == "MSH" || string(v[:3]) == "FHS" || string(v[:3]) == "BHS")
}

// isName reports whether v can name a segment: a capital letter and two capital
// letters or digits.
func isName(v []byte) bool {
	if len(v) != 3 || v[0] < 'A' || v[0] > 'Z' {
		return false
	}
	for _, b := range v[1:] {
		if (b < 'A' || b > 'Z') && (b < '0' || b > '9') {
			return false
		}
	}
	return true
}

// header takes the separators from a header and masks its other fields.
func (r *run) header(dst []byte, start int, v []byte) ([]byte, error) {
	encoding := v[4:]
	if i := bytes.IndexByte(encoding, v[3]); i >= 0 {
		encoding = encoding[:i]
	}
	d, err := parseDelimiters(v[3], encoding)
	if err != nil {
		return nil, err
	}
	r.started = true
	if d != r.d {
		r.d = d
		r.classes = *element.NewClasses()
		r.classes[d.field] = element.End
		for _, b := range []byte{d.component, d.repetition, d.sub} {
			r.classes[b] = element.Delimiter
		}
		r.classes[d.escaping] = element.Foreign
	}
	if v[0] == 'M' {
		r.message, r.learned = start, false
		r.w.Row.Number++
		if r.m.ops.Kind(scan.Date) == operator.DateShift {
			r.w.Row.Patient = r.patient()
		}
		if !singleByte(r.nth(v, 17)) {
			return nil, refuse("the message is in a character set whose bytes can look like separators")
		}
	}
	head := 4 + len(encoding)
	return r.fields(append(dst, v[:head]...), v[head:], r.m.table.segments[[3]byte(v)], 3), nil
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

// nth returns field n, counted from the first separator, of a header.
func (r *run) nth(v []byte, n int) []byte {
	for ; n > 0; n-- {
		i := bytes.IndexByte(v, r.d.field)
		if i < 0 {
			return nil
		}
		v = v[i+1:]
	}
	if i := bytes.IndexByte(v, r.d.field); i >= 0 {
		v = v[:i]
	}
	return v
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

// patient returns the identifier of the current message's patient (PID-3), which
// shifted dates depend on, or nil.
func (r *run) patient() []byte {
	var id []byte
	r.each(func(v []byte) bool {
		if string(v[:3]) == "PID" {
			id, _, _ = bytes.Cut(r.nth(v, 3), []byte{r.d.repetition})
			id, _, _ = bytes.Cut(id, []byte{r.d.component})
		}
		return id == nil
	})
	return id
}

// learn tells the scanner the names of the current message.
func (r *run) learn() {
	if r.learned {
		return
	}
	r.learned = true
	r.w.Known.Reset()
	r.each(func(v []byte) bool {
		if s := r.m.table.segments[[3]byte(v)]; s != nil && len(s.names) > 0 {
			r.learnSegment(v[4:], s)
		}
		return true
	})
}

// each calls f with each segment of the current message after its header, until
// f returns false.
func (r *run) each(f func(v []byte) bool) {
	l := lines{src: r.src[r.message:]}
	l.line()
	for l.at < len(l.src) {
		start, end, _ := l.line()
		v := bytes.TrimLeft(l.src[start:end], string(rune(frameStart)))
		if isHeader(v) {
			return
		}
		if len(v) > 4 && v[3] == r.d.field && !f(v) {
			return
		}
	}
}

// learnSegment takes the names from a segment's fields.
func (r *run) learnSegment(v []byte, s *segment) {
	at := 0 // index of the field that v begins with
	for _, i := range s.names {
		for ; at < i; at++ {
			end := bytes.IndexByte(v, r.d.field)
			if end < 0 {
				return
			}
			v = v[end+1:]
		}
		value := v
		if end := bytes.IndexByte(v, r.d.field); end >= 0 {
			value = v[:end]
		}
		for len(value) > 0 {
			var one []byte
			one, value, _ = bytes.Cut(value, []byte{r.d.repetition})
			r.learnName(one, s.fields[i].rule)
		}
	}
}

// learnName takes family, given and middle names.
func (r *run) learnName(v []byte, kind rule) {
	first := 0
	if kind == rulePerson {
		first = 1
	}
	for n := 0; n < first+3 && len(v) > 0; n++ {
		c, rest, _ := bytes.Cut(v, []byte{r.d.component})
		v = rest
		if n >= first && len(c) > 0 && c[0] != '[' {
			plain, _ := r.decode(c)
			r.w.Known.Add(scan.Name, plain)
		}
	}
}
