// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

// Command fhirelements derives internal/mask/fhir/elements.txt, the table of what
// FHIR's types consist of, from published definitions.
//
// Its arguments are JSON files, or directories of them, that hold
// StructureDefinition, ValueSet and CodeSystem resources, alone or in Bundles:
// the packages hl7.fhir.r5.core and any that holds R4's profiles-types,
// profiles-resources, profiles-others and valuesets. The table is the union: an
// element is in it if one of the versions has it. Definitions that a vendor has
// added elements to (Meta is a favourite) are to be left out of the input.
//
// The table has facts only. A line without indent opens a type, after "#" when it
// is a resource; an indented line is one of its elements: the name, with "!"
// where one of the versions demands it, and its types, "*" for any data type. A
// type that starts with "=" is a nested element of that path. The type "code" is
// a code of a value set whose codes are listed under "codes" at the end; other
// codes are "code:free".
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io/fs"
	"log"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

type typ struct {
	Code      string `json:"code"`
	Extension []struct {
		URL      string `json:"url"`
		ValueURL string `json:"valueUrl"`
	} `json:"extension"`
}

type element struct {
	Path             string `json:"path"`
	Min              int    `json:"min"`
	Max              string `json:"max"`
	Type             []typ  `json:"type"`
	ContentReference string `json:"contentReference"`
	Binding          struct {
		Strength string `json:"strength"`
		ValueSet string `json:"valueSet"`
	} `json:"binding"`
}

type concept struct {
	Code    string    `json:"code"`
	Concept []concept `json:"concept"`
}

type include struct {
	System   string    `json:"system"`
	Concept  []concept `json:"concept"`
	ValueSet []string  `json:"valueSet"`
}

type resource struct {
	ResourceType string `json:"resourceType"`
	URL          string `json:"url"`
	Name         string `json:"name"`
	Type         string `json:"type"`
	Kind         string `json:"kind"`
	Derivation   string `json:"derivation"`
	Abstract     bool   `json:"abstract"`
	Entry        []struct {
		Resource json.RawMessage `json:"resource"`
	} `json:"entry"`
	Snapshot struct {
		Element []element `json:"element"`
	} `json:"snapshot"`
	Compose struct {
		Include []include `json:"include"`
	} `json:"compose"`
	Concept []concept `json:"concept"`
}

type field struct {
	required bool
	types    map[string]bool
}

type tables struct {
	types     map[string]map[string]*field
	resources map[string]bool
	bound     map[string]bool // value sets that elements are bound to
	sets      map[string][]include
	systems   map[string][]string
}

func main() {
	log.SetFlags(0)
	t := tables{map[string]map[string]*field{}, map[string]bool{}, map[string]bool{}, map[string][]include{}, map[string][]string{}}
	var definitions []resource
	for _, arg := range os.Args[1:] {
		err := filepath.WalkDir(arg, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || filepath.Ext(path) != ".json" {
				return err
			}
			b, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			definitions = append(definitions, t.read(b)...)
			return nil
		})
		if err != nil {
			log.Fatal(err)
		}
	}
	for i := range definitions {
		t.define(&definitions[i])
	}
	w := bufio.NewWriter(os.Stdout)
	t.print(w)
	if err := w.Flush(); err != nil {
		log.Fatal(err)
	}
}

// read takes in the value sets of a file and returns its definitions of types.
func (t *tables) read(b []byte) []resource {
	var r resource
	if json.Unmarshal(b, &r) != nil {
		return nil // no resource at all
	}
	switch r.ResourceType {
	case "Bundle":
		var out []resource
		for _, e := range r.Entry {
			out = append(out, t.read(e.Resource)...)
		}
		return out
	case "ValueSet":
		t.sets[r.URL] = append(t.sets[r.URL], r.Compose.Include...)
	case "CodeSystem":
		t.systems[r.URL] = codes(t.systems[r.URL], r.Concept)
	case "StructureDefinition":
		if r.Derivation == "constraint" || r.Kind != "resource" && r.Kind != "complex-type" {
			return nil
		}
		return []resource{r}
	}
	return nil
}

func codes(dst []string, cs []concept) []string {
	for _, c := range cs {
		dst = codes(append(dst, c.Code), c.Concept)
	}
	return dst
}

