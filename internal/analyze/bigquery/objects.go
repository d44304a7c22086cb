// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package bigquery

import (
	"strconv"
	"strings"

	sallyport "github.com/sallyport-dev/sallyport"
)

// tables are the methods of tables and views.
func (b *build) tables(verb string) error {
	a, c := b.a, b.c
	switch verb {
	case "list":
		if err := b.visible(c.Dataset); err != nil {
			return err
		}
		b.st.Readable += " " + a.readableDataset(c.Dataset)
		b.access(sallyport.Read, a.inDataset(KindDataset, c.Dataset))
		return nil
	case "insert":
		if err := b.visible(c.Dataset); err != nil {
			return err
		}
		ref := c.body.get("tableReference")
		if err := b.same(ref, "tableId", ref.string("tableId")); err != nil {
			return err
		}
		t, err := a.table(c.project, c.Dataset.ID, ref.string("tableId"))
		if err != nil {
			return err
		}
		c.Table = t
		return b.defineTable()
	}
	b.st.Readable += " " + a.readableTable(c.Table)
	if verb == "get" && c.Table.Hidden() {
		b.hidden(c.Table)
		return nil
	}
	if err := b.visible(c.Dataset); err != nil {
		return err
	}
	f, err := b.facts(c.Table)
	if err != nil {
		return err
	}
	o := b.tableAs(c.Table, f)
	if b.iam(verb, o) {
		return nil
	}
	switch verb {
	case "get":
		b.access(sallyport.Read, o)
		return nil
	case "delete":
		b.access(sallyport.Destroy, o)
		return nil
	}
	if err := b.same(c.body.get("tableReference"), "tableId", c.Table.ID+c.Table.Decorator); err != nil {
		return err
	}
	return b.defineTable()
}

// defineTable says what the body of insert, patch or update does.
func (b *build) defineTable() error {
	c, v := b.c, b.c.body
	c.Answer = AnswerMetadata
	f, err := b.facts(c.Table)
	if err != nil {
		return err
	}
	kind := KindTable
	if v.get("view").kind == isObject || v.get("materializedView").kind == isObject || f.Kind == KindView {
		kind = KindView
	}
	o := b.a.tableObject(kind, c.Table)
	if c.Method.HTTP == "POST" {
		b.st.Readable += " " + b.a.readableTable(c.Table)
	}
	b.access(sallyport.Define, o)
	// A schema that is sent replaces policy tags and column masks, a body that
	// replaces all replaces them whatever it names. A null is not sent on.
	rights := b.changes() && (v.get("schema").kind > isNull || v.has("encryptionConfiguration") || b.replaces() || c.params.get("autodetect_schema") == "true")
	if rights || v.touches("resourceTags") {
		b.access(sallyport.Administer, o)
	}
	if b.changes() && (v.get("expirationTime").kind > isNull || v.get("timePartitioning").has("expirationMs")) {
		b.access(sallyport.Destroy, o) // later, by itself
	}
	return b.tableSources()
}

// tableSources says where the rows of a table or view come from.
func (b *build) tableSources() error {
	c, v := b.c, b.c.body
	q := v.get("view")
	if q.true("useLegacySql") {
		b.legacy, c.Legacy = true, true // of the text that is there, too
		return nil
	}
	if q.kind == isObject && (q.has("query") || !b.changes()) {
		stated := q.get("useLegacySql")
		if err := b.view(c.Table, q, stated.kind != isBool || stated.text == "true"); err != nil {
			return err
		}
	}
	if q := v.get("materializedView"); q.kind == isObject && (q.has("query") || !b.changes()) {
		if err := b.view(c.Table, q, false); err != nil {
			return err
		}
	}
	if x := v.get("externalDataConfiguration"); x.kind == isObject {
		if err := b.external(x); err != nil {
			return err
		}
		b.st.Readable += " over " + counted(len(x.get("sourceUris").items), "address", "addresses")
		b.unknownInto(c.Table)
	}
	if lake := v.get("biglakeConfiguration"); lake.kind == isObject {
		if err := b.connection(lake.get("connectionId")); err != nil {
			return err
		}
		if err := b.address(sallyport.Write, lake.get("storageUri")); err != nil {
			return err
		}
		b.unknownInto(c.Table)
	}
	if from := v.get("tableReplicationInfo", "sourceTable"); from.kind == isObject {
		t, err := b.table(from)
		if err != nil {
			return err
		}
		f, err := b.reads(t)
		if err != nil {
			return err
		}
		return b.copies(t, c.Table, f)
	}
	return nil
}

// tabledata are the methods of rows.
func (b *build) tabledata(verb string) error {
	c := b.c
	b.st.Readable += " " + b.a.readableTable(c.Table)
	if verb == "insertAll" {
		return b.insertAll()
	}
	c.Answer = AnswerRows
	return b.tableRows()
}

