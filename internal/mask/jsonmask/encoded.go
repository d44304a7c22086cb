// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package jsonmask

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"slices"
	"unicode/utf8"
)

const (
	minEncoded = 24 // bytes of a string that is looked at as an encoding
	maxDecode  = 2  // encodings of encodings
)

// The JSON strings that stand for a whole string.
const (
	encodedText = `"[ENCODED]"`
	image       = `"[PHOTO]"`
)

// isData reports whether v is a URI that holds its data itself.
func isData(v []byte) bool {
	return len(v) > 5 && bytes.EqualFold(v[:5], []byte("data:")) && bytes.IndexByte(v, ',') > 0
}

// encodes returns what to put in the place of a string that encodes an image, or
// a text in which something is found; "" for any other. level counts encodings.
func (r *run) encodes(v []byte, level int, p place) string {
	if len(v) < minEncoded || level == maxDecode {
		return ""
	}
	for _, decode := range []func(dst, v []byte) ([]byte, bool){fromHex, fromBase64, fromPercent} {
		plain, ok := decode(r.plain[level][:0], v)
		r.plain[level] = plain
		switch {
		case !ok:
		case imageLike(plain):
			return image
		case printable(plain) && r.finds(plain, level, p):
			return encodedText
		}
	}
	return ""
}

// finds reports whether anything is found in a decoded text.
func (r *run) finds(plain []byte, level int, p place) bool {
	if in, ok := r.hold(plain, p); ok {
		return in.edit.Changed()
	}
	r.w.Locus = r.locus.text
	if r.out = r.m.text.Append(r.out[:0], plain, r.w); !bytes.Equal(r.out, plain) {
		return true
	}
	return r.encodes(plain, level+1, p) != ""
}

func fromHex(dst, v []byte) ([]byte, bool) {
	for _, c := range v {
		if c-'0' > 9 && (c|0x20 < 'a' || c|0x20 > 'f') {
			return dst, false
		}
	}
	dst, err := hex.AppendDecode(dst, v)
	return dst, err == nil
}

// fromBase64 takes both alphabets, with padding or without.
func fromBase64(dst, v []byte) ([]byte, bool) {
	web := false
	for _, c := range v {
		switch {
		case c-'0' <= 9, c|0x20 >= 'a' && c|0x20 <= 'z', c == '+', c == '/', c == '=', c == '\r', c == '\n':
		case c == '-', c == '_':
			web = true
		default:
			return dst, false
		}
	}
	v = bytes.TrimRight(v, "=\r\n")
	enc := base64.RawStdEncoding
	if web {
		enc = base64.RawURLEncoding
	}
	out, err := enc.AppendDecode(dst, v)
	return out, err == nil
}

// fromPercent takes what URLs and forms hold. Something has to be encoded in it.
func fromPercent(dst, v []byte) ([]byte, bool) {
	encoded := false
	if bytes.IndexByte(v, '%') < 0 {
		return dst, false
	}
	for i := 0; i < len(v); i++ {
		c := v[i]
		if c == '%' && i+2 < len(v) {
			var b [1]byte
			if _, err := hex.Decode(b[:], v[i+1:i+3]); err == nil {
				c, encoded = b[0], true
				i += 2
			}
		} else if c == '+' {
			c = ' '
		}
		dst = append(dst, c)
	}
	return dst, encoded
}

// imageLike reports whether bytes begin as JPEG, PNG, GIF, TIFF, PDF or DICOM do.
func imageLike(b []byte) bool {
	if len(b) >= 132 && string(b[128:132]) == "DICM" {
		return true
	}
	return slices.ContainsFunc([]string{"\xff\xd8\xff", "\x89PNG", "GIF8", "II*\x00", "MM\x00*", "%PDF-"}, func(magic string) bool {
		return bytes.HasPrefix(b, []byte(magic))
	})
}

// printable reports whether bytes are a text.
func printable(b []byte) bool {
	for _, c := range b {
		if c < ' ' && c != '\n' && c != '\r' && c != '\t' || c == 0x7f {
			return false
		}
	}
	return len(b) > 0 && utf8.Valid(b)
}
