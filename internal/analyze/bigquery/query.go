// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package bigquery

import (
	"slices"
	"strconv"
	"strings"

	sallyport "github.com/sallyport-dev/sallyport"
)

// MaxText is the longest text of a query in bytes. The service takes 1 MB.
const MaxText = 1 << 20

// queryRequest is jobs.query.
func (b *build) queryRequest() error {
	c, v := b.c, b.c.body
	c.Kind, c.Answer, c.DryRun = "query", AnswerRows, v.true("dryRun")
	c.Location, c.RequestID = v.string("location"), v.string("requestId")
	b.st.Readable = "query"
	b.elsewhere()
	return b.query(v, nil)
}

// queryJob is a query as a job, which can also name where its answer goes.
func (b *build) queryJob(v value) error {
	b.c.Answer = AnswerJob
	definitions := v.get("tableDefinitions")
	for _, d := range definitions.items {
		if err := b.external(d); err != nil {
			return err
		}
	}
	if err := b.query(v, definitions.names); err != nil {
		return err
	}
	ref := v.get("destinationTable")
	if ref.kind != isObject || b.legacy {
		return nil
	}
	t, err := b.table(ref)
	if err != nil {
		return err
	}
	b.c.Table, b.c.Dataset = t, t.Dataset
	if err := b.writes(t, v); err != nil {
		return err
	}
	b.st.Readable += " -- into " + b.a.readableTable(t)
	b.results(t)
	b.dry()
	return nil
}

// query reads the text of a query and takes over what it means.
func (b *build) query(v value, temporary []string) error {
	c := b.c
	if err := b.properties(v); err != nil {
		return err
	}
	switch strings.ToUpper(v.string("parameterMode")) { // Node.js sends it in lower case
	case "", "NAMED", "POSITIONAL":
	default:
		return invalid("the parameter mode is not known", "send NAMED or POSITIONAL")
	}
	q := Query{Text: v.string("query"), Project: c.Project, Temporary: temporary, Session: c.Session != ""}
	if d := v.get("defaultDataset"); d.kind == isObject {
		var err error
		if q.Dataset, err = b.dataset(d); err != nil {
			return err
		}
		if err := b.visible(q.Dataset); err != nil {
			return err
		}
	}
	for _, v := range v.get("queryParameters").items {
		p, err := parameter(v.string("name"), v.get("parameterType"))
		if err != nil {
			return err
		}
		q.Parameters = append(q.Parameters, p)
	}
	stated := v.get("useLegacySql")
	if legacy(q.Text, stated.kind != isBool || stated.text == "true") {
		b.legacy, c.Legacy = true, true
		return nil
	}
	st, err := b.text(q)
	if err != nil {
		return err
	}
	b.st.Class, b.st.Readable = st.Class, st.Readable
	b.st.Refused, b.st.Hint, b.st.Older = st.Refused, st.Hint, st.Older
	b.take(st)
	b.st.Outputs = append(b.st.Outputs, st.Outputs...)
	b.st.Flows = append(b.st.Flows, st.Flows...)
	b.dry()
	return nil
}

// parameter is a parameter of a type of the request's.
func parameter(name string, v value) (Parameter, error) {
	p := Parameter{Name: name, Type: strings.ToUpper(v.string("type"))}
	if p.Type == "ARRAY" {
		p.Repeated, v = true, v.get("arrayType")
		if p.Type = strings.ToUpper(v.string("type")); p.Type == "ARRAY" || p.Type == "" {
			return p, invalid("the type of a parameter is not one", "send an array of single values")
		}
	}
	if p.Type == "RANGE" {
		p.Type += "<" + strings.ToUpper(v.string("rangeElementType", "type")) + ">"
	}
	if p.Type != "" && !word(p.Type, "<>(), ") {
		return p, invalid("the type of a parameter is not one", "send a type of GoogleSQL")
	}
	for _, f := range v.get("structTypes").items {
		field, err := parameter(f.string("name"), f.get("type"))
		if err != nil {
			return p, err
		}
		p.Fields = append(p.Fields, field)
	}
	return p, nil
}

