// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package sidecar

import (
	"encoding/json"
	"net"
	"net/http"
	"strings"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/identity"
)

const (
	flavor      = "Metadata-Flavor"
	flavorValue = "Google"
	root        = "/computeMetadata/v1/"
	scope       = "https://www.googleapis.com/auth/cloud-platform"
	universe    = "googleapis.com"
	// number stands for the project's number, of which clients want to see that it
	// is one.
	number      = "0"
	maxAudience = 2048
)

// ServeHTTP answers a request as the metadata server does, errors included: a
// sentence of plain text.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set(flavor, flavorValue)
	h.Set("Server", "Metadata Server for VM")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	switch {
	case !isLoopback(hostOf(r.Host)):
		fail(w, http.StatusForbidden, "the Host is no name of the loopback; set GCE_METADATA_HOST to the sidecar's address")
	case len(r.Header.Values("X-Forwarded-For")) > 0:
		fail(w, http.StatusForbidden, "the request was forwarded (X-Forwarded-For); the sidecar answers its own machine only")
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		h.Set("Allow", "GET, HEAD")
		fail(w, http.StatusMethodNotAllowed, "only GET is served")
	case r.URL.Path == "/": // clients look here whether there is a metadata server
		text(w, "computeMetadata/\n")
	case r.Header.Get(flavor) != flavorValue:
		fail(w, http.StatusForbidden, "the header Metadata-Flavor: Google is missing")
	case !strings.HasPrefix(r.URL.Path+"/", root):
		fail(w, http.StatusNotFound, "there is no such path; the sidecar serves "+root)
	case r.URL.Query().Has("wait_for_change"):
		fail(w, http.StatusBadRequest, "wait_for_change is not served; ask again when the token ends")
	default:
		s.serve(w, r, strings.Trim(strings.TrimPrefix(r.URL.Path+"/", root), "/"))
	}
}

func hostOf(hostport string) string {
	host, _, err := net.SplitHostPort(hostport)
	if err != nil {
		host = strings.Trim(hostport, "[]")
	}
	return host
}

func (s *Server) serve(w http.ResponseWriter, r *http.Request, path string) {
	account := s.opts.Target.Account()
	if rest, ok := strings.CutPrefix(path, "instance/service-accounts"); ok && (rest == "" || rest[0] == '/') {
		s.accounts(w, r, account, strings.Trim(rest, "/"))
		return
	}
	switch path {
	case "":
		text(w, "instance/\nproject/\nuniverse/\n")
	case "instance":
		text(w, "service-accounts/\n")
	case "project":
		text(w, "numeric-project-id\nproject-id\n")
	case "universe":
		text(w, "universe-domain\n")
	case "universe/universe-domain":
		text(w, universe)
	case "project/numeric-project-id":
		text(w, number)
	case "project/project-id":
		if s.opts.Project == "" {
			fail(w, http.StatusNotFound, "no project was given to the sidecar (--project)")
			return
		}
		text(w, s.opts.Project)
	default:
		fail(w, http.StatusNotFound, "there is no such path; the sidecar serves credentials only")
	}
}

// accountInfo is an account as recursive=true shows it.
type accountInfo struct {
	Aliases []string `json:"aliases"`
	Email   string   `json:"email"`
	Scopes  []string `json:"scopes"`
}

// accounts serves what is below instance/service-accounts. There is one account,
// which "default" is another name of.
func (s *Server) accounts(w http.ResponseWriter, r *http.Request, account, path string) {
	info := accountInfo{[]string{"default"}, account, []string{scope}}
	recursive := r.URL.Query().Get("recursive") == "true"
	name, what, _ := strings.Cut(path, "/")
	switch {
	case path == "" && recursive:
		s.json(w, map[string]accountInfo{"default": info, account: info})
		return
	case path == "":
		text(w, "default/\n"+account+"/\n")
		return
	case name != "default" && name != account:
		fail(w, http.StatusNotFound, "there is no such account; the sidecar's is "+account)
		return
	}
	switch what {
	case "":
		if recursive {
			s.json(w, info)
			return
		}
		text(w, "aliases\nemail\nidentity\nscopes\ntoken\n")
	case "aliases":
		text(w, "default\n")
	case "email":
		text(w, account)
	case "scopes":
		text(w, scope+"\n")
	case "token":
		s.accessToken(w, r)
	case "identity":
		s.idToken(w, r)
	default:
		fail(w, http.StatusNotFound, "an account has no such path")
	}
}

// accessToken is what clients send on as bearer.
func (s *Server) accessToken(w http.ResponseWriter, r *http.Request) {
	t, err := s.token(r.Context())
	if err != nil {
		refuse(w, err)
		return
	}
	s.json(w, map[string]any{
		"access_token": t.text, "token_type": "Bearer", "expires_in": max(0, int64(t.expires.Sub(s.opts.Now()).Seconds())),
	})
}

// idToken is the same in the form of an ID token, for clients of functions.
func (s *Server) idToken(w http.ResponseWriter, r *http.Request) {
	audience := r.URL.Query().Get("audience")
	if audience == "" || len(audience) > maxAudience {
		fail(w, http.StatusBadRequest, "name the service's URL as audience")
		return
	}
	t, err := s.token(r.Context())
	if err != nil {
		refuse(w, err)
		return
	}
	id, err := identity.IDToken(t.text, identity.NewIDClaims(s.opts.Issuer, s.opts.Target, audience, t.issued, t.expires))
	if err != nil {
		refuse(w, err)
		return
	}
	text(w, id)
}

// refuse tells why there is no token. Clients ask again after a 503 and give up
// after a 403.
func refuse(w http.ResponseWriter, err error) {
	status := http.StatusServiceUnavailable
	if refusal(err) {
		status = http.StatusForbidden
	}
	msg, hint := sallyport.Public(err)
	if hint != "" {
		msg += "; " + hint
	}
	fail(w, status, msg)
}

func fail(w http.ResponseWriter, status int, what string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(what + "\n")) // a client that is gone needs no answer
}

func text(w http.ResponseWriter, s string) {
	w.Header().Set("Content-Type", "application/text")
	_, _ = w.Write([]byte(s)) // a client that is gone needs no answer
}

func (s *Server) json(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	if err := json.NewEncoder(w).Encode(v); err != nil {
		s.log.Debug("an answer was not delivered", "error", err)
	}
}
