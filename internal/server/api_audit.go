// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package server

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/evidence"
	"github.com/sallyport-dev/sallyport/internal/export"
)

// exportEvidence makes an evidence bundle. That it is made, by whom and for
// what, is on record first.
func (a *api) exportEvidence(ctx context.Context, w http.ResponseWriter, r *http.Request, c caller) error {
	if err := c.needAuditor(); err != nil {
		return err
	}
	var in struct {
		From      string                `json:"from"`
		To        string                `json:"to"`
		Principal sallyport.PrincipalID `json:"principal"`
		Resource  sallyport.ResourceID  `json:"resource"`
		Session   sallyport.SessionID   `json:"session"`
		Grant     sallyport.GrantID     `json:"grant"`
		AsOf      string                `json:"as_of"`
		Sample    int                   `json:"sample"`
		Seed      uint64                `json:"seed"`
		Earlier   []uint64              `json:"earlier"`
		Purpose   string                `json:"purpose"`
		WithKeys  bool                  `json:"with_keys"`
	}
	if err := decode(r, &in); err != nil {
		return err
	}
	purpose, err := words("purpose", in.Purpose)
	if err != nil {
		return err
	}
	f := export.Filter{
		Principal: in.Principal, Resource: in.Resource, Session: in.Session, Grant: in.Grant, Earlier: in.Earlier,
		Sample: in.Sample, Seed: in.Seed, By: c.ID, Purpose: purpose,
	}
	if in.Sample < 0 || in.Sample > maxSample {
		return invalid(fmt.Sprintf("a sample has 1 to %d sessions", maxSample), "ask for fewer")
	}
	if f.AsOf, err = day("as_of", in.AsOf); err != nil {
		return err
	}
	if f.From, err = instant("from", in.From); err != nil {
		return err
	}
	if f.To, err = instant("to", in.To); err != nil {
		return err
	}
	release, err := a.weighty()
	if err != nil {
		return err
	}
	defer release()
	// The event itself makes the tree larger by one; others may come in between.
	e := evidence.Export{By: c.ID, Filter: f.String(), Size: a.g.log.Size() + 1, Purpose: purpose, WithKeys: in.WithKeys}
	if err := a.g.events.Export(ctx, e); err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/zip")
	w.Header().Set("Content-Disposition", `attachment; filename="evidence.zip"`)
	src := a.source()
	if in.WithKeys {
		src.Halves = a.halvesOf
	}
	_, err = export.Build(ctx, w, src, f)
	return err
}

// source is where bundles take their content from.
func (a *api) source() export.Source {
	g := a.g
	return export.Source{
		Checkpoint: g.cosignedNow, Scan: g.log.Scan, Subtree: g.log.Subtree, Blob: g.blobs.Get, Replay: a.replayedSession,
		Minimum: g.log.Minimum, Signers: g.keys.signers(), Keys: g.keys.vkeys(), Recipients: g.cfg.Auditors, Now: g.deps.Now,
		TrustPolicy: g.trustText(),
	}
}

// checkpoint gives out the newest checkpoint that the witnesses cosigned, or,
// where there is none, a signed one over everything that is durable now.
func (a *api) checkpoint(ctx context.Context, w http.ResponseWriter, r *http.Request, _ caller) error {
	if _, err := query(r); err != nil {
		return err
	}
	signed, err := a.g.cosignedLast(ctx)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, err = w.Write(signed)
	return err
}

