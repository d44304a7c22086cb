// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package meta

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"

	sallyport "github.com/sallyport-dev/sallyport"
	analyze "github.com/sallyport-dev/sallyport/internal/analyze/bigquery"
	"github.com/sallyport-dev/sallyport/internal/analyze/googlesql"
	"github.com/sallyport-dev/sallyport/internal/catalog"
)

// The defaults of [Config].
const (
	DefaultTTL     = 30 * time.Second
	DefaultEntries = 1000
)

// Fetch sends a GET request to the target as the gateway. path begins with
// /bigquery/v2/ and is escaped.
type Fetch func(ctx context.Context, path string, query url.Values) (status int, body []byte, err error)

// Config says where tables are read and what is known of them beforehand.
type Config struct {
	Fetch    Fetch
	Resource sallyport.ResourceID
	Project  string          // the resource's own
	Labels   *catalog.Labels // nil labels nothing
	// TTL is how long what was read counts; 0 = DefaultTTL. A change that does not
	// pass the gateway is seen after it.
	TTL     time.Duration
	Entries int // tables that are kept; 0 = DefaultEntries
	Now     func() time.Time
}

// Catalogue knows tables. It is safe for concurrent use.
type Catalogue struct {
	config Config
	labels index

	mu      sync.Mutex
	entries map[googlesql.Name]*entry // guarded by mu
}

// entry is a table that was read, or is being read until done is closed. The rest
// is written before that and not changed after.
type entry struct {
	done  chan struct{}
	asked time.Time
	table *table // nil where the target has none
	err   error
}

// table is a table that the target has.
type table struct {
	known  googlesql.Table
	fields []field
	path   []string // as policies name it
	facts  analyze.Facts
	// definition is what it is at the target.
	definition definition
}

var _ analyze.Catalog = (*Catalogue)(nil)

// New makes a catalogue. Errors have kind Invalid.
func New(c Config) (*Catalogue, error) {
	if c.Fetch == nil || c.Now == nil || c.Resource == "" || c.Project == "" {
		return nil, sallyport.E(sallyport.Invalid, op, "a catalogue needs a target, a clock, a resource and its project")
	}
	if c.TTL <= 0 {
		c.TTL = DefaultTTL
	}
	if c.Entries <= 0 {
		c.Entries = DefaultEntries
	}
	return &Catalogue{config: c, labels: newIndex(c.Labels), entries: map[googlesql.Name]*entry{}}, nil
}

// Table returns the facts of a table as it is now. One that the target does not
// have, and one of the service's own, is not known. Errors have kind Unavailable.
func (c *Catalogue) Table(ctx context.Context, t analyze.Table) (analyze.Facts, error) {
	got, _, err := c.get(ctx, nameOf(t))
	if err != nil || got == nil {
		return analyze.Facts{}, err
	}
	return got.facts, nil
}

// Forget drops what is known of a table, because it changed.
func (c *Catalogue) Forget(t analyze.Table) { c.forget(nameOf(t)) }

func (c *Catalogue) forget(n googlesql.Name) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.entries, n)
}

func nameOf(t analyze.Table) googlesql.Name {
	return googlesql.Name{Project: t.Project, Dataset: t.Dataset.ID, Table: t.ID}
}

// get returns a table, or nil where there is none, and whether it was read before.
// A table that several ask for is read once.
func (c *Catalogue) get(ctx context.Context, n googlesql.Name) (t *table, before bool, err error) {
	return c.since(ctx, n, c.config.Now().Add(1-c.config.TTL))
}

// since is get for a table that was read at a time or later.
func (c *Catalogue) since(ctx context.Context, n googlesql.Name, at time.Time) (t *table, before bool, err error) {
	if !readable(n) {
		return nil, false, nil
	}
	for {
		e, mine := c.entry(n, at)
		if mine {
			c.read(ctx, n, e)
			return e.table, false, e.err
		}
		select {
		case <-e.done:
		case <-ctx.Done():
			return nil, false, unavailable(ctx.Err())
		}
		// Who read it may have been cancelled, which is nobody else's failure.
		if cancelled(e.err) && ctx.Err() == nil {
			continue
		}
		return e.table, true, e.err
	}
}

func cancelled(err error) bool {
	return errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}

// entry returns the entry of a table that was asked for at a time or later, and
// whether it is new and so the caller's to fill.
func (c *Catalogue) entry(n googlesql.Name, since time.Time) (e *entry, mine bool) {
	now := c.config.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	if e := c.entries[n]; e != nil && !e.asked.Before(since) {
		return e, false
	}
	if delete(c.entries, n); len(c.entries) >= c.config.Entries {
		c.evict()
	}
	e = &entry{done: make(chan struct{}), asked: now}
	c.entries[n] = e
	return e, true
}

