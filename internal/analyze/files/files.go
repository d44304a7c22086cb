// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

// Package files says what operations on files of a target do: on which paths, with
// which effects, and what of it may stand on record. It knows paths as text and
// nothing of a file system; whoever carries an operation out finds out where links
// lead, and names that path as well.
//
// A path can hold whatever a record is found by. What of it lies beyond the prefixes
// that an operator wrote down is never readable, unless the operator says that the
// names hold no data.
package files

import (
	"path"
	"slices"
	"strings"
	"unicode/utf8"

	sallyport "github.com/sallyport-dev/sallyport"
)

// Protocol is the analyser's name in statements.
const Protocol = "files"

// Kinds of objects in statements.
const (
	KindPath = "path" // a file or a directory
	KindBody = "body" // the content of files of a path
)

// Limits of a path, as Linux has them.
const (
	MaxPath = 4096 // bytes
	maxName = 255  // of a part, in bytes
)

// Op is what is done with a file.
type Op uint8

// The operations. Those from Rename on have two sides.
const (
	OpUnknown Op = iota
	Stat         // describe a file; its content may show in its size
	List         // the names in a directory
	Readlink     // where a link leads
	Volume       // free space of a file system
	Get          // read a file's content
	Put          // write a file's content, or make the file
	Edit         // open a file for reading and for writing
	GetTree      // read a directory with everything below it, or a file
	PutTree      // write a directory with everything below it, or a file
	PruneTree    // the same, and delete there what the sender does not have
	Remove       // delete a file
	Rmdir        // delete an empty directory
	Mkdir        // make a directory
	Setstat      // times and permissions
	Own          // owners, or permissions that go beyond a file's own
	Truncate     // set a file's size
	Rename       // from, to
	Link         // a further name: from, to
	Symlink      // where it leads, the link
	Copy         // content of one open file into another: from, to
)

// traits of an operation: its word, and its effects on what it names.
type traits struct {
	word    string
	effects []sallyport.Effect
	shows   bool // what is there comes back
	tree    bool // with all that is below
}

func traitsOf(op Op) (t traits, ok bool) {
	one := func(word string, e ...sallyport.Effect) traits { return traits{word: word, effects: e} }
	switch op {
	case Stat:
		t = traits{"stat", []sallyport.Effect{sallyport.Read}, true, false}
	case List:
		t = traits{"list", []sallyport.Effect{sallyport.Read}, true, false}
	case Readlink:
		t = traits{"readlink", []sallyport.Effect{sallyport.Read}, true, false}
	case Volume:
		t = one("volume", sallyport.Read)
	case Get:
		t = traits{"get", []sallyport.Effect{sallyport.Read}, true, false}
	case Put:
		t = one("put", sallyport.Write)
	case Edit:
		t = traits{"edit", []sallyport.Effect{sallyport.Read, sallyport.Write}, true, false}
	case GetTree:
		t = traits{"get-tree", []sallyport.Effect{sallyport.Read}, true, true}
	case PutTree: // a receiver tells the sender what it has
		t = traits{"put-tree", []sallyport.Effect{sallyport.Read, sallyport.Write, sallyport.Define}, true, true}
	case PruneTree:
		t = traits{"prune-tree", []sallyport.Effect{sallyport.Read, sallyport.Write, sallyport.Define, sallyport.Delete}, true, true}
	case Remove:
		t = one("remove", sallyport.Delete)
	case Rmdir:
		t = one("rmdir", sallyport.Delete)
	case Mkdir:
		t = one("mkdir", sallyport.Define)
	case Setstat:
		t = one("setstat", sallyport.Define)
	case Own:
		t = one("own", sallyport.Administer)
	case Truncate:
		t = one("truncate", sallyport.Write)
	default:
		return t, false
	}
	return t, true
}

// sides of an operation with two: the effects on the first and on the second.
func sidesOf(op Op) (word string, from, to []sallyport.Effect, ok bool) {
	switch op {
	case Rename: // a directory moves with all that is below it
		return "rename", []sallyport.Effect{sallyport.Read, sallyport.Delete, sallyport.Define}, []sallyport.Effect{sallyport.Write, sallyport.Define}, true
	case Link:
		return "link", []sallyport.Effect{sallyport.Read}, []sallyport.Effect{sallyport.Write}, true
	case Symlink:
		return "symlink", []sallyport.Effect{sallyport.Read}, []sallyport.Effect{sallyport.Define}, true
	case Copy:
		return "copy", []sallyport.Effect{sallyport.Read}, []sallyport.Effect{sallyport.Write}, true
	}
	return "", nil, nil, false
}

// Canonical returns an absolute path without empty and dot segments. A path that is
// not absolute counts from home. What ".." leads to is found in the text, as if
// there were no links: whatever is sent to a target has to be what this returns. ok
// is false for what can be no path.
func Canonical(home, p string) (string, bool) {
	if len(p) > MaxPath || !utf8.ValidString(p) || strings.ContainsFunc(p, control) {
		return "", false
	}
	if !strings.HasPrefix(p, "/") {
		p = home + "/" + p
	}
	p = path.Clean("/" + p)
	return p, isCanonical(p)
}

func control(r rune) bool { return r < ' ' || r >= 0x7f && r < 0xa0 }

// isCanonical reports whether p is a path as [Canonical] returns them.
func isCanonical(p string) bool {
	if len(p) > MaxPath || !strings.HasPrefix(p, "/") || !utf8.ValidString(p) || strings.ContainsFunc(p, control) || path.Clean(p) != p {
		return false
	}
	return !slices.ContainsFunc(strings.Split(p, "/"), func(s string) bool { return len(s) > maxName })
}

