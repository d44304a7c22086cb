// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package identity

import (
	"context"
	"net/http"
	"net/url"
	"strings"

	sallyport "github.com/sallyport-dev/sallyport"
)

// exchanged is the answer of RFC 8693 section 2.2.1.
type exchanged struct {
	AccessToken     string `json:"access_token"`
	IssuedTokenType string `json:"issued_token_type"`
	TokenType       string `json:"token_type"`
	ExpiresIn       int64  `json:"expires_in"` // seconds
	Scope           string `json:"scope"`
}

// grant serves the token endpoint by the type of the grant.
func (h *tokenHandler) grant(r *http.Request, form url.Values) (any, error) {
	switch form.Get("grant_type") {
	case GrantTypeTokenExchange:
		return h.exchange(r, form)
	case GrantTypeJWTBearer:
		return h.assert(r, form)
	}
	return nil, &oauthError{http.StatusBadRequest, "unsupported_grant_type", "grant_type must be " + GrantTypeTokenExchange + " or " + GrantTypeJWTBearer}
}

func (h *tokenHandler) exchange(r *http.Request, form url.Values) (any, error) {
	to, err := exchangeTarget(form)
	if err != nil {
		return nil, err
	}
	ctx := r.Context()
	// Clients in Python and Node.js send a file of a token with the line's end.
	subject := undress(strings.TrimSpace(form.Get("subject_token")))
	if strings.HasPrefix(subject, TokenPrefix) {
		return nil, invalidRequest("a gateway token cannot be exchanged for another one; present the issuer's own token")
	}
	p, err := h.tokens.verifier.Verify(ctx, subject)
	if err != nil {
		return nil, err
	}
	token, info, err := h.issue(ctx, p, to)
	if err != nil {
		return nil, err
	}
	return exchanged{
		AccessToken: token, IssuedTokenType: TokenTypeAccessToken, TokenType: "Bearer", ExpiresIn: info.seconds(), Scope: string(to.Role),
	}, nil
}

// issue gives a principal that has logged in a token for a target, if it may
// have one.
func (h *tokenHandler) issue(ctx context.Context, p sallyport.Principal, to Target) (string, TokenInfo, error) {
	g, err := h.granter.Bind(ctx, p, to.Resource, to.Role)
	if err != nil {
		return "", TokenInfo{}, err
	}
	return h.tokens.Issue(ctx, IssueRequest{Principal: p, Resource: to.Resource, Role: to.Role, Grant: g.ID, NotAfter: g.NotAfter})
}

// seconds is how long the token was good for when it was issued.
func (i TokenInfo) seconds() int64 { return int64(i.NotAfter.Sub(i.IssuedAt).Seconds()) }

// granted is the answer to an assertion: that of RFC 6749 section 5.1, with an
// ID token, without which gcloud and bq fail.
type granted struct {
	AccessToken string `json:"access_token"`
	TokenType   string `json:"token_type"`
	ExpiresIn   int64  `json:"expires_in"` // seconds
	Scope       string `json:"scope"`
	IDToken     string `json:"id_token"`
}

// assert serves RFC 7523 section 2.1. The assertion's issuer names resource and
// role; a scope in the form or in the assertion is one of Google's.
func (h *tokenHandler) assert(r *http.Request, form url.Values) (any, error) {
	raw := form.Get("assertion")
	if raw == "" {
		return nil, invalidRequest("assertion is missing; put there what the key signed")
	}
	ctx, base := r.Context(), baseURL(r)
	a, err := h.tokens.verifier.VerifyAssertion(ctx, raw, base+r.URL.Path)
	if err != nil {
		if sallyport.KindOf(err) == sallyport.Unauthenticated {
			msg, hint := sallyport.Public(err)
			return nil, &oauthError{http.StatusBadRequest, "invalid_grant", msg + "; " + hint}
		}
		return nil, err
	}
	token, info, err := h.issue(ctx, a.Principal, a.Target)
	if err != nil {
		return nil, err
	}
	c := NewIDClaims(base, a.Target, a.TargetAudience, info.IssuedAt, info.NotAfter)
	c.Subject = info.Principal
	id, err := IDToken(token, c)
	if err != nil {
		return nil, err
	}
	return granted{AccessToken: token, TokenType: "Bearer", ExpiresIn: info.seconds(), Scope: string(a.Target.Role), IDToken: id}, nil
}

// baseURL is the gateway's URL as the client knows it. What it is used for goes
// back to this client alone, or must be what the client signed.
func baseURL(r *http.Request) string {
	scheme := "http"
	if r.TLS != nil {
		scheme = "https"
	}
	return scheme + "://" + r.Host
}

// exchangeTarget checks the parameters of RFC 8693 section 2.1. What it does
// not support it refuses, so that nothing is silently left out.
func exchangeTarget(form url.Values) (Target, error) {
	switch form.Get("subject_token_type") {
	case TokenTypeJWT, TokenTypeAccessToken, TokenTypeIDToken:
	default:
		return Target{}, invalidRequest("subject_token_type must be %s, or that of an access_token or id_token", TokenTypeJWT)
	}
	if form.Get("subject_token") == "" {
		return Target{}, invalidRequest("subject_token is missing; put the workload's token there")
	}
	switch form.Get("requested_token_type") {
	case "", TokenTypeAccessToken:
	default:
		return Target{}, invalidRequest("requested_token_type can only be %s", TokenTypeAccessToken)
	}
	for _, name := range []string{"actor_token", "actor_token_type"} {
		if form.Get(name) != "" {
			return Target{}, invalidRequest("%s is not supported; have the issuer put the actor into the subject token (act)", name)
		}
	}
	return named(form)
}

// named reads the resource and the role of an exchange.
func named(form url.Values) (Target, error) {
	resource, alias := form.Get("audience"), form.Get("resource")
	if resource == "" {
		resource = alias
	}
	invalid := func(what string) (Target, error) {
		return Target{}, &oauthError{http.StatusBadRequest, "invalid_target", what}
	}
	switch {
	case resource == "":
		return invalid("name the resource's id as audience")
	case alias != "" && alias != resource:
		return invalid("audience and resource name two resources; a token is good for one")
	case checkText(resource) != nil:
		return invalid("the resource's id is too long or has characters that it cannot have")
	case strings.HasPrefix(resource, "//"):
		t, ok := ParseAudience(resource)
		if !ok {
			return invalid("the audience must be " + Target{"RESOURCE", "ROLE"}.Audience() + "; sallyport login --resource writes a file with it")
		}
		return t, nil
	}
	role := form.Get("scope")
	if checkText(role) != nil || strings.ContainsRune(role, ' ') {
		return Target{}, &oauthError{http.StatusBadRequest, "invalid_scope", "name exactly one role as scope"}
	}
	return Target{sallyport.ResourceID(resource), sallyport.RoleID(role)}, nil
}
