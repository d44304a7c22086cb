// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package ledger_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"hash/crc32"
	"testing"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/evidence"
	"github.com/sallyport-dev/sallyport/internal/ledger"
	"github.com/sallyport-dev/sallyport/internal/ledger/ledgertest"
)

// keys returns an epoch's ratchet and what its auditors get.
func keys(t testing.TB, seed byte) (*ledger.Ratchet, evidence.SealKey) {
	t.Helper()
	r, first, err := ledger.NewRatchet(bytes.NewReader(bytes.Repeat([]byte{seed}, evidence.SealKeySize)))
	if err != nil {
		t.Fatal(err)
	}
	return r, evidence.NewSealKey([evidence.SealKeySize]byte(first))
}

// fill writes an epoch of some frames with a seal after every third one.
func fill(t *testing.T, opt ledger.Options, text string, n int) (seals []evidence.Seal) {
	t.Helper()
	l := open(t, opt)
	for i := range n {
		if _, err := l.Append(t.Context(), []byte(text), []byte{byte(i)}); err != nil {
			t.Fatal(err)
		}
		if i%3 != 2 {
			continue
		}
		s, err := l.Seal(t.Context())
		if err != nil || s == nil {
			t.Fatalf("no seal: %v", err)
		}
		seals = append(seals, *s)
	}
	closeLog(t, l)
	return seals
}

// TestFrameKeys checks the frames of two epochs with the keys of each.
func TestFrameKeys(t *testing.T) {
	t.Parallel()
	fs := ledgertest.New()
	opt := options(t, "log", fs)
	var first, second evidence.SealKey
	opt.Ratchet, first = keys(t, 1)
	seals := fill(t, opt, "one", 10)
	opt.Ratchet, second = keys(t, 2)
	fill(t, opt, "two", 7)

	for i, s := range seals {
		if missing, err := first.Check(s, origin); err != nil || missing != 0 {
			t.Errorf("seal %d: %d missing, %v", i, missing, err)
		}
	}
	for _, c := range []struct {
		seed     byte
		verified uint64
	}{{1, 10}, {2, 7}, {3, 0}} {
		_, key := keys(t, c.seed)
		report, err := ledger.VerifyFrames(t.Context(), opt, key)
		if err != nil || report.Verified != c.verified || report.Frames != 17 {
			t.Errorf("key %d: %+v, %v", c.seed, report, err)
		}
	}
	if second.ID() == first.ID() {
		t.Error("two epochs have one key")
	}
}

// TestTakenHost rewrites history as somebody can who took the machine: with the
// key that signs checkpoints and with all that the ratchet still held.
func TestTakenHost(t *testing.T) {
	t.Parallel()
	true1 := options(t, "log", ledgertest.New())
	taken, first := keys(t, 1)
	true1.Ratchet = taken
	fill(t, true1, "what happened", 10)

	forged := options(t, "log", ledgertest.New())
	forged.Ratchet = taken // as it is after those ten frames
	seals := fill(t, forged, "what did not", 10)
	forged.Ratchet = nil
	if _, err := ledger.Verify(t.Context(), forged.FS, "log", origin, forged.Verifiers); err != nil {
		t.Fatalf("the forgery should pass for a log: %v", err)
	}
	if _, err := ledger.VerifyFrames(t.Context(), forged, first); sallyport.KindOf(err) != sallyport.Integrity {
		t.Errorf("frames with later keys pass for the first ones: %v", err)
	}
	key := first
	if missing, err := key.Check(seals[0], origin); err != nil || missing == 0 {
		t.Errorf("the missing seals do not show: %d, %v", missing, err)
	}
	seals[0].N = 0
	key = first
	if _, err := key.Check(seals[0], origin); err == nil {
		t.Error("a later key passes for the first one")
	}
}

// TestFrameOfOtherKey exchanges one frame for one that was made without its key.
func TestFrameOfOtherKey(t *testing.T) {
	t.Parallel()
	make1 := func(seed byte, text string) (*ledgertest.Mem, ledger.Options) {
		fs := ledgertest.New()
		opt := options(t, "log", fs)
		opt.Ratchet, _ = keys(t, seed)
		l := open(t, opt)
		if _, err := l.Append(t.Context(), []byte(text)); err != nil {
			t.Fatal(err)
		}
		closeLog(t, l)
		return fs, opt
	}
	_, opt := make1(1, "true")
	_, first := keys(t, 1)
	if report, err := ledger.VerifyFrames(context.Background(), opt, first); err != nil || report.Verified != 1 {
		t.Fatalf("%+v, %v", report, err)
	}
	_, other := make1(2, "false")
	if report, err := ledger.VerifyFrames(context.Background(), other, first); err != nil || report.Verified != 0 {
		t.Errorf("another key's frame counts as verified: %+v, %v", report, err)
	}
}

// TestOldFrames reads a log whose frames have no keys yet, and goes on in it.
func TestOldFrames(t *testing.T) {
	t.Parallel()
	fs := ledgertest.New()
	opt := options(t, "log", fs)
	closeLog(t, open(t, opt))
	frame := make([]byte, ledger.BlockSize)
	for i := range frame {
		frame[i] = 0xff
	}
	leaf := []byte("from before")
	n := 72 + 1 + len(leaf)
	copy(frame, "SPLYWAL1")
	binary.BigEndian.PutUint32(frame[8:], uint32(n))
	binary.BigEndian.PutUint32(frame[12:], 1)
	clear(frame[16:32])
	prev := sha256.Sum256([]byte("sallyport wal\n" + origin))
	copy(frame[32:], prev[:])
	frame[72] = byte(len(leaf))
	copy(frame[73:], leaf)
	table := crc32.MakeTable(crc32.Castagnoli)
	binary.BigEndian.PutUint32(frame[64:], crc32.Checksum(frame[72:], table))
	binary.BigEndian.PutUint32(frame[68:], crc32.Checksum(frame[:68], table))
	seg, err := fs.OpenSegment(fs.Names("log/wal")[0])
	if err != nil {
		t.Fatal(err)
	}
	if _, err := seg.WriteAt(frame, 0); err != nil {
		t.Fatal(err)
	}
	l := open(t, opt)
	if _, err := l.Append(t.Context(), []byte("from now on")); err != nil {
		t.Fatal(err)
	}
	closeLog(t, l)
	l = open(t, opt)
	defer closeLog(t, l)
	for i, want := range []string{"from before", "from now on"} {
		if got, err := l.Read(t.Context(), uint64(i)); err != nil || string(got) != want {
			t.Errorf("leaf %d is %q, %v", i, got, err)
		}
	}
}
