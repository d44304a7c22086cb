// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package ship_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/evidence"
	"github.com/sallyport-dev/sallyport/internal/ledger"
	"github.com/sallyport-dev/sallyport/internal/session"
	"github.com/sallyport-dev/sallyport/internal/ship"
)

const origin = "sallyport.test/gw"

// world is a real ledger, a clock that a test moves, and what was waited for.
type world struct {
	t      testing.TB
	log    *ledger.Log
	events *session.Events
	out    *bytes.Buffer // the operator's log

	mu    sync.Mutex
	clock time.Time
	waits []time.Duration
	limit int // of waits; then Run ends
}

func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{t: t, clock: time.Date(2026, 3, 1, 8, 0, 0, 0, time.UTC), out: &bytes.Buffer{}}
	skey, vkey, err := note.GenerateKey(rand.Reader, origin)
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
	w.log, err = ledger.Open(t.Context(), ledger.Options{
		Dir: t.TempDir(), Origin: origin, Signers: []note.Signer{signer}, Verifiers: note.VerifierList(verifier), SegmentSize: 128 << 10,
		CheckpointEvery: time.Hour, // a test publishes when it means to
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.log.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	w.events = session.NewEvents(w.log, origin, w.now)
	return w
}

func (w *world) now() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.clock
}

func (w *world) pass(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.clock = w.clock.Add(d)
}

// wait lets the time pass without waiting, and ends the run when it was called
// often enough.
func (w *world) wait(_ context.Context, d time.Duration) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.clock = w.clock.Add(d)
	w.waits = append(w.waits, d)
	if len(w.waits) >= w.limit {
		return errors.New("the test has seen enough")
	}
	return nil
}

// beats puts heartbeats on the ledger and publishes.
func (w *world) beats(n int) {
	w.t.Helper()
	for range n {
		if err := w.events.Heartbeat(context.Background(), evidence.Heartbeat{Sessions: 1}); err != nil {
			w.t.Fatal(err)
		}
	}
	w.publish()
}

func (w *world) publish() {
	w.t.Helper()
	if _, err := w.log.Publish(context.Background()); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) options(dir string, sink ship.Sink) ship.Options {
	return ship.Options{
		Name: "siem", Dir: dir, Origin: origin, Product: "v1", Sink: sink, Ledger: w.log, Journal: w.events, MaxEvents: 10,
		BehindAfter: 5 * time.Minute, Now: w.now, Wait: w.wait, Rand: rand.Reader, Log: slog.New(slog.NewTextHandler(w.out, nil)),
	}
}

// run runs a shipper until it has waited n times.
func (w *world) run(s *ship.Shipper, n int) {
	w.mu.Lock()
	w.waits, w.limit = nil, n
	w.mu.Unlock()
	s.Run(context.Background())
}

// sink keeps what it is sent, and fails as a test says.
type sink struct {
	got    [][]byte
	index  []uint64
	fail   func(b ship.Batch) error
	closed bool
}

func (k *sink) Send(_ context.Context, b ship.Batch) error {
	if k.fail != nil {
		if err := k.fail(b); err != nil {
			return err
		}
	}
	for _, e := range b.Events {
		k.got, k.index = append(k.got, e.JSON), append(k.index, e.Index)
	}
	return nil
}

func (k *sink) Close() error { k.closed = true; return nil }

type rewinding struct {
	sink
	by uint64
}

func (k *rewinding) Rewind() uint64 { return k.by }

// inOrder checks that the indexes are from up to and without end, in order.
func inOrder(t testing.TB, got []uint64, from, end uint64) {
	t.Helper()
	if uint64(len(got)) != end-from {
		t.Fatalf("%d events, want %d to %d", len(got), from, end)
	}
	for i, n := range got {
		if n != from+uint64(i) {
			t.Fatalf("event %d has the index %d, want %d", i, n, from+uint64(i))
		}
	}
}

func TestShipsInOrderAndGoesOn(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	dir := t.TempDir()
	w.beats(25)
	k := &sink{}
	w.run(ship.New(w.options(dir, k)), 1)
	inOrder(t, k.index, 0, 25)
	w.beats(7)
	k2 := &sink{}
	s := ship.New(w.options(dir, k2))
	w.run(s, 1)
	inOrder(t, k2.index, 25, 32)
	var link struct {
		List []struct {
			Prev struct {
				UID string `json:"uid"`
			} `json:"prev_event"`
		} `json:"attestation_list"`
	}
	if err := json.Unmarshal(k2.got[0], &link); err != nil || link.List[0].Prev.UID != origin+"#24" {
		t.Errorf("the first event after a restart follows %q (%v)", link.List[0].Prev.UID, err)
	}
	if st := s.Status(); st.State != ship.StateOK || st.Next != 32 || st.Behind != 0 || st.Sent != 7 || st.LastSuccess.IsZero() {
		t.Errorf("status %+v", st)
	}
	if err := s.Close(); err != nil || !k2.closed {
		t.Errorf("the sink was not closed: %v", err)
	}
}

