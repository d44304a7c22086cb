// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package export_test

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/evidence"
	"github.com/sallyport-dev/sallyport/internal/export"
	"github.com/xuri/excelize/v2"
)

// TestWorkbook reads the workbook with a reader of others and compares each
// sheet with the CSV.
func TestWorkbook(t *testing.T) {
	t.Parallel()
	g := newGateway(t)
	g.fill()
	write(g, "", evidence.TypeExport, evidence.Export{By: "human:eve", Filter: "a<b>&\"c\"\r\n\x01", Purpose: "=1+1 ünïcode \u2028"})
	bundle, _ := g.bundle(export.Filter{})
	if r := g.verify(bundle); !r.OK() {
		t.Fatalf("faults: %v", r.Faults)
	}
	all := files(t, bundle)
	book, err := excelize.OpenReader(bytes.NewReader(all[evidence.WorkbookName]))
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := book.Close(); err != nil {
			t.Error(err)
		}
	}()
	sheets := book.GetSheetList()
	if len(sheets) != len(evidence.Tables())+1 || sheets[0] != "Index" {
		t.Fatalf("sheets: %v", sheets)
	}
	for i, table := range evidence.Tables() {
		want, err := csv.NewReader(bytes.NewReader(all[table.Name+".csv"])).ReadAll()
		if err != nil {
			t.Fatal(err)
		}
		got, err := book.GetRows(sheets[i+1])
		if err != nil {
			t.Fatal(err)
		}
		for r, row := range want {
			for c := range row { // the CSV guards against formulas, and its reader drops \r
				if text := row[c]; len(text) > 1 && text[0] == '\'' && strings.ContainsRune("=+-@\t\r", rune(text[1])) {
					row[c] = text[1:]
				}
			}
			for r < len(got) && len(got[r]) < len(row) {
				got[r] = append(got[r], "")
			}
			for c := range row {
				row[c] = strings.NewReplacer("\x01", "\uFFFD", "\r", "").Replace(row[c])
				if r < len(got) {
					got[r][c] = strings.ReplaceAll(got[r][c], "\r", "")
				}
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-csv +xlsx):\n%s", table.Name, diff)
		}
		panes, err := book.GetPanes(sheets[i+1])
		if err != nil || !panes.Freeze || panes.YSplit != 1 {
			t.Errorf("%s: the head is not frozen: %+v %v", table.Name, panes, err)
		}
	}
}

// inventory reads the machine identities of a bundle.
func inventory(t *testing.T, all map[string][]byte) map[string]map[string]any {
	t.Helper()
	var rows []map[string]any
	if err := json.Unmarshal(all["01-access-control/machine-identities.json"], &rows); err != nil {
		t.Fatal(err)
	}
	out := map[string]map[string]any{}
	for _, r := range rows {
		id, _ := r["principal"].(string)
		out[id] = r
	}
	return out
}

// TestAsOf wants the state of the day, whatever came after it.
func TestAsOf(t *testing.T) {
	t.Parallel()
	g := newGateway(t)
	g.start(1, true)
	c := g.configuration()
	g.configured(c)
	gr := g.grant(1, "ci:claims", "clinic")
	g.session("s_one", gr, sessionOptions{statement: "SELECT 1"})
	day := g.now
	write(g, "", evidence.TypeGrant, evidence.GrantEvent{State: "revoked", Grant: gr, By: "human:sam", Reason: "enough"})
	write(g, "", evidence.TypeReview, evidence.Review{Kind: "identity", By: "human:eve", Principal: "svc:gone", Note: "late"})
	c.Identities[0].Owner = "another team"
	c.Resources[0].IdleMS = 60_000
	g.configured(c)
	g.session("s_two", gr, sessionOptions{statement: "SELECT 2"})

	for _, x := range []struct {
		filter             export.Filter
		grants, owner, own string
		overdue            bool
		limits             int
	}{
		{export.Filter{AsOf: day}, "g1", "claims team", "svc:gone", true, 1},
		{export.Filter{}, "", "another team", "svc:gone", false, 2},
		{export.Filter{AsOf: day, Principal: "ci:claims"}, "g1", "claims team", "svc:gone", true, 1},
	} {
		bundle, _ := g.bundle(x.filter)
		if r := g.verify(bundle); !r.OK() {
			t.Fatalf("%v: faults: %v", x.filter, r.Faults)
		}
		all := files(t, bundle)
		ids := inventory(t, all)
		ci := ids["ci:claims"]
		var active []string
		for _, id := range ci["active_grants"].([]any) {
			active = append(active, id.(string))
		}
		if strings.Join(active, " ") != x.grants || ci["owner"] != x.owner || ci["unknown_owner"] != false {
			t.Errorf("%v: %v", x.filter, ci)
		}
		if gone := ids["svc:gone"]; gone["overdue"] != x.overdue {
			t.Errorf("%v: %v", x.filter, gone)
		}
		if n := len(column(t, all["04-automatic-logoff/session-limits.csv"], "resource")); n != x.limits {
			t.Errorf("%v: %d limits", x.filter, n)
		}
		if x.filter.AsOf.IsZero() {
			continue
		}
		for line := range bytes.Lines(all[evidence.LeavesName]) {
			var l struct{ Leaf struct{ Time time.Time } }
			if err := json.Unmarshal(line, &l); err != nil || l.Leaf.Time.After(day) {
				t.Errorf("%v: a leaf of %v, %v", x.filter, l.Leaf.Time, err)
			}
		}
	}
}

