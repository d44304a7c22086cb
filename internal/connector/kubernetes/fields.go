// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package kubernetes

import (
	"maps"
	"reflect"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/runtime"
)

// fieldNames are the names of the fields of Kubernetes' own types, alone and in the form
// in which managed fields have them. A scanner takes some of them for names of people, and
// a client which finds a field renamed finds it missing.
func fieldNames(s *runtime.Scheme) []string {
	names := map[string]bool{}
	seen := map[reflect.Type]bool{}
	for _, t := range s.AllKnownTypes() {
		fieldsOf(t, seen, names)
	}
	return slices.Sorted(maps.Keys(names))
}

// fieldsOf adds the names of a type's fields, and of those of what it holds.
func fieldsOf(t reflect.Type, seen map[reflect.Type]bool, names map[string]bool) {
	switch t.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Array, reflect.Map:
		fieldsOf(t.Elem(), seen, names)
		return
	case reflect.Struct:
	default:
		return
	}
	if seen[t] {
		return
	}
	seen[t] = true
	for f := range t.Fields() {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name != "" && name != "-" {
			names[name], names["f:"+name] = true, true
		}
		fieldsOf(f.Type, seen, names)
	}
}