// What is not under a checkpoint yet is not shipped.
func TestShipsOnlyWhatIsPublished(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.beats(3)
	if err := w.events.Heartbeat(t.Context(), evidence.Heartbeat{}); err != nil {
		t.Fatal(err)
	}
	k := &sink{}
	s := ship.New(w.options(t.TempDir(), k))
	w.run(s, 1)
	inOrder(t, k.index, 0, 3)
	w.publish()
	w.run(s, 1)
	inOrder(t, k.index, 0, 4)
}

func unavailable() error {
	return sallyport.E(sallyport.Unavailable, "test", "the receiver is away")
}

// A failed batch is sent again, the same bytes, and pauses grow up to a bound.
func TestRetriesWithGrowingPauses(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.beats(3)
	var sent [][]byte
	k := &sink{fail: func(b ship.Batch) error {
		sent = append(sent, b.Events[0].JSON)
		return unavailable()
	}}
	s := ship.New(w.options(t.TempDir(), k))
	w.run(s, 12)
	for i, d := range w.waits {
		most := min(500*time.Millisecond<<i, time.Minute)
		if d > most || d < most/2 {
			t.Errorf("pause %d is %v, want %v to %v", i, d, most/2, most)
		}
		if !bytes.Equal(sent[i], sent[0]) {
			t.Errorf("try %d sent something else", i)
		}
	}
	if st := s.Status(); st.State != ship.StateRetrying && st.State != ship.StateBehind || st.Failures != 12 || st.Next != 0 || st.Behind != 3 {
		t.Errorf("status %+v", st)
	}
	k.fail = nil
	w.run(s, 1)
	inOrder(t, k.index, 0, 3)
	if st := s.Status(); st.State != ship.StateOK || st.Failures != 0 || st.LastError != "" {
		t.Errorf("status %+v", st)
	}
}

func TestRetryAfterIsHeeded(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.beats(1)
	k := &sink{fail: func(ship.Batch) error { return &ship.LaterError{After: 4 * time.Minute, Err: unavailable()} }}
	w.run(ship.New(w.options(t.TempDir(), k)), 1)
	if w.waits[0] < 2*time.Minute || w.waits[0] > 4*time.Minute {
		t.Errorf("waited %v", w.waits[0])
	}
}

