// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package connect

import (
	"context"
	"encoding/base64"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/httpgate"
	"github.com/sallyport-dev/sallyport/internal/identity"
)

// identify finds out whose a CONNECT is. Each is a login on the record.
func (s *Server) identify(ctx context.Context, r *http.Request) (*tunnel, error) {
	user, token, err := proxyCredential(r)
	if err != nil {
		return nil, err
	}
	p, bound, err := s.o.Identify.Authenticate(ctx, token)
	if err != nil {
		return nil, err
	}
	t := &tunnel{principal: p.ID, who: httpgate.Known{Token: token, Resource: bound.Resource, Role: bound.Role}}
	if bound.Resource != "" {
		return t, nil
	}
	// A workload's own token is good for whatever its principal may have; the user name says what it is used for.
	target, ok := identity.ParseAccount(user)
	if !ok {
		return nil, sallyport.E(sallyport.Unauthenticated, "connect", "the token is bound to no resource and role").
			WithHint("send a gateway token; or name both by the user name ROLE@RESOURCE.sallyport")
	}
	t.who.Resource, t.who.Role = target.Resource, target.Role
	return t, nil
}

// proxyCredential takes a token out of a request's Proxy-Authorization.
func proxyCredential(r *http.Request) (user, token string, err error) {
	none := sallyport.E(sallyport.Unauthenticated, "connect", "the CONNECT has no token").
		WithHint("send a gateway token as the proxy's password: https://token:TOKEN@HOST:PORT; `sallyport token` gets one")
	sent := r.Header.Values("Proxy-Authorization")
	if len(sent) != 1 {
		return "", "", none
	}
	scheme, value, _ := strings.Cut(sent[0], " ")
	value = strings.TrimSpace(value)
	switch {
	case len(value) > 2*identity.MaxToken:
		return "", "", none
	case strings.EqualFold(scheme, "Bearer"):
		token = value
	case strings.EqualFold(scheme, "Basic"):
		b, err := base64.StdEncoding.DecodeString(value)
		if err != nil {
			return "", "", none
		}
		user, token, _ = strings.Cut(string(b), ":")
		// Some clients escape what they take out of a URL, some do not.
		if plain, err := url.PathUnescape(user); err == nil {
			user = plain
		}
	}
	if token == "" || len(token) > identity.MaxToken {
		return "", "", none
	}
	return user, token, nil
}

// proxyAuthenticate asks for a token.
func proxyAuthenticate(w http.ResponseWriter, err error) {
	msg, hint := sallyport.Public(err)
	h := w.Header()
	h.Set("Proxy-Authenticate", `Basic realm="sallyport"`)
	h.Set("Content-Type", "text/plain; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusProxyAuthRequired)
	_, _ = w.Write([]byte(msg + "; " + hint + "\n")) // a client that is gone has nothing to be told
}

// sameHost compares the name that a client gave with one of the table.
func sameHost(got, host string) bool { return strings.EqualFold(got, host) }

// serve answers a request inside of a tunnel.
func (s *Server) serve(ctx context.Context, w http.ResponseWriter, r *http.Request) {
	t, ok := r.Context().Value(tunnelKey{}).(*tunnel)
	if !ok || t == nil {
		httpgate.Problem(w, sallyport.E(sallyport.Internal, "connect", "the request is in no tunnel"))
		return
	}
	rule, err := s.judge(t, r)
	if err == nil && rule.Endpoint == "" {
		err = s.credential(r, t)
	}
	if err != nil {
		if sallyport.KindOf(err) == sallyport.Denied {
			err = s.refuse(r.Context(), t, named(r.Method), err)
		}
		s.o.Gate.Refuse(w, r, t.who.Resource, err)
		return
	}
	if rule.Endpoint != "" {
		s.token(w, r, t, rule.Endpoint)
		return
	}
	// What was meant for the service stays here. The gateway has a credential of its own.
	for _, name := range []string{"Authorization", "Proxy-Authorization", "Cookie"} {
		r.Header.Del(name)
	}
	s.o.Gate.ServeKnown(ctx, w, r, t.who)
}

// token hands a request to one of the gateway's endpoints for tokens.
func (s *Server) token(w http.ResponseWriter, r *http.Request, t *tunnel, endpoint string) {
	select {
	case s.tokens <- struct{}{}:
		defer func() { <-s.tokens }()
	default:
		s.o.Gate.Refuse(w, r, t.who.Resource, sallyport.E(sallyport.Unavailable, "connect", "too many tokens are being asked for").WithHint("try again in a moment"))
		return
	}
	// They read the body first: one that does not come has no other end.
	over := make(chan struct{})
	late := time.AfterFunc(headerWait, func() {
		defer close(over)
		_ = http.NewResponseController(w).SetReadDeadline(time.Unix(1, 0)) // a connection that takes none is gone
	})
	defer func() {
		if !late.Stop() {
			<-over // w is not used after the answer
		}
	}()
	own := r.Clone(r.Context())
	own.URL.Path, own.URL.RawPath = endpoint, ""
	s.o.Tokens.ServeHTTP(w, own)
}

// named is the method of a request for the record.
func named(method string) string {
	if slices.Contains(methods(), method) {
		return method
	}
	return "a request"
}

// judge finds the rule for a request. That the certificate was for the host of the
// CONNECT was seen before; the request has to be for it as well.
func (s *Server) judge(t *tunnel, r *http.Request) (Rule, error) {
	host := strings.TrimSuffix(r.Host, ":443")
	switch {
	case r.Method == http.MethodConnect:
		return Rule{}, denied("there is a CONNECT inside of a CONNECT", "ask for the host itself")
	case r.URL.Host != "" || r.URL.Scheme != "" || !strings.HasPrefix(r.RequestURI, "/"):
		return Rule{}, denied("the request inside of the CONNECT names its host in its first line", "send the path alone, and the host as Host")
	case !sameHost(host, t.host):
		return Rule{}, denied("the request inside of the CONNECT is for another host", "open a CONNECT for each host")
	}
	return s.o.Table.Match(t.who.Resource, t.host, r.Method, r.URL.EscapedPath())
}

// credential looks at what a client sends as its credential for the service. A
// gateway token has to be of the principal of the CONNECT, and good for the same.
// Whatever else it is counts for nothing.
func (s *Server) credential(r *http.Request, t *tunnel) error {
	sent := r.Header.Values("Authorization")
	if len(sent) > 1 {
		return sallyport.E(sallyport.Unauthenticated, "connect", "the request has two credentials").WithHint("send one Authorization header")
	}
	if len(sent) == 0 {
		return nil
	}
	_, token, _ := strings.Cut(sent[0], " ")
	info, ours, good, err := s.o.Identify.Inspect(r.Context(), strings.TrimSpace(token))
	switch {
	case err != nil:
		return err
	case !ours:
		return nil
	case !good:
		return sallyport.E(sallyport.Unauthenticated, "connect", "the gateway token of the request is not good any more").
			WithHint("get a new one, and send the request again")
	case info.Principal != t.principal:
		return denied("the gateway token of the request is another principal's than that of the CONNECT", "use tokens of one principal")
	case info.Binding.Resource != t.who.Resource || info.Binding.Role != t.who.Role:
		return denied("the gateway token of the request is good for another resource or role than that of the CONNECT", "use tokens for one resource and role")
	}
	return nil
}
