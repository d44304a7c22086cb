// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package bigquery

import (
	"context"
	"slices"
	"strings"

	sallyport "github.com/sallyport-dev/sallyport"
)

// build is the making of one call.
type build struct {
	a      *Analyser
	ctx    context.Context //nolint:containedctx // it lives as long as one call of Analyse
	c      *Call
	st     *sallyport.Statement
	legacy bool
}

// access adds an effect on an object.
func (b *build) access(e sallyport.Effect, o sallyport.Object, columns ...sallyport.Column) {
	b.effect(e)
	for _, a := range b.st.Accesses {
		if a.Effect == e && a.Object.Kind == o.Kind && len(a.Columns) == len(columns) && slices.Equal(a.Object.Path, o.Path) {
			return
		}
	}
	b.st.Accesses = append(b.st.Accesses, sallyport.Access{Effect: e, Object: o, Columns: columns})
}

func (b *build) effect(e sallyport.Effect) {
	if !slices.Contains(b.st.Effects, e) {
		b.st.Effects = append(b.st.Effects, e)
		slices.Sort(b.st.Effects)
	}
}

// control adds an object that has to be the session's own.
func (b *build) control(o sallyport.Object) { b.access(sallyport.Control, o) }

// changes reports whether the method changes a thing that is there.
func (b *build) changes() bool { return b.replaces() || b.c.Method.HTTP == "PATCH" }

// replaces reports whether what the method does not name is lost.
func (b *build) replaces() bool { return b.c.Method.HTTP == "PUT" }

// meaning says what the method does, once names and body are known.
func (b *build) meaning() error {
	kind, verb, _ := strings.Cut(strings.TrimPrefix(b.c.Method.ID, "bigquery."), ".")
	if b.c.Method.Class == ClassMetadata || b.c.Method.Class == ClassList {
		b.c.Answer = AnswerMetadata
	}
	switch kind {
	case "datasets":
		return b.datasets(verb)
	case "jobs":
		return b.jobs(verb)
	case "models":
		return b.models(verb)
	case "projects":
		b.project(verb)
		return nil
	case "routines":
		return b.routines(verb)
	case "rowAccessPolicies":
		return b.policies(verb)
	case "tabledata":
		return b.tabledata(verb)
	case "tables":
		return b.tables(verb)
	}
	return unknownMethod()
}

func (b *build) project(verb string) {
	p := b.c.Project
	if verb == "list" {
		p = b.a.config.Project
	}
	b.access(sallyport.Read, b.a.object(KindProject, p))
}

// policies are the methods of row access policies. Who sees which rows is a
// matter of rights throughout, and their texts hold values.
func (b *build) policies(verb string) error {
	c := b.c
	if err := b.visible(c.Table.Dataset); err != nil {
		return err
	}
	b.st.Readable += " " + b.a.readableTable(c.Table)
	on := b.a.tableObject(KindTable, c.Table)
	if c.Policy != "" {
		on = b.a.inDataset(KindRowPolicy, c.Table.Dataset, c.Table.ID, c.Policy)
	}
	c.Answer = AnswerMetadata
	switch verb {
	case "get", "list", "getIamPolicy", "testIamPermissions":
		b.access(sallyport.Read, on)
		return nil
	}
	b.access(sallyport.Administer, b.a.tableObject(KindTable, c.Table))
	ids := []string{c.Policy}
	switch verb {
	case "insert", "update":
		ref := c.body.get("rowAccessPolicyReference")
		if verb == "insert" {
			ids[0] = ref.string("policyId")
		}
		if err := b.same(ref, "policyId", ids[0]); err != nil {
			return err
		}
	case "batchDelete":
		ids = nil
		for _, id := range c.body.get("policyIds").items {
			ids = append(ids, id.text)
		}
	}
	for _, id := range ids {
		if !word(id, "") {
			return invalid("the name of a policy has characters that none has, or is missing", "send letters, digits and _ alone")
		}
		b.access(sallyport.Administer, b.a.inDataset(KindRowPolicy, c.Table.Dataset, c.Table.ID, id))
	}
	return nil
}

