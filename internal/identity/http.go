// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package identity

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime"
	"net"
	"net/http"
	"net/url"
	"strings"

	sallyport "github.com/sallyport-dev/sallyport"
)

// Names of RFC 8693 sections 2.1 and 3, and of RFC 7523 section 2.1.
const (
	GrantTypeTokenExchange = "urn:ietf:params:oauth:grant-type:token-exchange"
	GrantTypeJWTBearer     = "urn:ietf:params:oauth:grant-type:jwt-bearer" // RFC 7523
	TokenTypeJWT           = "urn:ietf:params:oauth:token-type:jwt"
	TokenTypeAccessToken   = "urn:ietf:params:oauth:token-type:access_token"
	TokenTypeIDToken       = "urn:ietf:params:oauth:token-type:id_token"
)

const maxForm = 64 << 10

// Granter decides whether a principal gets a role on a resource now.
type Granter interface {
	// Bind returns the grant under which the principal has the role, or a grant
	// without an id when policy permits it without one. Kinds: NotFound and Denied
	// when it may not have it, Held when an approval is awaited (the message then
	// names the request).
	Bind(ctx context.Context, p sallyport.Principal, resource sallyport.ResourceID, role sallyport.RoleID) (sallyport.Grant, error)
}

type tokenHandler struct {
	tokens  *Tokens
	granter Granter
	log     *slog.Logger
}

// TokenHandler serves the token endpoints:
//
//	POST /v1/token             exchange an issuer's token (RFC 8693) or a key's assertion (RFC 7523) for a gateway token
//	POST /v1/token/revoke      give a gateway token back (RFC 7009)
//	POST /v1/token/introspect  what a gateway token is good for (RFC 7662), for its holder
//	POST /v1/introspect        the same, as clients of Google Cloud ask it
//
// Of an exchange, audience (or resource) is the resource's id and scope the
// role; or the audience is [Target.Audience] and names both, and scope is passed
// over, which these clients fill with scopes of Google's. The subject token or
// the assertion is the authentication; a client's own credentials in the
// Authorization header are not looked at. Any holder of a gateway token can
// revoke it, since to hold it is to be it.
func TokenHandler(t *Tokens, g Granter) http.Handler {
	h := &tokenHandler{tokens: t, granter: g, log: t.log}
	mux := http.NewServeMux()
	for path, serve := range map[string]func(*http.Request, url.Values) (any, error){
		"/v1/token":            h.grant,
		"/v1/token/revoke":     h.revoke,
		"/v1/token/introspect": h.introspect,
		"/v1/introspect":       h.introspectHeld,
	} {
		mux.Handle("POST "+path, h.endpoint(serve))
	}
	return mux
}

// oauthError is an error answer (RFC 6749 section 5.2).
type oauthError struct {
	status      int
	code        string
	description string
}

func (e *oauthError) Error() string { return e.code + ": " + e.description }

func invalidRequest(format string, args ...any) error {
	return &oauthError{http.StatusBadRequest, "invalid_request", fmt.Sprintf(format, args...)}
}

// endpoint reads the form, serves it and writes the answer as JSON; a nil
// answer is an empty body.
func (h *tokenHandler) endpoint(serve func(*http.Request, url.Values) (any, error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		head := w.Header()
		head.Set("Cache-Control", "no-store")
		head.Set("Pragma", "no-cache")
		head.Set("X-Content-Type-Options", "nosniff")
		form, err := readForm(w, r)
		var answer any
		if err == nil {
			ctx := r.Context()
			if clientOf(ctx) == "" {
				ctx = WithClient(ctx, clientAddress(r))
			}
			answer, err = serve(r.WithContext(ctx), form)
		}
		status := http.StatusOK
		if err != nil {
			e := h.describe(r.Context(), err)
			status = e.status
			answer = map[string]string{"error": e.code, "error_description": printable(e.description)}
			switch status {
			case http.StatusUnauthorized:
				head.Set("WWW-Authenticate", `Bearer realm="sallyport"`)
			case http.StatusTooManyRequests, http.StatusServiceUnavailable:
				head.Set("Retry-After", "15")
			}
		}
		if answer == nil {
			w.WriteHeader(status)
			return
		}
		head.Set("Content-Type", "application/json")
		w.WriteHeader(status)
		if err := json.NewEncoder(w).Encode(answer); err != nil {
			h.log.DebugContext(r.Context(), "token answer not delivered", "error", err)
		}
	})
}

