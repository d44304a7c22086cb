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
	// readers are the jobs that write what they read of it.
	readers map[*job]bool
}

// longestJob is how long the service lets a query wait and run.
const longestJob = 12 * time.Hour

// defined are the objects that a statement defines anew or removes.
func defined(st *sallyport.Statement) (keys []string) {
	for _, a := range st.Accesses {
		if a.Effect == sallyport.Define || a.Effect == sallyport.Destroy || a.Effect == sallyport.Administer {
			keys = append(keys, objectKey(a.Object, 3))
		}
	}
	return keys
}

// written are the objects of which something is that a statement writes elsewhere.
func written(st *sallyport.Statement) (keys []string) {
	if len(st.Flows) == 0 {
		return nil
	}
	for _, a := range st.Accesses {
		if a.Effect == sallyport.Read {
			keys = append(keys, objectKey(a.Object, 3))
		}
	}
	return keys
}

// parent is the key of the dataset that an object is in.
func parent(key string) string {
	parts := strings.SplitN(key, "\x00", 3)
	return strings.Join(parts[:min(2, len(parts))], "\x00")
}

// objectKey is an object's name, cut to a number of parts: the resource, the
// dataset, the table.
func objectKey(o sallyport.Object, parts int) string {
	return strings.Join(o.Path[:min(parts, len(o.Path))], "\x00")
}

// begin notes, before it is sent, that a job defines objects, or that what it writes
// is made of some. It does neither where one of them is in the way of another: what
// a write is made of must stay as it was judged until the write is over. It returns
// the jobs that may be in the way, and whether something is of another definition
// than was judged.
func (r *registry) begin(j *job) (changed bool, others []*job) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now, defines, reads := r.now(), defined(j.statement), written(j.statement)
	for _, k := range reads {
		for _, k := range []string{k, parent(k)} {
			if c := r.changes[k]; c != nil {
				changed = changed || !c.last.Before(j.judged)
				others = append(others, without(c.open, j)...)
			}
		}
	}
	for _, k := range defines {
		for of, c := range r.changes {
			if of == k || strings.HasPrefix(of, k+"\x00") {
				others = append(others, without(c.readers, j)...)
			}
		}
	}
	if changed || len(others) > 0 {
		return changed, others
	}
	if len(r.changes) >= maxJobs {
		for k, c := range r.changes {
			if len(c.open) == 0 && len(c.readers) == 0 && now.Sub(c.last) > jobLife {
				delete(r.changes, k)
			}
		}
	}
	for _, k := range defines {
		c := r.change(k)
		c.last, c.open[j] = now, true
	}
	for _, k := range reads {
		r.change(k).readers[j] = true
	}
	return false, nil
}

// change returns what is known of an object. The caller holds mu.
func (r *registry) change(key string) *change {
	c := r.changes[key]
	if c == nil {
		c = &change{open: map[*job]bool{}, readers: map[*job]bool{}}
		r.changes[key] = c
	}
	return c
}

func without(jobs map[*job]bool, j *job) (out []*job) {
	for o := range jobs {
		if o != j {
			out = append(out, o)
		}
	}
	return out
}

// arrived notes that a job is not on its way any more: the service has it, or never
// will. location is where it is, or empty.
func (r *registry) arrived(j *job, location string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if j.sent = true; location != "" {
		j.location = location
	}
}

// underWay reports whether a job is on its way to the service, and where it is.
func (r *registry) underWay(j *job) (yes bool, location string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return !j.sent, j.location
}

// end notes that a job is over.
func (r *registry) end(j *job) { r.become(j, nil) }

