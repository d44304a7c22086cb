// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package files

import (
	"fmt"
	"slices"
	"strings"

	sallyport "github.com/sallyport-dev/sallyport"
)

// Prefix is what an operator says of a directory, or a file, and of all below it.
type Prefix struct {
	Prefix string // absolute, canonical
	Labels []sallyport.Label
	// Plain says that names hold no data, so that they may stand on record and in
	// policies, and be listed as they are.
	Plain bool
}

// Options say what a resource shows of its files.
type Options struct {
	// Root is the directory that everything lies in; "" is "/".
	Root string
	// Prefixes are what is known. The longest that a path lies in counts.
	Prefixes []Prefix
	// Judge has paths that no prefix fits judged as unclassified; else they are
	// refused.
	Judge bool
	// MaxFile bounds a file that is written, and MaxMasked one that is masked, in
	// bytes.
	MaxFile, MaxMasked int64
}

// maxPrefixes bounds what an operator may write down of one resource.
const maxPrefixes = 1000

// Layout knows the paths of a resource. It does not change and is safe for
// concurrent use.
type Layout struct {
	root     string
	prefixes []Prefix // the longest first
	judge    bool
	file     int64
	masked   int64
}

// NewLayout makes a layout. Errors have kind Invalid.
func NewLayout(o Options) (*Layout, error) {
	l := &Layout{root: o.Root, prefixes: slices.Clone(o.Prefixes), judge: o.Judge, file: o.MaxFile, masked: o.MaxMasked}
	if l.root == "" {
		l.root = "/"
	}
	if !isCanonical(l.root) {
		return nil, invalid("the root %q is no absolute path without dot segments", l.root)
	}
	if len(o.Prefixes) > maxPrefixes {
		return nil, invalid("there are more than %d prefixes", maxPrefixes)
	}
	seen := map[string]bool{}
	for _, p := range l.prefixes {
		switch {
		case !isCanonical(p.Prefix):
			return nil, invalid("the prefix %q is no absolute path without dot segments", p.Prefix)
		case seen[p.Prefix]:
			return nil, invalid("the prefix %q is there twice", p.Prefix)
		case !below(l.root, p.Prefix):
			return nil, invalid("the prefix %q lies outside the root", p.Prefix)
		}
		seen[p.Prefix] = true
	}
	slices.SortStableFunc(l.prefixes, func(x, y Prefix) int { return len(y.Prefix) - len(x.Prefix) })
	return l, nil
}

func invalid(format string, args ...any) error {
	return sallyport.E(sallyport.Invalid, "files", fmt.Sprintf(format, args...))
}

// MaxFile is how large a file may become by writing, in bytes; 0 is no bound.
func (l *Layout) MaxFile() int64 { return l.file }

// MaxMasked is how large a file may be to be masked, in bytes; 0 is no bound.
func (l *Layout) MaxMasked() int64 { return l.masked }

// Root is the directory that everything lies in.
func (l *Layout) Root() string { return l.root }

// Place is where a file lies, as far as policies and the record know.
type Place struct {
	// Path are the parts of its object: those of the path, or those of the longest
	// prefix, and "*" for what lies beyond.
	Path   []string
	Labels []sallyport.Label
}

// Name is the place as it stands on record.
func (p Place) Name() string { return "/" + strings.Join(p.Path, "/") }

// At returns where a path lies. It is canonical.
func (l *Layout) At(p string) Place {
	found, known := l.find(p)
	if !known {
		if l.leads(p) {
			return Place{Path: parts(p)} // its words are those of a prefix
		}
		return Place{Path: []string{"*"}}
	}
	if found.Plain || found.Prefix == p {
		return Place{parts(p), found.Labels}
	}
	return Place{append(parts(found.Prefix), "*"), found.Labels}
}

// Plain reports whether the last part of a path may be shown: it is the operator's own
// word, or said to hold no data.
func (l *Layout) Plain(p string) bool {
	found, known := l.find(p)
	return known && (found.Plain || found.Prefix == p) || l.leads(p)
}

// Visible reports whether a path can be judged at all; a listing leaves out what
// cannot.
func (l *Layout) Visible(p string) bool {
	if !isCanonical(p) || !below(l.root, p) {
		return false
	}
	_, known := l.find(p)
	return known || l.judge || l.leads(p)
}

// Output returns which of a listing's outputs an entry of a directory belongs to, or
// -1 when there is none. The statement is that for List of this directory alone.
func (l *Layout) Output(resource sallyport.ResourceID, st *sallyport.Statement, dir, name string) int {
	j := judgement{l: l, resource: string(resource)}
	of := func(p Place) int {
		want := j.column(p).Object.Name()
		return slices.IndexFunc(st.Outputs, func(o sallyport.Output) bool { return o.Sources[0].Object.Name() == want })
	}
	child := strings.TrimSuffix(dir, "/") + "/" + name
	if p, known := l.find(child); known && p.Prefix == child {
		return of(l.At(child))
	}
	return of(l.At(dir))
}

// find returns the prefix that counts for a path.
func (l *Layout) find(p string) (Prefix, bool) {
	for _, x := range l.prefixes {
		if below(x.Prefix, p) {
			return x, true
		}
	}
	return Prefix{}, false
}

// leads reports whether a prefix lies below a path.
func (l *Layout) leads(p string) bool {
	return slices.ContainsFunc(l.prefixes, func(x Prefix) bool { return x.Prefix != p && below(p, x.Prefix) })
}

// shown are the places of prefixes that a listing of a directory has as entries.
func (l *Layout) shown(dir string) (out []Place) {
	for _, x := range l.prefixes {
		if rest, ok := strings.CutPrefix(x.Prefix, strings.TrimSuffix(dir, "/")+"/"); ok && rest != "" && !strings.Contains(rest, "/") {
			out = append(out, l.At(x.Prefix))
		}
	}
	return out
}

// under are the places of all prefixes below a path.
func (l *Layout) under(p string) (out []Place) {
	for _, x := range l.prefixes {
		if x.Prefix != p && below(p, x.Prefix) {
			out = append(out, l.At(x.Prefix))
		}
	}
	return out
}

// below reports whether a canonical path is dir or lies in it.
func below(dir, p string) bool {
	return p == dir || dir == "/" || strings.HasPrefix(p, dir+"/")
}

// parts splits a canonical path.
func parts(p string) []string {
	if p = strings.TrimPrefix(p, "/"); p == "" {
		return nil
	}
	return strings.Split(p, "/")
}
