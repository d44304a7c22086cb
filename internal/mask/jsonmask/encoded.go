// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package jsonmask

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"slices"
	"strconv"
	"unicode/utf8"

	"github.com/sallyport-dev/sallyport/internal/mask/jsonmask/lex"
)

const (
	minEncoded = 16 // bytes of a string that is looked at as hexadecimal or base64
	minWithin  = 24 // bytes of base64 within a text
	maxDecode  = 2  // encodings of encodings
)

// The JSON strings that stand for a whole string.
const (
	encodedText = `"[ENCODED]"`
	image       = `"[PHOTO]"`
)

// isData reports whether v is a URI that holds its data itself.
func isData(v []byte) bool {
	v = v[lex.Space(v, 0):]
	return len(v) > 5 && bytes.EqualFold(v[:5], []byte("data:")) && bytes.IndexByte(v, ',') > 0
}

// encodes returns what to put in the place of a string that encodes an image, an
// archive, or a text in which something is found, or that has base64 of such
// within it; "" for any other. level counts encodings.
func (r *run) encodes(v []byte, level int, p place) string {
	if level == maxDecode {
		return ""
	}
	if plain, ok := fromEscapes(r.plain[level][:0], v); ok {
		if r.plain[level] = plain; printable(plain) && r.finds(plain, level, p) {
			return encodedText
		}
	}
	if len(v) < minEncoded {
		return ""
	}
	for _, decode := range []func(dst, v []byte) ([]byte, bool){fromHex, fromBase64} {
		plain, ok := decode(r.plain[level][:0], v)
		if r.plain[level] = plain; ok {
			if placeholder := r.decoded(plain, level, p); placeholder != "" {
				return placeholder
			}
		}
	}
	for len(v) >= minWithin {
		token, rest := cutToken(v)
		plain, ok := fromBase64(r.plain[level][:0], token)
		if r.plain[level] = plain; ok {
			if placeholder := r.decoded(plain, level, p); placeholder != "" {
				return placeholder
			}
		}
		v = rest
	}
	return ""
}

// decoded returns what to put in the place of a string that stood for plain.
func (r *run) decoded(plain []byte, level int, p place) string {
	switch {
	case imageLike(plain):
		return image
	case archiveLike(plain):
		return encodedText
	}
	if plain = narrow(plain); printable(plain) && r.finds(plain, level, p) {
		return encodedText
	}
	return ""
}

// cutToken returns the first stretch of v that may be base64 and is long enough
// to be looked at, or nothing, and what is behind it. It looks at few bytes of a
// text that has none.
func cutToken(v []byte) (token, rest []byte) {
	for len(v) >= minWithin {
		end := minWithin
		for end > 0 && isBase64(v[end-1]) {
			end--
		}
		if end > 0 { // no stretch that long goes over this byte
			v = v[end:]
			continue
		}
		for end = minWithin; end < len(v) && isBase64(v[end]); {
			end++
		}
		for part := range bytes.SplitSeq(v[:end], []byte("--")) { // a line such as "-----BEGIN X-----"
			if part = bytes.Trim(part, "-\r\n"); len(part) > len(token) {
				token = part
			}
		}
		return token, v[end:]
	}
	return nil, nil
}

func isBase64(c byte) bool {
	return c-'0' <= 9 || c|0x20 >= 'a' && c|0x20 <= 'z' || c == '+' || c == '/' || c == '-' || c == '_' || c == '\r' || c == '\n'
}

// finds reports whether anything is found in a decoded text.
func (r *run) finds(plain []byte, level int, p place) bool {
	if r.tooDeep(plain) {
		return true
	}
	if in, ok := r.hold(plain, p); ok {
		return in.edit.Changed()
	}
	r.w.Locus = r.locus.text
	if r.out = r.m.text.Append(r.out[:0], plain, r.w); !bytes.Equal(r.out, plain) {
		return true
	}
	return r.encodes(plain, level+1, p) != ""
}

// fromHex takes digits with "0x" before them or without, and with marks between.
func fromHex(dst, v []byte) ([]byte, bool) {
	if len(v) > 2 && (v[0] == '0' || v[0] == '\\') && v[1] == 'x' {
		v = v[2:]
	}
	high, half := byte(0), false
	for _, c := range v {
		switch {
		case c-'0' <= 9:
			c -= '0'
		case c|0x20 >= 'a' && c|0x20 <= 'f':
			c = c | 0x20 - 'a' + 10
		case c == ':', c == '-', c == ' ':
			continue
		default:
			return dst, false
		}
		if half {
			dst = append(dst, high<<4|c)
		}
		high, half = c, !half
	}
	return dst, !half
}

