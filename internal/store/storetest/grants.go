// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package storetest

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/grant"
)

// newRequest returns the n-th request of the synthetic world, full to the last
// field.
func newRequest(n int, kind grant.Kind) grant.Request {
	at := start().Add(time.Duration(n) * time.Minute)
	r := grant.Request{
		ID: sallyport.RequestID(fmt.Sprintf("req_%02d", n)), Kind: kind, State: grant.Open,
		Principal: sallyport.Principal{
			ID: sallyport.PrincipalID(fmt.Sprintf("ci:%d", n)), Kind: sallyport.CIJob, Groups: []string{"ci"},
			Attributes: map[string]string{"repository": "acme/claims"},
			Subject:    sallyport.Subject{Issuer: "https://issuer.example", ID: "repo:acme/claims"},
			Delegation: []sallyport.Subject{{Issuer: "https://issuer.example", ID: "agent"}},
			Authn: sallyport.Authentication{
				Method: "gateway-token", TokenID: "t2", At: at, Expires: at.Add(time.Hour),
				Via: &sallyport.Authentication{Method: "oidc", TokenID: "t1", KeyID: "k", At: at, Expires: at},
			},
		},
		Resource: "clinic", Role: "claims-etl", Approvers: "group:privacy-officers", Reason: "nightly load", Window: 15 * time.Minute,
		Rules: []sallyport.RuleID{"r1", "r2"}, Policy: "abc", Created: at, Changed: at, Expires: at.Add(time.Hour),
	}
	if kind == grant.ForHold {
		r.Window = 0
		r.Hold = &grant.Hold{
			Session: "s_1", Stmt: 3, Readable: "drop table t", Digest: "d", Binding: "b",
			Objects: []string{"destroy table clinic/public/t"}, Effects: []string{"destroy"},
		}
	}
	return r
}

func create(t *testing.T, s Store, r grant.Request) grant.Request {
	t.Helper()
	got, created, err := s.Grants.CreateRequest(t.Context(), r, func() error { return nil })
	if err != nil || !created {
		t.Fatalf("CreateRequest = %v, %v", created, err)
	}
	return got
}

func requests(t *testing.T, s Store, again func() Store) {
	for i, kind := range []grant.Kind{grant.ForGrant, grant.ForHold} {
		r := newRequest(i, kind)
		if diff := cmp.Diff(r, create(t, s, r)); diff != "" {
			t.Errorf("created (-want +got):\n%s", diff)
		}
		next := r
		next.State, next.Approver, next.Rationale, next.DecidedAt = grant.Approved, "human:ann", "agreed", start()
		next.Subject, next.Groups = sallyport.Subject{Issuer: "i", ID: "ann"}, []string{"privacy-officers"}
		next.Authn = sallyport.Authentication{Method: "oidc", TokenID: "t9", At: start(), Expires: start()}
		got, err := s.Grants.UpdateRequest(t.Context(), r.ID, func(old grant.Request) (grant.Request, *grant.Grant, error) {
			if diff := cmp.Diff(r, old); diff != "" {
				t.Errorf("before the change (-want +got):\n%s", diff)
			}
			return next, nil, nil
		})
		must(t, err)
		if diff := cmp.Diff(next, got); diff != "" {
			t.Errorf("changed (-want +got):\n%s", diff)
		}
		got, err = again().Grants.Request(t.Context(), r.ID)
		must(t, err)
		if diff := cmp.Diff(next, got); diff != "" {
			t.Errorf("opened again (-want +got):\n%s", diff)
		}
	}
	_, err := s.Grants.Request(t.Context(), "req_none")
	wantKind(t, "Request", err, sallyport.NotFound)
	_, err = s.Grants.UpdateRequest(t.Context(), "req_none", func(r grant.Request) (grant.Request, *grant.Grant, error) { return r, nil, nil })
	wantKind(t, "UpdateRequest", err, sallyport.NotFound)
}