// same refuses a body that names another thing than the path does.
func (b *build) same(ref value, name, id string) error {
	other := invalid("the body names another object than the path", "send the request to the object's own path")
	if ref.kind != isObject {
		return nil
	}
	if p := ref.string("projectId"); p != "" {
		if p, err := b.a.project(p); err != nil || p != b.c.Project {
			return other
		}
	}
	if d := ref.string("datasetId"); d != "" && b.c.Dataset.ID != "" && d != b.c.Dataset.ID {
		return other
	}
	if t := ref.string("tableId"); t != "" && b.c.Table.ID != "" && t != b.c.Table.ID+b.c.Table.Decorator {
		return other
	}
	if n := ref.string(name); n != "" && n != id {
		return other
	}
	return nil
}

// visible refuses datasets of the service's own, of which only tables are read.
func (b *build) visible(d Dataset) error {
	if d.Hidden() {
		return sallyport.E(sallyport.NotFound, op, "the dataset is one of the service's own").
			WithHint("read the answer of a query by its job")
	}
	return nil
}

// iam are the methods that read or set who may do what with an object.
func (b *build) iam(verb string, o sallyport.Object) bool {
	switch verb {
	case "getIamPolicy", "testIamPermissions":
		b.c.Answer = AnswerMetadata
		b.access(sallyport.Read, o)
	case "setIamPolicy":
		b.c.Answer = AnswerMetadata
		b.access(sallyport.Administer, o)
	default:
		return false
	}
	return true
}

// dataset is the dataset that an object of a body names. Where it names no
// project, that of the path holds.
func (b *build) dataset(v value) (Dataset, error) {
	project := v.string("projectId")
	if project == "" {
		project = b.c.project
	}
	return b.a.dataset(project, v.string("datasetId"))
}

// table is the table that an object of a body names.
func (b *build) table(v value) (Table, error) {
	d, err := b.dataset(v)
	if err != nil {
		return Table{}, err
	}
	return b.a.table(d.Project, d.ID, v.string("tableId"))
}

// facts asks the catalog about a table as it is now.
func (b *build) facts(t Table) (Facts, error) {
	if b.a.config.Catalog == nil || t.Old() || t.Hidden() {
		return Facts{}, nil
	}
	return b.a.config.Catalog.Table(b.ctx, Table{Dataset: t.Dataset, ID: t.ID})
}

// tableAs is a table's object, of the kind that the catalog knows it to be.
func (b *build) tableAs(t Table, f Facts) sallyport.Object {
	if f.Known && f.Kind != "" {
		return b.a.tableObject(f.Kind, t)
	}
	return b.a.tableObject(KindTable, t)
}

// reads adds the reading of a whole table. An answer that the service keeps is
// the session's own or nobody's.
func (b *build) reads(t Table) (Facts, error) {
	if t.Hidden() {
		b.hidden(t)
		return Facts{}, nil
	}
	f, err := b.facts(t)
	if err != nil {
		return f, err
	}
	b.access(sallyport.Read, b.tableAs(t, f), f.Columns...)
	return f, nil
}

// hidden adds the reading of an answer that the service keeps.
func (b *build) hidden(t Table) {
	b.c.Hidden = append(b.c.Hidden, t)
	b.control(b.a.tableObject(KindTable, t))
}

// judged says that the rows of the answer are masked as the query was judged that
// they are the answer of. Without that knowledge all of them are masked.
func (b *build) judged() {
	b.st.Outputs = []sallyport.Output{{Unknown: true, Why: "the rows are those of an earlier query"}}
}

// all stands for every column of a table whose columns are not known.
func (b *build) all(t Table) sallyport.Column {
	return sallyport.Column{Object: b.a.inDataset(KindColumn, t.Dataset, t.ID, "*")}
}

// from makes a flow of everything in a table, or from wherever it is that
// sources are not known of.
func (b *build) from(target sallyport.Column, sources []sallyport.Column, known bool) {
	b.st.Flows = append(b.st.Flows, sallyport.Flow{Target: target, Sources: sources, Unknown: !known})
}

// unknownInto adds a flow of data of unknown origin into a table.
func (b *build) unknownInto(t Table) { b.from(b.all(t), nil, false) }

