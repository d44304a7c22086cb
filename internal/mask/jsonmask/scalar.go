// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package jsonmask

import (
	"bytes"
	"math"
	"strconv"

	"github.com/sallyport-dev/sallyport/internal/mask/jsonmask/lex"
	"github.com/sallyport-dev/sallyport/internal/mask/operator"
	"github.com/sallyport-dev/sallyport/internal/mask/text"
)

// text masks the string at i.
func (r *run) text(i int, p place, b *bound) (end int, kept bool) {
	end, escaped := lex.String(r.edit.Src, i)
	if end < 0 {
		return -1, false
	}
	v := r.edit.Src[i+1 : end-1]
	if escaped {
		r.value = lex.Unquote(r.value[:0], v)
		v = r.value
	}
	if b.form != nil && !b.form(v) {
		b = b.other
	}
	switch b.action {
	case Drop:
		r.count(b, operator.Drop)
		return end, false
	case Mask:
		r.mask(i, end, v, b)
	case Scan:
		r.scan(i, end, v, p)
	}
	return end, true
}

// mask replaces the string v at src[i:end] by what the operator makes of it.
func (r *run) mask(i, end int, v []byte, b *bound) {
	if b.op.Kind() == operator.Null {
		r.null(i, end, b)
		return
	}
	out, ok := b.op.Text(r.out[:0], v, &r.w.Row)
	if !ok {
		out = append(r.out[:0], b.placeholder...)
	}
	r.out = out
	r.count(b, b.op.Kind())
	r.edit.ReplaceQuoted(i, end, out)
}

func (r *run) null(i, end int, b *bound) {
	r.count(b, operator.Null)
	r.edit.ReplaceString(i, end, "null")
}

// number masks the number at i.
func (r *run) number(i int, b *bound) (end int) {
	end = lex.Number(r.edit.Src, i)
	if end < 0 || b.action == Keep || b.action == Mask && b.strings {
		return end
	}
	v := r.edit.Src[i:end]
	switch b.action {
	case Drop:
		r.count(b, operator.Drop)
	case Mask:
		out, ok := b.op.Decimal(r.out[:0], v, &r.w.Row)
		if r.out = out; !ok || len(out) == 0 || lex.Number(out, 0) != len(out) {
			r.null(i, end, b)
			break
		}
		r.count(b, b.op.Kind())
		r.edit.Replace(i, end, out)
	case Scan:
		if r.look(plainNumber(&r.digits, v)) {
			r.scannedNumber(i, end)
		}
	}
	return end
}

// plainNumber returns a whole number that is written with a point or an exponent
// in digits alone, and any other as it is.
func plainNumber(scratch *[32]byte, v []byte) []byte {
	point, exponent, zeros := false, false, true
	for _, c := range v {
		switch {
		case c == '.':
			point = true
		case c|0x20 == 'e':
			exponent = true
		case point && c != '0':
			zeros = false
		}
	}
	if !exponent && !(point && zeros) {
		return v
	}
	const exact = 1 << 53
	f, err := strconv.ParseFloat(string(v), 64)
	if err != nil || f != math.Trunc(f) || math.Abs(f) > exact {
		return v
	}
	return strconv.AppendInt(scratch[:0], int64(f), 10)
}

// scannedNumber puts what the scanner made of a number in its place, if that is
// one, as an age may be; else null.
func (r *run) scannedNumber(i, end int) {
	if len(r.out) > 0 && lex.Number(r.out, 0) == len(r.out) {
		r.edit.Replace(i, end, r.out)
		return
	}
	r.edit.ReplaceString(i, end, "null")
}

// scan masks what is found in the string v at src[i:end]: in the document that it
// holds, in the text that it encodes, or in itself. The same strings stand in each
// item of many a list; those in which nothing is found are looked at once.
func (r *run) scan(i, end int, v []byte, p place) {
	slot := r.clean.slot(v, r.under)
	if slot == nil || !r.w.Known.Empty() {
		r.lookInto(i, end, v, p)
		return
	}
	if slot.holds(v, r.under, p) {
		return
	}
	counted := r.w.Tally.Added()
	if !r.lookInto(i, end, v, p) && r.w.Tally.Added() == counted {
		slot.keep(v, r.under, p)
	}
}