func requestFilters(t *testing.T, s Store, _ func() Store) {
	for i := range 4 {
		create(t, s, newRequest(i, grant.ForGrant))
	}
	hold := newRequest(4, grant.ForHold)
	hold.Approvers, hold.Resource, hold.State = "principal:ann", "warehouse", grant.Approved
	create(t, s, hold)
	tests := []struct {
		name string
		f    grant.RequestFilter
		want []sallyport.RequestID
	}{
		{"all", grant.RequestFilter{}, []sallyport.RequestID{"req_04", "req_03", "req_02", "req_01", "req_00"}},
		{"limit", grant.RequestFilter{Limit: 2}, []sallyport.RequestID{"req_04", "req_03"}},
		{"next page", grant.RequestFilter{Limit: 2, Before: "req_03"}, []sallyport.RequestID{"req_02", "req_01"}},
		{"kind", grant.RequestFilter{Kind: grant.ForHold}, []sallyport.RequestID{"req_04"}},
		{"state", grant.RequestFilter{States: []grant.State{grant.Approved, grant.Used}}, []sallyport.RequestID{"req_04"}},
		{"principal", grant.RequestFilter{Principal: "ci:2"}, []sallyport.RequestID{"req_02"}},
		{"resource", grant.RequestFilter{Resource: "warehouse"}, []sallyport.RequestID{"req_04"}},
		{"session", grant.RequestFilter{Session: "s_1"}, []sallyport.RequestID{"req_04"}},
		{"approvers", grant.RequestFilter{Approvers: []string{"group:x", "principal:ann"}}, []sallyport.RequestID{"req_04"}},
		{"due", grant.RequestFilter{Due: start().Add(61 * time.Minute)}, []sallyport.RequestID{"req_01", "req_00"}},
		{"quoted", grant.RequestFilter{Principal: "x' OR '1'='1"}, nil},
	}
	for _, tt := range tests {
		rs, err := s.Grants.Requests(t.Context(), tt.f)
		must(t, err)
		var got []sallyport.RequestID
		for _, r := range rs {
			got = append(got, r.ID)
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
}

// requestConflict: an open request stands for those that ask for the same, and
// makes way once it is decided.
func requestConflict(t *testing.T, s Store, _ func() Store) {
	first := create(t, s, newRequest(0, grant.ForGrant))
	second := first
	second.ID, second.Reason = "req_90", "another reason"
	got, created, err := s.Grants.CreateRequest(t.Context(), second, func() error {
		t.Error("the journal was asked although nothing is created")
		return nil
	})
	must(t, err)
	if created || got.ID != first.ID {
		t.Errorf("CreateRequest = %s, %v; want the open %s", got.ID, created, first.ID)
	}
	_, err = s.Grants.UpdateRequest(t.Context(), first.ID, func(r grant.Request) (grant.Request, *grant.Grant, error) {
		r.State = grant.Denied
		return r, nil, nil
	})
	must(t, err)
	create(t, s, second)
	for i := range 2 { // holds never stand for each other
		h := newRequest(5, grant.ForHold)
		h.ID = sallyport.RequestID(fmt.Sprintf("req_h%d", i))
		create(t, s, h)
	}
}

func requestAtOnce(t *testing.T, s Store, again func() Store) {
	stores := []Store{s, again()}
	var journalled, made atomic.Int32
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			r := newRequest(0, grant.ForGrant)
			r.ID = sallyport.RequestID(fmt.Sprintf("req_x%d", i))
			_, created, err := stores[i%2].Grants.CreateRequest(t.Context(), r, func() error { journalled.Add(1); return nil })
			if err != nil {
				t.Errorf("CreateRequest: %v", err)
			}
			if created {
				made.Add(1)
			}
		})
	}
	wg.Wait()
	if journalled.Load() != 1 || made.Load() != 1 {
		t.Errorf("%d requests were made and %d put on record, want one", made.Load(), journalled.Load())
	}
}

// updateAtOnce has two processes make the same single transition: it happens
// once, and its journal is written once.
func updateAtOnce(t *testing.T, s Store, again func() Store) {
	r := create(t, s, newRequest(0, grant.ForGrant))
	stores := []Store{s, again()}
	var changed atomic.Int32
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			_, err := stores[i%2].Grants.UpdateRequest(t.Context(), r.ID, func(r grant.Request) (grant.Request, *grant.Grant, error) {
				if r.State != grant.Open {
					return r, nil, sallyport.E(sallyport.Conflict, "test", "late")
				}
				changed.Add(1)
				r.State = grant.Approved
				return r, nil, nil
			})
			if err != nil && sallyport.KindOf(err) != sallyport.Conflict {
				t.Errorf("UpdateRequest: %v", err)
			}
		})
	}
	wg.Wait()
	if changed.Load() != 1 {
		t.Errorf("the transition happened %d times", changed.Load())
	}
}

// failingChange: what the journal refuses does not happen.
func failingChange(t *testing.T, s Store, _ func() Store) {
	broken := errors.New("the ledger is full")
	r := newRequest(0, grant.ForGrant)
	if _, _, err := s.Grants.CreateRequest(t.Context(), r, func() error { return broken }); !errors.Is(err, broken) {
		t.Errorf("CreateRequest = %v, want the journal's error", err)
	}
	_, err := s.Grants.Request(t.Context(), r.ID)
	wantKind(t, "Request", err, sallyport.NotFound)
	create(t, s, r)
	g := newGrant(1)
	_, err = s.Grants.UpdateRequest(t.Context(), r.ID, func(r grant.Request) (grant.Request, *grant.Grant, error) {
		r.State = grant.Approved
		return r, &g, broken
	})
	if !errors.Is(err, broken) {
		t.Errorf("UpdateRequest = %v, want the journal's error", err)
	}
	got, err := s.Grants.Request(t.Context(), r.ID)
	must(t, err)
	if got.State != grant.Open {
		t.Errorf("the request is %s after a failed change", got.State)
	}
	_, err = s.Grants.Grant(t.Context(), g.ID)
	wantKind(t, "Grant", err, sallyport.NotFound)
}

