// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package server_test

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-dev/sallyport/evidence"
	"github.com/sallyport-dev/sallyport/test/gatewaytest"
)

// rowsOf reads a table of a bundle.
func rowsOf(t testing.TB, b []byte, table string) []map[string]any {
	t.Helper()
	var rows []map[string]any
	if err := json.Unmarshal(file(t, b, table+".json"), &rows); err != nil {
		t.Fatal(err)
	}
	return rows
}

// TestAuditorsPackage takes a real gateway through what auditors ask about and
// wants rows in every table.
func TestAuditorsPackage(t *testing.T) {
	g := gatewaytest.Start(t, gatewaytest.Extra(`identities:
  - {principal: "ci:acme/*", owner: claims team, purpose: nightly claims, reviewed: 2020-01-31}
  - {principal: svc:forgotten, owner: dana, review_every: 24h}
`), gatewaytest.Role("spare"), gatewaytest.Waits(20*time.Second, 20*time.Second))
	c := newClient(t, g)
	eve, sam, olga := g.HumanToken(t, "eve", "auditors"), g.HumanToken(t, "sam", "security"), g.HumanToken(t, "olga", "privacy-officers")

	asked := call[request](c, g.CIToken(t), "POST", "/v1/requests", ask("break-glass: ward 3"))
	call[request](c, olga, "POST", "/v1/requests/"+asked.ID+"/approve", object{"rationale": "called back"})
	conn := g.Connect(t)
	for _, sql := range []string{"select id, name, ssn from patients", "select * from visits", "update wards set code = code", "select * from payroll.salaries"} {
		if rows, err := conn.Query(t.Context(), sql); err == nil {
			rows.Close()
		}
	}
	held := make(chan struct{})
	go func() {
		defer close(held)
		_, _ = conn.Exec(t.Context(), "drop database clinic")
	}()
	eventually(t, "the held statement to be denied", func() bool {
		for _, r := range call[struct {
			Requests []struct{ ID, Kind, State string }
		}](c, olga, "GET", "/v1/requests", nil).Requests {
			if r.Kind == "hold" && r.State == "open" {
				c.raw(olga, "POST", "/v1/requests/"+r.ID+"/deny", object{"rationale": "never"})
			}
		}
		select {
		case <-held:
			return true
		default:
			return false
		}
	})
	id := call[sessions](c, eve, "GET", "/v1/sessions", nil).Sessions[0].ID
	c.raw(sam, "POST", "/v1/sessions/"+id+"/end", object{"reason": "enough"})
	eventually(t, "the session to close", func() bool {
		return call[sessions](c, eve, "GET", "/v1/sessions", nil).Sessions[0].State == "closed"
	})
	c.raw(eve, "GET", "/v1/sessions/"+id+"/replay", nil)
	exchange(c, g.CIToken(t))

	c.refused(sam, "POST", "/v1/audit/reviews", object{"from": "2026-01-01T00:00:00Z", "to": "2026-01-02T00:00:00Z", "note": "x"}, http.StatusForbidden, "denied")
	c.refused(eve, "POST", "/v1/audit/reviews", object{"from": "2026-01-01T00:00:00Z", "to": "2100-01-02T00:00:00Z", "note": "x"}, http.StatusBadRequest, "invalid")
	c.refused(g.CIToken(t), "GET", "/v1/identities", nil, http.StatusForbidden, "denied")
	c.refused(eve, "POST", "/v1/identities/review", object{"principal": "human:eve", "note": "fine"}, http.StatusForbidden, "denied")
	from, to := time.Now().Add(-time.Hour).Format(time.RFC3339), time.Now().Add(-time.Second).Format(time.RFC3339)
	call[object](c, eve, "POST", "/v1/audit/reviews", object{"from": from, "to": to, "note": "as expected"})
	list := func() map[string]bool {
		overdue := map[string]bool{}
		for _, i := range call[struct {
			Identities []struct {
				Principal string
				Overdue   bool
			}
		}](c, sam, "GET", "/v1/identities", nil).Identities {
			overdue[i.Principal] = i.Overdue
		}
		return overdue
	}
	if l := list(); len(l) != 2 || !l["ci:acme/claims"] || !l["svc:forgotten"] {
		t.Errorf("before the review: %v", l)
	}
	call[object](c, sam, "POST", "/v1/identities/review", object{"principal": "ci:acme/claims", "note": "still needed"})
	if l := list(); l["ci:acme/claims"] || !l["svc:forgotten"] {
		t.Errorf("after the review: %v", l)
	}
	b, r := bundle(t, c, g, object{})
	if !r.WholeLog {
		t.Errorf("the report: %+v", r)
	}
	for _, table := range evidence.Tables() {
		rows, err := csv.NewReader(bytes.NewReader(file(t, b, table.Name+".csv"))).ReadAll()
		if optional := strings.HasSuffix(table.Name, "/scan-findings"); err != nil || len(rows) < 2 && !optional {
			t.Errorf("%s: %d rows, %v", table.Name, len(rows), err)
		}
	}
	m := rowsOf(t, b, evidence.InventoryTable)[0]
	if m["principal"] != "ci:acme/claims" || m["owner"] != "claims team" || m["reviewed_by"] != "human:sam" || len(m["just_in_time"].([]any)) != 1 || len(m["standing"].([]any)) != 0 {
		t.Errorf("the inventory: %v", m)
	}
	summary := string(file(t, b, evidence.SummaryName))
	for _, want := range []string{"human:eve", "yearly audit", "Whole:", "overdue for review: 1 (svc:forgotten)"} {
		if !strings.Contains(summary, want) {
			t.Errorf("the summary does not say %q:\n%s", want, summary)
		}
	}
	for _, secret := range []string{"target.pw", "analyser.pw", "gatewaypassword", "vault.key"} {
		if bytes.Contains(file(t, b, evidence.LeavesName), []byte(secret)) {
			t.Errorf("%s is on record", secret)
		}
	}
	if _, r := bundle(t, c, g, object{"sample": 1, "seed": 7, "as_of": time.Now().UTC().Format(time.DateOnly)}); r.Sessions != 1 {
		t.Errorf("a sample of one session: %+v", r)
	}
	keepPackage(t, b)
}

