// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package identity

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/go-jose/go-jose/v4"

	sallyport "github.com/sallyport-dev/sallyport"
)

// Deps are what a [Verifier] and [Tokens] need from outside. Journal is
// required. Now and Rand default to the system's, HTTPClient to one with the
// issuer's CA and narrow limits, Logger to none; without Cache a restart during
// an issuer's outage knows no keys.
type Deps struct {
	Now        func() time.Time
	Rand       io.Reader
	HTTPClient *http.Client // its Transport is used, its other settings are not
	Cache      KeyCache
	Journal    Journal
	Logger     *slog.Logger
}

// Methods of authentication, as records name them.
const (
	MethodOIDC         = "oidc"
	MethodGatewayToken = "gateway-token"
)

// Verifier checks JSON Web Tokens of the configured issuers. It is safe for
// concurrent use and starts no goroutine.
type Verifier struct {
	issuers   map[string]*issuer     // by exact URL
	keys      map[string]*signingKey // by id
	tokenURLs []string
	now       func() time.Time
	journal   Journal
	log       *slog.Logger
}

type issuer struct {
	Issuer
	keys  *keyring
	rules []rule
}

// New makes a verifier. It talks to no issuer yet: the first login does, so a
// gateway starts while an issuer is down.
func New(ctx context.Context, c Config, d Deps) (*Verifier, error) {
	const op = "identity configuration"
	if problems := c.Validate(); len(problems) > 0 {
		return nil, sallyport.E(sallyport.Invalid, op, "the identity configuration has problems").Because(errors.Join(problems...))
	}
	if d.Journal == nil {
		return nil, sallyport.E(sallyport.Internal, op, "no journal")
	}
	v := &Verifier{
		issuers: map[string]*issuer{}, keys: map[string]*signingKey{}, tokenURLs: c.TokenURLs,
		now: d.Now, journal: d.Journal, log: d.Logger,
	}
	if v.now == nil {
		v.now = time.Now
	}
	if v.log == nil {
		v.log = slog.New(slog.DiscardHandler)
	}
	for _, ic := range c.Issuers {
		f, err := newFetcher(ic, d.HTTPClient)
		if err != nil {
			return nil, sallyport.E(sallyport.Invalid, op, fmt.Sprintf("issuer %q cannot be used", ic.Name)).Because(err)
		}
		is := &issuer{Issuer: ic, keys: newKeyring(ic, f, d.Cache, v.now, v.log)}
		for _, rc := range ic.Map {
			r, err := newRule(rc)
			if err != nil {
				return nil, sallyport.E(sallyport.Invalid, op, fmt.Sprintf("issuer %q has a rule that cannot be used", ic.Name)).Because(err)
			}
			is.rules = append(is.rules, r)
		}
		v.issuers[ic.URL] = is
	}
	for _, kc := range c.Keys {
		k, err := newSigningKey(kc)
		if err != nil {
			return nil, sallyport.E(sallyport.Invalid, op, fmt.Sprintf("the public key of key %q cannot be used", kc.ID)).
				WithHint("give it as PEM, or name the file that holds it").Because(err)
		}
		v.keys[k.ID] = k
	}
	v.log.DebugContext(ctx, "identity ready", "issuers", len(v.issuers), "keys", len(v.keys))
	return v, nil
}

// Verify checks a JSON Web Token and returns the principal that the issuer's
// rules make of it. The answer is in the journal before Verify returns; a
// failing journal refuses. Errors have the kind Unauthenticated when the token
// is at fault, and Unavailable when the issuer's keys or the journal are.
func (v *Verifier) Verify(ctx context.Context, raw string) (sallyport.Principal, error) {
	p, proved, err := v.check(ctx, raw)
	if err != nil {
		if !proved {
			return sallyport.Principal{}, refused(ctx, v.journal, nil, err)
		}
		return sallyport.Principal{}, refused(ctx, v.journal, &p, err)
	}
	if err := accepted(ctx, v.journal, p); err != nil {
		return sallyport.Principal{}, err
	}
	return p, nil
}

// Purge forgets the keys of the issuer with that name, here and in the cache,
// so that the next login fetches them anew: for an issuer whose signing key was
// stolen.
func (v *Verifier) Purge(ctx context.Context, name string) error {
	for _, is := range v.issuers {
		if is.Name == name {
			return is.keys.purge(ctx)
		}
	}
	return sallyport.E(sallyport.NotFound, "purge issuer keys", "no issuer has this name")
}

