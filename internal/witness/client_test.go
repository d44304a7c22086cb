// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package witness_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/evidence"
	"github.com/sallyport-dev/sallyport/internal/witness"
)

func TestClientCosigns(t *testing.T) {
	t.Parallel()
	g, c := newGateway(t), newClock()
	w0, w1 := newKeeper(t, "witness.example/w0", g.vkey), newKeeper(t, "witness.example/w1", g.vkey)
	p := policyOf(t, 2, w0.line(), w1.line())
	client := newClient(t, g, p, c)
	if _, _, ok := client.Cosigned(); ok {
		t.Error("cosigned before anybody was asked")
	}
	if err := client.Fresh(c.now()); sallyport.KindOf(err) != sallyport.Unavailable || !strings.Contains(err.Error(), "since the gateway started") {
		t.Errorf("before the first round: %v", err)
	}
	for i := range 3 { // from nothing, with a proof, and the same again
		if i < 2 {
			g.grow(t, 3)
		}
		signed, err := client.Cosign(t.Context())
		must(t, err)
		got, err := p.Check(signed, g.known)
		if err != nil || !got.Quorum || len(got.By) != 2 || got.Checkpoint.Size != min(uint64(3*(i+1)), 6) {
			t.Fatalf("%d: %+v %v", i, got, err)
		}
		kept, at, ok := client.Cosigned()
		if !ok || !at.Equal(c.now()) || !bytes.Equal(kept, signed) {
			t.Errorf("%d: %v %v", i, at, ok)
		}
		must(t, client.Fresh(c.now()))
		c.pass(time.Second, 0)
	}
	if status, _, body := submit(t, w0, bodyOf(0, nil, mustCheckpoint(t, g))); status != 409 || body != "6\n" {
		t.Errorf("the witness knows %d %s", status, body)
	}
}

func mustCheckpoint(t testing.TB, g *gateway) []byte {
	t.Helper()
	b, err := g.Publish(t.Context())
	must(t, err)
	return b
}

// TestClientGoesOnWhereAWitnessStands begins with clients that know nothing of
// what the witness has seen.
func TestClientGoesOnWhereAWitnessStands(t *testing.T) {
	t.Parallel()
	g, c := newGateway(t), newClock()
	k := newKeeper(t, "w", g.vkey)
	for i := range 3 {
		g.grow(t, 2)
		client := newClient(t, g, policyOf(t, 1, k.line()), c, func(o *witness.ClientOptions) {
			o.File = filepath.Join(t.TempDir(), "another file")
		})
		if _, err := client.Cosign(t.Context()); err != nil {
			t.Errorf("%d: %v", i, err)
		}
	}
}

func TestLease(t *testing.T) {
	t.Parallel()
	const lease = time.Minute
	type step struct {
		pass, jump time.Duration
		fresh      bool
	}
	for name, steps := range map[string][]step{
		"time goes by":                       {{0, 0, true}, {59 * time.Second, 0, true}, {time.Second, 0, false}, {time.Hour, 0, false}},
		"the clock is set back":              {{10 * time.Second, -time.Hour, true}, {49 * time.Second, 0, true}, {time.Second, 0, false}},
		"the clock is set forward":           {{time.Second, time.Hour, false}, {0, -time.Hour, true}},
		"back and forward":                   {{10 * time.Second, -30 * time.Second, true}, {40 * time.Second, 0, true}, {10 * time.Second, 0, false}, {0, 30 * time.Second, false}},
		"back, and forward by more":          {{30 * time.Second, -time.Hour, true}, {30 * time.Second, 2 * time.Hour, false}},
		"back again and again":               {{30 * time.Second, -time.Minute, true}, {29 * time.Second, -time.Minute, true}, {time.Second, -time.Minute, false}},
		"asleep, and the monotonic one with": {{0, 2 * time.Minute, false}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g, c := newGateway(t), newClock()
			k := newKeeper(t, "w", g.vkey)
			client := newClient(t, g, policyOf(t, 1, k.line()), c, func(o *witness.ClientOptions) { o.Lease = lease })
			g.grow(t, 1)
			_, err := client.Cosign(t.Context())
			must(t, err)
			for i, s := range steps {
				c.pass(s.pass, s.jump)
				if err := client.Fresh(c.now()); (err == nil) != s.fresh {
					t.Errorf("step %d: %v", i, err)
				}
			}
			k.stop()
			if _, err := client.Cosign(t.Context()); sallyport.KindOf(err) != sallyport.Unavailable {
				t.Errorf("with the witness stopped: %v", err)
			}
			k.start(t)
			again := newClient(t, g, policyOf(t, 1, k.line()), c) // at another address
			_, err = again.Cosign(t.Context())
			must(t, err)
			must(t, again.Fresh(c.now()))
		})
	}
}

