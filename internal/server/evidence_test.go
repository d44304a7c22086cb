// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package server_test

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/note"

	"github.com/sallyport-dev/sallyport/evidence"
	"github.com/sallyport-dev/sallyport/test/gatewaytest"
)

// bundle exports everything and verifies it with the ledger's key.
func bundle(t testing.TB, c *client, g *gatewaytest.Gateway, filter object) ([]byte, *evidence.Report) {
	t.Helper()
	filter["purpose"] = "yearly audit"
	status, b := c.raw(g.HumanToken(t, "eve", "auditors"), "POST", "/v1/evidence", filter)
	if status != http.StatusOK {
		t.Fatalf("export: %d %s", status, b)
	}
	r, err := evidence.Verify(bytes.NewReader(b), int64(len(b)), evidence.Options{Keys: []string{g.VerifierKeys()[0]}})
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range r.Faults {
		t.Errorf("fault in a bundle: %v", f)
	}
	return b, r
}

// file returns a file of a bundle.
func file(t testing.TB, b []byte, name string) []byte {
	t.Helper()
	z, err := zip.NewReader(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	f, err := z.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	content, err := io.ReadAll(f)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

// bodies returns the bodies of a bundle's leaves of one type.
func bodies[B any](t testing.TB, b []byte, typ evidence.Type) (out []B) {
	t.Helper()
	for line := range bytes.Lines(file(t, b, evidence.LeavesName)) {
		l := parse[struct {
			Leaf struct {
				Type evidence.Type
				Body json.RawMessage
			}
		}](t, line)
		if l.Leaf.Type == typ {
			out = append(out, parse[B](t, l.Leaf.Body))
		}
	}
	return out
}

func TestEvidence(t *testing.T) {
	g := gatewaytest.Start(t, gatewaytest.Open())
	c := newClient(t, g)
	eve, sam := g.HumanToken(t, "eve", "auditors"), g.HumanToken(t, "sam", "security")
	id := ended(t, c, g, eve, simple, "select id, name, ssn from patients order by id", "select 1")
	c.raw(eve, "GET", "/v1/sessions/"+id+"/replay", nil)

	c.refused(sam, "POST", "/v1/evidence", object{"purpose": "curious"}, http.StatusForbidden, "denied")
	c.refused(eve, "POST", "/v1/evidence", object{}, http.StatusBadRequest, "invalid")
	c.refused(eve, "POST", "/v1/evidence", object{"purpose": "x", "from": "2026-02-01T00:00:00Z", "to": "2026-01-01T00:00:00Z"}, http.StatusBadRequest, "invalid")
	c.refused(eve, "POST", "/v1/evidence", object{"purpose": "x", "session": "s_none"}, http.StatusNotFound, "not found")

	b, r := bundle(t, c, g, object{})
	if !r.Trusted || !r.WholeLog || r.Sessions != 1 || r.Recordings != 1 || len(r.MayHaveExecuted) != 0 {
		t.Errorf("the report: %+v", r)
	}
	exports := bodies[evidence.Export](t, b, evidence.TypeExport)
	if n := len(exports); n == 0 || exports[n-1].By != "human:eve" || exports[n-1].Purpose != "yearly audit" || exports[n-1].Size > r.TreeSize {
		t.Errorf("the bundle does not hold its own export: %+v", exports)
	}
	if replays := bodies[evidence.Replay](t, b, evidence.TypeReplay); len(replays) != 1 || replays[0].By != "human:eve" || string(replays[0].Session) != id {
		t.Errorf("replays on record: %+v", replays)
	}
	replay := file(t, b, evidence.ReplayDir+id+".ndjson")
	if lines, last := steps(t, replay); !last.End || len(lines) < 2 || !strings.Contains(string(replay), "[phi.ssn]") {
		t.Errorf("the replay in the bundle: %s", replay)
	}
	for _, phi := range []string{"Quillfeather", "900-11-2233"} {
		z, err := zip.NewReader(bytes.NewReader(b), int64(len(b)))
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range z.File {
			if bytes.Contains(file(t, b, f.Name), []byte(phi)) {
				t.Errorf("%q is in %s", phi, f.Name)
			}
		}
	}
	standing(t, b)
	if _, r := bundle(t, c, g, object{"session": id}); r.Sessions != 1 || r.WholeLog {
		t.Errorf("one session: %+v", r)
	}
	if _, r := bundle(t, c, g, object{"principal": "human:nobody"}); r.Sessions != 0 {
		t.Errorf("nobody's: %+v", r)
	}
}

func TestAudit(t *testing.T) {
	g := gatewaytest.Start(t, gatewaytest.Open())
	c := newClient(t, g)
	ci, eve := g.CIToken(t), g.HumanToken(t, "eve", "auditors")
	ended(t, c, g, eve, simple, "select 1", "select code from wards")

	status, key := c.raw(ci, "GET", "/v1/audit/key", nil)
	verifier, err := note.NewVerifier(strings.TrimSpace(string(key)))
	if status != http.StatusOK || err != nil || strings.TrimSpace(string(key)) != g.VerifierKeys()[0] {
		t.Fatalf("the key: %d %q %v", status, key, err)
	}
	_, signed := c.raw(ci, "GET", "/v1/audit/checkpoint", nil)
	cp, err := evidence.OpenCheckpoint(signed, note.VerifierList(verifier))
	if err != nil || cp.Origin != "sallyport.test/gw" || cp.Size == 0 {
		t.Fatalf("the checkpoint: %+v %v", cp, err)
	}

	type verification struct {
		OK             bool
		Leaves         uint64
		TreeSize       uint64 `json:"tree_size"`
		Root           string
		Sessions, Open int
		Faults         []string
	}
	c.refused(ci, "GET", "/v1/audit/verify", nil, http.StatusForbidden, "denied")
	v := call[verification](c, eve, "GET", "/v1/audit/verify", nil)
	if !v.OK || v.Leaves <= cp.Size || v.TreeSize < v.Leaves || v.Root == "" || v.Sessions != 1 || v.Open != 0 || len(v.Faults) != 0 {
		t.Errorf("got %+v", v)
	}

	rewrite(t, firstLeaves(t, c, g, eve), func(b []byte) []byte {
		return bytes.Replace(b, []byte(`"verdict":"allow"`), []byte(`"verdict":"alloy"`), 1)
	})
	if v := call[verification](c, eve, "GET", "/v1/audit/verify", nil); v.OK || len(v.Faults) == 0 {
		t.Errorf("after a leaf was changed: %+v", v)
	}
}

// firstLeaves makes the log so long that its first 256 leaves lie in a file of
// their own, and returns the file.
func firstLeaves(t testing.TB, c *client, g *gatewaytest.Gateway, auditor string) string {
	t.Helper()
	for range 256 {
		c.raw(auditor, "GET", "/v1/audit/key", nil) // each call is a login and so a leaf
	}
	c.raw(auditor, "GET", "/v1/audit/checkpoint", nil)
	path := filepath.Join(g.Dir, "data", "ledger", "tiles", "tile", "entries", "000")
	if _, err := os.Stat(path); err != nil {
		t.Fatal(err)
	}
	return path
}

// rewrite changes a file.
func rewrite(t testing.TB, path string, change func([]byte) []byte) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err == nil {
		err = os.WriteFile(path, change(b), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// TestExportThatFails wants a bundle that cannot be begun to be refused, and one
// that cannot be finished to look cut, not whole.
func TestExportThatFails(t *testing.T) {
	for name, tc := range map[string]struct {
		damage func(t *testing.T, c *client, g *gatewaytest.Gateway, auditor string)
		begun  bool
	}{
		"ledger": {func(t *testing.T, c *client, g *gatewaytest.Gateway, auditor string) {
			rewrite(t, firstLeaves(t, c, g, auditor), func(b []byte) []byte { return b[:len(b)/2] })
		}, false},
		"recordings": {func(t *testing.T, _ *client, g *gatewaytest.Gateway, _ string) {
			unreadable(t, filepath.Join(g.Dir, "data", "recordings"))
		}, true},
	} {
		t.Run(name, func(t *testing.T) {
			g := gatewaytest.Start(t, gatewaytest.Open())
			c := newClient(t, g)
			eve := g.HumanToken(t, "eve", "auditors")
			ended(t, c, g, eve, simple, "select 1")
			tc.damage(t, c, g, eve)
			req, err := http.NewRequestWithContext(t.Context(), "POST", c.base+"/v1/evidence", strings.NewReader(`{"purpose":"x"}`))
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Authorization", "Bearer "+eve)
			req.Header.Set("Content-Type", "application/json")
			res, err := c.http.Do(req)
			status := 0
			if err == nil {
				status = res.StatusCode
				_, err = io.Copy(io.Discard, res.Body)
				err = errors.Join(err, res.Body.Close())
			}
			switch {
			case tc.begun && err == nil:
				t.Errorf("a bundle that could not be finished came to a proper end (%d)", status)
			case !tc.begun && (err != nil || status < 500):
				t.Errorf("a bundle that could not be begun: %d, %v", status, err)
			}
			if !tc.begun && !strings.Contains(g.Log.String(), "level=ERROR msg=api") {
				t.Error("the failure is not in the log")
			}
		})
	}
}

// unreadable puts a directory in the place of every file below dir.
func unreadable(t *testing.T, dir string) {
	t.Helper()
	n := 0
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		n++
		return errors.Join(os.Remove(path), os.Mkdir(path, 0o700))
	})
	if err != nil || n == 0 {
		t.Fatalf("%d files, %v", n, err)
	}
}

func TestPolicyReload(t *testing.T) {
	g := gatewaytest.Start(t, gatewaytest.Open())
	c := newClient(t, g)
	eve := g.HumanToken(t, "eve", "auditors")
	path := filepath.Join(g.Dir, "policy.cedar")
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	put := func(text string) {
		t.Helper()
		next := path + ".next"
		if err := os.WriteFile(next, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(next, path); err != nil {
			t.Fatal(err)
		}
	}
	selects := func(table string) error {
		_, err := g.Connect(t).Exec(t.Context(), "select count(*) from "+table)
		return err
	}
	if err := selects("payroll.salaries"); err == nil {
		t.Fatal("the payroll is in scope already")
	}

	// So many mistakes that a leaf cannot hold them all.
	put(string(good) + strings.Repeat("\npermit(principal in Role::\"claims-etl\", action == Action::\"reed\", resource);\n", 2000))
	eventually(t, "the bad set to be refused", func() bool { return strings.Contains(g.Log.String(), "the policies were refused") })
	if !strings.Contains(g.Log.String(), "policy.cedar:") {
		t.Errorf("the log does not say where: %s", g.Log)
	}
	if err := selects("wards"); err != nil {
		t.Errorf("the old set does not hold any more: %v", err)
	}

	put(string(good) + "\n@id(\"payroll\")\npermit(principal in Role::\"claims-etl\", action == Action::\"read\", resource in Schema::\"clinic/payroll\");\n")
	eventually(t, "the good set to be loaded", func() bool { return selects("payroll.salaries") == nil })

	b, _ := bundle(t, c, g, object{})
	var refused, loaded []evidence.PolicyLoaded
	for _, p := range bodies[evidence.PolicyLoaded](t, b, evidence.TypePolicyLoaded) {
		if p.Error != "" {
			refused = append(refused, p)
		} else {
			loaded = append(loaded, p)
		}
	}
	if n := len(bodies[evidence.ConfigLoaded](t, b, evidence.TypeConfigLoaded)); n != 2 {
		t.Errorf("%d configurations on record; want one at the start and one with the other policies", n)
	}
	if len(refused) != 1 || len(loaded) != 2 || !strings.Contains(loaded[1].Text, "payroll") || loaded[0].Digest == loaded[1].Digest {
		t.Errorf("on record: %d refused, %d loaded", len(refused), len(loaded))
	}
	id := call[sessions](c, eve, "GET", "/v1/sessions", nil).Sessions[0].ID
	whole := call[struct{ Statements []struct{ Policy string } }](c, eve, "GET", "/v1/sessions/"+id, nil)
	if n := len(whole.Statements); n == 0 || whole.Statements[n-1].Policy != string(loaded[1].Digest) {
		t.Errorf("the statement that was allowed names another policy: %+v", whole)
	}
}
