// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package grant_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/evidence"
	"github.com/sallyport-dev/sallyport/internal/grant"
	"github.com/sallyport-dev/sallyport/internal/store/sqlite"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// journal keeps events in memory and can be made to fail.
type journal struct {
	mu     sync.Mutex
	events []string
	broken error
	before func(event string) // called before an event is accepted
}

func (j *journal) add(event string) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.broken != nil {
		return j.broken
	}
	if j.before != nil {
		j.before(event)
	}
	j.events = append(j.events, event)
	return nil
}

func (j *journal) Request(_ context.Context, e evidence.Request) error {
	return j.add("request " + e.Kind + " " + e.State)
}

func (j *journal) Decision(_ context.Context, e evidence.Decision) error {
	return j.add("decision " + e.Decision + " by " + string(e.Approver) + ": " + e.Rationale)
}

func (j *journal) Grant(_ context.Context, e evidence.GrantEvent) error {
	return j.add("grant " + e.State)
}

func (j *journal) fail(err error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.broken = err
}

func (j *journal) list() []string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return append([]string(nil), j.events...)
}

// bench is a service on a real store, with a clock that the test sets.
type bench struct {
	*grant.Service
	journal *journal
	store   *sqlite.Store
	path    string
	offset  atomic.Int64 // nanoseconds since start
}

func (b *bench) now() time.Time         { return start().Add(time.Duration(b.offset.Load())) }
func (b *bench) pass(d time.Duration)   { b.offset.Add(int64(d)) }
func (b *bench) setTo(at time.Duration) { b.offset.Store(int64(at)) }

func newBench(t *testing.T) *bench {
	t.Helper()
	b := &bench{journal: &journal{}, path: filepath.Join(t.TempDir(), "store.db")}
	b.open(t)
	return b
}