// liar is a witness that answers as it likes. honest is what the right one would
// have said.
func liar(t *testing.T, k *keeper, answer func(w http.ResponseWriter, r *http.Request, honest []byte)) string {
	t.Helper()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		rec := httptest.NewRecorder()
		k.server.ServeHTTP(rec, r)
		answer(w, r, rec.Body.Bytes())
	}))
	t.Cleanup(srv.Close)
	return k.key.VerifierKey() + " " + srv.URL
}

func TestLiarsDoNotCount(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]func(t *testing.T, g *gateway, k *keeper) func(http.ResponseWriter, *http.Request, []byte){
		"garbage": says(200, "hello\n"), "nothing": says(200, ""), "an empty line": says(200, "\n"),
		"a web page": says(200, "<html>"+strings.Repeat("x", 1000)), "500": says(500, ""), "301": says(301, ""), "204": says(204, ""),
		"404": says(404, ""), "403": says(403, ""), "400": says(400, ""), "429": says(429, ""), "422 with nothing to prove": says(422, ""),
		"409 without a size": says(409, "1\n"),
		"no line end":        changed(func(b []byte) []byte { return b[:len(b)-1] }),
		"a changed signature": changed(func(b []byte) []byte {
			b[len(b)-20] ^= 1
			return b
		}),
		"another name": changed(func(b []byte) []byte { return bytes.Replace(b, []byte("w "), []byte("v "), 1) }),
		"wrong key": func(t *testing.T, g *gateway, _ *keeper) func(http.ResponseWriter, *http.Request, []byte) {
			other := newKeeper(t, "w", g.vkey)
			return func(w http.ResponseWriter, _ *http.Request, _ []byte) {
				_, _, b := submit(t, other, bodyOf(0, nil, g.Checkpoint()))
				_, _ = io.WriteString(w, b)
			}
		},
		"the log's own signature": func(_ *testing.T, g *gateway, _ *keeper) func(http.ResponseWriter, *http.Request, []byte) {
			return func(w http.ResponseWriter, _ *http.Request, _ []byte) {
				_, sig, _ := bytes.Cut(g.Checkpoint(), []byte("\n\n"))
				_, _ = w.Write(sig)
			}
		},
		"a cosignature of another checkpoint": func(t *testing.T, g *gateway, k *keeper) func(http.ResponseWriter, *http.Request, []byte) {
			_, _, old := submit(t, k, bodyOf(0, nil, g.Checkpoint()))
			return func(w http.ResponseWriter, _ *http.Request, _ []byte) { _, _ = io.WriteString(w, old) }
		},
		"a whole note of another checkpoint": func(t *testing.T, g *gateway, k *keeper) func(http.ResponseWriter, *http.Request, []byte) {
			before := g.Checkpoint()
			_, _, old := submit(t, k, bodyOf(0, nil, before))
			return func(w http.ResponseWriter, _ *http.Request, _ []byte) { _, _ = w.Write(append(before, old...)) }
		},
		"an endless body": func(*testing.T, *gateway, *keeper) func(http.ResponseWriter, *http.Request, []byte) {
			return func(w http.ResponseWriter, r *http.Request, _ []byte) {
				for r.Context().Err() == nil {
					if _, err := w.Write(bytes.Repeat([]byte("x"), 4096)); err != nil {
						return
					}
				}
			}
		},
		"the truth at the head of an endless body": func(*testing.T, *gateway, *keeper) func(http.ResponseWriter, *http.Request, []byte) {
			return func(w http.ResponseWriter, r *http.Request, honest []byte) {
				for r.Context().Err() == nil {
					if _, err := w.Write(honest); err != nil {
						return
					}
				}
			}
		},
		"no answer": func(*testing.T, *gateway, *keeper) func(http.ResponseWriter, *http.Request, []byte) {
			return func(_ http.ResponseWriter, r *http.Request, _ []byte) { <-r.Context().Done() }
		},
		"half an answer": func(*testing.T, *gateway, *keeper) func(http.ResponseWriter, *http.Request, []byte) {
			return func(w http.ResponseWriter, r *http.Request, honest []byte) {
				w.Header().Set("Content-Length", fmt.Sprint(len(honest)))
				_, _ = w.Write(honest[:len(honest)/2])
				_ = http.NewResponseController(w).Flush()
				<-r.Context().Done()
			}
		},
		"a size that goes round": func(*testing.T, *gateway, *keeper) func(http.ResponseWriter, *http.Request, []byte) {
			var n atomic.Int64
			return func(w http.ResponseWriter, _ *http.Request, _ []byte) { size(w, fmt.Sprint(1+n.Add(1)%2)) }
		},
		"the size that was sent": func(*testing.T, *gateway, *keeper) func(http.ResponseWriter, *http.Request, []byte) {
			return func(w http.ResponseWriter, _ *http.Request, _ []byte) { size(w, "0") }
		},
		"a size that is none": func(*testing.T, *gateway, *keeper) func(http.ResponseWriter, *http.Request, []byte) {
			return func(w http.ResponseWriter, _ *http.Request, _ []byte) { size(w, "many") }
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g, c := newGateway(t), newClock()
			k, other := newKeeper(t, "w", g.vkey), newKeeper(t, "honest", g.vkey)
			g.grow(t, 3)
			lie := answer(t, g, k)
			g.grow(t, 3)
			line := liar(t, k, lie)
			client := newClient(t, g, policyOf(t, 1, line), c, brief)
			if signed, err := client.Cosign(t.Context()); err == nil || sallyport.KindOf(err) != sallyport.Unavailable {
				t.Fatalf("%v\n%s", err, signed)
			}
			if err := client.Fresh(c.now()); sallyport.KindOf(err) != sallyport.Unavailable {
				t.Error(err)
			}
			// Beside an honest one, the liar is not in the way.
			p := policyOf(t, 1, line, other.line())
			beside := newClient(t, g, p, c, brief, func(o *witness.ClientOptions) { o.File += "2" })
			signed, err := beside.Cosign(t.Context())
			must(t, err)
			if got, err := p.Check(signed, g.known); err != nil || len(got.By) != 1 || got.By[0].Witness != "w1" {
				t.Errorf("%+v %v", got, err)
			}
		})
	}
}

