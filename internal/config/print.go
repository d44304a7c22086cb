// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package config

import (
	"io"
	"reflect"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"

	sallyport "github.com/sallyport-dev/sallyport"
)

// Print writes the effective configuration, defaults included, as YAML that
// [Parse] reads again. A configuration holds no secret, only references to
// them; redact hides these too, for output that goes to others.
func (c *Config) Print(w io.Writer, redact bool) error {
	b, err := yaml.Dump(tree(reflect.ValueOf(c).Elem(), redact))
	if err != nil {
		return sallyport.E(sallyport.Internal, op, "cannot print the configuration").Because(err)
	}
	if _, err := w.Write(b); err != nil {
		return sallyport.E(sallyport.Unavailable, op, "cannot write the configuration").Because(err)
	}
	return nil
}

// tree builds the nodes of v in the order of its fields. Empty optional values
// are left out, as they may be in a file.
func tree(v reflect.Value, redact bool) *yaml.Node {
	switch x := v.Interface().(type) {
	case time.Duration:
		return text(short(x))
	case Bytes:
		return text(x.String())
	case sallyport.Period:
		return text(x.String())
	case MasterRef:
		if scheme, _, ok := strings.Cut(string(x), ":"); ok && redact {
			return text(scheme + ":***")
		}
		return text(string(x))
	case SecretRef:
		if redact {
			return text(x.Scheme() + ":***")
		}
		return text(string(x))
	}
	switch v.Kind() {
	case reflect.Pointer:
		return tree(v.Elem(), redact)
	case reflect.Struct:
		n := &yaml.Node{Kind: yaml.MappingNode}
		for i := range v.NumField() {
			name := fieldName(v.Type().Field(i))
			if name == "" || absent(v.Field(i)) {
				continue
			}
			n.Content = append(n.Content, text(name), tree(v.Field(i), redact))
		}
		return n
	case reflect.Slice:
		n := &yaml.Node{Kind: yaml.SequenceNode}
		for i := range v.Len() {
			n.Content = append(n.Content, tree(v.Index(i), redact))
		}
		return n
	case reflect.String:
		return text(v.String())
	}
	n := &yaml.Node{}
	// Maps of strings, numbers and booleans: nothing here that the library would
	// refuse.
	if err := n.Encode(v.Interface()); err != nil {
		return text("")
	}
	return n
}

// text is a string node; the library quotes it where it would read as
// something else.
func text(s string) *yaml.Node {
	n := &yaml.Node{}
	n.SetString(s)
	return n
}

// short writes "1h" where String writes "1h0m0s".
func short(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// absent reports whether leaving a value out of the file means the same. A
// duration or a number of 0 may be a choice against a default.
func absent(v reflect.Value) bool {
	switch v.Kind() {
	case reflect.Pointer:
		return v.IsNil()
	case reflect.Slice, reflect.Map, reflect.String:
		return v.Len() == 0
	}
	return false
}
