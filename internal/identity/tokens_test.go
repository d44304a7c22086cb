// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package identity_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/evidence"
	"github.com/sallyport-dev/sallyport/internal/identity"
)

// tokenBench is a token service with its surroundings.
type tokenBench struct {
	*bench
	tokens *identity.Tokens
	store  *identity.MemoryTokens
}

func newTokenBench(t *testing.T, change ...func(*identity.TokenConfig)) *tokenBench {
	t.Helper()
	b := &tokenBench{bench: newBench(t), store: identity.NewMemoryTokens()}
	var c identity.TokenConfig
	for _, f := range change {
		f(&c)
	}
	ts, err := identity.NewTokens(c, b.Verifier, b.store, b.deps)
	if err != nil {
		t.Fatal(err)
	}
	b.tokens = ts
	return b
}

func (b *tokenBench) login(t *testing.T) sallyport.Principal {
	t.Helper()
	p, err := b.Verify(t.Context(), b.is.token(t, b.clock, map[string]any{"exp": b.clock.Now().Add(time.Hour).Unix()}))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func (b *tokenBench) issue(t *testing.T) (string, identity.TokenInfo) {
	t.Helper()
	raw, info, err := b.tokens.Issue(t.Context(), identity.IssueRequest{
		Principal: b.login(t), Resource: "clinic", Role: "claims-etl", Grant: "g-1", NotAfter: b.clock.Now().Add(time.Hour),
	})
	if err != nil {
		t.Fatal(err)
	}
	return raw, info
}

func TestIssueAndAuthenticate(t *testing.T) {
	t.Parallel()
	b := newTokenBench(t)
	login := b.login(t)
	raw, info, err := b.tokens.Issue(t.Context(), identity.IssueRequest{Principal: login, Resource: "clinic", Role: "claims-etl", Grant: "g-1"})
	if err != nil {
		t.Fatal(err)
	}
	secret, err := base64.RawURLEncoding.DecodeString(strings.TrimPrefix(raw, "spt_"))
	if err != nil || len(secret) != 32 || !strings.HasPrefix(raw, "spt_") {
		t.Errorf("the token is not spt_ and 256 bits: %d bytes, %v", len(secret), err)
	}
	end := b.clock.Now().Add(15 * time.Minute)
	if !info.NotAfter.Equal(end) {
		t.Errorf("ends %v, want %v", info.NotAfter, end)
	}
	want := login
	via := login.Authn
	want.Authn = sallyport.Authentication{
		Method: "gateway-token", TokenID: info.ID, Audience: "clinic", At: b.clock.Now(), Expires: end, Via: &via,
	}
	got, binding, err := b.tokens.Authenticate(t.Context(), raw)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("principal (-want +got):\n%s", d)
	}
	if d := cmp.Diff(identity.Binding{Resource: "clinic", Role: "claims-etl", Grant: "g-1"}, binding); d != "" {
		t.Errorf("binding (-want +got):\n%s", d)
	}
	wantEvent := []evidence.Token{{
		Action: "issued", TokenID: info.ID, Principal: "ci:acme/claims", Resource: "clinic", Role: "claims-etl", Grant: "g-1", Expires: end, By: "ci:acme/claims",
	}}
	if d := cmp.Diff(wantEvent, b.journal.tokens); d != "" {
		t.Errorf("journal (-want +got):\n%s", d)
	}
	if e := b.journal.last(t); !e.Accepted || e.Principal.Authn.TokenID != info.ID {
		t.Errorf("the login by token is not on record: %+v", e)
	}
	st, err := b.store.Token(t.Context(), sha256.Sum256([]byte(raw)))
	if err != nil || st.ID != info.ID {
		t.Errorf("stored under its hash: %v %v", st.ID, err)
	}

	p, binding, err := b.tokens.Authenticate(t.Context(), b.is.token(t, b.clock, nil))
	if err != nil || p.Authn.Method != "oidc" || binding != (identity.Binding{}) {
		t.Errorf("a login with the issuer's token: %v %v %v", p.Authn.Method, binding, err)
	}
}

