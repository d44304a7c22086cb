// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package server

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/evidence"
	"github.com/sallyport-dev/sallyport/internal/store"
)

// maxMayHave bounds how many open statements one gap event lists.
const maxMayHave = 500

// openEpoch judges how the last epoch ended and puts this one's start on record,
// with a gap event when the last one was not stopped in order.
func (g *Gateway) openEpoch(ctx context.Context) error {
	last, clean, err := g.lastEpoch(ctx)
	if err != nil {
		return err
	}
	first := last == nil
	start := evidence.Start{Version: g.deps.Version, Epoch: 1, Clean: first || clean, Keys: g.keys.vkeys()}
	if !first {
		start.Epoch = last.epoch + 1
	}
	wrapped, err := g.vault.WrapSealKey(g.sealID, g.sealKey)
	clear(g.sealKey)
	if err != nil {
		return err
	}
	start.SealKey = &wrapped
	if err := g.events.Start(ctx, start); err != nil {
		return err
	}
	if first {
		return nil
	}
	rotation, err := g.keys.rotation(g.cfg.Origin, last.keys)
	if err != nil {
		return err
	}
	if rotation != nil {
		if err := g.events.KeyRotate(ctx, *rotation); err != nil {
			return err
		}
		g.deps.Log.Info("other keys sign the ledger from now on", "keys", rotation.New)
	}
	if clean {
		return nil
	}
	open, err := g.unfinished(ctx, last.index)
	if err != nil {
		return err
	}
	gaps := 0
	for len(open) > 0 || gaps == 0 {
		n := min(len(open), maxMayHave)
		err := g.events.Gap(ctx, evidence.Gap{
			Since: last.latest, Reason: "the gateway ended without a stop event", MayHaveExecuted: open[:n],
		})
		if err != nil {
			return err
		}
		open = open[n:]
		gaps++
	}
	g.deps.Log.Warn("the last epoch ended without a stop; statements without an outcome may have executed", "epoch", last.epoch)
	return nil
}

// epoch is what is known of the last one.
type epoch struct {
	index  uint64 // of its start event
	epoch  uint64
	keys   []string
	latest time.Time
}

func (g *Gateway) lastEpoch(ctx context.Context) (*epoch, bool, error) {
	x := g.store.Index()
	starts, err := x.Events(ctx, store.EventFilter{Types: []evidence.Type{evidence.TypeStart}, Limit: 1})
	if err != nil || len(starts) == 0 {
		return nil, false, err
	}
	leaf, err := g.log.Read(ctx, starts[0].Index)
	if err != nil {
		return nil, false, err
	}
	var s evidence.Leaf[evidence.Start]
	if err := json.Unmarshal(leaf, &s); err != nil {
		return nil, false, sallyport.E(sallyport.Integrity, "open", "the last start event cannot be read").Because(err)
	}
	newest, err := x.Events(ctx, store.EventFilter{Limit: 1})
	if err != nil {
		return nil, false, err
	}
	e := &epoch{index: starts[0].Index, epoch: s.Body.Epoch, keys: s.Body.Keys, latest: newest[0].Time}
	return e, newest[0].Type == evidence.TypeStop, nil
}

// unfinished lists the statements of the epoch that were forwarded and have no
// outcome, as "session/statement".
func (g *Gateway) unfinished(ctx context.Context, from uint64) ([]string, error) {
	type key struct {
		session sallyport.SessionID
		stmt    uint64
	}
	open := map[key]bool{}
	var order []key
	err := g.log.Scan(ctx, from, func(_ uint64, leaf []byte) error {
		l, err := evidence.ParseLeaf(leaf)
		if err != nil {
			return err
		}
		switch l.Type {
		case evidence.TypeIntent:
			var in evidence.Intent
			if err := json.Unmarshal(l.Body, &in); err != nil {
				return err
			}
			if in.Phase == "execute" {
				k := key{l.Session, in.Stmt}
				open[k] = true
				order = append(order, k)
			}
		case evidence.TypeOutcome:
			var o evidence.Outcome
			if err := json.Unmarshal(l.Body, &o); err != nil {
				return err
			}
			delete(open, key{l.Session, o.Stmt})
			if len(order) > 2*len(open)+1024 { // forget the settled ones
				kept := order[:0]
				for _, k := range order {
					if open[k] {
						kept = append(kept, k)
					}
				}
				order = kept
			}
		}
		return nil
	})
	var out []string
	for _, k := range order {
		if open[k] {
			out = append(out, fmt.Sprintf("%s/%d", k.session, k.stmt))
		}
	}
	return out, err
}
