// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package ship_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	mathrand "math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
	"go.uber.org/goleak"
	"golang.org/x/mod/sumdb/note"

	"github.com/sallyport-dev/sallyport/evidence"
	"github.com/sallyport-dev/sallyport/internal/ledger"
	"github.com/sallyport-dev/sallyport/internal/session"
	"github.com/sallyport-dev/sallyport/internal/ship"
	"github.com/sallyport-dev/sallyport/internal/ship/jsonl"
	"github.com/sallyport-dev/sallyport/internal/ship/verify"
	"github.com/sallyport-dev/sallyport/internal/ship/webhook"
)

// childDir says to the test binary that it is to be the gateway that is killed.
const childDir = "SALLYPORT_SHIP_CHILD"

const secret = "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="

func TestMain(m *testing.M) {
	if dir := os.Getenv(childDir); dir != "" {
		if err := child(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}

func signerOf(skey, vkey string) (note.Signer, note.Verifier, error) {
	s, err := note.NewSigner(skey)
	if err != nil {
		return nil, nil, err
	}
	v, err := note.NewVerifier(vkey)
	return s, v, err
}

// child puts events on a ledger and ships them to files and to a webhook, until
// it is killed or its standard input ends; then it ships the rest.
func child(dir string) error {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	signer, verifier, err := signerOf(os.Getenv("SKEY"), os.Getenv("VKEY"))
	if err != nil {
		return err
	}
	log, err := ledger.Open(ctx, ledger.Options{
		Dir: filepath.Join(dir, "ledger"), Origin: origin, Signers: []note.Signer{signer}, Verifiers: note.VerifierList(verifier),
		SegmentSize: 128 << 10, CheckpointEvery: 5 * time.Millisecond,
	})
	if err != nil {
		return err
	}
	events := session.NewEvents(log, origin, time.Now)
	out := slog.New(slog.NewTextHandler(os.Stderr, nil))
	var ships []*ship.Shipper
	for name, sink := range map[string]ship.Sink{
		"files": jsonl.New(filepath.Join(dir, "events"), 16<<10),
		"hook": webhook.New(webhook.Options{URL: os.Getenv("URL"), Now: time.Now, Secrets: []webhook.Secret{
			func(context.Context) (string, error) { return secret, nil },
		}}),
	} {
		ships = append(ships, ship.New(ship.Options{
			Name: name, Dir: filepath.Join(dir, "cursors"), Origin: origin, Product: "v1", Sink: sink, Ledger: log, Journal: events, MaxEvents: 7,
			Now: time.Now, Rand: rand.Reader, Log: out, Wait: func(ctx context.Context, _ time.Duration) error {
				time.Sleep(time.Millisecond)
				return ctx.Err()
			},
		}))
	}
	var all sync.WaitGroup
	for _, s := range ships {
		all.Go(func() { s.Run(ctx) })
	}
	if err := events.Start(ctx, evidence.Start{Version: "v1"}); err != nil {
		return err
	}
	all.Go(func() {
		for ctx.Err() == nil && events.Heartbeat(ctx, evidence.Heartbeat{}) == nil {
			time.Sleep(time.Millisecond)
		}
	})
	fmt.Println("ready")
	if _, err := io.Copy(io.Discard, os.Stdin); err != nil {
		return err
	}
	cancel()
	all.Wait()
	if _, err := log.Publish(context.Background()); err != nil {
		return err
	}
	for _, s := range ships {
		err := s.Flush(context.Background())
		for range 10 { // the receiver fails now and then
			if err == nil {
				break
			}
			err = s.Flush(context.Background())
		}
		if err := errors.Join(err, s.Close()); err != nil {
			return err
		}
	}
	return log.Close(context.Background())
}

// hooked keeps what is posted and verifies each post by the reference
// implementation. Now and then it takes a batch and answers too late to be heard.
type hooked struct {
	mu    sync.Mutex
	bytes bytes.Buffer
	posts int
}

func (h *hooked) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	b, err := io.ReadAll(r.Body)
	if err != nil {
		return // the sender was killed in the middle of it
	}
	wh, err := standardwebhooks.NewWebhook(secret)
	if err == nil {
		err = wh.Verify(b, r.Header)
	}
	if err != nil {
		w.WriteHeader(http.StatusForbidden)
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.bytes.Write(b)
	if h.posts++; h.posts%9 == 0 {
		w.WriteHeader(http.StatusServiceUnavailable) // although it was kept
	}
}

// TestKilledAtAnyMoment kills a process that writes and ships again and again.
// In the end each receiver has every event of the ledger, and the root over what
// it has is that of the checkpoint.
func TestKilledAtAnyMoment(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	skey, vkey, err := note.GenerateKey(rand.Reader, origin)
	if err != nil {
		t.Fatal(err)
	}
	h := &hooked{}
	srv := httptest.NewServer(h)
	defer srv.Close()
	const rounds = 30
	for i := range rounds + 1 {
		run(t, dir, skey, vkey, srv.URL, i < rounds)
	}
	_, verifier, err := signerOf(skey, vkey)
	if err != nil {
		t.Fatal(err)
	}
	signed, err := os.ReadFile(filepath.Join(dir, "ledger", "tiles", "checkpoint"))
	if err != nil {
		t.Fatal(err)
	}
	cp, err := evidence.OpenCheckpoint(signed, note.VerifierList(verifier))
	if err != nil {
		t.Fatal(err)
	}
	judge := func(name string, c *verify.Checker) {
		r := c.Report()
		if !r.OK() || len(r.Logs) != 1 || r.Logs[0].First != 0 || r.Logs[0].Events != cp.Size || r.Logs[0].Root != cp.Root.String() {
			t.Errorf("%s: %+v", name, r)
			return
		}
		t.Logf("%s: %d events of %d, %d twice", name, r.Logs[0].Events, cp.Size, r.Logs[0].Duplicates)
	}
	checker := func() *verify.Checker {
		c := verify.New(verify.Options{Version: "v1"})
		c.Checkpoint(cp)
		return c
	}
	c := checker()
	names, err := filepath.Glob(filepath.Join(dir, "events", "*.jsonl"))
	if err != nil || len(names) < 2 {
		t.Fatalf("%d files (%v)", len(names), err)
	}
	for _, name := range names {
		f, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(c.Add(name, f), f.Close()); err != nil {
			t.Fatal(err)
		}
	}
	judge("files", c)
	c = checker()
	if err := c.Add("hook", &h.bytes); err != nil {
		t.Fatal(err)
	}
	judge("hook", c)
}

// run starts the child and kills it after a while, or lets it end in order.
func run(t *testing.T, dir, skey, vkey, url string, kill bool) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childDir+"="+dir, "SKEY="+skey, "VKEY="+vkey, "URL="+url)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var problems bytes.Buffer
	cmd.Stderr = &problems
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := bufio.NewReader(out).ReadString('\n'); err != nil {
		t.Fatalf("the child does not come up: %v\n%s", err, problems.String())
	}
	time.Sleep(time.Duration(mathrand.IntN(60)) * time.Millisecond)
	if kill {
		err = cmd.Process.Signal(syscall.SIGKILL)
	} else {
		err = in.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); !kill && err != nil {
		t.Fatalf("the child failed: %v\n%s", err, problems.String())
	}
}
