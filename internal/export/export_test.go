// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package export_test

import (
	"archive/zip"
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/evidence"
	"github.com/sallyport-dev/sallyport/internal/export"
)

// files unpacks a bundle.
func files(t testing.TB, bundle []byte) map[string][]byte {
	t.Helper()
	z, err := zip.NewReader(bytes.NewReader(bundle), int64(len(bundle)))
	if err != nil {
		t.Fatal(err)
	}
	out := map[string][]byte{}
	for _, f := range z.File {
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(r)
		if err := errors.Join(err, r.Close()); err != nil {
			t.Fatal(err)
		}
		out[f.Name] = content
	}
	return out
}

func TestWholeLog(t *testing.T) {
	t.Parallel()
	g := newGateway(t)
	g.fill()
	bundle, sum := g.bundle(export.Filter{})
	r := g.verify(bundle)
	if !r.OK() {
		t.Fatalf("faults: %v", r.Faults)
	}
	if !r.WholeLog || !r.Trusted || uint64(r.Leaves) != r.TreeSize || r.Sessions != 3 || r.Statements != 5 || r.Denials != 2 || r.Recordings != 2 {
		t.Errorf("report: %+v", r)
	}
	if sum.Leaves != r.Leaves || sum.Sessions != 3 || sum.Replays != 2 || sum.Missing != 0 || sum.TreeSize != r.TreeSize || sum.Root != r.Root {
		t.Errorf("summary: %+v", sum)
	}
	if len(r.MayHaveExecuted) != 1 || r.MayHaveExecuted[0].Session != "s_open" || r.MayHaveExecuted[0].Stmt != 1 {
		t.Errorf("may have executed: %+v", r.MayHaveExecuted)
	}
	if len(r.Epochs) != 2 || r.Epochs[0].Stopped || r.Epochs[1].Clean || !r.Epochs[1].Stopped {
		t.Errorf("epochs: %+v", r.Epochs)
	}
	silent := slices.DeleteFunc(r.Record.Lacks, func(x evidence.Lack) bool { return x.Kind != evidence.LackSilence })
	if len(silent) != 2 || silent[1].What != "4 heartbeats are missing" {
		t.Errorf("silences: %+v", silent)
	}
	var text strings.Builder
	if _, err := r.WriteTo(&text); err != nil || !strings.Contains(text.String(), "VERIFIED") || !strings.Contains(text.String(), "may have executed") {
		t.Errorf("report in words: %s", text.String())
	}
}

// TestTables reads the CSV and JSON tables as an auditor would.
func TestTables(t *testing.T) {
	t.Parallel()
	g := newGateway(t)
	g.fill()
	bundle, _ := g.bundle(export.Filter{})
	all := files(t, bundle)
	filled := 0
	for _, table := range evidence.Tables() {
		name := table.Name
		rows, err := csv.NewReader(bytes.NewReader(all[name+".csv"])).ReadAll()
		if err != nil || len(rows) == 0 || !slices.Equal(rows[0], table.Columns) {
			t.Fatalf("%s.csv: %d rows, %v", name, len(rows), err)
		}
		if len(rows) > 1 {
			filled++
		}
		var objects []map[string]any
		if err := json.Unmarshal(all[name+".json"], &objects); err != nil || len(objects) != len(rows)-1 {
			t.Fatalf("%s.json: %d objects for %d rows, %v", name, len(objects), len(rows)-1, err)
		}
		for _, row := range rows[1:] {
			for i, cell := range row {
				if cell != "" && strings.ContainsRune("=+-@", rune(cell[0])) {
					t.Errorf("%s.csv, %s: %q would be a formula", name, rows[0][i], cell)
				}
			}
			if _, ok := objects[0][rows[0][0]]; !ok || len(objects[0]) != len(rows[0]) {
				t.Errorf("%s: the two forms have different columns", name)
			}
		}
	}
	if filled < len(evidence.Tables())-1 { // nothing was ended by the gateway; TestAuditorsPackage of the server has that
		t.Errorf("only %d tables have rows", filled)
	}
	var statements []struct {
		Session, Readable, Result, Code, Principal string
		Statement                                  int
	}
	if err := json.Unmarshal(all["05-audit-controls/session-audit-log.json"], &statements); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, s := range statements {
		if s.Session == "s_one" || s.Session == "s_open" {
			got = append(got, strings.Join([]string{s.Session, s.Principal, s.Readable, s.Result, s.Code}, "|"))
		}
	}
	want := []string{
		"s_one|ci:claims|SELECT ssn FROM patients WHERE id = $1|success|",
		"s_one|ci:claims|DROP TABLE patients|not forwarded|",
		"s_one|ci:claims|SELECT ssn FROM patients WHERE id = $1|failure|42501",
		"s_open|svc:reports|DELETE FROM results|may have executed|",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("statements (-want +got):\n%s", diff)
	}
	if string(all["policies/"+string(g.policy)+".cedar"]) != policyText {
		t.Error("the policy's text is not in the bundle")
	}
	if !bytes.Contains(all["01-access-control/access-grants.json"], []byte("permit(principal, action, resource)")) {
		t.Error("grants do not show the policy's text")
	}
}

