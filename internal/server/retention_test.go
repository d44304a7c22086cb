// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package server_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/evidence"
	"github.com/sallyport-dev/sallyport/internal/ledger"
	"github.com/sallyport-dev/sallyport/internal/vault"
	"github.com/sallyport-dev/sallyport/test/gatewaytest"
)

// hold is a legal hold as the API tells it.
type hold struct {
	ID     string
	State  string
	Event  uint64
	Case   string
	Reason string
	By     string
}

// texts opens the exact texts of a session in a bundle, with what somebody has
// who has the auditor's identity and a half of the key.
func texts(t testing.TB, b []byte, g *gatewaytest.Gateway, id string, half []byte) (out []string) {
	t.Helper()
	bundle, _, err := evidence.OpenBundle(bytes.NewReader(b), int64(len(b)), evidence.Options{Keys: []string{g.VerifierKeys()[0]}})
	if err != nil {
		t.Fatal(err)
	}
	var key *vault.OpenKey
	leaves, err := bundle.Leaves()
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range leaves {
		leaf, err := evidence.ParseLeaf(l.Raw)
		if err != nil {
			t.Fatal(err)
		}
		if string(leaf.Session) != id {
			continue
		}
		if leaf.Type == evidence.TypeSessionOpen {
			open, err := evidence.Body[evidence.SessionOpen](leaf)
			if err != nil {
				t.Fatal(err)
			}
			if open.Class != "default" || open.Expires.Before(leaf.Time.AddDate(6, 0, 27)) {
				t.Errorf("the session is kept by class %q until %v", open.Class, open.Expires)
			}
			if key, err = vault.OpenAge(open.Keys[0], half, g.Auditor); err != nil {
				t.Fatal(err)
			}
			continue
		}
		sealed, err := evidence.SealedOf(leaf)
		if err != nil {
			t.Fatal(err)
		}
		if sealed == nil || leaf.Type == evidence.TypeRecording {
			continue
		}
		in, err := evidence.Body[evidence.Intent](leaf)
		if err != nil {
			t.Fatal(err)
		}
		ct, err := bundle.Ciphertext(*sealed)
		if err != nil {
			continue
		}
		if plain, err := key.Open(nil, ct, evidence.AppendAAD(nil, leaf.Session, in.Stmt, evidence.PurposeText)); err == nil {
			out = append(out, string(plain))
		}
	}
	return out
}

