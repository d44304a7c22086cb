// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package jsonmask

// locus is the template of a place, as counts write it: indexes are left out, and
// names that no path has are "*".
type locus struct {
	text  string
	below []*locus // by number of the name; 0 is any other
}

// loci are the templates that a run has met, so that those of the next document
// need no memory.
type loci struct {
	root  *locus
	names []string
	n     int
}

func newLoci(names []string) *loci { return &loci{root: &locus{text: "$"}, names: names} }

// below returns the template of a member of the place at. Where templates get too
// long or too many, it is at itself.
func (l *loci) below(at *locus, name int) *locus {
	if name < len(at.below) && at.below[name] != nil {
		return at.below[name]
	}
	if l.n >= maxLoci {
		return at
	}
	text := at.text + ".*"
	if name > 0 {
		text = at.text + "." + l.names[name-1]
	}
	if len(text) > maxLocus {
		return at
	}
	l.n++
	if at.below == nil {
		at.below = make([]*locus, len(l.names)+1)
	}
	at.below[name] = &locus{text: text}
	return at.below[name]
}
