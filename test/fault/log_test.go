// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package fault_test

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/sallyport-dev/sallyport/internal/ledger"
)

const origin = "ledger.example/fault"

// options are those of a log whose key is the same every time, in small segments
// and with a checkpoint every few milliseconds.
func options(dir string, fs ledger.FS) (ledger.Options, error) {
	skey, vkey, err := note.GenerateKey(bytes.NewReader(make([]byte, 64)), origin)
	if err != nil {
		return ledger.Options{}, err
	}
	signer, err := note.NewSigner(skey)
	if err != nil {
		return ledger.Options{}, err
	}
	verifier, err := note.NewVerifier(vkey)
	if err != nil {
		return ledger.Options{}, err
	}
	return ledger.Options{
		Dir: dir, Origin: origin, Signers: []note.Signer{signer}, Verifiers: note.VerifierList(verifier), Now: time.Now,
		SegmentSize: ledger.MinSegmentSize, CheckpointEvery: 5 * time.Millisecond, FS: fs,
	}, nil
}

// memOptions are options for a log in memory that publishes when it is asked to.
func memOptions(t testing.TB, fs ledger.FS) ledger.Options {
	t.Helper()
	opt, err := options("d", fs)
	if err != nil {
		t.Fatal(err)
	}
	opt.CheckpointEvery = time.Hour
	return opt
}

// leafOf is the synthetic leaf of a writer.
func leafOf(writer int, n uint64, size int) []byte {
	head := fmt.Sprintf("writer %d leaf %d ", writer, n)
	return []byte(head + strings.Repeat("x", max(size-len(head), 0)))
}

// contents returns every leaf of a log.
func contents(ctx context.Context, l *ledger.Log) (leaves []string, err error) {
	err = l.Scan(ctx, 0, func(index uint64, leaf []byte) error {
		if index != uint64(len(leaves)) {
			return fmt.Errorf("index %d where %d should be", index, len(leaves))
		}
		leaves = append(leaves, string(leaf))
		return nil
	})
	return leaves, err
}

// missing counts acknowledged leaves that are not at their index in their words.
func missing(leaves []string, acked map[uint64]string) (n int) {
	for index, leaf := range acked {
		if index >= uint64(len(leaves)) || leaves[index] != leaf {
			n++
		}
	}
	return n
}

// inspect opens a log as after a restart and counts what is missing of what was
// acknowledged. The log must open, verify and take another leaf.
func inspect(t *testing.T, opt ledger.Options, acked map[uint64]string) (lost int) {
	t.Helper()
	l, err := ledger.Open(t.Context(), opt)
	if err != nil {
		t.Errorf("the log does not open again: %v", err)
		return len(acked)
	}
	leaves, err := contents(t.Context(), l)
	if err != nil {
		t.Errorf("scan: %v", err)
	}
	lost = missing(leaves, acked)
	if _, err := l.Append(t.Context(), []byte("goes on")); err != nil {
		t.Errorf("it takes nothing more: %v", err)
	}
	if n, err := l.Verify(t.Context()); err != nil || n != uint64(len(leaves))+1 {
		t.Errorf("verify: %d leaves, %v", n, err)
	}
	if err := l.Close(t.Context()); err != nil {
		t.Errorf("close: %v", err)
	}
	return lost
}