// brief gives the witnesses little time, for those that do not answer.
func brief(o *witness.ClientOptions) { o.Timeout = 3 * time.Second }

func says(status int, body string) func(*testing.T, *gateway, *keeper) func(http.ResponseWriter, *http.Request, []byte) {
	return func(*testing.T, *gateway, *keeper) func(http.ResponseWriter, *http.Request, []byte) {
		return func(w http.ResponseWriter, _ *http.Request, _ []byte) {
			w.Header().Set("Location", "/elsewhere")
			w.WriteHeader(status)
			_, _ = io.WriteString(w, body)
		}
	}
}

func changed(change func([]byte) []byte) func(*testing.T, *gateway, *keeper) func(http.ResponseWriter, *http.Request, []byte) {
	return func(*testing.T, *gateway, *keeper) func(http.ResponseWriter, *http.Request, []byte) {
		return func(w http.ResponseWriter, _ *http.Request, honest []byte) {
			if !bytes.HasPrefix(honest, []byte("\u2014")) { // it stands at another size
				size(w, strings.TrimSpace(string(honest)))
				return
			}
			_, _ = w.Write(change(honest))
		}
	}
}

func size(w http.ResponseWriter, s string) {
	w.Header().Set("Content-Type", "text/x.tlog.size")
	w.WriteHeader(http.StatusConflict)
	_, _ = io.WriteString(w, s+"\n")
}