// Statement says what an operation does. paths are canonical. For an operation on
// one file, the first is what was named, and further ones are what it turned out to
// be; for one with two sides they come in pairs, from and to. Each of them is judged.
func (l *Layout) Statement(resource sallyport.ResourceID, op Op, paths ...string) *sallyport.Statement {
	j := &judgement{l: l, resource: string(resource), st: &sallyport.Statement{
		Protocol: Protocol, Class: "unknown", Readable: "(an operation on files that cannot be judged)",
	}}
	for _, p := range paths {
		if !isCanonical(p) {
			return j.refuse("the path is none that can be judged", "send an absolute path of at most 4,096 bytes, in UTF-8, without control characters")
		}
		if !below(l.root, p) {
			return j.refuse("the path lies outside what the resource shows of its files", "ask the gateway's operator which paths the resource has")
		}
		if !l.Visible(p) {
			return j.refuse("the resource has no such path", "ask the gateway's operator which paths the resource has")
		}
	}
	if t, ok := traitsOf(op); ok && len(paths) > 0 {
		return j.one(op, t, paths)
	}
	if word, from, to, ok := sidesOf(op); ok && len(paths) > 0 && len(paths)%2 == 0 {
		return j.two(op, word, from, to, paths)
	}
	return j.refuse("the operation is not known", "use what sftp has")
}

// judgement fills a statement.
type judgement struct {
	l        *Layout
	resource string
	st       *sallyport.Statement
	seen     []string // places of outputs
}

func (j *judgement) refuse(why, hint string) *sallyport.Statement {
	j.st.Refused, j.st.Hint = why, hint
	return j.st
}

func (j *judgement) one(op Op, t traits, paths []string) *sallyport.Statement {
	j.st.Class = "files." + t.word
	j.st.Readable = j.st.Class
	for i, p := range paths {
		at := j.l.At(p)
		if i > 0 && at.Name() == j.l.At(paths[0]).Name() {
			continue // no more would be said than was
		}
		if j.st.Readable += " "; i > 0 {
			j.st.Readable += "is "
		}
		j.st.Readable += at.Name()
		for _, e := range t.effects {
			j.access(e, at)
		}
		if t.shows {
			j.answers(at)
		}
		if op == List {
			j.answers(j.l.shown(p)...)
		}
		if t.tree {
			j.deep(p, t.effects, t.shows)
		}
	}
	return j.st
}

func (j *judgement) two(op Op, word string, from, to []sallyport.Effect, paths []string) *sallyport.Statement {
	j.st.Class = "files." + word
	j.st.Readable = j.st.Class
	for i := 0; i < len(paths); i += 2 {
		a, b := j.l.At(paths[i]), j.l.At(paths[i+1])
		if i > 0 && a.Name() == j.l.At(paths[0]).Name() && b.Name() == j.l.At(paths[1]).Name() {
			continue
		}
		if j.st.Readable += " "; i > 0 {
			j.st.Readable += "is "
		}
		j.st.Readable += a.Name() + " to " + b.Name()
		for _, e := range from {
			j.access(e, a)
		}
		for _, e := range to {
			j.access(e, b)
		}
		sources := []Place{a}
		if op == Rename {
			sources = append(sources, j.l.under(paths[i])...)
			j.deep(paths[i], from, false)
			j.deep(paths[i+1], to, false)
		}
		for _, s := range sources {
			j.flows(s, b)
		}
		if op == Rename {
			j.lands(paths[i], paths[i+1])
		}
	}
	return j.st
}

// lands says what of a directory that moves comes to lie where an operator wrote
// something else down below its new path.
func (j *judgement) lands(from, to string) {
	for _, x := range j.l.prefixes {
		if x.Prefix == to || !below(to, x.Prefix) {
			continue
		}
		was := strings.TrimSuffix(from, "/") + strings.TrimPrefix(x.Prefix, strings.TrimSuffix(to, "/"))
		for _, s := range append([]Place{j.l.At(was)}, j.l.under(was)...) {
			j.flows(s, j.l.At(x.Prefix))
		}
	}
}

// flows says that content gets from one place to another.
func (j *judgement) flows(from, to Place) {
	j.st.Flows = append(j.st.Flows, sallyport.Flow{Target: j.column(to), Sources: []sallyport.Column{j.column(from)}})
}

// deep says that an operation reaches what an operator wrote down below a path.
func (j *judgement) deep(p string, effects []sallyport.Effect, shows bool) {
	for _, at := range j.l.under(p) {
		for _, e := range effects {
			j.access(e, at)
		}
		if shows {
			j.answers(at)
		}
	}
}

func (j *judgement) object(p Place) []string { return append([]string{j.resource}, p.Path...) }

func (j *judgement) column(p Place) sallyport.Column {
	return sallyport.Column{Object: sallyport.Object{Kind: KindBody, Path: append(j.object(p), "body")}, Labels: p.Labels}
}

func (j *judgement) access(e sallyport.Effect, p Place) {
	j.st.Accesses = append(j.st.Accesses, sallyport.Access{
		Effect: e, Object: sallyport.Object{Kind: KindPath, Path: j.object(p)}, Columns: []sallyport.Column{j.column(p)},
	})
	if !slices.Contains(j.st.Effects, e) {
		j.st.Effects = append(j.st.Effects, e)
	}
}

// answers adds an output for each place that has none yet.
func (j *judgement) answers(places ...Place) {
	for _, p := range places {
		if slices.Contains(j.seen, p.Name()) {
			continue
		}
		j.seen = append(j.seen, p.Name())
		j.st.Outputs = append(j.st.Outputs, sallyport.Output{Direct: true, Sources: []sallyport.Column{j.column(p)}})
	}
}
