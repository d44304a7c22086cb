// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package fault_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"syscall"
	"testing"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/ledger"
	"github.com/sallyport-dev/sallyport/internal/ledger/ledgertest"
)

// work appends and publishes until done or until the disk fails.
func work(t *testing.T, l *ledger.Log, acked map[uint64]string) {
	for i := range uint64(24) {
		a, b := leafOf(0, 2*i, 9000), leafOf(0, 2*i+1, 9000)
		first, err := l.Append(t.Context(), a, b)
		if err != nil {
			return
		}
		acked[first], acked[first+1] = string(a), string(b)
		if i%4 == 3 {
			if _, err := l.Publish(t.Context()); err != nil {
				return
			}
		}
	}
}

// TestCrashAtEveryOperation ends the world during each operation of a workload
// and, every few, again during each operation of the recovery.
func TestCrashAtEveryOperation(t *testing.T) {
	for how, name := range map[ledgertest.Survival]string{
		ledgertest.NothingMore: "unsynced data dropped, writes torn",
		ledgertest.Everything:  "everything written survives",
		ledgertest.Mixed:       "any sectors of it survive",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := fault(t, "crash at every write: "+name, "file system in memory, its n-th operation")
			again := fault(t, "crash while recovering: "+name, "file system in memory, its n-th operation")
			for at := 1; ; at += pick(3, 1) {
				m := ledgertest.New()
				m.CrashAt, m.How, m.Rand = at, how, rand.New(rand.NewPCG(uint64(at), uint64(how)))
				opt := memOptions(t, m)
				acked := map[uint64]string{}
				if l, err := ledger.Open(t.Context(), opt); err == nil {
					work(t, l, acked)
					_ = l.Close(t.Context()) // may well fail: the disk is gone
				}
				if !m.Crashed() {
					break
				}
				r.fired++
				r.acked += len(acked)
				up := m.Reboot()
				if at%pick(15, 5) == 1 {
					opt.FS = crashRecoveries(t, again, opt, up.Clone(), how)
					again.acked += len(acked)
					again.lost += inspect(t, opt, acked)
				}
				opt.FS = up
				r.lost += inspect(t, opt, acked)
			}
		})
	}
}

// crashRecoveries ends the world during each operation of Open in turn.
func crashRecoveries(t *testing.T, r *row, opt ledger.Options, m *ledgertest.Mem, how ledgertest.Survival) *ledgertest.Mem {
	t.Helper()
	for at := 1; at < 30; at++ {
		m.CrashAt, m.How, m.Rand = at, how, rand.New(rand.NewPCG(uint64(at), uint64(how)))
		opt.FS = m
		l, err := ledger.Open(t.Context(), opt)
		if err == nil {
			_ = l.Close(t.Context()) // may well fail: the disk is gone
		} else if sallyport.KindOf(err) != sallyport.Unavailable {
			t.Errorf("crash %d of a recovery: %v", at, err)
		}
		if m.Crashed() {
			r.fired++
		}
		m = m.Reboot()
	}
	return m
}

// TestFailuresInMemory lets each kind of operation fail from a point on, with
// many writers, and wants the log to stay down after the disk has recovered.
func TestFailuresInMemory(t *testing.T) {
	for _, errno := range []syscall.Errno{syscall.EIO, syscall.ENOSPC} {
		t.Run(errno.Error(), func(t *testing.T) {
			t.Parallel()
			r := fault(t, map[syscall.Errno]string{syscall.EIO: "EIO", syscall.ENOSPC: "ENOSPC"}[errno]+" on every kind of write, eight writers", "file system in memory, the operation fails from then on")
			for _, op := range []string{"segment", "create", "write", "syncfile", "syncdir", "replace", "remove"} {
				for _, after := range []int{0, 3} {
					failAt(t, r, op, after, errno)
				}
			}
		})
	}
}

