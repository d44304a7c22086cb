// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package catalog

import (
	"cmp"
	"context"
	"fmt"
	"reflect"
	"slices"
	"strings"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/analyze/postgres"
)

// columnKey is what survives a rename.
type columnKey struct {
	oid    uint32
	attnum int16
}

// labeller joins labels with relations and functions for one load.
type labeller struct {
	file     *Labels
	state    State
	old, now Memory
	columnOf map[columnKey]RememberedColumn
	bodyOf   map[uint32]string
	used     map[columnName]bool // lines of the file that met something
	warnings []Warning
}

func newLabeller(ctx context.Context, cfg Config, database string) (*labeller, error) {
	l := &labeller{
		file: cfg.Labels, state: cfg.State, now: Memory{Database: database},
		columnOf: make(map[columnKey]RememberedColumn), bodyOf: make(map[uint32]string), used: make(map[columnName]bool),
	}
	if l.file == nil {
		l.file = &Labels{}
	}
	if l.state == nil {
		return l, nil
	}
	var err error
	if l.old, err = l.state.Load(ctx); err != nil {
		return nil, sallyport.E(sallyport.Unavailable, opLoad, "what was labelled before could not be read").Because(err)
	}
	if l.old.Database != "" && l.old.Database != database {
		l.warn(0, "the remembered labels are of another database and were forgotten; a column renamed since has lost its label")
		return l, nil
	}
	for _, c := range l.old.Columns {
		l.columnOf[columnKey{c.OID, c.Attnum}] = c
	}
	for _, f := range l.old.Functions {
		l.bodyOf[f.OID] = f.Body
	}
	return l, nil
}

func (l *labeller) warn(line int, format string, args ...any) {
	l.warnings = append(l.warnings, Warning{Line: line, Text: fmt.Sprintf(format, args...)})
}

// save writes the memory back when it has changed.
func (l *labeller) save(ctx context.Context) error {
	if l.state == nil || reflect.DeepEqual(l.old, l.now) {
		return nil
	}
	if err := l.state.Save(ctx, l.now); err != nil {
		return sallyport.E(sallyport.Unavailable, opLoad, "what is labelled could not be saved").Because(err)
	}
	return nil
}

// columns labels every column. relations are in the order of their OIDs.
func (l *labeller) columns(relations []relation) {
	for i := range relations {
		r := &relations[i]
		if r.OID < firstUserOID {
			labelSystem(&r.Relation)
		}
		nums := make([]int16, 0, len(r.Columns))
		for n, c := range r.Columns {
			if !c.Dropped {
				nums = append(nums, n)
			}
		}
		slices.Sort(nums)
		for _, n := range nums {
			c := r.Columns[n]
			c.Labels = union(c.Labels, l.own(r, n, c.Name))
			r.Columns[n] = c
		}
		l.unusedLine(r)
	}
	inherit(relations)
	l.unmatched()
}

// own returns the labels of a column apart from what it inherits: what the file
// says about its name, and what was said about the name that it had when it was
// labelled.
//
// A line of the file that names a renamed column by its new name replaces the
// memory only when the line for the old name is gone; otherwise two columns
// could swap names and, with them, their labels.
func (l *labeller) own(r *relation, attnum int16, column string) []sallyport.Label {
	name := columnName{r.Schema, r.Name, column}
	labels, explicit, found := l.file.lookup(r.Schema, r.Name, column)
	if found {
		l.use(name, explicit)
		if r.Kind == 'v' && explicit {
			l.warn(l.file.columns[name].line, "%s is a column of a view; its label has no effect, label the column that it shows", name)
		}
	}
	mem, remembered := l.columnOf[columnKey{r.OID, attnum}]
	was := columnName{mem.Schema, mem.Table, mem.Column}
	if !remembered || was == name {
		l.remember(r.OID, attnum, name, labels)
		return labels
	}
	before, beforeExplicit, beforeFound := l.file.lookup(was.schema, was.table, was.column)
	switch {
	case beforeFound:
		l.use(was, beforeExplicit)
	case explicit:
		l.warn(l.file.columns[name].line, "%s was %s; the labels file names it by its new name and decides alone", name, was)
		l.remember(r.OID, attnum, name, labels)
		return labels
	default:
		before = mem.Labels
	}
	l.warn(0, "%s was %s when it was labelled; %s stays with it: name it in the labels file", name, was, join(before))
	l.remember(r.OID, attnum, was, before)
	return union(before, labels)
}

func (l *labeller) remember(oid uint32, attnum int16, name columnName, labels []sallyport.Label) {
	if len(labels) == 0 {
		return
	}
	l.now.Columns = append(l.now.Columns, RememberedColumn{
		OID: oid, Attnum: attnum, Schema: name.schema, Table: name.table, Column: name.column, Labels: labels,
	})
}

