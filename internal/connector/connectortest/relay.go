// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package connectortest

import (
	"context"
	"io"
	"net"
	"sync"
	"testing"
)

// Relay is a TCP relay in front of a target that can stop what goes to it. It
// sees ciphertext only: it counts, and orders, but does not read.
type Relay struct {
	ln     net.Listener
	target string
	wg     sync.WaitGroup

	mu      sync.Mutex
	free    *sync.Cond
	hold    bool                  // guarded by mu
	held    int                   // bytes that wait; guarded by mu
	after   int                   // writes of more than a farewell since Hold; guarded by mu
	conns   map[net.Conn]struct{} // guarded by mu
	watched map[net.Conn]bool     // those that were open at Hold; guarded by mu
	down    bool                  // guarded by mu
}

// NewRelay starts a relay; the test's clean-up ends it.
func NewRelay(t testing.TB, target string) *Relay {
	t.Helper()
	ln, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &Relay{ln: ln, target: target, conns: map[net.Conn]struct{}{}}
	r.free = sync.NewCond(&r.mu)
	ctx := t.Context()
	r.wg.Go(func() { r.accept(ctx) })
	t.Cleanup(r.close)
	return r
}

// Addr returns the relay's address.
func (r *Relay) Addr() string { return r.ln.Addr().String() }

// Hold stops what goes to the target from now on. What is counted are the
// connections that are open now: a gateway that gives up opens others to cancel.
func (r *Relay) Hold() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.hold, r.held, r.after, r.watched = true, 0, 0, map[net.Conn]bool{}
	for c := range r.conns {
		r.watched[c] = true
	}
}

// Release lets everything through again.
func (r *Relay) Release() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.hold = false
	r.free.Broadcast()
}

// Held returns the bytes that wait for [Relay.Release].
func (r *Relay) Held() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.held
}

// Statements counts the writes since [Relay.Hold] that are longer than what
// closes a connection: a TLS alert, or a protocol's farewell in a record.
func (r *Relay) Statements() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.after
}

func (r *Relay) accept(ctx context.Context) {
	var dialer net.Dialer
	for {
		in, err := r.ln.Accept()
		if err != nil {
			return
		}
		out, err := dialer.DialContext(ctx, "tcp", r.target)
		if err != nil {
			_ = in.Close()
			continue
		}
		if !r.enter(in, out) {
			return
		}
		r.wg.Go(func() { defer r.leave(in, out); _, _ = io.Copy(in, out) })
		r.wg.Go(func() { defer r.leave(in, out); r.forward(out, in) })
	}
}

func (r *Relay) enter(conns ...net.Conn) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, c := range conns {
		if r.down {
			_ = c.Close()
			continue
		}
		r.conns[c] = struct{}{}
	}
	return !r.down
}

func (r *Relay) leave(conns ...net.Conn) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, c := range conns {
		_ = c.Close()
		delete(r.conns, c)
	}
}

// farewell is the longest write, in bytes, that cannot carry a statement: a
// short message and an alert, each in a TLS record.
const farewell = 64

// forward copies to the target, unless told to hold.
func (r *Relay) forward(out, in net.Conn) {
	buf := make([]byte, 64<<10)
	for {
		n, err := in.Read(buf)
		if n > 0 {
			r.mu.Lock()
			if r.hold && r.watched[in] {
				r.held += n
				if n > farewell {
					r.after++
				}
			}
			for r.hold && !r.down {
				r.free.Wait()
			}
			r.mu.Unlock()
			if _, werr := out.Write(buf[:n]); werr != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

func (r *Relay) close() {
	_ = r.ln.Close()
	r.mu.Lock()
	r.down = true
	r.free.Broadcast()
	for c := range r.conns {
		_ = c.Close()
	}
	r.mu.Unlock()
	r.wg.Wait()
}
