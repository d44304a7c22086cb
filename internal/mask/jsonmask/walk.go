// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package jsonmask

import (
	"bytes"
	"strconv"

	"github.com/sallyport-dev/sallyport/internal/mask/jsonmask/lex"
	"github.com/sallyport-dev/sallyport/internal/mask/operator"
	"github.com/sallyport-dev/sallyport/internal/mask/scan"
	"github.com/sallyport-dev/sallyport/internal/mask/text"
)

// Limits of what is remembered about places, and of documents within strings.
const (
	maxLocus  = 200  // bytes of a template
	maxLoci   = 4096 // templates that are remembered
	maxWithin = 3    // JSON in a string in JSON
	maxBehind = 64   // bytes of a member's name, and of a value that is looked at behind it
)

// run is one pass over a document, or over one within a string of another.
type run struct {
	edit   lex.Edit
	m      *Masker
	w      *text.Work
	within int  // strings that this document stands in
	inner  *run // for documents in strings of this one

	loci   *loci             // templates that were met
	locus  *locus            // of the current place
	value  []byte            // scratch: a string without its escapes
	out    []byte            // scratch: what it becomes
	rest   []byte            // scratch: the same, while it is looked at once more
	plain  [maxDecode][]byte // scratch: what it encodes
	masked []byte            // scratch: a document in a string, masked
	key    []byte            // scratch: a name without its escapes

	under  []byte   // name of the innermost member that the current place is in, as written
	behind []byte   // scratch: a value behind it
	digits [32]byte // scratch: a number
	found  []scan.Span

	names names  // of members
	clean values // in which nothing is found
}

func (r *run) begin(e lex.Edit, w *text.Work, within int) {
	r.edit, r.w, r.within = e, w, within
	r.locus, r.under = r.loci.root, nil
}

// end lets go of what is not the run's own.
func (r *run) end() {
	r.edit, r.w, r.under = lex.Edit{}, nil, nil
	if r.inner != nil {
		r.inner.end()
	}
}

// place is where a value stands: a state of the paths and the rule that applies.
type place struct{ state, rule int }

func (r *run) enter(state, rule int) place {
	if own := r.m.states[state].rule; own >= 0 {
		rule = own
	}
	return place{state, rule}
}

// document masks the whole of the edit's source, which stands in the state and
// under the rule. A string may hold several documents, as lines do. It reports
// whether it is JSON.
func (r *run) document(state, rule int) bool {
	src := r.edit.Src
	for i := lex.Space(src, 0); ; {
		m := r.edit.Mark()
		end, kept := r.any(i, 0, r.enter(state, rule))
		if end < 0 {
			return false
		}
		if !kept {
			r.edit.Cut(m, i, i)
			r.edit.ReplaceString(i, end, "null")
		}
		if i = lex.Space(src, end); i == len(src) {
			return true
		}
		if r.within == 0 {
			return false
		}
	}
}

// any masks the value at i. kept is false when a rule wants it left out.
func (r *run) any(i, depth int, p place) (end int, kept bool) {
	src := r.edit.Src
	rule := &r.m.rules[p.rule]
	if live := r.m.states[p.state].live; !live && (rule.action == Keep && rule.form == nil || rule.action == Drop) {
		end = lex.Value(src, i, depth)
		if rule.action == Drop {
			r.count(rule, operator.Drop)
		}
		return end, rule.action == Keep
	}
	switch lex.At(src, i) {
	case '{':
		return r.object(i, depth, p)
	case '[':
		return r.array(i, depth, p)
	case '"':
		return r.text(i, p, rule)
	case 't', 'f':
		end = lex.Scalar(src, i)
		if end > 0 && rule.action == Mask && !rule.strings {
			r.null(i, end, rule)
		}
	case 'n':
		end = lex.Scalar(src, i)
	default:
		end = r.number(i, rule)
	}
	return end, rule.action != Drop
}

