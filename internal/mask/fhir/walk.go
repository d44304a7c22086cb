// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package fhir

import (
	"github.com/sallyport-dev/sallyport/internal/mask/element"
	"github.com/sallyport-dev/sallyport/internal/mask/jsonmask/lex"
	"github.com/sallyport-dev/sallyport/internal/mask/operator"
	"github.com/sallyport-dev/sallyport/internal/mask/scan"
	"github.com/sallyport-dev/sallyport/internal/mask/text"
)

// run is one pass over a document.
type run struct {
	edit  lex.Edit
	m     *Masker
	w     *text.Work
	ids   ordinals
	fault string // why the document is refused, when it is not the JSON

	value, out []byte // scratch: a string without its escapes, what it becomes
	key        []byte // scratch: a name without its escapes
	nesting    int    // resources
	systems    [32]terminology

	counts  []uint32 // by 2*field+0 masked, +1 dropped
	touched []int    // indexes of counts that are not zero
}

// terminology is a system whose codes may be shown.
type terminology struct {
	uri  []byte
	form element.Form
}

func newRun(m *Masker) *run { return &run{m: m, counts: make([]uint32, 2*len(m.fields))} }

func (r *run) begin(dst, src []byte, w *text.Work) {
	r.edit, r.w, r.fault, r.nesting = lex.NewEdit(dst, src), w, "", 0
	r.ids.reset()
}

// end hands the counts over and lets go of what is not the run's own.
func (r *run) end() {
	for _, i := range r.touched {
		f := r.m.fields[i/2]
		k := text.Key{Rule: "element", Entity: f.rule.entity, Locus: f.locus}
		switch {
		case i%2 == 1:
			k.Operator = operator.Drop
		case f.op != nil:
			k.Operator = f.op.Kind()
		}
		r.w.Tally.Add(k, uint64(r.counts[i]))
		r.counts[i] = 0
	}
	r.touched = r.touched[:0]
	r.edit, r.w = lex.Edit{}, nil
}

func (r *run) count(f *field, dropped int) {
	i := 2*f.id + dropped
	if r.counts[i] == 0 {
		r.touched = append(r.touched, i)
	}
	r.counts[i]++
}

// scope is what an object's elements know of each other.
type scope struct {
	open      int    // where the object begins
	resource  string // type of the nearest resource
	contained bool
	kind      kind
	known     bool // Coding, Quantity: the system's codes may be shown
	fits      bool // Coding, Quantity: the code is of that system's form
	systemAt  int  // Coding, Quantity: where the value of system stands; -1: nowhere
	codeAt    int  // the same of code
	valueAt   int  // Quantity: the same of its other elements
	unitAt    int
	years     bool // Quantity: the value is an age above 89
	entity    scan.Entity
}

func (s *scope) isQuantity() bool { return s.kind == quantity || s.kind == age }

// resource masks the resource at i, which stands depth containers deep.
func (r *run) resource(i, depth int, contained bool) (end int, kept bool) {
	if lex.At(r.edit.Src, i) != '{' {
		return -1, false
	}
	at := r.lookup(i, resourceType, 0)
	if at < 0 || lex.At(r.edit.Src, at) != '"' {
		r.fault = "a resource has no type"
		return -1, false
	}
	stop, _ := lex.String(r.edit.Src, at)
	if stop < 0 {
		return -1, false
	}
	n := r.m.resources[string(r.edit.Src[at+1:stop-1])]
	if n == nil {
		r.fault = "a resource is of a type that neither R4 nor R5 defines"
		return -1, false
	}
	if r.nesting++; r.nesting > MaxNesting {
		r.fault = "resources are nested too deep"
		return -1, false
	}
	end, kept = r.object(i, depth, n, scope{resource: n.name, contained: contained, systemAt: at})
	r.nesting--
	return end, kept
}

// object masks the object at i as an n. kept is false when nothing of it is left;
// what was written for it then has to be cut.
func (r *run) object(i, depth int, n *node, s scope) (end int, kept bool) {
	if depth++; depth > MaxDepth {
		r.fault = "the document is nested too deep"
		return -1, false
	}
	s.open = i
	if n.kind != plain {
		r.look(i, n, &s)
	}
	start := i + 1 // of the member and the separator before it
	comma := -1
	if i = lex.Space(r.edit.Src, start); lex.At(r.edit.Src, i) == '}' {
		return i + 1, false
	}
	for {
		m := r.edit.Mark()
		if comma >= 0 && !kept {
			r.edit.Cut(m, comma, comma+1)
		}
		stop, escaped, v := lex.Key(r.edit.Src, i)
		if stop < 0 {
			return -1, false
		}
		key := r.edit.Src[i+1 : stop-1]
		if escaped {
			r.key = lex.Unquote(r.key[:0], key)
			key = r.key
		}
		end, ok := r.member(key, i, v, depth, n, &s)
		switch {
		case end < 0:
			return -1, false
		case ok:
			kept = true
		default:
			r.edit.Cut(m, start, end)
		}
		switch i = lex.Space(r.edit.Src, end); lex.At(r.edit.Src, i) {
		case ',':
			start, comma = i, i
			i = lex.Space(r.edit.Src, i+1)
		case '}':
			return i + 1, kept
		default:
			return -1, false
		}
	}
}

const (
	absent       = `{"extension":[{"url":"http://hl7.org/fhir/StructureDefinition/data-absent-reason","valueCode":"masked"}]}`
	resourceType = "resourceType"
)

