// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package ssh_test

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/sallyport-dev/sallyport/test/gatewaytest"
	"github.com/sallyport-dev/sallyport/test/sshpeer"
)

// clock can be set forward.
type clock struct{ ahead atomic.Int64 }

func (c *clock) now() time.Time { return time.Now().Add(time.Duration(c.ahead.Load())) }

// A certificate lets in while it, and the token that it stands for, hold, and for
// its own user name.
func TestCertificates(t *testing.T) {
	var c clock
	w := start(t, setup{options: []gatewaytest.Option{gatewaytest.Clock(c.now)}})
	refused := func(what, part string, lines ...string) {
		t.Helper()
		w.configFor("box+ops", append([]string{"BatchMode yes"}, lines...)...)
		w.ssh("", "box", "echo in").want(t, what, 255, "", part)
	}
	id := w.identity("good")
	w.configFor("box+ops", "BatchMode yes", "IdentityFile "+id)
	w.ssh("", "box", "echo in").want(t, "a good certificate", 0, "in\n", "")

	w.configFor("clinic+claims-etl", "BatchMode yes", "IdentityFile "+id)
	w.ssh("", "box", "echo in").want(t, "another user name", 255, "", "for another user name")

	plain := filepath.Join(w.dir, "plain")
	b, err := os.ReadFile(id)
	if err != nil {
		t.Fatal(err)
	}
	w.put("plain", string(b))
	refused("a key without a certificate", "Permission denied", "IdentityFile "+plain)

	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	other, err := ssh.NewSignerFromKey(private)
	if err != nil {
		t.Fatal(err)
	}
	cert := w.certificate(id)
	if err := cert.SignCert(rand.Reader, other); err != nil {
		t.Fatal(err)
	}
	w.put("plain-cert.pub", string(ssh.MarshalAuthorizedKey(cert)))
	refused("a certificate of another authority", "another authority", "IdentityFile "+plain)

	own, err := ssh.ParsePrivateKey(b)
	if err != nil {
		t.Fatal(err)
	}
	for part, change := range map[string]func(*ssh.Certificate){ // which OpenSSH's client would not send
		"too long":              func(c *ssh.Certificate) { c.ValidBefore += 3600 },
		"signature":             func(c *ssh.Certificate) { c.ValidBefore-- },
		"names no token":        func(c *ssh.Certificate) { c.CriticalOptions = nil },
		"for users":             func(c *ssh.Certificate) { c.CertType = ssh.HostCert },
		"not valid yet":         func(c *ssh.Certificate) { c.ValidAfter += 120; c.ValidBefore += 120 },
		"another user name":     func(c *ssh.Certificate) { c.ValidPrincipals = nil },
		"or its options":        func(c *ssh.Certificate) { c.CriticalOptions["force-command"] = "true" },
		"for another user name": func(c *ssh.Certificate) { c.ValidPrincipals = append(c.ValidPrincipals, "x+y") },
	} {
		cert := w.certificate(id)
		change(cert)
		signer, err := ssh.NewCertSigner(cert, own)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.dial("box+ops", ssh.PublicKeys(signer)); err == nil || !strings.Contains(w.banner.String(), part) {
			t.Errorf("%s: %v, %q", part, err, w.banner.String())
		}
	}

	c.ahead.Store(int64(6 * time.Minute))
	refused("a certificate that has expired", "expired", "IdentityFile "+id)
	if n := strings.Count(w.peer.Said(), "Accepted publickey"); n != 1 {
		t.Errorf("the target was reached %d times", n)
	}
}

// certificate reads the certificate of an identity.
func (w *world) certificate(id string) *ssh.Certificate {
	w.t.Helper()
	b, err := os.ReadFile(id + "-cert.pub")
	if err != nil {
		w.t.Fatal(err)
	}
	key, _, _, _, err := ssh.ParseAuthorizedKey(b)
	if err != nil {
		w.t.Fatal(err)
	}
	cert, ok := key.(*ssh.Certificate)
	if !ok {
		w.t.Fatal("this is no certificate")
	}
	return cert
}

const grantPolicy = policy + `@id("grant") @grant("group:privacy-officers") @max("1h")
forbid(principal, action == Action::"connect", resource == Resource::"box") unless { context has grant };`