// object masks the members of the object at i. When its rule drops, it stays if
// a path below keeps something.
func (r *run) object(i, depth int, p place) (end int, kept bool) {
	if depth++; depth > lex.MaxDepth {
		return -1, false
	}
	src := r.edit.Src
	start, comma, renamed := i+1, -1, 0
	stays := r.m.rules[p.rule].action != Drop
	if i = lex.Space(src, start); lex.At(src, i) == '}' {
		return i + 1, stays
	}
	for {
		m := r.edit.Mark()
		if comma >= 0 && !kept {
			r.edit.Cut(m, comma, comma+1)
		}
		stop, escaped, v := lex.Key(src, i)
		if stop < 0 {
			return -1, false
		}
		key := src[i+1 : stop-1]
		if escaped {
			r.key = lex.Unquote(r.key[:0], key)
			key = r.key
		}
		end, ok := r.member(key, i, stop, v, depth, p, &renamed)
		switch {
		case end < 0:
			return -1, false
		case ok:
			kept = true
		default:
			r.edit.Cut(m, start, end)
		}
		switch i = lex.Space(src, end); lex.At(src, i) {
		case ',':
			start, comma = i, i
			i = lex.Space(src, i+1)
		case '}':
			return i + 1, kept || stays
		default:
			return -1, false
		}
	}
}

// member masks one member: its name, at i to stop, and its value at v. renamed
// counts the names of the object that have changed.
func (r *run) member(key []byte, i, stop, v, depth int, p place, renamed *int) (end int, kept bool) {
	s := &r.m.states[p.state]
	n := r.names.of(key, r.m.numbers)
	at := r.locus
	r.locus = r.loci.below(at, n.number)
	if !n.named {
		b := &r.m.rules[p.rule]
		if b.form != nil && !b.form(key) {
			b = b.other
		}
		if b.action == Scan || b.action == Mask {
			r.name(key, i, stop, n, renamed)
		}
	}
	number, under := n.number, r.under // n is another name's before the value ends
	r.under = r.edit.Src[i+1 : stop-1]
	end, kept = r.any(v, depth, r.enter(s.below(number), p.rule))
	r.locus, r.under = at, under
	return end, kept
}

// name masks the name of a member that no path knows, if the scanner finds
// something in it or it encodes something. The second and later ones of an object
// get a number, so that they stay apart.
func (r *run) name(key []byte, i, stop int, n *name, renamed *int) {
	if n.clean && r.w.Known.Empty() {
		return
	}
	r.w.Locus = r.locus.text
	counted := r.w.Tally.Added()
	r.out = r.m.text.Append(r.out[:0], key, r.w)
	same := bytes.Equal(r.out, key)
	switch encoded := r.uncovered(place{}) != ""; {
	case encoded:
		r.rest = append(r.rest[:0], "[ENCODED]"...)
	case same:
		n.clean = r.w.Known.Empty() && r.w.Tally.Added() == counted
		return
	}
	if *renamed++; *renamed > 1 {
		r.rest = strconv.AppendInt(append(r.rest, '_'), int64(*renamed), 10)
	}
	r.edit.ReplaceQuoted(i, stop, r.rest)
}

// array masks the elements of the array at i.
func (r *run) array(i, depth int, p place) (end int, kept bool) {
	if depth++; depth > lex.MaxDepth {
		return -1, false
	}
	src := r.edit.Src
	start, comma := i+1, -1
	stays := r.m.rules[p.rule].action != Drop
	if i = lex.Space(src, start); lex.At(src, i) == ']' {
		return i + 1, stays
	}
	inner := r.enter(r.m.states[p.state].element, p.rule)
	for {
		m := r.edit.Mark()
		if comma >= 0 && !kept {
			r.edit.Cut(m, comma, comma+1)
		}
		end, ok := r.any(i, depth, inner)
		switch {
		case end < 0:
			return -1, false
		case ok:
			kept = true
		default:
			r.edit.Cut(m, start, end)
		}
		switch i = lex.Space(src, end); lex.At(src, i) {
		case ',':
			start, comma = i, i
			i = lex.Space(src, i+1)
		case ']':
			return i + 1, kept || stays
		default:
			return -1, false
		}
	}
}

// count counts a value that a rule masked.
func (r *run) count(b *bound, op operator.Kind) {
	r.w.Tally.Add(text.Key{Rule: "path", Entity: b.entity, Operator: op, Locus: r.locus.text}, 1)
}
