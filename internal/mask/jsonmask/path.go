// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package jsonmask

import (
	"cmp"
	"encoding/binary"
	"maps"
	"slices"
	"strings"
)

// Limits of rules.
const (
	maxSteps  = 64
	maxStates = 4096
)

// step is one step of a path.
type step struct {
	name  string
	any   bool // every member
	index bool // every element
	deep  bool // at any depth
}

type pattern struct {
	path  string
	steps []step
}

// parse reads paths, in a fixed order.
func parse(paths map[string]Rule) ([]pattern, error) {
	var out []pattern
	for _, path := range slices.Sorted(maps.Keys(paths)) {
		rest, ok := strings.CutPrefix(path, "$")
		p := pattern{path: path}
		for ok && rest != "" {
			var s step
			if s, rest, ok = cutStep(rest); ok {
				p.steps = append(p.steps, s)
			}
		}
		if !ok || len(p.steps) > maxSteps {
			return nil, invalid("the JSON path "+path+" cannot be read", `write it as in $.patient.name, $.items[*].ssn, $['odd name'] or $..ssn`)
		}
		out = append(out, p)
	}
	return out, nil
}

func cutStep(s string) (st step, rest string, ok bool) {
	if rest, ok = strings.CutPrefix(s, "[*]"); ok {
		return step{index: true}, rest, true
	}
	if rest, ok = strings.CutPrefix(s, "['"); ok {
		st.name, rest, ok = strings.Cut(rest, "']")
		return st, rest, ok && st.name != ""
	}
	if s, st.deep = strings.CutPrefix(s, ".."); !st.deep {
		if s, ok = strings.CutPrefix(s, "."); !ok {
			return st, s, false
		}
	}
	end := strings.IndexAny(s, ".[")
	if end < 0 {
		end = len(s)
	}
	if st.name = s[:end]; st.name == "*" {
		st.name, st.any = "", true
	}
	return st, s[end:], end > 0
}

// state is a place in documents as far as the paths tell places apart.
type state struct {
	rule    int         // number of the rule that begins here, or -1
	live    bool        // a path may still end below
	members map[int]int // by number of the name, from 1, where that is not as other
	other   int         // any other member
	element int
}

// below returns the state of a member whose name has a number.
func (s *state) below(name int) int {
	if to, ok := s.members[name]; ok {
		return to
	}
	return s.other
}

// position is a path of which so many steps are done.
type position struct{ pattern, steps int }

// automaton builds states out of sets of positions.
type automaton struct {
	patterns []pattern
	rules    []bound
	names    []string
	ids      map[string]int
	sets     [][]position
}

// compile turns paths into states, and says which is the document's, and which
// names occur. State 0 is the place of no path.
func compile(patterns []pattern, rules []bound) (states []state, root int, names []string, err error) {
	a := &automaton{patterns: patterns, rules: rules, ids: map[string]int{}}
	for _, p := range patterns {
		for _, s := range p.steps {
			if s.name != "" && !slices.Contains(a.names, s.name) {
				a.names = append(a.names, s.name)
			}
		}
	}
	a.id(nil)
	start := make([]position, len(patterns))
	for i := range patterns {
		start[i] = position{i, 0}
	}
	root = a.id(start)
	for i := 0; i < len(a.sets); i++ {
		if i > maxStates {
			return nil, 0, nil, invalid("the JSON paths are too many or too general", `use fewer paths with ".." or "*"`)
		}
		set := a.sets[i]
		s := state{
			rule: a.rule(set), members: map[int]int{},
			other: a.id(a.follow(set, step{any: true})), element: a.id(a.follow(set, step{index: true})),
		}
		for _, p := range set {
			s.live = s.live || p.steps < len(patterns[p.pattern].steps)
		}
		for i, name := range a.names {
			if to := a.id(a.follow(set, step{name: name})); to != s.other {
				s.members[i+1] = to
			}
		}
		states = append(states, s)
	}
	return states, root, a.names, nil
}

// id returns the number of a set of positions.
func (a *automaton) id(set []position) int {
	slices.SortFunc(set, func(x, y position) int {
		return cmp.Or(cmp.Compare(x.pattern, y.pattern), cmp.Compare(x.steps, y.steps))
	})
	set = slices.Compact(set)
	var key []byte
	for _, p := range set {
		key = binary.AppendUvarint(binary.AppendUvarint(key, uint64(p.pattern)), uint64(p.steps))
	}
	n, ok := a.ids[string(key)]
	if !ok {
		n = len(a.sets)
		a.ids[string(key)] = n
		a.sets = append(a.sets, set)
	}
	return n
}

// follow returns where a set of positions leads by a member or an element.
func (a *automaton) follow(set []position, by step) []position {
	var out []position
	for _, p := range set {
		steps := a.patterns[p.pattern].steps
		if p.steps == len(steps) {
			continue
		}
		s := steps[p.steps]
		if s.deep {
			out = append(out, p)
		}
		if by.index == s.index && (by.index || s.any || s.name == by.name && !by.any) {
			out = append(out, position{p.pattern, p.steps + 1})
		}
	}
	return out
}

// rule returns the number of the rule that applies where a set of positions is,
// or -1.
func (a *automaton) rule(set []position) int {
	best := -1
	for _, p := range set {
		if p.steps < len(a.patterns[p.pattern].steps) {
			continue
		}
		if best < 0 || a.compare(p.pattern, best) < 0 {
			best = p.pattern
		}
	}
	if best < 0 {
		return -1
	}
	return best + 1 // after the default
}

// compare is negative when path x goes before path y.
func (a *automaton) compare(x, y int) int {
	deepX, anyX := a.generality(x)
	deepY, anyY := a.generality(y)
	return cmp.Or(cmp.Compare(deepX, deepY), cmp.Compare(anyX, anyY), cmp.Compare(strictness(a.rules[y+1]), strictness(a.rules[x+1])))
}

func (a *automaton) generality(i int) (deep, wild int) {
	for _, s := range a.patterns[i].steps {
		if s.deep {
			deep++
		}
		if s.any {
			wild++
		}
	}
	return deep, wild
}

func strictness(b bound) int {
	switch b.action {
	case Keep:
		return 0
	case Scan:
		return 1
	case Mask:
		return 2
	}
	return 3
}