// TestAnswerCannotLengthenTheText has a witness cosign the checkpoint with a line
// behind it, and send that line along.
func TestAnswerCannotLengthenTheText(t *testing.T) {
	t.Parallel()
	g, c := newGateway(t), newClock()
	signed, _ := g.grow(t, 1)
	private := ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))
	vkey, err := evidence.CosignerKey("w", private.Public().(ed25519.PublicKey))
	must(t, err)
	cosigner, err := evidence.NewCosigner(vkey)
	must(t, err)
	sign := func(text string) string {
		b := binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint32(nil, cosigner.KeyHash()), 1)
		b = append(b, ed25519.Sign(private, evidence.CosignedMessage(1, []byte(text)))...)
		return "\u2014 w " + base64.StdEncoding.EncodeToString(b) + "\n"
	}
	text, _, _ := strings.Cut(string(signed), "\n\n")
	for answer, ok := range map[string]bool{sign(text + "\n"): true, "x\n\n" + sign(string(signed)+"x\n"): false, "\n" + sign(string(signed)): false} {
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, answer) }))
		client := newClient(t, g, policyOf(t, 1, vkey+" "+srv.URL), c, func(o *witness.ClientOptions) { o.File = filepath.Join(t.TempDir(), "f") })
		if _, err := client.Cosign(t.Context()); (err == nil) != ok {
			t.Errorf("%q: %v", answer, err)
		}
		srv.Close()
	}
}

// TestRestoredLedgerIsRefused puts an old copy of the ledger in place of the new
// one, in front of a witness that has seen more.
func TestRestoredLedgerIsRefused(t *testing.T) {
	t.Parallel()
	for _, grow := range []int{0, 1, 10} { // shorter, and another of the same and of more length
		for _, file := range []bool{false, true} {
			t.Run(fmt.Sprintf("%d more, file %v", grow, file), func(t *testing.T) {
				t.Parallel()
				g, c := newGateway(t), newClock()
				k, other := newKeeper(t, "w", g.vkey), newKeeper(t, "other", g.vkey)
				other.stop()
				other.start(t)
				p := policyOf(t, 1, k.line(), other.line())
				client := newClient(t, g, p, c)
				g.grow(t, 4)
				_, err := client.Cosign(t.Context())
				must(t, err)
				must(t, g.Close(t.Context()))
				backup := filepath.Join(t.TempDir(), "ledger")
				must(t, os.CopyFS(backup, os.DirFS(filepath.Join(g.dir, "ledger"))))
				g.open(t)
				client = newClient(t, g, p, c)
				g.grow(t, 1)
				_, err = client.Cosign(t.Context())
				must(t, err)
				must(t, g.Close(t.Context()))

				must(t, os.RemoveAll(filepath.Join(g.dir, "ledger")))
				must(t, os.CopyFS(filepath.Join(g.dir, "ledger"), os.DirFS(backup)))
				if !file {
					must(t, os.Remove(filepath.Join(g.dir, "cosigned")))
				}
				g.open(t)
				if grow > 0 {
					_, err := g.Append(t.Context(), []byte(`{"another":"event"}`))
					must(t, err)
					g.grow(t, grow-1)
				}
				client = newClient(t, g, p, c)
				for range 2 { // the error stays
					_, err = client.Cosign(t.Context())
					if sallyport.KindOf(err) != sallyport.Integrity {
						t.Fatalf("the copy was cosigned: %v", err)
					}
					if err := client.Fresh(c.now()); sallyport.KindOf(err) != sallyport.Integrity {
						t.Fatalf("fresh: %v", err)
					}
				}
				msg, hint := sallyport.Public(err)
				if !file && !strings.Contains(msg, `the witness "w0" has seen`) || !strings.Contains(hint, "declare the rollback") {
					t.Errorf("%s; %s", msg, hint)
				}
				if _, _, ok := client.Cosigned(); ok {
					t.Error("it still gives a cosigned checkpoint")
				}
			})
		}
	}
}