// tableRows is the reading of the call's table, which may be a query's answer.
func (b *build) tableRows() error {
	f, err := b.reads(b.c.Table)
	switch {
	case err != nil:
		return err
	case b.c.Table.Hidden():
		b.judged()
	default:
		b.rows(f)
	}
	return nil
}

// rows says where the columns of a table's own rows come from: one output for
// each column that is asked for, in the table's order.
func (b *build) rows(f Facts) {
	if !f.Known {
		b.st.Outputs = []sallyport.Output{{Unknown: true, Why: "the columns of the table are not known"}}
		return
	}
	selected := b.c.Selected
	wanted := map[string]bool{} // true once found
	for name := range strings.SplitSeq(selected, ",") {
		if selected == "" {
			break
		}
		top, _, _ := strings.Cut(strings.TrimSpace(name), ".")
		wanted[strings.ToLower(top)] = false
	}
	var names []string
	sources := map[string][]sallyport.Column{}
	for _, c := range f.Columns {
		if len(c.Object.Path) < 4 {
			continue
		}
		name := c.Object.Path[3]
		if _, ok := wanted[strings.ToLower(name)]; !ok && selected != "" {
			continue
		}
		wanted[strings.ToLower(name)] = true
		if _, ok := sources[name]; !ok {
			names = append(names, name)
		}
		sources[name] = append(sources[name], c)
	}
	for _, found := range wanted {
		if !found {
			b.st.Outputs = []sallyport.Output{{Unknown: true, Why: "a column is asked for that the table is not known to have"}}
			return
		}
	}
	for _, name := range names {
		s := sources[name]
		o := sallyport.Output{Sources: s, Direct: len(s) == 1 && len(s[0].Object.Path) == 4}
		if o.Direct {
			o.Row = 1
		}
		b.st.Outputs = append(b.st.Outputs, o)
	}
}

// insertAll says what streamed rows do. The rows are the client's own and leave
// no trace but their number.
func (b *build) insertAll() error {
	c := b.c
	c.Rows = len(c.body.get("rows").items)
	b.st.Readable += " (" + counted(c.Rows, "row", "rows") + ")"
	if err := b.visible(c.Dataset); err != nil {
		return err
	}
	f, err := b.facts(c.Table)
	if err != nil {
		return err
	}
	suffix := c.body.string("templateSuffix")
	if suffix == "" {
		b.access(sallyport.Write, b.tableAs(c.Table, f))
		return nil
	}
	// The table is a template, from which another is made and written.
	to, err := b.a.table(c.project, c.Dataset.ID, c.Table.ID+suffix)
	if err != nil {
		return err
	}
	b.access(sallyport.Read, b.tableAs(c.Table, f))
	b.access(sallyport.Define, b.a.tableObject(KindTable, to))
	b.access(sallyport.Write, b.a.tableObject(KindTable, to))
	return nil
}

// datasets are the methods of datasets.
func (b *build) datasets(verb string) error {
	a, c := b.a, b.c
	switch verb {
	case "list":
		b.access(sallyport.Read, a.object(KindProject, c.Project))
		return nil
	case "insert":
		ref := c.body.get("datasetReference")
		if err := b.same(ref, "datasetId", ref.string("datasetId")); err != nil {
			return err
		}
		d, err := a.dataset(c.project, ref.string("datasetId"))
		if err != nil {
			return err
		}
		c.Dataset = d
	}
	if err := b.visible(c.Dataset); err != nil {
		return err
	}
	b.st.Readable += " " + a.readableDataset(c.Dataset)
	o := a.inDataset(KindDataset, c.Dataset)
	switch verb {
	case "get":
		b.access(sallyport.Read, o)
		return nil
	case "delete":
		b.access(sallyport.Destroy, o)
		return nil
	case "undelete": // the tables come back as they were
		c.Answer = AnswerMetadata
		b.access(sallyport.Define, o)
		return nil
	}
	return b.defineDataset(o)
}

// defineDataset says what the body of insert, patch or update does.
func (b *build) defineDataset(o sallyport.Object) error {
	c, v := b.c, b.c.body
	c.Answer = AnswerMetadata
	if err := b.same(v.get("datasetReference"), "datasetId", c.Dataset.ID); err != nil {
		return err
	}
	b.access(sallyport.Define, o)
	rights := v.has("access") || v.touches("resourceTags")
	for _, field := range []string{"defaultEncryptionConfiguration", "maxTimeTravelHours", "storageBillingModel"} {
		rights = rights || b.changes() && v.has(field)
	}
	if rights || b.replaces() {
		b.access(sallyport.Administer, o)
	}
	if b.changes() && (v.get("defaultTableExpirationMs").kind > isNull || v.get("defaultPartitionExpirationMs").kind > isNull) {
		b.access(sallyport.Destroy, o) // later, by itself
	}
	for _, entry := range v.get("access").items {
		if err := b.authorised(entry); err != nil {
			return err
		}
	}
	if n := len(v.get("access").items); n > 0 {
		b.st.Readable += " (" + strconv.Itoa(n) + " of access)"
	}
	from := v.get("linkedDatasetSource", "sourceDataset")
	if from.kind != isObject {
		return nil
	}
	d, err := b.dataset(from)
	if err != nil {
		return err
	}
	// The tables have other names here, under which nothing is known of them.
	b.access(sallyport.Read, b.a.inDataset(KindDataset, d))
	b.unknownInto(Table{Dataset: c.Dataset, ID: "*"})
	return nil
}

