// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package postgres

import (
	"slices"
	"strconv"

	"github.com/sallyport-dev/sallyport"
)

const protocol = "postgres"

// Resolver finds a relation by the name that a statement writes; schema is empty
// when none is written, and the session's search path applies.
type Resolver func(schema, name string) (Relation, bool)

// Statement says what the plan's statement does, in the words that policies
// speak. g is the statement's gate result; for a query inside another statement
// (see [Inner]) g is the outer one and p the plan of the inner query.
//
// A view counts twice: as the object that was named and, expanded, as the base
// tables that it reads; both must be permitted. Columns that the catalog knows
// nothing of have no label, and so count as unclassified.
func (p *Plan) Statement(g *Gated, res sallyport.ResourceID, cat Catalog) *sallyport.Statement {
	n := naming{res: string(res), cat: cat}
	st := g.base()
	if p.Refused != "" && st.Refused == "" {
		st.Refused, st.Hint = p.Refused, p.Hint
	}
	if g.Answer == AnswerExplain {
		p = p.Explained()
	}
	executes := g.Explain == nil || g.Explain.Analyze
	for _, u := range p.Relations {
		e := u.Effect
		if !executes {
			e = sallyport.Read // EXPLAIN alone changes nothing
		}
		st.Accesses = append(st.Accesses, sallyport.Access{Effect: e, Object: n.relation(u.Relation), Columns: n.use(u)})
		st.Effects = append(st.Effects, e)
	}
	for _, c := range p.Calls {
		st.Accesses = append(st.Accesses, sallyport.Access{Effect: sallyport.Execute, Object: n.call(c)})
		st.Effects = append(st.Effects, sallyport.Execute)
	}
	st.Predicates = n.columns(p.Predicates)
	if executes {
		for _, f := range p.Flows {
			st.Flows = append(st.Flows, sallyport.Flow{Target: n.column(f.Target), Sources: n.columns(f.Columns), Unknown: f.Unknown != "", Altered: !f.Direct})
		}
	}
	outputs := make([]sallyport.Output, 0, len(p.Outputs))
	for _, o := range p.Outputs {
		outputs = append(outputs, sallyport.Output{Sources: n.columns(o.Columns), Direct: o.Direct, Row: o.Row, Unknown: o.Unknown != "", Why: o.Unknown})
	}
	switch g.Answer {
	case AnswerTree, AnswerInner, AnswerExplain:
		st.Outputs = outputs
	case AnswerNone:
		n.created(st, g, outputs)
	default:
		st.Outputs = []sallyport.Output{{Unknown: true, Why: "rows of an unknown kind"}}
	}
	n.complete(st)
	return st
}

// complete gives every effect an object. A query that touches no relation and
// calls nothing (SELECT 1, SELECT now()) reads nothing of the target: it is
// housekeeping. Any other effect without an object concerns the whole database.
func (n *naming) complete(st *sallyport.Statement) {
	st.Effects = sorted(st.Effects)
	if len(st.Accesses) == 0 && len(st.Flows) == 0 && len(st.Effects) == 1 && st.Effects[0] == sallyport.Read {
		st.Effects[0] = sallyport.Control
		return
	}
	for _, e := range st.Effects {
		if e != sallyport.Control && !slices.ContainsFunc(st.Accesses, func(a sallyport.Access) bool { return a.Effect == e }) {
			st.Accesses = append(st.Accesses, sallyport.Access{Effect: e, Object: n.whole()})
		}
	}
}

// base is what the gate alone knows.
func (g *Gated) base() *sallyport.Statement {
	return &sallyport.Statement{
		Protocol: protocol, Readable: Readable(g.Text), Class: g.Class,
		Effects: slices.Clone(g.Effects), Refused: g.Refused, Hint: g.Hint,
	}
}