// TestTokenEnds: whichever of lifetime, login and grant is first.
func TestTokenEnds(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct{ lifetime, login, grant, want time.Duration }{
		"default":  {0, time.Hour, 0, 15 * time.Minute},
		"lifetime": {2 * time.Minute, time.Hour, time.Hour, 2 * time.Minute},
		"login":    {0, 4 * time.Minute, time.Hour, 4 * time.Minute},
		"grant":    {0, time.Hour, 3 * time.Minute, 3 * time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newTokenBench(t, func(c *identity.TokenConfig) { c.Lifetime = tt.lifetime })
			p := b.login(t)
			p.Authn.Expires = b.clock.Now().Add(tt.login)
			r := identity.IssueRequest{Principal: p, Resource: "clinic", Role: "r"}
			if tt.grant != 0 {
				r.NotAfter = b.clock.Now().Add(tt.grant)
			}
			raw, info, err := b.tokens.Issue(t.Context(), r)
			if err != nil || info.NotAfter.Sub(b.clock.Now()) != tt.want {
				t.Fatalf("lives %v, want %v (%v)", info.NotAfter.Sub(b.clock.Now()), tt.want, err)
			}
			b.clock.add(tt.want - time.Nanosecond)
			if _, _, err := b.tokens.Authenticate(t.Context(), raw); err != nil {
				t.Errorf("just before its end: %v", err)
			}
			b.clock.add(time.Nanosecond)
			_, _, err = b.tokens.Authenticate(t.Context(), raw)
			wantKind(t, err, sallyport.Unauthenticated)
			if e := b.journal.last(t); e.Accepted || e.Principal == nil || e.Principal.Authn.TokenID != info.ID {
				t.Errorf("the refusal is not on record with its token: %+v", e)
			}
		})
	}
}

func TestIssueRefuses(t *testing.T) {
	t.Parallel()
	b := newTokenBench(t, func(c *identity.TokenConfig) { c.MaxPerPrincipal = 2 })
	good := b.login(t)
	byToken := good
	byToken.Authn.Method = "gateway-token"
	over := good
	over.Authn.Expires = b.clock.Now()
	for name, tt := range map[string]struct {
		r    identity.IssueRequest
		want sallyport.Kind
	}{
		"no principal":  {identity.IssueRequest{Resource: "clinic", Role: "r"}, sallyport.Invalid},
		"no resource":   {identity.IssueRequest{Principal: good, Role: "r"}, sallyport.Invalid},
		"no role":       {identity.IssueRequest{Principal: good, Resource: "clinic"}, sallyport.Invalid},
		"gateway token": {identity.IssueRequest{Principal: byToken, Resource: "clinic", Role: "r"}, sallyport.Denied},
		"login over":    {identity.IssueRequest{Principal: over, Resource: "clinic", Role: "r"}, sallyport.Unauthenticated},
		"grant over":    {identity.IssueRequest{Principal: good, Resource: "clinic", Role: "r", NotAfter: b.clock.Now()}, sallyport.Unauthenticated},
	} {
		raw, _, err := b.tokens.Issue(t.Context(), tt.r)
		if raw != "" {
			t.Errorf("%s: a token came back", name)
		}
		wantKind(t, err, tt.want)
	}
	b.issue(t)
	b.issue(t)
	_, _, err := b.tokens.Issue(t.Context(), identity.IssueRequest{Principal: good, Resource: "clinic", Role: "r"})
	wantKind(t, err, sallyport.Exhausted)
	b.clock.add(15 * time.Minute)
	b.issue(t)
}

func TestIssueNeedsJournalAndRandomness(t *testing.T) {
	t.Parallel()
	b := newTokenBench(t)
	p := b.login(t)
	b.journal.setFail(true)
	raw, _, err := b.tokens.Issue(t.Context(), identity.IssueRequest{Principal: p, Resource: "clinic", Role: "r", Grant: "g-1"})
	wantKind(t, err, sallyport.Unavailable)
	if raw != "" {
		t.Error("a token that is not on record was given out")
	}
	b.journal.setFail(false)
	if left, err := b.store.RevokeTokens(t.Context(), identity.TokenFilter{Grant: "g-1"}, b.clock.Now()); err != nil || len(left) != 0 {
		t.Errorf("%d live tokens are left behind (%v)", len(left), err)
	}
	b.deps.Rand = iotest.ErrReader(errors.New("no entropy"))
	ts, err := identity.NewTokens(identity.TokenConfig{}, b.Verifier, b.store, b.deps)
	if err != nil {
		t.Fatal(err)
	}
	_, _, err = ts.Issue(t.Context(), identity.IssueRequest{Principal: p, Resource: "clinic", Role: "r"})
	wantKind(t, err, sallyport.Internal)

	b.deps.Rand = bytes.NewReader(make([]byte, 64))
	if ts, err = identity.NewTokens(identity.TokenConfig{}, b.Verifier, b.store, b.deps); err != nil {
		t.Fatal(err)
	}
	for i := range 2 {
		_, _, err = ts.Issue(t.Context(), identity.IssueRequest{Principal: p, Resource: "clinic", Role: "r"})
		if i == 1 {
			wantKind(t, err, sallyport.Conflict)
		}
	}
}

