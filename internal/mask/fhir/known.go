// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package fhir

import (
	"bytes"

	"github.com/sallyport-dev/sallyport/internal/mask/jsonmask/lex"
	"github.com/sallyport-dev/sallyport/internal/mask/scan"
)

// learn gathers the names of people in the document, before any text of it is
// scanned. It looks for members that are called "name" and hold HumanName; a name
// that is written otherwise is masked in its place all the same.
func (r *run) learn() {
	name := []byte(`"name"`)
	for at := 0; ; {
		i := bytes.Index(r.edit.Src[at:], name)
		if i < 0 {
			return
		}
		at += i + len(name)
		v := lex.Space(r.edit.Src, at)
		if lex.At(r.edit.Src, v) != ':' {
			continue
		}
		v = lex.Space(r.edit.Src, v+1)
		if lex.At(r.edit.Src, v) == '{' {
			r.learnName(v)
			continue
		}
		if lex.At(r.edit.Src, v) != '[' {
			continue
		}
		for v = lex.Space(r.edit.Src, v+1); lex.At(r.edit.Src, v) == '{'; v = lex.Space(r.edit.Src, v+1) {
			end := lex.Value(r.edit.Src, v, shallow)
			if end < 0 {
				return
			}
			r.learnName(v)
			if v = lex.Space(r.edit.Src, end); lex.At(r.edit.Src, v) != ',' {
				break
			}
		}
	}
}

// learnName takes the parts of the HumanName at i.
func (r *run) learnName(i int) {
	for _, part := range []string{"text", "family", "given"} {
		v := r.lookup(i, part, shallow)
		switch lex.At(r.edit.Src, v) {
		case '"':
			r.learnText(v)
		case '[':
			for v = lex.Space(r.edit.Src, v+1); lex.At(r.edit.Src, v) == '"'; v = lex.Space(r.edit.Src, v+1) {
				end := r.learnText(v)
				if v = lex.Space(r.edit.Src, end); end < 0 || lex.At(r.edit.Src, v) != ',' {
					break
				}
			}
		}
	}
}

func (r *run) learnText(i int) (end int) {
	end, _ = lex.String(r.edit.Src, i)
	if end > 0 {
		r.value = lex.Unquote(r.value[:0], r.edit.Src[i+1:end-1])
		r.w.Known.Add(scan.Name, r.value)
	}
	return end
}