// TestSample draws twice over a log that has grown meanwhile.
func TestSample(t *testing.T) {
	t.Parallel()
	g := newGateway(t)
	g.start(1, true)
	gr := g.grant(1, "ci:claims", "clinic")
	for i := range 12 {
		g.session(sallyport.SessionID("s_"+string(rune('a'+i))), gr, sessionOptions{statement: "SELECT 1"})
	}
	end := g.now
	draw := func(seed uint64) ([]string, map[string][]byte) {
		bundle, sum := g.bundle(export.Filter{To: end, Sample: 4, Seed: seed})
		if r := g.verify(bundle); !r.OK() || r.Sessions != 4 || sum.Sessions != 4 {
			t.Fatalf("sessions %d, faults %v", r.Sessions, r.Faults)
		}
		all := files(t, bundle)
		return column(t, all["02-unique-identification/sessions.csv"], "session"), all
	}
	first, all := draw(7)
	g.session("s_later", gr, sessionOptions{statement: "SELECT 2"})
	if again, _ := draw(7); !cmp.Equal(first, again) {
		t.Errorf("drawn %v, and then %v", first, again)
	}
	if other, _ := draw(8); cmp.Equal(first, other) {
		t.Error("another seed draws the same")
	}
	var s evidence.Sample
	if err := json.Unmarshal(all[evidence.SampleName], &s); err != nil || s.Population != 12 || len(s.IDs) != 12 || s.Size != 4 {
		t.Fatalf("%+v %v", s, err)
	}
	if d := evidence.Draw(s.IDs, s.Size, s.Seed); !cmp.Equal(d, s) {
		t.Errorf("the file says %+v, its own draw is %+v", s, d)
	}
	// An operator who would rather show other sessions.
	all[evidence.SampleName] = bytes.ReplaceAll(all[evidence.SampleName], []byte(`"seed": 7`), []byte(`"seed": 9`))
	r := g.verify(repack(t, all, g.signer, func(m *evidence.Manifest) { m.Sample.Seed = 9 }))
	found := false
	for _, f := range r.Faults {
		found = found || f.File == evidence.SampleName && strings.Contains(f.Msg, "seed draws")
	}
	if !found {
		t.Errorf("a sample with another seed: %v", r.Faults)
	}
}

