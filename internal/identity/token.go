// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package identity

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// Limits on a presented JSON Web Token.
const (
	// MaxToken is the largest presented token in bytes.
	MaxToken = 16 << 10

	maxDepth   = 16   // nesting of objects and arrays
	maxMembers = 1024 // names and elements in one document
)

// claims is one JSON object with its numbers kept as written. Names are
// compared exactly; encoding/json's matching of struct fields would take "ISS"
// for "iss".
type claims map[string]any

// compact is a JWS in compact serialization (RFC 7515 section 7.1) taken apart
// and not yet trusted in any part.
type compact struct {
	header  claims
	payload claims
}

// parseCompact reads the header and the claims of raw without judging them.
func parseCompact(raw string) (compact, error) {
	if raw == "" {
		return compact{}, errors.New("no token was presented")
	}
	if len(raw) > MaxToken {
		return compact{}, fmt.Errorf("the token is larger than %d bytes", MaxToken)
	}
	parts := strings.SplitN(raw, ".", 6)
	switch len(parts) {
	case 3:
	case 5:
		return compact{}, errors.New("the token is encrypted (JWE); only signed tokens are accepted")
	default:
		return compact{}, errors.New("this is not a JSON Web Token")
	}
	var (
		c   compact
		err error
	)
	if c.header, err = parsePart(parts[0]); err != nil {
		return compact{}, fmt.Errorf("the token's header %w", err)
	}
	if c.payload, err = parsePart(parts[1]); err != nil {
		return compact{}, fmt.Errorf("the token's claims %w", err)
	}
	if sig, err := decodePart(parts[2]); err != nil || len(sig) == 0 {
		return compact{}, errors.New("the token's signature is missing or not base64url")
	}
	return c, nil
}

func parsePart(part string) (claims, error) {
	b, err := decodePart(part)
	if err != nil {
		return nil, errors.New("is not base64url without padding")
	}
	return parseObject(b)
}

// decodePart is strict base64url (RFC 7515 appendix C): no padding, no line
// breaks, no stray bits in the last character.
func decodePart(s string) ([]byte, error) {
	if strings.ContainsAny(s, "\r\n") { // the decoder skips these
		return nil, errors.New("line break")
	}
	return base64.RawURLEncoding.Strict().DecodeString(s)
}

// parseObject reads one JSON object. It refuses what readers disagree about:
// repeated names and invalid UTF-8.
func parseObject(b []byte) (claims, error) { return parseObjectOf(b, maxMembers) }

func parseObjectOf(b []byte, members int) (claims, error) {
	if !utf8.Valid(b) {
		return nil, errors.New("is not valid UTF-8")
	}
	if !json.Valid(b) {
		return nil, errNotJSON
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	p := objectParser{d: d, left: members, limit: members}
	v, err := p.value(0)
	if err != nil {
		return nil, err
	}
	obj, ok := v.(map[string]any)
	if !ok {
		return nil, errors.New("is not a JSON object")
	}
	return obj, nil
}

type objectParser struct {
	d     *json.Decoder
	left  int // members still allowed
	limit int
}

var errNotJSON = errors.New("is not valid JSON")

func (p *objectParser) value(depth int) (any, error) {
	t, err := p.d.Token()
	if err != nil {
		return nil, errNotJSON
	}
	open, ok := t.(json.Delim)
	if !ok {
		return t, nil
	}
	if depth == maxDepth {
		return nil, fmt.Errorf("is nested deeper than %d", maxDepth)
	}
	if open == '{' {
		return p.object(depth + 1)
	}
	return p.array(depth + 1)
}

func (p *objectParser) object(depth int) (any, error) {
	obj := map[string]any{}
	for p.d.More() {
		t, err := p.d.Token()
		if err != nil {
			return nil, errNotJSON
		}
		name, ok := t.(string)
		if !ok {
			return nil, errNotJSON
		}
		if _, ok := obj[name]; ok {
			return nil, errors.New("names something twice")
		}
		if err := p.count(); err != nil {
			return nil, err
		}
		if obj[name], err = p.value(depth); err != nil {
			return nil, err
		}
	}
	return obj, p.end()
}

func (p *objectParser) array(depth int) (any, error) {
	arr := []any{}
	for p.d.More() {
		if err := p.count(); err != nil {
			return nil, err
		}
		v, err := p.value(depth)
		if err != nil {
			return nil, err
		}
		arr = append(arr, v)
	}
	return arr, p.end()
}

func (p *objectParser) count() error {
	if p.left == 0 {
		return fmt.Errorf("has more than %d members", p.limit)
	}
	p.left--
	return nil
}

func (p *objectParser) end() error {
	if _, err := p.d.Token(); err != nil {
		return errNotJSON
	}
	return nil
}

// text returns the string claim name, and whether it is there and a string.
func (c claims) text(name string) (string, bool) {
	s, ok := c[name].(string)
	return s, ok
}

func (c claims) has(name string) bool {
	_, ok := c[name]
	return ok
}

// lookup follows a reference; arrays are not entered.
func (c claims) lookup(ref string) (any, bool) {
	var at any = map[string]any(c)
	for _, name := range refPath(ref) {
		obj, ok := at.(map[string]any)
		if !ok {
			return nil, false
		}
		if at, ok = obj[name]; !ok {
			return nil, false
		}
	}
	return at, true
}

// scalar returns the claim as text, if it is a string, an integer as plain
// digits, or a boolean. Other spellings of a number (1e3, 1.0) have no one text
// and count as missing.
func (c claims) scalar(ref string) (string, bool) {
	v, ok := c.lookup(ref)
	if !ok {
		return "", false
	}
	switch v := v.(type) {
	case string:
		return v, true
	case bool:
		return strconv.FormatBool(v), true
	case json.Number:
		if _, err := strconv.ParseInt(v.String(), 10, 64); err == nil && v.String() != "-0" {
			return v.String(), true
		}
	}
	return "", false
}

// strings returns a claim that is a string or a list of strings (the form of
// "aud", RFC 7519 section 4.1.3).
func (c claims) strings(ref string, limit int) ([]string, error) {
	v, ok := c.lookup(ref)
	if !ok {
		return nil, nil
	}
	switch v := v.(type) {
	case string:
		return []string{v}, nil
	case []any:
		if len(v) > limit {
			return nil, fmt.Errorf("has more than %d entries", limit)
		}
		out := make([]string, 0, len(v))
		for _, e := range v {
			s, ok := e.(string)
			if !ok {
				return nil, errors.New("holds something other than text")
			}
			out = append(out, s)
		}
		return out, nil
	}
	return nil, errors.New("is neither text nor a list of texts")
}

// date reads a NumericDate (RFC 7519 section 2): seconds since 1970, with or
// without a fraction.
func (c claims) date(name string) (t time.Time, present bool, err error) {
	v, ok := c[name]
	if !ok {
		return time.Time{}, false, nil
	}
	n, ok := v.(json.Number)
	if !ok {
		return time.Time{}, true, fmt.Errorf("the claim %q is not a number", name)
	}
	const year9999 = 253402300799
	f, err := n.Float64()
	if err != nil || f < 0 || f > year9999 {
		return time.Time{}, true, fmt.Errorf("the claim %q is not a date", name)
	}
	sec := int64(f)
	return time.Unix(sec, int64((f-float64(sec))*1e9)).UTC(), true, nil
}
