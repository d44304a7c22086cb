// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package session_test

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"filippo.io/age"
	"go.uber.org/goleak"
	"golang.org/x/mod/sumdb/note"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/evidence"
	"github.com/sallyport-dev/sallyport/internal/blob/file"
	"github.com/sallyport-dev/sallyport/internal/demo/issuer"
	"github.com/sallyport-dev/sallyport/internal/grant"
	"github.com/sallyport-dev/sallyport/internal/identity"
	"github.com/sallyport-dev/sallyport/internal/ledger"
	"github.com/sallyport-dev/sallyport/internal/mask"
	"github.com/sallyport-dev/sallyport/internal/policy"
	"github.com/sallyport-dev/sallyport/internal/record"
	"github.com/sallyport-dev/sallyport/internal/session"
	"github.com/sallyport-dev/sallyport/internal/store/sqlite"
	"github.com/sallyport-dev/sallyport/internal/vault"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const rules = `
@id("connect") permit(principal in Role::"etl", action == Action::"connect", resource == Resource::"clinic");
@id("grant") @grant("group:officers") @max("1h")
forbid(principal, action == Action::"connect", resource == Resource::"clinic") unless { context has grant };
@id("read") permit(principal in Role::"etl", action in [Action::"read", Action::"write", Action::"destroy"], resource in Schema::"clinic/public");
@id("raw") permit(principal in Role::"etl", action == Action::"readRaw", resource in Label::"public");
@id("hold") @hold("group:officers") @expires("10m")
forbid(principal, action == Action::"destroy", resource) unless { context has approval };
`

// parts is a whole engine of real parts without a target.
type parts struct {
	engine *session.Engine
	log    *ledger.Log
	grants *grant.Service
	tokens *identity.Tokens
	issuer *issuer.Issuer
	set    *policy.Set
	res    session.Resource
	stale  atomic.Pointer[sallyport.Error] // what the witnesses' lease says
}

type directory struct{ p *parts }

func (d directory) Resource(id sallyport.ResourceID) (session.Resource, bool) {
	return d.p.res, id == d.p.res.ID
}

func (d directory) Eligible(p sallyport.Principal, _ sallyport.ResourceID, role sallyport.RoleID) bool {
	return role == "etl" && slices.Contains(p.Groups, "ci")
}

func newParts(t *testing.T, change ...func(*session.Resource)) *parts {
	t.Helper()
	ctx, dir := t.Context(), t.TempDir()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	p := &parts{res: session.Resource{ID: "clinic", Protocol: "test", MaxSessions: 2}}
	for _, f := range change {
		f(&p.res)
	}
	skey, vkey, err := note.GenerateKey(rand.Reader, "test/gw")
	must(err)
	signer, err := note.NewSigner(skey)
	must(err)
	verifier, err := note.NewVerifier(vkey)
	must(err)
	p.log, err = ledger.Open(ctx, ledger.Options{
		Dir: filepath.Join(dir, "ledger"), Origin: "test/gw", Signers: []note.Signer{signer}, Verifiers: note.VerifierList(verifier), SegmentSize: 1 << 20,
	})
	must(err)
	t.Cleanup(func() { _ = p.log.Close(context.Background()) })
	events := session.NewEvents(p.log, "test/gw", time.Now)
	db, err := sqlite.Open(ctx, filepath.Join(dir, "store.db"))
	must(err)
	t.Cleanup(func() { _ = db.Close() })
	logger := slog.New(slog.DiscardHandler)
	p.grants, err = grant.New(ctx, grant.Deps{Store: db.Grants(), Journal: events, Now: time.Now, Rand: rand.Reader, Logger: logger})
	must(err)
	t.Cleanup(p.grants.Close)
	p.issuer, err = issuer.Start(ctx, rand.Reader, time.Now)
	must(err)
	t.Cleanup(func() { _ = p.issuer.Close() })
	deps := identity.Deps{Now: time.Now, Rand: rand.Reader, Journal: events}
	v, err := identity.New(ctx, identity.Config{Issuers: []identity.Issuer{{
		Name: "test", URL: p.issuer.URL, Audiences: []string{issuer.Audience}, Algorithms: []string{"ES256"}, AllowLoopbackHTTP: true,
		Map: []identity.Rule{{Principal: "{sub}", Kind: sallyport.CIJob, GroupsClaim: "groups"}},
	}}}, deps)
	must(err)
	p.tokens, err = identity.NewTokens(identity.TokenConfig{}, v, db.Tokens(), deps)
	must(err)
	must(vault.CreateMaster(filepath.Join(dir, "master"), rand.Reader))
	auditor, err := age.GenerateX25519Identity()
	must(err)
	vlt, err := vault.Open(vault.Options{
		Path: filepath.Join(dir, "vault.json"), Master: vault.Ref("file:" + filepath.Join(dir, "master")),
		Recipients: []string{auditor.Recipient().String()}, Getenv: os.Getenv, Now: time.Now, Rand: rand.Reader,
	})
	must(err)
	blobs, err := file.Open(filepath.Join(dir, "blobs"))
	must(err)
	rec, err := record.NewRecorder(ctx, record.Options{Blobs: blobs})
	must(err)
	set, diags := policy.Compile([]policy.File{{Name: "test.cedar", Text: rules}})
	must(diags.Err())
	p.set = set
	p.engine = session.New(session.Deps{
		Events: events, Policy: func() *policy.Set { return p.set }, Identify: p.tokens, Grants: p.grants, Vault: vlt,
		Fresh: p.fresh, Directory: directory{p}, Recorder: rec, Blobs: blobs, Now: time.Now, Rand: rand.Reader, Logger: logger,
		Waits: session.Waits{Grant: 0, Hold: 5 * time.Second, HoldInTx: time.Second, GrantWindow: time.Hour},
	})
	return p
}