func clientAddress(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return host
}

// readForm reads the body's parameters. A query string is refused since tokens
// in it would end up in access logs, and so is a parameter given twice (RFC
// 6749 section 3.2).
func readForm(w http.ResponseWriter, r *http.Request) (url.Values, error) {
	if r.URL.RawQuery != "" {
		return nil, invalidRequest("put the parameters into the body and not into the URL")
	}
	if t, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || t != "application/x-www-form-urlencoded" {
		return nil, invalidRequest("send the parameters as application/x-www-form-urlencoded")
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxForm))
	if err != nil {
		var tooLarge *http.MaxBytesError
		if errors.As(err, &tooLarge) {
			return nil, &oauthError{http.StatusRequestEntityTooLarge, "invalid_request", fmt.Sprintf("the request is larger than %d bytes", maxForm)}
		}
		return nil, invalidRequest("the request's body could not be read")
	}
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return nil, invalidRequest("the body is not a form")
	}
	for _, values := range form {
		if len(values) > 1 {
			return nil, invalidRequest("a parameter is given more than once")
		}
	}
	return form, nil
}

// revoke gives a token back. An unknown one is a success, as RFC 7009 section
// 2.2 asks: it is not valid, which is what was wanted.
func (h *tokenHandler) revoke(r *http.Request, form url.Values) (any, error) {
	raw := undress(form.Get("token"))
	if raw == "" {
		return nil, invalidRequest("token is missing")
	}
	if !strings.HasPrefix(raw, TokenPrefix) {
		return nil, &oauthError{http.StatusBadRequest, "unsupported_token_type", "only gateway tokens can be revoked here; others are their issuer's"}
	}
	info, ok, err := h.tokens.info(r.Context(), raw)
	if err != nil || !ok {
		return nil, err
	}
	_, err = h.tokens.Revoke(r.Context(), TokenFilter{ID: info.ID}, info.Principal)
	return nil, err
}

// describe maps an error to OAuth's words. RFC 8693 section 2.2.2 wants
// invalid_request for an unacceptable subject token and invalid_target for a
// resource that the caller may not have. A held request is told in RFC 8628's
// words: ask again later.
func (h *tokenHandler) describe(ctx context.Context, err error) *oauthError {
	var e *oauthError
	if errors.As(err, &e) {
		return e
	}
	msg, hint := sallyport.Public(err)
	if hint != "" {
		msg += "; " + hint
	}
	switch sallyport.KindOf(err) {
	case sallyport.Invalid, sallyport.Unauthenticated:
		return &oauthError{http.StatusBadRequest, "invalid_request", msg}
	case sallyport.Denied, sallyport.NotFound:
		return &oauthError{http.StatusBadRequest, "invalid_target", msg}
	case sallyport.Held:
		return &oauthError{http.StatusBadRequest, "authorization_pending", msg}
	case sallyport.Exhausted:
		return &oauthError{http.StatusTooManyRequests, "temporarily_unavailable", msg}
	case sallyport.Unavailable:
		h.log.WarnContext(ctx, "token endpoint", "error", err)
		return &oauthError{http.StatusServiceUnavailable, "temporarily_unavailable", msg}
	}
	h.log.ErrorContext(ctx, "token endpoint", "error", err)
	return &oauthError{http.StatusInternalServerError, "server_error", msg}
}

// printable keeps to the characters that error_description may have (RFC 6749
// section 5.2): printable ASCII without the double quote and the backslash.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '"' || r == '\\':
			return '\''
		case r < 0x20 || r > 0x7e:
			return '?'
		}
		return r
	}, s)
}
