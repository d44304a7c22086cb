// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package fault_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/mod/sumdb/note"

	"github.com/sallyport-dev/sallyport/evidence"
	"github.com/sallyport-dev/sallyport/internal/ledger"
	"github.com/sallyport-dev/sallyport/test/gatewaytest"
)

// marks is a table in which each statement leaves a mark that can be counted: a
// row for each client, so that none waits for another's lock.
const marks = `CREATE TABLE public.marks (id int PRIMARY KEY, n bigint NOT NULL DEFAULT 0);
INSERT INTO public.marks SELECT generate_series(1, 8);
GRANT ALL ON public.marks TO gateway;`

// built is a command of ours, built once for the whole binary.
var built struct {
	once sync.Once
	dir  string
	err  error
}

func command(t *testing.T, name string) string {
	t.Helper()
	built.once.Do(func() {
		if built.dir, built.err = os.MkdirTemp("", "sallyport-fault-"); built.err != nil {
			return
		}
		out, err := exec.Command("go", "build", "-pgo=off", "-o", built.dir, "../../cmd/sallyport", "../../cmd/sallyport-verify").CombinedOutput()
		if err != nil {
			built.err = fmt.Errorf("%w: %s", err, out)
		}
	})
	if built.err != nil {
		t.Fatal(built.err)
	}
	return filepath.Join(built.dir, name)
}

// rig is a gateway's directory, a target and clients, for a gateway that runs as a
// process of its own.
type rig struct {
	*gatewaytest.Gateway
	acked   map[string]bool // statements that were answered, by their mark
	runs    int
	unclean int // epochs on record that began and did not end in order
}

func newRig(t *testing.T, opts ...gatewaytest.Option) *rig {
	t.Helper()
	opts = append(opts, gatewaytest.Open(), gatewaytest.Schema(marks), gatewaytest.MoreLabels("  public.marks.*: public\n"))
	g := &rig{Gateway: gatewaytest.Start(t, opts...), acked: map[string]bool{}}
	g.Stop(t)
	return g
}

// process is a gateway that runs.
type process struct {
	cmd  *exec.Cmd
	diag bytes.Buffer
	addr string // of the PostgreSQL listener; empty when it refused to start
	out  io.Reader
}

// serve starts the built command on the rig's configuration, or on another.
func (g *rig) serve(t *testing.T, config string, wrap ...string) *process {
	t.Helper()
	args := append(append([]string{}, wrap...), command(t, "sallyport"), "serve", "--config", config)
	p := &process{cmd: exec.CommandContext(t.Context(), args[0], args[1:]...)}
	p.cmd.Stderr = &p.diag
	dieWithParent(p.cmd)
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	in := bufio.NewReader(out)
	p.out = in
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return p // it has ended
		}
		if addr, ok := strings.CutPrefix(line, "postgres "); ok {
			p.addr = strings.TrimSpace(addr)
			return p
		}
	}
}

// wait returns how the gateway ended; it is killed when it does not.
func (p *process) wait(t *testing.T, patience time.Duration) (code int) {
	t.Helper()
	kill := time.AfterFunc(patience, func() {
		t.Errorf("the gateway did not end by itself")
		_ = p.cmd.Process.Kill() // Wait says whether it died
	})
	defer kill.Stop()
	_, _ = io.Copy(io.Discard, p.out) // until it has ended
	var exit *exec.ExitError
	if err := p.cmd.Wait(); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return p.cmd.ProcessState.ExitCode()
}

// killTraced kills the one child of a tracer, which would leave it running if it
// were killed itself.
func (p *process) killTraced() {
	pid := p.cmd.Process.Pid
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	if err != nil {
		return // it has ended
	}
	if child, err := strconv.Atoi(strings.TrimSpace(string(text))); err == nil {
		_ = syscall.Kill(child, syscall.SIGKILL) // it may have ended just now
	}
}