// created adds what a statement with an inner query makes: the new relation, and
// the flow of the query's outputs into its columns, which have no labels yet. A
// view stores no data, so that nothing flows.
func (n *naming) created(st *sallyport.Statement, g *Gated, outputs []sallyport.Output) {
	if g.Inner == nil || g.Inner.Target == nil {
		return
	}
	t := g.Inner.Target
	schema, kind, column := t.Schema, t.Kind, "column"
	if schema == "pg_temp" {
		kind, column = "temp "+t.Kind, "temp column"
	}
	if schema == "" {
		schema = "unknown" // only the session's search path tells
	}
	path := []string{n.res, schema, t.Name}
	st.Accesses = append(st.Accesses, sallyport.Access{Effect: sallyport.Define, Object: sallyport.Object{Kind: kind, Path: path}})
	if g.Inner.Kind == InnerView {
		return
	}
	for i, o := range outputs {
		if len(o.Sources) == 0 && !o.Unknown {
			continue
		}
		name := strconv.Itoa(i + 1)
		if i < len(g.Inner.Columns) {
			name = g.Inner.Columns[i]
		}
		st.Flows = append(st.Flows, sallyport.Flow{
			Target:  sallyport.Column{Object: sallyport.Object{Kind: column, Path: append(slices.Clone(path), name)}},
			Sources: o.Sources, Unknown: o.Unknown, Altered: !o.Direct,
		})
	}
}

// Statement says what a statement does by the names that it writes, without the
// server's tree: for definitions and the like, and to decide on a statement
// before its tree is there. Rows are then of unknown lineage.
//
// A name without schema that resolve does not know could be in any schema of
// the search path, so that each of them is listed and must be permitted; a new
// object goes into the first.
func (g *Gated) Statement(res sallyport.ResourceID, searchPath []string, resolve Resolver) *sallyport.Statement {
	n := naming{res: string(res)}
	st := g.base()
	for _, o := range g.Objects {
		for _, object := range n.objects(o, searchPath, resolve) {
			a := sallyport.Access{Effect: o.Effect, Object: object}
			if !slices.ContainsFunc(st.Accesses, func(b sallyport.Access) bool {
				return b.Effect == a.Effect && b.Object.Kind == object.Kind && slices.Equal(b.Object.Path, object.Path)
			}) {
				st.Accesses = append(st.Accesses, a)
			}
		}
	}
	if len(g.Functions) > 0 && len(st.Accesses) == 0 {
		st.Accesses = append(st.Accesses, sallyport.Access{Effect: sallyport.Read, Object: n.whole()})
	}
	n.complete(st)
	switch g.Answer {
	case AnswerNone, AnswerCopyIn:
	case AnswerSetting:
		st.Outputs = []sallyport.Output{{}}
	default:
		st.Outputs = []sallyport.Output{{Unknown: true, Why: "the lineage is not known yet"}}
	}
	if g.Inner != nil && g.Inner.Target != nil && g.Inner.Kind != InnerView {
		n.created(st, g, []sallyport.Output{{Unknown: true}})
	}
	return st
}

func sorted(e []sallyport.Effect) []sallyport.Effect {
	slices.Sort(e)
	return slices.Compact(e)
}

// naming turns OIDs and names into the objects that policies speak of.
type naming struct {
	res string
	cat Catalog
}

// whole stands for the database as such.
func (n *naming) whole() sallyport.Object {
	return sallyport.Object{Kind: "database", Path: []string{n.res}}
}

// relationKind is the policy's word for pg_class.relkind.
func relationKind(r Relation) string {
	kind := "table"
	switch r.Kind {
	case 'v':
		kind = "view"
	case 'm':
		kind = "materialized view"
	case 'f':
		kind = "foreign table"
	case 'S':
		kind = "sequence"
	case 'i', 'I':
		kind = "index"
	case 'c':
		kind = "type"
	}
	if r.Temp && (kind == "table" || kind == "view") {
		kind = "temp " + kind
	}
	return kind
}

// relation names a relation; one that the catalog does not know goes by its OID.
func (n *naming) relation(oid uint32) sallyport.Object {
	key := strconv.FormatUint(uint64(oid), 10)
	r, ok := n.cat.Relation(oid)
	if !ok {
		return sallyport.Object{Kind: "table", Path: []string{n.res, "unknown", key}, Key: key}
	}
	return n.known(r)
}