func newGrant(n int) grant.Grant {
	at := start().Add(time.Duration(n) * time.Minute)
	return grant.Grant{State: grant.Active, Grant: sallyport.Grant{
		ID: sallyport.GrantID(fmt.Sprintf("gr_%02d", n)), Request: "req_00", Principal: sallyport.PrincipalID(fmt.Sprintf("ci:%d", n%2)),
		Resource: "clinic", Role: "claims-etl", NotBefore: at, NotAfter: at.Add(15 * time.Minute), Policy: "abc",
	}}
}

func grants(t *testing.T, s Store, again func() Store) {
	for i := range 4 {
		r := create(t, s, newRequest(i, grant.ForGrant))
		g := newGrant(i)
		_, err := s.Grants.UpdateRequest(t.Context(), r.ID, func(r grant.Request) (grant.Request, *grant.Grant, error) {
			r.State, r.Grant = grant.Approved, g.ID
			return r, &g, nil
		})
		must(t, err)
	}
	revoked := newGrant(3)
	revoked.State, revoked.Ended, revoked.By, revoked.Reason = grant.Revoked, start(), "human:ann", "done"
	got, err := s.Grants.UpdateGrant(t.Context(), "gr_03", func(g grant.Grant) (grant.Grant, error) {
		if diff := cmp.Diff(newGrant(3), g); diff != "" {
			t.Errorf("before the change (-want +got):\n%s", diff)
		}
		return revoked, nil
	})
	must(t, err)
	if diff := cmp.Diff(revoked, got); diff != "" {
		t.Errorf("changed (-want +got):\n%s", diff)
	}
	got, err = again().Grants.Grant(t.Context(), "gr_03")
	must(t, err)
	if diff := cmp.Diff(revoked, got); diff != "" {
		t.Errorf("opened again (-want +got):\n%s", diff)
	}
	_, err = s.Grants.UpdateGrant(t.Context(), "gr_none", func(g grant.Grant) (grant.Grant, error) { return g, nil })
	wantKind(t, "UpdateGrant", err, sallyport.NotFound)
	tests := []struct {
		name string
		f    grant.GrantFilter
		want []sallyport.GrantID
	}{
		{"all", grant.GrantFilter{}, []sallyport.GrantID{"gr_03", "gr_02", "gr_01", "gr_00"}},
		{"page", grant.GrantFilter{Limit: 1, Before: "gr_02"}, []sallyport.GrantID{"gr_01"}},
		{"active", grant.GrantFilter{States: []grant.State{grant.Active}}, []sallyport.GrantID{"gr_02", "gr_01", "gr_00"}},
		{"whose", grant.GrantFilter{Principal: "ci:1", Resource: "clinic", Role: "claims-etl"}, []sallyport.GrantID{"gr_03", "gr_01"}},
		{"other role", grant.GrantFilter{Role: "other"}, nil},
		{"due", grant.GrantFilter{Due: start().Add(16 * time.Minute), States: []grant.State{grant.Active}}, []sallyport.GrantID{"gr_01", "gr_00"}},
	}
	for _, tt := range tests {
		gs, err := s.Grants.Grants(t.Context(), tt.f)
		must(t, err)
		var ids []sallyport.GrantID
		for _, g := range gs {
			ids = append(ids, g.ID)
		}
		if diff := cmp.Diff(tt.want, ids); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
}

func clock(t *testing.T, s Store, again func() Store) {
	steps := []struct{ give, want time.Time }{
		{time.Time{}, time.Time{}},
		{start(), start()},
		{start().Add(-time.Hour), start()},
		{time.Time{}, start()},
		{start().Add(time.Second), start().Add(time.Second)},
	}
	for _, st := range steps {
		got, err := s.Grants.Clock(t.Context(), st.give)
		must(t, err)
		if !got.Equal(st.want) {
			t.Errorf("Clock(%v) = %v, want %v", st.give, got, st.want)
		}
	}
	got, err := again().Grants.Clock(t.Context(), time.Time{})
	must(t, err)
	if !got.Equal(start().Add(time.Second)) {
		t.Errorf("opened again: Clock = %v", got)
	}
}
