// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package bigquery

import (
	"context"
	"io"
	"strings"

	sallyport "github.com/sallyport-dev/sallyport"
)

// Protocol is the analyser's name in statements.
const Protocol = "bigquery"

// Config is what an analyser knows of its resource.
type Config struct {
	Resource sallyport.ResourceID
	// Project is the resource's own project, and Number the project's other name;
	// without it, what names a project by a number is refused.
	Project, Number string
	// Queries reads the text of queries; without it they are refused.
	Queries Queries
	// Catalog knows the columns of tables; without it those of every table are
	// unknown.
	Catalog Catalog
}

// Queries finds out what the text of a query does.
type Queries interface {
	// Analyse returns the class, the readable form, effects, accesses, outputs,
	// predicates and flows of a text in GoogleSQL, or why it is refused, and what of
	// the target that rests on. An error means that nothing could be found out.
	Analyse(ctx context.Context, q Query) (*sallyport.Statement, Basis, error)
}

// Basis is what tables and views were when a text was judged.
type Basis interface {
	// Holds asks the target whether they are the same now. An error of kind Conflict
	// says that one is not, one of kind Unavailable that it is not known.
	Holds(ctx context.Context) error
}

// Query is the text of a query with what of its request gives it a meaning.
type Query struct {
	Text string
	// Project is that of names without one, Dataset that of names without one; its
	// ID may be empty.
	Project string
	Dataset Dataset
	// Parameters are those of the text. Their values are nobody's here.
	Parameters []Parameter
	// Temporary are the names of tables that the request itself defines over files:
	// what stands in them is unknown.
	Temporary []string
	// Session is true for a text that runs in a session that is there already: a name
	// alone may mean a variable, a temporary table or a function that an earlier text
	// has made.
	Session bool
	// View is true for the text of a view, which is kept and not run.
	View bool
	// Condition is a part of the text in brackets that comes from elsewhere, and has to
	// be one expression by itself; empty where there is none.
	Condition string
}

// Parameter is a parameter of a query, or a field of one.
type Parameter struct {
	Name     string // empty for one that is known by its place
	Type     string // the service's word, "STRING" or "STRUCT"; empty where none is said
	Repeated bool   // it is an array of that
	Fields   []Parameter
}

// Catalog knows tables.
type Catalog interface {
	Table(ctx context.Context, t Table) (Facts, error)
}

// Facts are what a catalog knows of a table. The zero value knows nothing.
type Facts struct {
	Known bool
	Kind  string // KindTable or KindView
	// Columns are all columns, and all fields of them, with paths below the table's.
	Columns []sallyport.Column
}

// Analyser judges the requests for one resource. It is safe for concurrent use.
type Analyser struct {
	config  Config
	routes  []route
	schemas schemas
}

// New makes an analyser. Errors have kind Invalid.
func New(c Config) (*Analyser, error) {
	a := &Analyser{routes: routes(), schemas: parseSchemas()}
	if c.Resource == "" || c.Project == "" {
		return nil, sallyport.E(sallyport.Invalid, "bigquery analyser", "a resource has an id and a project")
	}
	if _, err := a.project(c.Project); err != nil {
		return nil, err
	}
	if strings.Trim(c.Number, "0123456789") != "" {
		return nil, sallyport.E(sallyport.Invalid, "bigquery analyser", "the number of a project is made of digits")
	}
	a.config = c
	return a, nil
}

// Request is an HTTP request as it came.
type Request struct {
	Method string
	Path   string // as escaped, without the gateway's own prefix
	Query  string // without the "?"
	// Header has its names in the canonical form of net/http.
	Header map[string][]string
	Body   io.Reader // nil for none
}

func (r *Request) header(name string) string {
	if v := r.Header[name]; len(v) > 0 {
		return v[0]
	}
	return ""
}

// Answer is what a call is answered with, for whoever masks it.
type Answer uint8

// The kinds of answer.
const (
	AnswerNothing  Answer = iota // no body, or one that tells of the call alone
	AnswerMetadata               // what things are; its texts may hold anything
	AnswerJob                    // a job, with its text and statistics
	AnswerRows                   // rows, as of getQueryResults and tabledata.list
)

