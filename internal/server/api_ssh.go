// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package server

import (
	"context"
	"net/http"
	"strings"
	"time"

	gossh "golang.org/x/crypto/ssh"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/identity"
)

// sshHost is what clients of SSH must know of the gateway.
type sshHost struct {
	Listener string `json:"listener"`
	// HostKey is the gateway's public key in one line, for known_hosts.
	HostKey string `json:"host_key"`
}

func (a *api) sshHost() (sshHost, error) {
	f := a.g.ssh
	if f == nil {
		return sshHost{}, sallyport.E(sallyport.NotFound, "api", "no resource of this gateway speaks SSH")
	}
	return sshHost{Listener: a.g.SSHAddress(), HostKey: keyLine(f.hostKey)}, nil
}

func keyLine(k gossh.PublicKey) string {
	return strings.TrimSuffix(string(gossh.MarshalAuthorizedKey(k)), "\n")
}

// showSSH tells by what the gateway is known.
func (a *api) showSSH(_ context.Context, r *http.Request, _ caller) (any, error) {
	if _, err := query(r); err != nil {
		return nil, err
	}
	return a.sshHost()
}

// certified is the answer of POST /v1/ssh/certificate.
type certified struct {
	sshHost
	User        string    `json:"user"`
	Certificate string    `json:"certificate"` // in one line, as a file of OpenSSH holds it
	ValidUntil  time.Time `json:"valid_until"` // of the certificate: until when it lets in
	TokenID     string    `json:"token_id"`
	Expires     time.Time `json:"expires"` // of the token: until when sessions last
}

// certifySSH issues a certificate for a client's key, and the token that it stands
// for.
func (a *api) certifySSH(ctx context.Context, r *http.Request, c caller) (any, error) {
	var in struct {
		Resource  sallyport.ResourceID `json:"resource"`
		Role      sallyport.RoleID     `json:"role"`
		PublicKey string               `json:"public_key"`
		Sources   []string             `json:"sources"`
	}
	if err := decode(r, &in); err != nil {
		return nil, err
	}
	host, err := a.sshHost()
	if err != nil {
		return nil, err
	}
	key, _, _, rest, err := gossh.ParseAuthorizedKey([]byte(in.PublicKey))
	if err != nil || len(rest) > 0 {
		return nil, invalid("public_key is not one public key", "send the line of the file that ends with .pub")
	}
	if !a.g.speaksSSH(in.Resource) {
		return nil, sallyport.E(sallyport.NotFound, "api", "there is no such resource that speaks SSH").
			WithHint("`sallyport resource list` shows those you may reach")
	}
	if err := c.loggedIn(); err != nil {
		return nil, err
	}
	g, err := granter{a.g}.Bind(ctx, c.Principal, in.Resource, in.Role)
	if err != nil {
		return nil, err
	}
	cert, info, err := a.g.ssh.authority.Issue(ctx, identity.SSHRequest{
		IssueRequest: identity.IssueRequest{Principal: c.Principal, Resource: in.Resource, Role: in.Role, Grant: g.ID, NotAfter: g.NotAfter},
		Key:          key, Sources: in.Sources,
	})
	if err != nil {
		return nil, err
	}
	return certified{
		sshHost: host, User: identity.SSHUser(in.Resource, in.Role), Certificate: keyLine(cert),
		ValidUntil: time.Unix(int64(cert.ValidBefore), 0).UTC(), TokenID: info.ID, Expires: info.NotAfter, //nolint:gosec // of our own making
	}, nil
}