// keepPackage writes the bundle where SALLYPORT_KEEP_BUNDLE says, to be looked at.
func keepPackage(t *testing.T, b []byte) {
	t.Helper()
	if name := os.Getenv("SALLYPORT_KEEP_BUNDLE"); name != "" {
		if err := os.WriteFile(name, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// completeness is the answer of GET /v1/audit/completeness.
type completeness struct {
	Whole          bool
	Lacks, Running []struct{ Kind, Session, What string }
}

// standing wants the inventory to say that policies ask for no grant, that nobody
// answers for the identity, and the summary to ask about both.
func standing(t *testing.T, b []byte) {
	t.Helper()
	m := rowsOf(t, b, evidence.InventoryTable)[0]
	if list, ok := m["standing"].([]any); !ok || len(list) != 1 || list[0] != "claims-etl on clinic" || m["unknown_owner"] != true || m["overdue"] != true || m["sessions_without_grant"] != 1.0 {
		t.Errorf("the inventory: %v", m)
	}
	summary := file(t, b, evidence.SummaryName)
	for _, want := range []string{"standing access that was never reviewed: 1 (ci:acme/claims)", "without a known owner: 1 (ci:acme/claims)"} {
		if !bytes.Contains(summary, []byte(want)) {
			t.Errorf("the summary does not say %q", want)
		}
	}
}

// notWhole wants the report of completeness to say that a session died with its
// gateway, under a statement, and when the gateway was silent.
func notWhole(t *testing.T, c *client, auditor, session string) {
	t.Helper()
	got := call[completeness](c, auditor, "GET", "/v1/audit/completeness", nil)
	kinds := map[string]int{}
	for _, l := range got.Lacks {
		if l.Session == session || l.Session == "" {
			kinds[l.Kind]++
		}
	}
	if got.Whole || kinds[evidence.LackSession] != 1 || kinds[evidence.LackSilence] != 1 || kinds[evidence.LackStatement] != 1 {
		t.Errorf("after kill -9: %+v", got)
	}
	c.refused(auditor, "GET", "/v1/audit/completeness?from=2026-01-02T00:00:00Z&to=2026-01-01T00:00:00Z", nil, http.StatusBadRequest, "invalid")
}
