// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/pprof"
	"strconv"
	"syscall"
	"time"

	domain "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/evidence"
	"github.com/sallyport-dev/sallyport/internal/export"
	"github.com/sallyport-dev/sallyport/internal/ledger"
	"github.com/sallyport-dev/sallyport/test/browser"
	"golang.org/x/mod/sumdb/note"
)

// What the verification of a bundle of a million records may take on one core.
const (
	bundleSeconds = 15
	bundleMemory  = 300 << 20
)

// benchBundle writes a ledger, exports all of it, and measures how the verifier
// of cmd/sallyport-verify checks the bundle on one core.
func benchBundle(ctx context.Context, args []string, out, diag io.Writer) (err error) {
	fs := flag.NewFlagSet("bench bundle", flag.ContinueOnError)
	fs.SetOutput(diag)
	records := fs.Int("records", 1_000_000, "events in the bundle")
	runs := fs.Int("runs", 3, "verifications; the median is printed")
	inBrowser := fs.Bool("browser", false, "verify in Chromium too, with verify.html")
	profile := fs.String("cpuprofile", "", "verify in this process once more, and write a profile")
	if err := fs.Parse(args); err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "sallyport-bundle-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	name := filepath.Join(dir, "bundle.zip")
	made, err := makeBundle(ctx, dir, name, *records, diag)
	if err != nil {
		return err
	}
	enc := json.NewEncoder(out)
	info, err := os.Stat(name)
	if err != nil {
		return err
	}
	if err := enc.Encode(map[string]any{"bench": "bundle", "subject": "export", "records": *records, "seconds": made.Seconds, "bytes": info.Size()}); err != nil {
		return err
	}
	bin := filepath.Join(dir, "sallyport-verify")
	build := exec.CommandContext(ctx, "go", "build", "-o", bin, "github.com/sallyport-dev/sallyport/cmd/sallyport-verify")
	build.Stderr = diag
	if err := build.Run(); err != nil {
		return fmt.Errorf("build of the verifier: %w", err)
	}
	base, err := inflateAndHash(name)
	if err != nil {
		return err
	}
	var cpus []float64
	var peak int64
	for range *runs {
		cpu, rss, err := verifyOnce(ctx, bin, made.Key, name)
		if err != nil {
			return err
		}
		cpus, peak = append(cpus, cpu.Seconds()), max(peak, rss)
	}
	cpu := median(cpus)
	met := cpu < bundleSeconds && peak < bundleMemory
	err = enc.Encode(map[string]any{
		"bench": "bundle", "subject": "sallyport-verify", "records": *records, "cpu_s": cpu, "peak_mib": peak >> 20,
		"peer": "inflate+sha256", "peer_cpu_s": base.Seconds(), "ratio": cpu / base.Seconds(),
		"target": fmt.Sprintf("under %d s and %d MiB at 1000000 records", bundleSeconds, bundleMemory>>20), "met": met,
	})
	if err == nil && *inBrowser {
		err = benchPage(ctx, dir, name, made.Key, *records, enc)
	}
	if err != nil || *profile == "" {
		return err
	}
	return verifyProfiled(*profile, name, made.Key)
}

// benchPage has verify.html check the bundle in Chromium. The time is that of the
// wall: a worker of the page does the work, and the browser unpacks beside it.
func benchPage(ctx context.Context, dir, name, vkey string, records int, enc *json.Encoder) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	p, err := browser.Open(ctx, dir)
	if err != nil {
		return err
	}
	start := time.Now()
	r, err := p.CheckFile(name, browser.Given{Keys: vkey})
	if err != nil {
		return err
	}
	if r.Kind != "good" {
		return fmt.Errorf("the page does not verify the bundle: %s %s %v", r.Words, r.Stopped, r.Faults)
	}
	return enc.Encode(map[string]any{"bench": "bundle", "subject": "verify.html", "records": records, "wall_s": time.Since(start).Seconds()})
}

// verifyProfiled verifies in this process and writes a CPU profile.
func verifyProfiled(profile, name, vkey string) (err error) {
	runtime.GOMAXPROCS(1)
	f, err := os.Create(profile)
	if err != nil {
		return err
	}
	if err := pprof.StartCPUProfile(f); err != nil {
		return errors.Join(err, f.Close())
	}
	defer func() {
		pprof.StopCPUProfile()
		err = errors.Join(err, f.Close())
	}()
	b, err := os.Open(name)
	if err != nil {
		return err
	}
	info, err := b.Stat()
	if err != nil {
		return err
	}
	r, err := evidence.Verify(b, info.Size(), evidence.Options{Keys: []string{vkey}})
	if err == nil && !r.OK() {
		err = errors.New(r.Faults[0].String())
	}
	return errors.Join(err, b.Close())
}