// approve approves the one open request.
func (w *world) approve() {
	w.t.Helper()
	var open struct{ Requests []struct{ ID string } }
	w.Call(w.t, w.http.http, "privacy-officers", "GET", "/v1/requests?state=open", nil, &open)
	if len(open.Requests) != 1 {
		w.t.Fatalf("%d open requests", len(open.Requests))
	}
	var got map[string]any
	w.Call(w.t, w.http.http, "privacy-officers", "POST", "/v1/requests/"+open.Requests[0].ID+"/approve", map[string]string{"rationale": "because the test says so"}, &got)
}

// revokeGrants ends all grants.
func (w *world) revokeGrants() {
	w.t.Helper()
	var grants struct{ Grants []struct{ ID string } }
	w.Call(w.t, w.http.http, "privacy-officers", "GET", "/v1/grants", nil, &grants)
	for _, g := range grants.Grants {
		var got map[string]any
		w.Call(w.t, w.http.http, "privacy-officers", "POST", "/v1/grants/"+g.ID+"/revoke", map[string]string{"reason": "the run is over"}, &got)
	}
}

// A certificate is worth nothing any more once its token is revoked, as the end of
// the grant does it. There is none before the grant.
func TestRevokedCertificate(t *testing.T) {
	w := start(t, setup{policy: grantPolicy})
	if status, b := w.http.call("POST", "/v1/ssh/certificate", map[string]any{"resource": "box", "role": "ops", "public_key": w.hostKey}, nil); status != http.StatusConflict {
		t.Fatalf("before the grant: %d %s", status, b)
	}
	w.approve()
	w.config()
	w.ssh("", "box", "echo in").want(t, "under a grant", 0, "in\n", "")
	w.revokeGrants()
	w.ssh("", "box", "echo in").want(t, "after its end", 255, "", "revoked")
}