// implied are elements that every type has and the masks treat without a table,
// and those that every resource has.
var (
	implied         = []string{"id", "extension", "modifierExtension", "contained"}
	impliedResource = []string{"implicitRules", "language", "meta"}
)

// define adds the elements of a type and of those nested in it.
func (t *tables) define(r *resource) {
	for _, e := range r.Snapshot.Element {
		owner, name, nested := cutLast(e.Path)
		if !nested {
			if t.types[e.Path] == nil {
				t.types[e.Path] = map[string]*field{}
			}
			t.resources[e.Path] = r.Kind == "resource" && !r.Abstract
			continue
		}
		if slices.Contains(implied, name) || owner == r.Type && r.Kind == "resource" && slices.Contains(impliedResource, name) || e.Max == "0" {
			continue
		}
		if t.types[owner] == nil {
			t.types[owner] = map[string]*field{}
		}
		f := t.types[owner][name]
		if f == nil {
			f = &field{types: map[string]bool{}}
			t.types[owner][name] = f
		}
		f.required = f.required || e.Min > 0
		for _, ty := range t.typesOf(&e) {
			f.types[ty] = true
		}
	}
}

func cutLast(path string) (owner, name string, ok bool) {
	i := strings.LastIndexByte(path, '.')
	if i < 0 {
		return path, "", false
	}
	return path[:i], path[i+1:], true
}

func (t *tables) typesOf(e *element) []string {
	if e.ContentReference != "" {
		_, path, _ := strings.Cut(e.ContentReference, "#")
		return []string{"=" + path}
	}
	var out []string
	for _, ty := range e.Type {
		code := ty.Code
		for _, x := range ty.Extension {
			if strings.HasSuffix(x.URL, "structuredefinition-fhir-type") {
				code = x.ValueURL
			}
		}
		if i := strings.LastIndexByte(code, '.'); strings.HasPrefix(code, "http:") && i >= 0 {
			code = strings.ToLower(code[i+1:])
		}
		switch code {
		case "BackboneElement", "Element":
			code = "=" + e.Path
		case "SimpleQuantity", "MoneyQuantity":
			code = "Quantity"
		case "code":
			set, _, _ := strings.Cut(e.Binding.ValueSet, "|")
			if e.Binding.Strength == "required" && len(t.codesOf(set, 0)) > 0 {
				t.bound[set] = true
			} else {
				code = "code:free"
			}
		}
		out = append(out, code)
	}
	return out
}

// codesOf lists the codes of a value set as far as the definitions do.
func (t *tables) codesOf(set string, depth int) []string {
	var out []string
	if depth > 8 {
		return nil
	}
	for _, in := range t.sets[set] {
		if len(in.Concept) > 0 {
			out = codes(out, in.Concept)
		} else {
			out = append(out, t.systems[in.System]...)
		}
		for _, v := range in.ValueSet {
			v, _, _ = strings.Cut(v, "|")
			out = append(out, t.codesOf(v, depth+1)...)
		}
	}
	return out
}

// open is more types than any choice has that is not open to all data types.
const open = 30

func (t *tables) print(w *bufio.Writer) {
	for _, name := range slices.Sorted(maps.Keys(t.types)) {
		if len(t.types[name]) == 0 {
			continue // abstract
		}
		if t.resources[name] {
			fmt.Fprint(w, "#")
		}
		fmt.Fprintln(w, name)
		for _, key := range slices.Sorted(maps.Keys(t.types[name])) {
			f := t.types[name][key]
			mark := ""
			if f.required {
				mark = "!"
			}
			types := strings.Join(slices.Sorted(maps.Keys(f.types)), " ")
			if len(f.types) > open && name != "Extension" {
				types = "*"
			}
			fmt.Fprintf(w, " %s%s %s\n", key, mark, types)
		}
	}
	word := regexp.MustCompile(`^[^\s]+$`)
	all := map[string]bool{}
	for set := range t.bound {
		for _, c := range t.codesOf(set, 0) {
			if word.MatchString(c) {
				all[c] = true
			}
		}
	}
	fmt.Fprintln(w, "codes")
	for chunk := range slices.Chunk(slices.Sorted(maps.Keys(all)), 8) {
		fmt.Fprintln(w, " "+strings.Join(chunk, " "))
	}
}
