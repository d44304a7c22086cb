// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package evidence

import (
	"bytes"
	"encoding/json"
	"fmt"

	sallyport "github.com/sallyport-dev/sallyport"
)

const opEncode = "leaf encode"

// Marshal returns the exact bytes of a leaf: compact JSON with the keys in the
// order of the struct, times in UTC, and no escapes beyond those that JSON asks
// for. Errors: Invalid if the leaf is larger than [MaxLeaf] or holds what JSON
// cannot.
func Marshal[B any](leaf Leaf[B]) ([]byte, error) {
	leaf.Time = leaf.Time.UTC()
	b, err := marshalValue(leaf)
	if err != nil {
		return nil, sallyport.E(sallyport.Invalid, opEncode, "the event cannot be written as JSON").Because(err)
	}
	return b, checkSize(len(b))
}

// marshalValue is json.Marshal without the escaping for HTML.
func marshalValue(v any) ([]byte, error) {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(buf.Bytes(), []byte("\n")), nil
}

func checkSize(n int) error {
	if n > MaxLeaf {
		return sallyport.E(sallyport.Invalid, opEncode, fmt.Sprintf("an event of %d bytes is larger than %d", n, MaxLeaf))
	}
	return nil
}

// ParseLeaf reads a leaf and leaves its body as it is. Errors have the kind
// Integrity: not one JSON object, no type, no body, or a version that this
// package does not know.
func ParseLeaf(b []byte) (Leaf[json.RawMessage], error) {
	const op = "leaf parse"
	var leaf Leaf[json.RawMessage]
	if len(b) > MaxLeaf {
		return leaf, sallyport.E(sallyport.Integrity, op, fmt.Sprintf("a leaf has %d bytes", len(b)))
	}
	if err := json.Unmarshal(b, &leaf); err != nil {
		return leaf, sallyport.E(sallyport.Integrity, op, "a leaf is not a JSON object of an event").Because(plain(err))
	}
	if leaf.V != LeafVersion {
		return leaf, sallyport.E(sallyport.Integrity, op, fmt.Sprintf("a leaf has version %d, known is %d", leaf.V, LeafVersion))
	}
	if leaf.Type == "" || len(leaf.Body) == 0 || leaf.Body[0] != '{' {
		return leaf, sallyport.E(sallyport.Integrity, op, "a leaf has no type or no body")
	}
	return leaf, nil
}

// Body reads the body of a parsed leaf. Keys that B does not have are passed
// over. Errors have the kind Integrity.
func Body[B any](leaf Leaf[json.RawMessage]) (B, error) {
	var body B
	if err := json.Unmarshal(leaf.Body, &body); err != nil {
		return body, badBody(leaf.Type, err)
	}
	return body, nil
}

func badBody(t Type, err error) error {
	return sallyport.E(sallyport.Integrity, "leaf parse", fmt.Sprintf("the body of a %q leaf cannot be read", t)).Because(plain(err))
}

// plain strips an error of package json of the text that it quotes: error texts
// never carry what a leaf holds.
func plain(err error) error {
	switch e := err.(type) { //nolint:errorlint // package json returns these bare
	case *json.SyntaxError:
		return fmt.Errorf("syntax error at byte %d", e.Offset)
	case *json.UnmarshalTypeError:
		return fmt.Errorf("wrong type at byte %d", e.Offset)
	}
	return fmt.Errorf("%T", err)
}

// parsedLeaf is a leaf whose body has not been read yet.
type parsedLeaf = Leaf[json.RawMessage]
