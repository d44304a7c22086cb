// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package server_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"golang.org/x/mod/sumdb/note"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/evidence"
	"github.com/sallyport-dev/sallyport/internal/config"
	"github.com/sallyport-dev/sallyport/internal/server"
	"github.com/sallyport-dev/sallyport/internal/witness"
	"github.com/sallyport-dev/sallyport/test/gatewaytest"
)

// keeper is a witness at a loopback address that can be stopped and started.
type keeper struct {
	t       *testing.T
	opt     witness.ServerOptions
	address string
	tls     *tls.Config // nil for plain http
	stopped func()
}

func newKeeper(t *testing.T, name, logKey string, conf *tls.Config) *keeper {
	t.Helper()
	key, err := witness.CreateKey(filepath.Join(t.TempDir(), "key"), name, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	k := &keeper{t: t, address: "127.0.0.1:0", tls: conf, opt: witness.ServerOptions{
		Key: key, Logs: []string{logKey}, Dir: t.TempDir(), Now: time.Now, Logger: slog.New(slog.DiscardHandler),
	}}
	k.start()
	t.Cleanup(k.stop)
	return k
}

func (k *keeper) start() {
	k.t.Helper()
	s, err := witness.NewServer(k.opt)
	if err != nil {
		k.t.Fatal(err)
	}
	ln, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", k.address)
	if err != nil {
		k.t.Fatal(err)
	}
	k.address = ln.Addr().String() // the same one again after a stop
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- errors.Join(s.Serve(ctx, ln, k.tls), s.Close()) }()
	k.stopped = func() {
		cancel()
		if err := <-done; err != nil {
			k.t.Error(err)
		}
	}
}

func (k *keeper) stop() {
	if k.stopped != nil {
		k.stopped()
		k.stopped = nil
	}
}

// two is a gateway that demands both of two witnesses.
type two struct {
	*gatewaytest.Gateway
	keepers [2]*keeper
	policy  *evidence.TrustPolicy
	file    string // of the policy
}

// startTwo makes the ledger's key before the gateway does, for the witnesses have
// to know it.
func startTwo(t *testing.T, lease string) *two {
	t.Helper()
	w := &two{}
	w.Gateway = gatewaytest.Start(t, gatewaytest.Open(), gatewaytest.Before(func(dir string) string {
		skey, vkey, err := note.GenerateKey(rand.Reader, "sallyport.test/gw")
		if err != nil {
			t.Fatal(err)
		}
		keys := filepath.Join(dir, "data", "keys")
		if err := os.MkdirAll(keys, 0o700); err != nil {
			t.Fatal(err)
		}
		for name, text := range map[string]string{"ledger.key": skey, "ledger.vkey": vkey} {
			if err := os.WriteFile(filepath.Join(keys, name), []byte(text+"\n"), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		text := "log " + vkey + "\n"
		cert, err := tls.LoadX509KeyPair(filepath.Join(dir, "gw.crt"), filepath.Join(dir, "gw.key"))
		if err != nil {
			t.Fatal(err)
		}
		for i, scheme := range []string{"http", "https"} {
			var conf *tls.Config
			if scheme == "https" {
				conf = &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12}
			}
			w.keepers[i] = newKeeper(t, fmt.Sprintf("witness.test/w%d", i), vkey, conf)
			text += fmt.Sprintf("witness w%d %s %s://%s\n", i, w.keepers[i].opt.Key.VerifierKey(), scheme, w.keepers[i].address)
		}
		text += "group both all w0 w1\nquorum both\n"
		if w.policy, err = evidence.ParseTrustPolicy([]byte(text)); err != nil {
			t.Fatal(err)
		}
		w.file = filepath.Join(dir, "witnesses.policy")
		if err := os.WriteFile(w.file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return "witness: {policy: witnesses.policy, ca: ca.pem, " + lease + "}\n"
	}))
	return w
}

// until waits for something that must come, not for a length of time.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !ok(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("it did not come to this: " + what)
		}
	}
}

// refusedWith wants an error of the protocol's own form.
func refusedWith(t *testing.T, what string, err error, code, says string) {
	t.Helper()
	var pe *pgconn.PgError
	if !errors.As(err, &pe) || pe.Code != code || !strings.Contains(pe.Message, says) || pe.Hint == "" {
		t.Errorf("%s: %v", what, err)
	}
}