func TestFilters(t *testing.T) {
	t.Parallel()
	g := newGateway(t)
	start := g.now
	g.fill()
	for name, tc := range map[string]struct {
		filter            export.Filter
		sessions, grants  []string
		requests, replays int
	}{
		"session":           {export.Filter{Session: "s_one"}, []string{"s_one"}, []string{"g1"}, 1, 1},
		"principal":         {export.Filter{Principal: "svc:reports"}, []string{"s_open", "s_two"}, []string{"g2"}, 1, 1},
		"resource":          {export.Filter{Resource: "clinic"}, []string{"s_one"}, []string{"g1"}, 1, 1},
		"grant":             {export.Filter{Grant: "g2"}, []string{"s_open", "s_two"}, []string{"g2"}, 1, 1},
		"time, early":       {export.Filter{To: start.Add(20 * time.Second)}, []string{"s_one"}, []string{"g1"}, 1, 1},
		"time, late":        {export.Filter{From: start.Add(5 * time.Minute)}, []string{"s_open"}, []string{"g1", "g2", "g3"}, 4, 0},
		"nobody":            {export.Filter{Principal: "svc:nobody"}, nil, nil, 0, 0},
		"principal by time": {export.Filter{Principal: "ci:claims", To: start}, nil, nil, 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			bundle, sum := g.bundle(tc.filter)
			r := g.verify(bundle)
			if !r.OK() || r.WholeLog {
				t.Fatalf("whole %v, faults: %v", r.WholeLog, r.Faults)
			}
			all := files(t, bundle)
			if diff := cmp.Diff(tc.sessions, column(t, all["02-unique-identification/sessions.csv"], "session")); diff != "" {
				t.Errorf("sessions (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tc.grants, column(t, all["01-access-control/access-grants.csv"], "grant")); diff != "" {
				t.Errorf("grants (-want +got):\n%s", diff)
			}
			if n := len(column(t, all["01-access-control/requests.csv"], "request")); n != tc.requests {
				t.Errorf("%d requests", n)
			}
			if sum.Replays != tc.replays {
				t.Errorf("%d replays", sum.Replays)
			}
			if len(tc.sessions) > 0 && all["policies/"+string(g.policy)+".cedar"] == nil {
				t.Error("the policy is missing")
			}
		})
	}
	for name, tc := range map[string]struct {
		filter export.Filter
		kind   sallyport.Kind
	}{
		"unknown session": {export.Filter{Session: "s_none"}, sallyport.NotFound},
		"unknown grant":   {export.Filter{Grant: "g9"}, sallyport.NotFound},
		"backwards":       {export.Filter{From: start, To: start.Add(-1)}, sallyport.Invalid},
	} {
		if _, err := export.Build(t.Context(), io.Discard, g.source(), tc.filter); sallyport.KindOf(err) != tc.kind {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// column returns a column of a CSV table, sorted as it stands there.
func column(t *testing.T, text []byte, name string) (values []string) {
	t.Helper()
	rows, err := csv.NewReader(bytes.NewReader(text)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	for i, head := range rows[0] {
		for _, row := range rows[1:] {
			if head == name {
				values = append(values, row[i])
			}
		}
	}
	slices.Sort(values)
	return values
}

// TestEveryFlippedByte flips one bit of every byte of a bundle: each must give
// at least one fault.
func TestEveryFlippedByte(t *testing.T) {
	t.Parallel()
	g := newGateway(t)
	g.start(1, true)
	g.session("s_one", g.grant(1, "ci:claims", "clinic"), sessionOptions{statement: "SELECT 1"})
	bundle, _ := g.bundle(export.Filter{})
	small := files(t, bundle)
	for _, f := range evidence.StaticFiles() {
		delete(small, f.Name) // they would only make it longer
	}
	bundle = repack(t, small, g.signer, nil)
	if r := g.verify(bundle); !r.OK() {
		t.Fatalf("faults: %v", r.Faults)
	}
	// One byte in seven of what is derived for people to read; every other byte of
	// the archive.
	sparse := make([]bool, len(bundle))
	z, err := zip.NewReader(bytes.NewReader(bundle), int64(len(bundle)))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range z.File {
		at, err := f.DataOffset()
		if err != nil {
			t.Fatal(err)
		}
		switch f.Name {
		case evidence.WorkbookName, evidence.IndexName, evidence.IndexPageName, evidence.SummaryName:
			for i := range int64(f.CompressedSize64) {
				sparse[at+i] = i%7 != 0
			}
		}
	}
	var wg sync.WaitGroup
	const workers = 4
	for w := range workers {
		wg.Go(func() {
			c := bytes.Clone(bundle)
			for i := w; i < len(c); i += workers * stride {
				if sparse[i] {
					continue
				}
				c[i] ^= 1 << (i % 8)
				r, err := evidence.Verify(bytes.NewReader(c), int64(len(c)), evidence.Options{Keys: []string{g.vkey}})
				c[i] = bundle[i]
				if err != nil || r.OK() {
					t.Errorf("byte %d of %d: a flipped bit was not found (%v)", i, len(c), err)
					return
				}
				for _, f := range r.Faults {
					if f.Msg == "" || f.File == "" && f.Offset < 0 && !strings.Contains(f.Msg, "archive") && !strings.Contains(f.Msg, "name") {
						t.Errorf("byte %d: the fault %q does not say where", i, f)
						return
					}
				}
			}
		})
	}
	wg.Wait()
	for _, cut := range []int{0, 1, len(bundle) / 2, len(bundle) - 1} {
		if r := g.verify(bundle[:cut]); r.OK() {
			t.Errorf("a bundle cut to %d bytes verifies", cut)
		}
	}
	if r := g.verify(append(bytes.Clone(bundle), 0)); r.OK() {
		t.Error("a bundle with a byte more verifies")
	}
}

// TestErasedCiphertext says so instead of failing.
func TestErasedCiphertext(t *testing.T) {
	t.Parallel()
	g := newGateway(t)
	g.fill()
	clear(g.blobs)
	bundle, sum := g.bundle(export.Filter{})
	r := g.verify(bundle)
	if !r.OK() || sum.Missing != 2 || !strings.Contains(strings.Join(r.Notices, "\n"), "no longer stored") {
		t.Errorf("missing %d, faults %v, notices %v", sum.Missing, r.Faults, r.Notices)
	}
}

// TestPythonAgrees runs the verifier in Python that is in every bundle.
func TestPythonAgrees(t *testing.T) {
	t.Parallel()
	g := newGateway(t)
	g.fill()
	bundle, _ := g.bundle(export.Filter{Principal: "svc:reports"})
	dir := t.TempDir()
	for name, content := range files(t, bundle) {
		name = filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	python := func() (string, error) {
		cmd := exec.CommandContext(t.Context(), "python3", "check.py", g.vkey)
		cmd.Dir = dir
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	out, err := python()
	if err != nil || !strings.Contains(out, "may have executed: session s_open statement 1") || !strings.Contains(out, "OK: ") {
		t.Fatalf("check.py: %v\n%s", err, out)
	}
	leaves := filepath.Join(dir, evidence.LeavesName)
	text, err := os.ReadFile(leaves)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(leaves, bytes.Replace(text, []byte("DELETE"), []byte("SELECT"), 1), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := python(); err == nil {
		t.Errorf("check.py accepts a changed leaf:\n%s", out)
	}
}