func (p *parts) fresh(time.Time) error {
	if err := p.stale.Load(); err != nil {
		return err
	}
	return nil
}

func (p *parts) token(t *testing.T, sub string, groups ...string) string {
	t.Helper()
	tok, err := p.issuer.Token(sub, 10*time.Minute, map[string]any{"groups": append([]string{}, groups...)})
	if err != nil {
		t.Fatal(err)
	}
	return tok
}

func (p *parts) officer() sallyport.Principal {
	return sallyport.Principal{
		ID: "officer", Kind: sallyport.Human, Groups: []string{"officers"}, Subject: sallyport.Subject{Issuer: "x", ID: "officer"},
	}
}

func (p *parts) ask(t *testing.T) session.Ask {
	return session.Ask{Protocols: []string{"test"}, Token: p.token(t, "job", "ci"), Resource: "clinic", Role: "etl", Client: "test"}
}

// open opens a session under a grant that the officer approved.
func (p *parts) open(t *testing.T) *session.Session {
	t.Helper()
	s, err := p.engine.Open(t.Context(), p.ask(t))
	if err != nil {
		p.approveAll(t)
		s, err = p.engine.Open(t.Context(), p.ask(t))
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close("test over") })
	if err := s.Begin(t.Context(), session.Target{Lineage: "none"}); err != nil {
		t.Fatal(err)
	}
	return s
}

func (p *parts) approveAll(t *testing.T) {
	t.Helper()
	open, err := p.grants.List(t.Context(), grant.RequestFilter{States: []grant.State{grant.Open}})
	if err != nil || len(open) == 0 {
		t.Fatalf("open requests: %v, %v", open, err)
	}
	for _, r := range open {
		if _, err := p.grants.Decide(t.Context(), r.ID, p.officer(), true, "it is the nightly run"); err != nil {
			t.Fatal(err)
		}
	}
}

func statement(e sallyport.Effect, schema, table string, labels ...sallyport.Label) session.Command {
	obj := sallyport.Object{Kind: "table", Path: []string{"clinic", schema, table}, Key: "1"}
	col := sallyport.Column{Object: sallyport.Object{Kind: "column", Path: []string{"clinic", schema, table, "c"}}, Labels: labels}
	return session.Command{
		Statement: &sallyport.Statement{
			Protocol: "test", Readable: e.String() + " " + table, Class: e.String(), Effects: []sallyport.Effect{e},
			Accesses: []sallyport.Access{{Effect: e, Object: obj, Columns: []sallyport.Column{col}}},
			Outputs:  []sallyport.Output{{Sources: []sallyport.Column{col}}},
		},
		Text: []byte(e.String() + " " + table + " where ssn = '900-00-0001'"),
	}
}