func (e *entry) ready() bool {
	select {
	case <-e.done:
		return true
	default:
		return false
	}
}

// evict drops the oldest of the tables that were read. Those that are being read
// are as many as there are callers.
func (c *Catalogue) evict() {
	var oldest googlesql.Name
	var found *entry
	for n, e := range c.entries {
		if e.ready() && (found == nil || e.asked.Before(found.asked)) {
			oldest, found = n, e
		}
	}
	delete(c.entries, oldest)
}

// read fills an entry in. Only a table that is there is kept.
func (c *Catalogue) read(ctx context.Context, n googlesql.Name, e *entry) {
	e.err = unavailable(nil) // should the target's side end the goroutine
	defer func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.entries[n] == e && (e.err != nil || e.table == nil) {
			delete(c.entries, n)
		}
		close(e.done)
	}()
	e.table, e.err = c.load(ctx, n)
}

// load asks the target for a table.
func (c *Catalogue) load(ctx context.Context, n googlesql.Name) (*table, error) {
	body, err := c.fetch(ctx, "/bigquery/v2/projects/"+url.PathEscape(n.Project)+"/datasets/"+url.PathEscape(n.Dataset)+"/tables/"+url.PathEscape(n.Table), nil)
	if err != nil || body == nil {
		return nil, err
	}
	r, err := parseResource(body)
	if err != nil {
		return nil, err
	}
	if ref := r.Reference; ref.Dataset != n.Dataset || ref.Table != n.Table || ref.Project != n.Project {
		// Policies and labels would know it by another name than the target does.
		return nil, sallyport.E(sallyport.Invalid, op, "a table has another name than the one that it is named by").
			WithHint("write the names of project, dataset and table as they were created")
	}
	return c.table(n, r)
}

// table joins a table with its labels.
func (c *Catalogue) table(n googlesql.Name, r *resource) (*table, error) {
	definition, err := r.definition()
	if err != nil {
		return nil, err
	}
	dataset := n.Dataset
	if n.Project != c.config.Project {
		dataset = n.Project + "." + n.Dataset
	}
	t := &table{known: googlesql.Table{Name: n}, fields: r.Schema.Fields, path: []string{string(c.config.Resource), dataset, n.Table}, definition: definition}
	t.known.Columns = c.labels.columns(tableName{dataset, n.Table}, t.fields)
	switch {
	case r.Materialised != nil:
		t.known.View, t.known.Query = true, r.Materialised.Query
	case r.View != nil:
		t.known.View = true
		// A view in legacy SQL is taken by its own columns.
		if r.View.Legacy != nil && !*r.View.Legacy {
			t.known.Query = r.View.Query
		}
	case strings.HasSuffix(r.Type, "VIEW"):
		t.known.View = true
	}
	t.facts = analyze.Facts{Known: true, Kind: analyze.KindTable}
	if t.known.View {
		t.facts.Kind = analyze.KindView
	}
	t.facts.Columns = facts(t.known.Columns, t.path)
	return t, nil
}

// fetch returns the body of an answer, or nil where there is nothing.
func (c *Catalogue) fetch(ctx context.Context, path string, query url.Values) ([]byte, error) {
	status, body, err := c.config.Fetch(ctx, path, query)
	switch {
	case err != nil:
		return nil, unavailable(err)
	case status == http.StatusNotFound:
		return nil, nil
	case status != http.StatusOK || len(body) == 0:
		return nil, unavailable(nil)
	}
	return body, nil
}

func unavailable(err error) error {
	e := sallyport.E(sallyport.Unavailable, op, "the target did not tell what a table is").
		WithHint("try again; if it stays, let the gateway's identity at the target see the table (bigquery.tables.get)")
	if err != nil {
		e = e.Because(err)
	}
	return e
}

// readable reports whether a name can be asked for: it is a table's, and not one of
// the service's own, which hold answers of queries.
func readable(n googlesql.Name) bool {
	return validProject(n.Project) && inDataset(n.Dataset) && !hidden(n.Dataset) &&
		n.Table != "" && len(n.Table) <= maxName && utf8.ValidString(n.Table) && !strings.ContainsFunc(n.Table, notOfTable)
}

// validProject reports whether a name is a project's id. A number is one's other name.
func validProject(s string) bool {
	return s != "" && len(s) <= maxName && strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789-.:") == "" &&
		strings.ContainsAny(s, "abcdefghijklmnopqrstuvwxyz")
}

func inDataset(s string) bool {
	return s != "" && len(s) <= maxName && strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") == ""
}

func hidden(dataset string) bool { return strings.HasPrefix(dataset, "_") }

// notOfTable reports whether no table's name has a character.
func notOfTable(r rune) bool {
	return !unicode.In(r, unicode.L, unicode.M, unicode.N, unicode.Pc, unicode.Pd, unicode.Zs)
}
