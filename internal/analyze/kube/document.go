// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package kube

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/mask/kubemask"
	"github.com/sallyport-dev/sallyport/internal/mask/scan"
)

// Limits of a body.
const (
	maxDepth  = 100
	maxFields = 50 // that are named
)

// Document is the body of a request: an object, a change of one, options, or a list
// of changes.
type Document struct{ root any }

// Parse reads a body. It refuses what two readers could read in two ways: a member
// that is there twice, a second document, bytes that are not UTF-8. Errors have kind
// Invalid and hold nothing of the body.
func Parse(b []byte) (*Document, error) {
	invalid := sallyport.E(sallyport.Invalid, "kubernetes body", "the request's body is not JSON of one document").
		WithHint("send valid JSON in which no member is there twice")
	if !utf8.Valid(b) {
		return nil, invalid
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	root, err := value(d, 0)
	if err != nil {
		return nil, invalid
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, invalid
	}
	return &Document{root}, nil
}

var errTwice = errors.New("a member is there twice, or the document is too deep")

// value reads one value.
func value(d *json.Decoder, depth int) (any, error) {
	t, err := d.Token()
	if err != nil {
		return nil, err
	}
	open, ok := t.(json.Delim)
	if !ok {
		return t, nil
	}
	if depth++; depth > maxDepth {
		return nil, errTwice
	}
	if open == '[' {
		list := []any{}
		for d.More() {
			v, err := value(d, depth)
			if err != nil {
				return nil, err
			}
			list = append(list, v)
		}
		_, err := d.Token()
		return list, err
	}
	object := map[string]any{}
	for d.More() {
		k, err := d.Token()
		if err != nil {
			return nil, err
		}
		name, _ := k.(string)
		if _, twice := object[name]; twice {
			return nil, errTwice
		}
		if object[name], err = value(d, depth); err != nil {
			return nil, err
		}
	}
	_, err = d.Token()
	return object, err
}

// Minting says whether a Secret would get a credential of a service account, or be one of a node.
func (d *Document) Minting() []string {
	var found []string
	walk(d.root, nil, func(path []string, v any) {
		if s, ok := v.(string); ok && mints(s) && (path[len(path)-1] == "type" || path[len(path)-1] == "value") && len(found) == 0 {
			found = append(found, "credential")
		}
	})
	return found
}

// Masked names the fields in which something stands that a mask has put there.
func (d *Document) Masked() []string {
	var found []string
	words := placeholders()
	walk(d.root, nil, func(path []string, v any) {
		s, ok := v.(string)
		if !ok || len(found) == maxFields {
			return
		}
		if strings.Contains(s, kubemask.EncodedSentinel) || encodedSentinel(s) || strings.Contains(s, "[") && slices.ContainsFunc(words, func(w string) bool { return strings.Contains(s, w) }) {
			found = append(found, fieldName(path))
		}
	})
	return found
}

// encodedSentinel reports whether s is base64 of a text with the sentinel in it: of a value
// that was read masked, decoded and written among others.
func encodedSentinel(s string) bool {
	b, err := base64.StdEncoding.DecodeString(s)
	return err == nil && bytes.Contains(b, []byte(kubemask.Sentinel))
}

// placeholders are the texts that masks put in the place of what they take away.
func placeholders() []string {
	out := []string{kubemask.Sentinel, "[TEXT]", "[ENCODED]", "[PHOTO]", "[UNPARSABLE]"}
	for _, e := range scan.Entities() {
		out = append(out, "["+e.String()+"]")
	}
	return out
}

// fieldName writes a path for people. A name that may be data is left out.
func fieldName(path []string) string {
	out := make([]string, len(path))
	for i, p := range path {
		if out[i] = p; len(p) > 64 || strings.Trim(p, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_./[]") != "" && !strings.HasPrefix(p, "[") {
			out[i] = "*"
		}
	}
	return strings.ReplaceAll(strings.Join(out, "."), ".[", "[")
}

// walk calls f for every value below another, with the path to it, in order.
func walk(v any, path []string, f func(path []string, v any)) {
	switch v := v.(type) {
	case map[string]any:
		names := make([]string, 0, len(v))
		for name := range v {
			names = append(names, name)
		}
		slices.Sort(names)
		for _, name := range names {
			below := append(path[:len(path):len(path)], name)
			f(below, v[name])
			walk(v[name], below, f)
		}
	case []any:
		for i, item := range v {
			below := append(path[:len(path):len(path)], "["+strconv.Itoa(i)+"]")
			f(below, item)
			walk(item, below, f)
		}
	}
}
