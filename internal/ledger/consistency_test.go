// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package ledger_test

import (
	"testing"

	"github.com/sallyport-dev/sallyport/internal/ledger/ledgertest"

	"github.com/transparency-dev/merkle/proof"
	"github.com/transparency-dev/merkle/rfc6962"
	"golang.org/x/mod/sumdb/tlog"

	sallyport "github.com/sallyport-dev/sallyport"
)

// TestConsistencyProof checks proofs between many sizes with package tlog and
// with an implementation that shares nothing with it.
func TestConsistencyProof(t *testing.T) {
	t.Parallel()
	opt := options(t, "ledger", ledgertest.New())
	l := open(t, opt)
	var leaves []string
	for i := range uint64(600) {
		if _, err := l.Append(t.Context(), leafOf(i)); err != nil {
			t.Fatal(err)
		}
		leaves = append(leaves, string(leafOf(i)))
	}
	sizes := []uint64{1, 2, 3, 7, 8, 255, 256, 257, 300, 512, 513, 599, 600}
	for _, size := range sizes {
		for _, old := range sizes {
			if old > size {
				continue
			}
			p, err := l.ConsistencyProof(t.Context(), old, size)
			if err != nil {
				t.Fatalf("from %d to %d: %v", old, size, err)
			}
			before, after := rootOf(leaves[:old]), rootOf(leaves[:size])
			if err := tlog.CheckTree(p, int64(size), after, int64(old), before); err != nil {
				t.Errorf("from %d to %d: %v", old, size, err)
			}
			hashes := make([][]byte, len(p))
			for i := range p {
				hashes[i] = p[i][:]
			}
			if err := proof.VerifyConsistency(rfc6962.DefaultHasher, old, size, hashes, before[:], after[:]); err != nil {
				t.Errorf("from %d to %d, by the oracle: %v", old, size, err)
			}
			if old != size {
				after[0] ^= 1
				if tlog.CheckTree(p, int64(size), after, int64(old), before) == nil {
					t.Errorf("from %d to %d: it proves another root", old, size)
				}
			}
		}
	}
	for _, tc := range []struct {
		old, size uint64
		kind      sallyport.Kind
	}{{0, 600, sallyport.Invalid}, {0, 0, sallyport.Invalid}, {601, 600, sallyport.Invalid}, {600, 601, sallyport.NotFound}, {1, 1 << 40, sallyport.NotFound}} {
		if p, err := l.ConsistencyProof(t.Context(), tc.old, tc.size); err == nil || sallyport.KindOf(err) != tc.kind {
			t.Errorf("from %d to %d: %v, %v", tc.old, tc.size, p, err)
		}
	}
	closeLog(t, l)
}
