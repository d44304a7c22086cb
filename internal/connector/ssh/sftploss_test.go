// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package ssh_test

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	wire "github.com/sallyport-dev/sallyport/internal/wire/sftp"
)

// line is a way to the target that can be cut.
type line struct {
	mu    sync.Mutex
	conns []net.Conn // guarded by mu
}

// to accepts connections and carries them to a target until the test's end.
func (l *line) to(t *testing.T, target string) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	all.Go(func() {
		for {
			near, err := ln.Accept()
			if err != nil {
				return
			}
			far, err := net.Dial("tcp", target)
			if err != nil {
				_ = near.Close()
				continue
			}
			l.mu.Lock()
			l.conns = append(l.conns, near, far)
			l.mu.Unlock()
			for _, x := range [][2]net.Conn{{near, far}, {far, near}} {
				all.Go(func() {
					_, _ = io.Copy(x[0], x[1])
					_ = x[0].Close()
				})
			}
		}
	})
	t.Cleanup(func() {
		_ = ln.Close()
		l.cut()
		all.Wait()
	})
	return ln.Addr().String()
}

func (l *line) cut() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, c := range l.conns {
		_ = c.Close()
	}
}

// begun is a share whose way to the target can be cut, with a download and an upload
// under way on a channel each.
func begun(t *testing.T) (s *share, l *line, get, put *talk, from, to []byte) {
	t.Helper()
	l = &line{}
	s = startShare(t, func(x *setup) { x.via = func(target string) string { return l.to(t, target) } })
	s.file("public/big", strings.Repeat("0123456789abcdef", 1<<18))
	o := s.dial()
	get, put = o.begin(), o.begin()
	h := get.ask(wire.Request{Type: wire.Open, Path: []byte(s.dir + "/public/big"), Flags: wire.FlagRead})
	if r := get.ask(wire.Request{Type: wire.Read, Handle: h.Handle, Length: 32 << 10}); len(r.Data) != 32<<10 {
		t.Fatalf("%+v", r)
	}
	u := put.ask(wire.Request{Type: wire.Open, Path: []byte(s.dir + "/drop/up"), Flags: wire.FlagWrite | wire.FlagCreate | wire.FlagTrunc})
	if r := put.ask(wire.Request{Type: wire.Write, Handle: u.Handle, Data: bytes.Repeat([]byte("x"), 32<<10)}); r.Code != wire.OK {
		t.Fatalf("%+v", r)
	}
	return s, l, get, put, h.Handle, u.Handle
}

// nothingMore sends a request and fails the test unless the channel ends without a
// success.
func (k *talk) nothingMore(what string, q wire.Request) {
	k.t.Helper()
	q.ID = 4711
	_, _ = k.in.Write(wire.AppendRequest(nil, q)) // the channel may have ended
	for {
		b, err := wire.ReadPacket(k.out, nil)
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			k.t.Fatal(err)
		}
		if r, err := wire.ParseReply(wire.Body(b)); err != nil || r.Type != wire.StatusReply || r.Code == wire.OK {
			k.t.Errorf("%s: %+v, %v", what, r, err)
		}
	}
}

// ledger is what the gateway has put on record.
func (s *share) ledger() (out string) {
	s.t.Helper()
	for name, b := range s.Traces(s.t) {
		if strings.Contains(name, "/ledger/wal/") {
			out += string(b)
		}
	}
	return out
}

// outcomes are the lines of the ledger with a tag.
func outcomes(ledger, tag string) (out []string) {
	for _, part := range strings.Split(ledger, `{"`) {
		if strings.Contains(part, `"tag":"`+tag) {
			out = append(out, part)
		}
	}
	return out
}

// A target that goes away within a transfer ends it on both sides, and the record says
// so.
func TestSFTPTargetLost(t *testing.T) {
	s, l, get, put, from, to := begun(t)
	l.cut()
	get.nothingMore("a read", wire.Request{Type: wire.Read, Handle: from, Offset: 32 << 10, Length: 32 << 10})
	put.nothingMore("a write", wire.Request{Type: wire.Write, Handle: to, Offset: 32 << 10, Data: []byte("more")})
	s.Stop(t)
	ledger := s.ledger()
	for _, tag := range []string{"download 32768 ", "upload 327"} {
		if got := outcomes(ledger, tag); len(got) != 1 || !strings.Contains(got[0], `"status":"cut"`) {
			t.Errorf("%s: %q", tag, got)
		}
	}
	if i, err := os.Stat(filepath.Join(s.dir, "drop/up")); err != nil || i.Size() != 32<<10 {
		t.Errorf("the upload: %v, %v", i, err)
	}
}

// A ledger that takes nothing ends what is under way: no further byte passes in either
// direction.
func TestSFTPLedgerLost(t *testing.T) {
	s, _, get, put, from, to := begun(t)
	s.Disk.Fill()
	get.nothingMore("an open", wire.Request{Type: wire.Open, Path: []byte(s.dir + "/public/big"), Flags: wire.FlagRead})
	get.nothingMore("a read", wire.Request{Type: wire.Read, Handle: from, Offset: 32 << 10, Length: 32 << 10})
	put.nothingMore("a write", wire.Request{Type: wire.Write, Handle: to, Offset: 32 << 10, Data: []byte("more")})
	if i, err := os.Stat(filepath.Join(s.dir, "drop/up")); err != nil || i.Size() != 32<<10 {
		t.Errorf("the upload went on: %v, %v", i, err)
	}
}