// check does everything but the record. proved is true once the signature was
// good; the principal then says who it was even if it is refused.
func (v *Verifier) check(ctx context.Context, raw string) (p sallyport.Principal, proved bool, err error) {
	tok, err := parseCompact(raw)
	if err != nil {
		return p, false, refusal(err, "present the token exactly as its issuer returned it")
	}
	iss, _ := tok.payload.text("iss")
	is, ok := v.issuers[iss]
	if !ok {
		return p, false, refusal(errors.New("the token's issuer is not one that this gateway accepts"),
			"issuers are compared exactly, a trailing slash included; see identity.issuers in the gateway's configuration")
	}
	alg, kid, err := is.checkHeader(tok.header)
	if err != nil {
		return p, false, refusal(err, fmt.Sprintf("see issuer %q in the gateway's configuration", is.Name))
	}
	now := v.now()
	sig := &signature{keys: is.keys, kid: kid, alg: alg}
	libErr := is.verify(ctx, raw, sig, now)
	if sig.key == nil {
		return p, false, libErr
	}
	p.Authn = sallyport.Authentication{
		Method: MethodOIDC, TokenID: tokenID(raw), KeyID: sig.key.KeyID, At: now.UTC(), Stale: sig.stale,
	}
	// Our own checks go first for their words; the library's refusal stands.
	p, err = is.identify(tok.payload, p, now)
	if err == nil {
		err = libErr
	}
	return p, true, err
}

// identify reads the claims, whose signature is good by now.
func (is *issuer) identify(c claims, p sallyport.Principal, now time.Time) (sallyport.Principal, error) {
	hint := fmt.Sprintf("see issuer %q in the gateway's configuration", is.Name)
	p.Subject.Issuer = is.URL
	sub, _ := c.text("sub")
	if err := checkText(sub); err != nil {
		return p, refusal(fmt.Errorf("the token's subject %w", err), hint)
	}
	p.Subject.ID = sub
	exp, err := checkTimes(c, now, is.skew(), is.maxLifetime())
	if err != nil {
		return p, refusal(err, "ask the issuer for a new token; check the clocks if it is new")
	}
	p.Authn.Expires = exp
	if p.Authn.Audience, err = is.checkAudience(c); err != nil {
		return p, refusal(err, "ask the issuer for a token with the gateway's audience")
	}
	if c.has("cnf") {
		return p, refusal(errors.New("the token is bound to a key of its holder (cnf), which this gateway cannot check"),
			"ask the issuer for a bearer token")
	}
	if p.Delegation, err = delegation(c, is.URL); err != nil {
		return p, refusal(err, "the claim \"act\" must be nested objects that each have a \"sub\" (RFC 8693 section 4.1)")
	}
	if err := is.mapped(c, &p); err != nil {
		return p, refusal(err, fmt.Sprintf("see the map of issuer %q in the gateway's configuration", is.Name))
	}
	return p, nil
}

// checkHeader judges the JOSE header (RFC 7515 section 4.1). Headers that bring
// or point to a key are refused and never looked at.
func (is *issuer) checkHeader(h claims) (alg jose.SignatureAlgorithm, kid string, err error) {
	if err := checkExtensions(h); err != nil {
		return "", "", err
	}
	name, _ := h.text("alg")
	alg, ok := algorithmOf(name)
	if !ok || !slices.Contains(is.Algorithms, name) {
		return "", "", errors.New("the token is signed with an algorithm that is not allowed for its issuer")
	}
	if !is.acceptsType(h) {
		return "", "", errors.New("the token's type (typ) is not one that is accepted of its issuer")
	}
	kid, ok = h.text("kid")
	if h.has("kid") && (!ok || checkText(kid) != nil) {
		return "", "", errors.New("the token's key id is not a short text")
	}
	return alg, kid, nil
}

// checkExtensions refuses what a header of ours never has.
func checkExtensions(h claims) error {
	for _, name := range []string{"jku", "x5u", "jwk"} {
		if h.has(name) {
			return fmt.Errorf("the token's header brings its own key (%s)", name)
		}
	}
	for _, name := range []string{"crit", "b64", "enc", "zip"} {
		if h.has(name) {
			return fmt.Errorf("the token's header asks for an extension that is not supported (%s)", name)
		}
	}
	return nil
}

// acceptsType compares "typ" as a media type: without regard to case, and with
// or without "application/" (RFC 7515 section 4.1.9).
func (is *issuer) acceptsType(h claims) bool {
	typ, ok := h.text("typ")
	if h.has("typ") && (!ok || typ == "") {
		return false
	}
	short := func(s string) string {
		s = strings.ToLower(s)
		return strings.TrimPrefix(s, "application/")
	}
	return slices.ContainsFunc(is.tokenTypes(), func(t string) bool { return short(t) == short(typ) })
}

// verify has go-oidc check signature, algorithm, issuer and expiry with our
// keys. Without an error sig.key is set; with one it is set when the signature
// was good and something else was not. The library's words may repeat claims,
// so they are not passed on.
func (is *issuer) verify(ctx context.Context, raw string, sig *signature, now time.Time) error {
	v := oidc.NewVerifier(is.URL, sig, &oidc.Config{
		SkipClientIDCheck:    true, // checkAudience knows several audiences
		SupportedSigningAlgs: is.Algorithms,
		// The library's expiry check has no leeway of its own.
		Now: func() time.Time { return now.Add(-is.skew()) },
	})
	_, err := v.Verify(ctx, raw)
	switch {
	case err == nil && sig.key != nil:
		return nil
	case sallyport.KindOf(sig.err) == sallyport.Unavailable:
		return sig.err
	case sig.err != nil:
		return refusal(sig.err, fmt.Sprintf("see issuer %q in the gateway's configuration", is.Name))
	}
	return refusal(errors.New("the token is not one of this issuer's"), "present the token exactly as its issuer returned it")
}