// A certificate for some addresses is good from there alone.
func TestSources(t *testing.T) {
	w := start(t, setup{})
	for from, code := range map[string]int{"127.0.0.0/8": 0, "192.0.2.7": 255} {
		_, private, err := ed25519.GenerateKey(rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		signer, err := ssh.NewSignerFromKey(private)
		if err != nil {
			t.Fatal(err)
		}
		var got certified
		status, b := w.http.call("POST", "/v1/ssh/certificate", map[string]any{
			"resource": "box", "role": "ops", "public_key": string(ssh.MarshalAuthorizedKey(signer.PublicKey())), "sources": []string{from},
		}, &got)
		if status != http.StatusOK {
			t.Fatal(status, b)
		}
		key, _, _, _, err := ssh.ParseAuthorizedKey([]byte(got.Certificate))
		if err != nil {
			t.Fatal(err)
		}
		certSigner, err := ssh.NewCertSigner(key.(*ssh.Certificate), signer)
		if err != nil {
			t.Fatal(err)
		}
		conn, err := w.dial("box+ops", ssh.PublicKeys(certSigner))
		if (err == nil) != (code == 0) {
			t.Errorf("from %s: %v", from, err)
		}
		if err == nil {
			_ = conn.Close()
		}
	}
	for _, body := range []map[string]any{
		{"resource": "box", "role": "ops", "public_key": "ssh-dss AAAA", "sources": []string{}},
		{"resource": "box", "role": "ops", "public_key": w.hostKey, "sources": []string{"everywhere"}},
		{"resource": "clinic", "role": "claims-etl", "public_key": w.hostKey},
		{"resource": "box", "role": "other", "public_key": w.hostKey},
	} {
		if status, b := w.http.call("POST", "/v1/ssh/certificate", body, nil); status == http.StatusOK {
			t.Errorf("%v: %s", body, b)
		}
	}
}

// dial logs in with the library in place of OpenSSH.
func (w *world) dial(user string, auth ...ssh.AuthMethod) (*ssh.Client, error) {
	key, _, _, _, err := ssh.ParseAuthorizedKey([]byte(w.hostKey))
	if err != nil {
		return nil, err
	}
	w.banner.Reset()
	return ssh.Dial("tcp", w.SSHAddress(), &ssh.ClientConfig{
		User: user, Auth: auth, HostKeyCallback: ssh.FixedHostKey(key), Timeout: 30 * time.Second, HostKeyAlgorithms: []string{key.Type()},
		BannerCallback: func(message string) error { w.banner.WriteString(message); return nil },
	})
}

// A token is asked for where there is no certificate, by both methods that can, and
// what is wrong is told.
func TestTokens(t *testing.T) {
	w := start(t, setup{})
	client := w.HTTPClient(t)
	token := w.Exchange(t, client, "box", "ops")
	secret := w.put("secret", token)
	askpass := w.put("askpass", "#!/bin/sh\nexec cat "+secret+"\n")
	if err := os.Chmod(askpass, 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("SSH_ASKPASS", askpass)
	t.Setenv("SSH_ASKPASS_REQUIRE", "force")
	for _, method := range []string{"keyboard-interactive", "password"} {
		w.configFor("box+ops", "PreferredAuthentications "+method, "PubkeyAuthentication no")
		w.ssh("", "box", "echo in").want(t, method, 0, "in\n", "")
		w.configFor("clinic+claims-etl", "PreferredAuthentications "+method, "PubkeyAuthentication no")
		w.ssh("", "box", "echo in").want(t, method+" for another resource", 255, "", "no such resource")
		w.configFor("root", "PreferredAuthentications "+method, "PubkeyAuthentication no")
		w.ssh("", "box", "echo in").want(t, method+" without a resource", 255, "", "RESOURCE+ROLE")
	}
	w.put("secret", "spt_"+strings.Repeat("A", 43))
	w.configFor("box+ops", "PubkeyAuthentication no")
	w.ssh("", "box", "echo in").want(t, "a token of nobody", 255, "", "not known")

	conn, err := w.dial("box+ops", ssh.Password(w.CIToken(t)))
	if err != nil {
		t.Fatalf("an issuer's token: %v", err)
	}
	if err := conn.Close(); err != nil {
		t.Error(err)
	}
	if _, err := w.dial("box+ops"); err == nil {
		t.Error("logged in with nothing at all")
	}
}

// A client that leaves while it waits for a grant is let go at once.
func TestLeavingWhileWaiting(t *testing.T) {
	w := start(t, setup{policy: grantPolicy, options: []gatewaytest.Option{gatewaytest.Waits(10*time.Minute, 10*time.Second)}})
	token := w.CIToken(t)
	key, _, _, _, err := ssh.ParseAuthorizedKey([]byte(w.hostKey))
	if err != nil {
		t.Fatal(err)
	}
	nc, err := net.Dial("tcp", w.SSHAddress())
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close() //nolint:errcheck // it has ended
	waits, ended := make(chan struct{}, 8), make(chan error, 1)
	go func() {
		_, _, _, err := ssh.NewClientConn(nc, w.SSHAddress(), &ssh.ClientConfig{
			User: "box+ops", Auth: []ssh.AuthMethod{ssh.Password(token)}, HostKeyCallback: ssh.FixedHostKey(key), HostKeyAlgorithms: []string{key.Type()},
			BannerCallback: func(string) error { waits <- struct{}{}; return nil },
		})
		ended <- err
	}()
	<-waits
	if err := nc.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err == nil {
		t.Error("it was let in")
	}
	for end := time.Now().Add(20 * time.Second); !strings.Contains(w.Log.String(), nc.LocalAddr().String()); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the gateway still waits for a client that has left")
		}
	}
}

