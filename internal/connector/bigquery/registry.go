// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package bigquery

import (
	"crypto/sha256"
	"encoding/hex"
	"sync"
	"time"

	sallyport "github.com/sallyport-dev/sallyport"
	analyze "github.com/sallyport-dev/sallyport/internal/analyze/bigquery"
	"github.com/sallyport-dev/sallyport/internal/session"
)

// Bounds of what is remembered of jobs.
const (
	maxJobs = 100_000
	jobLife = 7 * 24 * time.Hour // the answer of a query is kept for a day, its job for longer
)

// owner is whose a job is: what a caller does under another role is another's.
type owner struct {
	principal sallyport.PrincipalID
	role      sallyport.RoleID
}

func ownerOf(s *session.Session) owner { return owner{s.Principal().ID, s.Role()} }

// prefix begins the service's ids of an owner's jobs, so that two owners can have
// a job of the same id.
func (o owner) prefix() string {
	sum := sha256.Sum256([]byte(string(o.principal) + "\x00" + string(o.role)))
	return "sallyport_" + hex.EncodeToString(sum[:8]) + "_"
}

// job is a job that an owner began. Its fields do not change.
type job struct {
	owner owner
	// client and own are its id to the client and to the service.
	client, own string
	// statement is what it does: what reads its answer is judged by that.
	statement *sallyport.Statement
	until     time.Time
}

// name is a hidden table's.
type name struct{ dataset, table string }

// registry knows whose jobs, hidden tables and sessions are. It is kept in memory:
// after a restart the answers of earlier queries are nobody's.
type registry struct {
	now func() time.Time

	mu       sync.Mutex
	jobs     map[jobKey]*job  // guarded by mu
	tables   map[name]*job    // hidden tables, with the job that made them; guarded by mu
	sessions map[string]owner // sessions of the service; guarded by mu
}

type jobKey struct {
	owner owner
	id    string // the client's
}

func newRegistry(now func() time.Time) *registry {
	return &registry{now: now, jobs: map[jobKey]*job{}, tables: map[name]*job{}, sessions: map[string]owner{}}
}

func notTheirs(what string) error {
	return sallyport.E(sallyport.NotFound, "bigquery", "there is no such "+what+" of this caller").
		WithHint("use one that the same identity began under the same role; they are forgotten when the gateway restarts")
}

// add remembers a job.
func (r *registry) add(o owner, client, own string, st *sallyport.Statement) (*job, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.now()
	if len(r.jobs) >= maxJobs {
		for k, j := range r.jobs {
			if now.After(j.until) {
				delete(r.jobs, k)
			}
		}
		for k, j := range r.tables {
			if now.After(j.until) {
				delete(r.tables, k)
			}
		}
	}
	k := jobKey{o, client}
	if len(r.jobs) >= maxJobs && r.jobs[k] == nil {
		return nil, sallyport.E(sallyport.Exhausted, "bigquery", "the gateway remembers as many jobs as it can").WithHint("try again later")
	}
	if j := r.jobs[k]; j != nil {
		return j, nil // the first one counts: the service refuses another of its id
	}
	j := &job{o, client, own, st, now.Add(jobLife)}
	r.jobs[k] = j
	return j, nil
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
	if p := o.prefix(); len(own) > len(p) && own[:len(p)] == p {
		client = own[len(p):]
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
	r.tables[name{dataset, table}] = j
}

// table returns the job that made a hidden table.
func (r *registry) table(o owner, t analyze.Table) (*job, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	j := r.tables[name{t.Dataset.ID, t.ID}]
	if j == nil || j.owner != o || r.now().After(j.until) {
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