// copies adds the flows of a table's copy: each column into that of its name.
func (b *build) copies(from, to Table, source Facts) error {
	target, err := b.facts(to)
	if err != nil {
		return err
	}
	if !source.Known {
		b.from(b.all(to), []sallyport.Column{b.all(from)}, false)
		return nil
	}
	into := make(map[string]sallyport.Column, len(target.Columns))
	for _, c := range target.Columns {
		into[strings.ToLower(strings.Join(below(c), "/"))] = c
	}
	for _, c := range source.Columns {
		t, ok := into[strings.ToLower(strings.Join(below(c), "/"))]
		if !ok {
			t = sallyport.Column{Object: b.a.inDataset(KindColumn, to.Dataset, append([]string{to.ID}, below(c)...)...)}
		}
		b.from(t, []sallyport.Column{c}, true)
	}
	if len(b.st.Flows) > maxFlows {
		return invalid("the job copies too many columns at once", "copy fewer tables in one job")
	}
	return nil
}

// maxFlows bounds what a copy of many tables becomes in memory.
const maxFlows = 100_000

// below are the parts of a column's path below its table.
func below(c sallyport.Column) []string { return c.Object.Path[min(3, len(c.Object.Path)):] }

// writes adds the writing of a table, as the dispositions of a job have it. A
// table that is not known to be there may be made by it.
func (b *build) writes(t Table, config value) error {
	if err := b.visible(t.Dataset); err != nil {
		return invalid("the destination is a dataset of the service's own", "name a dataset of yours, or no destination")
	}
	f, err := b.facts(t)
	if err != nil {
		return err
	}
	o := b.tableAs(t, f)
	b.access(sallyport.Write, o)
	switch strings.ToUpper(config.string("writeDisposition")) {
	case "", "WRITE_EMPTY", "WRITE_APPEND", "WRITE_DISPOSITION_UNSPECIFIED":
	case "WRITE_TRUNCATE":
		// Schema, policy tags and descriptions are replaced too.
		b.access(sallyport.Destroy, o)
		b.access(sallyport.Define, o)
	case "WRITE_TRUNCATE_DATA":
		b.access(sallyport.Destroy, o)
	default:
		return invalid("the write disposition is not known", "send WRITE_EMPTY, WRITE_APPEND, WRITE_TRUNCATE or WRITE_TRUNCATE_DATA")
	}
	switch strings.ToUpper(config.string("createDisposition")) {
	case "", "CREATE_IF_NEEDED", "CREATE_DISPOSITION_UNSPECIFIED":
		if !f.Known {
			b.access(sallyport.Define, o)
		}
	case "CREATE_NEVER":
	default:
		return invalid("the create disposition is not known", "send CREATE_IF_NEEDED or CREATE_NEVER")
	}
	if len(config.get("schemaUpdateOptions").items) > 0 {
		b.access(sallyport.Define, o)
	}
	return nil
}

// addresses adds an effect on each address of a list, and says how many.
func (b *build) addresses(e sallyport.Effect, list value) ([]sallyport.Object, error) {
	const most = 1000
	if len(list.items) > most {
		return nil, invalid("there are too many addresses", "send at most 1000")
	}
	out := make([]sallyport.Object, 0, len(list.items))
	for _, item := range list.items {
		o, err := b.a.url(item.text)
		if err != nil {
			return nil, err
		}
		b.access(e, o)
		out = append(out, o)
	}
	return out, nil
}

// address adds an effect on the address in a field, if there is one.
func (b *build) address(e sallyport.Effect, v value) error {
	if v.kind != isText || v.text == "" {
		return nil
	}
	_, err := b.addresses(e, value{kind: isList, items: []value{v}})
	return err
}

// connection adds the use of a connection to a service outside.
func (b *build) connection(v value) error {
	if v.kind != isText || v.text == "" {
		return nil
	}
	if len(v.text) > maxName || !word(v.text, "-./:") {
		return invalid("the name of a connection has characters that none has", "send project.location.connection")
	}
	// It is written with dots or as a path; policies see one form.
	name := v.text
	if p := strings.Split(name, "/"); len(p) == 6 && p[0] == "projects" && p[2] == "locations" && p[4] == "connections" {
		name = p[1] + "." + p[3] + "." + p[5]
	}
	b.access(sallyport.Execute, b.a.object(KindConnection, name))
	return nil
}

// external adds what a definition over files outside reads.
func (b *build) external(v value) error {
	if v.kind != isObject {
		return nil
	}
	if _, err := b.addresses(sallyport.Read, v.get("sourceUris")); err != nil {
		return err
	}
	for _, f := range []value{v.get("referenceFileSchemaUri"), v.get("hivePartitioningOptions", "sourceUriPrefix")} {
		if err := b.address(sallyport.Read, f); err != nil {
			return err
		}
	}
	return b.connection(v.get("connectionId"))
}
