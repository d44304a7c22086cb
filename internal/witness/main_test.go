// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package witness_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/mod/sumdb/note"

	"github.com/sallyport-dev/sallyport/evidence"
	"github.com/sallyport-dev/sallyport/internal/ledger"
	"github.com/sallyport-dev/sallyport/internal/witness"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const origin = "sallyport.example/gw1"

// gateway is a ledger and its key, as a gateway has them.
type gateway struct {
	*ledger.Log
	dir, vkey string
	signer    note.Signer
	known     note.Verifier
}

func newGateway(t testing.TB) *gateway {
	t.Helper()
	skey, vkey, err := note.GenerateKey(rand.Reader, origin)
	must(t, err)
	g := &gateway{dir: t.TempDir(), vkey: vkey}
	g.signer, err = note.NewSigner(skey)
	must(t, err)
	g.known, err = note.NewVerifier(vkey)
	must(t, err)
	g.open(t)
	return g
}

func (g *gateway) open(t testing.TB) {
	t.Helper()
	log, err := ledger.Open(t.Context(), ledger.Options{
		Dir: filepath.Join(g.dir, "ledger"), Origin: origin, Signers: []note.Signer{g.signer}, Verifiers: note.VerifierList(g.known),
		SegmentSize: ledger.MinSegmentSize, CheckpointEvery: time.Hour,
	})
	must(t, err)
	g.Log = log
	t.Cleanup(func() { _ = log.Close(context.Background()) })
}

// grow appends leaves and returns the checkpoint over them.
func (g *gateway) grow(t testing.TB, n int) (signed []byte, cp evidence.Checkpoint) {
	t.Helper()
	for range n {
		_, err := g.Append(t.Context(), fmt.Appendf(nil, `{"n":%d}`, g.Size()))
		must(t, err)
	}
	signed, err := g.Publish(t.Context())
	must(t, err)
	cp, err = evidence.OpenCheckpoint(signed, note.VerifierList(g.known))
	must(t, err)
	return signed, cp
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func newKey(t testing.TB, name string) *witness.Key {
	t.Helper()
	k, err := witness.CreateKey(filepath.Join(t.TempDir(), "key"), name, rand.Reader)
	must(t, err)
	return k
}

// keeper is a witness at a loopback address that can be stopped and started.
type keeper struct {
	key  *witness.Key
	logs []string
	dir  string
	now  func() time.Time

	server *witness.Server
	http   *httptest.Server
}

func newKeeper(t testing.TB, name string, logs ...string) *keeper {
	t.Helper()
	k := &keeper{key: newKey(t, name), logs: logs, dir: t.TempDir(), now: time.Now}
	k.start(t)
	return k
}

func (k *keeper) start(t testing.TB) {
	t.Helper()
	s, err := witness.NewServer(witness.ServerOptions{Key: k.key, Logs: k.logs, Dir: k.dir, Now: k.now, Logger: slog.New(slog.DiscardHandler)})
	must(t, err)
	k.server, k.http = s, httptest.NewServer(s)
	t.Cleanup(func() { k.stop() })
}

func (k *keeper) stop() {
	if k.server == nil {
		return
	}
	k.http.Close()
	_ = k.server.Close()
	k.server = nil
}

// policyOf is a policy that demands need of the witnesses.
func policyOf(t testing.TB, need int, witnesses ...string) *evidence.TrustPolicy {
	t.Helper()
	var names []string
	text := ""
	for i, w := range witnesses {
		names = append(names, fmt.Sprint("w", i))
		text += fmt.Sprintf("witness w%d %s\n", i, w)
	}
	quorum := "quorum none\n"
	if need > 0 {
		quorum = fmt.Sprintf("group enough %d %s\nquorum enough\n", need, strings.Join(names, " "))
	}
	p, err := evidence.ParseTrustPolicy([]byte(text + quorum))
	must(t, err)
	return p
}

func (k *keeper) line() string { return k.key.VerifierKey() + " " + k.http.URL }

// clock is set by hand. Its two hands move apart as those of a machine do whose
// wall clock is set.
type clock struct {
	mu   sync.Mutex
	wall time.Time
	mono time.Duration
}

func newClock() *clock { return &clock{wall: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)} }

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.wall
}

func (c *clock) elapsed() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.mono
}

// pass lets time go by, and then sets the wall clock by jump.
func (c *clock) pass(d, jump time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.mono += d
	c.wall = c.wall.Add(d + jump)
}

// newClient makes a client with its own transport, which is closed with the test.
func newClient(t testing.TB, g *gateway, p *evidence.TrustPolicy, c *clock, change ...func(*witness.ClientOptions)) *witness.Client {
	t.Helper()
	tr := &http.Transport{}
	t.Cleanup(tr.CloseIdleConnections)
	opt := witness.ClientOptions{
		Log: g, Keys: []string{g.vkey}, Policy: p, HTTP: &http.Client{Transport: tr}, File: filepath.Join(g.dir, "cosigned"),
		Now: c.now, Mono: c.elapsed, Logger: slog.New(slog.DiscardHandler),
	}
	for _, f := range change {
		f(&opt)
	}
	w, err := witness.NewClient(opt)
	must(t, err)
	return w
}
