// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package server

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"time"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/evidence"
	"github.com/sallyport-dev/sallyport/internal/retention"
)

// openRetention makes the keeper of retention, and completes what a crash
// interrupted.
func (g *Gateway) openRetention(ctx context.Context) error {
	period, _ := g.cfg.Retention.Period(sallyport.DefaultClass)
	s, err := retention.New(ctx, retention.Deps{
		Keys: g.vault, Index: g.store.Index(), Journal: g.events, Log: g.log, Blobs: g.blobs,
		CatchUp: g.index.catchUp, Leaves: g.leaves, Alive: func(id sallyport.SessionID) bool { return g.engine.Alive(id) },
		Default: period, Now: g.deps.Now, Rand: g.deps.Rand, Logger: g.deps.Log,
	})
	if err != nil {
		return err
	}
	g.retention = s
	return s.Complete(ctx)
}

// needKeeper refuses whoever is neither an auditor nor an administrator.
func (c caller) needKeeper() error {
	if c.auditor || c.administrator {
		return nil
	}
	return sallyport.E(sallyport.Denied, "api", "this is for auditors and administrators").
		WithHint("they are named in the api section of the gateway's configuration")
}

// needAdministrator refuses whoever is not among the administrators.
func (c caller) needAdministrator() error {
	if c.administrator {
		return nil
	}
	return sallyport.E(sallyport.Denied, "api", "this is for administrators").
		WithHint("they are named in api.administrators of the gateway's configuration")
}

// retentionStatus says what is kept, what is due and what is held.
func (a *api) retentionStatus(ctx context.Context, r *http.Request, c caller) (any, error) {
	if _, err := query(r); err != nil {
		return nil, err
	}
	if err := c.needKeeper(); err != nil {
		return nil, err
	}
	release, err := a.weighty()
	if err != nil {
		return nil, err
	}
	defer release()
	return a.g.retention.Status(ctx)
}

// sweepNow destroys what has expired at once, or says what it would.
func (a *api) sweepNow(ctx context.Context, r *http.Request, c caller) (any, error) {
	var in struct {
		DryRun bool `json:"dry_run"`
	}
	if err := decode(r, &in); err != nil {
		return nil, err
	}
	if err := c.needKeeper(); err != nil {
		return nil, err
	}
	if !in.DryRun {
		if err := c.needAdministrator(); err != nil {
			return nil, err
		}
	}
	release, err := a.weighty()
	if err != nil {
		return nil, err
	}
	defer release()
	return a.g.retention.Sweep(context.WithoutCancel(ctx), in.DryRun)
}

// eraseSession destroys the keys of one session before their time.
func (a *api) eraseSession(ctx context.Context, r *http.Request, c caller) (any, error) {
	var in struct {
		Reason string `json:"reason"`
	}
	if err := decode(r, &in); err != nil {
		return nil, err
	}
	if err := c.needAdministrator(); err != nil {
		return nil, err
	}
	reason, err := words("reason", in.Reason)
	if err != nil {
		return nil, err
	}
	return a.g.retention.Erase(context.WithoutCancel(ctx), c.ID, sallyport.SessionID(r.PathValue("id")), reason)
}

// listHolds lists the legal holds in force, or all that there were.
func (a *api) listHolds(ctx context.Context, r *http.Request, c caller) (any, error) {
	q, err := query(r, "all")
	if err != nil {
		return nil, err
	}
	if err := c.needKeeper(); err != nil {
		return nil, err
	}
	switch q.Get("all") {
	case "", "true", "false":
	default:
		return nil, invalid("all is neither true nor false", "")
	}
	holds, err := a.g.retention.Holds(ctx, q.Get("all") == "true")
	return map[string]any{"holds": nonNil(holds)}, err
}

// setHold puts a legal hold in force.
func (a *api) setHold(ctx context.Context, r *http.Request, c caller) (any, error) {
	var in struct {
		Session   sallyport.SessionID   `json:"session"`
		Principal sallyport.PrincipalID `json:"principal"`
		Resource  sallyport.ResourceID  `json:"resource"`
		Grant     sallyport.GrantID     `json:"grant"`
		From      string                `json:"from"`
		To        string                `json:"to"`
		Case      string                `json:"case"`
		Reason    string                `json:"reason"`
	}
	if err := decode(r, &in); err != nil {
		return nil, err
	}
	if err := c.needKeeper(); err != nil {
		return nil, err
	}
	f := evidence.HoldFilter{Session: in.Session, Principal: in.Principal, Resource: in.Resource, Grant: in.Grant}
	var err error
	if f.From, err = instant("from", in.From); err != nil {
		return nil, err
	}
	if f.To, err = instant("to", in.To); err != nil {
		return nil, err
	}
	matter, err := words("case", in.Case)
	if err != nil {
		return nil, err
	}
	reason, err := words("reason", in.Reason)
	if err != nil {
		return nil, err
	}
	return a.g.retention.SetHold(context.WithoutCancel(ctx), c.ID, f, matter, reason)
}

// releaseHold ends a legal hold.
func (a *api) releaseHold(ctx context.Context, r *http.Request, c caller) (any, error) {
	var in struct {
		Reason string `json:"reason"`
	}
	if err := decode(r, &in); err != nil {
		return nil, err
	}
	if err := c.needKeeper(); err != nil {
		return nil, err
	}
	reason, err := words("reason", in.Reason)
	if err != nil {
		return nil, err
	}
	return a.g.retention.ReleaseHold(context.WithoutCancel(ctx), c.ID, r.PathValue("id"), reason)
}