// member masks one member of an object: its name at i, its value at v.
func (r *run) member(key []byte, i, v, depth int, n *node, s *scope) (end int, kept bool) {
	f := n.field(key)
	if f == nil {
		if s.resource == n.name && string(key) == resourceType {
			return r.typeOf(v, s)
		}
		if len(key) > 1 && key[0] == '_' {
			if f = n.field(key[1:]); f != nil && f.whole {
				return lex.Value(r.edit.Src, v, depth), true
			}
			if f != nil && f.required && r.lookup(s.open, f.name, 0) < 0 {
				end = lex.Value(r.edit.Src, v, depth)
				return r.absent(r.edit.Mark(), f, i, v, end)
			}
		}
		return lex.Value(r.edit.Src, v, depth), false
	}
	m := r.edit.Mark()
	if end, kept = r.any(v, depth, f, s); end < 0 || kept {
		return end, kept
	}
	r.count(f, 1)
	if f.required && !r.beside(s.open, f.name, v, end) {
		return r.absent(m, f, i, v, end)
	}
	return end, false
}

// beside reports whether the object at open has another member of a name than the one whose
// value is at v to end. What stands in for that would stand beside the other.
func (r *run) beside(open int, name string, v, end int) bool {
	if first := r.lookup(open, name, 0); first >= 0 && first != v {
		return true
	}
	i := lex.Space(r.edit.Src, end)
	return lex.At(r.edit.Src, i) == ',' && r.lookup(i, name, 0) >= 0
}

// typeOf keeps the type of a resource, if it is the one that was looked up.
func (r *run) typeOf(v int, s *scope) (end int, kept bool) {
	if v != s.systemAt {
		r.fault = "a resource has two types"
		return -1, false
	}
	end, _ = lex.String(r.edit.Src, v)
	return end, true
}

// absent puts an element without a value in place of the member f, of which the
// definitions want one.
func (r *run) absent(m lex.Mark, f *field, i, v, end int) (int, bool) {
	if end < 0 {
		return -1, false
	}
	open, name, value := `"`, f.name, `":`+absent
	if f.child == nil {
		open = `"_`
	}
	if r.edit.Src[v] == '[' {
		value = `":[` + absent + `]`
	}
	r.edit.Cut(m, i, i)
	r.edit.ReplaceString(i, i, open)
	r.edit.ReplaceString(i, i, name)
	r.edit.ReplaceString(i, end, value)
	return end, true
}

// any masks a value of the element f, single or repeated.
func (r *run) any(i, depth int, f *field, s *scope) (end int, kept bool) {
	if f.whole {
		return lex.Value(r.edit.Src, i, depth), true
	}
	if lex.At(r.edit.Src, i) == '[' {
		return r.array(i, depth, f, s)
	}
	return r.single(i, depth, f, s)
}

// array masks the values of a repeated element.
func (r *run) array(i, depth int, f *field, s *scope) (end int, kept bool) {
	if depth++; depth > lex.MaxDepth {
		return -1, false
	}
	start, comma := i+1, -1
	if i = lex.Space(r.edit.Src, start); lex.At(r.edit.Src, i) == ']' {
		return i + 1, false
	}
	for {
		m := r.edit.Mark()
		if comma >= 0 && !kept {
			r.edit.Cut(m, comma, comma+1)
		}
		end, ok := r.single(i, depth, f, s)
		switch {
		case end < 0:
			return -1, false
		case ok:
			kept = true
		default:
			r.edit.Cut(m, start, end)
		}
		switch i = lex.Space(r.edit.Src, end); lex.At(r.edit.Src, i) {
		case ',':
			start, comma = i, i
			i = lex.Space(r.edit.Src, i+1)
		case ']':
			return i + 1, kept
		default:
			return -1, false
		}
	}
}

// single masks one value of the element f. Of another JSON type than the
// element's it is dropped.
func (r *run) single(i, depth int, f *field, s *scope) (end int, kept bool) {
	switch lex.At(r.edit.Src, i) {
	case '"':
		return r.text(i, f, s)
	case '{':
		if f.resource {
			return r.resource(i, depth, f.name == "contained")
		}
		if f.child != nil {
			return r.object(i, depth, f.child, scope{resource: s.resource, contained: s.contained})
		}
		return lex.Value(r.edit.Src, i, depth), false
	case '[':
		return lex.Value(r.edit.Src, i, depth), false
	case 't', 'f':
		return lex.Scalar(r.edit.Src, i), f.boolean
	case 'n':
		return lex.Scalar(r.edit.Src, i), false
	}
	return r.number(i, f, s)
}

// lookup returns where the first value of a name stands in the object at i, or -1.
// Members before it that reach deeper than lex.MaxDepth end the search, counted
// from depth.
func (r *run) lookup(i int, name string, depth int) int {
	for i = lex.Space(r.edit.Src, i+1); ; i = lex.Space(r.edit.Src, i+1) {
		stop, escaped, v := lex.Key(r.edit.Src, i)
		if stop < 0 {
			return -1
		}
		if !escaped && string(r.edit.Src[i+1:stop-1]) == name {
			return v
		}
		if v = lex.Value(r.edit.Src, v, depth); v < 0 {
			return -1
		}
		if i = lex.Space(r.edit.Src, v); lex.At(r.edit.Src, i) != ',' {
			return -1
		}
	}
}

// shallow is the depth for a lookup among few and flat members. It bounds what
// lookups cost in a document that nests what is looked into.
const shallow = lex.MaxDepth - 8

// lookupText returns the string of a name in the object at i, as it is written,
// or nil.
func (r *run) lookupText(i int, name string) []byte { return r.textAt(r.lookup(i, name, shallow)) }

// textAt returns what is between the quotes of the string at i, or nil.
func (r *run) textAt(i int) []byte {
	if lex.At(r.edit.Src, i) != '"' {
		return nil
	}
	end, _ := lex.String(r.edit.Src, i)
	if end < 0 {
		return nil
	}
	return r.edit.Src[i+1 : end-1]
}