// Call is a request as it was understood. What is empty is not named by it.
type Call struct {
	Method *Method // nil for what is none
	// Discovery is true for a request for the interface's description.
	Discovery bool

	Project string
	Dataset Dataset
	Table   Table
	Model   string
	Routine string
	Policy  string // of row access

	// Job is the id as the client writes it: of the job that is asked about, or that
	// the client chose for a new one.
	Job, Location string
	// Kind is a new job's: "query", "load", "extract" or "copy".
	Kind string
	// Parent is the job whose children are listed.
	Parent string
	// Session is the session in which a job is to run, and CreateSession says that it
	// begins one.
	Session       string
	CreateSession bool
	// RequestID is the client's name for a query, by which the service knows a
	// repetition.
	RequestID string
	PageToken string
	// Hidden are the tables of the service's own that are read: the answers of
	// queries. Each has to be one of the session's own.
	Hidden []Table

	Legacy bool // the query's text is legacy SQL
	DryRun bool
	Rows   int // of tabledata.insertAll

	// Selected are the columns and fields that are asked for, "a,b.c"; empty for all.
	Selected string
	// Read is what a session of the Storage Read API is to be, and Stream what a call
	// about a stream of one names; nil for other calls.
	Read   *ReadSession
	Stream *Stream

	// Fields is the part of the answer that the client wants, to be applied to the
	// answer after masking; nil for all of it.
	Fields *Selection
	Answer Answer

	Upload   Upload
	UploadID string
	// Media is the file of a multipart upload, and MediaType its type. It reads from
	// the request's body.
	Media     io.Reader
	MediaType string

	// Statement is never nil.
	Statement *sallyport.Statement
	// Basis is what the text of a query was judged by; nil for a call without one.
	Basis Basis

	project string // as the client wrote it
	params  params
	vars    map[string]string
	body    value
}

// Analyse says what a request means. With an error, which has the kind for the
// answer, the call's statement is refused, so that it can stand on record.
func (a *Analyser) Analyse(ctx context.Context, r Request) (*Call, error) {
	c := &Call{Statement: &sallyport.Statement{Protocol: Protocol, Class: "unknown", Readable: "(a request that cannot be judged)"}}
	b := &build{a: a, ctx: ctx, c: c, st: c.Statement}
	if err := b.request(r); err != nil {
		refuse(c.Statement, err)
		return c, err
	}
	return c, nil
}

// request fills the call in.
func (b *build) request(r Request) error {
	if err := overridden(r.Header); err != nil {
		return err
	}
	p, err := b.a.locate(r.Method, r.Path)
	if err != nil {
		return err
	}
	if p.method != nil {
		b.c.Method = p.method
		b.st.Class, b.st.Readable = p.method.ID, p.method.ID
	}
	ps, err := parseParams(r.Query, p)
	if err != nil {
		return err
	}
	c := b.c
	c.params, c.vars = ps, p.vars
	if c.Fields, err = parseSelection(ps.fields); err != nil {
		return err
	}
	if p.discovery {
		if ps.version != "" && ps.version != "v2" {
			return unknownMethod()
		}
		c.Discovery, c.Answer = true, AnswerNothing
		b.st.Class, b.st.Readable = "discovery", "the interface's description"
		b.st.Effects = []sallyport.Effect{sallyport.Control}
		return nil
	}
	if err := b.names(); err != nil {
		return err
	}
	if err := b.read(r, p); err != nil {
		return err
	}
	if c.Upload == UploadContinue {
		b.st.Readable += " (a part of a file)"
		b.control(b.a.object(KindJob, "*"))
		return nil
	}
	if err := b.meaning(); err != nil {
		return err
	}
	if b.legacy {
		b.st.Refused = "legacy SQL is not read by the gateway"
		b.st.Hint = "write GoogleSQL and say useLegacySql=false (bq: --use_legacy_sql=false)"
	}
	return nil
}

// overridden refuses headers by which a request has another method than it has.
func overridden(header map[string][]string) error {
	for name := range header {
		switch strings.ToLower(name) {
		case "x-http-method-override", "x-http-method", "x-method-override":
			return invalid("the request names another HTTP method in a header", "send the request with the method itself")
		}
	}
	return nil
}

// names reads the names in the path.
func (b *build) names() error {
	a, c, v := b.a, b.c, b.c.vars
	var err error
	if c.project = v["projectId"]; c.project != "" {
		if c.Project, err = a.project(c.project); err != nil {
			return err
		}
	}
	if d, ok := v["datasetId"]; ok {
		if c.Dataset, err = a.dataset(c.project, d); err != nil {
			return err
		}
	}
	if t, ok := v["tableId"]; ok {
		if c.Table, err = a.table(c.project, v["datasetId"], t); err != nil {
			return err
		}
	}
	for name, to := range map[string]*string{"modelId": &c.Model, "routineId": &c.Routine, "policyId": &c.Policy} {
		if id, ok := v[name]; ok {
			if !word(id, "") {
				return invalid("the name of an object has characters that none has", "send letters, digits and _ alone")
			}
			*to = id
		}
	}
	if id, ok := v["jobId"]; ok {
		if c.Job, err = jobID(id); err != nil {
			return err
		}
	}
	c.Location, c.PageToken, c.Selected = c.params.get("location"), c.params.get("pageToken"), c.params.get("selectedFields")
	c.Parent = c.params.get("parentJobId")
	return nil
}

func jobID(id string) (string, error) {
	if !word(id, "-") {
		return "", invalid("the id of a job has characters that none has, or is missing", "send letters, digits, _ and - alone")
	}
	return id, nil
}
