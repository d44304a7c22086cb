// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package x12

import (
	"bytes"
	"strconv"
	"strings"

	"github.com/sallyport-dev/sallyport/internal/mask/element"
	"github.com/sallyport-dev/sallyport/internal/mask/operator"
	"github.com/sallyport-dev/sallyport/internal/mask/scan"
)

// delimiters are the separators that an ISA declares; repetition is 0 for none.
type delimiters struct {
	element, repetition, component, terminator byte
}

// The ISA has elements of fixed width, so its separators have fixed places.
const (
	isaLength     = 106
	isaRepetition = 82
	isaVersion    = 84
	isaComponent  = 104
)

// isaWidths are the widths of the elements of an ISA.
var isaWidths = [16]int{2, 10, 2, 10, 2, 15, 2, 15, 6, 4, 1, 5, 9, 1, 1, 1}

// maxElements bounds the elements of a segment; standards have at most 28.
const maxElements = 256

// file masks everything.
func (r *run) file(dst, src []byte) ([]byte, error) {
	r.envelope = envelope{}
	open := false
	for {
		blank := 0
		for blank < len(src) && (src[blank] == ' ' || src[blank] == '\r' || src[blank] == '\n' || src[blank] == '\t') {
			blank++
		}
		dst, src = append(dst, src[:blank]...), src[blank:]
		if len(src) == 0 {
			break
		}
		var err error
		if r.envelope.interchange == nil {
			if dst, err = r.isa(dst, src); err != nil {
				return nil, err
			}
			src = src[isaLength:]
			open = true
			continue
		}
		end := bytes.IndexByte(src, r.d.terminator)
		if end < 0 {
			return nil, refuse("the last segment has no end")
		}
		if dst, err = r.segment(dst, src[:end]); err != nil {
			return nil, err
		}
		dst = append(dst, r.d.terminator)
		src = src[end+1:]
	}
	if !open || r.envelope.interchange != nil {
		return nil, refuse("there is no complete interchange")
	}
	return dst, nil
}

// isa takes the separators from an ISA and masks its elements within their
// widths.
func (r *run) isa(dst, src []byte) ([]byte, error) {
	if len(src) < isaLength || string(src[:3]) != "ISA" {
		return nil, refuse("there is something else where an interchange header should be")
	}
	if err := r.setDelimiters(src); err != nil {
		return nil, err
	}
	r.w.Row.Number++
	r.envelope = envelope{}
	f := &r.m.table.isa
	dst = append(dst, "ISA"...)
	at := 3
	for i, width := range isaWidths {
		if src[at] != r.d.element {
			return nil, refuse("the interchange header has elements of the wrong width")
		}
		v := src[at+1 : at+1+width]
		at += 1 + width
		if bytes.IndexByte(v, r.d.element) >= 0 || bytes.IndexByte(v, r.d.terminator) >= 0 {
			return nil, refuse("the interchange header has elements of the wrong width")
		}
		dst = append(dst, r.d.element)
		switch i + 1 {
		case 2, 4: // authorisation and password
			dst = pad(dst, width)
		case 6, 8:
			start := len(dst)
			dst = r.fit(dst, v, f, scan.Org, 1, width)
			dst = pad(dst, start+width-len(dst))
		case 9:
			dst = r.day(dst, v, f)
		case 10:
			dst = r.clock(dst, v)
		case 13:
			start := len(dst)
			dst = r.control(dst, v, r.w.Row.Number)
			r.envelope.interchange = append(r.envelope.numbers[0][:0], dst[start:]...)
		default:
			if r.doubtful(v) && i+1 != 16 && i+1 != 11 {
				return nil, refuse("the interchange header has a code that is none")
			}
			dst = append(dst, v...)
		}
	}
	return append(dst, r.d.terminator), nil
}

func (r *run) doubtful(v []byte) bool { return r.classes.ShapeOf(v) != element.Code }

