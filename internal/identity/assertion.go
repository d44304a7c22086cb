// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package identity

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"

	sallyport "github.com/sallyport-dev/sallyport"
)

// maxAssertionLife is the longest exp - iat of an assertion. Google's clients
// give theirs exactly this.
const maxAssertionLife = time.Hour

// googleTokenURLs are the token endpoints of Google's own that its clients make
// assertions out to wherever they send them.
func googleTokenURLs() []string {
	return []string{
		"https://oauth2.googleapis.com/token",
		"https://www.googleapis.com/oauth2/v4/token",
		"https://accounts.google.com/o/oauth2/token",
	}
}

// Assertion is a login with a [Key].
type Assertion struct {
	Principal sallyport.Principal
	// Target is what the key file's account names.
	Target Target
	// TargetAudience is who the caller wants an ID token for; "" when it does not
	// say.
	TargetAudience string
}

// VerifyAssertion checks a JSON Web Token that a workload signed with one of the
// configured keys. tokenURL is where it was sent to, which it may be made out to
// when the configuration names no other. The answer is in the journal before
// VerifyAssertion returns; a failing journal refuses. Errors have the kinds of
// [Verifier.Verify].
func (v *Verifier) VerifyAssertion(ctx context.Context, raw, tokenURL string) (Assertion, error) {
	a, proved, err := v.checkAssertion(raw, tokenURL)
	if err != nil {
		var who *sallyport.Principal
		if proved {
			who = &a.Principal
		}
		return Assertion{}, refused(ctx, v.journal, who, err)
	}
	if err := accepted(ctx, v.journal, a.Principal); err != nil {
		return Assertion{}, err
	}
	return a, nil
}

// checkAssertion does everything but the record. proved is true once the
// signature was good.
func (v *Verifier) checkAssertion(raw, tokenURL string) (a Assertion, proved bool, err error) {
	const hint = "see identity.keys in the gateway's configuration; a key is made with: sallyport identity new-key"
	tok, err := parseCompact(raw)
	if err != nil {
		return a, false, refusal(err, "sign in with a key file that was made with: sallyport identity new-key")
	}
	kid, _ := tok.header.text("kid")
	k, ok := v.keys[kid]
	if !ok {
		return a, false, refusal(errors.New("the assertion's key (kid) is not one that this gateway knows"), hint)
	}
	if err := k.checkHeader(tok.header); err != nil {
		return a, false, refusal(err, hint)
	}
	jws, err := jose.ParseSignedCompact(raw, []jose.SignatureAlgorithm{k.alg})
	if err == nil {
		_, err = jws.Verify(k.public)
	}
	if err != nil {
		return a, false, refusal(errors.New("the assertion's signature is not the key's"), hint)
	}
	now := v.now()
	a.Principal = k.principal(raw, now)
	urls := v.tokenURLs
	if len(urls) == 0 {
		urls = []string{tokenURL}
	}
	err = k.read(tok.payload, &a, urls, now)
	return a, true, err
}

// principal is the key's principal before its claims are read.
func (k *signingKey) principal(raw string, now time.Time) sallyport.Principal {
	p := sallyport.Principal{
		ID: k.Principal, Kind: k.Kind, Groups: slices.Clone(k.Groups), Attributes: maps.Clone(k.Attributes),
		Subject: sallyport.Subject{Issuer: KeySubject, ID: k.ID},
	}
	p.Authn = sallyport.Authentication{Method: MethodKey, TokenID: tokenID(raw), KeyID: k.ID, At: now.UTC()}
	return p
}

// checkHeader judges the JOSE header. The algorithm is the key's own and not the
// header's choice.
func (k *signingKey) checkHeader(h claims) error {
	if err := checkExtensions(h); err != nil {
		return err
	}
	if alg, _ := h.text("alg"); alg != string(k.alg) {
		return fmt.Errorf("the assertion is not signed with its key's algorithm, %s", k.alg)
	}
	if typ, ok := h.text("typ"); h.has("typ") && (!ok || !strings.EqualFold(typ, "JWT")) {
		return errors.New("the assertion's type (typ) is not JWT")
	}
	return nil
}

// read judges the claims, whose signature is good by now.
func (k *signingKey) read(c claims, a *Assertion, urls []string, now time.Time) error {
	if !k.ends.IsZero() && !now.Before(k.ends) {
		return refusal(errors.New("the key has expired"), "make a new one with: sallyport identity new-key")
	}
	exp, err := checkTimes(c, now, defaultSkew, maxAssertionLife)
	if err != nil {
		return refusal(err, "check the clock of the machine that signs")
	}
	if !k.ends.IsZero() && k.ends.Before(exp) {
		exp = k.ends
	}
	a.Principal.Authn.Expires = exp
	if a.Principal.Authn.Audience, err = assertionAudience(c, urls); err != nil {
		return refusal(err, "the key file's token_uri must be the gateway's /v1/token, as identity.token_urls names it")
	}
	iss, _ := c.text("iss")
	t, ok := ParseAccount(iss)
	if !ok {
		return refusal(errors.New("the assertion's issuer (iss) does not name a role and a resource"),
			"the key file's client_email must be "+Target{"RESOURCE", "ROLE"}.Account())
	}
	a.Target = t
	for _, name := range []string{"sub", "prn"} {
		if s, _ := c.text(name); c.has(name) && s != iss {
			return refusal(fmt.Errorf("the assertion speaks for somebody else than its issuer (%s)", name),
				"a key is its own principal's; delegation of a whole domain does not exist here")
		}
	}
	for _, name := range []string{"act", "cnf"} {
		if c.has(name) {
			return refusal(fmt.Errorf("the assertion has a claim that is not supported (%s)", name), "leave it out")
		}
	}
	a.TargetAudience, ok = c.text("target_audience")
	if c.has("target_audience") && (!ok || len(a.TargetAudience) > maxTokenURL) {
		return refusal(errors.New("the assertion's target_audience is not a short text"), "name one URL")
	}
	return nil
}

// assertionAudience returns the one audience of an assertion, if it is the
// gateway's token endpoint or Google's.
func assertionAudience(c claims, urls []string) (string, error) {
	auds, err := c.strings("aud", 1)
	if err != nil {
		return "", fmt.Errorf("the assertion's audience %w", err)
	}
	if len(auds) == 1 && (slices.Contains(urls, auds[0]) || slices.Contains(googleTokenURLs(), auds[0])) {
		return auds[0], nil
	}
	return "", errors.New("the assertion is not made out to this gateway's token endpoint (aud)")
}