// open starts the service on the store's file, anew if it ran before.
func (b *bench) open(t *testing.T) {
	t.Helper()
	s, err := sqlite.Open(t.Context(), b.path)
	if err != nil {
		t.Fatal(err)
	}
	svc, err := grant.New(t.Context(), grant.Deps{
		Store: s.Grants(), Journal: b.journal, Now: b.now, Rand: rand.Reader, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	b.Service, b.store = svc, s
	t.Cleanup(func() {
		svc.Close()
		if err := s.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
}

func etl() sallyport.Principal {
	return sallyport.Principal{
		ID: "ci:etl", Kind: sallyport.CIJob, Subject: sallyport.Subject{Issuer: "https://ci.example", ID: "repo:acme/etl"},
		Authn: sallyport.Authentication{Method: "oidc", TokenID: "t-etl"},
	}
}

func ann() sallyport.Principal {
	return sallyport.Principal{
		ID: "human:ann", Kind: sallyport.Human, Groups: []string{"staff", "privacy-officers"},
		Subject: sallyport.Subject{Issuer: "https://login.example", ID: "ann"},
		Authn:   sallyport.Authentication{Method: "oidc", TokenID: "t-ann"},
	}
}

func spec() grant.RequestSpec {
	return grant.RequestSpec{
		Principal: etl(), Resource: "clinic", Role: "claims-etl", Approvers: "group:privacy-officers",
		Window: 15 * time.Minute, Reason: "nightly load", Rules: []sallyport.RuleID{"jit"}, Policy: "p1",
	}
}

func (b *bench) holdSpec() grant.HoldSpec {
	return grant.HoldSpec{
		Session: "s_1", Stmt: 4, Principal: etl(), Resource: "clinic", Role: "claims-etl", Readable: "DROP TABLE t", Digest: "d",
		Binding: "bound", Objects: []string{"destroy table clinic/public/t"}, Effects: []string{"destroy"}, Rules: []sallyport.RuleID{"hold-drop"},
		Policy: "p1", Approvers: "group:privacy-officers", Expires: b.now().Add(10 * time.Minute),
	}
}

func (b *bench) request(t *testing.T) grant.Request {
	t.Helper()
	r, err := b.Request(t.Context(), spec())
	if err != nil {
		t.Fatalf("Request: %v", err)
	}
	return r
}

func (b *bench) hold(t *testing.T) grant.Request {
	t.Helper()
	r, err := b.Hold(t.Context(), b.holdSpec())
	if err != nil {
		t.Fatalf("Hold: %v", err)
	}
	return r
}

func (b *bench) approve(t *testing.T, id sallyport.RequestID) grant.Request {
	t.Helper()
	r, err := b.Decide(t.Context(), id, ann(), true, "agreed with the owner")
	if err != nil {
		t.Fatalf("Decide: %v", err)
	}
	return r
}

func wantKind(t *testing.T, what string, err error, kind sallyport.Kind) {
	t.Helper()
	if err == nil || sallyport.KindOf(err) != kind {
		t.Errorf("%s = %v, want kind %v", what, err, kind)
		return
	}
	if _, hint := sallyport.Public(err); hint == "" && kind != sallyport.NotFound {
		t.Errorf("%s = %v does not say what to do", what, err)
	}
}

func TestGrantFromRequestToEnd(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	r := b.request(t)
	if !strings.HasPrefix(string(r.ID), "req_") || len(r.ID) != 24 || r.State != grant.Open {
		t.Errorf("request %s is %s", r.ID, r.State)
	}
	again := spec()
	again.Reason = "by connecting: 10.0.0.2:4711"
	if same, err := b.Request(t.Context(), again); err != nil || same.ID != r.ID {
		t.Errorf("asking again made %s, %v; want %s", same.ID, err, r.ID)
	}
	if _, ok := b.Active(t.Context(), "ci:etl", "clinic", "claims-etl"); ok {
		t.Error("a grant is active before it was approved")
	}
	b.pass(time.Minute)
	got := b.approve(t, r.ID)
	if got.State != grant.Approved || got.Approver != "human:ann" || got.Rationale != "agreed with the owner" {
		t.Errorf("approved request: %+v", got)
	}
	g, ok := b.Active(t.Context(), "ci:etl", "clinic", "claims-etl")
	want := sallyport.Grant{
		ID: got.Grant, Request: r.ID, Principal: "ci:etl", Resource: "clinic", Role: "claims-etl",
		NotBefore: b.now(), NotAfter: b.now().Add(15 * time.Minute), Policy: "p1",
	}
	if diff := cmp.Diff(want, g); !ok || diff != "" {
		t.Errorf("active grant %v (-want +got):\n%s", ok, diff)
	}
	for _, other := range [][3]string{{"ci:other", "clinic", "claims-etl"}, {"ci:etl", "other", "claims-etl"}, {"ci:etl", "clinic", "other"}} {
		if _, ok := b.Active(t.Context(), sallyport.PrincipalID(other[0]), sallyport.ResourceID(other[1]), sallyport.RoleID(other[2])); ok {
			t.Errorf("the grant is good for %v", other)
		}
	}
	b.pass(15*time.Minute - time.Microsecond)
	if _, ok := b.Active(t.Context(), "ci:etl", "clinic", "claims-etl"); !ok {
		t.Error("the grant ended early")
	}
	b.pass(time.Microsecond)
	if _, ok := b.Active(t.Context(), "ci:etl", "clinic", "claims-etl"); ok {
		t.Error("the grant outlived its window")
	}
	waitFor(t, "the expiry", func() bool { return !activeGrant(t, b, g.ID) })
	events := []string{"request grant open", "decision approved by human:ann: agreed with the owner", "grant active", "grant expired"}
	if diff := cmp.Diff(events, b.journal.list()); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
	ended, err := b.Grants(t.Context(), grant.GrantFilter{Principal: "ci:etl"})
	if err != nil || len(ended) != 1 || ended[0].State != grant.Expired || !ended[0].Ended.Equal(b.now()) {
		t.Errorf("grants: %+v, %v; want one that expired now", ended, err)
	}
	if next := b.request(t); next.ID == r.ID {
		t.Error("a decided request stands in the way of a new one")
	}
}

// waitFor waits for something that the sweep does within its tick.
func waitFor(t *testing.T, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !done(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s did not come", what)
		}
	}
}

func TestRequestRefuses(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	for name, change := range map[string]func(*grant.RequestSpec){
		"no principal":   func(s *grant.RequestSpec) { s.Principal.ID = "" },
		"no role":        func(s *grant.RequestSpec) { s.Role = "" },
		"no window":      func(s *grant.RequestSpec) { s.Window = 0 },
		"endless window": func(s *grant.RequestSpec) { s.Window = grant.MaxWindow + 1 },
		"no approvers":   func(s *grant.RequestSpec) { s.Approvers = "" },
		"anybody":        func(s *grant.RequestSpec) { s.Approvers = "group:" },
		"no such kind":   func(s *grant.RequestSpec) { s.Approvers = "everyone:x" },
		"long reason":    func(s *grant.RequestSpec) { s.Reason = strings.Repeat("a", grant.MaxText+1) },
		"control":        func(s *grant.RequestSpec) { s.Reason = "a\x1b[2Jb" },
		"no UTF-8":       func(s *grant.RequestSpec) { s.Reason = "a\xffb" },
		"bidi override":  func(s *grant.RequestSpec) { s.Reason = "a\u202eb" },
	} {
		sp := spec()
		change(&sp)
		_, err := b.Request(t.Context(), sp)
		if err == nil || sallyport.KindOf(err) != sallyport.Invalid {
			t.Errorf("%s: Request = %v, want invalid", name, err)
		}
	}
	h := b.holdSpec()
	h.Binding = ""
	if _, err := b.Hold(t.Context(), h); sallyport.KindOf(err) != sallyport.Invalid {
		t.Errorf("Hold without a binding = %v, want invalid", err)
	}
	h = b.holdSpec()
	h.Expires = b.now()
	_, err := b.Hold(t.Context(), h)
	wantKind(t, "Hold without time", err, sallyport.Denied)
	if events := b.journal.list(); len(events) != 0 {
		t.Errorf("refused requests are on record: %q", events)
	}
	for range grant.MaxOpen {
		b.hold(t)
	}
	_, err = b.Hold(t.Context(), b.holdSpec())
	wantKind(t, "one Hold too many", err, sallyport.Exhausted)
}

func TestWhoMayDecide(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	requester := etl()
	requester.Delegation = []sallyport.Subject{{Issuer: "https://login.example", ID: "bob"}, {Issuer: "https://ci.example", ID: "runner"}}
	requester.Authn = sallyport.Authentication{Method: "gateway-token", TokenID: "t-2", Via: &sallyport.Authentication{Method: "oidc", TokenID: "t-1"}}
	h := b.holdSpec()
	h.Principal = requester
	r, err := b.Hold(t.Context(), h)
	if err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*sallyport.Principal){
		"the requester":                  func(p *sallyport.Principal) { *p = requester; p.Kind = sallyport.Human; p.Groups = ann().Groups },
		"the requester's name":           func(p *sallyport.Principal) { p.ID = requester.ID },
		"the requester's subject":        func(p *sallyport.Principal) { p.Subject = requester.Subject },
		"who acted for the requester":    func(p *sallyport.Principal) { p.Subject = requester.Delegation[0] },
		"for whom the requester acts":    func(p *sallyport.Principal) { p.Delegation = []sallyport.Subject{requester.Subject} },
		"one actor behind both":          func(p *sallyport.Principal) { p.Delegation = []sallyport.Subject{requester.Delegation[1]} },
		"the requester's token":          func(p *sallyport.Principal) { p.Authn.TokenID = "t-2" },
		"the login behind the token":     func(p *sallyport.Principal) { p.Authn.TokenID = "t-1" },
		"a token of the same login":      func(p *sallyport.Principal) { p.Authn.Via = &sallyport.Authentication{TokenID: "t-1"} },
		"not in the group":               func(p *sallyport.Principal) { p.Groups = []string{"staff"} },
		"in a group of a similar name":   func(p *sallyport.Principal) { p.Groups = []string{"privacy-officers2", "group:privacy-officers"} },
		"named like the group":           func(p *sallyport.Principal) { p.Groups, p.ID = nil, "privacy-officers" },
		"a machine":                      func(p *sallyport.Principal) { p.Kind = sallyport.ServiceAccount },
		"an agent in the group":          func(p *sallyport.Principal) { p.Kind = sallyport.AIAgent },
		"of no kind":                     func(p *sallyport.Principal) { p.Kind = "" },
		"nobody":                         func(p *sallyport.Principal) { *p = sallyport.Principal{} },
		"somebody in the group, unnamed": func(p *sallyport.Principal) { p.ID = "" },
	} {
		p := ann()
		change(&p)
		_, err := b.Decide(t.Context(), r.ID, p, true, "because I say so")
		if err == nil || sallyport.KindOf(err) != sallyport.Denied {
			t.Errorf("%s: Decide = %v, want denied", name, err)
		}
	}
	for _, rationale := range []string{"", "  \n ", "ok", strings.Repeat("a", grant.MaxText+1), "esc\x1b[31m"} {
		_, err := b.Decide(t.Context(), r.ID, ann(), true, rationale)
		wantKind(t, "Decide for "+rationale[:min(len(rationale), 8)], err, sallyport.Invalid)
	}
	_, err = b.Decide(t.Context(), "req_none", ann(), true, "agreed")
	wantKind(t, "Decide about nothing", err, sallyport.NotFound)
	if events := b.journal.list(); len(events) != 1 {
		t.Errorf("refused decisions are on record: %q", events)
	}
	stranger := ann() // subjects and tokens that are not set tie nobody together
	stranger.Subject, stranger.Authn.TokenID = sallyport.Subject{}, ""
	if _, err := b.Decide(t.Context(), r.ID, stranger, true, "  agreed\n"); err != nil {
		t.Errorf("Decide: %v", err)
	}
	_, err = b.Decide(t.Context(), r.ID, ann(), false, "too late")
	wantKind(t, "second Decide", err, sallyport.Conflict)
	named := b.holdSpec()
	named.Approvers = "principal:human:ann"
	r, err = b.Hold(t.Context(), named)
	if err != nil {
		t.Fatal(err)
	}
	other := ann()
	other.ID = "human:bob"
	_, err = b.Decide(t.Context(), r.ID, other, true, "agreed")
	wantKind(t, "Decide by another", err, sallyport.Denied)
	b.approve(t, r.ID)
}

func TestHoldIsUsedOnce(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	r := b.hold(t)
	_, err := b.Use(t.Context(), r.ID, "bound")
	wantKind(t, "Use before the decision", err, sallyport.Held)
	b.approve(t, r.ID)
	_, err = b.Use(t.Context(), r.ID, "another")
	wantKind(t, "Use by another statement", err, sallyport.Denied)
	ap, err := b.Use(t.Context(), r.ID, "bound")
	if err != nil {
		t.Fatalf("Use: %v", err)
	}
	want := sallyport.Approval{
		Request: r.ID, Approver: "human:ann", Authn: ann().Authn, Rationale: "agreed with the owner", At: b.now(), Binding: "bound",
	}
	if diff := cmp.Diff(want, ap); diff != "" {
		t.Errorf("approval (-want +got):\n%s", diff)
	}
	_, err = b.Use(t.Context(), r.ID, "bound")
	wantKind(t, "second Use", err, sallyport.Conflict)
	wantKind(t, "Withdraw of a used one", b.Withdraw(t.Context(), r.ID, ""), sallyport.Conflict)
	_, err = b.Use(t.Context(), "req_none", "bound")
	wantKind(t, "Use of nothing", err, sallyport.NotFound)

	denied := b.hold(t)
	if _, err := b.Decide(t.Context(), denied.ID, ann(), false, "not on a weekday"); err != nil {
		t.Fatal(err)
	}
	_, err = b.Use(t.Context(), denied.ID, "bound")
	wantKind(t, "Use of a denial", err, sallyport.Denied)
	_, err = b.Use(t.Context(), b.request(t).ID, "bound")
	if sallyport.KindOf(err) != sallyport.Invalid {
		t.Errorf("Use of a request for a grant = %v, want invalid", err)
	}
	late := b.hold(t)
	b.approve(t, late.ID)
	b.pass(10 * time.Minute)
	_, err = b.Use(t.Context(), late.ID, "bound")
	wantKind(t, "late Use", err, sallyport.Denied)
	unheard := b.hold(t)
	b.pass(10 * time.Minute)
	_, err = b.Decide(t.Context(), unheard.ID, ann(), true, "agreed")
	wantKind(t, "late Decide", err, sallyport.Denied)
}

func TestJournalFirst(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	r, h, used := b.request(t), b.hold(t), b.hold(t)
	b.approve(t, used.ID)
	g := b.approve(t, r.ID).Grant
	state := func(id sallyport.RequestID) grant.State {
		r, err := b.Lookup(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		return r.State
	}
	// While an event is being written, nothing of it has taken effect.
	b.journal.before = func(event string) {
		if event == "request hold used" && state(used.ID) != grant.Approved || event == "grant revoked" && !activeGrant(t, b, g) {
			t.Errorf("%s took effect before it was on record", event)
		}
	}
	if _, err := b.Use(t.Context(), used.ID, "bound"); err != nil {
		t.Fatal(err)
	}
	b.journal.before = nil
	broken := errors.New("the ledger is full")
	b.journal.fail(broken)
	sp := spec()
	sp.Role = "other"
	for what, f := range map[string]func() error{
		"Request":  func() error { _, err := b.Request(t.Context(), sp); return err },
		"Hold":     func() error { _, err := b.Hold(t.Context(), b.holdSpec()); return err },
		"Decide":   func() error { _, err := b.Decide(t.Context(), h.ID, ann(), true, "agreed"); return err },
		"Withdraw": func() error { return b.Withdraw(t.Context(), h.ID, "gone") },
		"Revoke":   func() error { _, err := b.Revoke(t.Context(), g, "human:ann", "done"); return err },
	} {
		err := f()
		wantKind(t, what, err, sallyport.Unavailable)
		if !errors.Is(err, broken) {
			t.Errorf("%s = %v hides the cause", what, err)
		}
	}
	if s := state(h.ID); s != grant.Open {
		t.Errorf("the hold is %s although nothing was put on record", s)
	}
	if !activeGrant(t, b, g) {
		t.Error("the grant ended although nothing was put on record")
	}
	// The end of a window needs no record to take effect, and gets it later.
	ended, stop := b.Watch(g)
	defer stop()
	b.pass(15 * time.Minute)
	<-ended
	if _, ok := b.Active(t.Context(), "ci:etl", "clinic", "claims-etl"); ok {
		t.Error("a dead journal prolongs a grant")
	}
	b.journal.fail(nil)
	waitFor(t, "the record of the expiry", func() bool {
		e := b.journal.list()
		return strings.Contains(strings.Join(e, "\n"), "grant expired")
	})
}

func activeGrant(t *testing.T, b *bench, id sallyport.GrantID) bool {
	t.Helper()
	g, err := b.Grant(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return g.State == grant.Active
}

// TestAtOnce races deciders against each other, and users of one approval.
func TestAtOnce(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	for round := range 5 {
		r := b.hold(t)
		var decided, used, conflicts atomic.Int32
		race(8, func(i int) {
			p := ann()
			p.ID, p.Subject.ID, p.Authn.TokenID = sallyport.PrincipalID(fmt.Sprintf("human:%d", i)), fmt.Sprint(i), fmt.Sprint(i)
			switch _, err := b.Decide(t.Context(), r.ID, p, i > 0 || round > 0, "agreed"); {
			case err == nil:
				decided.Add(1)
			case sallyport.KindOf(err) == sallyport.Conflict:
				conflicts.Add(1)
			default:
				t.Errorf("Decide: %v", err)
			}
		})
		if decided.Load() != 1 || conflicts.Load() != 7 {
			t.Errorf("decided %d times, %d conflicts", decided.Load(), conflicts.Load())
		}
		got, err := b.Lookup(t.Context(), r.ID)
		if err != nil {
			t.Fatal(err)
		}
		if got.State != grant.Approved {
			continue // the one denial won
		}
		race(8, func(int) {
			if _, err := b.Use(t.Context(), r.ID, "bound"); err == nil {
				used.Add(1)
			} else if sallyport.KindOf(err) != sallyport.Conflict {
				t.Errorf("Use: %v", err)
			}
		})
		if used.Load() != 1 {
			t.Errorf("used %d times", used.Load())
		}
	}
}

func race(n int, f func(i int)) {
	var wg sync.WaitGroup
	ready := make(chan struct{})
	for i := range n {
		wg.Go(func() { <-ready; f(i) })
	}
	close(ready)
	wg.Wait()
}