// work counts the rows that statements left at the target.
func work(t *testing.T, w *two, kind string) (n int) {
	t.Helper()
	conn := w.Server.Connect(t, "clinic")
	if err := conn.QueryRow(t.Context(), "select count(*) from work where kind = $1", kind).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

func TestWitnessesHoldTheLease(t *testing.T) {
	w := startTwo(t, "lease: 8s, interval: 200ms, timeout: 4s")
	ctx := t.Context()
	conn := w.Connect(t)
	plain := w.Connect(t, func(c *pgx.ConnConfig) { c.DefaultQueryExecMode = pgx.QueryExecModeSimpleProtocol })
	insert := func(c *pgx.Conn, kind string) error {
		_, err := c.Exec(ctx, "insert into work (kind) values ('"+kind+"')")
		return err
	}
	prepared := func() error {
		_, err := conn.Exec(ctx, "insert into work (kind) values ($1)", "prepared")
		return err
	}
	for _, err := range []error{insert(conn, "before"), insert(plain, "before"), prepared()} {
		if err != nil {
			t.Fatal(err)
		}
	}

	w.keepers[1].stop()
	probe := w.Connect(t)
	until(t, "refused after the lease", func() bool { _, err := probe.Exec(ctx, "select 1"); return err != nil })
	const says = "the witnesses of the ledger are out of reach (the last quorum was at 20"
	refusedWith(t, "simple", insert(plain, "while"), "57P03", says)
	refusedWith(t, "known", insert(plain, "before"), "57P03", says)
	refusedWith(t, "several", insert(plain, "while'); insert into work (kind) values ('while"), "57P03", says)
	refusedWith(t, "extended", insert(conn, "while"), "57P03", says)
	refusedWith(t, "prepared before", prepared(), "57P03", says)
	tx, err := plain.Begin(ctx)
	refusedWith(t, "begin", err, "57P03", says)
	_ = tx
	_, err = pgx.Connect(ctx, w.DSN(w.CIToken(t)))
	refusedWith(t, "a new session", err, "57P03", says)
	if work(t, w, "while") != 0 || work(t, w, "before") != 2 || work(t, w, "prepared") != 1 {
		t.Error("a statement reached the target")
	}

	// What is on record can still be had, and says what is missing.
	c := newClient(t, w.Gateway)
	b, report := bundle(t, c, w.Gateway, object{})
	if report.Witnessed == nil || report.Witnessed.Quorum || report.Witnessed.Trusted {
		t.Errorf("witnessed: %+v", report.Witnessed)
	}
	denials := bodies[evidence.Denial](t, b, evidence.TypeDenial)
	var statements, connects int
	for _, d := range denials {
		if len(d.Rules) != 1 || d.Rules[0] != "sallyport.witness" || !strings.Contains(d.Reason, "out of reach") {
			t.Errorf("a denial: %+v", d)
			continue
		}
		if d.Class == "connect" {
			connects++
		} else {
			statements++
		}
	}
	if statements < 6 || connects != 1 {
		t.Errorf("%d refused statements and %d refused sessions are on record", statements, connects)
	}
	strict, err := evidence.Verify(bytes.NewReader(b), int64(len(b)), evidence.Options{Policy: w.policy})
	if err != nil || strict.OK() || !strings.Contains(fmt.Sprint(strict.Faults), "the quorum of the witness policy is not reached") {
		t.Errorf("by the auditor's own policy: %v %v", err, strict.Faults)
	}

	beats := len(bodies[evidence.Heartbeat](t, b, evidence.TypeHeartbeat))
	until(t, "a heartbeat while nothing is forwarded", func() bool {
		time.Sleep(500 * time.Millisecond)
		b, _ := bundle(t, c, w.Gateway, object{})
		return len(bodies[evidence.Heartbeat](t, b, evidence.TypeHeartbeat)) > beats
	})

	w.keepers[1].start()
	until(t, "forwarded again", func() bool { return insert(conn, "after") == nil })
	for name, err := range map[string]error{"simple": insert(plain, "after"), "prepared": prepared()} {
		if err != nil {
			t.Errorf("%s, with the witnesses back: %v", name, err)
		}
	}
	if work(t, w, "after") != 2 || work(t, w, "prepared") != 2 {
		t.Error("not everything reached the target")
	}
	b, _ = bundle(t, c, w.Gateway, object{})
	cosignedBundle(t, w, b)
	// The API gives the cosigned one.
	status, text := c.raw(w.CIToken(t), "GET", "/v1/audit/checkpoint", nil)
	if got, err := w.policy.Check(text); status != http.StatusOK || err != nil || !got.Quorum || len(got.By) != 2 {
		t.Errorf("%d %s %v", status, text, err)
	}
}

// cosignedBundle verifies a bundle by the policy alone, which has the ledger's
// key, and changes what must not go unseen.
func cosignedBundle(t *testing.T, w *two, b []byte) {
	t.Helper()
	r, err := evidence.Verify(bytes.NewReader(b), int64(len(b)), evidence.Options{Policy: w.policy})
	if err != nil || !r.OK() || !r.Trusted || r.Witnessed == nil || !r.Witnessed.Quorum || !r.Witnessed.Trusted || len(r.Witnessed.By) != 2 {
		t.Fatalf("%v %+v", err, r)
	}
	var text strings.Builder
	if _, err := r.WriteTo(&text); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"quorum reached, by the policy given by you", "w0 cosigned at 20", "w1 cosigned at 20", "(witness.test/w1+"} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("%q is not in\n%s", want, &text)
		}
	}
	if got := file(t, b, evidence.TrustPolicyName); !bytes.Equal(got, w.policy.Text()) {
		t.Errorf("the policy in the bundle is\n%s", got)
	}
	other, err := evidence.ParseTrustPolicy([]byte(strings.Replace(string(w.policy.Text()), "both all w0 w1", "both any w0", 1) +
		"# the auditor's own\n"))
	if err != nil {
		t.Fatal(err)
	}
	if r, err := evidence.Verify(bytes.NewReader(b), int64(len(b)), evidence.Options{Policy: other}); err != nil || !r.OK() {
		t.Errorf("by a laxer policy: %v %v", err, r.Faults)
	}
}