func (n *naming) known(r Relation) sallyport.Object {
	o := sallyport.Object{Kind: relationKind(r), Path: []string{n.res, r.Schema, r.Name}}
	if r.OID != 0 {
		o.Key = strconv.FormatUint(uint64(r.OID), 10)
	}
	return o
}

func (n *naming) column(c ColumnRef) sallyport.Column {
	attnum := strconv.Itoa(int(c.Attnum))
	o := n.relation(c.Relation)
	o.Key += "." + attnum
	kind := "column"
	name := attnum
	var labels []sallyport.Label
	if r, ok := n.cat.Relation(c.Relation); ok {
		if r.Temp {
			kind = "temp column"
		}
		if column, ok := r.Columns[c.Attnum]; ok {
			name, labels = column.Name, column.Labels
		}
	}
	return sallyport.Column{Object: sallyport.Object{Kind: kind, Path: append(o.Path, name), Key: o.Key}, Labels: labels}
}

func (n *naming) columns(refs []ColumnRef) []sallyport.Column {
	var out []sallyport.Column
	for _, c := range refs {
		out = append(out, n.column(c))
	}
	return out
}

func (n *naming) use(u RelationUse) []sallyport.Column {
	var out []sallyport.Column
	for _, a := range u.Columns {
		out = append(out, n.column(ColumnRef{u.Relation, a}))
	}
	return out
}

func (n *naming) call(c Call) sallyport.Object {
	if c.Function == 0 {
		key := strconv.FormatUint(uint64(c.Operator), 10)
		return sallyport.Object{Kind: "operator", Path: []string{n.res, "unknown", key}, Key: key}
	}
	key := strconv.FormatUint(uint64(c.Function), 10)
	f, ok := n.cat.Function(c.Function)
	if !ok {
		return sallyport.Object{Kind: "function", Path: []string{n.res, "unknown", key}, Key: key}
	}
	return sallyport.Object{Kind: "function", Path: []string{n.res, f.Schema, f.Name}, Key: key}
}

// objects names a written object: one object where it is known, else one for
// every place where it could be.
func (n *naming) objects(o Named, searchPath []string, resolve Resolver) []sallyport.Object {
	switch o.Kind {
	case "role":
		return []sallyport.Object{{Kind: o.Kind, Path: []string{n.res, o.Name}}}
	case "database":
		if o.Name == "*" {
			return []sallyport.Object{n.whole()}
		}
		return []sallyport.Object{{Kind: o.Kind, Path: []string{n.res, o.Name}}}
	case "schema", "extension", "language", "cast", "transform", "server", "foreign data wrapper", "event trigger",
		"publication", "tablespace", "parameter":
		return []sallyport.Object{{Kind: o.Kind, Path: []string{n.res, o.Name}}}
	}
	kind := o.Kind
	if o.Schema == "pg_temp" && (kind == "table" || kind == "view") {
		kind = "temp " + kind
	}
	if o.New {
		schema := o.Schema
		if schema == "" {
			schema = firstSchema(searchPath)
		}
		return []sallyport.Object{{Kind: kind, Path: []string{n.res, schema, o.Name}}}
	}
	if resolve != nil && isRelation(kind) {
		if r, ok := resolve(o.Schema, o.Name); ok {
			return []sallyport.Object{n.known(r)}
		}
	}
	if o.Schema != "" {
		return []sallyport.Object{{Kind: kind, Path: []string{n.res, o.Schema, o.Name}}}
	}
	var out []sallyport.Object
	for _, s := range searchPath {
		out = append(out, sallyport.Object{Kind: kind, Path: []string{n.res, s, o.Name}})
	}
	if len(out) == 0 {
		out = append(out, sallyport.Object{Kind: kind, Path: []string{n.res, "unknown", o.Name}})
	}
	return out
}

// firstSchema is where a new object goes.
func firstSchema(searchPath []string) string {
	for _, s := range searchPath {
		if s != "pg_catalog" && s != "" {
			return s
		}
	}
	return "unknown"
}

func isRelation(kind string) bool {
	switch kind {
	case "table", "view", "materialized view", "sequence", "index", "temp table", "temp view":
		return true
	}
	return false
}
