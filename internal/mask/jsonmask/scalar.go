// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package jsonmask

import (
	"bytes"

	"github.com/sallyport-dev/sallyport/internal/mask/jsonmask/lex"
	"github.com/sallyport-dev/sallyport/internal/mask/operator"
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
	if end < 0 || b.action == Keep {
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
		r.w.Locus = r.locus.text
		if r.out = r.m.text.Append(r.out[:0], v, r.w); !bytes.Equal(r.out, v) {
			r.scannedNumber(i, end)
		}
	}
	return end
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
// holds, in the text that it encodes, or in itself.
func (r *run) scan(i, end int, v []byte, p place) {
	if isData(v) {
		r.edit.ReplaceString(i, end, image)
		return
	}
	if in, ok := r.hold(v, p); ok {
		if in.edit.Changed() {
			r.edit.ReplaceQuoted(i, end, in.finish())
		}
		return
	}
	if placeholder := r.encodes(v, 0, p); placeholder != "" {
		r.edit.ReplaceString(i, end, placeholder)
		return
	}
	r.w.Locus = r.locus.text
	if r.out = r.m.text.Append(r.out[:0], v, r.w); !bytes.Equal(r.out, v) {
		r.edit.ReplaceQuoted(i, end, r.out)
	}
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
	in.locus = r.locus
	return in, in.document(p.state, p.rule)
}

// finish returns what became of a document in a string. The memory is the run's.
func (r *run) finish() []byte {
	r.masked = r.edit.Bytes()
	return r.masked
}
