// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package ledger_test

import (
	"bufio"
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/ledger"
	"github.com/sallyport-dev/sallyport/internal/ledger/ledgertest"
)

// workload appends, posts and publishes until done or until the disk fails, and
// returns how many leaves were acknowledged.
func workload(l *ledger.Log, t *testing.T) (acked uint64) {
	for i := range uint64(26) {
		first, err := l.Append(t.Context(), bigLeaf(2*i), bigLeaf(2*i+1))
		if err != nil {
			return acked
		}
		if first != 2*i {
			t.Errorf("index %d instead of %d", first, 2*i)
		}
		acked = 2*i + 2
		if i%4 == 3 {
			if _, err := l.Publish(t.Context()); err != nil {
				return acked
			}
		}
	}
	return acked
}

// bigLeaf fills segments fast.
func bigLeaf(i uint64) []byte {
	b := binary.BigEndian.AppendUint64(nil, i)
	for len(b) < 9000 {
		b = append(b, "filling "...)
	}
	return b
}

// TestCrashAtEveryOperation ends the world during each operation of a workload
// in turn, lets the machine come up again with the disk in each state that is
// possible then, and checks that nothing acknowledged is missing or changed,
// that the log verifies, and that it goes on.
func TestCrashAtEveryOperation(t *testing.T) {
	t.Parallel()
	for _, how := range []ledgertest.Survival{ledgertest.NothingMore, ledgertest.Everything, ledgertest.Mixed} {
		crashes, cuts := 0, 0
		for at := 1; ; at += stride {
			m := ledgertest.New()
			m.CrashAt, m.How, m.Rand = at, how, rand.New(rand.NewPCG(uint64(at), uint64(how)))
			opt := on(options(t, "d", m), m)
			var acked uint64
			l, err := ledger.Open(t.Context(), opt)
			if err == nil {
				acked = workload(l, t)
				_ = l.Close(t.Context()) // may well fail: the disk is gone
			}
			if !m.Crashed() {
				break
			}
			crashes++
			again := m.Reboot()
			if at%10 == 4 {
				again = crashWhileRecovering(t, opt, again, how)
			}
			opt = on(opt, again)
			l, err = ledger.Open(t.Context(), opt)
			if err != nil {
				t.Fatalf("crash at %d (%d): %v", at, how, err)
			}
			if l.Recovered().CutBytes > 0 {
				cuts++
			}
			n := l.Size()
			if n < acked {
				t.Fatalf("crash at %d (%d): %d leaves, %d were acknowledged", at, how, n, acked)
			}
			if _, err := l.Append(t.Context(), bigLeaf(n)); err != nil {
				t.Fatalf("crash at %d (%d): append: %v", at, how, err)
			}
			for i, leaf := range contents(t, l) {
				if leaf != string(bigLeaf(uint64(i))) {
					t.Fatalf("crash at %d (%d): leaf %d is not what was appended", at, how, i)
				}
			}
			if size, err := l.Verify(t.Context()); err != nil || size != n+1 {
				t.Fatalf("crash at %d (%d): verify: %d, %v", at, how, size, err)
			}
			closeLog(t, l)
		}
		if crashes*stride < 80 {
			t.Errorf("only %d crashes", crashes)
		}
		if how != ledgertest.Everything && cuts == 0 && stride == 1 {
			t.Error("no crash left a torn write")
		}
	}
}

// crashWhileRecovering ends the world again during each operation of Open, one
// after the other, on the same disk.
func crashWhileRecovering(t *testing.T, opt ledger.Options, m *ledgertest.Mem, how ledgertest.Survival) *ledgertest.Mem {
	t.Helper()
	for at := 1; at < 20; at++ {
		m.CrashAt, m.How, m.Rand = at, how, rand.New(rand.NewPCG(uint64(at), uint64(how)))
		opt = on(opt, m)
		l, err := ledger.Open(t.Context(), opt)
		if err == nil {
			_ = l.Close(t.Context()) // may well fail: the disk is gone
		}
		if err != nil && sallyport.KindOf(err) != sallyport.Unavailable {
			t.Fatalf("second crash at %d (%d): %v", at, how, err)
		}
		m = m.Reboot()
	}
	return m
}

// smallLog returns a file system with a closed log of a few frames.
func smallLog(t testing.TB) (*ledgertest.Mem, ledger.Options, []string) {
	m := ledgertest.New()
	opt := options(t, "d", m)
	l := open(t, opt)
	var want []string
	for i := range uint64(2) {
		if _, err := l.Append(t.Context(), leafOf(i), leafOf(i+100)); err != nil {
			t.Fatal(err)
		}
		want = append(want, string(leafOf(i)), string(leafOf(i+100)))
	}
	closeLog(t, l)
	return m, opt, want
}