func TestNewestIsKept(t *testing.T) {
	t.Parallel()
	g, c := newGateway(t), newClock()
	k := newKeeper(t, "w", g.vkey)
	p := policyOf(t, 1, k.line())
	client := newClient(t, g, p, c)
	g.grow(t, 3)
	signed, err := client.Cosign(t.Context())
	must(t, err)
	again := newClient(t, g, p, c)
	kept, at, ok := again.Cosigned()
	if !ok || !bytes.Equal(kept, signed) || time.Since(at) > time.Hour {
		t.Errorf("%s %v %v", kept, at, ok)
	}
	if again.Fresh(c.now()) == nil {
		t.Error("a lease outlived its process")
	}
	// What another ledger signed is not taken.
	stranger := newGateway(t)
	b, _ := stranger.grow(t, 1)
	must(t, os.WriteFile(filepath.Join(g.dir, "cosigned"), b, 0o600))
	opt := witness.ClientOptions{
		Log: g, Keys: []string{g.vkey}, Policy: p, HTTP: &http.Client{}, File: filepath.Join(g.dir, "cosigned"), Now: c.now, Logger: slog.New(slog.DiscardHandler),
	}
	if _, err := witness.NewClient(opt); sallyport.KindOf(err) != sallyport.Integrity {
		t.Errorf("a foreign file: %v", err)
	}
}

func TestClientRefusesOptions(t *testing.T) {
	t.Parallel()
	g, c := newGateway(t), newClock()
	key := newKey(t, "w").VerifierKey()
	stranger := newGateway(t)
	parse := func(text string) *evidence.TrustPolicy {
		p, err := evidence.ParseTrustPolicy([]byte(text))
		must(t, err)
		return p
	}
	for name, text := range map[string]string{
		"no URL":            "witness a " + key + "\nquorum a\n",
		"http to elsewhere": "witness a " + key + " http://192.0.2.1:1\nquorum a\n",
		"http to a name":    "witness a " + key + " http://localhost:1\nquorum a\n",
		"ftp":               "witness a " + key + " ftp://127.0.0.1\nquorum a\n",
		"no host":           "witness a " + key + " https:///x\nquorum a\n",
		"a password":        "witness a " + key + " https://u:p@witness.example\nquorum a\n",
		"a query":           "witness a " + key + " https://witness.example?x=1\nquorum a\n",
		"not a URL":         "witness a " + key + " :\nquorum a\n",
		"another log":       "log " + stranger.vkey + "\nwitness a " + key + " https://witness.example\nquorum a\n",
	} {
		_, err := witness.NewClient(witness.ClientOptions{
			Log: g, Keys: []string{g.vkey}, Policy: parse(text), HTTP: &http.Client{}, File: filepath.Join(g.dir, "f"), Now: c.now, Logger: slog.New(slog.DiscardHandler),
		})
		if sallyport.KindOf(err) != sallyport.Invalid {
			t.Errorf("%s: %v", name, err)
		}
	}
	none := newClient(t, g, parse("log "+g.vkey+"\nquorum none\n"), c)
	must(t, none.Fresh(c.now()))
	g.grow(t, 1)
	if _, err := none.Cosign(t.Context()); err != nil {
		t.Errorf("quorum none: %v", err)
	}
}

