// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package identity

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"io"
	"log/slog"
	"strings"
	"time"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/evidence"
)

// TokenPrefix begins every gateway token, so that scanners for leaked secrets
// know one when they see it.
const TokenPrefix = "spt_"

const (
	tokenBytes             = 32 // 256 bits
	tokenLength            = len(TokenPrefix) + 43
	defaultMaxPerPrincipal = 1000
)

// Binding is what a gateway token is good for. It is empty for a login with the
// issuer's own token, which is bound to nothing yet.
type Binding struct {
	Resource sallyport.ResourceID
	Role     sallyport.RoleID
	Grant    sallyport.GrantID
}

// IssueRequest asks for a gateway token.
type IssueRequest struct {
	Principal sallyport.Principal // as the [Verifier] returned it
	Resource  sallyport.ResourceID
	Role      sallyport.RoleID
	Grant     sallyport.GrantID // "" when the role needs no grant
	NotAfter  time.Time         // end of the grant; zero means no end
}

// TokenInfo describes a gateway token without showing it.
type TokenInfo struct {
	ID        string
	Principal sallyport.PrincipalID
	Kind      sallyport.PrincipalKind
	Binding   Binding
	IssuedAt  time.Time
	NotAfter  time.Time
}

// Tokens issues, recognises and revokes gateway tokens. It is safe for
// concurrent use and starts no goroutine.
type Tokens struct {
	verifier *Verifier
	store    TokenStore
	lifetime time.Duration
	limit    int
	now      func() time.Time
	rand     io.Reader
	journal  Journal
	log      *slog.Logger
	watch    watch
}

// NewTokens makes the token service over a verifier and a store.
func NewTokens(c TokenConfig, v *Verifier, store TokenStore, d Deps) (*Tokens, error) {
	const op = "token service"
	if v == nil || store == nil || d.Journal == nil {
		return nil, sallyport.E(sallyport.Internal, op, "no verifier, store or journal")
	}
	if c.Lifetime < 0 || c.Lifetime > MaxTokenLifetime || c.MaxPerPrincipal < 0 {
		return nil, sallyport.E(sallyport.Invalid, op, "the token configuration has problems")
	}
	t := &Tokens{
		verifier: v, store: store, lifetime: orDefault(c.Lifetime, MaxTokenLifetime), limit: c.MaxPerPrincipal,
		now: d.Now, rand: d.Rand, journal: d.Journal, log: d.Logger,
	}
	if t.limit == 0 {
		t.limit = defaultMaxPerPrincipal
	}
	if t.now == nil {
		t.now = time.Now
	}
	if t.rand == nil {
		t.rand = rand.Reader
	}
	if t.log == nil {
		t.log = slog.New(slog.DiscardHandler)
	}
	return t, nil
}

// Issue makes a gateway token for a principal that logged in with its issuer's
// token. It ends with the configured lifetime, the presented login or the
// grant, whichever is first. The returned text is the only copy; the store
// keeps its hash. Kinds: Denied when a gateway token is to be exchanged for
// another one or the grant was just revoked, Unauthenticated when the login is
// over, Exhausted at the principal's limit.
func (t *Tokens) Issue(ctx context.Context, r IssueRequest) (token string, info TokenInfo, err error) {
	const op = "issue token"
	now := t.now().UTC()
	switch {
	case r.Principal.ID == "" || r.Resource == "" || r.Role == "":
		return "", info, sallyport.E(sallyport.Invalid, op, "a token needs a principal, a resource and a role")
	case r.Principal.Authn.Method != MethodOIDC && r.Principal.Authn.Method != MethodKey:
		return "", info, sallyport.E(sallyport.Denied, op, "a gateway token cannot be exchanged for another one").
			WithHint("present the issuer's own token")
	}
	end := now.Add(t.lifetime)
	for _, limit := range []time.Time{r.Principal.Authn.Expires, r.NotAfter} {
		if !limit.IsZero() && limit.Before(end) {
			end = limit.UTC()
		}
	}
	if !end.After(now) {
		return "", info, sallyport.E(sallyport.Unauthenticated, op, "the login or the grant ended meanwhile").
			WithHint("ask the issuer for a new token, or request a new grant")
	}
	raw := make([]byte, tokenBytes)
	if _, err := io.ReadFull(t.rand, raw); err != nil {
		return "", info, sallyport.E(sallyport.Internal, op, "no randomness").Because(err)
	}
	token = TokenPrefix + base64.RawURLEncoding.EncodeToString(raw)
	st := StoredToken{
		Hash: sha256.Sum256([]byte(token)), ID: tokenID(token), Principal: r.Principal,
		Resource: r.Resource, Role: r.Role, Grant: r.Grant, IssuedAt: now, NotAfter: end,
	}
	if err := t.keep(ctx, st); err != nil {
		return "", TokenInfo{}, err
	}
	return token, infoOf(st), nil
}