func TestErasure(t *testing.T) {
	g := gatewaytest.Start(t, gatewaytest.Open())
	c := newClient(t, g)
	eve, sam := g.HumanToken(t, "eve", "auditors"), g.HumanToken(t, "sam", "security")
	exact := "select id, name from patients where id = 1 and note <> '" + strings.Repeat("typed ", 20_000) + "'" // too large for a leaf
	id := ended(t, c, g, eve, simple, "select id, name, ssn from patients order by id", exact)
	other := ended(t, c, g, eve, simple, "select 'the other'")

	old, _ := bundle(t, c, g, object{}) // a copy of everything, from before
	opened := call[struct{ Half []byte }](c, eve, "POST", "/v1/evidence/open", object{"session": id, "purpose": "incident 4", "statements": []int{2, 1, 2}})
	if got := texts(t, old, g, id, opened.Half); len(got) < 2 || got[0] != "select id, name, ssn from patients order by id" || got[len(got)-1] != exact {
		t.Fatalf("the auditor reads %d texts", len(got))
	}
	if got := texts(t, old, g, id, make([]byte, 32)); len(got) != 0 {
		t.Errorf("the auditor alone reads %q", got)
	}

	// Who may not.
	reason := object{"reason": "ordered by the court"}
	for _, token := range []string{eve, g.CIToken(t)} {
		c.refused(token, "POST", "/v1/sessions/"+id+"/erase", reason, http.StatusForbidden, "denied")
	}
	for _, token := range []string{sam, g.CIToken(t)} {
		c.refused(token, "POST", "/v1/evidence/open", object{"session": id, "purpose": "curious"}, http.StatusForbidden, "denied")
	}
	c.refused(eve, "POST", "/v1/evidence/open", object{"session": id}, http.StatusBadRequest, "invalid")
	c.refused(eve, "POST", "/v1/evidence/open", object{"session": "s_none", "purpose": "x"}, http.StatusNotFound, "not found")
	c.refused(sam, "POST", "/v1/sessions/"+id+"/erase", object{}, http.StatusBadRequest, "invalid")
	c.refused(sam, "POST", "/v1/sessions/s_none/erase", reason, http.StatusNotFound, "not found")
	c.refused(g.CIToken(t), "POST", "/v1/retention/holds", object{"session": id, "case": "7", "reason": "x"}, http.StatusForbidden, "denied")
	c.refused(g.CIToken(t), "GET", "/v1/retention", nil, http.StatusForbidden, "denied")
	c.refused(eve, "POST", "/v1/retention/sweep", object{}, http.StatusForbidden, "denied")
	c.refused(eve, "POST", "/v1/retention/prune", object{"before": "1", "reason": "x"}, http.StatusForbidden, "denied")

	// A hold stands in the way until it is released.
	for _, bad := range []object{{"session": id, "reason": "x"}, {"session": id, "case": "7"}, {"case": "7", "reason": "x"}} {
		c.refused(eve, "POST", "/v1/retention/holds", bad, http.StatusBadRequest, "invalid")
	}
	h := call[hold](c, eve, "POST", "/v1/retention/holds", object{"session": id, "case": "matter 7", "reason": "litigation"})
	if h.ID == "" || h.By != "human:eve" || h.State != "set" || h.Event == 0 {
		t.Errorf("the hold: %+v", h)
	}
	p := c.refused(sam, "POST", "/v1/sessions/"+id+"/erase", reason, http.StatusConflict, "conflict")
	if !strings.Contains(p.Error.Message, "legal hold") {
		t.Errorf("refused with: %s", p.Error.Message)
	}
	c.refused(sam, "POST", "/v1/retention/holds/"+h.ID+"/release", object{}, http.StatusBadRequest, "invalid")
	call[hold](c, sam, "POST", "/v1/retention/holds/"+h.ID+"/release", object{"reason": "settled"})
	if l := call[struct{ Holds []hold }](c, sam, "GET", "/v1/retention/holds?all=true", nil); len(l.Holds) != 1 || l.Holds[0].State != "released" {
		t.Errorf("holds: %+v", l)
	}
	if st := call[struct{ Classes []struct{ Kept, Due int } }](c, eve, "GET", "/v1/retention", nil); len(st.Classes) != 1 || st.Classes[0].Kept != 2 || st.Classes[0].Due != 0 {
		t.Errorf("status: %+v", st)
	}
	if r := call[struct{ Destroyed int }](c, eve, "POST", "/v1/retention/sweep", object{"dry_run": true}); r.Destroyed != 0 {
		t.Errorf("a dry run: %+v", r)
	}

	e := call[struct {
		Event           uint64
		Payloads, Blobs int
		Rule, By        string
	}](c, sam, "POST", "/v1/sessions/"+id+"/erase", reason)
	if e.Event == 0 || e.Payloads < 3 || e.Blobs < 2 || e.Rule != "erased" || e.By != "human:sam" {
		t.Errorf("the erasure: %+v", e)
	}
	why := "erased on " + time.Now().UTC().Format(time.DateOnly) + " by order of human:sam (event "

	// What is said of it.
	_, b := c.raw(eve, "GET", "/v1/sessions/"+id+"/replay", nil)
	lines, _ := steps(t, b)
	if len(lines) < 2 || !strings.Contains(string(b), `"erased":"`+why) || !strings.Contains(string(b), `"lost":"`+why) || strings.Contains(string(b), "[phi.ssn]") {
		t.Errorf("the replay: %s", b)
	}
	p = c.refused(eve, "POST", "/v1/evidence/open", object{"session": id, "purpose": "late"}, http.StatusNotFound, "not found")
	if !strings.Contains(p.Error.Message, why) {
		t.Errorf("opening it: %s", p.Error.Message)
	}
	p = c.refused(sam, "POST", "/v1/sessions/"+id+"/erase", reason, http.StatusConflict, "conflict")
	if !strings.Contains(p.Error.Message, why) {
		t.Errorf("erasing it again: %s", p.Error.Message)
	}
	now, r := bundle(t, c, g, object{"session": id, "with_keys": true})
	if !r.OK() || !strings.Contains(strings.Join(r.Notices, "\n"), why) {
		t.Errorf("the bundle: %v\n%s", r.Faults, strings.Join(r.Notices, "\n"))
	}
	listed := parse[[]evidence.Erased](t, file(t, now, evidence.ErasedName))
	manifest := parse[evidence.Manifest](t, file(t, now, evidence.ManifestName))
	if len(listed) != 1 || string(listed[0].Session) != id || listed[0].Reason != "ordered by the court" || len(listed[0].Missing) != e.Blobs || len(manifest.Missing) != e.Blobs {
		t.Errorf("%s: %+v; missing: %v", evidence.ErasedName, listed, manifest.Missing)
	}
	if halves := file(t, now, evidence.HalvesName); len(halves) != 0 {
		t.Errorf("a half of a destroyed key: %s", halves)
	}
	if d := bodies[evidence.KeyDestroyed](t, now, evidence.TypeKeyDestroyed); len(d) != 1 || string(d[0].OfSession) != id {
		t.Errorf("on record: %+v", d)
	}
	if o := bodies[evidence.EvidenceOpen](t, now, evidence.TypeEvidenceOpen); len(o) != 1 || o[0].By != "human:eve" || o[0].Purpose != "incident 4" || len(o[0].Stmts) != 2 {
		t.Errorf("openings on record: %+v", o)
	}
	if v := call[struct {
		OK     bool
		Faults []string
	}](c, eve, "GET", "/v1/audit/verify", nil); !v.OK {
		t.Errorf("the ledger: %v", v.Faults)
	}
	g.Stop(t)
	wantUnreadable(t, g, old, id)
	g.Run(t)
	c = newClient(t, g)
	if got := texts(t, old, g, other, call[struct{ Half []byte }](c, g.HumanToken(t, "eve", "auditors"), "POST", "/v1/evidence/open", object{"session": other, "purpose": "check"}).Half); len(got) == 0 || got[0] != "select 'the other'" {
		t.Errorf("the other session: %q", got)
	}
}