// setDelimiters reads the separators of an ISA.
func (r *run) setDelimiters(isa []byte) error {
	d := delimiters{element: isa[3], component: isa[isaComponent], terminator: isa[isaLength-1]}
	if b := isa[isaRepetition]; string(isa[isaVersion:isaVersion+5]) >= "00402" && b != 'U' {
		d.repetition = b
	}
	marks := [4]byte{d.element, d.component, d.terminator, d.repetition}
	all := marks[:]
	if d.repetition == 0 {
		all = marks[:3]
	}
	for i, b := range all {
		alnum := b >= '0' && b <= '9' || b|0x20 >= 'a' && b|0x20 <= 'z' && b < 0x80
		blank := b == ' ' || b == 0 || (b == '\r' || b == '\n') && i != 2
		if alnum || blank || b >= 0x80 || strings.IndexByte("[]-.", b) >= 0 || bytes.IndexByte(all[:i], b) >= 0 {
			return refuse("the separators are not different marks")
		}
	}
	if d == r.d {
		return nil
	}
	r.d = d
	r.classes = *element.NewClasses()
	for _, b := range all {
		r.classes[b] = element.Delimiter
	}
	return nil
}

func pad(dst []byte, n int) []byte {
	for ; n > 0; n-- {
		dst = append(dst, ' ')
	}
	return dst
}

// segment masks one segment after the ISA, without its terminator.
func (r *run) segment(dst, v []byte) ([]byte, error) {
	r.elements = r.elements[:0]
	name, rest, more := bytes.Cut(v, []byte{r.d.element})
	for more {
		var e []byte
		e, rest, more = bytes.Cut(rest, []byte{r.d.element})
		if len(r.elements) == maxElements {
			return nil, refuse("a segment has too many elements")
		}
		r.elements = append(r.elements, e)
	}
	if !isName(name) {
		return nil, refuse("a segment has no name")
	}
	if err := r.nest(name); err != nil {
		return nil, err
	}
	s := r.m.table.segments[string(name)]
	if s == nil {
		s = &r.m.table.unknown
	} else if s.variants != nil && len(r.elements) > 0 {
		if known := s.variants[string(r.elements[0])]; known != nil {
			s = known
		}
	}
	r.context(name)
	dst = append(dst, name...)
	for i, e := range r.elements {
		dst = append(dst, r.d.element)
		if len(e) > 0 {
			dst = r.element(dst, e, s.field(i+1), i)
		}
	}
	if string(name) == "IEA" {
		r.envelope = envelope{}
	}
	return dst, nil
}

// isName reports whether v can name a segment: two or three capital letters and
// digits, the first a letter.
func isName(v []byte) bool {
	if len(v) < 2 || len(v) > 3 || v[0] < 'A' || v[0] > 'Z' {
		return false
	}
	for _, b := range v[1:] {
		if (b < 'A' || b > 'Z') && (b < '0' || b > '9') {
			return false
		}
	}
	return true
}

// nest checks that envelopes are opened and closed in order.
func (r *run) nest(name []byte) error {
	e := &r.envelope
	ok := true
	switch string(name) {
	case "ISA":
		ok = false
	case "GS":
		ok = e.group == nil
	case "ST":
		ok = e.group != nil && e.set == nil
	case "SE":
		ok = e.set != nil
	case "GE":
		ok = e.group != nil && e.set == nil
	case "IEA":
		ok = e.group == nil
	}
	if !ok {
		return refuse("the envelopes of the interchange do not nest")
	}
	return nil
}

// context keeps what is known of names to one subscriber or claim.
func (r *run) context(name []byte) {
	switch string(name) {
	case "ST", "CLP":
		r.w.Known.Reset()
	case "HL":
		if len(r.elements) > 2 && string(r.elements[2]) != "23" { // a dependent
			r.w.Known.Reset()
		}
	case "NM1":
		if len(r.elements) < 3 || string(r.elements[1]) != "1" {
			return
		}
		for _, v := range r.elements[2:min(len(r.elements), 5)] {
			if len(v) > 0 && v[0] != '[' {
				r.w.Known.Add(scan.Name, v)
			}
		}
	}
}

// control appends an ordinal as wide as the control number it stands for.
func (r *run) control(dst, v []byte, ordinal uint64) []byte {
	if r.m.ops.Kind(scan.Unique) == operator.Keep {
		return append(dst, v...)
	}
	var digits [20]byte
	d := strconv.AppendUint(digits[:0], ordinal, 10)
	if len(d) > len(v) && len(v) >= 4 {
		d = d[len(d)-len(v):] // a width is fixed; ordinals come round
	}
	for range len(v) - len(d) {
		dst = append(dst, '0')
	}
	return append(dst, d...)
}
