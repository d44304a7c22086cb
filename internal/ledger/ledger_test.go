// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package ledger_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/ledger"
	"github.com/sallyport-dev/sallyport/internal/ledger/ledgertest"
	"go.uber.org/goleak"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

func TestMain(m *testing.M) {
	if os.Getenv(childDir) != "" {
		os.Exit(appendUntilKilled())
	}
	goleak.VerifyTestMain(m)
}

const origin = "ledger.example/gw1"

// testKey returns the same key pair every time.
func testKey(t testing.TB) (note.Signer, note.Verifier) {
	t.Helper()
	skey, vkey, err := note.GenerateKey(bytes.NewReader(make([]byte, 64)), origin)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := note.NewSigner(skey)
	if err != nil {
		t.Fatal(err)
	}
	verifier, err := note.NewVerifier(vkey)
	if err != nil {
		t.Fatal(err)
	}
	return signer, verifier
}

func options(t testing.TB, dir string, fs ledger.FS) ledger.Options {
	t.Helper()
	signer, verifier := testKey(t)
	ratchet, _ := keys(t, 1)
	return ledger.Options{
		Dir: dir, Origin: origin, Signers: []note.Signer{signer}, Verifiers: note.VerifierList(verifier), Ratchet: ratchet,
		SegmentSize: ledger.MinSegmentSize, CheckpointEvery: time.Hour, FS: fs,
	}
}

// on moves a log to another file system, with its head.
func on(opt ledger.Options, fs ledger.FS) ledger.Options {
	opt.FS, opt.Head = fs, ledger.FileHead{FS: fs, Name: "head/checkpoint"}
	return opt
}

func open(t testing.TB, opt ledger.Options) *ledger.Log {
	t.Helper()
	l, err := ledger.Open(t.Context(), opt)
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	return l
}

func closeLog(t testing.TB, l *ledger.Log) {
	t.Helper()
	if err := l.Close(context.Background()); err != nil {
		t.Fatalf("close: %v", err)
	}
}

// leafOf makes a synthetic leaf that says which one it is.
func leafOf(i uint64) []byte {
	return fmt.Appendf(nil, "{\"v\":1,\"leaf\":%d,\"pad\":\"%s\"}", i, strings.Repeat("p", int(i*37%400)))
}

// contents returns every leaf of a log.
func contents(t testing.TB, l *ledger.Log) (leaves []string) {
	t.Helper()
	err := l.Scan(t.Context(), 0, func(index uint64, leaf []byte) error {
		if index != uint64(len(leaves)) {
			return fmt.Errorf("index %d where %d should be", index, len(leaves))
		}
		leaves = append(leaves, string(leaf))
		return nil
	})
	if err != nil {
		t.Fatalf("scan: %v", err)
	}
	return leaves
}

// checkProofs checks an inclusion proof of every leaf at some sizes of the tree
// with package tlog alone.
func checkProofs(t testing.TB, l *ledger.Log, leaves []string, sizes ...uint64) {
	t.Helper()
	for _, size := range sizes {
		root := rootOf(leaves[:size])
		for i := range size {
			proof, err := l.InclusionProof(t.Context(), i, size)
			if err != nil {
				t.Fatalf("proof of %d in %d: %v", i, size, err)
			}
			if err := tlog.CheckRecord(proof, int64(size), root, int64(i), tlog.RecordHash([]byte(leaves[i]))); err != nil {
				t.Fatalf("proof of %d in %d: %v", i, size, err)
			}
		}
	}
}

// rootOf is RFC 6962 section 2.1 written down plainly.
func rootOf(leaves []string) tlog.Hash {
	switch len(leaves) {
	case 0:
		return sha256.Sum256(nil)
	case 1:
		return tlog.RecordHash([]byte(leaves[0]))
	}
	k := 1
	for k*2 < len(leaves) {
		k *= 2
	}
	return tlog.NodeHash(rootOf(leaves[:k]), rootOf(leaves[k:]))
}

