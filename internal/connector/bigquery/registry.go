// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package bigquery

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"
	"sync"
	"time"

	sallyport "github.com/sallyport-dev/sallyport"
	analyze "github.com/sallyport-dev/sallyport/internal/analyze/bigquery"
	"github.com/sallyport-dev/sallyport/internal/session"
)

// Bounds of what is remembered of jobs.
const (
	maxJobs = 100_000
	maxOwn  = 20_000             // of one owner
	jobLife = 7 * 24 * time.Hour // the answer of a query is kept for a day, its job for longer
)

// owner is whose a job is: what a caller does under another role is another's.
type owner struct {
	principal sallyport.PrincipalID
	role      sallyport.RoleID
}

func ownerOf(s *session.Session) owner { return owner{s.Principal().ID, s.Role()} }

// prefix begins the service's ids of an owner's jobs, so that two owners can have
// a job of the same id. Behind it, in those that the gateway makes, stands the
// digest of what the job was asked to do: a job of that id at the service can be no
// other than the one that was judged, whatever its location and however long ago it
// was begun.
func (o owner) prefix() string {
	sum := sha256.Sum256([]byte(string(o.principal) + "\x00" + string(o.role)))
	return "sallyport_" + hex.EncodeToString(sum[:8]) + "_"
}

// job is a job that an owner began. Its fields do not change, but for those that the
// registry's mu guards.
type job struct {
	owner owner
	// client and own are its id to the client and to the service.
	client, own string
	// statement is what it does: what reads its answer is judged by that.
	statement *sallyport.Statement
	// basis is what that was found out by; nil for a job without a text.
	basis    analyze.Basis
	judged   time.Time // when it was
	project  string
	location string // as far as it is known; guarded by mu
	until    time.Time
	made     bool // the service has said so; guarded by mu
	sent     bool // it is not on its way to the service any more; guarded by mu
	over     bool // it was, before anything that it reads was defined anew; guarded by mu
}

// kept is what is remembered of a statement. A copy of many tables has a flow for each
// column of them, of which one says as much.
func kept(st *sallyport.Statement) *sallyport.Statement {
	if len(st.Flows) < 2 {
		return st
	}
	c := *st
	i := max(0, slices.IndexFunc(st.Flows, func(f sallyport.Flow) bool { return f.Unknown || len(f.Sources) > 0 }))
	c.Flows = []sallyport.Flow{st.Flows[i]}
	return &c
}

// name is a hidden table's, with whose it is: where the service has an answer to a
// query already, it gives the same table to whoever asks again.
type name struct {
	owner          owner
	dataset, table string
}

// registry knows whose jobs, hidden tables and sessions are. It is kept in memory:
// after a restart the answers of earlier queries are nobody's.
type registry struct {
	now func() time.Time

	mu       sync.Mutex
	jobs     map[jobKey]*job    // guarded by mu
	owned    map[owner]int      // how many of them; guarded by mu
	tables   map[name]*job      // hidden tables, with the job that made them; guarded by mu
	sessions map[string]owner   // sessions of the service; guarded by mu
	changes  map[string]*change // by the object's key; guarded by mu
}

type jobKey struct {
	owner owner
	id    string // the client's
}

func newRegistry(now func() time.Time) *registry {
	return &registry{now: now, jobs: map[jobKey]*job{}, owned: map[owner]int{}, tables: map[name]*job{}, sessions: map[string]owner{}, changes: map[string]*change{}}
}

func notTheirs(what string) error {
	return sallyport.E(sallyport.NotFound, "bigquery", "there is no such "+what+" of this caller").
		WithHint("use one that the same identity began under the same role; they are forgotten when the gateway restarts")
}

// add remembers a job, and reports whether it is a new one. An id is one job's for
// as long as that is remembered: what else is sent under it is a conflict.
func (r *registry) add(one *job) (j *job, fresh bool, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.now()
	if len(r.jobs) >= maxJobs || r.owned[one.owner] >= maxOwn {
		for k, j := range r.jobs {
			if now.After(j.until) {
				r.drop(k)
			}
		}
		for k, j := range r.tables {
			if now.After(j.until) {
				delete(r.tables, k)
			}
		}
	}
	k := jobKey{one.owner, one.client}
	switch j = r.jobs[k]; {
	case j == nil && (len(r.jobs) >= maxJobs || r.owned[one.owner] >= maxOwn):
		return nil, false, sallyport.E(sallyport.Exhausted, "bigquery", "the gateway remembers as many jobs as it can").WithHint("try again later")
	case j == nil || now.After(j.until):
	case j.own != one.own:
		return nil, false, sallyport.E(sallyport.Conflict, "bigquery", "there is another job of this id already").
			WithHint("send the job under an id of its own, or ask for the one that is there")
	default:
		return j, false, nil
	}
	one.until = now.Add(jobLife)
	if j == nil {
		r.owned[one.owner]++
	}
	r.jobs[k] = one
	return one, true, nil
}

// drop forgets a job. The caller holds mu.
func (r *registry) drop(k jobKey) {
	delete(r.jobs, k)
	if r.owned[k.owner]--; r.owned[k.owner] == 0 {
		delete(r.owned, k.owner)
	}
}

// settle takes in what the service says of the first request for a job. What it has
// refused is no job; where it has one of that id already, what that was judged by is
// not known any more.
func (r *registry) settle(j *job, refused bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	k := jobKey{j.owner, j.client}
	switch {
	case !refused:
		j.made = true
	case !j.made && r.jobs[k] == j:
		r.drop(k)
	}
}

// job returns a job by the client's id.
func (r *registry) job(o owner, id string) (*job, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	j := r.jobs[jobKey{o, id}]
	if j == nil || r.now().After(j.until) {
		return nil, notTheirs("job")
	}
	return j, nil
}

// ours returns a job of an owner's by the service's id, or nil.
func (r *registry) ours(o owner, own string) *job {
	r.mu.Lock()
	defer r.mu.Unlock()
	client := own
	if rest, ok := strings.CutPrefix(own, o.prefix()); ok {
		_, client, _ = strings.Cut(rest, "_") // behind the digest
	}
	if j := r.jobs[jobKey{o, client}]; j != nil && j.own == own {
		return j
	}
	return nil
}

// made remembers that a job made a hidden table.
func (r *registry) made(j *job, dataset, table string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.tables[name{j.owner, dataset, table}] = j
}

// table returns the job that made a hidden table.
func (r *registry) table(o owner, t analyze.Table) (*job, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	j := r.tables[name{o, t.Dataset.ID, t.ID}]
	if j == nil || r.now().After(j.until) {
		return nil, notTheirs("table")
	}
	return j, nil
}

// began remembers a session of the service.
func (r *registry) began(o owner, id string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.sessions) < maxJobs {
		r.sessions[id] = o
	}
}

// session checks that a session is an owner's.
func (r *registry) session(o owner, id string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if got, ok := r.sessions[id]; !ok || got != o {
		return notTheirs("session")
	}
	return nil
}
