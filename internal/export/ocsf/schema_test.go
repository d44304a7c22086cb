// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package ocsf_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// schema is the part of OCSF's schema in testdata.
type schema struct {
	Version    string                       `json:"version"`
	Attributes map[string]attribute         `json:"attributes"`
	Profiles   map[string]map[string]string `json:"profiles"`
	Classes    map[string]classSchema       `json:"classes"`
	Objects    map[string]objectSchema      `json:"objects"`
}

type attribute struct {
	Type  string  `json:"type"`
	Array bool    `json:"array"`
	Enum  []int64 `json:"enum"`
}

type objectSchema struct {
	Attributes  map[string]string   `json:"attributes"` // name to requirement
	Constraints map[string][]string `json:"constraints"`
	Enums       map[string][]int64  `json:"enums"`
}

type classSchema struct {
	objectSchema
	Category   int64    `json:"category_uid"`
	Activities []int64  `json:"activities"`
	Profiles   []string `json:"profiles"`
}

func loadSchema(t testing.TB) schema {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", "ocsf-1.9.0.json"))
	if err != nil {
		t.Fatal(err)
	}
	var s schema
	if err := json.Unmarshal(b, &s); err != nil {
		t.Fatal(err)
	}
	return s
}

// check returns what of an event does not follow the schema.
func (s schema) check(text []byte) []string {
	var e map[string]any
	if err := json.Unmarshal(text, &e); err != nil {
		return []string{err.Error()}
	}
	c, ok := s.Classes[fmt.Sprint(e["class_uid"])]
	if !ok {
		return []string{fmt.Sprintf("the class %v is not known", e["class_uid"])}
	}
	var out []string
	say := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }
	attributes := maps.Clone(c.Attributes)
	meta, _ := e["metadata"].(map[string]any)
	profiles, _ := meta["profiles"].([]any)
	for _, p := range profiles {
		name := fmt.Sprint(p)
		if !slices.Contains(c.Profiles, name) {
			say("the class has no profile %s", name)
		}
		maps.Copy(attributes, s.Profiles[name])
	}
	if meta["version"] != s.Version {
		say("version %v", meta["version"])
	}
	activity, class := number(e["activity_id"]), number(e["class_uid"])
	if !slices.Contains(c.Activities, activity) {
		say("activity_id %d", activity)
	}
	if number(e["type_uid"]) != class*100+activity || number(e["category_uid"]) != c.Category {
		say("type_uid %v, category_uid %v of class %d, activity %d", e["type_uid"], e["category_uid"], class, activity)
	}
	return append(out, s.object("", e, objectSchema{attributes, c.Constraints, c.Enums})...)
}

func number(v any) int64 {
	f, _ := v.(float64)
	return int64(f)
}

func (s schema) object(at string, o map[string]any, want objectSchema) []string {
	var out []string
	say := func(format string, args ...any) { out = append(out, at+": "+fmt.Sprintf(format, args...)) }
	for name, req := range want.Attributes {
		if _, ok := o[name]; req == "required" && !ok {
			say("%s is required", name)
		}
	}
	for kind, names := range want.Constraints {
		n := 0
		for _, name := range names {
			if _, ok := o[name]; ok {
				n++
			}
		}
		if n == 0 || kind == "just_one" && n > 1 {
			say("%s of %s", kind, strings.Join(names, ", "))
		}
	}
	for name, v := range o {
		if _, ok := want.Attributes[name]; !ok {
			say("has no attribute %s", name)
			continue
		}
		a, ok := s.Attributes[name]
		if !ok {
			say("the type of %s is not in testdata", name)
			continue
		}
		if enum, ok := want.Enums[name]; ok {
			a.Enum = enum
		}
		out = append(out, s.value(at+"."+name, v, a)...)
		// A text beside an id says the same; both are there or the text is not.
		if _, id := o[name+"_id"]; name == "disposition" && !id {
			say("%s without its id", name)
		}
	}
	return out
}

func (s schema) value(at string, v any, a attribute) []string {
	if a.Array {
		items, ok := v.([]any)
		if !ok || len(items) == 0 {
			return []string{at + ": want a list that is not empty"}
		}
		var out []string
		one := a
		one.Array = false
		for i, item := range items {
			out = append(out, s.value(fmt.Sprintf("%s[%d]", at, i), item, one)...)
		}
		return out
	}
	ok := false
	switch a.Type {
	case "integer_t", "long_t", "timestamp_t", "port_t":
		f, isNumber := v.(float64)
		ok = isNumber && f == float64(int64(f)) && (a.Type != "integer_t" || f <= 1<<31-1)
		if ok && a.Enum != nil && !slices.Contains(a.Enum, int64(f)) {
			return []string{fmt.Sprintf("%s: %v is not in the enumeration", at, f)}
		}
	case "boolean_t":
		_, ok = v.(bool)
	case "json_t", "object":
		ok = true
	case "string_t", "ip_t", "hostname_t":
		text, isText := v.(string)
		ok = isText && text != ""
	default:
		o, isObject := v.(map[string]any)
		want, known := s.Objects[a.Type]
		if isObject && known {
			return s.object(at, o, want)
		}
	}
	if !ok {
		return []string{fmt.Sprintf("%s: %v is no %s", at, v, a.Type)}
	}
	return nil
}