// lookInto is scan for a string that nothing is known of. It reports whether anything
// was replaced.
func (r *run) lookInto(i, end int, v []byte, p place) bool {
	if isData(v) {
		r.edit.ReplaceString(i, end, image)
		return true
	}
	if r.tooDeep(v) {
		r.edit.ReplaceString(i, end, encodedText)
		return true
	}
	if in, ok := r.hold(v, p); ok {
		if in.edit.Changed() {
			r.edit.ReplaceQuoted(i, end, in.finish())
			return true
		}
		return false
	}
	if placeholder := r.encodes(v, 0, p); placeholder != "" {
		r.edit.ReplaceString(i, end, placeholder)
		return true
	}
	if !r.look(v) {
		return false
	}
	if placeholder := r.uncovered(p); placeholder != "" {
		r.edit.ReplaceString(i, end, placeholder)
	} else {
		r.edit.ReplaceQuoted(i, end, r.rest)
	}
	return true
}

// uncovered returns what to put in the place of a string that has become r.out, which
// r.rest then holds: what stays of it may encode something that could not be decoded as
// long as what is masked followed it.
func (r *run) uncovered(p place) string {
	r.rest = append(r.rest[:0], r.out...)
	return r.encodes(r.rest, 0, p)
}

// look masks in r.out what the scanner finds in the value v, by itself and then
// behind the name of its member, whose words may say what it is. It reports
// whether that is anything.
func (r *run) look(v []byte) bool {
	r.w.Locus = r.locus.text
	r.out = r.m.text.Append(r.out[:0], v, r.w)
	changed := !bytes.Equal(r.out, v)
	if len(r.out) < 2 || len(r.out) > maxBehind || len(r.under) == 0 || len(r.under) > maxBehind || !r.m.names && !hasDigit(r.out) {
		return changed
	}
	name := r.under
	if bytes.IndexByte(name, '\\') >= 0 {
		r.key = lex.Unquote(r.key[:0], name)
		name = r.key
	}
	r.behind = appendWords(r.behind[:0], name)
	start := len(r.behind)
	r.behind = append(r.behind, r.out...)
	r.found = r.m.text.Scanner.Scan(r.found[:0], r.behind, &r.w.Known)
	at := start
	r.out = r.out[:0]
	for _, s := range r.found {
		if s.End <= start {
			continue
		}
		s.Start = max(s.Start, start)
		op := r.m.text.Profile.Entity(s.Entity)
		if r.w.Spans != nil {
			r.w.Spans(r.behind, s, op.Kind())
		}
		r.out = append(r.out, r.behind[at:s.Start]...)
		r.out = r.m.text.Replace(r.out, r.behind[s.Start:s.End], s.Entity, op, r.w)
		r.w.Tally.Add(text.Key{Rule: r.m.text.Scanner.Rule(s.Rule), Entity: s.Entity, Operator: op.Kind(), Locus: r.locus.text}, 1)
		at, changed = s.End, true
	}
	r.out = append(r.out, r.behind[at:]...)
	return changed
}

func hasDigit(v []byte) bool {
	for _, c := range v {
		if c-'0' <= 9 {
			return true
		}
	}
	return false
}

// appendWords appends the words of a member's name, which is written as in
// "birth_date", "birth-date" or "birthDate".
func appendWords(dst, name []byte) []byte {
	for i, c := range name {
		switch {
		case c == '_' || c == '-' || c == '.':
			c = ' '
		case 'A' <= c && c <= 'Z':
			if i > 0 && (name[i-1] < 'A' || name[i-1] > 'Z') {
				dst = append(dst, ' ')
			}
			c |= 0x20
		}
		dst = append(dst, c)
	}
	return append(dst, ": "...)
}

// tooDeep reports whether v is a document in so many strings that it is not
// looked into.
func (r *run) tooDeep(v []byte) bool {
	if r.within < maxWithin {
		return false
	}
	i := lex.Space(v, 0)
	switch lex.At(v, i) {
	case '{', '[', '"':
		return lex.Value(v, i, 0) > 0
	}
	return false
}

// hold masks the document that a string holds, if it holds one. The paths go on
// in it as if it stood there itself.
func (r *run) hold(v []byte, p place) (in *run, ok bool) {
	switch lex.At(v, lex.Space(v, 0)) {
	case '{', '[', '"':
	default:
		return nil, false
	}
	if r.within == maxWithin {
		return nil, false
	}
	if r.inner == nil {
		r.inner = &run{m: r.m, loci: r.loci}
	}
	in = r.inner
	in.begin(lex.NewEdit(in.masked[:0], v), r.w, r.within+1)
	in.locus, in.under = r.locus, r.under
	return in, in.document(p.state, p.rule)
}

// finish returns what became of a document in a string. The memory is the run's.
func (r *run) finish() []byte {
	r.masked = r.edit.Bytes()
	return r.masked
}
