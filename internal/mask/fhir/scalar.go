// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package fhir

import (
	"bytes"
	"strconv"

	"github.com/sallyport-dev/sallyport/internal/mask/element"

	"github.com/sallyport-dev/sallyport/internal/mask/jsonmask/lex"
	"github.com/sallyport-dev/sallyport/internal/mask/operator"
	"github.com/sallyport-dev/sallyport/internal/mask/scan"
)

// Longest strings that are kept under their rule; anything longer is no code
// and no unit.
const (
	maxSymbol = 64
	maxUnit   = 32
	tooLong   = 9 // digits of a number: social security, telephone and the like
)

// text masks the string at i, a value of the element f.
func (r *run) text(i int, f *field, s *scope) (end int, kept bool) {
	end, escaped := lex.String(r.edit.Src, i)
	if end < 0 {
		return -1, false
	}
	v := r.edit.Src[i+1 : end-1]
	if escaped {
		r.value = lex.Unquote(r.value[:0], v)
		v = r.value
	}
	if len(v) == 0 {
		return end, false
	}
	switch f.rule.treat {
	case mask:
		return end, r.mask(i, end, v, f, f.rule.entity, f.op)
	case code:
		_, known := r.m.codes[string(v)]
		return end, known
	case date, instant:
		return end, r.date(i, end, v, f)
	case link, ident:
		return end, r.link(i, end, v, f, s)
	case div:
		r.constant(i, end, `"<div xmlns=\"http://www.w3.org/1999/xhtml\">[TEXT]</div>"`, f)
		return end, true
	case samples:
		r.constant(i, end, `"E"`, f)
		return end, true
	case system:
		if i != s.systemAt {
			return r.twice()
		}
		return end, s.known
	case symbol:
		if i != s.codeAt {
			return r.twice()
		}
		if s.systemAt < 0 { // of no system: one of FHIR's words, or masked
			_, known := r.m.codes[string(v)]
			return end, known
		}
		return end, s.known && s.fits
	case unit:
		if i != s.unitAt {
			return r.twice()
		}
		return end, r.scan(i, end, v, f, s)
	case scanned, display, word, identifier, contact:
		return end, r.scan(i, end, v, f, s)
	}
	return end, r.reads(v, f.rule.treat)
}

// twice refuses a document in which one element of a Coding or Quantity is there
// twice, or has its name in escapes: what its siblings mean would depend on which
// of them a reader takes.
func (r *run) twice() (end int, kept bool) {
	r.fault = "a coding or quantity has an element twice"
	return -1, false
}

// reads reports whether a string that nothing is looked up for is what the
// element's type says.
func (r *run) reads(v []byte, t treat) bool {
	switch t {
	case uri:
		return published(v)
	case assigner:
		return r.m.assigner(v)
	case language:
		return languageLike(v)
	case mime:
		return mimeLike(v)
	case currency:
		return currencyLike(v)
	case region:
		return regionLike(v)
	case number:
		return len(v) <= 8 && lex.Number(v, 0) == len(v)
	case clock:
		return clockLike(v)
	}
	return false
}

// scan masks a string of which the scanner has a say.
func (r *run) scan(i, end int, v []byte, f *field, s *scope) bool {
	op := f.op
	switch t := f.rule.treat; {
	case t == identifier || t == contact:
		if s.entity != scan.None {
			op = r.m.ops[s.entity]
		}
		if op.Kind() != operator.Keep {
			return r.mask(i, end, v, f, s.entity, op)
		}
	case t == display && !(s.known && s.fits), t == unit && len(v) > maxUnit:
		return r.mask(i, end, v, f, scan.None, nil)
	case t == word && !wordLike(v):
		return r.mask(i, end, v, f, scan.None, nil)
	}
	r.w.Locus = f.locus
	r.out = r.m.text.Append(r.out[:0], v, r.w)
	switch {
	case bytes.Equal(r.out, v):
	case len(r.out) == 0:
		return false
	default:
		r.edit.ReplaceQuoted(i, end, r.out)
	}
	return true
}