// authorised adds what a dataset's list of access lets read it: a view, a routine
// or all views of another dataset then show what their own readers could not see.
func (b *build) authorised(entry value) error {
	if v := entry.get("view"); v.kind == isObject {
		t, err := b.table(v)
		if err != nil {
			return err
		}
		b.access(sallyport.Administer, b.a.tableObject(KindView, t))
	}
	if v := entry.get("routine"); v.kind == isObject {
		d, err := b.dataset(v)
		if err != nil {
			return err
		}
		b.access(sallyport.Administer, b.a.inDataset(KindRoutine, d, v.string("routineId")))
	}
	if v := entry.get("dataset", "dataset"); v.kind == isObject {
		d, err := b.dataset(v)
		if err != nil {
			return err
		}
		b.access(sallyport.Administer, b.a.inDataset(KindDataset, d))
	}
	return nil
}

// models are the methods of models.
func (b *build) models(verb string) error {
	a, c := b.a, b.c
	if err := b.visible(c.Dataset); err != nil {
		return err
	}
	b.st.Readable += " " + a.readableDataset(c.Dataset)
	if verb == "list" {
		b.access(sallyport.Read, a.inDataset(KindDataset, c.Dataset))
		return nil
	}
	b.st.Readable += "." + readableName(c.Model)
	o := a.inDataset(KindModel, c.Dataset, c.Model)
	switch verb {
	case "get":
		b.access(sallyport.Read, o)
		return nil
	case "delete":
		b.access(sallyport.Destroy, o)
		return nil
	}
	c.Answer = AnswerMetadata
	if err := b.same(c.body.get("modelReference"), "modelId", c.Model); err != nil {
		return err
	}
	b.access(sallyport.Define, o)
	if c.body.has("encryptionConfiguration") {
		b.access(sallyport.Administer, o)
	}
	if c.body.get("expirationTime").kind > isNull {
		b.access(sallyport.Destroy, o) // later, by itself
	}
	return nil
}

// routines are the methods of functions, procedures and table functions.
func (b *build) routines(verb string) error {
	a, c := b.a, b.c
	if err := b.visible(c.Dataset); err != nil {
		return err
	}
	b.st.Readable += " " + a.readableDataset(c.Dataset)
	if verb == "list" {
		b.access(sallyport.Read, a.inDataset(KindDataset, c.Dataset))
		return nil
	}
	if verb == "insert" {
		c.Routine = c.body.get("routineReference").string("routineId")
		if !word(c.Routine, "") {
			return invalid("the name of a routine has characters that none has, or is missing", "send letters, digits and _ alone")
		}
	}
	b.st.Readable += "." + readableName(c.Routine)
	o := a.inDataset(KindRoutine, c.Dataset, c.Routine)
	if b.iam(verb, o) {
		return nil
	}
	switch verb {
	case "get":
		b.access(sallyport.Read, o)
		return nil
	case "delete":
		b.access(sallyport.Destroy, o)
		return nil
	}
	c.Answer = AnswerMetadata
	if err := b.same(c.body.get("routineReference"), "routineId", c.Routine); err != nil {
		return err
	}
	return b.defineRoutine(o)
}

// defineRoutine says what a routine's definition brings with it: code from
// elsewhere, services that it calls, and rights that are not its caller's.
func (b *build) defineRoutine(o sallyport.Object) error {
	v := b.c.body
	b.access(sallyport.Define, o)
	mode := strings.ToUpper(v.string("securityMode"))
	if mode != "" && mode != "INVOKER" || v.string("dataGovernanceType") != "" || b.replaces() {
		b.access(sallyport.Administer, o)
	}
	spark := v.get("sparkOptions")
	for _, f := range []value{v.get("remoteFunctionOptions", "connection"), spark.get("connection"), v.get("externalRuntimeOptions", "runtimeConnection")} {
		if err := b.connection(f); err != nil {
			return err
		}
	}
	lists := []value{v.get("importedLibraries"), spark.get("pyFileUris"), spark.get("jarUris"), spark.get("fileUris"), spark.get("archiveUris")}
	for _, f := range lists {
		if _, err := b.addresses(sallyport.Read, f); err != nil {
			return err
		}
	}
	return b.address(sallyport.Read, spark.get("mainFileUri"))
}