func TestAppendReadProveReopen(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name   string
		fs     ledger.FS
		method string
	}{
		{"direct", ledger.OS{}, "direct+dsync"},
		{"buffered", ledger.OS{Buffered: true}, "write+fdatasync"},
		{"memory", ledgertest.New(), "memory"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			dir := "ledger"
			if tc.method != "memory" {
				dir = t.TempDir()
			}
			opt := options(t, dir, tc.fs)
			l := open(t, opt)
			if diff := cmp.Diff(ledger.Recovered{Clean: true}, l.Recovered()); diff != "" {
				t.Errorf("recovered of a new log (-want +got):\n%s", diff)
			}
			var want []string
			for i := range uint64(1500) {
				first, err := l.Append(t.Context(), leafOf(i))
				if err != nil || first != i {
					t.Fatalf("append %d: index %d, %v", i, first, err)
				}
				want = append(want, string(leafOf(i)))
			}
			if diff := cmp.Diff(want, contents(t, l)); diff != "" {
				t.Fatalf("leaves (-want +got):\n%s", diff)
			}
			got, err := l.Read(t.Context(), 777)
			if err != nil || string(got) != want[777] {
				t.Fatalf("read 777: %q, %v", got, err)
			}
			if _, err := l.Read(t.Context(), 1500); sallyport.KindOf(err) != sallyport.NotFound {
				t.Errorf("read beyond the end: %v", err)
			}
			checkProofs(t, l, want, 1, 2, 255, 256, 257, 1000, 1500)
			if s := l.Stats(); s.Leaves != 1500 || s.Flushes != 1500 || s.P99Micros < s.P50Micros || s.Method != tc.method {
				t.Errorf("stats: %+v", s)
			}
			closeLog(t, l)

			l = open(t, opt)
			if diff := cmp.Diff(ledger.Recovered{Leaves: 1500, Clean: true}, l.Recovered()); diff != "" {
				t.Errorf("recovered (-want +got):\n%s", diff)
			}
			if first, err := l.Append(t.Context(), []byte("a"), []byte("b")); err != nil || first != 1500 {
				t.Fatalf("append after reopening: %d, %v", first, err)
			}
			want = append(want, "a", "b")
			if diff := cmp.Diff(want, contents(t, l)); diff != "" {
				t.Fatalf("leaves after reopening (-want +got):\n%s", diff)
			}
			if n, err := l.Verify(t.Context()); err != nil || n != 1502 {
				t.Fatalf("verify: %d, %v", n, err)
			}
			closeLog(t, l)
		})
	}
}

func TestGroupCommit(t *testing.T) {
	t.Parallel()
	l := open(t, options(t, t.TempDir(), nil))
	const writers, each = 32, 100
	var mu sync.Mutex
	got := map[uint64]string{}
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			buf := make([]byte, 0, 100)
			for i := range each {
				buf = fmt.Appendf(buf[:0], "writer %d leaf %d", w, i)
				first, err := l.Append(t.Context(), buf)
				if err != nil {
					t.Errorf("append: %v", err)
					return
				}
				mu.Lock()
				got[first] = string(buf)
				mu.Unlock()
				clear(buf) // the log must have its own copy
			}
		})
	}
	wg.Wait()
	leaves := contents(t, l)
	if len(leaves) != writers*each || len(got) != writers*each {
		t.Fatalf("%d leaves, %d distinct indexes", len(leaves), len(got))
	}
	for i, leaf := range leaves {
		if got[uint64(i)] != leaf {
			t.Fatalf("leaf %d is %q, its writer was told of %q", i, leaf, got[uint64(i)])
		}
	}
	if s := l.Stats(); s.Flushes >= writers*each {
		t.Errorf("%d writes for %d leaves: nothing was grouped", s.Flushes, s.Leaves)
	}
	closeLog(t, l)
}

func TestPostBecomesDurable(t *testing.T) {
	t.Parallel()
	l := open(t, options(t, t.TempDir(), nil))
	// Alone, the flusher takes it.
	if err := l.Post([]byte("alone")); err != nil {
		t.Fatal(err)
	}
	for l.Size() == 0 {
		time.Sleep(time.Millisecond)
	}
	// With Sync.
	if err := l.Post([]byte("synced")); err != nil {
		t.Fatal(err)
	}
	if err := l.Sync(t.Context()); err != nil || l.Size() != 2 {
		t.Fatalf("sync: size %d, %v", l.Size(), err)
	}
	// Along with an append, before it.
	if err := l.Post([]byte("ahead")); err != nil {
		t.Fatal(err)
	}
	if first, err := l.Append(t.Context(), []byte("behind")); err != nil || first != 3 {
		t.Fatalf("append after a post: index %d, %v", first, err)
	}
	// Close takes the rest, and more than one buffer of it.
	big := bytes.Repeat([]byte("x"), 60_000)
	for range 20 {
		if err := l.Post(big); err != nil {
			t.Fatal(err)
		}
	}
	closeLog(t, l)
	if l.Size() != 24 {
		t.Errorf("%d leaves after close", l.Size())
	}
	if err := l.Post([]byte("late")); sallyport.KindOf(err) != sallyport.Unavailable {
		t.Errorf("post after close: %v", err)
	}
}