// mask replaces a string by what the operator makes of it.
func (r *run) mask(i, end int, v []byte, f *field, e scan.Entity, op *operator.Operator) bool {
	if op == nil {
		r.constant(i, end, `"[TEXT]"`, f)
		return true
	}
	if op.Kind() == operator.Keep || masked(v) {
		return true
	}
	r.out = r.m.text.Replace(r.out[:0], v, e, op, r.w)
	if len(r.out) == 0 {
		return false
	}
	r.count(f, 0)
	r.edit.ReplaceQuoted(i, end, r.out)
	return true
}

// masked reports whether a string is what an earlier mask left behind. What that
// knew of the value may be gone by now, so it is not masked anew.
func masked(v []byte) bool {
	if v[0] != '[' || v[len(v)-1] != ']' {
		return false
	}
	_, ok := scan.ParseEntity(string(v[1 : len(v)-1]))
	return ok
}

func (r *run) constant(i, end int, s string, f *field) {
	r.count(f, 0)
	r.edit.ReplaceString(i, end, s)
}

// number masks the number at i.
func (r *run) number(i int, f *field, s *scope) (end int, kept bool) {
	end = lex.Number(r.edit.Src, i)
	if end < 0 || !f.number {
		return end, false
	}
	v := r.edit.Src[i:end]
	if s.isQuantity() && f.name == "value" && i != s.valueAt {
		return r.twice()
	}
	if s.years && f.name == "value" {
		out, ok := r.m.age.Decimal(r.out[:0], v, &r.w.Row)
		if r.out = out; !ok || lex.Number(out, 0) != len(out) {
			return end, r.m.age.Kind() == operator.Keep
		}
		r.count(f, 0)
		r.edit.Replace(i, end, out)
		return end, true
	}
	return end, digits(v) < tooLong && !dayLike(v)
}

// dayLike reports whether a number reads as a day: 19740506.
func dayLike(v []byte) bool {
	if len(v) != 8 {
		return false
	}
	n, ok := digitsOf(v)
	month, day := n/100%100, n%100
	return ok && n >= 1850_00_00 && n < 2100_00_00 && month >= 1 && month <= 12 && day >= 1 && day <= 31
}

// digits returns how many digits the whole part of a number has, or more where an
// exponent hides how many.
func digits(v []byte) int {
	whole := bytes.TrimPrefix(v, []byte("-"))
	if i := bytes.IndexByte(whole, '.'); i >= 0 && !bytes.ContainsAny(v, "eE") {
		whole = whole[:i]
	}
	return len(whole)
}

// look finds out what the elements of the object at i know of each other.
func (r *run) look(i int, n *node, s *scope) {
	switch s.kind = n.kind; n.kind {
	case coding, quantity, age:
		at := [4]int{-1, -1, -1, -1}
		r.places(i, n.kind, &at)
		s.systemAt, s.valueAt, s.codeAt, s.unitAt = at[0], at[1], at[2], at[3]
		var f element.Form
		if s.known, f = r.systemAt(s.systemAt); s.known {
			r.key = lex.Unquote(r.key[:0], r.textAt(s.codeAt))
			s.fits = len(r.key) > 0 && f.Fits(r.key)
		}
		if n.kind != coding {
			s.years = r.above89(s)
		}
	case identity:
		s.entity = r.identity(i)
	case telecom:
		s.entity = scan.Phone
		switch string(r.lookupText(i, "system")) {
		case "fax":
			s.entity = scan.Fax
		case "email":
			s.entity = scan.Email
		case "url":
			s.entity = scan.URL
		}
	case plain:
	}
}

