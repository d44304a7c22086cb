// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package identity_test

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/identity"
)

func sshSigner(t testing.TB) ssh.Signer {
	t.Helper()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	s, err := ssh.NewSignerFromKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func (b *tokenBench) sshRequest(t *testing.T, key ssh.PublicKey) identity.SSHRequest {
	t.Helper()
	return identity.SSHRequest{Key: key, IssueRequest: identity.IssueRequest{
		Principal: b.login(t), Resource: "box", Role: "ops", Grant: "g-1", NotAfter: b.clock.Now().Add(time.Hour),
	}}
}

// A certificate stands for its token: it logs the same principal in, for the same
// resource and role, until the token is revoked.
func TestSSHCertificate(t *testing.T) {
	t.Parallel()
	b := newTokenBench(t)
	a := identity.NewSSHAuthority(b.tokens, sshSigner(t))
	key := sshSigner(t).PublicKey()
	cert, info, err := a.Issue(t.Context(), b.sshRequest(t, key))
	if err != nil {
		t.Fatal(err)
	}
	if got := time.Unix(int64(cert.ValidBefore), 0).Sub(b.clock.Now()); got > identity.MaxSSHCertificate {
		t.Errorf("it is good for %v", got)
	}
	p, err := a.Check(t.Context(), cert, "box+ops")
	if err != nil || !p.Valid() {
		t.Fatal(p, err)
	}
	who, bound, err := b.tokens.Recognise(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	if who.Authn.Method != identity.MethodGatewayToken || who.Authn.TokenID != info.ID || who.Authn.KeyID != ssh.FingerprintSHA256(key) ||
		bound != (identity.Binding{Resource: "box", Role: "ops", Grant: "g-1"}) {
		t.Errorf("got %+v, %+v", who.Authn, bound)
	}
	if _, err := b.tokens.Revoke(t.Context(), identity.TokenFilter{Grant: "g-1"}, "officer"); err != nil {
		t.Fatal(err)
	}
	if _, _, err := b.tokens.Recognise(t.Context(), p); sallyport.KindOf(err) != sallyport.Unauthenticated || !strings.Contains(err.Error(), "revoked") {
		t.Errorf("after the revocation: %v", err)
	}
	if _, _, err := b.tokens.Recognise(t.Context(), identity.Proved{}); err == nil {
		t.Error("nothing was recognised as somebody")
	}
	if bytes.Contains(cert.Marshal(), []byte(identity.TokenPrefix)) {
		t.Error("the certificate holds the token")
	}
}

// A key that is too weak, addresses that are none and a grant that has ended get no
// certificate.
func TestSSHCertificateRefused(t *testing.T) {
	t.Parallel()
	b := newTokenBench(t)
	a := identity.NewSSHAuthority(b.tokens, sshSigner(t))
	weak, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	short, err := ssh.NewPublicKey(&weak.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	good := sshSigner(t).PublicKey()
	nested, _, err := a.Issue(t.Context(), b.sshRequest(t, good))
	if err != nil {
		t.Fatal(err)
	}
	for what, change := range map[string]func(*identity.SSHRequest){
		"no key":             func(r *identity.SSHRequest) { r.Key = nil },
		"a short key":        func(r *identity.SSHRequest) { r.Key = short },
		"a certificate":      func(r *identity.SSHRequest) { r.Key = nested },
		"an address":         func(r *identity.SSHRequest) { r.Sources = []string{"10.0.0.0/8,*"} },
		"too many addresses": func(r *identity.SSHRequest) { r.Sources = strings.Split(strings.Repeat("10.0.0.1 ", 17), " ")[:17] },
		"a grant's end":      func(r *identity.SSHRequest) { r.NotAfter = b.clock.Now() },
	} {
		r := b.sshRequest(t, good)
		change(&r)
		if _, _, err := a.Issue(t.Context(), r); err == nil {
			t.Errorf("%s: got a certificate", what)
		}
	}
}

func TestParseSSHUser(t *testing.T) {
	t.Parallel()
	for user, want := range map[string]bool{"box+ops": true, "box": false, "+ops": false, "box+": false, "a+b+c": false, "": false, "box+o\nps": false} {
		r, role, ok := identity.ParseSSHUser(user)
		if ok != want || ok && identity.SSHUser(r, role) != user {
			t.Errorf("%q: %q %q %t", user, r, role, ok)
		}
	}
}

// FuzzSSHCertificate: nothing but what the authority has signed is recognised.
func FuzzSSHCertificate(f *testing.F) {
	f.Add([]byte("ssh-ed25519"), "box+ops")
	f.Add(sshSigner(f).PublicKey().Marshal(), "box+ops")
	other := sshSigner(f)
	foreign := &ssh.Certificate{Key: other.PublicKey(), CertType: ssh.UserCert, ValidPrincipals: []string{"box+ops"}, ValidBefore: ssh.CertTimeInfinity}
	if err := foreign.SignCert(rand.Reader, other); err != nil {
		f.Fatal(err)
	}
	f.Add(foreign.Marshal(), "box+ops")
	f.Fuzz(func(t *testing.T, b []byte, user string) {
		_, _, _ = identity.ParseSSHUser(user)
		key, err := ssh.ParsePublicKey(b)
		if err != nil {
			return
		}
		cert, ok := key.(*ssh.Certificate)
		if !ok {
			return
		}
		bench := newTokenBench(t)
		if p, err := identity.NewSSHAuthority(bench.tokens, sshSigner(t)).Check(t.Context(), cert, user); err == nil || p.Valid() {
			t.Error("a certificate of nobody's was accepted")
		}
	})
}
