// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package lex

import "bytes"

// Edit is a changed copy of a document in the making. What does not change is
// copied late and in one piece, so that it costs little.
type Edit struct {
	Src  []byte
	dst  []byte
	from int // Src[from:] is not in dst yet
}

// NewEdit begins a copy of src that is appended to dst.
func NewEdit(dst, src []byte) Edit { return Edit{Src: src, dst: dst} }

// Bytes returns the copy, finished.
func (e *Edit) Bytes() []byte { return append(e.dst, e.Src[e.from:]...) }

// Changed reports whether anything of Src is not copied as it is.
func (e *Edit) Changed() bool { return e.from > 0 }

// Mark is a point that [Edit.Cut] can go back to.
type Mark struct{ dst, from int }

// Mark returns where the copy has come to.
func (e *Edit) Mark() Mark { return Mark{len(e.dst), e.from} }

// Cut leaves Src[start:end] out, and takes back what was done since m, which was
// taken when nothing from start on had been touched.
func (e *Edit) Cut(m Mark, start, end int) {
	e.dst = append(e.dst[:m.dst], e.Src[m.from:start]...)
	e.from = end
}

// Replace puts s in the place of Src[start:end].
func (e *Edit) Replace(start, end int, s []byte) {
	e.dst = append(append(e.dst, e.Src[e.from:start]...), s...)
	e.from = end
}

// ReplaceString is Replace for a string.
func (e *Edit) ReplaceString(start, end int, s string) {
	e.dst = append(append(e.dst, e.Src[e.from:start]...), s...)
	e.from = end
}

// ReplaceQuoted is Replace with s as a JSON string, which gets its quotes.
func (e *Edit) ReplaceQuoted(start, end int, s []byte) {
	e.dst = Quote(append(e.dst, e.Src[e.from:start]...), s)
	e.from = end
}

// AppendLines appends each line of src to dst as mask makes it, and bad where
// mask returns an error; refused counts those. Lines of white space stay.
func AppendLines(dst, src []byte, bad string, mask func(dst, line []byte) ([]byte, error)) (out []byte, refused int) {
	for line := range bytes.Lines(src) {
		body := bytes.TrimRight(line, "\r\n")
		if Space(body, 0) < len(body) {
			var err error
			if dst, err = mask(dst, body); err != nil {
				dst = append(dst, bad...)
				refused++
			}
		}
		dst = append(dst, line[len(body):]...)
	}
	return dst, refused
}
