// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package grant_test

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/grant"
)

func start() time.Time { return time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC) }

// TestTransitions checks every transition from every state of either kind, in
// time and late: what the table does not list is refused.
func TestTransitions(t *testing.T) {
	t.Parallel()
	type step struct {
		kind grant.Kind
		from grant.State
		verb string
		late bool
	}
	legal := map[step]grant.State{}
	for _, kind := range []grant.Kind{grant.ForGrant, grant.ForHold} {
		legal[step{kind, grant.Open, "approve", false}] = grant.Approved
		legal[step{kind, grant.Open, "deny", false}] = grant.Denied
		legal[step{kind, grant.Open, "withdraw", false}] = grant.Withdrawn
		legal[step{kind, grant.Open, "withdraw", true}] = grant.Withdrawn
		legal[step{kind, grant.Open, "expire", true}] = grant.Expired
	}
	legal[step{grant.ForHold, grant.Approved, "use", false}] = grant.Used
	legal[step{grant.ForHold, grant.Approved, "withdraw", false}] = grant.Withdrawn
	legal[step{grant.ForHold, grant.Approved, "withdraw", true}] = grant.Withdrawn
	legal[step{grant.ForHold, grant.Approved, "expire", true}] = grant.Expired
	for _, kind := range []grant.Kind{grant.ForGrant, grant.ForHold} {
		for _, from := range []grant.State{"", grant.Open, grant.Approved, grant.Denied, grant.Withdrawn, grant.Used, grant.Expired, grant.Active} {
			for _, late := range []bool{false, true} {
				for _, verb := range []string{"approve", "deny", "withdraw", "expire", "use", "use another"} {
					r := grant.Request{ID: "req_1", Kind: kind, State: from, Expires: start()}
					if kind == grant.ForHold {
						r.Hold = &grant.Hold{Binding: "b"}
					}
					now := start().Add(-time.Microsecond)
					if late {
						now = start()
					}
					got, err := apply(r, verb, now)
					want, ok := legal[step{kind, from, verb, late}]
					switch {
					case ok && (err != nil || got.State != want || !got.Changed.Equal(now)):
						t.Errorf("%s %s %s late=%v: %s, %v; want %s", kind, from, verb, late, got.State, err, want)
					case !ok && err == nil:
						t.Errorf("%s %s %s late=%v: went to %s, must be refused", kind, from, verb, late, got.State)
					case !ok:
						if _, hint := sallyport.Public(err); hint == "" && kind == grant.ForHold {
							t.Errorf("%s %s %s late=%v: %v does not say what to do", kind, from, verb, late, err)
						}
					}
				}
			}
		}
	}
}

func apply(r grant.Request, verb string, now time.Time) (grant.Request, error) {
	switch verb {
	case "approve", "deny":
		return r.Decide(now, verb == "approve", grant.Decision{Approver: "human:ann"})
	case "withdraw":
		return r.Withdraw(now)
	case "expire":
		return r.Expire(now)
	case "use":
		return r.Use(now, "b")
	}
	return r.Use(now, "another")
}

func TestGrantTransitions(t *testing.T) {
	t.Parallel()
	for _, from := range []grant.State{"", grant.Active, grant.Expired, grant.Revoked} {
		for _, late := range []bool{false, true} {
			g := grant.Grant{State: from, Grant: sallyport.Grant{ID: "gr_1", NotAfter: start()}}
			now := start().Add(-time.Microsecond)
			if late {
				now = start()
			}
			e, err := g.Expire(now)
			if ok := from == grant.Active && late; ok != (err == nil) || ok && e.State != grant.Expired {
				t.Errorf("%s expire late=%v: %s, %v", from, late, e.State, err)
			}
			r, err := g.Revoke(now, "human:ann", "done")
			if ok := from == grant.Active && !late; ok != (err == nil) || ok && (r.State != grant.Revoked || r.By != "human:ann") {
				t.Errorf("%s revoke late=%v: %s, %v", from, late, r.State, err)
			}
		}
	}
}

// TestPaths walks at random and checks what must hold on every path: a decision
// is taken once, an approval is used once and only with its binding and in its
// time, and an end is an end.
func TestPaths(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		now := start()
		r := grant.Request{ID: "req_1", Kind: grant.ForHold, State: grant.Open, Expires: now.Add(10 * time.Minute), Hold: &grant.Hold{Binding: "b"}}
		decided, used := 0, 0
		ended := false
		for range rapid.IntRange(1, 12).Draw(t, "steps") {
			now = now.Add(time.Duration(rapid.IntRange(0, 240).Draw(t, "seconds")) * time.Second)
			verb := rapid.SampledFrom([]string{"approve", "deny", "withdraw", "expire", "use", "use another"}).Draw(t, "verb")
			next, err := apply(r, verb, now)
			if err != nil {
				continue
			}
			if ended {
				t.Fatalf("%s moved a request that had ended as %s", verb, r.State)
			}
			switch next.State {
			case grant.Approved, grant.Denied:
				decided++
			case grant.Used:
				used++
				if verb != "use" || r.State != grant.Approved || !now.Before(r.Expires) {
					t.Fatalf("%s from %s at %v used an approval that ends at %v", verb, r.State, now, r.Expires)
				}
			}
			r = next
			ended = r.State != grant.Approved
		}
		if decided > 1 || used > 1 {
			t.Fatalf("decided %d times, used %d times", decided, used)
		}
	})
}

func TestKey(t *testing.T) {
	t.Parallel()
	base := grant.Request{
		Kind: grant.ForGrant, Principal: sallyport.Principal{ID: "ab", Subject: sallyport.Subject{Issuer: "i", ID: "s"}},
		Resource: "c", Role: "d", Approvers: "group:x", Window: time.Minute, Policy: "p",
	}
	same := base
	same.ID, same.Reason, same.Expires = "req_9", "another", start()
	if base.Key() == "" || base.Key() != same.Key() {
		t.Error("requests for the same thing have different keys")
	}
	seen := map[string]bool{base.Key(): true}
	for _, change := range []func(*grant.Request){
		func(r *grant.Request) { r.Principal.ID = "abc" },
		func(r *grant.Request) { r.Principal.Subject.ID = "t" },
		func(r *grant.Request) { r.Resource, r.Role = "cd", "" },
		func(r *grant.Request) { r.Approvers = "group:y" },
		func(r *grant.Request) { r.Window = time.Hour },
		func(r *grant.Request) { r.Policy = "q" },
	} {
		r := base
		change(&r)
		if seen[r.Key()] {
			t.Errorf("another request has the same key: %+v", r)
		}
		seen[r.Key()] = true
	}
	base.Kind = grant.ForHold
	if base.Key() != "" {
		t.Error("a hold has a key")
	}
}