var errExpired = errors.New("the token has expired")

// checkTimes wants exp and iat, and their distance within the limit.
func checkTimes(c claims, now time.Time, skew, limit time.Duration) (exp time.Time, err error) {
	exp, ok, err := c.date("exp")
	if err != nil {
		return exp, err
	}
	if !ok {
		return exp, errors.New("the token does not say when it expires (exp)")
	}
	iat, ok, err := c.date("iat")
	if err != nil {
		return exp, err
	}
	if !ok {
		return exp, errors.New("the token does not say when it was issued (iat)")
	}
	nbf, hasNbf, err := c.date("nbf")
	if err != nil {
		return exp, err
	}
	switch {
	case !now.Before(exp.Add(skew)):
		return exp, errExpired
	case iat.After(now.Add(skew)):
		return exp, errors.New("the token was issued in the future")
	case hasNbf && nbf.After(now.Add(skew)):
		return exp, errors.New("the token is not valid yet (nbf)")
	case !exp.After(iat):
		return exp, errors.New("the token expires before it was issued")
	case exp.Sub(iat) > limit:
		return exp, fmt.Errorf("the token lives longer than the %v allowed for its issuer", limit)
	}
	return exp, nil
}

const maxAudiences = 16

// checkAudience returns the audience that is ours. A token made out to several
// parties can be passed on by each of them, so it must also say who may use it
// (azp; OpenID Connect Core 1.0 section 2).
func (is *issuer) checkAudience(c claims) (string, error) {
	auds, err := c.strings("aud", maxAudiences)
	if err != nil {
		return "", fmt.Errorf("the token's audience %w", err)
	}
	i := slices.IndexFunc(auds, func(a string) bool { return slices.Contains(is.Audiences, a) })
	if i < 0 {
		return "", errors.New("the token is not made out to this gateway (aud)")
	}
	azp, ok := c.text("azp")
	if c.has("azp") && !ok {
		return "", errors.New("the token's authorized party (azp) is not text")
	}
	parties := is.AuthorizedParties
	if len(parties) == 0 && len(auds) > 1 {
		parties = is.Audiences
	}
	if len(parties) > 0 && !slices.Contains(parties, azp) {
		if len(auds) > 1 {
			return "", errors.New("the token has several audiences and its authorized party (azp) is not one that is accepted")
		}
		return "", errors.New("the token's authorized party (azp) is not one that is accepted")
	}
	return auds[i], nil
}

const maxActors = 8

// delegation reads the actors of RFC 8693 section 4.1, the current one first.
func delegation(c claims, issuerURL string) ([]sallyport.Subject, error) {
	var chain []sallyport.Subject
	for at := c; at.has("act"); {
		act, ok := at["act"].(map[string]any)
		if !ok {
			return nil, errors.New("the token's chain of actors is malformed")
		}
		if len(chain) == maxActors {
			return nil, fmt.Errorf("the token's chain of actors is longer than %d", maxActors)
		}
		at = act
		s := sallyport.Subject{Issuer: issuerURL}
		s.ID, _ = at.text("sub")
		if at.has("iss") {
			s.Issuer, _ = at.text("iss")
		}
		if checkText(s.ID) != nil || checkText(s.Issuer) != nil {
			return nil, errors.New("an actor of the token has no usable subject or issuer")
		}
		chain = append(chain, s)
	}
	return chain, nil
}

// signature is the key set of one verification (it implements oidc.KeySet): it
// looks only among the issuer's own keys and remembers which one was right.
type signature struct {
	keys *keyring
	kid  string
	alg  jose.SignatureAlgorithm

	key   *jose.JSONWebKey
	stale bool
	err   error
}

// VerifySignature returns the payload of raw if one of the issuer's keys for
// the header's key id and algorithm signed it.
func (s *signature) VerifySignature(ctx context.Context, raw string) ([]byte, error) {
	var keys []jose.JSONWebKey
	keys, s.stale, s.err = s.keys.find(ctx, s.kid, s.alg)
	if s.err != nil {
		return nil, s.err
	}
	jws, err := jose.ParseSignedCompact(raw, []jose.SignatureAlgorithm{s.alg})
	if err != nil {
		s.err = errors.New("the token is malformed")
		return nil, s.err
	}
	for i := range keys {
		if payload, err := jws.Verify(keys[i].Key); err == nil {
			s.key = &keys[i]
			return payload, nil
		}
	}
	s.err = errors.New("the token's signature is not the issuer's")
	return nil, s.err
}

// refusal is a login refused because of what was presented.
func refusal(why error, hint string) error {
	return sallyport.E(sallyport.Unauthenticated, "login", why.Error()).WithHint(hint)
}

// tokenID names a token in records without showing it: the first 32 hex digits
// of its SHA-256.
func tokenID(raw string) string {
	h := sha256.Sum256([]byte(raw))
	return hex.EncodeToString(h[:16])
}
