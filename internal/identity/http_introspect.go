// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package identity

import (
	"net/http"
	"net/url"
	"strings"

	sallyport "github.com/sallyport-dev/sallyport"
)

// introspection is the answer of RFC 7662 section 2.2.
type introspection struct {
	Active        bool                    `json:"active"`
	Scope         sallyport.RoleID        `json:"scope,omitempty"`
	Username      string                  `json:"username,omitempty"` // at /v1/introspect
	Issuer        string                  `json:"iss,omitempty"`      // there too
	TokenType     string                  `json:"token_type,omitempty"`
	Subject       sallyport.PrincipalID   `json:"sub,omitempty"`
	Audience      sallyport.ResourceID    `json:"aud,omitempty"`
	IssuedAt      int64                   `json:"iat,omitempty"`
	Expires       int64                   `json:"exp,omitempty"`
	TokenID       string                  `json:"jti,omitempty"`
	PrincipalKind sallyport.PrincipalKind `json:"principal_kind,omitempty"`
	Grant         sallyport.GrantID       `json:"grant,omitempty"`
}

// introspect answers the token's own holder, who proves to be that with the
// same token or with another credential of the same principal as bearer. To
// anybody else every token is inactive.
func (h *tokenHandler) introspect(r *http.Request, form url.Values) (any, error) {
	raw := undress(form.Get("token"))
	if raw == "" {
		return nil, invalidRequest("token is missing")
	}
	bearer := undress(bearerToken(r))
	if bearer == "" {
		return nil, &oauthError{http.StatusUnauthorized, "invalid_token", "present the token, or another one of the same principal, in the Authorization header as Bearer"}
	}
	ctx := r.Context()
	holder := sallyport.PrincipalID("")
	if bearer != raw {
		p, _, err := h.tokens.Authenticate(ctx, bearer)
		if sallyport.KindOf(err) == sallyport.Unauthenticated && err != nil {
			msg, hint := sallyport.Public(err)
			return nil, &oauthError{http.StatusUnauthorized, "invalid_token", msg + "; " + hint}
		}
		if err != nil {
			return nil, err
		}
		holder = p.ID
	}
	info, ok, err := h.tokens.info(ctx, raw)
	if err != nil {
		return nil, err
	}
	if !ok || (bearer != raw && holder != info.Principal) {
		return introspection{}, nil
	}
	return introspectionOf(info), nil
}

// introspectHeld answers whoever holds the token, which is its holder: gcloud
// asks with a client id of Google's that everybody knows, and with no other
// credential. Unknown and ended tokens are inactive. gcloud keeps its accounts by
// username, so that has to differ by what the token is good for.
func (h *tokenHandler) introspectHeld(r *http.Request, form url.Values) (any, error) {
	raw := undress(form.Get("token"))
	if raw == "" {
		return nil, invalidRequest("token is missing; put the gateway token there")
	}
	info, ok, err := h.tokens.info(r.Context(), raw)
	if err != nil || !ok {
		return introspection{}, err
	}
	answer := introspectionOf(info)
	answer.Issuer = baseURL(r)
	answer.Username = Target{info.Binding.Resource, info.Binding.Role}.Account()
	return answer, nil
}

func introspectionOf(info TokenInfo) introspection {
	return introspection{
		Active: true, Scope: info.Binding.Role, TokenType: "Bearer", Subject: info.Principal, Audience: info.Binding.Resource,
		IssuedAt: info.IssuedAt.Unix(), Expires: info.NotAfter.Unix(), TokenID: info.ID, PrincipalKind: info.Kind, Grant: info.Binding.Grant,
	}
}

func bearerToken(r *http.Request) string {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return ""
	}
	return strings.TrimSpace(token)
}