// copyTree keeps modes, which the vault looks at.
func copyTree(t *testing.T, from, to string) {
	t.Helper()
	if out, err := exec.CommandContext(t.Context(), "cp", "-a", from, to).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}

// TestRestoredGatewayForwardsNothing puts a copy of the whole data directory
// back, the newest cosigned checkpoint with it. Only the witnesses know.
func TestRestoredGatewayForwardsNothing(t *testing.T) {
	w := startTwo(t, "lease: 30s, interval: 200ms, timeout: 10s")
	ctx := t.Context()
	if _, err := w.Connect(t).Exec(ctx, "insert into work (kind) values ('kept')"); err != nil {
		t.Fatal(err)
	}
	w.Stop(t)
	data, backup := filepath.Join(w.Dir, "data"), filepath.Join(t.TempDir(), "backup")
	copyTree(t, data, backup)
	w.Run(t)
	if _, err := w.Connect(t).Exec(ctx, "insert into work (kind) values ('hidden')"); err != nil {
		t.Fatal(err)
	}
	if _, report := bundle(t, newClient(t, w.Gateway), w.Gateway, object{}); !report.Witnessed.Quorum {
		t.Fatalf("%+v", report.Witnessed)
	}
	w.Stop(t)

	if err := os.RemoveAll(data); err != nil {
		t.Fatal(err)
	}
	copyTree(t, backup, data)
	w.Run(t)
	_, err := pgx.Connect(ctx, w.DSN(w.CIToken(t)))
	refusedWith(t, "a session on a restored ledger", err, "XX001", `has seen a longer log`)
	var pe *pgconn.PgError
	if errors.As(err, &pe) && !strings.Contains(pe.Hint, "declare the rollback") {
		t.Errorf("hint: %s", pe.Hint)
	}
	b, report := bundle(t, newClient(t, w.Gateway), w.Gateway, object{})
	if report.Witnessed.Quorum {
		t.Error("the restored ledger is cosigned")
	}
	denials := bodies[evidence.Denial](t, b, evidence.TypeDenial)
	if n := len(denials); n == 0 || denials[n-1].Class != "connect" || !strings.Contains(denials[n-1].Reason, "longer log") {
		t.Errorf("on record: %+v", denials)
	}
}

// TestWitnessConfigurationThatCannotHold is refused before anything is served.
func TestWitnessConfigurationThatCannotHold(t *testing.T) {
	w := startTwo(t, "lease: 20s")
	w.Stop(t)
	good, err := os.ReadFile(w.Config)
	if err != nil {
		t.Fatal(err)
	}
	key := w.keepers[0].opt.Key.VerifierKey()
	for name, tc := range map[string]struct{ policy, ca, says string }{
		"no quorum":      {"witness a " + key + "\n", "", "not a policy: trust policy: line 1: there is no quorum"},
		"no URL":         {"witness a " + key + "\nquorum a\n", "", "not enough for its quorum"},
		"no TLS":         {"witness a " + key + " http://192.0.2.1\nquorum a\n", "", "cannot be used"},
		"another log":    {"log sallyport.example/gw1+bef92270+AUQpkwZQBKoeTEj03QFYGUwCNJvMZkzZbkAOommRio1R\nquorum none\nwitness a " + key + " https://127.0.0.1\n", "", "is none of them"},
		"no authority":   {string(w.policy.Text()), "witnesses.policy", "no PEM"},
		"no such policy": {"", "", "cannot be read"},
		"no such file":   {string(w.policy.Text()), "nosuch.pem", "witness.ca: the file cannot be read"},
	} {
		if err := os.Remove(w.file); err != nil && !errors.Is(err, os.ErrNotExist) {
			t.Fatal(err)
		}
		if tc.policy != "" {
			if err := os.WriteFile(w.file, []byte(tc.policy), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		text := string(good)
		if tc.ca != "" {
			text = strings.Replace(text, "ca: ca.pem, lease", "ca: "+tc.ca+", lease", 1)
		}
		if err := os.WriteFile(w.Config, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		cfg, err := config.Load(w.Config)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := server.Open(t.Context(), cfg, deps()); sallyport.KindOf(err) != sallyport.Invalid || !strings.Contains(err.Error(), tc.says) {
			t.Errorf("%s: %v", name, err)
		}
	}
	// A policy that demands nobody, and asks nobody.
	if err := errors.Join(os.WriteFile(w.file, []byte("quorum none\n"), 0o600), os.WriteFile(w.Config, good, 0o600)); err != nil {
		t.Fatal(err)
	}
	w.Run(t)
	if _, err := w.Connect(t).Exec(t.Context(), "select 1"); err != nil {
		t.Error(err)
	}
}