// TestForgedPages wants every derived page and the workbook to be compared.
func TestForgedPages(t *testing.T) {
	t.Parallel()
	g := newGateway(t)
	g.fill()
	honest, _ := g.bundle(export.Filter{By: "human:eve", Purpose: "audit of the <year>"})
	if r := g.verify(honest); !r.OK() {
		t.Fatalf("faults: %v", r.Faults)
	}
	for name, change := range map[string][2]string{
		evidence.IndexName:     {`"record_whole": false`, `"record_whole": true`},
		evidence.IndexPageName: {"is not whole", "is quite whole"},
		evidence.SummaryName:   {"human:eve", "human:sam"},
		evidence.WorkbookName:  {"may have executed", "may have examined"},
	} {
		all := files(t, honest)
		if !bytes.Contains(all[name], []byte(change[0])) {
			t.Errorf("%s has no %q", name, change[0])
		}
		all[name] = bytes.Replace(all[name], []byte(change[0]), []byte(change[1]), 1)
		r := g.verify(repack(t, all, g.signer, nil))
		found := false
		for _, f := range r.Faults {
			found = found || f.File == name && strings.Contains(f.Msg, "does not say what the leaves say")
		}
		if !found {
			t.Errorf("%s: %v", name, r.Faults)
		}
	}
	all := files(t, honest)
	if r := g.verify(repack(t, all, g.signer, func(m *evidence.Manifest) { m.Purpose = "nothing much" })); r.OK() {
		t.Error("another purpose in the manifest passes")
	}
	summary := string(all[evidence.SummaryName])
	for _, want := range []string{"audit of the &lt;year&gt;", "Not whole in", "without a known owner: 2 (svc:night, svc:reports)", "overdue for review", "phi.ssn"} {
		if !strings.Contains(summary, want) {
			t.Errorf("the summary does not say %q", want)
		}
	}
	for _, text := range []string{summary, string(all[evidence.IndexPageName])} {
		for _, never := range []string{"HIPAA compliant", "<script", "http://", "https://"} {
			if strings.Contains(text, never) {
				t.Errorf("a page has %q", never)
			}
		}
	}
}

// TestCompleteness says of times whether they are whole, and where not.
func TestCompleteness(t *testing.T) {
	t.Parallel()
	g := newGateway(t)
	begin := g.now
	g.fill()
	whole := func(from, to time.Time) evidence.Completeness {
		t.Helper()
		if err := g.log.Sync(t.Context()); err != nil {
			t.Fatal(err)
		}
		_, c, err := export.Derive(t.Context(), g.source(), g.log.Size(), evidence.Scope{From: from, To: to, Created: g.now}, "")
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	if c := whole(time.Time{}, begin.Add(35*time.Second)); !c.Whole || len(c.Epochs) != 1 {
		t.Errorf("before the crash: %+v", c)
	}
	c := whole(time.Time{}, time.Time{})
	var got []string
	for _, l := range c.Lacks {
		got = append(got, l.Kind+"|"+string(l.Session)+"|"+l.What)
	}
	want := []string{
		"session not ended|s_open|the gateway ended under it; what came last is its last event on record",
		"may have executed|s_open|no outcome is on record",
		"silent||no stop event",
		"silent||4 heartbeats are missing",
		"not sealed||the log was not signed and sealed",
	}
	if diff := cmp.Diff(want, got); diff != "" || c.Whole || len(c.Epochs) != 2 {
		t.Errorf("all of it (-want +got):\n%s", diff)
	}
	bundle, _ := g.bundle(export.Filter{Session: "s_open"})
	if r := g.verify(bundle); !r.OK() {
		t.Errorf("faults: %v", r.Faults)
	}
	if kinds := column(t, files(t, bundle)["05-audit-controls/liveness.csv"], "kind"); !slices.Contains(kinds, evidence.LackSession) || !slices.Contains(kinds, evidence.LackStatement) {
		t.Errorf("the session that died alone: %v", kinds)
	}
}

// TestSplitConfiguration puts a configuration on record that is larger than a
// leaf.
func TestSplitConfiguration(t *testing.T) {
	t.Parallel()
	g := newGateway(t)
	g.start(1, true)
	c := g.configuration()
	for i := range 4000 {
		c.Roles[0].Members = append(c.Roles[0].Members, "principal:svc:number-"+strings.Repeat("x", 20)+string(rune('a'+i%26)))
	}
	parts, err := c.Split()
	if err != nil || len(parts) < 3 {
		t.Fatalf("%d parts, %v", len(parts), err)
	}
	g.configured(c)
	bundle, _ := g.bundle(export.Filter{})
	if r := g.verify(bundle); !r.OK() {
		t.Fatalf("faults: %v", r.Faults)
	}
	var roles []struct{ Members []string }
	if err := json.Unmarshal(files(t, bundle)["01-access-control/roles.json"], &roles); err != nil || len(roles) != 2 || len(roles[1].Members) != 4002 {
		t.Errorf("%d roles, %v", len(roles), err)
	}
	c.Issuers[0].URL = strings.Repeat("x", 1<<16)
	if _, err := c.Split(); sallyport.KindOf(err) != sallyport.Invalid {
		t.Errorf("an entry that fits no leaf: %v", err)
	}
}