// keep stores a new token and writes it down. A revocation of its grant or its
// principal that ran at the same time did not see it in the store, so that is
// asked for afterwards; a token that must not be is revoked before anybody has
// it.
func (t *Tokens) keep(ctx context.Context, st StoredToken) error {
	const op = "issue token"
	if err := t.store.PutToken(ctx, st, t.limit); err != nil {
		return err
	}
	if t.watch.forbids(st, t.now()) {
		return errors.Join(
			sallyport.E(sallyport.Denied, op, "the grant or the principal's tokens were revoked meanwhile"),
			t.withdraw(ctx, st))
	}
	err := t.journal.Token(ctx, evidence.Token{
		Action: "issued", TokenID: st.ID, Principal: st.Principal.ID, Resource: st.Resource, Role: st.Role,
		Grant: st.Grant, Expires: st.NotAfter, By: st.Principal.ID,
	})
	if err != nil {
		return errors.Join(
			sallyport.E(sallyport.Unavailable, op, "the token could not be put on record, so it was not issued").Because(err),
			t.withdraw(ctx, st))
	}
	return nil
}

// withdraw takes back a token that nobody has seen, also when the caller has
// gone away.
func (t *Tokens) withdraw(ctx context.Context, st StoredToken) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), fetchTimeout)
	defer cancel()
	_, err := t.store.RevokeTokens(ctx, TokenFilter{ID: st.ID}, t.now().UTC())
	return err
}

// Authenticate accepts an issuer's JSON Web Token or a gateway token, also as an
// [IDToken]. The binding is empty for the former. The answer is in the journal before
// Authenticate returns.
func (t *Tokens) Authenticate(ctx context.Context, raw string) (sallyport.Principal, Binding, error) {
	raw = undress(raw)
	if !strings.HasPrefix(raw, TokenPrefix) {
		p, err := t.verifier.Verify(ctx, raw)
		return p, Binding{}, err
	}
	st, err := t.lookup(ctx, raw)
	return t.enter(ctx, st, "", err)
}

// enter writes down what came of a look for a token, and returns the principal that
// logs in with it. key names the key that stood for the token, if one did.
func (t *Tokens) enter(ctx context.Context, st StoredToken, key string, err error) (sallyport.Principal, Binding, error) {
	p := st.principal(t.now())
	p.Authn.KeyID = key
	if err != nil {
		var proved *sallyport.Principal
		if st.ID != "" {
			proved = &p
		}
		return sallyport.Principal{}, Binding{}, refused(ctx, t.journal, proved, err)
	}
	if err := accepted(ctx, t.journal, p); err != nil {
		return sallyport.Principal{}, Binding{}, err
	}
	return p, Binding{Resource: st.Resource, Role: st.Role, Grant: st.Grant}, nil
}

// lookup finds the token and judges it. What it found is returned beside the
// error when the token was good once.
func (t *Tokens) lookup(ctx context.Context, raw string) (StoredToken, error) {
	const hint = "exchange the issuer's token for a new one at /v1/token"
	if len(raw) != tokenLength {
		return StoredToken{}, refusal(errors.New("this is not a gateway token"), hint)
	}
	return t.find(ctx, sha256.Sum256([]byte(raw)), hint)
}

