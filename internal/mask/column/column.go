// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

// Package column says what the site's rules make of a column that has a name, and
// masks its values by that, whatever their type is. The masks of tables (CSV,
// Parquet, Avro) share it, so that one label means the same in all of them.
//
// What a column holds is said by the site's rules, else guessed from its name,
// else nobody knows: then each value is scanned, in the form in which a person
// would write it, or under strict rules masked like what is unclassified.
package column

import (
	"strconv"
	"strings"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/mask/operator"
	"github.com/sallyport-dev/sallyport/internal/mask/scan"
	"github.com/sallyport-dev/sallyport/internal/mask/text"
)

// Labels that are words of the rules: a column that is shown, and one that is
// scanned whatever its name suggests.
const (
	Public sallyport.Label = "public"
	Scan   sallyport.Label = "scan"
)

// Rules are what a site says of its columns. They do not change and are safe for
// concurrent use.
type Rules struct {
	text   *text.Masker
	labels map[string][]sallyport.Label
	guess  func(string) sallyport.Label
	strict bool
}

// NewRules returns the rules with labels by the columns' names, which are compared
// without case. guess, which may be nil, returns the label that a name suggests,
// or "".
func NewRules(m *text.Masker, labels map[string][]sallyport.Label, guess func(string) sallyport.Label) *Rules {
	r := &Rules{text: m, labels: make(map[string][]sallyport.Label, len(labels)), guess: guess}
	for name, l := range labels {
		r.labels[Fold(name)] = l
	}
	return r
}

// Strict returns the same rules, by which a column that nobody knows is masked
// instead of scanned.
func (r *Rules) Strict() *Rules {
	s := *r
	s.strict = true
	return &s
}

// Fold returns a name in the form in which names are compared.
func Fold(name string) string { return strings.ToLower(strings.TrimSpace(name)) }

// Column is what is known of one column.
type Column struct {
	Op     *operator.Operator // nil when values are scanned
	Entity scan.Entity
	// Label is what a placeholder says when no entity has the label.
	Label string
	// Locus stands in the counts. It is the column's name only when the site's rules
	// have it, for a header may hold anything.
	Locus string
	Names bool // its values tell the scanner names
	Shown bool // its values stay as they are
	// Unknown says that neither a rule nor the guess knows the column.
	Unknown bool

	text *text.Masker
}

// Column decides about the column with a name, the index-th of its table from 0.
func (r *Rules) Column(name string, index int) Column {
	labels, ruled := r.labels[Fold(name)]
	return r.column(labels, ruled, Fold(name), Fold(name), index)
}

// Nested decides about a field within others, by its path. The rule of the whole
// path counts, then that of the nearest field around it. A rule for the last name
// alone counts where it masks: that one "name" is public says nothing of a
// patient's.
func (r *Rules) Nested(path []string, index int) Column {
	for n := len(path); n > 0; n-- {
		name := Fold(strings.Join(path[:n], "."))
		if labels, ok := r.labels[name]; ok {
			return r.column(labels, true, name, name, index)
		}
	}
	last := ""
	if len(path) > 0 {
		last = Fold(path[len(path)-1])
	}
	labels, ok := r.labels[last]
	if ok && len(labels) == 1 && (labels[0] == Public || labels[0] == Scan) {
		labels, ok = nil, false
	}
	return r.column(labels, ok, last, last, index)
}

func (r *Rules) column(labels []sallyport.Label, ruled bool, name, locus string, index int) Column {
	c := Column{Locus: "column " + strconv.Itoa(index+1), text: r.text}
	if !ruled && r.guess != nil {
		l := r.guess(name)
		if l == "" { // "ssn2" is what "ssn" is
			l = r.guess(strings.TrimRight(name, "0123456789 _-."))
		}
		if l != "" {
			labels = []sallyport.Label{l}
		}
	}
	if len(labels) == 0 && !ruled {
		if c.Unknown = true; r.strict {
			c.Op = r.text.Profile.Label([]sallyport.Label{sallyport.Unclassified})
			c.Label = placeholder(sallyport.Unclassified)
		}
		return c
	}
	if ruled {
		c.Locus = locus
	}
	if len(labels) == 1 && labels[0] == Scan {
		return c
	}
	if len(labels) == 1 && labels[0] == Public {
		c.Shown = true
		return c
	}
	c.Op = r.text.Profile.Label(labels)
	for _, l := range labels {
		if e := entityOf(l); e != scan.None {
			c.Entity = e
		}
		if c.Label == "" {
			c.Label = placeholder(l)
		}
	}
	c.Names = c.Entity == scan.Name
	return c
}

// Scanned returns a column that nothing is known of. locus stands in the counts.
func (r *Rules) Scanned(locus string) Column { return Column{Locus: locus, text: r.text} }

// placeholder returns what a label's placeholder says: "phi.note" is "NOTE".
func placeholder(l sallyport.Label) string {
	s := string(l)
	return strings.ToUpper(s[strings.LastIndexByte(s, '.')+1:])
}

// entityOf returns the entity whose label l is, or is below.
func entityOf(l sallyport.Label) scan.Entity {
	switch l {
	case "phi.dob", "phi.birth_date", "phi.death":
		return scan.Date
	}
	for _, e := range scan.Entities() {
		if own := string(e.Label()); string(l) == own || strings.HasPrefix(string(l), own+".") {
			return e
		}
	}
	return scan.None
}

// Append appends what stands for a text, which is not empty, to dst.
func (c *Column) Append(dst, v []byte, w *text.Work) []byte {
	w.Locus = c.Locus
	if c.Shown {
		return append(dst, v...)
	}
	if c.Op == nil {
		return c.text.Append(dst, v, w)
	}
	if c.Op.Kind() == operator.Keep {
		return append(dst, v...)
	}
	c.count(w)
	if c.Entity != scan.None {
		return c.text.Replace(dst, v, c.Entity, c.Op, w)
	}
	switch c.Op.Kind() {
	case operator.Null, operator.Drop:
		return dst
	}
	if out, ok := c.Op.Text(dst, v, &w.Row); ok {
		return out
	}
	return append(append(append(dst, '['), c.Label...), ']')
}

// count counts one value that the column's operator replaces.
func (c *Column) count(w *text.Work) {
	w.Tally.Add(text.Key{Rule: "column", Entity: c.Entity, Operator: c.Op.Kind(), Locus: c.Locus}, 1)
}

// Name returns the name of a column as it may stand in a schema: as it is, or ""
// where the scanner finds something in it. A name that the rules have is the site's
// own and stays.
func (r *Rules) Name(name string, w *text.Work) string {
	if _, ruled := r.labels[Fold(name)]; ruled {
		return name
	}
	w.Known.Reset()
	w.Locus = "header"
	parts := words(name)
	if string(r.text.Append(nil, parts, w)) != string(parts) {
		return ""
	}
	return name
}

// words puts a space where a name goes on with a capital, as in "admitDate": written
// in one a scanner takes it for a word that nobody knows.
func words(name string) []byte {
	out := make([]byte, 0, len(name)+8)
	for i := range len(name) {
		if c := name[i]; i > 0 && c >= 'A' && c <= 'Z' && name[i-1] >= 'a' && name[i-1] <= 'z' {
			out = append(out, ' ')
		}
		out = append(out, name[i])
	}
	return out
}
