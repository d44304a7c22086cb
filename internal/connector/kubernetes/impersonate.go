// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package kubernetes

import (
	"net/http"
	"strings"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/session"
)

// Impersonate says as whom the gateway acts in a cluster. {principal} and {role} stand
// for those of a session.
type Impersonate struct {
	User   string
	Groups []string
}

// headers adds whom a request is from, with the session for the cluster's own audit
// log.
func (i *Impersonate) headers(h http.Header, s *session.Session) error {
	if i == nil {
		return nil
	}
	fill := strings.NewReplacer("{principal}", string(s.Principal().ID), "{role}", string(s.Role()))
	names := []string{fill.Replace(i.User)}
	for _, g := range i.Groups {
		names = append(names, fill.Replace(g))
	}
	for _, name := range names {
		// The cluster's own names give rights that no policy of the gateway's knows of.
		if strings.HasPrefix(strings.ToLower(name), "system:") || name == "" || strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || r > '~' }) {
			return sallyport.E(sallyport.Denied, Protocol, "the principal's name cannot be a user of the cluster").
				WithHint("the operator must look at kubernetes.impersonate")
		}
	}
	h.Set("Impersonate-User", names[0])
	for _, g := range names[1:] {
		h.Add("Impersonate-Group", g)
	}
	h.Set("Impersonate-Extra-Sallyport-Session", string(s.ID()))
	return nil
}