// fromBase64 takes both alphabets, with padding or without, in one word or broken
// into long ones.
func fromBase64(dst, v []byte) ([]byte, bool) {
	const short = 8 // words of prose are shorter
	spaces := 0
	v = v[lex.Space(v, 0):]
	for len(v) > 0 && (v[len(v)-1] == '=' || v[len(v)-1] <= ' ') {
		v = v[:len(v)-1]
	}
	for _, c := range v {
		switch {
		case c == ' ' || c == '\t':
			if spaces++; spaces*short > len(v) {
				return dst, false
			}
		case !isBase64(c):
			return dst, false
		}
	}
	start := len(dst)
	for _, c := range v {
		switch c {
		case ' ', '\t', '\r', '\n':
			continue
		case '-':
			c = '+'
		case '_':
			c = '/'
		}
		dst = append(dst, c)
	}
	n, err := base64.RawStdEncoding.Decode(dst[start:], dst[start:])
	return dst[:start+n], err == nil
}

// fromEscapes takes what URLs, forms, HTML and programs write for a character:
// "%40", "&#64;", "&#x40;", "\u0040". Something has to be written so in it.
func fromEscapes(dst, v []byte) ([]byte, bool) {
	url := bytes.IndexByte(v, '%') >= 0
	if !url && bytes.IndexByte(v, '&') < 0 && bytes.IndexByte(v, '\\') < 0 {
		return dst, false
	}
	escaped := false
	for i := 0; i < len(v); {
		c, n := cutEscape(v[i:])
		switch {
		case n > 0:
			dst = utf8.AppendRune(dst, c)
			escaped = true
			i += n
			continue
		case v[i] == '%' && i+2 < len(v):
			var b [1]byte
			if _, err := hex.Decode(b[:], v[i+1:i+3]); err == nil {
				dst = append(dst, b[0])
				escaped = true
				i += 3
				continue
			}
			dst = append(dst, '%')
		case v[i] == '+' && url:
			dst = append(dst, ' ')
		default:
			dst = append(dst, v[i])
		}
		i++
	}
	return dst, escaped
}

// cutEscape returns the character that v begins with in digits, and the length of
// that, or 0.
func cutEscape(v []byte) (c rune, n int) {
	const longest = 10
	base, digits, end := 16, 0, 0
	switch {
	case bytes.HasPrefix(v, []byte("&#x")), bytes.HasPrefix(v, []byte("&#X")):
		digits, end = 3, bytes.IndexByte(v[:min(len(v), longest)], ';')
		n = end + 1
	case bytes.HasPrefix(v, []byte("&#")):
		base, digits, end = 10, 2, bytes.IndexByte(v[:min(len(v), longest)], ';')
		n = end + 1
	case len(v) >= 6 && v[0] == '\\' && v[1] == 'u':
		digits, end, n = 2, 6, 6
	case len(v) >= 4 && v[0] == '\\' && v[1] == 'x':
		digits, end, n = 2, 4, 4
	}
	if end <= digits {
		return 0, 0
	}
	code, err := strconv.ParseUint(string(v[digits:end]), base, 21)
	if err != nil {
		return 0, 0
	}
	return rune(code), n
}

// imageLike reports whether bytes begin as JPEG, PNG, GIF, TIFF, PDF or DICOM do.
func imageLike(b []byte) bool {
	if len(b) >= 132 && string(b[128:132]) == "DICM" {
		return true
	}
	return begins(b, "\xff\xd8\xff", "\x89PNG", "GIF8", "II*\x00", "MM\x00*", "%PDF-")
}

// archiveLike reports whether bytes begin as gzip, zip (and so the documents of
// office programs), bzip2, xz, zstd, 7z and the older office documents do.
func archiveLike(b []byte) bool {
	return begins(b, "\x1f\x8b\x08", "PK\x03\x04", "BZh", "\xfd7zXZ", "\x28\xb5\x2f\xfd", "7z\xbc\xaf", "\xd0\xcf\x11\xe0")
}

func begins(b []byte, marks ...string) bool {
	return slices.ContainsFunc(marks, func(mark string) bool { return bytes.HasPrefix(b, []byte(mark)) })
}

// narrow returns a text in UTF-16, of which a good part is zeros, without them.
func narrow(b []byte) []byte {
	if bytes.Count(b, []byte{0})*3 < len(b) {
		return b
	}
	b = bytes.TrimPrefix(bytes.TrimPrefix(b, []byte("\xff\xfe")), []byte("\xfe\xff"))
	return slices.DeleteFunc(b, func(c byte) bool { return c == 0 })
}

// printable reports whether bytes are a text, in whatever encoding.
func printable(b []byte) bool {
	for _, c := range b {
		if c < ' ' && c != '\n' && c != '\r' && c != '\t' || c == 0x7f {
			return false
		}
	}
	return len(b) > 0
}