// leaves returns every leaf of the ledger.
func (p *parts) leaves(t *testing.T) (out []evidence.Leaf[json.RawMessage], raw [][]byte) {
	t.Helper()
	if err := p.log.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	err := p.log.Scan(t.Context(), 0, func(_ uint64, b []byte) error {
		l, err := evidence.ParseLeaf(b)
		out, raw = append(out, l), append(raw, slices.Clone(b))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out, raw
}

func types(ls []evidence.Leaf[json.RawMessage]) string {
	var out []string
	for _, l := range ls {
		out = append(out, string(l.Type))
	}
	return strings.Join(out, " ")
}

func TestAConnectionWithoutAGrantFilesARequest(t *testing.T) {
	p := newParts(t)
	_, err := p.engine.Open(t.Context(), p.ask(t))
	if sallyport.KindOf(err) != sallyport.Held {
		t.Fatalf("got %v, want an error of kind Held", err)
	}
	msg, hint := sallyport.Public(err)
	if !strings.Contains(msg, "req_") || !strings.Contains(hint, "sallyport request approve req_") {
		t.Errorf("the error does not say what to do: %q, %q", msg, hint)
	}
	ls, _ := p.leaves(t)
	if got := types(ls); got != "identity request" {
		t.Errorf("on record: %s", got)
	}
	if p.engine.Live() != 0 {
		t.Error("a session is left behind")
	}
}

func TestWhoMayNotHoldTheRoleIsDenied(t *testing.T) {
	p := newParts(t)
	a := p.ask(t)
	a.Token = p.token(t, "stranger")
	if _, err := p.engine.Open(t.Context(), a); sallyport.KindOf(err) != sallyport.Denied {
		t.Fatalf("got %v, want Denied", err)
	}
	ls, _ := p.leaves(t)
	if got := types(ls); got != "identity denial" {
		t.Errorf("on record: %s", got)
	}
}

func TestAStatementsWay(t *testing.T) {
	p := newParts(t)
	s := p.open(t)
	adm, err := s.Admit(t.Context(), statement(sallyport.Read, "public", "patients", "phi.ssn"))
	if err != nil {
		t.Fatal(err)
	}
	if m := adm.Masks(); len(m) != 1 || m[0].Output != 0 {
		t.Fatalf("masks: %v", m)
	}
	permits, err := s.Intend(t.Context(), session.Intent{Admission: adm})
	if err != nil {
		t.Fatal(err)
	}
	if !permits[0].Valid(s) || (session.Permit{}).Valid(s) {
		t.Error("the permit is not what it must be")
	}
	if err := s.Record(permits[0], "pg.server", mask.Synthetic([]byte("x"))); err != nil {
		t.Fatal(err)
	}
	if err := s.Settle(permits[0], session.Result{Status: "ok", Tag: "SELECT 1", Rows: 1, Masked: []mask.Count{{Output: 0, Masked: 1, Seen: 1}}}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Admit(t.Context(), statement(sallyport.Read, "payroll", "salaries", "public")); sallyport.KindOf(err) != sallyport.Denied {
		t.Errorf("out of scope: %v", err)
	}
	if err := s.Close("done"); err != nil {
		t.Fatal(err)
	}
	ls, raw := p.leaves(t)
	var mine [][]byte
	var kinds []string
	for i, l := range ls {
		if l.Session == s.ID() {
			mine, kinds = append(mine, raw[i]), append(kinds, string(l.Type))
		}
		if strings.Contains(string(raw[i]), "900-00-0001") {
			t.Errorf("a literal stands in clear in a %s event", l.Type)
		}
	}
	want := "session-open intent outcome masking denial recording session-close"
	if got := strings.Join(kinds, " "); got != want {
		t.Errorf("the session's events are\n%s, want\n%s", got, want)
	}
	if _, err := evidence.VerifyChain(mine); err != nil {
		t.Errorf("the session's chain: %v", err)
	}
}

func TestAHeldStatementNeedsItsOwnApprovalEachTime(t *testing.T) {
	p := newParts(t)
	s := p.open(t)
	c := statement(sallyport.Destroy, "public", "patients", "public")
	decide := func(approve bool) {
		c.Notify = func(string, string) {
			open, err := p.grants.List(context.Background(), grant.RequestFilter{Kind: grant.ForHold, States: []grant.State{grant.Open}})
			if err != nil || len(open) != 1 {
				t.Errorf("open holds: %v, %v", open, err)
				return
			}
			if _, err := p.grants.Decide(context.Background(), open[0].ID, p.officer(), approve, "as announced"); err != nil {
				t.Error(err)
			}
		}
	}
	decide(false)
	if _, err := s.Admit(t.Context(), c); sallyport.KindOf(err) != sallyport.Denied {
		t.Fatalf("denied by the approver: got %v", err)
	}
	decide(true)
	adm, err := s.Admit(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	if !adm.Approved() {
		t.Error("the admission does not say that it rests on an approval")
	}
	if _, ok := s.Renew(adm, false); ok {
		t.Error("an approved admission was renewed")
	}
	if _, err := s.Intend(t.Context(), session.Intent{Admission: adm}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Intend(t.Context(), session.Intent{Admission: adm}); err == nil {
		t.Error("an approval was used twice")
	}
}

func TestAHoldThatNobodyDecidesIsWithdrawn(t *testing.T) {
	p := newParts(t)
	s := p.open(t)
	c := statement(sallyport.Destroy, "public", "patients", "public")
	c.InTransaction = true
	if _, err := s.Admit(t.Context(), c); sallyport.KindOf(err) != sallyport.Denied || !strings.Contains(err.Error(), "nobody decided") &&
		!strings.Contains(err.Error(), "expired") {
		t.Fatalf("got %v", err)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	c.InTransaction = false
	c.Notify = func(string, string) { cancel(session.ErrCancelled) }
	if _, err := s.Admit(ctx, c); !errors.Is(err, session.ErrCancelled) {
		t.Fatalf("cancelled: got %v", err)
	}
	open, err := p.grants.List(t.Context(), grant.RequestFilter{States: []grant.State{grant.Open}})
	if err != nil || len(open) != 0 {
		t.Errorf("requests left open: %v, %v", open, err)
	}
}

func TestRevocationEndsTheSession(t *testing.T) {
	p := newParts(t)
	s := p.open(t)
	gs, err := p.grants.Grants(t.Context(), grant.GrantFilter{})
	if err != nil || len(gs) != 1 {
		t.Fatalf("grants: %v, %v", gs, err)
	}
	if _, err := p.grants.Revoke(t.Context(), gs[0].ID, "officer", "the run is over"); err != nil {
		t.Fatal(err)
	}
	<-s.Context().Done()
	if sallyport.KindOf(context.Cause(s.Context())) != sallyport.Denied {
		t.Errorf("cause: %v", context.Cause(s.Context()))
	}
	adm := s.Analysis(statement(sallyport.Read, "public", "patients"))
	if _, err := s.Intend(t.Context(), session.Intent{Admission: adm, Phase: session.Analyse}); err == nil {
		t.Error("a revoked session got a permit")
	}
}

func TestNothingIsPermittedWithoutAnAdmission(t *testing.T) {
	p := newParts(t)
	s := p.open(t)
	other := p.open(t)
	c := statement(sallyport.Read, "public", "patients", "public")
	foreign, err := other.Admit(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	for name, adm := range map[string]*session.Admission{
		"nil": nil, "zero": {}, "of another session": foreign, "for analysis only": s.Analysis(c),
	} {
		if permits, err := s.Intend(t.Context(), session.Intent{Admission: adm}); err == nil {
			t.Errorf("%s: got permits %v", name, permits)
		}
	}
}

func TestAFullResourceRefusesSessions(t *testing.T) {
	p := newParts(t)
	p.open(t)
	second := p.open(t)
	if _, err := p.engine.Open(t.Context(), p.ask(t)); sallyport.KindOf(err) != sallyport.Exhausted {
		t.Fatalf("third session: got %v", err)
	}
	if err := second.Close("done"); err != nil {
		t.Fatal(err)
	}
	p.open(t)
}

func TestIdleSessionsEnd(t *testing.T) {
	p := newParts(t, func(r *session.Resource) { r.Idle = 50 * time.Millisecond })
	s := p.open(t)
	<-s.Context().Done()
	if !strings.Contains(context.Cause(s.Context()).Error(), "idle") {
		t.Errorf("cause: %v", context.Cause(s.Context()))
	}
}

func TestALedgerThatTakesNothingEndsTheSession(t *testing.T) {
	p := newParts(t)
	s := p.open(t)
	adm, err := s.Admit(t.Context(), statement(sallyport.Read, "public", "patients", "public"))
	if err != nil {
		t.Fatal(err)
	}
	if err := p.log.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if permits, err := s.Intend(t.Context(), session.Intent{Admission: adm}); err == nil {
		t.Fatalf("got permits %v from a closed ledger", permits)
	}
	if context.Cause(s.Context()) == nil {
		t.Error("the session goes on")
	}
}

func TestOnlyProvenReadsGoEarly(t *testing.T) {
	p := newParts(t, func(r *session.Resource) { r.BeforeRelease = true })
	s := p.open(t)
	read, err := s.Admit(t.Context(), statement(sallyport.Read, "public", "patients", "public"))
	if err != nil {
		t.Fatal(err)
	}
	write, err := s.Admit(t.Context(), statement(sallyport.Write, "public", "patients", "public"))
	if err != nil {
		t.Fatal(err)
	}
	if !s.Early([]session.Intent{{Admission: read}}) || s.Early([]session.Intent{{Admission: read}, {Admission: write}}) {
		t.Error("what may go early is not what must be")
	}
	if _, _, err := s.IntendEarly(t.Context(), session.Intent{Admission: write}); err == nil {
		t.Error("a write went early")
	}
	permits, durable, err := s.IntendEarly(t.Context(), session.Intent{Admission: read})
	if err != nil || !permits[0].Valid(s) {
		t.Fatal(permits, err)
	}
	if err := durable(t.Context()); err != nil {
		t.Fatal(err)
	}
	_, raw := p.leaves(t)
	if last := string(raw[len(raw)-1]); !strings.Contains(last, `"mode":"before-release"`) {
		t.Errorf("the record does not name the mode: %s", last)
	}
}
