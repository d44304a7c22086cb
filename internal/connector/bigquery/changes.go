// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package bigquery

import (
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	sallyport "github.com/sallyport-dev/sallyport"
)

// change is what is known of the definitions of one object: those that the service
// may still carry out, and when the last one was sent or seen to be over. A query
// that was judged before that can have run on another definition than it was
// judged by: the service takes its time with both.
type change struct {
	last time.Time
	open map[*job]bool
}

// longestJob is how long the service lets a query run.
const longestJob = 6 * time.Hour

// defined are the objects that a statement defines anew or removes.
func defined(st *sallyport.Statement) (keys []string) {
	for _, a := range st.Accesses {
		if a.Effect == sallyport.Define || a.Effect == sallyport.Destroy || a.Effect == sallyport.Administer {
			keys = append(keys, objectKey(a.Object, 3))
		}
	}
	return keys
}

// objectKey is an object's name, cut to a number of parts: the resource, the
// dataset, the table.
func objectKey(o sallyport.Object, parts int) string {
	return strings.Join(o.Path[:min(parts, len(o.Path))], "\x00")
}

// begin notes, before it is sent, that a job defines objects.
func (r *registry) begin(j *job, keys []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.now()
	if len(r.changes) >= maxJobs {
		for k, c := range r.changes {
			if len(c.open) == 0 && now.Sub(c.last) > jobLife {
				delete(r.changes, k)
			}
		}
	}
	for _, k := range keys {
		c := r.changes[k]
		if c == nil {
			c = &change{open: map[*job]bool{}}
			r.changes[k] = c
		}
		c.last, c.open[j] = now, true
	}
}

// end notes that a job is over.
func (r *registry) end(j *job) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, k := range defined(j.statement) {
		if c := r.changes[k]; c != nil && c.open[j] {
			delete(c.open, j)
			c.last = r.now()
		}
	}
}

// since reports whether anything that a job reads was defined anew since the job
// was judged, and returns the jobs that may be about to do it. A job that is found
// over before that is so for good.
func (r *registry) since(j *job, over bool) (changed bool, open []*job) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if j.over {
		return false, nil
	}
	for _, a := range j.statement.Accesses {
		if a.Effect != sallyport.Read {
			continue
		}
		for parts := 2; parts <= 3; parts++ {
			c := r.changes[objectKey(a.Object, parts)]
			if c == nil {
				continue
			}
			changed = changed || !c.last.Before(j.judged)
			for o := range c.open {
				open = append(open, o)
			}
		}
	}
	changed = changed || len(open) > 0
	j.over = over && !changed
	return changed, open
}

// followed takes in how far the job has come that an answer is about, and refuses rows
// that may be others than those that were judged.
func (e *exchange) followed(s *seen) error {
	j, over := e.job, s.JobComplete || s.Status.State == "DONE"
	if j == nil {
		return nil
	}
	if over && e.call.Parent == "" {
		e.end(j)
	}
	traced := slices.ContainsFunc(j.statement.Outputs, func(o sallyport.Output) bool { return !o.Unknown })
	if !traced || !over && len(s.Rows) == 0 {
		return nil
	}
	if err := e.unchanged(j, over); len(s.Rows) > 0 {
		return err
	}
	return nil // nothing is shown yet
}

// unchanged refuses the rows of a query of which something was defined anew since it
// was judged.
func (e *exchange) unchanged(j *job, over bool) error {
	changed, open := e.t.jobs.since(j, over)
	if !changed {
		return nil
	}
	for _, o := range open {
		if e.ended(o) {
			e.t.forget(o.statement)
			e.t.jobs.end(o)
		}
	}
	return sallyport.E(sallyport.Conflict, "bigquery", "a table or view that the query reads was defined anew since the query was judged").
		WithHint("wait for the end of what defines it, then send the query again under another id")
}

// ended asks the service whether a job is over, or is none.
func (e *exchange) ended(j *job) bool {
	if j.own == "" { // its id never came
		return e.t.cfg.Now().Sub(j.judged) > longestJob
	}
	path := "/bigquery/v2/projects/" + url.PathEscape(e.t.cfg.Project) + "/jobs/" + url.PathEscape(j.own)
	query := url.Values{}
	if j.location != "" {
		query.Set("location", j.location)
	}
	status, b, err := e.t.fetch(withSession(e.request.Context(), e.sess), path, query)
	var s seen
	return err == nil && (status == http.StatusNotFound || status == http.StatusOK && json.Unmarshal(b, &s) == nil && s.Status.State == "DONE")
}