// load runs clients against a gateway until each has met an error, or made count
// statements. Each leaves a mark with the target and has a name of its own.
func (g *rig) load(t *testing.T, addr string, clients, count int) {
	t.Helper()
	g.runs++
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		t.Fatal(err)
	}
	token := g.CIToken(t)
	var mu sync.Mutex
	var wg sync.WaitGroup
	for c := 1; c <= clients; c++ {
		cfg, err := pgx.ParseConfig(strings.Replace(g.DSN(token), "host=127.0.0.1", "host="+host, 1))
		if err != nil {
			t.Fatal(err)
		}
		cfg.Port = uint16(n)
		cfg.DefaultQueryExecMode = pgx.QueryExecModeSimpleProtocol
		wg.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
			defer cancel()
			conn, err := pgx.ConnectConfig(ctx, cfg)
			if err != nil {
				return
			}
			defer func() { _ = conn.Close(ctx) }() // the gateway may be gone
			for i := range count {
				// Four digits in a row look like data, which the ledger does not name.
				mark := fmt.Sprintf("m_%d_%d_%d_%d", g.runs, c, i/1000, i%1000)
				var got int64
				if err := conn.QueryRow(ctx, fmt.Sprintf("update marks set n = n + 1 where id = %d returning n as %s", c, mark)).Scan(&got); err != nil {
					return
				}
				mu.Lock()
				g.acked[mark] = true
				mu.Unlock()
			}
		})
	}
	wg.Wait()
}

// executed asks the target how many statements it has carried out.
func (g *rig) executed(t *testing.T) (n int) {
	t.Helper()
	if err := g.Server.Connect(t, "clinic").QueryRow(t.Context(), "select sum(n) from marks").Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// judge compares what clients and the target know with the ledger, as it lies
// after the gateway's end: every answered statement has its intent, and there are
// at least as many intents as the target has executed statements.
func (g *rig) judge(t *testing.T, r *row) {
	t.Helper()
	dir := filepath.Join(g.Dir, "data")
	skey, err := os.ReadFile(filepath.Join(dir, "keys", "ledger.key"))
	if err != nil {
		t.Fatal(err)
	}
	signer, err := note.NewSigner(strings.TrimSpace(string(skey)))
	if err != nil {
		t.Fatal(err)
	}
	verifier, err := note.NewVerifier(g.VerifierKeys()[0])
	if err != nil {
		t.Fatal(err)
	}
	l, err := ledger.Open(t.Context(), ledger.Options{
		Dir: filepath.Join(dir, "ledger"), Origin: signer.Name(), Signers: []note.Signer{signer}, Verifiers: note.VerifierList(verifier), Now: time.Now,
		Head:        ledger.FileHead{FS: ledger.OS{}, Name: filepath.Join(dir, "head", "checkpoint")},
		SegmentSize: ledger.MinSegmentSize, // it is quicker made
	})
	if err != nil {
		t.Errorf("the ledger does not open again: %v", err)
		return
	}
	intents := map[string]int{}
	total := 0
	g.unclean = 0
	err = l.Scan(t.Context(), 0, func(_ uint64, leaf []byte) error {
		parsed, err := evidence.ParseLeaf(leaf)
		switch {
		case err != nil:
			return err
		case parsed.Type == evidence.TypeStart:
			g.unclean++
		case parsed.Type == evidence.TypeStop:
			g.unclean--
		}
		if parsed.Type != evidence.TypeIntent {
			return nil
		}
		var in evidence.Intent
		if err := json.Unmarshal(parsed.Body, &in); err != nil {
			return err
		}
		if _, mark, ok := strings.Cut(string(leaf), "returning n as "); ok && in.Phase == "execute" {
			mark, _, _ = strings.Cut(mark, `"`)
			intents[mark]++
			total++
		}
		return nil
	})
	if err != nil {
		t.Errorf("scan: %v", err)
	}
	if _, err := l.Verify(t.Context()); err != nil {
		t.Errorf("verify: %v", err)
	}
	if err := l.Close(t.Context()); err != nil {
		t.Error(err)
	}
	executed, lost := g.executed(t), 0
	for mark := range g.acked {
		if intents[mark] == 0 {
			lost++
		}
	}
	if executed > total {
		t.Errorf("the target executed %d statements, the ledger has intents of %d", executed, total)
		lost += executed - total
	}
	r.acked, r.lost = len(g.acked), max(r.lost, lost)
}

// aftermath starts the gateway again in order and wants it to say that the last
// epoch did not end in order, if it did not, and its bundle to verify.
func (g *rig) aftermath(t *testing.T, r *row) {
	t.Helper()
	g.Run(t)
	b := g.bundle(t)
	g.Stop(t)
	rep, err := evidence.Verify(bytes.NewReader(b), int64(len(b)), evidence.Options{Keys: []string{g.VerifierKeys()[0]}})
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range rep.Faults {
		t.Errorf("fault in an honest bundle: %v", f)
	}
	got := 0
	for _, e := range rep.Epochs {
		if e.Number > 1 && !e.Clean {
			got++
		}
	}
	if got != g.unclean {
		r.undetected += max(g.unclean-got, 0)
		t.Errorf("%d unclean starts on record, not %d", got, g.unclean)
	}
}

// bundle exports everything through the API of the gateway that runs.
func (g *rig) bundle(t *testing.T) []byte {
	t.Helper()
	pem, err := os.ReadFile(g.CA)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(pem)
	tr := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}, DisableKeepAlives: true}
	defer tr.CloseIdleConnections()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "https://"+g.APIAddress()+"/v1/evidence", strings.NewReader(`{"purpose":"fault harness"}`))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+g.HumanToken(t, "eve", "auditors"))
	req.Header.Set("Content-Type", "application/json")
	res, err := (&http.Client{Transport: tr, Timeout: time.Minute}).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }() // it was read to its end
	b, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("export: %d %s %v", res.StatusCode, b, err)
	}
	return b
}