func TestAuthenticateRefuses(t *testing.T) {
	t.Parallel()
	b := newTokenBench(t)
	raw, _ := b.issue(t)
	for name, bad := range map[string]string{
		"empty": "", "prefix": "spt_", "short": raw[:len(raw)-1], "long": raw + "A", "other": raw[:len(raw)-2] + "AA",
		"case": "SPT_" + raw[4:], "space": " " + raw,
	} {
		p, _, err := b.tokens.Authenticate(t.Context(), bad)
		wantKind(t, err, sallyport.Unauthenticated)
		if p.ID != "" || b.journal.last(t).Accepted {
			t.Errorf("%s: accepted", name)
		}
		if len(bad) > 8 && strings.Contains(err.Error(), bad) {
			t.Errorf("%s: the error holds the token", name)
		}
	}
	b.journal.setFail(true)
	_, _, err := b.tokens.Authenticate(t.Context(), raw)
	wantKind(t, err, sallyport.Unavailable)
}

func closed(ch <-chan struct{}) bool {
	select {
	case <-ch:
		return true
	default:
		return false
	}
}

func TestRevoke(t *testing.T) {
	t.Parallel()
	for name, filter := range map[string]func(identity.TokenInfo) identity.TokenFilter{
		"by id":    func(i identity.TokenInfo) identity.TokenFilter { return identity.TokenFilter{ID: i.ID} },
		"by grant": func(identity.TokenInfo) identity.TokenFilter { return identity.TokenFilter{Grant: "g-1"} },
		"by principal": func(identity.TokenInfo) identity.TokenFilter {
			return identity.TokenFilter{Principal: "ci:acme/claims"}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newTokenBench(t)
			raw, info := b.issue(t)
			first, stop := b.tokens.Watch(info.ID)
			defer stop()
			stopped, stop2 := b.tokens.Watch(info.ID)
			stop2()
			other, stop3 := b.tokens.Watch("another")
			defer stop3()
			n, err := b.tokens.Revoke(t.Context(), filter(info), "human:ada")
			if n != 1 || err != nil {
				t.Fatalf("revoked %d, %v", n, err)
			}
			late, stop4 := b.tokens.Watch(info.ID)
			defer stop4()
			if !closed(first) || !closed(late) || closed(stopped) || closed(other) {
				t.Errorf("closed: watching %v, watching late %v, stopped %v, another's %v", closed(first), closed(late), closed(stopped), closed(other))
			}
			_, _, err = b.tokens.Authenticate(t.Context(), raw)
			wantKind(t, err, sallyport.Unauthenticated)
			last := b.journal.tokens[len(b.journal.tokens)-1]
			if last.Action != "revoked" || last.By != "human:ada" || last.TokenID != info.ID {
				t.Errorf("journal: %+v", last)
			}
			if n, err := b.tokens.Revoke(t.Context(), filter(info), "human:ada"); n != 0 || err != nil {
				t.Errorf("again: %d, %v", n, err)
			}
		})
	}
}

func TestRevokeFilters(t *testing.T) {
	t.Parallel()
	b := newTokenBench(t)
	for _, f := range []identity.TokenFilter{{}, {ID: "a", Grant: "b"}} {
		_, err := b.tokens.Revoke(t.Context(), f, "x")
		wantKind(t, err, sallyport.Invalid)
	}
	raw, info := b.issue(t)
	b.journal.setFail(true)
	n, err := b.tokens.Revoke(t.Context(), identity.TokenFilter{ID: info.ID}, "x")
	if n != 1 {
		t.Error("a failing journal kept a token alive")
	}
	wantKind(t, err, sallyport.Unavailable)
	b.journal.setFail(false)
	_, _, err = b.tokens.Authenticate(t.Context(), raw)
	wantKind(t, err, sallyport.Unauthenticated)
}