// bundleCommand makes a bundle in a process of its own: a process begins with the
// peak memory of the one that started it, so that the one which starts the
// verifier has to stay small.
const bundleCommand = "make-bundle"

// madeBundle is what that process says.
type madeBundle struct {
	Key     string  `json:"key"`
	Seconds float64 `json:"seconds"`
}

func makeBundle(ctx context.Context, dir, name string, records int, diag io.Writer) (made madeBundle, err error) {
	self, err := os.Executable()
	if err != nil {
		return made, err
	}
	cmd := exec.CommandContext(ctx, self, bundleCommand, dir, name, strconv.Itoa(records))
	cmd.Stderr = diag
	cmd.SysProcAttr = &syscall.SysProcAttr{}
	dieWithParent(cmd.SysProcAttr)
	text, err := cmd.Output()
	if err != nil {
		return made, fmt.Errorf("the bundle cannot be made: %w", err)
	}
	return made, json.Unmarshal(text, &made)
}

// bundleMain is that process.
func bundleMain(ctx context.Context, args []string, out io.Writer) error {
	if len(args) != 3 {
		return errors.New("make-bundle DIR FILE RECORDS")
	}
	records, err := strconv.Atoi(args[2])
	if err != nil {
		return err
	}
	took, vkey, err := writeBundle(ctx, args[0], args[1], records)
	if err != nil {
		return err
	}
	return json.NewEncoder(out).Encode(madeBundle{Key: vkey, Seconds: took.Seconds()})
}

// verifyOnce runs the verifier with one processor. Its CPU time is what one core
// is busy for, the collector's part included.
func verifyOnce(ctx context.Context, bin, vkey, bundle string) (time.Duration, int64, error) {
	cmd := exec.CommandContext(ctx, bin, "-key", vkey, bundle)
	cmd.Env = append(os.Environ(), "GOMAXPROCS=1")
	text, err := cmd.CombinedOutput()
	if err != nil {
		return 0, 0, fmt.Errorf("the bundle does not verify: %w\n%s", err, text)
	}
	if !bytes.Contains(text, []byte("the whole log")) {
		return 0, 0, fmt.Errorf("the verifier did not see the whole log:\n%s", text)
	}
	use, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage)
	if !ok {
		return 0, 0, errors.New("no resource usage of the verifier")
	}
	return cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime(), use.Maxrss << 10, nil
}

// inflateAndHash unpacks every file of the bundle and hashes it, which is less
// than any verification can do with.
func inflateAndHash(name string) (time.Duration, error) {
	z, err := zip.OpenReader(name)
	if err != nil {
		return 0, err
	}
	start, err := threadCPU()
	if err != nil {
		return 0, err
	}
	for _, f := range z.File {
		r, err := f.Open()
		if err != nil {
			return 0, err
		}
		if _, err := io.Copy(sha256.New(), r); err != nil {
			return 0, err
		}
		if err := r.Close(); err != nil {
			return 0, err
		}
	}
	end, err := threadCPU()
	return end - start, errors.Join(err, z.Close())
}

// writeBundle fills a ledger and exports it.
func writeBundle(ctx context.Context, dir, name string, records int) (time.Duration, string, error) {
	const origin = "bench.example/gw"
	skey, vkey, err := note.GenerateKey(rand.Reader, origin)
	if err != nil {
		return 0, "", err
	}
	signer, err := note.NewSigner(skey)
	if err != nil {
		return 0, "", err
	}
	verifier, err := note.NewVerifier(vkey)
	if err != nil {
		return 0, "", err
	}
	l, err := ledger.Open(ctx, ledger.Options{
		Dir: filepath.Join(dir, "ledger"), Origin: origin, Signers: []note.Signer{signer}, Verifiers: note.VerifierList(verifier),
	})
	if err != nil {
		return 0, "", err
	}
	began := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	h := history{log: l, origin: origin, vkey: vkey, at: began, began: began, left: records}
	if err := h.write(ctx); err != nil {
		return 0, "", errors.Join(err, l.Close(ctx))
	}
	f, err := os.Create(name)
	if err != nil {
		return 0, "", errors.Join(err, l.Close(ctx))
	}
	start := time.Now()
	_, err = export.Build(ctx, f, export.Source{
		Checkpoint: l.Publish, Scan: l.Scan, Subtree: l.Subtree,
		Blob:    func(context.Context, string) ([]byte, error) { return nil, errors.New("no blob is kept") },
		Signers: []note.Signer{signer}, Keys: []string{vkey}, Now: time.Now,
	}, export.Filter{})
	return time.Since(start), vkey, errors.Join(err, f.Close(), l.Close(ctx))
}

// history writes what a gateway would: sessions that overlap, of a few dozen
// statements each, some of them masked, some refused.
type history struct {
	log    *ledger.Log
	origin string
	vkey   string
	at     time.Time
	began  time.Time
	left   int
	n      int
	err    error
}

