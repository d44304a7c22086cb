// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package ledger_test

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"

	merkleproof "github.com/transparency-dev/merkle/proof"
	"github.com/transparency-dev/merkle/rfc6962"
	"github.com/transparency-dev/tessera/client"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/ledger"
	"github.com/sallyport-dev/sallyport/internal/ledger/ledgertest"
	"golang.org/x/mod/sumdb/tlog"
)

// paddedLeaf is large enough that the write-ahead log gives up its segments.
func paddedLeaf(i uint64) []byte {
	return binary.BigEndian.AppendUint64(bytes.Repeat([]byte("z"), 1500), i)
}

// fillUp appends n leaves and publishes now and then.
func fillUp(t *testing.T, l *ledger.Log, n uint64) (leaves []string) {
	t.Helper()
	for i := range n {
		leaf := paddedLeaf(i)
		if _, err := l.Append(t.Context(), leaf); err != nil {
			t.Fatal(err)
		}
		leaves = append(leaves, string(leaf))
		if i%100 == 99 {
			if _, err := l.Publish(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
	if _, err := l.Publish(t.Context()); err != nil {
		t.Fatal(err)
	}
	return leaves
}

// checkPruned checks what C2SP tlog-tiles says that a client of a pruned log can
// obtain: every leaf from the minimum on, its proof in every tree, and a proof
// between every two trees that are not smaller.
func checkPruned(t *testing.T, l *ledger.Log, leaves []string, minimum uint64) {
	t.Helper()
	size := uint64(len(leaves))
	if got := l.Minimum(); got != minimum {
		t.Fatalf("the minimum is %d, want %d", got, minimum)
	}
	if n, err := l.Verify(t.Context()); n != size || err != nil {
		t.Fatalf("verify: %d, %v", n, err)
	}
	next := minimum
	err := l.Scan(t.Context(), 0, func(i uint64, leaf []byte) error {
		if i != next || string(leaf) != leaves[i] {
			t.Fatalf("leaf %d where %d should be, or another one", i, next)
		}
		next++
		return nil
	})
	if err != nil || next != size {
		t.Fatalf("scan ended at %d: %v", next, err)
	}
	for _, i := range []uint64{0, minimum / 2, minimum - 1} {
		_, rerr := l.Read(t.Context(), i)
		_, perr := l.InclusionProof(t.Context(), i, size)
		for _, err := range []error{rerr, perr} {
			if sallyport.KindOf(err) != sallyport.NotFound || !strings.Contains(err.Error(), "was pruned") {
				t.Fatalf("leaf %d below the minimum: %v", i, err)
			}
		}
	}
	for _, n := range []uint64{minimum + 1, minimum + 2, size - 1, size} {
		root := rootOf(leaves[:n])
		for i := minimum; i < n; i += 7 {
			proof, err := l.InclusionProof(t.Context(), i, n)
			if err != nil {
				t.Fatalf("proof of %d in %d: %v", i, n, err)
			}
			if err := tlog.CheckRecord(proof, int64(n), root, int64(i), tlog.RecordHash([]byte(leaves[i]))); err != nil {
				t.Fatalf("proof of %d in %d: %v", i, n, err)
			}
		}
		for _, old := range []uint64{minimum, minimum + 1, n - 1} {
			if old < minimum || old == 0 || old > n {
				continue
			}
			proof, err := tlog.ProveTree(int64(n), int64(old), ledger.HashReader(l))
			if err != nil {
				t.Fatalf("consistency of %d and %d: %v", old, n, err)
			}
			if err := tlog.CheckTree(proof, int64(n), root, int64(old), rootOf(leaves[:old])); err != nil {
				t.Fatalf("consistency of %d and %d: %v", old, n, err)
			}
		}
	}
}

func TestPrune(t *testing.T) {
	t.Parallel()
	m := ledgertest.New()
	opt := options(t, "d", m)
	l := open(t, opt)
	leaves := fillUp(t, l, 1500)
	most := l.Prunable()
	if most < 1024 || most >= 1500 {
		t.Fatalf("%d leaves of 1500 can be pruned", most)
	}
	if err := l.Prune(t.Context(), most+1); sallyport.KindOf(err) != sallyport.Conflict {
		t.Errorf("beyond what can be pruned: %v", err)
	}
	for _, minimum := range []uint64{1, 255, 256, 300, 511, 512, 513, 1000, 1024, most} {
		if err := l.Prune(t.Context(), minimum); err != nil {
			t.Fatalf("to %d: %v", minimum, err)
		}
		checkPruned(t, l, leaves, minimum)
		for _, dir := range []string{"d/tiles/tile/0", "d/tiles/tile/entries"} {
			kept := 0
			for _, name := range m.Names(dir) {
				if !strings.Contains(name, ".p/") {
					kept++
				}
			}
			if want := 1500/256 - int(minimum/256); kept != want {
				t.Errorf("pruned to %d: %d whole files in %s, want %d", minimum, kept, dir, want)
			}
		}
		closeLog(t, l)
		l = open(t, opt)
		checkPruned(t, l, leaves, minimum)
	}
	if err := l.Prune(t.Context(), 5); err != nil || l.Minimum() != most {
		t.Errorf("a lower minimum: %v, %d", err, l.Minimum())
	}
	leaves = append(leaves, string(paddedLeaf(1500)))
	if _, err := l.Append(t.Context(), paddedLeaf(1500)); err != nil {
		t.Fatal(err)
	}
	checkPruned(t, l, leaves, most)
	closeLog(t, l)
}

// TestPruneFindsWhatWasChanged: a log that was pruned does not hide a change of
// what is left.
func TestPruneFindsWhatWasChanged(t *testing.T) {
	t.Parallel()
	m := ledgertest.New()
	opt := options(t, "d", m)
	l := open(t, opt)
	fillUp(t, l, 1200)
	if err := l.Prune(t.Context(), 600); err != nil {
		t.Fatal(err)
	}
	closeLog(t, l)
	signer := opt.Verifiers
	for _, name := range []string{"d/tiles/tile/1/000.p/4", "d/tiles/tile/0/002", "d/tiles/tile/entries/003"} {
		changed := m.Clone()
		changed.Flip(name, 40)
		if _, err := ledger.Verify(t.Context(), changed, "d", origin, signer); sallyport.KindOf(err) != sallyport.Integrity {
			t.Errorf("%s was changed, and Verify says %v", name, err)
		}
	}
	for _, text := range []string{"", "600\n", "1201 0\n", "700 800\n", "0600 600\n", "-1 0\n", "600 600"} {
		changed := m.Clone()
		if err := changed.Replace("d/minimum", []byte(text)); err != nil {
			t.Fatal(err)
		}
		if _, err := ledger.Verify(t.Context(), changed, "d", origin, signer); sallyport.KindOf(err) != sallyport.Integrity {
			t.Errorf("minimum %q: Verify says %v", text, err)
		}
		o := opt
		o.FS = changed
		if _, err := ledger.Open(t.Context(), o); sallyport.KindOf(err) != sallyport.Integrity {
			t.Errorf("minimum %q: Open says %v", text, err)
		}
	}
}

// TestCrashWhilePruning ends the world at each operation of a pruning.
func TestCrashWhilePruning(t *testing.T) {
	t.Parallel()
	base := ledgertest.New()
	opt := options(t, "d", base)
	l := open(t, opt)
	leaves := fillUp(t, l, 1200)
	closeLog(t, l)
	for _, how := range []ledgertest.Survival{ledgertest.NothingMore, ledgertest.Everything, ledgertest.Mixed} {
		crashes, pruned := 0, 0
		for at := 1; ; at++ {
			m := base.Clone()
			opt.FS = m
			l := open(t, opt)
			crashSoon(m, at, how)
			err := l.Prune(t.Context(), 700)
			if !hasCrashed(m) { // and does not any more
				if err != nil {
					t.Fatal(err)
				}
				closeLog(t, l)
				break
			}
			_ = l.Close(t.Context()) // the disk is gone
			crashes++
			opt.FS = m.Reboot()
			l = open(t, opt)
			switch l.Minimum() {
			case 0:
				if got := contents(t, l); len(got) != len(leaves) {
					t.Fatalf("crash at %d: %d leaves", at, len(got))
				}
			case 700:
				pruned++
				checkPruned(t, l, leaves, 700)
			default:
				t.Fatalf("crash at %d: the minimum is %d", at, l.Minimum())
			}
			closeLog(t, l)
		}
		if crashes < 6 || pruned == 0 {
			t.Errorf("%d crashes, %d after the minimum was set", crashes, pruned)
		}
	}
}

// crashSoon ends the world at the n-th operation from now on.
func crashSoon(m *ledgertest.Mem, n int, how ledgertest.Survival) {
	ops := m.Ops()
	m.Set(func(m *ledgertest.Mem) {
		m.CrashAt, m.How, m.Rand = ops+n, how, rand.New(rand.NewPCG(uint64(n), uint64(how)))
	})
}

// hasCrashed reports whether the world has ended; from then on it does not.
func hasCrashed(m *ledgertest.Mem) bool {
	m.Set(func(m *ledgertest.Mem) { m.CrashAt = 0 })
	return m.Crashed()
}

// TestTesseraReadsAPrunedLog has the client of another implementation obtain of a
// pruned log what C2SP tlog-tiles says that it can.
func TestTesseraReadsAPrunedLog(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	l := open(t, options(t, dir, nil))
	leaves := fillUp(t, l, 1500)
	const minimum = 700
	if err := l.Prune(t.Context(), minimum); err != nil {
		t.Fatal(err)
	}
	size := uint64(len(leaves))
	root := rootOf(leaves)
	fetch := client.FileFetcher{Root: filepath.Join(dir, "tiles")}
	pb, err := client.NewProofBuilder(t.Context(), size, fetch.ReadTile)
	if err != nil {
		t.Fatal(err)
	}
	for i := uint64(minimum); i < size; i += 13 {
		proof, err := pb.InclusionProof(t.Context(), i)
		if err != nil {
			t.Fatalf("leaf %d: %v", i, err)
		}
		leaf := rfc6962.DefaultHasher.HashLeaf([]byte(leaves[i]))
		if err := merkleproof.VerifyInclusion(rfc6962.DefaultHasher, i, size, leaf, proof, root[:]); err != nil {
			t.Fatalf("leaf %d: %v", i, err)
		}
		bundle, err := client.GetEntryBundle(t.Context(), fetch.ReadEntryBundle, i/256, size)
		if err != nil || string(bundle.Entries[i%256]) != leaves[i] {
			t.Fatalf("leaf %d is not in its bundle: %v", i, err)
		}
	}
	for _, old := range []uint64{minimum, 701, 768, 1024, 1499} {
		proof, err := pb.ConsistencyProof(t.Context(), old, size)
		if err != nil {
			t.Fatalf("consistency with %d: %v", old, err)
		}
		before := rootOf(leaves[:old])
		if err := merkleproof.VerifyConsistency(rfc6962.DefaultHasher, old, size, proof, before[:], root[:]); err != nil {
			t.Fatalf("consistency with %d: %v", old, err)
		}
	}
	if _, err := client.GetEntryBundle(t.Context(), fetch.ReadEntryBundle, 1, size); err == nil {
		t.Error("a bundle below the minimum is there")
	}
	closeLog(t, l)
}