// TestEveryFlippedByte flips one bit of each byte of a log and checks that it is
// found when the log is opened or verified; in unused space it may also be
// cleared, but then Open says so. No leaf is ever lost silently.
func TestEveryFlippedByte(t *testing.T) {
	t.Parallel()
	m, opt, want := smallLog(t)
	const used = 2 * ledger.BlockSize
	c := m.Clone()
	for _, name := range m.Names("d") {
		size := len(m.Content(name))
		for off := 0; off < size; off += stride {
			inUse := !strings.HasSuffix(name, ".wal") || strings.HasSuffix(name, "0000.wal") && off < used
			if !inUse && off%257 != 0 {
				continue // a sample of the zeros will do
			}
			c.Flip(name, off)
			found, cut, leaves := probe(t, opt, c)
			if c.Ops() == 0 {
				c.Flip(name, off) // Open refused and changed nothing
			} else {
				c = m.Clone()
			}
			if inUse && !found {
				t.Fatalf("%s byte %d: a flipped bit was not found", name, off)
			}
			if !inUse && !found && (!cut || len(leaves) != len(want)) {
				t.Fatalf("%s byte %d: a flipped bit in unused space went unmentioned", name, off)
			}
		}
	}
}

// probe opens and verifies a log; found is true if either refused with
// Integrity.
func probe(t *testing.T, opt ledger.Options, m *ledgertest.Mem) (found, cut bool, leaves []string) {
	t.Helper()
	opt.FS = m
	l, err := ledger.Open(t.Context(), opt)
	if err != nil {
		if sallyport.KindOf(err) != sallyport.Integrity {
			t.Fatalf("open: %v", err)
		}
		if m.Ops() != 0 {
			t.Fatal("open refused, but had changed files")
		}
		return true, false, nil
	}
	cut = l.Recovered().CutBytes > 0
	if _, err := l.Verify(t.Context()); err != nil {
		if sallyport.KindOf(err) != sallyport.Integrity {
			t.Fatalf("verify: %v", err)
		}
		found = true
	} else {
		leaves = contents(t, l)
	}
	closeLog(t, l)
	return found, cut, leaves
}

