// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

// Package connectortest is the conformance suite of connectors. Every connector
// runs it, in a whole gateway in front of a real target: it is denied in the
// protocol's own form; nothing reaches the target before the intent is on
// record; a ledger that takes nothing means no traffic; labelled values are
// nowhere; a cancel releases the target; peers that stand still keep nobody
// else; memory does not grow with a result.
package connectortest

import (
	"bytes"
	"context"
	"net"
	"runtime"
	"sync/atomic"
	"testing"
	"time"
)

// Harness says how to run the connector under test.
type Harness struct {
	// Start runs a gateway for this test. The target must be dialled at what via
	// makes of its address.
	Start func(t *testing.T, via func(target string) string) Gateway
	// Canaries are parts of labelled values in the target, in lower case, that no
	// caller may see.
	Canaries []string
	// Asks says that the connector asks the target something of its own, in fixed
	// words, before a statement that it does not know yet.
	Asks bool
	// HugeBytes is at least how large the answer of [Caller.Huge] is.
	HugeBytes int64
}

// Gateway is a running gateway with the connector under test.
type Gateway interface {
	// Listener returns the address that the connector listens on.
	Listener() string
	// Open logs a caller in.
	Open(ctx context.Context) (Caller, error)
	// Intents counts the intents that are on record durably.
	Intents(t *testing.T) int
	// Upstream counts the statements of callers that the target is working on.
	Upstream(t *testing.T) int
	// Disk returns the disk below the ledger.
	Disk() Disk
	// Traces returns, by name, everything that the gateway left outside the
	// answers: its files and its log.
	Traces(t *testing.T) map[string][]byte
	// Stop ends the gateway and waits for it.
	Stop(t *testing.T)
}

// Disk is what the ledger is written to.
type Disk interface {
	Hold()         // stops every write
	Waiting() bool // a write is stopped
	Release()      // lets the writes through
	Fill()         // makes every write fail, also the stopped ones
}

// Caller is one client's session. Answers come as the client received them.
type Caller interface {
	// Read runs a statement that policy allows and that answers with labelled
	// values.
	Read(ctx context.Context) ([]byte, error)
	// Denied runs a statement that policy denies.
	Denied(ctx context.Context) error
	// Native reports whether an error is of the protocol, as the target itself
	// would give it to a caller without rights, and says what to do.
	Native(err error) bool
	// Fatal reports whether an error of the protocol ends the session, as a server
	// that goes down would say it.
	Fatal(err error) bool
	// Slow runs a statement that does not end by itself; the end of ctx cancels it
	// in the protocol's own way.
	Slow(ctx context.Context) error
	// Huge runs a statement with a huge answer and hands its pieces to each until
	// that returns false, which leaves the rest unread. It returns the bytes seen.
	Huge(ctx context.Context, each func([]byte) bool) (int64, error)
	// Close ends the session in order.
	Close()
}

// patience bounds every step; no outcome depends on how much of it is used.
const patience = 30 * time.Second

// Run runs the suite.
func Run(t *testing.T, h Harness) {
	for name, f := range map[string]func(*testing.T, Harness){
		"denied in the protocol's own form": denied,
		"intent before forward":             intentFirst,
		"ledger down":                       ledgerDown,
		"canaries":                          canaries,
		"cancel":                            cancelled,
		"peers that stand still":            stillPeers,
		"bounded memory":                    boundedMemory,
	} {
		t.Run(name, func(t *testing.T) { f(t, h) })
	}
}

// started is a gateway behind which the traffic to the target can be watched.
type started struct {
	Gateway
	relay *Relay
}

func start(t *testing.T, h Harness) *started {
	t.Helper()
	s := &started{}
	s.Gateway = h.Start(t, func(target string) string {
		s.relay = NewRelay(t, target)
		return s.relay.Addr()
	})
	if s.relay == nil {
		t.Fatal("the harness did not dial the target through the relay")
	}
	return s
}

func (s *started) open(t *testing.T) (context.Context, Caller) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	c, err := s.Open(ctx)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return ctx, c
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if ok() {
			return
		}
	}
	t.Fatalf("never came: %s", what)
}

func denied(t *testing.T, h Harness) {
	s := start(t, h)
	ctx, c := s.open(t)
	if _, err := c.Read(ctx); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		err := c.Denied(ctx)
		if err == nil || !c.Native(err) {
			t.Errorf("a denied statement gave %v", err)
		}
		if _, err := c.Read(ctx); err != nil {
			t.Errorf("after a denial the session does not go on: %v", err)
		}
	}
}

// settle is how long the suite waits for bytes that must not come. That they do
// not come in time cannot fail a test; it would only find less.
const settle = 100 * time.Millisecond

