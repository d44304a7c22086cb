// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package identity

import (
	"context"
	"crypto/sha256"
	"sync"
	"time"

	sallyport "github.com/sallyport-dev/sallyport"
)

// StoredToken is what is kept of a gateway token: everything but the token.
type StoredToken struct {
	Hash      [sha256.Size]byte // SHA-256 of the token's text; the key
	ID        string            // first 32 hex digits of Hash
	Principal sallyport.Principal
	Resource  sallyport.ResourceID
	Role      sallyport.RoleID
	Grant     sallyport.GrantID // "" when the role needed no grant
	IssuedAt  time.Time
	NotAfter  time.Time
	RevokedAt time.Time // zero while the token is good
}

// TokenFilter selects tokens. Exactly one field is set.
type TokenFilter struct {
	ID        string
	Grant     sallyport.GrantID
	Principal sallyport.PrincipalID
}

// Valid reports whether exactly one field is set.
func (f TokenFilter) Valid() bool {
	n := 0
	for _, set := range []bool{f.ID != "", f.Grant != "", f.Principal != ""} {
		if set {
			n++
		}
	}
	return n == 1
}

// Matches reports whether the filter selects t.
func (f TokenFilter) Matches(t StoredToken) bool {
	switch {
	case !f.Valid():
		return false
	case f.ID != "":
		return t.ID == f.ID
	case f.Grant != "":
		return t.Grant == f.Grant
	}
	return t.Principal.ID == f.Principal
}

// TokenStore keeps gateway tokens. Implementations are safe for concurrent use;
// a change is durable when the method returns, as far as the store is durable.
type TokenStore interface {
	// PutToken adds a token. Kind Conflict if its hash or its id is there already,
	// Exhausted if the principal has limit tokens that are good at the instant
	// t.IssuedAt.
	PutToken(ctx context.Context, t StoredToken, limit int) error
	// Token returns the token with that hash, revoked and expired ones included.
	// Kind NotFound if there is none.
	Token(ctx context.Context, hash [sha256.Size]byte) (StoredToken, error)
	// RevokeTokens marks the selected tokens that are not revoked yet and returns
	// those that it marked. Kind Invalid if the filter is not valid.
	RevokeTokens(ctx context.Context, f TokenFilter, at time.Time) ([]StoredToken, error)
	// SweepTokens removes the tokens whose NotAfter lies before the instant and
	// returns how many.
	SweepTokens(ctx context.Context, before time.Time) (int, error)
}

// MemoryTokens is a [TokenStore] that forgets with the process.
type MemoryTokens struct {
	mu     sync.Mutex // guards tokens
	tokens map[[sha256.Size]byte]StoredToken
}

// NewMemoryTokens returns an empty store.
func NewMemoryTokens() *MemoryTokens {
	return &MemoryTokens{tokens: map[[sha256.Size]byte]StoredToken{}}
}

// PutToken implements [TokenStore].
func (m *MemoryTokens) PutToken(_ context.Context, t StoredToken, limit int) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	live := 0
	for h, o := range m.tokens {
		if h == t.Hash || o.ID == t.ID {
			return sallyport.E(sallyport.Conflict, "put token", "a token with this id exists")
		}
		if o.Principal.ID == t.Principal.ID && o.RevokedAt.IsZero() && o.NotAfter.After(t.IssuedAt) {
			live++
		}
	}
	if live >= limit {
		return sallyport.E(sallyport.Exhausted, "put token", "the principal has too many live tokens").
			WithHint("use a token until it ends, or revoke those that are not needed")
	}
	m.tokens[t.Hash] = t
	return nil
}

// Token implements [TokenStore].
func (m *MemoryTokens) Token(_ context.Context, hash [sha256.Size]byte) (StoredToken, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	t, ok := m.tokens[hash]
	if !ok {
		return StoredToken{}, sallyport.E(sallyport.NotFound, "find token", "no such token")
	}
	return t, nil
}

// RevokeTokens implements [TokenStore].
func (m *MemoryTokens) RevokeTokens(_ context.Context, f TokenFilter, at time.Time) ([]StoredToken, error) {
	if !f.Valid() {
		return nil, sallyport.E(sallyport.Invalid, "revoke tokens", "name a token, a grant or a principal, and only one of them")
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	var out []StoredToken
	for h, t := range m.tokens {
		if f.Matches(t) && t.RevokedAt.IsZero() {
			t.RevokedAt = at
			m.tokens[h] = t
			out = append(out, t)
		}
	}
	return out, nil
}

// SweepTokens implements [TokenStore].
func (m *MemoryTokens) SweepTokens(_ context.Context, before time.Time) (int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	n := 0
	for h, t := range m.tokens {
		if t.NotAfter.Before(before) {
			delete(m.tokens, h)
			n++
		}
	}
	return n, nil
}