// text hands the text of a query on.
func (b *build) text(q Query) (*sallyport.Statement, error) {
	switch {
	case q.Text == "":
		return nil, invalid("there is no text of a query", "send one")
	case len(q.Text) > MaxText:
		return nil, invalid("the text of the query is too long", "send at most 1 MiB")
	case b.a.config.Queries == nil:
		return nil, sallyport.E(sallyport.Denied, op, "the gateway cannot read the text of queries for this resource").
			WithHint("ask the gateway's operator")
	}
	st, basis, err := b.a.config.Queries.Analyse(b.ctx, q)
	if err != nil {
		return nil, err
	}
	if b.c.Basis = basis; st == nil {
		return nil, sallyport.E(sallyport.Internal, op, "nothing was found out about the query")
	}
	return st, nil
}

// take takes over what a text touches.
func (b *build) take(st *sallyport.Statement) {
	b.st.Accesses = append(b.st.Accesses, st.Accesses...)
	for _, e := range st.Effects {
		b.effect(e)
	}
	b.st.Predicates = append(b.st.Predicates, st.Predicates...)
}

// results adds the flows of a query's outputs into a table. Their names are the
// text's to know, so that columns have numbers.
func (b *build) results(t Table) {
	if len(b.st.Outputs) == 0 {
		b.unknownInto(t)
	}
	for i, o := range b.st.Outputs {
		b.st.Flows = append(b.st.Flows, sallyport.Flow{
			Target:  sallyport.Column{Object: b.a.inDataset(KindColumn, t.Dataset, t.ID, strconv.Itoa(i+1))},
			Sources: o.Sources, Unknown: o.Unknown, Altered: !o.Direct,
		})
	}
}

// dry makes of what a query would do what a dry run of it does: it reads what
// things are, and returns and writes no row.
func (b *build) dry() {
	if !b.c.DryRun {
		return
	}
	st := b.st
	st.Outputs, st.Flows = nil, nil
	before := st.Effects
	st.Effects = nil
	if slices.Contains(before, sallyport.EffectUnknown) {
		b.effect(sallyport.EffectUnknown)
	}
	for i := range st.Accesses {
		if e := &st.Accesses[i].Effect; *e != sallyport.Control && *e != sallyport.EffectUnknown {
			*e = sallyport.Read
		}
		b.effect(st.Accesses[i].Effect)
	}
	if len(st.Effects) == 0 && len(before) > 0 {
		b.effect(sallyport.Control)
	}
	if !strings.HasPrefix(st.Readable, "dry run: ") {
		st.Readable = "dry run: " + st.Readable
	}
}

// legacy reports whether a text is legacy SQL. A first line can say so, or the
// contrary, whatever the request says. The line for legacy counts wherever it
// stands: where it does not count for the service, the query is refused and not
// run.
func legacy(text string, stated bool) bool {
	first := ""
	for line := range strings.FieldsFuncSeq(text, func(r rune) bool { return r == '\n' || r == '\r' }) {
		line = strings.TrimSpace(line)
		if len(line) >= 10 && strings.EqualFold(line[:10], "#legacySQL") {
			return true
		}
		if first == "" {
			first = line
		}
	}
	return stated && !strings.EqualFold(first, "#standardSQL")
}

// view adds what the text of a view reads, and that whoever reads the view reads
// it: for masks a view is a table into which its columns flow.
func (b *build) view(t Table, v value, stated bool) error {
	if legacy(v.string("query"), stated) {
		b.legacy, b.c.Legacy = true, true
		return nil
	}
	st, err := b.text(Query{Text: v.string("query"), Project: t.Project, View: true})
	if err != nil {
		return err
	}
	b.take(st)
	if st.Refused != "" {
		b.st.Refused, b.st.Hint = st.Refused, st.Hint
	}
	b.st.Readable += " as " + st.Readable
	b.st.Flows = append(b.st.Flows, st.Flows...)
	outputs := b.st.Outputs
	b.st.Outputs = st.Outputs
	b.results(t)
	b.st.Outputs = outputs
	return nil
}