func failAt(t *testing.T, r *row, op string, after int, errno syscall.Errno) {
	t.Helper()
	m := ledgertest.New()
	opt := memOptions(t, m)
	l, err := ledger.Open(t.Context(), opt)
	if err != nil {
		t.Fatal(err)
	}
	seen, fired := 0, 0
	m.Set(func(m *ledgertest.Mem) {
		m.Fault = func(got, _ string) error {
			if got != op {
				return nil
			}
			if seen++; seen <= after {
				return nil
			}
			fired++
			return errno
		}
	})
	acked := map[uint64]string{}
	var mu sync.Mutex
	var wg sync.WaitGroup
	for w := range 8 {
		wg.Go(func() {
			for n := range uint64(2000) {
				leaf := leafOf(w, n, 900)
				first, err := l.Append(t.Context(), leaf)
				if err != nil {
					if sallyport.KindOf(err) != sallyport.Unavailable || !errors.Is(err, errno) {
						t.Errorf("%s: a waiter got %v", op, err)
					}
					return
				}
				mu.Lock()
				acked[first] = string(leaf)
				mu.Unlock()
				if n%20 == 0 {
					_, _ = l.Publish(t.Context()) // its error shows at the next append
				}
			}
		})
	}
	wg.Wait()
	m.Set(func(m *ledgertest.Mem) {
		m.Fault = nil // the disk has recovered; the log must not
		r.fired += fired
	})
	if fired == 0 || l.Err() == nil {
		t.Errorf("%s after %d: %d failures, and the log's error is %v", op, after, fired, l.Err())
		r.undetected++
	}
	_, aerr := l.Append(t.Context(), []byte("x"))
	_, perr := l.Publish(t.Context())
	for _, err := range []error{aerr, perr, l.Post([]byte("x")), l.Sync(t.Context()), l.Close(t.Context())} {
		if !errors.Is(err, errno) {
			t.Errorf("%s: the log took something after the failure: %v", op, err)
		}
	}
	r.acked += len(acked)
	r.lost += inspect(t, opt, acked)
}