// places finds the elements of the Coding or Quantity at i that depend on each other.
func (r *run) places(i int, of kind, at *[4]int) {
	wanted := len(at)
	if of == coding {
		wanted = 2 // the others are of quantities
	}
	for i = lex.Space(r.edit.Src, i+1); ; i = lex.Space(r.edit.Src, i+1) {
		stop, _, v := lex.Key(r.edit.Src, i)
		if stop < 0 {
			return
		}
		n := -1
		switch string(r.edit.Src[i+1 : stop-1]) {
		case "system":
			n = 0
		case "value":
			n = 1
		case "code":
			n = 2
		case "unit":
			n = 3
		}
		if n >= 0 && at[n] < 0 {
			at[n] = v
			if wanted--; wanted == 0 {
				return
			}
		}
		if v = lex.Value(r.edit.Src, v, shallow); v < 0 {
			return
		}
		if i = lex.Space(r.edit.Src, v); lex.At(r.edit.Src, i) != ',' {
			return
		}
	}
}

// systemAt reports whether the string at i, if there is one, names a system whose
// codes may be shown, and what form they have. It remembers those that do, for
// documents use few.
func (r *run) systemAt(i int) (known bool, f element.Form) {
	uri := r.textAt(i)
	if len(uri) == 0 {
		return false, element.AnyForm
	}
	t := &r.systems[(len(uri)*8+int(uri[len(uri)-1]))%len(r.systems)]
	if bytes.Equal(uri, t.uri) {
		return true, t.form
	}
	if !r.m.known(uri) {
		return false, element.AnyForm
	}
	t.uri, t.form = append(t.uri[:0], uri...), formOf(uri)
	return true, t.form
}

// identity returns what the Identifier at i identifies by.
func (r *run) identity(i int) scan.Entity {
	if e, ok := identifiers[string(r.lookupText(i, "system"))]; ok {
		return e
	}
	if t := r.lookup(i, "type", shallow); lex.At(r.edit.Src, t) == '{' {
		if c := r.lookup(t, "coding", shallow); lex.At(r.edit.Src, c) == '[' {
			if c = lex.Space(r.edit.Src, c+1); lex.At(r.edit.Src, c) == '{' {
				if e, ok := kinds[string(r.lookupText(c, "code"))]; ok {
					return e
				}
			}
		}
	}
	return scan.Unique
}

// inYear says how many of a unit of time are in a year, by code and by the words
// that people write.
var inYear = map[string]float64{
	"a": 1, "y": 1, "yo": 1, "yr": 1, "yrs": 1, "year": 1, "years": 1, "mo": 12, "mos": 12, "mth": 12, "mths": 12, "month": 12, "months": 12,
	"wk": 52.18, "wks": 52.18, "week": 52.18, "weeks": 52.18, "d": 365.25, "day": 365.25, "days": 365.25,
	"h": 8766, "hr": 8766, "hrs": 8766, "hour": 8766, "hours": 8766,
}

// above89 reports whether a quantity may be an age of ninety years or more.
func (r *run) above89(s *scope) bool {
	at, end := s.valueAt, -1
	if at >= 0 {
		end = lex.Number(r.edit.Src, at)
	}
	if end < 0 || end-at < 2 {
		return false
	}
	v, err := strconv.ParseFloat(string(r.edit.Src[at:end]), 64)
	if err != nil {
		return s.kind == age
	}
	if v < 90 {
		return false
	}
	for _, i := range [...]int{s.codeAt, s.unitAt} {
		if per, ok := inYear[string(r.firstWord(r.textAt(i)))]; ok {
			return v/per >= 90
		}
	}
	return s.kind == age
}

// firstWord returns the first word of a unit in small letters: "years" of
// "{Years} of age".
func (r *run) firstWord(v []byte) []byte {
	r.key = lex.Unquote(r.key[:0], v)
	word := bytes.TrimLeft(r.key, "{([ ")
	for i, c := range word {
		if c |= 0x20; c < 'a' || c > 'z' {
			return word[:i]
		}
		word[i] = c
	}
	return word
}