// intentFirst stops the ledger's disk and looks at what goes to the target, and
// then the other way round.
func intentFirst(t *testing.T, h Harness) {
	s := start(t, h)
	ctx, c := s.open(t)
	if h.Asks {
		if _, err := c.Read(ctx); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 4 { // from the second on the statement is known
		before := s.Intents(t)
		s.Disk().Hold()
		s.relay.Hold()
		done := make(chan error, 1)
		go func() { _, err := c.Read(ctx); done <- err }()
		eventually(t, "a write of the ledger", s.Disk().Waiting)
		time.Sleep(settle)
		if n := s.relay.Held(); n != 0 {
			t.Errorf("round %d: %d bytes left for the target while the ledger was writing", i, n)
		}
		s.Disk().Release()
		eventually(t, "bytes for the target", func() bool { return s.relay.Held() > 0 })
		if n := s.Intents(t); n <= before {
			t.Errorf("round %d: %d bytes left for the target with %d intents on record, as many as before", i, s.relay.Held(), n)
		}
		select {
		case err := <-done:
			t.Errorf("round %d: an answer came although the target was not asked: %v", i, err)
		default:
		}
		s.relay.Release()
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	}
}

// ledgerDown fills the disk while an intent is on its way there: its statement
// must not reach the target, the session ends, and nobody gets in any longer.
func ledgerDown(t *testing.T, h Harness) {
	s := start(t, h)
	ctx, c := s.open(t)
	_, idle := s.open(t)
	if _, err := c.Read(ctx); err != nil {
		t.Fatal(err)
	}
	s.Disk().Hold()
	s.relay.Hold() // what passes from here on is counted
	done := make(chan error, 1)
	go func() { _, err := c.Read(ctx); done <- err }()
	eventually(t, "a write of the ledger", s.Disk().Waiting)
	time.Sleep(settle)
	s.Disk().Fill()
	if err := <-done; err == nil || !c.Fatal(err) {
		t.Errorf("a statement without a record gave %v", err)
	}
	if _, err := idle.Read(ctx); err == nil {
		t.Error("another session was answered without a record")
	}
	time.Sleep(settle)
	if n := s.relay.Statements(); n != 0 {
		t.Errorf("%d writes with statements reached the target without a record", n)
	}
	s.relay.Release()
	if other, err := s.Open(ctx); err == nil {
		if _, err := other.Read(ctx); err == nil {
			t.Error("a session was opened and answered without a record")
		}
		other.Close()
	}
	eventually(t, "the end of what the target works on", func() bool { return s.Upstream(t) == 0 })
}

func canaries(t *testing.T, h Harness) {
	s := start(t, h)
	ctx, c := s.open(t)
	b, err := c.Read(ctx)
	if err != nil || len(b) == 0 {
		t.Fatalf("%d bytes, %v", len(b), err)
	}
	h.clean(t, "the answer", b)
	if err := c.Denied(ctx); err != nil {
		h.clean(t, "the denial", []byte(err.Error()))
	}
	if _, err := c.Huge(ctx, func(b []byte) bool { h.clean(t, "a piece of the huge answer", b); return !t.Failed() }); err != nil {
		t.Error(err)
	}
	c.Close()
	s.Stop(t)
	traces := s.Traces(t)
	if len(traces) == 0 {
		t.Error("the gateway left no traces at all")
	}
	for name, b := range traces {
		h.clean(t, name, b)
	}
}

// clean fails the test when a canary is in b.
func (h Harness) clean(t *testing.T, what string, b []byte) {
	t.Helper()
	low := bytes.ToLower(b)
	for _, c := range h.Canaries {
		if bytes.Contains(low, []byte(c)) {
			t.Errorf("%s holds %q", what, c)
		}
	}
}

func cancelled(t *testing.T, h Harness) {
	s := start(t, h)
	ctx, c := s.open(t)
	for range 2 {
		slow, cancel := context.WithCancel(ctx)
		done := make(chan error, 1)
		go func() { done <- c.Slow(slow) }()
		eventually(t, "the statement in the target", func() bool { return s.Upstream(t) == 1 })
		cancel()
		if err := <-done; err == nil {
			t.Error("a cancelled statement ended well")
		}
		eventually(t, "the target's release", func() bool { return s.Upstream(t) == 0 })
		if _, err := c.Read(ctx); err != nil {
			t.Errorf("after a cancel the session does not go on: %v", err)
		}
	}
}

// stillPeers has callers and the target stand still in the middle of things.
func stillPeers(t *testing.T, h Harness) {
	s := start(t, h)
	var dialer net.Dialer
	for range 20 { // connected, and silent
		conn, err := dialer.DialContext(t.Context(), "tcp", s.Listener())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
	}
	ctx, stuck := s.open(t)
	got := make(chan struct{})
	resume := make(chan struct{})
	done := make(chan struct{})
	go func() { // reads a little of a huge answer and then nothing
		defer close(done)
		once := false
		_, _ = stuck.Huge(ctx, func([]byte) bool {
			if !once {
				once = true
				close(got)
				<-resume
			}
			return false
		})
	}()
	<-got
	_, c := s.open(t)
	if _, err := c.Read(ctx); err != nil {
		t.Errorf("beside callers that stand still: %v", err)
	}
	close(resume)
	<-done
	stuck.Close()
	s.relay.Hold() // now the target says and hears nothing
	left := make(chan error, 1)
	short, cancel := context.WithCancel(ctx)
	go func() { _, err := c.Read(short); left <- err }()
	eventually(t, "bytes for the target", func() bool { return s.relay.Held() > 0 })
	cancel()
	t.Log("the read ended with:", <-left)
	c.Close()
	s.relay.Release()
	s.Stop(t) // the silent ones do not keep it
}

// boundedMemory reads a huge answer slowly and watches the heap.
func boundedMemory(t *testing.T, h Harness) {
	s := start(t, h)
	ctx, c := s.open(t)
	runtime.GC()
	var before runtime.MemStats
	runtime.ReadMemStats(&before)
	var peak atomic.Uint64
	seen, pieces := int64(0), 0
	n, err := c.Huge(ctx, func(b []byte) bool {
		seen += int64(len(b))
		if pieces++; pieces%5000 == 0 {
			var now runtime.MemStats
			runtime.ReadMemStats(&now)
			if now.HeapInuse > before.HeapInuse {
				peak.Store(max(peak.Load(), now.HeapInuse-before.HeapInuse))
			}
		}
		return true
	})
	if err != nil || n < h.HugeBytes || seen == 0 {
		t.Fatalf("%d bytes of at least %d, %v", n, h.HugeBytes, err)
	}
	if limit := uint64(h.HugeBytes) / 2; peak.Load() > limit {
		t.Errorf("the heap grew by %d bytes for an answer of %d", peak.Load(), n)
	}
}