// tail is a log of three frames, the last of size bytes; no checkpoint covers
// that one unless covered is set. It returns the file system as after a kill.
func tail(t *testing.T, size int, covered bool) (m *ledgertest.Mem, opt ledger.Options, acked map[uint64]string) {
	t.Helper()
	m = ledgertest.New()
	opt = memOptions(t, m)
	l, err := ledger.Open(t.Context(), opt)
	if err != nil {
		t.Fatal(err)
	}
	acked = map[uint64]string{}
	for i := range uint64(3) {
		leaf := leafOf(0, i, 900)
		if i == 2 {
			leaf = leafOf(0, i, size)
		}
		if _, err := l.Append(t.Context(), leaf); err != nil {
			t.Fatal(err)
		}
		if i < 2 || covered {
			acked[i] = string(leaf) // what is torn was never acknowledged
		}
		// Once only: the partial tiles of a checkpoint before stay for its readers, and
		// nothing depends on them any more.
		if i == 1 && !covered || i == 2 && covered {
			if _, err := l.Publish(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
	killed := m.Clone()
	if err := l.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	return killed, opt, acked
}

const firstSegment = "d/wal/0000000000000000.wal"

// TestTornFrames leaves any of the sectors of the last frame unwritten. Where no
// checkpoint covers the frame it has to be cut, and that has to be said; where
// one does, the log has to be refused as it lies.
func TestTornFrames(t *testing.T) {
	for _, covered := range []bool{false, true} {
		t.Run(fmt.Sprint(covered), func(t *testing.T) {
			t.Parallel()
			name, how := "torn last frame", "every set of its sectors left unwritten"
			if covered {
				name, how = "sectors of a frame zeroed that a checkpoint covers", "every set of its sectors"
			}
			r := fault(t, name, how)
			whole, opt, acked := tail(t, 1800, covered)
			for mask := 1; mask < 1<<8; mask += pick(3, 1) {
				m := whole.Clone()
				m.Change(firstSegment, func(b []byte) {
					for s := range 8 {
						if mask>>s&1 == 1 {
							clear(b[2*ledger.BlockSize+512*s : 2*ledger.BlockSize+512*(s+1)])
						}
					}
				})
				r.fired++
				r.acked += len(acked)
				opt.FS = m
				before := m.Clone()
				l, err := ledger.Open(t.Context(), opt)
				if covered {
					if err == nil {
						r.undetected++
						_ = l.Close(t.Context()) // the count is what fails
					} else if sallyport.KindOf(err) != sallyport.Integrity || !ledgertest.Same(before, m) {
						t.Errorf("sectors %08b: %v", mask, err)
					}
					continue
				}
				if err != nil {
					t.Errorf("sectors %08b: a torn write was taken for damage: %v", mask, err)
					continue
				}
				leaves, err := contents(t.Context(), l)
				if lost := missing(leaves, acked); err != nil || lost > 0 || len(leaves) != 2 {
					r.lost += lost
					t.Errorf("sectors %08b: %d leaves, %v", mask, len(leaves), err)
				}
				if l.Recovered().CutBytes == 0 && mask != 1<<8-1 {
					r.undetected++
				}
				if err := l.Close(t.Context()); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

// TestFlippedBits flips bits of every byte of a small log: of its write-ahead log,
// its tiles and its checkpoint. Open or the verifier have to find each, and
// nothing may be changed or cut; bits of space that was never used may be
// cleared, and then Open has to say so.
func TestFlippedBits(t *testing.T) {
	whole, opt, acked := tail(t, 1800, true)
	const used = 3 * ledger.BlockSize
	rows := map[string]*row{
		"wal":        fault(t, "bit flip in a frame", "each byte of the write-ahead log in turn"),
		"unused":     fault(t, "bit flip in unused space of the write-ahead log", "bytes of zeros in turn"),
		"tiles":      fault(t, "bit flip in tiles and entry bundles", "each byte in turn"),
		"checkpoint": fault(t, "bit flip in the checkpoint", "each byte in turn"),
	}
	m := whole.Clone()
	for _, name := range whole.Names("d") {
		kind := "tiles"
		switch {
		case strings.HasSuffix(name, ".wal"):
			kind = "wal"
		case strings.HasSuffix(name, "checkpoint"):
			kind = "checkpoint"
		}
		for off := range len(whole.Content(name)) {
			k := kind
			if k == "wal" && (name != firstSegment || off >= used) {
				if k = "unused"; off%pick(1999, 61) != 0 {
					continue
				}
			} else if k == "wal" && off%ledger.BlockSize >= 72 && off%pick(11, 1) != 0 {
				continue
			}
			for bit := range 8 {
				if bit != off%8 && (k == "unused" || k == "wal" && off%ledger.BlockSize >= 72 || !*full) {
					continue
				}
				m.Change(name, func(b []byte) { b[off] ^= 1 << bit })
				at := fmt.Sprintf("%s byte %d bit %d", name, off, bit)
				if probe(t, rows[k], opt, m, acked, k, at); m.Ops() == 0 {
					m.Change(name, func(b []byte) { b[off] ^= 1 << bit })
				} else {
					m = whole.Clone()
				}
			}
		}
	}
}

// probe opens a log with one bit changed and looks at what becomes of it.
func probe(t *testing.T, r *row, opt ledger.Options, m *ledgertest.Mem, acked map[uint64]string, kind, at string) {
	t.Helper()
	r.fired++
	r.acked += len(acked)
	opt.FS = m
	before := m.Clone()
	if kind == "tiles" || kind == "checkpoint" {
		if _, err := ledger.Verify(t.Context(), m, "d", origin, opt.Verifiers); sallyport.KindOf(err) != sallyport.Integrity {
			r.undetected++
			t.Errorf("%s: the verifier says %v", at, err)
		}
	}
	l, err := ledger.Open(t.Context(), opt)
	if err != nil {
		if sallyport.KindOf(err) != sallyport.Integrity || !ledgertest.Same(before, m) {
			t.Errorf("%s: refused, but %v", at, err)
		}
		return
	}
	leaves, err := contents(t.Context(), l)
	lost := missing(leaves, acked)
	r.lost += lost
	switch {
	case kind == "tiles":
		// Open reads the right edge of the tree; the verifier has found the rest.
	case kind != "unused" || err != nil || l.Recovered().CutBytes == 0:
		r.undetected++
		t.Errorf("%s: it opens, with %d leaves, %v", at, len(leaves), err)
	}
	if err := l.Close(t.Context()); err != nil {
		t.Errorf("%s: close: %v", at, err)
	}
}
