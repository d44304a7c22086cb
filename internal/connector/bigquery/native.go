// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package bigquery

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/httpgate/upstream"
	"github.com/sallyport-dev/sallyport/internal/session"
)

// Native says that the service masks what a role may not see, as which identity a
// role reaches it, and by what that is proven.
type Native struct {
	Roles    map[sallyport.RoleID]upstream.Auth
	Canaries []Canary
	// Every is how long a proof is good for.
	Every time.Duration
}

// Canary is a row of nobody's with a value that only a reader of raw data finds: in
// the row of the table whose Key is Row, Column holds Value.
type Canary struct {
	Dataset, Table, Key string
	Column              []string // a column, or the way to a field
	Row, Value          string
}

// again is how long a failed proof stands before it is tried anew. A target that does
// not mask is not asked by every statement that is refused for it.
const again = 5 * time.Second

// identity is as whom one role reaches the service. Nothing of the role passes
// without a proof that is good.
type identity struct {
	role    sallyport.RoleID
	client  *upstream.Client
	storage *upstream.Client // of the Storage APIs; nil where there are none

	// turn is held by whoever proves; it has one place. It is no mutex, since the
	// service can be slow and who waits may leave.
	turn chan struct{}
	err  error     // of the last proof; guarded by turn
	end  time.Time // of what is known; guarded by turn

	mu    sync.Mutex
	since time.Time // of the first of the proofs since the last failure, zero without one; guarded by mu
}

// newIdentities returns those of the roles, by role; none but in native mode.
func (t *Target) newIdentities() map[sallyport.RoleID]*identity {
	if t.cfg.Native == nil {
		return nil
	}
	out := map[sallyport.RoleID]*identity{}
	for role, auth := range t.cfg.Native.Roles {
		id := &identity{
			role: role, client: upstream.NewClient(Protocol, t.cfg.Endpoint, t.cfg.TLS.Clone(), auth, t.cfg.Timeout), turn: make(chan struct{}, 1),
		}
		if t.cfg.Storage != nil {
			id.storage = upstream.NewClient(Protocol, t.cfg.Storage, t.cfg.StorageTLS.Clone(), auth, t.cfg.Timeout)
		}
		out[role] = id
	}
	return out
}

// as returns the client that sends as a role.
func (t *Target) as(role sallyport.RoleID) (*upstream.Client, error) {
	if t.cfg.Native == nil {
		return t.client, nil
	}
	if id := t.identities[role]; id != nil {
		return id.client, nil
	}
	return nil, sallyport.E(sallyport.Denied, "bigquery", "the role has no service account of its own at the target").
		WithHint("the operator must add the role to bigquery.native.roles of the resource").Because(upstream.ErrUnsent)
}

// storageAs is as for the Storage APIs.
func (t *Target) storageAs(role sallyport.RoleID) (*upstream.Client, error) {
	if t.storage == nil {
		return nil, sallyport.E(sallyport.Denied, "bigquery", "the gateway does not know where the Storage API of this resource is").
			WithHint("ask the gateway's operator for bigquery.storage_url, or use the REST interface").Because(upstream.ErrUnsent)
	}
	if _, err := t.as(role); err != nil || t.cfg.Native == nil {
		return t.storage, err
	}
	return t.identities[role].storage, nil
}

// proven returns nil while it is proven that the service masks for the session's
// role, and proves it anew where the last proof is too old.
func (t *Target) proven(ctx context.Context, s *session.Session) error {
	if t.cfg.Native == nil {
		return nil
	}
	if _, err := t.as(s.Role()); err != nil {
		return err
	}
	id := t.identities[s.Role()]
	select {
	case id.turn <- struct{}{}:
		defer func() { <-id.turn }()
	case <-ctx.Done():
		return unproven("nobody waits for the proof any more").Because(context.Cause(ctx))
	}
	now := t.cfg.Now()
	if left := id.end.Sub(now); left > 0 && left <= t.cfg.Native.Every {
		return id.err
	}
	err := t.prove(ctx, s, id.client)
	if ctx.Err() != nil {
		return err // it says nothing of the target
	}
	if before := id.err; err != nil || before != nil || id.end.IsZero() {
		if t.cfg.Log.Info("whether the target masks for a role was looked at", "resource", t.cfg.Resource, "role", id.role, "masks", err == nil); err != nil {
			t.cfg.Log.Error("the target is not proven to mask for a role: its statements are refused", "resource", t.cfg.Resource, "role", id.role, "err", err)
		}
	}
	id.err, id.end = err, now.Add(t.cfg.Native.Every)
	if err != nil {
		id.end = now.Add(min(again, t.cfg.Native.Every))
	}
	id.mu.Lock()
	defer id.mu.Unlock()
	switch {
	case err != nil:
		id.since = time.Time{}
	case id.since.IsZero():
		id.since = now
	}
	return err
}

