// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package server

import (
	"context"
	"math"
	"net/http"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/evidence"
	"github.com/sallyport-dev/sallyport/internal/store"
)

// The states of a session as the API tells them.
const (
	sessionOpen   = "open"
	sessionClosed = "closed"
	sessionCut    = "cut" // the gateway died before the session was closed
)

// sessionDoc is a session with what became of it.
type sessionDoc struct {
	store.Session
	State string `json:"state"` // "open", "closed" or "cut"
}

// epochStart returns the index of the leaf with which this epoch began: what
// was opened before it and never closed is no longer open.
func (a *api) epochStart(ctx context.Context) (uint64, error) {
	starts, err := a.g.store.Index().Events(ctx, store.EventFilter{Types: []evidence.Type{evidence.TypeStart}, Limit: 1})
	if err != nil || len(starts) == 0 {
		return 0, err
	}
	return starts[0].Index, nil
}

func stateOf(s store.Session, start uint64) string {
	switch {
	case !s.Closed.IsZero():
		return sessionClosed
	case s.First < start:
		return sessionCut
	}
	return sessionOpen
}

// listSessions lists sessions, newest first: all for auditors and
// administrators, their own for others.
func (a *api) listSessions(ctx context.Context, r *http.Request, c caller) (any, error) {
	q, err := query(r, "principal", "resource", "grant", "since", "until", "open", "limit", "before")
	if err != nil {
		return nil, err
	}
	f := store.SessionFilter{
		Principal: sallyport.PrincipalID(q.Get("principal")), Resource: sallyport.ResourceID(q.Get("resource")), Grant: sallyport.GrantID(q.Get("grant")),
	}
	if f.From, err = instant("since", q.Get("since")); err != nil {
		return nil, err
	}
	if f.To, err = instant("until", q.Get("until")); err != nil {
		return nil, err
	}
	limit, err := number(q, "limit", defaultPage, maxPage)
	if err != nil {
		return nil, err
	}
	if f.Before, err = number(q, "before", 0, math.MaxInt64); err != nil {
		return nil, err
	}
	switch q.Get("open") {
	case "", "false":
	case "true":
		f.OpenOnly = true
	default:
		return nil, invalid("open is neither true nor false", "")
	}
	if !c.auditor && !c.administrator {
		if f.Principal != "" && f.Principal != c.ID {
			return nil, sallyport.E(sallyport.Denied, "api", "the sessions of others are for auditors and administrators").
				WithHint("leave the principal out to list your own")
		}
		f.Principal = c.ID
	}
	f.Limit = int(limit)
	out, err := a.sessions(ctx, f)
	if err != nil {
		return nil, err
	}
	return map[string]any{"sessions": nonNil(out)}, nil
}

func (a *api) sessions(ctx context.Context, f store.SessionFilter) ([]sessionDoc, error) {
	if err := a.g.index.catchUp(ctx); err != nil {
		return nil, err
	}
	start, err := a.epochStart(ctx)
	if err != nil {
		return nil, err
	}
	found, err := a.g.store.Index().Sessions(ctx, f)
	var out []sessionDoc
	for _, s := range found {
		state := stateOf(s, start)
		if !f.OpenOnly || state == sessionOpen { // those that were cut are older than all that are open
			out = append(out, sessionDoc{s, state})
		}
	}
	return out, err
}

// session returns a session that the caller may see. One that they may not see
// is not told from one that there is not.
func (a *api) session(ctx context.Context, r *http.Request, c caller) (sessionDoc, error) {
	if err := a.g.index.catchUp(ctx); err != nil {
		return sessionDoc{}, err
	}
	s, err := a.g.store.Index().Session(ctx, sallyport.SessionID(r.PathValue("id")))
	if err == nil && s.Principal != c.ID && !c.auditor && !c.administrator || sallyport.KindOf(err) == sallyport.NotFound {
		return sessionDoc{}, sallyport.E(sallyport.NotFound, "api", "there is no such session").
			WithHint("`sallyport session list` shows those that you may see")
	}
	if err != nil {
		return sessionDoc{}, err
	}
	start, err := a.epochStart(ctx)
	return sessionDoc{s, stateOf(s, start)}, err
}

const (
	defaultStatements = 1000
	maxStatements     = 10000
)

// page selects statements by their number: those after one, at most so many.
type page struct{ after, limit uint64 }

func pageOf(r *http.Request) (page, error) {
	q, err := query(r, "after", "limit")
	if err != nil {
		return page{}, err
	}
	limit, err := number(q, "limit", defaultStatements, maxStatements)
	if err != nil {
		return page{}, err
	}
	after, err := number(q, "after", 0, math.MaxInt64)
	return page{after, limit}, err
}

// has reports whether a statement lies on the page.
func (p page) has(stmt uint64) bool { return stmt > p.after && stmt-p.after <= p.limit }

// showSession shows a session from its leaves: how it was opened, its statements
// in order, and how it ended.
func (a *api) showSession(ctx context.Context, r *http.Request, c caller) (any, error) {
	p, err := pageOf(r)
	if err != nil {
		return nil, err
	}
	s, err := a.session(ctx, r, c)
	if err != nil {
		return nil, err
	}
	t, err := a.story(ctx, s.Session, p)
	if err != nil {
		return nil, err
	}
	return struct {
		Session    sessionDoc             `json:"session"`
		Open       *openDoc               `json:"open"`
		Statements []*statement           `json:"statements"`
		More       bool                   `json:"more"` // there are statements after these
		Close      *evidence.SessionClose `json:"close,omitempty"`
	}{s, t.opening(), nonNil(t.statements), t.more, t.close}, nil
}

// endSession ends a live session. The reason and by whom are told to its client
// and stand in the leaf that closes it.
func (a *api) endSession(ctx context.Context, r *http.Request, c caller) (any, error) {
	var in struct {
		Reason string `json:"reason"`
	}
	if err := decode(r, &in); err != nil {
		return nil, err
	}
	if !c.administrator {
		return nil, sallyport.E(sallyport.Denied, "api", "this is for administrators").
			WithHint("they are named in api.administrators of the gateway's configuration")
	}
	reason, err := words("reason", in.Reason)
	if err != nil {
		return nil, err
	}
	id := sallyport.SessionID(r.PathValue("id"))
	if err := a.g.engine.End(id, sallyport.E(sallyport.Denied, "session", "the session was ended by "+string(c.ID)+": "+reason)); err != nil {
		return nil, err
	}
	a.g.deps.Log.InfoContext(ctx, "a session was ended", "session", id, "by", c.ID)
	return struct {
		ID sallyport.SessionID `json:"id"`
	}{id}, nil
}