func TestRefusedLeaves(t *testing.T) {
	t.Parallel()
	l := open(t, options(t, "d", ledgertest.New()))
	defer closeLog(t, l)
	huge := make([]byte, 65536)
	for name, leaves := range map[string][][]byte{
		"none": nil, "empty": {{}}, "too large": {huge}, "one too large": {[]byte("ok"), huge},
		"too many at once": {huge[1:], huge[1:], huge[1:]},
	} {
		if _, err := l.Append(t.Context(), leaves...); sallyport.KindOf(err) != sallyport.Invalid {
			t.Errorf("%s: %v", name, err)
		}
	}
	if l.Size() != 0 {
		t.Errorf("%d leaves", l.Size())
	}
	if _, err := l.Append(t.Context(), huge[1:]); err != nil {
		t.Errorf("the largest leaf: %v", err)
	}
}

func TestOptionsAndDirectories(t *testing.T) {
	t.Parallel()
	good := func() ledger.Options { return options(t, t.TempDir(), nil) }
	for name, tc := range map[string]struct {
		change func(*ledger.Options)
		kind   sallyport.Kind
	}{
		"no directory":  {func(o *ledger.Options) { o.Dir = "" }, sallyport.Invalid},
		"no signer":     {func(o *ledger.Options) { o.Signers = nil }, sallyport.Invalid},
		"no origin":     {func(o *ledger.Options) { o.Origin = "" }, sallyport.Invalid},
		"bad origin":    {func(o *ledger.Options) { o.Origin = "a\nb" }, sallyport.Invalid},
		"small segment": {func(o *ledger.Options) { o.SegmentSize = 4096 }, sallyport.Invalid},
		"odd segment":   {func(o *ledger.Options) { o.SegmentSize++ }, sallyport.Invalid},
		"full disk": {func(o *ledger.Options) {
			m := ledgertest.New()
			m.Fault = func(op, _ string) error {
				if op == "create" {
					return syscall.ENOSPC
				}
				return nil
			}
			o.FS = m
		}, sallyport.Unavailable},
		"read-only disk": {func(o *ledger.Options) {
			m := ledgertest.New()
			m.Fault = func(string, string) error { return syscall.EROFS }
			o.FS = m
		}, sallyport.Unavailable},
		"a file in the way": {func(o *ledger.Options) {
			o.Dir = filepath.Join(o.Dir, "file")
			if err := os.WriteFile(o.Dir, nil, 0o600); err != nil {
				t.Error(err)
			}
		}, sallyport.Unavailable},
	} {
		opt := good()
		tc.change(&opt)
		l, err := ledger.Open(t.Context(), opt)
		if sallyport.KindOf(err) != tc.kind || l != nil {
			t.Errorf("%s: %v", name, err)
		}
		if _, hint := sallyport.Public(err); tc.kind == sallyport.Unavailable && hint == "" {
			t.Errorf("%s: no hint in %v", name, err)
		}
	}
}

func TestOneProcessAtATime(t *testing.T) {
	t.Parallel()
	opt := options(t, t.TempDir(), nil)
	l := open(t, opt)
	if _, err := ledger.Open(t.Context(), opt); sallyport.KindOf(err) != sallyport.Unavailable {
		t.Errorf("second open: %v", err)
	}
	closeLog(t, l)
	closeLog(t, open(t, opt))
}