// TestTails lays different ends below a log whose last frame no checkpoint
// covers.
func TestTails(t *testing.T) {
	t.Parallel()
	const wal = "d/wal/0000000000000000.wal"
	const last = 2 * ledger.BlockSize
	zero := func(b []byte) { clear(b) }
	for _, tc := range []struct {
		name    string
		covered bool // by the checkpoint
		damage  func(b []byte)
		refuse  bool
		leaves  int
		cut     bool
	}{
		{name: "whole", damage: func([]byte) {}, leaves: 6},
		{name: "second half unwritten", damage: func(b []byte) { zero(b[last+2048 : last+4096]) }, leaves: 4, cut: true},
		{name: "header unwritten", damage: func(b []byte) { zero(b[last : last+512]) }, leaves: 4, cut: true},
		{name: "nothing written", damage: func(b []byte) { zero(b[last : last+4096]) }, leaves: 4},
		{name: "a changed byte", damage: func(b []byte) { b[last+100] ^= 4 }, refuse: true},
		{name: "a changed byte of the header", damage: func(b []byte) { b[last+9] ^= 4 }, refuse: true},
		{name: "a changed byte of the padding", damage: func(b []byte) { b[last+4000] ^= 4 }, refuse: true},
		{name: "torn, but covered", covered: true, damage: func(b []byte) { zero(b[last+2048 : last+4096]) }, refuse: true},
		{name: "gone, but covered", covered: true, damage: func(b []byte) { zero(b[last : last+4096]) }, refuse: true},
		{name: "torn in the middle", damage: func(b []byte) { zero(b[4096+2048 : 8192]) }, refuse: true},
		{name: "gone in the middle", damage: func(b []byte) { zero(b[4096:8192]) }, refuse: true},
		{name: "frames swapped", damage: func(b []byte) {
			swap := string(b[4096:8192])
			copy(b[4096:], b[last:last+4096])
			copy(b[last:], swap)
		}, refuse: true},
		{name: "a frame twice", damage: func(b []byte) { copy(b[last+4096:], b[last:last+4096]) }, refuse: true},
		{name: "rubbish after the end", damage: func(b []byte) { b[last+4096+600] = 1 }, leaves: 6, cut: true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			m := ledgertest.New()
			opt := options(t, "d", m)
			l := open(t, opt)
			for i := range uint64(3) {
				if _, err := l.Append(t.Context(), leafOf(i), leafOf(i+100)); err != nil {
					t.Fatal(err)
				}
				if i == 1 || tc.covered {
					if _, err := l.Publish(t.Context()); err != nil {
						t.Fatal(err)
					}
				}
			}
			crashed := m.Clone() // as after a kill
			closeLog(t, l)
			crashed.Change(wal, tc.damage)
			before := crashed.Clone()
			opt.FS = crashed
			l, err := ledger.Open(t.Context(), opt)
			if tc.refuse {
				if sallyport.KindOf(err) != sallyport.Integrity || !strings.Contains(err.Error(), "segment") && !tc.covered {
					t.Fatalf("open: %v", err)
				}
				if !ledgertest.Same(before, crashed) {
					t.Error("open refused, but had changed files")
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			got := l.Recovered()
			if int(got.Leaves) != tc.leaves || got.CutBytes > 0 != tc.cut || got.Clean != (tc.leaves == 4 && !tc.cut) {
				t.Errorf("recovered %+v", got)
			}
			if _, err := l.Append(t.Context(), []byte("on")); err != nil {
				t.Error(err)
			}
			if n, err := l.Verify(t.Context()); err != nil || int(n) != tc.leaves+1 {
				t.Errorf("verify: %d, %v", n, err)
			}
			closeLog(t, l)
			closeLog(t, open(t, opt))
		})
	}
}

func TestMissingFilesAreRefused(t *testing.T) {
	t.Parallel()
	m, opt, _ := smallLog(t)
	for _, name := range m.Names("d") {
		c := m.Clone()
		c.Drop(name)
		opt.FS = c
		l, err := ledger.Open(t.Context(), opt)
		if strings.HasSuffix(name, "0001.wal") {
			if err != nil {
				t.Errorf("%s: %v", name, err) // it was only prepared
			} else {
				closeLog(t, l)
			}
			continue
		}
		if sallyport.KindOf(err) != sallyport.Integrity {
			t.Errorf("without %s: %v", name, err)
		}
	}
}

func TestAnotherOriginIsRefused(t *testing.T) {
	t.Parallel()
	_, opt, _ := smallLog(t)
	opt.Origin = "ledger.example/gw2"
	if _, err := ledger.Open(t.Context(), opt); sallyport.KindOf(err) != sallyport.Integrity {
		t.Errorf("open: %v", err)
	}
}

const (
	childDir    = "LEDGER_TEST_CHILD_DIR"
	killRounds  = 10
	childWriter = 8
)

// appendUntilKilled is the child of TestKill9: it appends and prints the index
// of each acknowledged leaf, and never ends by itself.
func appendUntilKilled() int {
	skey := os.Getenv("LEDGER_TEST_SKEY")
	opt, err := childOptions(os.Getenv(childDir), skey, os.Getenv("LEDGER_TEST_VKEY"))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	l, err := ledger.Open(context.Background(), opt)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	fmt.Println("open")
	var mu sync.Mutex
	var wg sync.WaitGroup
	for w := range childWriter {
		wg.Go(func() {
			for i := uint64(0); ; i++ {
				leaf := fmt.Appendf(nil, "pid %d writer %d leaf %d %s", os.Getpid(), w, i, strings.Repeat("x", int(i%300)))
				first, err := l.Append(context.Background(), leaf)
				if err != nil {
					return
				}
				line := fmt.Appendf(nil, "%d %s\n", first, leaf)
				mu.Lock()
				_, _ = os.Stdout.Write(line) // the parent may be gone
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	return 1
}

// TestKill9 kills a process under load again and again and checks that every
// acknowledged leaf is in the log, at its index, in its words.
func TestKill9(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	opt := options(t, dir, nil)
	acked := map[uint64]string{}
	for round := range killRounds {
		n := runChild(t, dir, time.Duration(20+round*15)*time.Millisecond, acked)
		if n == 0 {
			t.Errorf("round %d: nothing was acknowledged", round)
		}
		l := open(t, opt)
		leaves := contents(t, l)
		for index, leaf := range acked {
			if index >= uint64(len(leaves)) || leaves[index] != leaf {
				t.Fatalf("round %d: the acknowledged leaf %d is gone or changed; the log has %d", round, index, len(leaves))
			}
		}
		if _, err := l.Verify(t.Context()); err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		closeLog(t, l)
	}
}

// runChild lets a child append for a while, kills it, and notes what it had
// acknowledged.
func runChild(t *testing.T, dir string, life time.Duration, acked map[uint64]string) (n int) {
	t.Helper()
	skey, vkey := testKeyText(t)
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childDir+"="+dir, "LEDGER_TEST_SKEY="+skey, "LEDGER_TEST_VKEY="+vkey)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	in := bufio.NewScanner(out)
	if !in.Scan() || in.Text() != "open" {
		t.Fatalf("child: %q, %v", in.Text(), in.Err())
	}
	kill := time.AfterFunc(life, func() { _ = cmd.Process.Kill() }) // Wait below says whether it died
	defer kill.Stop()
	for in.Scan() {
		index, leaf, ok := strings.Cut(in.Text(), " ")
		i, err := strconv.ParseUint(index, 10, 64)
		if !ok || err != nil {
			break // the last line was cut short
		}
		acked[i] = leaf
		n++
	}
	if err := cmd.Wait(); err == nil {
		t.Fatal("the child ended by itself")
	}
	return n
}