// use notes that a line of the file met a column.
func (l *labeller) use(name columnName, explicit bool) {
	if !explicit {
		name.column = ""
	}
	l.used[name] = true
}

// unusedLine accepts a line for all columns of a table that has none besides
// those with lines of their own.
func (l *labeller) unusedLine(r *relation) {
	name := columnName{r.Schema, r.Name, ""}
	if _, ok := l.file.columns[name]; ok {
		l.used[name] = true
	}
}

// unmatched warns of lines that met nothing: a mistyped name leaves a column
// without its label.
func (l *labeller) unmatched() {
	names := make([]columnName, 0, len(l.file.columns))
	for n := range l.file.columns {
		if !l.used[n] {
			names = append(names, n)
		}
	}
	slices.SortFunc(names, func(a, b columnName) int { return l.file.columns[a].line - l.file.columns[b].line })
	for _, n := range names {
		l.warn(l.file.columns[n].line, "%s matches no column of the database", n)
	}
}

func join(labels []sallyport.Label) string {
	s := make([]string, len(labels))
	for i, l := range labels {
		s[i] = string(l)
	}
	return strings.Join(s, ", ")
}

// inherit spreads labels along inheritance and partitioning, by column name: a
// child has the labels of its parents, so that a new partition is protected from
// the start; a parent has those of its children, since a query of the parent
// reads their rows.
func inherit(relations []relation) {
	byOID := make(map[uint32]*relation, len(relations))
	children := make(map[uint32][]*relation)
	for i := range relations {
		byOID[relations[i].OID] = &relations[i]
		for _, p := range relations[i].parents {
			children[p] = append(children[p], &relations[i])
		}
	}
	parentsOf := func(r *relation) []*relation {
		var out []*relation
		for _, p := range r.parents {
			if pr := byOID[p]; pr != nil {
				out = append(out, pr)
			}
		}
		return out
	}
	spread(relations, parentsOf)
	spread(relations, func(r *relation) []*relation { return children[r.OID] })
}

// spread adds to every relation the labels of its sources, theirs first. The
// server keeps inheritance free of cycles; the marks keep a catalogue that is
// not from ending in an endless recursion.
func spread(relations []relation, sources func(*relation) []*relation) {
	done := make(map[uint32]bool)
	var visit func(r *relation)
	visit = func(r *relation) {
		if done[r.OID] {
			return
		}
		done[r.OID] = true
		for _, src := range sources(r) {
			visit(src)
			take(&r.Relation, &src.Relation)
		}
	}
	for i := range relations {
		visit(&relations[i])
	}
}

// take adds the labels of src's columns to r's columns of the same name.
func take(r, src *postgres.Relation) {
	if len(r.Columns) == 0 {
		return
	}
	labels := make(map[string][]sallyport.Label, len(src.Columns))
	for _, c := range src.Columns {
		if !c.Dropped && len(c.Labels) > 0 {
			labels[c.Name] = c.Labels
		}
	}
	for n, c := range r.Columns {
		if add := labels[c.Name]; len(add) > 0 && !c.Dropped {
			c.Labels = union(c.Labels, add)
			r.Columns[n] = c
		}
	}
}

// functions marks the functions that the file lists as pure. What was listed is
// remembered with its body: whoever may replace the body could else make the
// listed name return anything.
func (l *labeller) functions(functions []function) {
	met := make(map[string]bool)
	for i := range functions {
		f := &functions[i]
		e, listed := l.file.pure[f.signature]
		if !listed {
			continue
		}
		met[f.signature] = true
		if f.oid < firstUserOID {
			l.warn(e.line, "%s is built in; what is pure among those is known already", f.signature)
			continue
		}
		body := f.body
		if was, ok := l.bodyOf[f.oid]; ok && was != body {
			l.warn(e.line, "%s was replaced since it was listed as pure and does not count as such any longer; look at it, take it off the list, load, and list it again", f.signature)
			body = was
		} else {
			f.Pure = true
		}
		l.now.Functions = append(l.now.Functions, RememberedFunction{OID: f.oid, Body: body})
	}
	slices.SortFunc(l.now.Functions, func(a, b RememberedFunction) int { return cmp.Compare(a.OID, b.OID) })
	missing := make([]string, 0, len(l.file.pure))
	for sig := range l.file.pure {
		if !met[sig] {
			missing = append(missing, sig)
		}
	}
	slices.Sort(missing)
	for _, sig := range missing {
		l.warn(l.file.pure[sig].line, "%s matches no function of the database", sig)
	}
}
