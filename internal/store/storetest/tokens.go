// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package storetest

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/catalog"
	"github.com/sallyport-dev/sallyport/internal/grant"
	"github.com/sallyport-dev/sallyport/internal/identity"
)

func newToken(n int) identity.StoredToken {
	hash := sha256.Sum256(fmt.Appendf(nil, "token %d", n))
	p := newRequest(n%2, grant.ForGrant).Principal
	return identity.StoredToken{
		Hash: hash, ID: hex.EncodeToString(hash[:16]), Principal: p, Resource: "clinic", Role: "claims-etl",
		Grant: sallyport.GrantID(fmt.Sprintf("gr_%d", n)), IssuedAt: start(), NotAfter: start().Add(time.Duration(n+1) * time.Minute),
	}
}

func tokens(t *testing.T, s Store, again func() Store) {
	const limit = 2
	for n := range 3 {
		must(t, s.Tokens.PutToken(t.Context(), newToken(n), limit))
	}
	wantKind(t, "the same token", s.Tokens.PutToken(t.Context(), newToken(0), 10), sallyport.Conflict)
	wantKind(t, "one too many", s.Tokens.PutToken(t.Context(), newToken(4), limit), sallyport.Exhausted)
	got, err := again().Tokens.Token(t.Context(), newToken(1).Hash)
	must(t, err)
	if diff := cmp.Diff(newToken(1), got); diff != "" {
		t.Errorf("token (-want +got):\n%s", diff)
	}
	_, err = s.Tokens.Token(t.Context(), newToken(9).Hash)
	wantKind(t, "Token", err, sallyport.NotFound)

	at := start().Add(time.Second)
	_, err = s.Tokens.RevokeTokens(t.Context(), identity.TokenFilter{}, at)
	wantKind(t, "RevokeTokens of all", err, sallyport.Invalid)
	_, err = s.Tokens.RevokeTokens(t.Context(), identity.TokenFilter{ID: "x", Grant: "y"}, at)
	wantKind(t, "RevokeTokens by two", err, sallyport.Invalid)
	for _, tt := range []struct {
		name string
		f    identity.TokenFilter
		want []int
	}{
		{"by grant", identity.TokenFilter{Grant: "gr_1"}, []int{1}},
		{"again", identity.TokenFilter{Grant: "gr_1"}, nil},
		{"by principal", identity.TokenFilter{Principal: "ci:1"}, nil},
		{"by id", identity.TokenFilter{ID: newToken(0).ID}, []int{0}},
		{"the rest", identity.TokenFilter{Principal: "ci:0"}, []int{2}},
	} {
		got, err := s.Tokens.RevokeTokens(t.Context(), tt.f, at)
		must(t, err)
		var want []identity.StoredToken
		for _, n := range tt.want {
			k := newToken(n)
			k.RevokedAt = at
			want = append(want, k)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
	got, err = s.Tokens.Token(t.Context(), newToken(2).Hash)
	must(t, err)
	if !got.RevokedAt.Equal(at) {
		t.Errorf("a revoked token reads back as revoked at %v", got.RevokedAt)
	}
	must(t, s.Tokens.PutToken(t.Context(), newToken(4), limit)) // revoked ones do not count
	n, err := s.Tokens.SweepTokens(t.Context(), start().Add(2*time.Minute))
	if n != 1 || err != nil {
		t.Errorf("SweepTokens = %d, %v; want 1", n, err)
	}
	_, err = s.Tokens.Token(t.Context(), newToken(0).Hash)
	wantKind(t, "a swept token", err, sallyport.NotFound)
}

// tokensAtOnce: the limit holds when many are issued in one moment.
func tokensAtOnce(t *testing.T, s Store, again func() Store) {
	stores := []Store{s, again()}
	var put atomic.Int32
	var wg sync.WaitGroup
	for n := range 8 {
		wg.Go(func() {
			err := stores[n%2].Tokens.PutToken(t.Context(), newToken(2*n), 3)
			if err == nil {
				put.Add(1)
			} else if sallyport.KindOf(err) != sallyport.Exhausted {
				t.Errorf("PutToken: %v", err)
			}
		})
	}
	wg.Wait()
	if put.Load() != 3 {
		t.Errorf("%d tokens were issued, the limit is 3", put.Load())
	}
}

func items(t *testing.T, s Store, again func() Store) {
	jwks, at, err := s.Keys.LoadKeys(t.Context(), "https://a")
	if jwks != nil || !at.IsZero() || err != nil {
		t.Errorf("LoadKeys of nothing = %q, %v, %v", jwks, at, err)
	}
	for _, set := range []string{`{"keys":[]}`, `{"keys":[1]}`} {
		must(t, s.Keys.SaveKeys(t.Context(), "https://a", []byte(set), start()))
	}
	must(t, s.Keys.SaveKeys(t.Context(), "https://b", []byte("b"), start()))
	memory := catalog.Memory{
		Database:  "16384/clinic",
		Columns:   []catalog.RememberedColumn{{OID: 16390, Attnum: 2, Schema: "public", Table: "patients", Column: "ssn", Labels: []sallyport.Label{"phi.ssn"}}},
		Functions: []catalog.RememberedFunction{{OID: 16400, Body: "d"}},
	}
	must(t, s.Labels("clinic").Save(t.Context(), catalog.Memory{Database: "before"}))
	must(t, s.Labels("clinic").Save(t.Context(), memory))
	must(t, s.Labels("other").Save(t.Context(), catalog.Memory{}))
	o := again()
	jwks, at, err = o.Keys.LoadKeys(t.Context(), "https://a")
	if string(jwks) != `{"keys":[1]}` || !at.Equal(start()) || err != nil {
		t.Errorf("LoadKeys = %q, %v, %v", jwks, at, err)
	}
	must(t, o.Keys.SaveKeys(t.Context(), "https://a", nil, start()))
	if jwks, _, err := s.Keys.LoadKeys(t.Context(), "https://a"); jwks != nil || err != nil {
		t.Errorf("LoadKeys of a removed set = %q, %v", jwks, err)
	}
	for resource, want := range map[sallyport.ResourceID]catalog.Memory{"clinic": memory, "other": {}, "never": {}} {
		got, err := o.Labels(resource).Load(t.Context())
		must(t, err)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("labels of %s (-want +got):\n%s", resource, diff)
		}
	}
}
