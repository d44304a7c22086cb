// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package fhir

import (
	"bytes"
	"strings"
)

// The forms of strings that are kept. Each is narrow: what a person's name, a
// number or a sentence would not fit.

// languageLike: en, pt-BR, zh-Hans-CN.
func languageLike(v []byte) bool {
	if len(v) > 16 {
		return false
	}
	part, rest, more := bytes.Cut(v, []byte("-"))
	if len(part) < 2 || len(part) > 3 || !lettersOnly(part) {
		return false
	}
	for more {
		part, rest, more = bytes.Cut(rest, []byte("-"))
		if len(part) < 2 || len(part) > 4 || bytes.ContainsFunc(part, func(c rune) bool { return c > 'z' || !alnum(byte(c)) }) {
			return false
		}
	}
	return true
}

// mimeLike: text/plain, application/fhir+json, with a charset or without.
func mimeLike(v []byte) bool {
	main, rest, ok := bytes.Cut(v, []byte("/"))
	if !ok || len(v) > 80 {
		return false
	}
	switch string(main) {
	case "text", "image", "audio", "video", "application", "multipart", "message", "font", "model", "chemical":
	default:
		return false
	}
	sub, parameter, _ := bytes.Cut(rest, []byte(";"))
	if parameter = bytes.TrimSpace(parameter); len(parameter) > 0 && !bytes.EqualFold(parameter, []byte("charset=utf-8")) {
		return false
	}
	digits := 0
	for _, c := range sub {
		if c-'0' <= 9 {
			digits++
		} else if !alnum(c) && c != '+' && c != '-' && c != '.' {
			return false
		}
	}
	return len(sub) > 0 && digits <= 4
}

// wordLike: a link id such as "3.1.a", the name of a parameter, "201 Created".
func wordLike(v []byte) bool {
	digits := 0
	for i, c := range v {
		switch {
		case c-'0' <= 9:
			if digits++; digits > 6 {
				return false
			}
		case alnum(c), c == '.', c == '-', c == '_', c == '/':
		case c == ' ' && i == 3 && digits == 3:
		default:
			return false
		}
	}
	return len(v) <= maxUnit
}

// currencyLike: USD.
func currencyLike(v []byte) bool {
	return len(v) == 3 && v[0]-'A' <= 'Z'-'A' && v[1]-'A' <= 'Z'-'A' && v[2]-'A' <= 'Z'-'A'
}

// regionLike: the abbreviation of a state or country, or the name of one. A name
// that no list has may be a city's.
func regionLike(v []byte) bool {
	if len(v) <= 3 {
		return lettersOnly(v)
	}
	return len(v) <= maxRegion && regions[strings.ToLower(string(v))]
}

// lettersOnly: letters of ASCII.
func lettersOnly(v []byte) bool {
	for _, c := range v {
		if c |= 0x20; c < 'a' || c > 'z' {
			return false
		}
	}
	return true
}

func alnum(c byte) bool { return c-'0' <= 9 || c|0x20 >= 'a' && c|0x20 <= 'z' }