// good reports whether every proof since a moment, and one before it, was good: then
// what ran at that moment for the role was masked as far as anybody knows.
func (t *Target) good(role sallyport.RoleID, at time.Time) bool {
	id := t.identities[role]
	if id == nil {
		return false
	}
	id.mu.Lock()
	defer id.mu.Unlock()
	return !id.since.IsZero() && !at.Before(id.since)
}

func unproven(why string) *sallyport.Error {
	return sallyport.E(sallyport.Unavailable, "bigquery", "it is not proven that the target masks for this role: "+why).
		WithHint("the operator must look at the canaries of the resource (bigquery.native) and at the masks of the role's service account")
}

// prove asks every canary twice: as the resource's own account, which has to find the
// value in the row, or there is nothing that a mask could hide; and as the role's,
// which has to find the row and not the value.
func (t *Target) prove(ctx context.Context, s *session.Session, role *upstream.Client) error {
	for _, c := range t.cfg.Native.Canaries {
		name := c.Dataset + "." + c.Table + "." + strings.Join(c.Column, ".")
		found, raw, err := t.count(ctx, s, t.client, c)
		if err != nil {
			return unproven("the canary of " + name + " cannot be asked for as the resource's own account").Because(err)
		}
		if found == 0 || raw != found {
			return unproven("the canary of " + name + " is not there, or holds another value")
		}
		masked, raw, err := t.count(ctx, s, role, c)
		if err != nil {
			return unproven("the canary of " + name + " cannot be asked for as the role's account").Because(err)
		}
		if raw != 0 {
			return unproven("the role's account reads " + name + " as it is")
		}
		if masked != found {
			return unproven("the role's account does not find the canary of " + name)
		}
	}
	return nil
}

// count returns how many rows a canary has, and how many of them show its value.
func (t *Target) count(ctx context.Context, s *session.Session, as *upstream.Client, c Canary) (found, raw uint64, err error) {
	quoted := func(parts ...string) string { return "`" + strings.Join(parts, "`.`") + "`" }
	res, err := upstream.Count(ctx, as, s, as.At("/bigquery/v2/projects/"+url.PathEscape(t.cfg.Project)+"/queries", ""), upstream.Tally{
		Table: quoted(t.cfg.Project, c.Dataset, c.Table), Key: quoted(c.Key), Column: quoted(c.Column...), Row: c.Row, Value: c.Value,
	})
	if err != nil {
		return 0, 0, err
	}
	defer res.Body.Close() //nolint:errcheck // it was read
	b, err := io.ReadAll(io.LimitReader(res.Body, maxQuestion))
	if err != nil {
		return 0, 0, err
	}
	var got struct {
		JobComplete bool `json:"jobComplete"`
		Rows        []struct {
			F []struct {
				V uint64 `json:"v,string"`
			} `json:"f"`
		} `json:"rows"`
	}
	if res.StatusCode != http.StatusOK {
		return 0, 0, errors.New("the target answers " + res.Status)
	}
	if err := json.Unmarshal(b, &got); err != nil || !got.JobComplete || len(got.Rows) != 1 || len(got.Rows[0].F) != 2 {
		return 0, 0, errors.New("the target gives no two numbers in time")
	}
	return got.Rows[0].F[0].V, got.Rows[0].F[1].V, nil
}

// maxQuestion bounds the answer to a question of the gateway's own, in bytes.
const maxQuestion = 1 << 20

// unfit refuses a request of a role of which nothing is proven, on record.
func (e *exchange) unfit(path string, err error) error {
	text, rerr := io.ReadAll(io.LimitReader(e.request.Body, maxQuestion))
	if rerr != nil {
		text = nil // what there is of the request is on record
	}
	cmd := session.Command{
		Statement: &sallyport.Statement{Protocol: Protocol, Class: "unproven", Readable: e.request.Method + " of a role that the target is not proven to mask for"},
		Text:      append([]byte(e.request.Method+" "+path+"\n\n"), text...),
	}
	return e.refuse(cmd, err)
}
