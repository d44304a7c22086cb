// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package bigquery

import (
	"strconv"
	"strings"

	sallyport "github.com/sallyport-dev/sallyport"
)

// jobs are the methods of jobs. Of a job that is there only its owner asks; the
// registry of whoever calls knows who that is.
func (b *build) jobs(verb string) error {
	a, c := b.a, b.c
	switch verb {
	case "insert":
		return b.newJob()
	case "query":
		return b.queryRequest()
	case "list":
		if c.Parent != "" {
			if _, err := jobID(c.Parent); err != nil {
				return err
			}
		}
		c.Answer = AnswerJob
		b.control(a.object(KindJob, "*"))
		return nil
	case "delete":
		b.access(sallyport.Destroy, a.object(KindJob, c.Job))
		return nil
	case "getQueryResults":
		c.Answer = AnswerRows
		b.judged()
	default:
		c.Answer = AnswerJob
	}
	b.control(a.object(KindJob, c.Job))
	return nil
}

// newJob is jobs.insert.
func (b *build) newJob() error {
	c, config := b.c, b.c.body.get("configuration")
	ref := c.body.get("jobReference")
	if err := b.same(ref, "jobId", ref.string("jobId")); err != nil {
		return err
	}
	c.Location = ref.string("location")
	if id := ref.string("jobId"); id != "" {
		var err error
		if c.Job, err = jobID(id); err != nil {
			return err
		}
	}
	c.Answer, c.DryRun = AnswerJob, config.true("dryRun")
	var kinds []string
	for _, k := range []string{"query", "load", "extract", "copy"} {
		if config.get(k).kind == isObject {
			kinds = append(kinds, k)
		}
	}
	if len(kinds) != 1 {
		return invalid("the job is not of exactly one kind", "send a configuration with query, load, extract or copy")
	}
	c.Kind = kinds[0]
	if c.Upload != UploadNone && c.Kind != "load" {
		return invalid("a file comes along with a job that loads none", "send the job without the file")
	}
	b.st.Class += "." + c.Kind
	b.st.Readable = c.Kind
	b.elsewhere()
	job := config.get(c.Kind)
	switch c.Kind {
	case "query":
		return b.queryJob(job)
	case "load":
		return b.loadJob(job)
	case "extract":
		return b.extractJob(job)
	}
	return b.copyJob(job)
}

// elsewhere adds the project that a job runs in, where it is not the resource's.
func (b *build) elsewhere() {
	if b.c.Project != b.a.config.Project {
		b.access(sallyport.Execute, b.a.object(KindProject, b.c.Project))
	}
}

// properties reads a job's connection properties.
func (b *build) properties(v value) error {
	b.c.CreateSession = v.true("createSession")
	seen := map[string]bool{}
	for _, p := range v.get("connectionProperties").items {
		key := p.string("key")
		if seen[key] { // which one counts is the service's to say
			return invalid("the connection property "+shown(key)+" is there more than once", "send it once")
		}
		seen[key] = true
		switch key {
		case "session_id":
			if b.c.Session = p.string("value"); b.c.Session == "" {
				return invalid("the connection property session_id has no value", "send a session's id, or leave it out")
			}
		case "time_zone", "query_label":
		default:
			return invalid("the connection property "+shown(key)+" is not known to the gateway, or does not pass", "leave it out; session_id, time_zone and query_label are known")
		}
	}
	return nil
}

func (b *build) loadJob(v value) error {
	c := b.c
	if err := b.properties(v); err != nil {
		return err
	}
	t, err := b.table(v.get("destinationTable"))
	if err != nil {
		return err
	}
	c.Table, c.Dataset = t, t.Dataset
	if err := b.writes(t, v); err != nil {
		return err
	}
	uris := v.get("sourceUris")
	if _, err := b.addresses(sallyport.Read, uris); err != nil {
		return err
	}
	for _, f := range []value{v.get("referenceFileSchemaUri"), v.get("hivePartitioningOptions", "sourceUriPrefix")} {
		if err := b.address(sallyport.Read, f); err != nil {
			return err
		}
	}
	b.st.Readable = "load " + b.a.readableTable(t) + " from "
	if c.Upload != UploadNone {
		if len(uris.items) > 0 {
			return invalid("a file comes along with a job that loads from addresses", "send one of the two")
		}
		b.st.Readable += "a file of the client"
		return nil
	}
	b.st.Readable += counted(len(uris.items), "address", "addresses")
	b.unknownInto(t)
	return nil
}