// TestPoison lets one operation fail and checks that nothing is acknowledged
// after it, that the failed write is not tried again, and that what was
// acknowledged before is there after a restart.
func TestPoison(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name, op string
		err      error
	}{
		{"write error", "segment", syscall.EIO},
		{"disk full in the log", "segment", syscall.ENOSPC},
		{"disk full in the tiles", "write", syscall.ENOSPC},
		{"disk full at the next segment", "create", syscall.ENOSPC},
		{"checkpoint not replaced", "replace", syscall.EIO},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			m := ledgertest.New()
			opt := options(t, "d", m)
			l := open(t, opt)
			for i := range uint64(5) {
				if _, err := l.Append(t.Context(), leafOf(i)); err != nil {
					t.Fatal(err)
				}
			}
			failed := 0
			m.Set(func(m *ledgertest.Mem) {
				m.Fault = func(op, _ string) error {
					if op != tc.op {
						return nil
					}
					failed++
					return tc.err
				}
			})
			acked := uint64(5)
			var wg sync.WaitGroup
			var mu sync.Mutex
			for range 8 {
				wg.Go(func() {
					for range 1000 {
						if _, err := l.Append(t.Context(), bytes.Repeat([]byte("x"), 900)); err != nil {
							if sallyport.KindOf(err) != sallyport.Unavailable || !errors.Is(err, tc.err) {
								t.Errorf("waiter got %v", err)
							}
							return
						}
						mu.Lock()
						acked++
						mu.Unlock()
						if tc.op == "write" || tc.op == "replace" {
							_, _ = l.Publish(t.Context()) // its error shows at the next append
						}
					}
				})
			}
			wg.Wait()
			<-l.Poisoned()
			if !errors.Is(l.Err(), tc.err) {
				t.Errorf("sticky error: %v", l.Err())
			}
			m.Set(func(m *ledgertest.Mem) {
				if failed != 1 {
					t.Errorf("%d failing operations: the log tried again", failed)
				}
				m.Fault = nil // the disk has recovered; the log must not
			})
			for name, err := range map[string]error{
				"append": second(l.Append(t.Context(), []byte("x"))),
				"post":   l.Post([]byte("x")),
				"sync":   l.Sync(t.Context()),
				"close":  l.Close(t.Context()),
			} {
				if !errors.Is(err, tc.err) {
					t.Errorf("%s after the failure: %v", name, err)
				}
			}
			l = open(t, opt)
			if n := uint64(len(contents(t, l))); n < acked {
				t.Errorf("%d leaves after a restart, %d were acknowledged", n, acked)
			}
			closeLog(t, l)
		})
	}
}

func second(_ uint64, err error) error { return err }

func TestGivenUpWaitsLeaveTheLogWorking(t *testing.T) {
	t.Parallel()
	m := ledgertest.New()
	l := open(t, options(t, "d", m))
	// Hold the first write back, so that the others have to wait.
	hold, entered := make(chan struct{}), make(chan struct{})
	var once sync.Once
	m.Set(func(m *ledgertest.Mem) {
		m.Fault = func(op, _ string) error {
			if op == "segment" {
				once.Do(func() { close(entered); <-hold })
			}
			return nil
		}
	})
	var wg sync.WaitGroup
	wg.Go(func() {
		if _, err := l.Append(t.Context(), []byte("first")); err != nil {
			t.Errorf("first: %v", err)
		}
	})
	<-entered
	ctx, cancel := context.WithCancel(t.Context())
	for range 4 {
		wg.Go(func() {
			_, err := l.Append(ctx, []byte("given up"))
			if err != nil && (sallyport.KindOf(err) != sallyport.Unavailable || !errors.Is(err, context.Canceled)) {
				t.Errorf("given up: %v", err)
			}
		})
	}
	cancel()
	close(hold)
	wg.Wait()
	if err := l.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Append(t.Context(), []byte("last")); err != nil {
		t.Fatal(err)
	}
	closeLog(t, l)
}

func TestSegmentsRollAndAreGivenUp(t *testing.T) {
	t.Parallel()
	m := ledgertest.New()
	opt := options(t, "d", m)
	l := open(t, opt)
	var want []string
	for i := range uint64(300) {
		leaf := binary.BigEndian.AppendUint64(bytes.Repeat([]byte("z"), 5000), i)
		if _, err := l.Append(t.Context(), leaf); err != nil {
			t.Fatal(err)
		}
		want = append(want, string(leaf))
		if i%50 == 49 {
			if _, err := l.Publish(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
	if n := len(m.Names("d/wal")); n > 4 {
		t.Errorf("%d segments are kept", n)
	}
	closeLog(t, l)
	l = open(t, opt)
	if diff := cmp.Diff(want, contents(t, l)); diff != "" {
		t.Errorf("leaves (-want +got):\n%s", diff)
	}
	if n, err := l.Verify(t.Context()); n != 300 || err != nil {
		t.Errorf("verify: %d, %v", n, err)
	}
	closeLog(t, l)
}