// become notes that a job is over, or known by another id if next is not nil.
func (r *registry) become(j, next *job) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, k := range defined(j.statement) {
		if c := r.changes[k]; c != nil && c.open[j] {
			delete(c.open, j)
			if c.last = r.now(); next != nil {
				c.open[next] = true
			}
		}
	}
	for _, k := range written(j.statement) {
		if c := r.changes[k]; c != nil && c.readers[j] {
			delete(c.readers, j)
			if next != nil {
				c.readers[next] = true
			} else if c.last.IsZero() && len(c.readers) == 0 {
				delete(r.changes, k) // it was only read
			}
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

// settled reports whether a job was found over before anything that it reads was
// defined anew.
func (r *registry) settled(j *job) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return j.over
}

// followed takes in how far the job has come that an answer is about, and refuses rows
// that may be others than those that were judged.
func (e *exchange) followed(s *seen) error {
	j, over := e.job, s.JobComplete || s.Status.State == "DONE"
	if j == nil {
		return nil
	}
	if s.JobReference.JobID == j.own || s.JobReference.JobID == j.client {
		e.t.jobs.arrived(j, s.JobReference.Location)
	}
	if over && e.call.Parent == "" {
		e.end(j)
	}
	traced := e.t.cfg.Native != nil || slices.ContainsFunc(j.statement.Outputs, func(o sallyport.Output) bool { return !o.Unknown })
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
	changed, open := e.t.jobs.since(j, false)
	if changed {
		e.ask(open)
		return anew()
	}
	if j.basis != nil && !e.t.jobs.settled(j) {
		// What is defined beside the gateway is not among its own jobs.
		if err := j.basis.Holds(withSession(e.request.Context(), e.sess)); err != nil {
			return err
		}
	}
	if changed, _ = e.t.jobs.since(j, over); changed {
		return anew()
	}
	return nil
}

func anew() error {
	return sallyport.E(sallyport.Conflict, "bigquery", "a table or view that is read is being defined anew, or was since the query was judged").
		WithHint("wait until nothing defines it, then send the query again under another id")
}

// begin notes what the call defines and writes, or refuses it.
func (e *exchange) begin() error {
	st := e.call.Statement
	if e.call.DryRun || e.client != "" && e.fresh == nil || len(defined(st)) == 0 && len(written(st)) == 0 {
		return nil
	}
	if e.changing == nil {
		e.changing = e.newJob("", st)
	}
	changed, others := e.t.jobs.begin(e.changing)
	if !changed && len(others) > 0 && e.ask(others) {
		changed, others = e.t.jobs.begin(e.changing)
	}
	switch {
	case changed || len(others) > 0 && len(written(st)) > 0:
		return anew()
	case len(others) > 0:
		return sallyport.E(sallyport.Conflict, "bigquery", "a table or view is to be defined anew of which something is being written elsewhere").
			WithHint("wait for the end of what reads it, then send the request again under another id")
	}
	if len(written(st)) > 0 && e.call.Basis != nil {
		return e.call.Basis.Holds(withSession(e.request.Context(), e.sess)) // it cannot be taken back
	}
	return nil
}

// ask looks which jobs are over, and reports whether all are.
func (e *exchange) ask(jobs []*job) bool {
	all := true
	for _, j := range jobs {
		if !e.ended(j) {
			all = false
			continue
		}
		e.end(j)
	}
	return all
}

// ended asks the service whether a job is over, or is none. It finds a job only where
// the job is.
func (e *exchange) ended(j *job) bool {
	underWay, location := e.t.jobs.underWay(j)
	switch {
	case underWay:
		return false
	case j.own == "" || location == "": // what the service said of it never came
		return e.t.cfg.Now().Sub(j.judged) > longestJob
	}
	path := "/bigquery/v2/projects/" + url.PathEscape(j.project) + "/jobs/" + url.PathEscape(j.own)
	status, b, err := e.t.fetchAs(e.request.Context(), e.sess, j.owner.role, path, url.Values{"location": {location}})
	var s seen
	return err == nil && (status == http.StatusNotFound || status == http.StatusOK && json.Unmarshal(b, &s) == nil && s.Status.State == "DONE")
}

// done reports whether what the call defines is defined, or never will be. What a job
// does it does later, and a repetition that is refused says nothing of the first.
func (e *exchange) done(status int) bool {
	refused := status >= http.StatusBadRequest && status < http.StatusInternalServerError
	switch e.call.Method.ID {
	case "bigquery.jobs.insert":
		return refused && e.fresh != nil
	case "bigquery.jobs.query":
		return refused
	}
	return true
}

// undo takes back what was noted of a call that was not sent.
func (e *exchange) undo() {
	if e.client != "" && e.fresh == nil {
		return // a repetition: the first one may be there
	}
	if e.end(e.changing); e.fresh != nil {
		e.t.jobs.settle(e.fresh, true)
	}
}

// end has what a job has defined read again, and known to be over.
func (e *exchange) end(j *job) {
	if j != nil {
		e.t.forget(j.statement)
		e.t.jobs.end(j)
	}
}