func (b *build) extractJob(v value) error {
	c := b.c
	uris := v.get("destinationUris")
	if one := v.get("destinationUri"); one.kind == isText {
		uris.kind, uris.items = isList, append(append([]value(nil), uris.items...), one)
	}
	targets, err := b.addresses(sallyport.Write, uris)
	if err != nil {
		return err
	}
	if len(targets) == 0 {
		return invalid("the job extracts to no address", "send destinationUris")
	}
	table, model := v.get("sourceTable"), v.get("sourceModel")
	if (table.kind == isObject) == (model.kind == isObject) {
		return invalid("the job extracts not exactly one thing", "send sourceTable or sourceModel")
	}
	var sources []sallyport.Column
	known := false
	what := ""
	if model.kind == isObject {
		d, err := b.dataset(model)
		if err != nil {
			return err
		}
		id := model.string("modelId")
		if !word(id, "") || d.Hidden() {
			return invalid("the name of a model has characters that none has, or is missing", "send letters, digits and _ alone")
		}
		c.Dataset, c.Model = d, id
		b.access(sallyport.Read, b.a.inDataset(KindModel, d, id))
		what = b.a.readableDataset(d) + "." + readableName(id)
	} else {
		t, err := b.table(table)
		if err != nil {
			return err
		}
		c.Dataset, c.Table = t.Dataset, t
		f, err := b.reads(t)
		if err != nil {
			return err
		}
		known, sources, what = f.Known, f.Columns, b.a.readableTable(t)
		if !known {
			sources = []sallyport.Column{b.all(t)}
		}
	}
	for _, o := range targets {
		b.from(sallyport.Column{Object: o}, sources, known)
	}
	b.st.Readable = "extract " + what + " to " + counted(len(targets), "address", "addresses")
	return nil
}

func (b *build) copyJob(v value) error {
	c := b.c
	verb := "copy"
	switch o := strings.ToUpper(v.string("operationType")); o {
	case "", "COPY", "OPERATION_TYPE_UNSPECIFIED":
	case "CLONE", "SNAPSHOT", "RESTORE":
		verb = strings.ToLower(o)
	default:
		return invalid("the operation of a copy is not known", "send COPY, CLONE, SNAPSHOT or RESTORE")
	}
	b.st.Class = c.Method.ID + "." + verb
	refs := append([]value(nil), v.get("sourceTables").items...)
	if one := v.get("sourceTable"); one.kind == isObject {
		refs = append(refs, one)
	}
	if len(refs) == 0 || len(refs) > 1200 { // the service's own limit
		return invalid("a copy has no source, or too many", "send sourceTables, at most 1200")
	}
	to, err := b.table(v.get("destinationTable"))
	if err != nil {
		return err
	}
	c.Dataset, c.Table = to.Dataset, to
	names := make([]string, 0, len(refs))
	for _, ref := range refs {
		from, err := b.table(ref)
		if err != nil {
			return err
		}
		f, err := b.reads(from)
		if err != nil {
			return err
		}
		if err := b.copies(from, to, f); err != nil {
			return err
		}
		if len(names) < 5 {
			names = append(names, b.a.readableTable(from))
		}
	}
	if len(refs) > len(names) {
		names = append(names, counted(len(refs)-len(names), "more", "more"))
	}
	b.st.Readable = verb + " " + strings.Join(names, ", ") + " to " + b.a.readableTable(to)
	return b.writes(to, v)
}

func counted(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return strconv.Itoa(n) + " " + many
}
