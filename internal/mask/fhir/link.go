// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package fhir

import (
	"bytes"
	"strconv"

	"github.com/sallyport-dev/sallyport/internal/mask/operator"
)

// base is where resources are that were referred to by a URL. It names nothing
// that exists.
const base = "http://masked.invalid/fhir/"

// link replaces an id or a reference by one that says only which others it equals
// within the document. Of a reference, the type of the resource stays.
func (r *run) link(i, end int, v []byte, f *field, s *scope) bool {
	if f.op.Kind() == operator.Keep || r.m.resources[string(v)] != nil {
		return true // as asked for, or the URL of a whole type
	}
	r.out = append(r.out[:0], '"')
	switch {
	case f.rule.treat == ident && s.contained:
		r.ordinal("r", []byte("#"), v)
	case f.rule.treat == ident:
		r.ordinal("r", []byte(s.resource), []byte("/"), v)
	case v[0] == '#':
		r.out = append(r.out, '#')
		if len(v) > 1 {
			r.ordinal("r", v)
		}
	default:
		r.target(v)
	}
	r.out = append(r.out, '"')
	r.count(f, 0)
	r.edit.Replace(i, end, r.out)
	return true
}

// ordinal appends prefix and the number of a key.
func (r *run) ordinal(prefix string, key ...[]byte) {
	r.out = append(r.out, prefix...)
	r.out = strconv.AppendUint(r.out, uint64(r.ids.of(key...)), 10)
}

// target appends what stands for a reference to another resource: TYPE/ID, alone
// or at the end of a URL and with or without a version, or any other URI.
func (r *run) target(v []byte) {
	whole := v
	if at := bytes.Index(v, []byte("/_history")); at >= 0 {
		v = v[:at]
	}
	absolute := bytes.Contains(v, []byte("://"))
	id := bytes.LastIndexByte(v, '/')
	var start int
	if id >= 0 {
		start = bytes.LastIndexByte(v[:id], '/') + 1
	}
	if id < 0 || start > 0 && !absolute || r.m.resources[string(v[start:id])] == nil || !idLike(v[id+1:]) {
		r.uuid(whole)
		return
	}
	if absolute {
		r.out = append(r.out, base...)
	}
	r.out = append(r.out, v[start:id+1]...)
	r.ordinal("r", v[start:])
}

// uuid appends a URN that holds nothing but the number of a key.
func (r *run) uuid(key []byte) {
	const hex = "0123456789abcdef"
	r.out = append(r.out, "urn:uuid:00000000-0000-4000-8000-0000"...)
	n := r.ids.of(key)
	for shift := 28; shift >= 0; shift -= 4 {
		r.out = append(r.out, hex[n>>shift&15])
	}
}

func idLike(v []byte) bool {
	if len(v) == 0 || len(v) > 64 {
		return false
	}
	for _, c := range v {
		if c-'0' > 9 && c|0x20 < 'a' || c|0x20 > 'z' {
			if c != '-' && c != '.' {
				return false
			}
		}
	}
	return true
}
