// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package fault_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"golang.org/x/mod/sumdb/note"

	"github.com/sallyport-dev/sallyport/internal/witness"
	"github.com/sallyport-dev/sallyport/test/gatewaytest"
)

// moody is a witness that can be made to fail.
type moody struct {
	honest http.Handler
	mode   atomic.Pointer[string] // nil while it is honest
	fired  atomic.Int64           // answers that were not honest

	mu   sync.Mutex
	last []byte // an honest answer of earlier
}

// ServeHTTP implements http.Handler.
func (m *moody) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	rec := httptest.NewRecorder()
	mode := m.mode.Load()
	if mode == nil {
		m.honest.ServeHTTP(rec, r)
		m.mu.Lock()
		if rec.Code == http.StatusOK && m.last == nil {
			m.last = bytes.Clone(rec.Body.Bytes())
		}
		m.mu.Unlock()
		maps.Copy(w.Header(), rec.Header())
		w.WriteHeader(rec.Code)
		_, _ = w.Write(rec.Body.Bytes()) // who left does not get it
		return
	}
	m.fired.Add(1)
	m.mu.Lock()
	earlier := m.last
	m.mu.Unlock()
	switch *mode {
	case "down":
		panic(http.ErrAbortHandler) // the connection ends without an answer
	case "slow":
		time.Sleep(2 * time.Second) // four times what the gateway waits
	case "a cosignature of an earlier checkpoint":
		_, _ = w.Write(earlier)
	case "a forged cosignature":
		m.honest.ServeHTTP(rec, r)
		text := rec.Body.Bytes()
		if i := bytes.LastIndexByte(text, ' '); i >= 0 && i+12 < len(text) {
			text[i+10] ^= 1
		}
		_, _ = w.Write(text)
	case "garbage without end":
		for range 1 << 12 {
			if _, err := w.Write(bytes.Repeat([]byte("garbage\n"), 1<<10)); err != nil {
				return
			}
		}
	case "an error":
		w.WriteHeader(http.StatusInternalServerError)
	}
}

func (m *moody) set(mode string) {
	if mode == "" {
		m.mode.Store(nil)
		return
	}
	m.mode.Store(&mode)
}

// witnessed is a gateway that demands the cosignature of a moody witness.
func witnessed(t *testing.T) (*rig, *moody) {
	t.Helper()
	m := &moody{}
	g := newRig(t, gatewaytest.Before(func(dir string) string {
		must := func(err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
		}
		skey, vkey, err := note.GenerateKey(rand.Reader, "sallyport.test/gw")
		must(err)
		keys := filepath.Join(dir, "data", "keys")
		must(os.MkdirAll(keys, 0o700))
		must(os.WriteFile(filepath.Join(keys, "ledger.key"), []byte(skey+"\n"), 0o600))
		key, err := witness.CreateKey(filepath.Join(dir, "witness.key"), "witness.test/w", rand.Reader)
		must(err)
		s, err := witness.NewServer(witness.ServerOptions{
			Key: key, Logs: []string{vkey}, Dir: t.TempDir(), Now: time.Now, Logger: slog.New(slog.DiscardHandler),
		})
		must(err)
		t.Cleanup(func() {
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		})
		m.honest = s
		srv := httptest.NewUnstartedServer(m)
		srv.Config.ErrorLog = nil
		srv.Start()
		t.Cleanup(srv.Close)
		policy := fmt.Sprintf("log %s\nwitness w %s %s\nquorum w\n", vkey, key.VerifierKey(), srv.URL)
		must(os.WriteFile(filepath.Join(dir, "witnesses.policy"), []byte(policy), 0o600))
		return "witness: {policy: witnesses.policy, lease: 2s, interval: 500ms, timeout: 500ms}\n"
	}))
	return g, m
}

// TestWitnesses lets the one witness that a gateway demands be down, slow and
// lying. After the lease nothing may be forwarded; when the witness is back, it
// goes on.
func TestWitnesses(t *testing.T) {
	t.Parallel()
	g, m := witnessed(t)
	rows := map[string]*row{}
	modes := []string{"down", "slow", "an error", "a forged cosignature", "a cosignature of an earlier checkpoint", "garbage without end"}
	for _, mode := range modes {
		rows[mode] = fault(t, "witness: "+mode, "the witness's answers, until nothing is forwarded and then to five statements more")
	}
	g.Run(t)
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	conn, err := pgx.Connect(ctx, g.DSN(g.CIToken(t)))
	if err != nil {
		t.Fatal(err)
	}
	g.runs++
	n := 0
	ask := func() error {
		n++
		mark := fmt.Sprintf("m_%d_1_%d", g.runs, n)
		_, err := conn.Exec(ctx, "update marks set n = n + 1 where id = 1 returning n as "+mark)
		if err == nil {
			g.acked[mark] = true
		}
		return err
	}
	refused := func(err error) bool {
		var pe *pgconn.PgError
		return errors.As(err, &pe) && pe.Code == "57P03" && strings.Contains(pe.Message, "witness")
	}
	for _, mode := range modes {
		r := rows[mode]
		if err := settle(ctx, func() bool { return ask() == nil }); err != nil {
			t.Fatalf("before %q nothing is forwarded: %v", mode, err)
		}
		m.fired.Store(0)
		m.set(mode)
		if err := settle(ctx, func() bool { return refused(ask()) }); err != nil {
			r.undetected++
			t.Fatalf("%q: statements go on", mode)
		}
		before := g.executed(t)
		for range 5 {
			if err := ask(); !refused(err) {
				r.undetected++
				t.Errorf("%q: %v", mode, err)
			}
		}
		if after := g.executed(t); after != before {
			r.undetected++
			t.Errorf("%q: %d statements were executed", mode, after-before)
		}
		r.fired += int(m.fired.Load())
		m.set("")
	}
	if err := settle(ctx, func() bool { return ask() == nil }); err != nil {
		t.Error("the witness is back, and nothing is forwarded")
	}
	_ = conn.Close(ctx) // the gateway records the end
	g.Stop(t)
	g.judge(t, rows["down"])
}

// settle asks until ok holds, or the time of the test is over.
func settle(ctx context.Context, ok func() bool) error {
	for !ok() {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(50 * time.Millisecond):
		}
	}
	return nil
}