// pruneLedger gives up leaves whose retention is over.
func (a *api) pruneLedger(ctx context.Context, r *http.Request, c caller) (any, error) {
	var in struct {
		Before string `json:"before"` // an instant, or an index in decimal
		Reason string `json:"reason"`
		DryRun bool   `json:"dry_run"`
	}
	if err := decode(r, &in); err != nil {
		return nil, err
	}
	if err := c.needAdministrator(); err != nil {
		return nil, err
	}
	reason := ""
	if !in.DryRun {
		var err error
		if reason, err = words("reason", in.Reason); err != nil {
			return nil, err
		}
	}
	release, err := a.weighty()
	if err != nil {
		return nil, err
	}
	defer release()
	ctx = context.WithoutCancel(ctx)
	if index, err := strconv.ParseUint(in.Before, 10, 63); err == nil {
		return a.g.retention.Prune(ctx, c.ID, index, reason, in.DryRun)
	}
	t, err := instant("before", in.Before)
	if err != nil {
		return nil, err
	}
	if t.IsZero() {
		return nil, invalid("before is missing", "give an instant or an index of the ledger")
	}
	return a.g.retention.PruneBefore(ctx, c.ID, t, reason, in.DryRun)
}

// opened is the answer of POST /v1/evidence/open: the gateway's half of a key,
// which opens nothing without an auditor's identity.
type opened struct {
	Session sallyport.SessionID `json:"session"`
	Key     string              `json:"key"`
	Half    []byte              `json:"half,omitempty"` // none where the record has the whole key
	At      time.Time           `json:"at"`             // of the event that says so
}

// maxOpened bounds the statements that one opening names.
const maxOpened = 1000

// openEvidence gives an auditor the gateway's half of the key of a session's
// exact texts. That they open them, which and what for is on record first.
func (a *api) openEvidence(ctx context.Context, r *http.Request, c caller) (any, error) {
	var in struct {
		Session    sallyport.SessionID `json:"session"`
		Statements []uint64            `json:"statements"`
		Purpose    string              `json:"purpose"`
	}
	if err := decode(r, &in); err != nil {
		return nil, err
	}
	if err := c.needAuditor(); err != nil {
		return nil, err
	}
	purpose, err := words("purpose", in.Purpose)
	if err != nil {
		return nil, err
	}
	if len(in.Statements) > maxOpened {
		return nil, invalid(fmt.Sprintf("more than %d statements are named", maxOpened), "name none for all of the session")
	}
	open, err := a.openingOf(ctx, in.Session)
	if err != nil {
		return nil, err
	}
	if err := a.notErased(ctx, in.Session); err != nil {
		return nil, err
	}
	out := opened{Session: in.Session}
	var own *evidence.WrappedKey
	for _, w := range open.Keys {
		switch {
		case w.Purpose != evidence.PurposeText:
		case w.To == evidence.ToSession:
			own = &w
			fallthrough
		default:
			out.Key = w.ID
		}
	}
	if own != nil {
		if out.Half, err = a.g.vault.Half(*own); err != nil {
			return nil, err
		}
	}
	slices.Sort(in.Statements)
	out.At = a.g.deps.Now().UTC()
	return out, a.g.events.EvidenceOpen(ctx, evidence.EvidenceOpen{
		By: c.ID, OfSession: in.Session, Key: out.Key, Stmts: slices.Compact(in.Statements), Purpose: purpose,
	})
}

// openingOf returns the body of a session's session-open leaf.
func (a *api) openingOf(ctx context.Context, id sallyport.SessionID) (open evidence.SessionOpen, err error) {
	if err := a.g.index.catchUp(ctx); err != nil {
		return open, err
	}
	s, err := a.g.store.Index().Session(ctx, id)
	if sallyport.KindOf(err) == sallyport.NotFound && err != nil {
		return open, sallyport.E(sallyport.NotFound, "api", "there is no such session").
			WithHint("`sallyport session list` shows those that you may see")
	}
	if err != nil {
		return open, err
	}
	raw, err := a.g.log.Read(ctx, s.First)
	if err != nil {
		return open, err
	}
	leaf, err := evidence.ParseLeaf(raw)
	if err != nil {
		return open, err
	}
	return evidence.Body[evidence.SessionOpen](leaf)
}

// notErased refuses a session whose keys' destruction is on record, whatever a
// key store that was restored from a backup holds.
func (a *api) notErased(ctx context.Context, id sallyport.SessionID) error {
	e, err := a.g.retention.Erased(ctx, id)
	if err != nil || e == nil {
		return err
	}
	return sallyport.E(sallyport.NotFound, "api", "the session's texts and recording were "+e.String()).
		WithHint("what the ledger holds of the session is still there and still proven")
}

// halvesOf returns the gateway's halves of the keys of sessions' texts, for a
// bundle that is to be opened without the gateway.
func (a *api) halvesOf(ctx context.Context, leaves []evidence.IndexedLeaf) ([]evidence.Half, error) {
	var out []evidence.Half
	for _, l := range leaves {
		leaf, err := evidence.ParseLeaf(l.Raw)
		if err != nil {
			return nil, err
		}
		if leaf.Type != evidence.TypeSessionOpen {
			continue
		}
		open, err := evidence.Body[evidence.SessionOpen](leaf)
		if err != nil {
			return nil, err
		}
		for _, w := range open.Keys {
			if w.Purpose != evidence.PurposeText || w.To != evidence.ToSession {
				continue
			}
			err := a.notErased(ctx, leaf.Session)
			var half []byte
			if err == nil {
				half, err = a.g.vault.Half(w)
			}
			if sallyport.KindOf(err) == sallyport.NotFound && err != nil {
				continue // erased, which the bundle says
			}
			if err != nil {
				return nil, err
			}
			out = append(out, evidence.Half{Session: leaf.Session, Key: w.ID, Half: half})
		}
	}
	return out, ctx.Err()
}