// TestRunKeepsTheLease follows the pace: a new checkpoint, the same one again,
// and the way back after an outage.
func TestRunKeepsTheLease(t *testing.T) {
	t.Parallel()
	g := newGateway(t)
	k := newKeeper(t, "w", g.vkey)
	var asked atomic.Int64
	var down atomic.Bool
	line := liar(t, k, func(w http.ResponseWriter, _ *http.Request, honest []byte) {
		asked.Add(1)
		if down.Load() {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		if strings.HasPrefix(string(honest), "\u2014") {
			_, _ = w.Write(honest)
			return
		}
		size(w, strings.TrimSpace(string(honest)))
	})
	var log bytes.Buffer
	client := newClient(t, g, policyOf(t, 1, line), newClock(), func(o *witness.ClientOptions) {
		o.Interval, o.Now, o.Mono = 20*time.Millisecond, time.Now, nil
		o.Logger = slog.New(slog.NewTextHandler(&log, nil))
	})
	g.grow(t, 1)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { client.Run(ctx); close(done) }()
	until := func(what string, ok func() bool) {
		t.Helper()
		for end := time.Now().Add(20 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatal(what)
			}
		}
	}
	until("it was not asked", func() bool { _, _, ok := client.Cosigned(); return ok })
	n := asked.Load()
	until("the same checkpoint was not asked about again", func() bool { return asked.Load() > n+2 })
	g.grow(t, 1)
	until("the new checkpoint is not cosigned", func() bool {
		b, _, _ := client.Cosigned()
		return bytes.HasPrefix(b, g.Checkpoint())
	})
	_, before, _ := client.Cosigned()
	down.Store(true)
	until("the outage was not seen", func() bool { n := asked.Load(); time.Sleep(50 * time.Millisecond); return asked.Load() > n })
	down.Store(false)
	until("it did not come back", func() bool { _, at, _ := client.Cosigned(); return at.After(before.Add(50 * time.Millisecond)) })
	cancel()
	<-done
	if text := log.String(); strings.Count(text, "did not cosign") != 1 || strings.Count(text, "cosigned again") != 1 {
		t.Errorf("the log says\n%s", text)
	}
}

// brokenLog cannot publish or prove.
type brokenLog struct{ *gateway }

func (brokenLog) Publish(context.Context) ([]byte, error) { return nil, errors.New("poisoned") }

func TestClientPassesTheLogsErrorsOn(t *testing.T) {
	t.Parallel()
	g, c := newGateway(t), newClock()
	k := newKeeper(t, "w", g.vkey)
	client := newClient(t, g, policyOf(t, 1, k.line()), c, func(o *witness.ClientOptions) { o.Log = brokenLog{g} })
	if _, err := client.Cosign(t.Context()); err == nil || !strings.Contains(err.Error(), "poisoned") {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := client.Cosign(ctx); err == nil {
		t.Error("a call that was given up succeeds")
	}
}

// TestKeptOnlyWhenDurable refuses a quorum that a restart would not know.
func TestKeptOnlyWhenDurable(t *testing.T) {
	t.Parallel()
	g, c := newGateway(t), newClock()
	k := newKeeper(t, "w", g.vkey)
	disk := &brokenDisk{broken: true}
	client := newClient(t, g, policyOf(t, 1, k.line()), c, func(o *witness.ClientOptions) { o.Files = disk })
	g.grow(t, 1)
	if _, err := client.Cosign(t.Context()); sallyport.KindOf(err) != sallyport.Unavailable || client.Fresh(c.now()) == nil {
		t.Errorf("%v", err)
	}
	disk.broken = false
	_, err := client.Cosign(t.Context())
	must(t, err)
	must(t, client.Fresh(c.now()))
}
