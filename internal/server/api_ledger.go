// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package server

import (
	"context"
	"net/http"
	"strconv"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/evidence"
)

// tile gives out the Merkle log read-only, in the layout of C2SP tlog-tiles, for
// auditors that follow it with tools of their own.
func (a *api) tile(_ context.Context, w http.ResponseWriter, r *http.Request, c caller) error {
	if err := c.needAuditor(); err != nil {
		return err
	}
	if _, err := query(r); err != nil {
		return err
	}
	path := r.PathValue("path")
	b, err := a.g.log.Tile(path)
	if err != nil {
		return err
	}
	if path == "checkpoint" {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	} else {
		w.Header().Set("Content-Type", "application/octet-stream")
	}
	_, err = w.Write(b)
	return err
}

// provenLeaf is one event of the ledger with the proof that the log has it.
type provenLeaf struct {
	Index uint64 `json:"index"`
	Leaf  []byte `json:"leaf"`  // the exact bytes
	Proof string `json:"proof"` // C2SP tlog-proof
}

// proof proves one event.
func (a *api) proof(ctx context.Context, r *http.Request, c caller) (any, error) {
	if err := c.needAuditor(); err != nil {
		return nil, err
	}
	q, err := query(r, "index")
	if err != nil {
		return nil, err
	}
	index, err := strconv.ParseUint(q.Get("index"), 10, 63)
	if err != nil {
		return nil, sallyport.E(sallyport.Invalid, "proof", "index is the number of an event, from 0").
			WithHint("the tables of a bundle and the events of a session name it as their leaf")
	}
	leaf, err := a.g.log.Read(ctx, index)
	if err != nil {
		return nil, err
	}
	signed := a.g.log.Checkpoint()
	cp, err := evidence.OpenCheckpoint(signed, a.g.keys.verifiers())
	if err != nil {
		return nil, sallyport.E(sallyport.Integrity, "proof", "the checkpoint does not verify").Because(err)
	}
	hashes, err := a.g.log.InclusionProof(ctx, index, cp.Size)
	if err != nil {
		return nil, err
	}
	return provenLeaf{Index: index, Leaf: leaf, Proof: string(evidence.FormatProof(index, hashes, signed))}, nil
}