// wantUnreadable has everything that there is: the gateway's directory, its
// master key, the auditor's identity and a copy of the ledger from before.
func wantUnreadable(t *testing.T, g *gatewaytest.Gateway, old []byte, id string) {
	t.Helper()
	v, err := vault.Open(vault.Options{
		Path: filepath.Join(g.Dir, "data", "vault.json"), Master: vault.Ref("file:" + filepath.Join(g.Dir, "vault.key")), Getenv: os.Getenv,
		Now: time.Now,
	})
	if err != nil {
		t.Fatal(err)
	}
	z, _, err := evidence.OpenBundle(bytes.NewReader(old), int64(len(old)), evidence.Options{})
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	leaves, err := z.Leaves()
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range leaves {
		leaf, err := evidence.ParseLeaf(l.Raw)
		if err != nil {
			t.Fatal(err)
		}
		if string(leaf.Session) != id || leaf.Type != evidence.TypeSessionOpen {
			continue
		}
		open, err := evidence.Body[evidence.SessionOpen](leaf)
		if err != nil {
			t.Fatal(err)
		}
		for _, w := range open.Keys {
			names = append(names, w.By)
			_, kerr := v.UnwrapKey(w)
			_, herr := v.Half(w)
			if kerr == nil || herr == nil || w.To == evidence.ToSession && (sallyport.KindOf(kerr) != sallyport.NotFound && sallyport.KindOf(herr) != sallyport.NotFound) {
				t.Errorf("the key for %s to %s: %v, %v", w.Purpose, w.To, kerr, herr)
			}
		}
	}
	if len(names) != 3 {
		t.Fatalf("%d keys", len(names))
	}
	if got := texts(t, old, g, id, make([]byte, 32)); len(got) != 0 {
		t.Errorf("the auditor reads %d texts", len(got))
	}
	err = filepath.WalkDir(g.Dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && strings.Contains(filepath.Base(path), names[0]) {
			t.Errorf("%s is left", path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestExportWithKeys: a bundle that was exported so opens without the gateway,
// and the record says that it was.
func TestExportWithKeys(t *testing.T) {
	g := gatewaytest.Start(t, gatewaytest.Open())
	c := newClient(t, g)
	eve := g.HumanToken(t, "eve", "auditors")
	id := ended(t, c, g, eve, simple, "select 'exact words'")
	b, r := bundle(t, c, g, object{"session": id, "with_keys": true})
	if !r.OK() || !strings.Contains(strings.Join(r.Notices, "\n"), "halves of 1 key(s)") {
		t.Errorf("%v\n%v", r.Faults, r.Notices)
	}
	var half evidence.Half
	if err := json.Unmarshal(file(t, b, evidence.HalvesName), &half); err != nil {
		t.Fatal(err)
	}
	if got := texts(t, b, g, id, half.Half); len(got) == 0 || got[0] != "select 'exact words'" {
		t.Errorf("offline: %q", got)
	}
	b, _ = bundle(t, c, g, object{})
	exports := bodies[evidence.Export](t, b, evidence.TypeExport)
	if len(exports) != 2 || !exports[0].WithKeys || exports[1].WithKeys {
		t.Errorf("on record: %+v", exports)
	}
	if bytes.Contains(b, half.Half) {
		t.Error("a bundle without keys holds a half of one")
	}
}

// TestSweeperOfAGateway: a gateway destroys by itself what has expired, by the
// clock that it is given.
func TestSweeperOfAGateway(t *testing.T) {
	var ahead atomic.Int64
	g := gatewaytest.Start(t, gatewaytest.Open(), gatewaytest.Extra("retention: {classes: [{name: default, period: 20 days}]}\n"), shifted(&ahead))
	c := newClient(t, g)
	eve := g.HumanToken(t, "eve", "auditors")
	ended(t, c, g, eve, simple, "select id, name from patients")
	g.Stop(t)
	keys := func() (n int) {
		found, err := filepath.Glob(filepath.Join(g.Dir, "data", "session-keys", "*", "*"))
		if err != nil {
			t.Fatal(err)
		}
		return len(found)
	}
	if keys() != 1 {
		t.Fatalf("%d keys are kept", keys())
	}
	ahead.Store(int64(21 * 24 * time.Hour))
	g.Run(t)
	for range 2000 {
		if keys() == 0 {
			break
		}
		time.Sleep(5 * time.Millisecond)
	}
	g.Stop(t)
	if keys() != 0 {
		t.Errorf("%d keys are left", keys())
	}
	if left, err := filepath.Glob(filepath.Join(g.Dir, "data", "recordings", "??", "*")); err != nil || len(left) != 0 {
		t.Errorf("recordings are left: %v, %v", left, err)
	}
}

// shifted is a clock that is ahead of the real one.
func shifted(ahead *atomic.Int64) gatewaytest.Option {
	return gatewaytest.Clock(func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) })
}

// TestPruneOverTheAPI prunes a gateway's ledger and asks everything of what is
// left.
func TestPruneOverTheAPI(t *testing.T) {
	var ahead atomic.Int64
	g := gatewaytest.Start(t, gatewaytest.Open(), gatewaytest.Extra("retention: {classes: [{name: default, period: 20 days}]}\n"), shifted(&ahead),
		gatewaytest.Segment(ledger.MinSegmentSize))
	c := newClient(t, g)
	eve := g.HumanToken(t, "eve", "auditors")
	var work []string
	for i := range 150 {
		work = append(work, fmt.Sprintf("select %d", i))
	}
	old := ended(t, c, g, eve, simple, work...)
	g.Stop(t)
	store := filepath.Join(g.Dir, "data", "store.db")
	before, err := os.ReadFile(store)
	if err != nil {
		t.Fatal(err)
	}
	ahead.Store(int64(21 * 24 * time.Hour))
	g.Run(t) // and sweeps
	c = newClient(t, g)
	eve, sam := g.HumanToken(t, "eve", "auditors"), g.HumanToken(t, "sam", "security")
	fresh := ended(t, c, g, eve, simple, work...)
	type pruning struct {
		Minimum, Bound uint64
		Why            string
		Done           bool
	}
	dry := call[pruning](c, sam, "POST", "/v1/retention/prune", object{"before": "0", "dry_run": true})
	if dry.Bound < 200 || dry.Done || dry.Minimum != 0 {
		t.Fatalf("a dry run: %+v", dry)
	}
	c.refused(sam, "POST", "/v1/retention/prune", object{"before": fmt.Sprint(dry.Bound + 1), "reason": "yearly"}, http.StatusConflict, "conflict")
	c.refused(sam, "POST", "/v1/retention/prune", object{"before": "soon", "reason": "yearly"}, http.StatusBadRequest, "invalid")
	c.refused(sam, "POST", "/v1/retention/prune", object{"before": "5"}, http.StatusBadRequest, "invalid")
	if p := call[pruning](c, sam, "POST", "/v1/retention/prune", object{"before": fmt.Sprint(dry.Bound), "reason": "yearly"}); !p.Done || p.Minimum != dry.Bound {
		t.Fatalf("pruned: %+v", p)
	}
	check := func() {
		t.Helper()
		v := call[struct {
			OK      bool
			Minimum uint64
			Faults  []string
		}](c, eve, "GET", "/v1/audit/verify", nil)
		if !v.OK || v.Minimum != dry.Bound {
			t.Errorf("the ledger: %+v", v)
		}
		c.refused(eve, "GET", "/v1/sessions/"+old, nil, http.StatusNotFound, "not found")
		if lines, _ := steps(t, must(c.raw(eve, "GET", "/v1/sessions/"+fresh+"/replay", nil))); len(lines) < 150 {
			t.Errorf("the replay of a session that is kept has %d lines", len(lines))
		}
		b, r := bundle(t, c, g, object{})
		if !r.OK() || r.WholeLog || !strings.Contains(strings.Join(r.Notices, "\n"), fmt.Sprintf("pruned up to leaf %d", dry.Bound)) {
			t.Errorf("a bundle of everything: %v\n%v", r.Faults, r.Notices)
		}
		for _, l := range strings.Split(string(file(t, b, evidence.LeavesName)), "\n") {
			if strings.Contains(l, `"session":"`+old+`"`) {
				t.Fatal("the bundle holds a session whose beginning was pruned")
			}
		}
		if _, r := bundle(t, c, g, object{"session": fresh}); !r.OK() || r.Sessions != 1 {
			t.Errorf("a bundle of a session: %v", r.Faults)
		}
	}
	check()
	for _, restored := range [][]byte{nil, before} { // lost, or restored from before the pruning
		g.Stop(t)
		for _, name := range []string{store, store + "-wal", store + "-shm"} {
			if err := os.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
				t.Fatal(err)
			}
		}
		if restored != nil {
			if err := os.WriteFile(store, restored, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		g.Run(t)
		c = newClient(t, g)
		eve = g.HumanToken(t, "eve", "auditors")
		check()
	}
}

func must(_ int, b []byte) []byte { return b }