// TestRevokedGrantIssuesNothing: a token asked for while its grant is revoked
// must not survive, whichever comes first.
func TestRevokedGrantIssuesNothing(t *testing.T) {
	t.Parallel()
	b := newTokenBench(t)
	p := b.login(t)
	if _, err := b.tokens.Revoke(t.Context(), identity.TokenFilter{Grant: "g-9"}, "human:ada"); err != nil {
		t.Fatal(err)
	}
	raw, _, err := b.tokens.Issue(t.Context(), identity.IssueRequest{Principal: p, Resource: "clinic", Role: "r", Grant: "g-9"})
	wantKind(t, err, sallyport.Denied)
	if raw != "" {
		t.Error("a token came back")
	}
	if left, err := b.store.RevokeTokens(t.Context(), identity.TokenFilter{Grant: "g-9"}, b.clock.Now()); err != nil || len(left) != 0 {
		t.Errorf("%d live tokens are left behind (%v)", len(left), err)
	}
	b.issue(t)
}

// overtaken is a store in which something happens just before a token is put.
type overtaken struct {
	*identity.MemoryTokens
	before func()
}

func (o *overtaken) PutToken(ctx context.Context, t identity.StoredToken, limit int) error {
	o.before()
	return o.MemoryTokens.PutToken(ctx, t, limit)
}

// TestPrincipalRevokedMeanwhile: a principal's tokens are revoked while one is
// being issued, which the store could not see yet; later ones are fine.
func TestPrincipalRevokedMeanwhile(t *testing.T) {
	t.Parallel()
	b := newTokenBench(t)
	store := &overtaken{MemoryTokens: b.store}
	ts, err := identity.NewTokens(identity.TokenConfig{}, b.Verifier, store, b.deps)
	if err != nil {
		t.Fatal(err)
	}
	r := identity.IssueRequest{Principal: b.login(t), Resource: "clinic", Role: "r"}
	store.before = func() {
		if _, err := ts.Revoke(t.Context(), identity.TokenFilter{Principal: r.Principal.ID}, "human:ada"); err != nil {
			t.Error(err)
		}
	}
	raw, _, err := ts.Issue(t.Context(), r)
	wantKind(t, err, sallyport.Denied)
	if raw != "" {
		t.Error("a token came back")
	}
	store.before = func() {}
	b.clock.add(time.Second)
	if _, _, err := ts.Issue(t.Context(), r); err != nil {
		t.Error(err)
	}
}

// TestRevokeRace: of tokens issued while the principal's are being revoked,
// none that was there before the revocation ended stays good unwatched.
func TestRevokeRace(t *testing.T) {
	t.Parallel()
	b := newTokenBench(t)
	p := b.login(t)
	var (
		wg  sync.WaitGroup
		mu  sync.Mutex
		got []string
	)
	for range 16 {
		wg.Go(func() {
			raw, _, err := b.tokens.Issue(context.WithoutCancel(t.Context()), identity.IssueRequest{Principal: p, Resource: "clinic", Role: "r", Grant: "g-1"})
			if err != nil {
				return
			}
			mu.Lock()
			defer mu.Unlock()
			got = append(got, raw)
		})
	}
	wg.Go(func() {
		if _, err := b.tokens.Revoke(t.Context(), identity.TokenFilter{Grant: "g-1"}, "human:ada"); err != nil {
			t.Error(err)
		}
	})
	wg.Wait()
	for _, raw := range got {
		if _, _, err := b.tokens.Authenticate(t.Context(), raw); err == nil {
			t.Error("a token of a revoked grant is good")
		}
	}
}

func TestSweep(t *testing.T) {
	t.Parallel()
	b := newTokenBench(t)
	b.issue(t)
	b.clock.add(24 * time.Hour)
	if n, err := b.tokens.Sweep(t.Context()); n != 0 || err != nil {
		t.Errorf("swept %d, %v", n, err)
	}
	b.clock.add(16 * time.Minute)
	if n, err := b.tokens.Sweep(t.Context()); n != 1 || err != nil {
		t.Errorf("swept %d, %v", n, err)
	}
}