// find is lookup by the token's hash.
func (t *Tokens) find(ctx context.Context, hash [sha256.Size]byte, hint string) (StoredToken, error) {
	st, err := t.store.Token(ctx, hash)
	switch {
	case sallyport.KindOf(err) == sallyport.NotFound:
		return StoredToken{}, refusal(errors.New("the gateway token is not known"), hint)
	case err != nil:
		return StoredToken{}, sallyport.E(sallyport.Unavailable, "login", "gateway tokens cannot be looked up").Because(err)
	case !st.RevokedAt.IsZero():
		return st, refusal(errors.New("the gateway token was revoked"), hint)
	case !t.now().Before(st.NotAfter):
		return st, refusal(errors.New("the gateway token has expired"), hint)
	}
	return st, nil
}

// principal is the principal as it logs in with the token.
func (st StoredToken) principal(now time.Time) sallyport.Principal {
	p := st.Principal
	via := p.Authn
	p.Authn = sallyport.Authentication{
		Method: MethodGatewayToken, TokenID: st.ID, Audience: string(st.Resource),
		At: now.UTC(), Expires: st.NotAfter, Stale: via.Stale, Via: &via,
	}
	return p
}

// Revoke ends the selected tokens at once, for by, and tells those who watch
// them. It returns how many it ended. The tokens are refused and their sessions
// told even if the journal fails; the error then says so.
func (t *Tokens) Revoke(ctx context.Context, f TokenFilter, by sallyport.PrincipalID) (int, error) {
	if !f.Valid() {
		return 0, sallyport.E(sallyport.Invalid, "revoke tokens", "name a token, a grant or a principal, and only one of them")
	}
	now := t.now().UTC()
	t.watch.forbid(f, now)
	ended, err := t.store.RevokeTokens(ctx, f, now)
	if err != nil {
		return 0, err
	}
	t.watch.end(ended, now)
	var errs []error
	for _, st := range ended {
		errs = append(errs, t.journal.Token(ctx, evidence.Token{
			Action: "revoked", TokenID: st.ID, Principal: st.Principal.ID, Resource: st.Resource, Role: st.Role,
			Grant: st.Grant, Expires: st.NotAfter, By: by,
		}))
	}
	if err := errors.Join(errs...); err != nil {
		return len(ended), sallyport.E(sallyport.Unavailable, "revoke tokens", "the tokens are revoked, but this could not be put on record").Because(err)
	}
	return len(ended), nil
}

// Watch returns a channel that is closed when the token with that id is
// revoked, also if that happened between the login and this call. The caller
// calls stop when it no longer listens. The token's expiry is not signalled;
// it is known from the principal's Authn.Expires.
func (t *Tokens) Watch(tokenID string) (revoked <-chan struct{}, stop func()) {
	return t.watch.add(tokenID, t.now())
}

// Sweep forgets tokens that ended more than a day ago and returns how many.
func (t *Tokens) Sweep(ctx context.Context) (int, error) {
	return t.store.SweepTokens(ctx, t.now().UTC().Add(-24*time.Hour))
}

// Inspect describes a gateway token for its holder, without a login: nothing is put
// on record. ours says whether raw has the form of one, and good whether it is good
// for what info says.
func (t *Tokens) Inspect(ctx context.Context, raw string) (info TokenInfo, ours, good bool, err error) {
	raw = undress(raw)
	if !strings.HasPrefix(raw, TokenPrefix) {
		return TokenInfo{}, false, false, nil
	}
	info, good, err = t.info(ctx, raw)
	return info, true, good, err
}

// info describes the token for its holder; ok is false when it is not good.
func (t *Tokens) info(ctx context.Context, raw string) (info TokenInfo, ok bool, err error) {
	st, err := t.lookup(ctx, raw)
	if err != nil {
		if sallyport.KindOf(err) == sallyport.Unauthenticated {
			err = nil
		}
		return TokenInfo{}, false, err
	}
	return infoOf(st), true, nil
}

func infoOf(st StoredToken) TokenInfo {
	return TokenInfo{
		ID: st.ID, Principal: st.Principal.ID, Kind: st.Principal.Kind,
		Binding:  Binding{Resource: st.Resource, Role: st.Role, Grant: st.Grant},
		IssuedAt: st.IssuedAt, NotAfter: st.NotAfter,
	}
}