// TestGatewayKilled kills the gateway under load: at calls of every kind, and at
// random.
func TestGatewayKilled(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	calls := fault(t, "gateway: kill -9 at a system call", "strace, the n-th call of a kind, under load")
	for _, call := range []string{"pwrite64", "fsync", "renameat", "unlinkat", "write"} {
		for _, when := range []int{3, 30, 9, 90}[:pick(1, 4)] {
			wrap, fired := injection{call: call, what: "signal=SIGKILL", when: when}.tracer(t)
			p := g.serve(t, g.Config, wrap...)
			if p.addr != "" {
				g.load(t, p.addr, 4, pick(60, 200))
			}
			p.killTraced() // if the call did not come
			p.wait(t, time.Minute)
			n := fired()
			calls.fired += n
			if n == 0 {
				t.Logf("%s %d: there was no such call", call, when)
			}
			if when != 30 { // let the gateway itself be the first to recover as well
				g.judge(t, calls)
			}
		}
	}
	random := fault(t, "gateway: kill -9 at random", "a signal after 20 to 400 ms of load")
	rng := rand.New(rand.NewPCG(7, 7))
	for i := range pick(3, 15) {
		p := g.serve(t, g.Config)
		if p.addr == "" {
			t.Fatalf("it does not start: %s", &p.diag)
		}
		kill := time.AfterFunc(time.Duration(20+rng.IntN(380))*time.Millisecond, func() { _ = p.cmd.Process.Kill() }) // wait says whether it died
		g.load(t, p.addr, 8, 1<<20)
		kill.Stop()
		if p.wait(t, time.Minute) == -1 {
			random.fired++
		}
		if i%2 == 0 {
			g.judge(t, random)
		}
	}
	g.aftermath(t, random)
}

// TestGatewayDisk lets calls of the gateway fail under load. It has to refuse
// everything from then on, to end by itself with an error, and to have forwarded
// nothing that is not on record.
func TestGatewayDisk(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	for _, tc := range []struct{ call, errno string }{
		{"pwrite64", "EIO"},
		{"pwrite64", "ENOSPC"},
		{"fsync", "EIO"},
		{"renameat", "ENOSPC"},
	} {
		r := fault(t, "gateway: "+tc.errno+" on "+tc.call, "strace, the n-th call on the ledger's files, under load")
		for _, when := range []int{5, 2, 12}[:pick(1, 3)] {
			inj := injection{call: tc.call, what: "error=" + tc.errno, when: when}
			// The store makes such calls too; this is about the ledger.
			files, err := filepath.Glob(filepath.Join(g.Dir, "data", "ledger", "wal", "*.wal"))
			if err != nil {
				t.Fatal(err)
			}
			inj.on = append(files, filepath.Join(g.Dir, "data", "ledger", "tiles", "checkpoint.tmp"))
			wrap, fired := inj.tracer(t)
			p := g.serve(t, g.Config, wrap...)
			if p.addr != "" {
				g.load(t, p.addr, 4, 2000)
			}
			code := p.wait(t, time.Minute)
			n := fired()
			r.fired += n
			if n == 0 {
				t.Errorf("%s %d: nothing was injected", tc.call, when)
			}
			if tc.call == "pwrite64" && n != 1 {
				t.Errorf("%s %d: it failed %d times: the write was tried again", tc.call, when, n)
			}
			if code <= 0 {
				r.undetected++
				t.Errorf("%s %d: the gateway ended with %d", tc.call, when, code)
			}
			g.judge(t, r)
		}
	}
	g.aftermath(t, &row{})
}