const benchPolicy = "permit(principal, action, resource);\n"

func (h *history) write(ctx context.Context) error {
	digest := domain.PolicyDigest(evidence.Digest([]byte(benchPolicy)))
	put(h, nil, evidence.TypeStart, evidence.Start{Version: "bench", Epoch: 1, Clean: true, Keys: []string{h.vkey}})
	put(h, nil, evidence.TypePolicyLoaded, evidence.PolicyLoaded{Digest: digest, Source: "bench", Text: benchPolicy})
	const together, statements = 8, 20
	for h.left > 0 && h.err == nil && ctx.Err() == nil {
		chains := make([]*evidence.Chain, together)
		for i := range chains {
			h.n++
			c := evidence.NewChain(domain.SessionID(fmt.Sprintf("s_%020d", h.n)))
			chains[i] = &c
			put(h, chains[i], evidence.TypeSessionOpen, evidence.SessionOpen{
				Principal: domain.Principal{ID: domain.PrincipalID(fmt.Sprintf("ci:acme/job-%d", h.n%200)), Kind: domain.CIJob, Groups: []string{"ci"}},
				Resource:  "clinic", Protocol: "postgres", Role: "etl", Rules: []domain.RuleID{"etl"}, Policy: digest,
				Client: "192.0.2.1:5000 psql", TLS: "TLS 1.3", Lineage: "in-band", Upstream: "TLS 1.3",
			})
		}
		for stmt := range uint64(statements) {
			for _, c := range chains {
				h.statement(c, stmt+1, digest)
			}
		}
		for _, c := range chains {
			put(h, c, evidence.TypeSessionClose, evidence.SessionClose{Reason: "the client left", Statements: statements, Denials: 1, Events: c.Seq() + 1, Head: c.Head()})
		}
		put(h, nil, evidence.TypeHeartbeat, evidence.Heartbeat{Sessions: together, Every: 10_000})
	}
	put(h, nil, evidence.TypeStop, evidence.Stop{Reason: "done"})
	return errors.Join(h.err, ctx.Err())
}

func (h *history) statement(c *evidence.Chain, stmt uint64, policy domain.PolicyDigest) {
	text := make([]byte, 120)
	for i := range text {
		text[i] = byte(h.n*31 + int(stmt)*7 + i*i)
	}
	sealed := &evidence.Sealed{Key: "dk_bench", SHA256: evidence.Digest(text), Len: len(text), Data: text}
	readable := "SELECT id, name, birth_date, ssn FROM patients WHERE id = $1 AND ward = '?'"
	if stmt == 7 {
		put(h, c, evidence.TypeDenial, evidence.Denial{
			Stmt: stmt, Class: "drop table", Readable: "DROP TABLE patients", Digest: hex.EncodeToString(text[:32]),
			Rules: []domain.RuleID{"default"}, Policy: policy, Reason: "no rule permits it", Sealed: sealed,
		})
		return
	}
	put(h, c, evidence.TypeIntent, evidence.Intent{
		Stmt: stmt, Phase: "execute", Mode: "before-forward", Class: "select", Readable: readable, Digest: hex.EncodeToString(text[:32]),
		Objects: []string{"clinic/public/patients"}, Effects: []string{"read"},
		Masks:   []evidence.MaskPlan{{Output: 3, Columns: []string{"clinic/public/patients/ssn"}, Labels: []domain.Label{"phi.ssn"}, Reason: "no permit for readRaw"}},
		Verdict: "allow", Rules: []domain.RuleID{"etl"}, Policy: policy, Sealed: sealed,
	})
	put(h, c, evidence.TypeOutcome, evidence.Outcome{Stmt: stmt, Status: "ok", Tag: "SELECT 3", Rows: 3, Bytes: 412, Micros: 1841})
	if stmt%2 == 0 {
		put(h, c, evidence.TypeMasking, evidence.Masking{
			Stmt: stmt, Output: 3, Columns: []string{"clinic/public/patients/ssn"}, Labels: []domain.Label{"phi.ssn"},
			Reason: "no permit for readRaw", Operator: "redact", Profile: "need-to-know", Version: "1", Seen: 3, Masked: 3,
		})
	}
}

// put appends one event.
func put[B any](h *history, c *evidence.Chain, t evidence.Type, body B) {
	if h.err != nil {
		return
	}
	h.at = h.at.Add(700 * time.Microsecond)
	leaf := evidence.Leaf[B]{V: evidence.LeafVersion, Type: t, Origin: h.origin, Time: h.at, Mono: int64(h.at.Sub(h.began)), Body: body}
	if c != nil {
		c.Next(&leaf.Session, &leaf.Seq, &leaf.Prev)
	}
	raw, err := evidence.Marshal(leaf)
	if err == nil {
		if c != nil {
			c.Add(raw)
		}
		err = h.log.Post(raw)
	}
	h.left--
	h.err = err
}
