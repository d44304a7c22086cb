// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package ledger_test

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/sallyport-dev/sallyport/internal/ledger"
	"github.com/sallyport-dev/sallyport/internal/ledger/ledgertest"
	"github.com/transparency-dev/merkle/rfc6962"
	"github.com/transparency-dev/tessera/api"
	"github.com/transparency-dev/tessera/client"
	"github.com/transparency-dev/tessera/fsck"
	"golang.org/x/mod/sumdb/note"
	"pgregory.net/rapid"
)

// testKeyText returns the same key pair every time, in text form.
func testKeyText(t testing.TB) (skey, vkey string) {
	t.Helper()
	skey, vkey, err := note.GenerateKey(bytes.NewReader(make([]byte, 64)), origin)
	if err != nil {
		t.Fatal(err)
	}
	return skey, vkey
}

func childOptions(dir, skey, vkey string) (ledger.Options, error) {
	signer, err := note.NewSigner(skey)
	if err != nil {
		return ledger.Options{}, err
	}
	verifier, err := note.NewVerifier(vkey)
	if err != nil {
		return ledger.Options{}, err
	}
	return ledger.Options{
		Dir: dir, Origin: origin, Signers: []note.Signer{signer}, Verifiers: note.VerifierList(verifier),
		SegmentSize: 256 << 10, CheckpointEvery: 10 * time.Millisecond,
	}, nil
}

// TestModel runs random histories against a log and against a slice.
func TestModel(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		m := ledgertest.New()
		opt := on(options(t, "d", m), m)
		l := open(t, opt)
		var model, posted []string // durable; not known to be durable
		leaves := func(rt *rapid.T) [][]byte {
			return rapid.SliceOfN(rapid.Map(rapid.SliceOfN(rapid.Byte(), 1, 700), bytes.Clone), 1, 4).Draw(rt, "leaves")
		}
		settle := func() { model, posted = append(model, posted...), nil }
		rt.Repeat(map[string]func(*rapid.T){
			"append": func(rt *rapid.T) {
				batch := leaves(rt)
				first, err := l.Append(t.Context(), batch...)
				settle()
				if err != nil || first != uint64(len(model)) {
					rt.Fatalf("append: index %d instead of %d, %v", first, len(model), err)
				}
				for _, leaf := range batch {
					model = append(model, string(leaf))
				}
			},
			"post": func(rt *rapid.T) {
				leaf := leaves(rt)[0]
				if err := l.Post(leaf); err != nil {
					rt.Fatal(err)
				}
				posted = append(posted, string(leaf))
			},
			"sync": func(rt *rapid.T) {
				if err := l.Sync(t.Context()); err != nil {
					rt.Fatal(err)
				}
				settle()
			},
			"publish": func(rt *rapid.T) {
				if _, err := l.Publish(t.Context()); err != nil {
					rt.Fatal(err)
				}
			},
			"reopen": func(rt *rapid.T) {
				closeLog(t, l)
				settle()
				l = open(t, opt)
			},
			"kill": func(rt *rapid.T) {
				if err := l.Sync(t.Context()); err != nil {
					rt.Fatal(err)
				}
				settle()
				m.Crash(ledgertest.NothingMore)
				_ = l.Close(context.Background()) // fails: the disk is gone
				m = m.Reboot()
				opt = on(opt, m)
				l = open(t, opt)
			},
			"prove": func(rt *rapid.T) {
				if len(model) == 0 {
					return
				}
				size := rapid.IntRange(1, len(model)).Draw(rt, "size")
				checkProofs(t, l, model, uint64(size))
			},
			"": func(rt *rapid.T) {
				got := contents(t, l)
				all := append(append([]string{}, model...), posted...)
				if len(got) < len(model) || len(got) > len(all) {
					rt.Fatalf("%d leaves, the model has %d and %d posted", len(got), len(model), len(posted))
				}
				if diff := cmp.Diff(all[:len(got)], got, cmpopts.EquateEmpty()); diff != "" {
					rt.Fatalf("leaves (-want +got):\n%s", diff)
				}
			},
		})
		closeLog(t, l)
	})
}

// hashBundle hashes the leaves of an entry bundle with code that is not ours.
func hashBundle(data []byte) ([][]byte, error) {
	var b api.EntryBundle
	if err := b.UnmarshalText(data); err != nil {
		return nil, err
	}
	hashes := make([][]byte, 0, len(b.Entries))
	for _, e := range b.Entries {
		hashes = append(hashes, rfc6962.DefaultHasher.HashLeaf(e))
	}
	return hashes, nil
}

// TestTesseraAgrees lets the tools of another implementation of the format read
// the tiles.
func TestTesseraAgrees(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	opt := options(t, dir, nil)
	_, verifier := testKey(t)
	l := open(t, opt)
	var n uint64
	for _, size := range []uint64{1, 255, 256, 257, 1000, 66000} {
		for n < size {
			batch := [][]byte{}
			for ; len(batch) < 100 && n < size; n++ {
				batch = append(batch, leafOf(n%50))
			}
			if _, err := l.Append(t.Context(), batch...); err != nil {
				t.Fatal(err)
			}
		}
		signed, err := l.Publish(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		fetch := client.FileFetcher{Root: filepath.Join(dir, "tiles")}
		check := fsck.New(origin, verifier, fetch, hashBundle, fsck.Opts{N: 2})
		if err := check.Check(t.Context()); err != nil {
			t.Fatalf("fsck at %d leaves: %v", size, err)
		}
		onDisk, err := os.ReadFile(filepath.Join(dir, "tiles", "checkpoint"))
		if err != nil || !bytes.Equal(onDisk, signed) {
			t.Fatalf("checkpoint on disk differs: %v", err)
		}
		pb, err := client.NewProofBuilder(t.Context(), size, fetch.ReadTile)
		if err != nil {
			t.Fatal(err)
		}
		for _, index := range []uint64{0, size / 2, size - 1} {
			want, err := pb.InclusionProof(t.Context(), index)
			if err != nil {
				t.Fatal(err)
			}
			proof, err := l.InclusionProof(t.Context(), index, size)
			if err != nil {
				t.Fatal(err)
			}
			got := make([][]byte, 0, len(proof))
			for _, h := range proof {
				got = append(got, h[:])
			}
			if len(want)+len(got) > 0 && !cmp.Equal(want, got) {
				t.Errorf("proof of %d in %d differs: %s", index, size, cmp.Diff(want, got))
			}
		}
	}
	closeLog(t, l)
}