// TestTwoGateways starts a second gateway on the data of one that serves.
func TestTwoGateways(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	r := fault(t, "gateway: two on one data directory", "a second gateway on other ports, under load")
	p := g.serve(t, g.Config)
	if p.addr == "" {
		t.Fatalf("it does not start: %s", &p.diag)
	}
	var wg sync.WaitGroup
	wg.Go(func() { g.load(t, p.addr, 4, 200) })
	for range pick(2, 6) {
		second := g.serve(t, g.Config) // port 0 in it is another each time
		if second.addr != "" {
			r.undetected++
			_ = second.cmd.Process.Kill() // wait says whether it died
		}
		if code := second.wait(t, time.Minute); code > 0 && strings.Contains(second.diag.String(), "another process has this ledger open") {
			r.fired++
		} else {
			t.Errorf("the second gateway ended with %d: %s", code, &second.diag)
		}
	}
	wg.Wait()
	if len(g.acked) != 800 {
		t.Errorf("the first gateway answered %d statements of 800", len(g.acked))
	}
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Error(err)
	}
	if code := p.wait(t, time.Minute); code != 0 {
		t.Errorf("the first gateway ended with %d: %s", code, &p.diag)
	}
	g.judge(t, r)
}

// TestKeys takes the ledger's keys away, exchanges and damages them. The gateway
// has to refuse to start, and everything has to lie as it lay, so that putting the
// right key back is enough.
func TestKeys(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	g.Run(t)
	g.load(t, g.PostgresAddress(), 2, 20)
	g.Stop(t)
	keys := filepath.Join(g.Dir, "data", "keys")
	key, vkey := filepath.Join(keys, "ledger.key"), filepath.Join(keys, "ledger.vkey")
	other, otherv, err := note.GenerateKey(rand2{}, "sallyport.test/gw")
	if err != nil {
		t.Fatal(err)
	}
	write := func(name, text string) {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	remove := func(name string) {
		if err := os.Remove(name); err != nil {
			t.Fatal(err)
		}
	}
	good, goodv := read(t, key), read(t, vkey)
	for _, tc := range []struct {
		name, how string
		harm      func()
	}{
		{"key file missing", "the signing key removed", func() { remove(key) }},
		{"key file missing", "both removed", func() { remove(key); remove(vkey) }},
		{"key file changed", "another signing key of the same name", func() { write(key, other) }},
		{"key file changed", "another pair of the same name", func() { write(key, other); write(vkey, otherv) }},
		{"key file changed", "a letter of the signing key", func() { write(key, strings.Replace(good, "A", "B", 1)) }},
		{"key file changed", "half of the signing key", func() { write(key, good[:len(good)/2]) }},
		{"key file unreadable", "a directory in its place", func() {
			remove(key)
			if err := os.Mkdir(key, 0o700); err != nil {
				t.Fatal(err)
			}
		}},
		{"key file unreadable", "empty", func() { write(key, "") }},
	} {
		r := fault(t, "gateway: "+tc.name+": "+tc.how, "the file, before the start")
		tc.harm()
		before := digestOf(t, filepath.Join(g.Dir, "data", "ledger")) + digestOf(t, keys)
		p := g.serve(t, g.Config)
		if p.addr != "" {
			r.undetected++
			_ = p.cmd.Process.Kill() // wait says whether it died
		}
		if code := p.wait(t, time.Minute); code <= 0 {
			t.Errorf("%s, %s: it ended with %d: %s", tc.name, tc.how, code, &p.diag)
		} else {
			r.fired++
		}
		if digestOf(t, filepath.Join(g.Dir, "data", "ledger"))+digestOf(t, keys) != before {
			r.undetected++
			t.Errorf("%s, %s: files were changed", tc.name, tc.how)
		}
		if err := os.RemoveAll(key); err != nil {
			t.Fatal(err)
		}
		write(key, good)
		write(vkey, goodv)
		g.judge(t, r)
	}
}

func read(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// rand2 is the source of another key than that of the test before.
type rand2 struct{}

func (rand2) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 2
	}
	return len(p), nil
}