// A client waits for a grant at the door and is told so; a session ends with the
// token, with a reason.
func TestGrantsAndEnds(t *testing.T) {
	w := start(t, setup{
		policy: grantPolicy, options: []gatewaytest.Option{gatewaytest.Waits(30*time.Second, 10*time.Second)},
	})
	token := w.CIToken(t)
	banner := make(chan string, 8)
	type in struct {
		conn *ssh.Client
		err  error
	}
	done := make(chan in, 1)
	go func() {
		key, _, _, _, err := ssh.ParseAuthorizedKey([]byte(w.hostKey))
		if err != nil {
			done <- in{nil, err}
			return
		}
		conn, err := ssh.Dial("tcp", w.SSHAddress(), &ssh.ClientConfig{
			User: "box+ops", Auth: []ssh.AuthMethod{ssh.Password(token)}, HostKeyCallback: ssh.FixedHostKey(key), HostKeyAlgorithms: []string{key.Type()},
			BannerCallback: func(message string) error { banner <- message; return nil },
		})
		done <- in{conn, err}
	}()
	if b := <-banner; !strings.Contains(b, "waits for approval") || !strings.Contains(b, "sallyport request approve") {
		t.Errorf("the banner: %q", b)
	}
	w.approve()
	r := <-done
	if r.err != nil {
		t.Fatal(r.err)
	}
	defer r.conn.Close() //nolint:errcheck // the gateway has closed it

	s, err := r.conn.NewSession()
	if err != nil {
		t.Fatal(err)
	}
	var errs strings.Builder
	s.Stderr = &errs
	out, err := s.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Start("echo begun; sleep 600"); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(out, make([]byte, len("begun\n"))); err != nil {
		t.Fatal(err)
	}
	w.revokeGrants()
	if err := s.Wait(); err == nil || !strings.Contains(errs.String(), "has ended") {
		t.Errorf("after the end of the grant: %v, %q", err, errs.String())
	}
	_ = r.conn.Wait() // the gateway closes it
}

// A target with another host key is refused, in words, on record and in the log.
func TestHostKeyChange(t *testing.T) {
	other := sshpeer.Start(t, sshpeer.Options{})
	w := start(t, setup{hostKey: other.HostKey})
	w.config()
	w.ssh("", "box", "echo in").want(t, "another host key", 126, "", "host key")
	if !strings.Contains(w.Log.String(), "host key of a target is not the pinned one") {
		t.Error("the log says nothing")
	}
	found := false
	for name, b := range w.Traces(t) {
		found = found || strings.Contains(name, "/ledger/") && strings.Contains(string(b), `"type":"denial"`) && strings.Contains(string(b), "host key")
	}
	if !found {
		t.Error("no denial is on record")
	}
	if strings.Contains(w.peer.Said(), "Accepted") {
		t.Error("the gateway logged in")
	}
}

// The gateway signs a key for each session where the target trusts its authority.
func TestCertificateForTheTarget(t *testing.T) {
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	authority, err := ssh.NewSignerFromKey(private)
	if err != nil {
		t.Fatal(err)
	}
	w := start(t, setup{
		auth: "certificate", key: pemOf(t, private),
		peer: sshpeer.Options{UserCA: []string{strings.TrimSpace(string(ssh.MarshalAuthorizedKey(authority.PublicKey())))}},
	})
	w.config()
	w.ssh("", "box", "echo in").want(t, "a certificate of the gateway's", 0, "in\n", "")
	if said := w.peer.Said(); !strings.Contains(said, "sallyport ci:acme/claims s_") {
		t.Errorf("the target's log does not name the session:\n%s", said)
	}
}

// What is not SSH, and what stops in the middle, costs the gateway nothing.
func TestGarbageAtTheDoor(t *testing.T) {
	w := start(t, setup{})
	w.config()
	var dialer net.Dialer
	for i := range 100 {
		c, err := dialer.DialContext(t.Context(), "tcp", w.SSHAddress())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close() //nolint:errcheck // it is garbage
		b := make([]byte, 200*(i+1))
		if _, err := rand.Read(b); err != nil {
			t.Fatal(err)
		}
		switch i % 4 {
		case 0: // silence
			continue
		case 1:
			b = append([]byte("GET / HTTP/1.1\r\n\r\n"), b...)
		case 2:
			b = append([]byte("SSH-2.0-x\r\n"), b...)
		}
		_, _ = c.Write(b) // it may be closed already
	}
	w.ssh("", "box", "echo in").want(t, "beside garbage", 0, "in\n", "")
	w.Stop(t) // the silent ones do not keep it
}

// An ssh that was given nothing to say is not let in by the method "none".
func TestNobody(t *testing.T) {
	w := start(t, setup{})
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	w.configFor("box+ops", "BatchMode yes", "PreferredAuthentications none")
	if a := run(t, w.command(ctx, "box", "echo in")); a.code != 255 || a.out != "" {
		t.Errorf("got %+v", a)
	}
	if fmt.Sprint(w.Intents(t)) != "0" {
		t.Error("something ran")
	}
}