// states returns what the ledger says about shipping.
func (w *world) states() []evidence.Shipping {
	w.t.Helper()
	var out []evidence.Shipping
	err := w.log.Scan(context.Background(), 0, func(_ uint64, raw []byte) error {
		leaf, err := evidence.ParseLeaf(raw)
		if err != nil || leaf.Type != evidence.TypeShipping {
			return err
		}
		b, err := evidence.Body[evidence.Shipping](leaf)
		out = append(out, b)
		return err
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return out
}

// A refusal is never skipped: it is told loudly, stands on record once, and the
// events arrive when the receiver has come to its senses.
func TestRefusalIsLoudAndNeverSkipped(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.beats(3)
	k := &sink{fail: func(ship.Batch) error { return sallyport.E(sallyport.Denied, "test", "the receiver answered 401") }}
	s := ship.New(w.options(t.TempDir(), k))
	w.run(s, 4)
	for _, d := range w.waits {
		if d < 2*time.Minute {
			t.Errorf("a refused batch was tried again after %v", d)
		}
	}
	if st := s.Status(); st.State != ship.StateRefused || st.LastError != "the receiver answered 401" {
		t.Errorf("status %+v", st)
	}
	if !strings.Contains(w.out.String(), "level=ERROR") {
		t.Errorf("the operator is not told:\n%s", w.out)
	}
	k.fail = nil
	for range 4 {
		w.publish()
		w.run(s, 1)
		w.pass(2 * time.Minute) // a change is told once a minute at most
	}
	states := w.states()
	if len(states) < 2 || states[0].State != evidence.ShippingRefused || states[0].Destination != "siem" || states[len(states)-1].State != evidence.ShippingCaughtUp {
		t.Fatalf("on record: %+v", states)
	}
	w.publish()
	w.run(s, 1)
	inOrder(t, k.index, 0, 3+uint64(len(states)))
}

func TestBehindIsPutOnRecord(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.beats(1)
	k := &sink{fail: func(ship.Batch) error { return unavailable() }}
	s := ship.New(w.options(t.TempDir(), k))
	w.run(s, 3)
	if st := s.Status(); st.State != ship.StateRetrying {
		t.Errorf("after a moment the state is %s", st.State)
	}
	w.pass(6 * time.Minute)
	w.run(s, 1)
	if st := s.Status(); st.State != ship.StateBehind {
		t.Errorf("after minutes the state is %s", st.State)
	}
	if states := w.states(); len(states) != 1 || states[0].State != evidence.ShippingBehind {
		t.Errorf("on record: %+v", states)
	}
}

// What a receiver rejects for good is counted and on record, and does not stop
// the rest.
func TestRejectedEventsAreOnRecord(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.beats(3)
	k := &sink{fail: func(b ship.Batch) error {
		if b.From() > 0 {
			return nil
		}
		return &ship.RejectedError{Events: 2, Err: sallyport.E(sallyport.Denied, "test", "too old")}
	}}
	s := ship.New(w.options(t.TempDir(), k))
	w.run(s, 1)
	states := w.states()
	if len(states) != 1 || states[0].State != evidence.ShippingRejected || states[0].Reason != "2 of the events 0 to 2: too old" {
		t.Errorf("on record: %+v", states)
	}
	if st := s.Status(); st.Next != 3 || st.Rejected != 2 {
		t.Errorf("status %+v", st)
	}
}

// A receiver that takes small batches only is sent small ones. One event that is
// too large is a refusal.
func TestBatchIsMadeSmaller(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.beats(50)
	k := &sink{}
	k.fail = func(b ship.Batch) error {
		if len(b.Events) > 3 {
			return &ship.TooLargeError{Err: sallyport.E(sallyport.Denied, "test", "the receiver answered 413")}
		}
		return nil
	}
	s := ship.New(w.options(t.TempDir(), k))
	w.run(s, 4)
	inOrder(t, k.index, 0, 50)
	k.fail = func(ship.Batch) error {
		return &ship.TooLargeError{Err: sallyport.E(sallyport.Denied, "test", "the receiver answered 413")}
	}
	w.beats(1)
	w.run(s, 4)
	if st := s.Status(); st.State != ship.StateRefused || st.Next != 50 {
		t.Errorf("status %+v", st)
	}
}

// A destination without acknowledgements is sent again what was sent last.
func TestRewind(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	dir := t.TempDir()
	w.beats(100)
	k := &rewinding{by: 25}
	w.run(ship.New(w.options(dir, k)), 1)
	inOrder(t, k.index, 0, 100)
	for range 3 {
		k = &rewinding{by: 25}
		w.run(ship.New(w.options(dir, k)), 1)
		if k.index[0] > 75 || k.index[0] < 60 {
			t.Errorf("it went back to %d", k.index[0])
		}
		inOrder(t, k.index, k.index[0], 100)
	}
}

func TestFromNow(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	dir := t.TempDir()
	w.beats(12)
	k := &sink{}
	opt := w.options(dir, k)
	opt.FromNow = true
	s := ship.New(opt)
	w.beats(3) // before it runs
	w.run(s, 1)
	inOrder(t, k.index, 12, 15)
	w.beats(2)
	k2 := &sink{}
	opt.Sink = k2
	w.run(ship.New(opt), 1)
	inOrder(t, k2.index, 15, 17)
}

// A cursor that does not fit the ledger stops shipping, and nothing else.
func TestCursorThatDoesNotFit(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]string{
		"damaged":      `{"version":1`,
		"another":      `{"version":1,"origin":"other","next":0,"low":0}`,
		"ahead":        `{"version":1,"origin":"` + origin + `","next":9,"low":9,"leaf":"` + strings.Repeat("ab", 32) + `"}`,
		"another leaf": `{"version":1,"origin":"` + origin + `","next":2,"low":2,"leaf":"` + strings.Repeat("ab", 32) + `"}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.beats(3)
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, "siem.json"), []byte(c), 0o600); err != nil {
				t.Fatal(err)
			}
			k := &sink{}
			s := ship.New(w.options(dir, k))
			w.run(s, 2)
			if st := s.Status(); st.State != ship.StateRefused || len(k.index) != 0 {
				t.Errorf("status %+v, %d events sent", st, len(k.index))
			}
		})
	}
}

// The cursor is written after the receiver has the batch: a shipper that is cut
// off in between sends it again.
func TestAtLeastOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	dir := t.TempDir()
	w.beats(35)
	k := &sink{}
	s := ship.New(w.options(dir, k))
	if err := os.Mkdir(filepath.Join(dir, "siem.json.new"), 0o700); err != nil { // the cursor cannot be written
		t.Fatal(err)
	}
	w.run(s, 3)
	inOrder(t, k.index, 0, 10) // sent once; only the cursor is tried again
	if st := s.Status(); st.State != ship.StateRetrying || st.Next != 0 {
		t.Errorf("status %+v", st)
	}
	if err := os.Remove(filepath.Join(dir, "siem.json.new")); err != nil {
		t.Fatal(err)
	}
	k2 := &sink{}
	w.run(ship.New(w.options(dir, k2)), 1)
	inOrder(t, k2.index, 0, 35)
}

func TestFlush(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.beats(35)
	k := &sink{}
	s := ship.New(w.options(t.TempDir(), k))
	if err := s.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	inOrder(t, k.index, 0, 35)
}