// verifierKey gives out the keys that checkpoints are verified with, one a line.
func (a *api) verifierKey(_ context.Context, w http.ResponseWriter, r *http.Request, _ caller) error {
	if _, err := query(r); err != nil {
		return err
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, err := io.WriteString(w, strings.Join(a.g.keys.vkeys(), "\n")+"\n")
	return err
}

// maxFaults bounds the faults that a verification lists.
const maxFaults = 100

// verification is what a walk over the ledger found.
type verification struct {
	OK       bool      `json:"ok"`
	Origin   string    `json:"origin"`
	Keys     []string  `json:"keys"`
	At       time.Time `json:"at"`
	Minimum  uint64    `json:"minimum"`   // the lowest index that is kept; what is below was pruned
	Leaves   uint64    `json:"leaves"`    // checked against the tiles and the checkpoint then
	TreeSize uint64    `json:"tree_size"` // of the checkpoint whose root follows
	Root     string    `json:"root"`      // base64
	Sessions int       `json:"sessions"`  // whose chains were followed
	Open     int       `json:"open"`      // of them, those without a close
	Faults   []string  `json:"faults"`
}

// verifyLedger checks every leaf against the Merkle log and its checkpoint, and
// every session's chain. It is the gateway's own word; a bundle is verified
// without it.
func (a *api) verifyLedger(ctx context.Context, r *http.Request, c caller) (any, error) {
	if _, err := query(r); err != nil {
		return nil, err
	}
	if !c.auditor && !c.administrator {
		return nil, sallyport.E(sallyport.Denied, "api", "this is for auditors and administrators").
			WithHint("they are named in the api section of the gateway's configuration")
	}
	release, err := a.weighty()
	if err != nil {
		return nil, err
	}
	defer release()
	v := verification{Origin: a.g.cfg.Origin, Keys: a.g.keys.vkeys(), At: a.g.deps.Now().UTC(), Faults: []string{}}
	v.Leaves, err = a.g.log.Verify(ctx)
	if err := v.judge(err); err != nil {
		return nil, err
	}
	if err := v.judge(a.readRoot(&v)); err != nil {
		return nil, err
	}
	if err := v.judge(a.walk(ctx, &v)); err != nil {
		return nil, err
	}
	switch to, err := a.g.retention.PrunedTo(ctx); {
	case err != nil:
		return nil, err
	case to != a.g.log.Minimum():
		v.fault(fmt.Sprintf("the log is pruned up to leaf %d, and what is on record is %d", a.g.log.Minimum(), to))
	}
	v.Minimum = a.g.log.Minimum()
	v.OK = len(v.Faults) == 0
	return v, nil
}

// judge lists an error that says something about the ledger, and returns any
// other.
func (v *verification) judge(err error) error {
	if err == nil || sallyport.KindOf(err) != sallyport.Integrity {
		return err
	}
	msg, _ := sallyport.Public(err)
	v.fault(msg)
	return nil
}

func (v *verification) fault(msg string) {
	if len(v.Faults) < maxFaults {
		v.Faults = append(v.Faults, msg)
	}
}

// readRoot opens the newest checkpoint with the key that auditors are given.
func (a *api) readRoot(v *verification) error {
	cp, err := evidence.OpenCheckpoint(a.g.log.Checkpoint(), a.g.keys.verifiers())
	if err != nil {
		return sallyport.E(sallyport.Integrity, "verify", "the checkpoint does not verify").Because(err)
	}
	v.TreeSize, v.Root = cp.Size, cp.Root.String()
	return nil
}

// walk follows the chain of every session.
func (a *api) walk(ctx context.Context, v *verification) error {
	chains := map[sallyport.SessionID]*evidence.Chain{}
	err := a.g.log.Scan(ctx, 0, func(i uint64, raw []byte) error {
		l, err := evidence.ParseLeaf(raw)
		if err != nil {
			v.fault(fmt.Sprintf("leaf %d cannot be read", i))
			return nil
		}
		if l.Session == "" {
			return nil
		}
		chain := chains[l.Session]
		if chain == nil {
			fresh := evidence.NewChain(l.Session)
			if l.Seq > 1 && a.g.log.Minimum() > 0 { // it began before what was pruned
				fresh = evidence.ResumeChain(l.Session, l.Seq-1, l.Prev)
			}
			chain = &fresh
			chains[l.Session] = chain
			v.Sessions++
		}
		var want evidence.Leaf[struct{}]
		chain.Next(&want.Session, &want.Seq, &want.Prev)
		if l.Seq != want.Seq || l.Prev != want.Prev {
			v.fault(fmt.Sprintf("leaf %d does not follow the leaf before it in session %s", i, l.Session))
		}
		chain.Add(raw)
		if l.Type == evidence.TypeSessionClose {
			delete(chains, l.Session)
		}
		return nil
	})
	v.Open = len(chains)
	return err
}
