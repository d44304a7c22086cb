// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package redteam_test

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"
)

// forged is an attempt with a certificate that was changed, and signed anew by
// another authority where other says so.
func forged(id, tries, by string, other bool, change func(*ssh.Certificate)) sshRow {
	return sshRow{id, tries, by, true, func(a *sshArena) error {
		_, private, err := ed25519.GenerateKey(rand.Reader)
		if err != nil {
			return err
		}
		authority, err := ssh.NewSignerFromKey(private)
		if err != nil {
			return err
		}
		how, err := a.holder("box+ops", func(c *ssh.Certificate) {
			change(c)
			if other {
				err = c.SignCert(rand.Reader, authority)
			}
		})
		if err != nil {
			return err
		}
		return a.inside("box+ops", how)
	}}
}

func sshLogins() []sshRow {
	const cert = "identity.SSHAuthority.Check"
	return []sshRow{
		{"S01", "log in by the method none", "no callback for it", false, func(a *sshArena) error { return a.inside("box+ops") }},
		{"S02", "log in with a plain key", "connector/ssh login.offered", false, func(a *sshArena) error {
			_, private, err := ed25519.GenerateKey(rand.Reader)
			if err != nil {
				return err
			}
			s, err := ssh.NewSignerFromKey(private)
			return errors.Join(err, a.inside("box+ops", ssh.PublicKeys(s)))
		}},
		{"S03", "log in with the target's own key for the gateway", "connector/ssh login.offered", false, func(a *sshArena) error {
			s, err := ssh.ParsePrivateKey(a.peer.PrivateKey)
			return errors.Join(err, a.inside("box+ops", ssh.PublicKeys(s)))
		}},
		forged("S04", "a certificate of another authority", cert, true, func(*ssh.Certificate) {}),
		forged("S05", "a host certificate as a user's", cert, false, func(c *ssh.Certificate) { c.CertType = ssh.HostCert }),
		forged("S06", "a certificate whose end was put off", cert, false, func(c *ssh.Certificate) { c.ValidBefore += 60 }),
		forged("S07", "a certificate that has expired", cert, false, func(c *ssh.Certificate) { c.ValidAfter -= 3600; c.ValidBefore -= 3600 }),
		forged("S08", "a certificate that is not valid yet", cert, false, func(c *ssh.Certificate) { c.ValidAfter += 3600; c.ValidBefore += 3600 }),
		forged("S09", "a certificate that is valid for ever", cert, false, func(c *ssh.Certificate) { c.ValidBefore = ssh.CertTimeInfinity }),
		forged("S10", "a certificate for every user name", cert, false, func(c *ssh.Certificate) { c.ValidPrincipals = nil }),
		forged("S11", "a certificate with a second user name", cert, false, func(c *ssh.Certificate) { c.ValidPrincipals = append(c.ValidPrincipals, "wide+wider") }),
		forged("S12", "a certificate with a forced command", cert, false, func(c *ssh.Certificate) { c.CriticalOptions["force-command"] = "id" }),
		forged("S13", "a certificate without its token", cert, false, func(c *ssh.Certificate) { delete(c.CriticalOptions, "token@sallyport") }),
		forged("S14", "a certificate with another token's hash", cert, false, func(c *ssh.Certificate) { c.CriticalOptions["token@sallyport"] = strings.Repeat("00", 32) }),
		forged("S15", "a certificate whose address was widened", cert, false, func(c *ssh.Certificate) { c.CriticalOptions["source-address"] = "0.0.0.0/0" }),
		forged("S16", "a certificate with an added extension", cert, false, func(c *ssh.Certificate) { c.Extensions = map[string]string{"permit-port-forwarding": ""} }),
		{"S17", "a certificate of one role as another", cert, true, func(a *sshArena) error {
			how, err := a.holder("box+ops", func(*ssh.Certificate) {})
			return errors.Join(err, a.inside("wide+wider", how))
		}},
		{"S18", "somebody else's certificate, with another key", "the library: the key must sign", false, func(a *sshArena) error {
			_, cert, err := a.identity("box+ops")
			if err != nil {
				return err
			}
			_, private, err := ed25519.GenerateKey(rand.Reader)
			if err != nil {
				return err
			}
			thief, err := ssh.NewSignerFromKey(private)
			return errors.Join(err, a.inside("box+ops", ssh.PublicKeys(stolen{thief, cert})))
		}},
		{"S19", "a certificate after its grant was revoked", "identity.Tokens.Recognise", true, revokedCertificate},
		{"S20", "a certificate at the target itself", "its critical option, which others refuse", false, func(a *sshArena) error {
			how, err := a.holder("box+ops", func(*ssh.Certificate) {})
			if err != nil {
				return err
			}
			c, err := ssh.Dial("tcp", a.peer.Address, &ssh.ClientConfig{User: a.peer.User, Auth: []ssh.AuthMethod{how}, HostKeyCallback: ssh.InsecureIgnoreHostKey(), Timeout: 10 * time.Second})
			if err != nil {
				return nil
			}
			return errors.Join(errors.New("it was let in"), c.Close())
		}},
		{"S21", "guess tokens, again and again", "six tries for each connection", true, func(a *sshArena) error {
			tries := 0
			err := a.inside("box+ops", ssh.RetryableAuthMethod(ssh.PasswordCallback(func() (string, error) {
				tries++
				return "spt_" + strings.Repeat("A", 40) + fmt.Sprintf("%03d", tries), nil
			}), 1000))
			return errors.Join(err, unless(tries <= 10, "there were %d tries on one connection", tries))
		}},
		{"S22", "a token of another issuer, without a signature, empty and huge", "identity.Tokens.Authenticate", true, func(a *sshArena) (err error) {
			parts := strings.Split(a.CIToken(a.t), ".")
			for _, token := range []string{"", " ", parts[0] + "." + parts[1] + ".", "eyJhbGciOiJub25lIn0." + parts[1] + ".", strings.Repeat("a", 200<<10), a.CIToken(a.t) + "x"} {
				err = errors.Join(err, a.inside("box+ops", ssh.Password(token)))
			}
			return err
		}},
		{"S23", "a token that is bound to another resource", "session.Engine.Open", true, func(a *sshArena) error {
			return a.inside("box+ops", ssh.Password(a.Exchange(a.t, a.api, "wide", "wider")))
		}},
		{"S24", "user names that are none, and tricks with `+`, `/`, zero bytes and 100 kB", "identity.ParseSSHUser", true, func(a *sshArena) (err error) {
			for _, user := range []string{
				"", "root", "+", "box+", "+ops", "box++ops", "box+ops+wider", "box/x+ops", "../box+ops", "box+ops\x00", "box\x00+ops", "BOX+OPS", "box +ops", "box+ops ", "wide+ops", "box+wider", "*+ops", "box+*",
				"box+ops\n", "ｂｏｘ+ops", "bох+ops", strings.Repeat("b", 100_000) + "+ops", "clinic+claims-etl", "clinic+ops",
			} {
				if in := a.inside(user, ssh.Password(a.CIToken(a.t))); in != nil {
					err = errors.Join(err, fmt.Errorf("%.40q: %w", user, in))
				}
			}
			return err
		}},
	}
}

// stolen signs for a certificate with a key that is not its own.
type stolen struct {
	ssh.Signer
	cert *ssh.Certificate
}

func (s stolen) PublicKey() ssh.PublicKey { return s.cert }

func revokedCertificate(a *sshArena) error {
	if err := a.grant(); err != nil {
		return err
	}
	how, err := a.holder("gated+guest", func(*ssh.Certificate) {})
	if err != nil {
		return err
	}
	c, err := a.dialWith(a.config("gated+guest", how))
	if err != nil {
		return fmt.Errorf("before: %w", err)
	}
	_ = c.Close()
	a.revoke()
	return a.inside("gated+guest", how)
}

// grant has the door of the resource gated opened.
func (a *sshArena) grant() error {
	if in := a.inside("gated+guest", ssh.Password(a.CIToken(a.t))); in != nil {
		return errors.New("it was let in without a grant")
	}
	var open struct{ Requests []struct{ ID string } }
	a.Call(a.t, a.api, "privacy-officers", "GET", "/v1/requests?state=open", nil, &open)
	for _, r := range open.Requests {
		var got map[string]any
		a.Call(a.t, a.api, "privacy-officers", "POST", "/v1/requests/"+r.ID+"/approve", map[string]string{"rationale": "because the test says so"}, &got)
	}
	return nil
}

func (a *sshArena) revoke() {
	var grants struct{ Grants []struct{ ID, State string } }
	a.Call(a.t, a.api, "privacy-officers", "GET", "/v1/grants", nil, &grants)
	for _, g := range grants.Grants {
		if g.State == "revoked" {
			continue
		}
		var got map[string]any
		a.Call(a.t, a.api, "privacy-officers", "POST", "/v1/grants/"+g.ID+"/revoke", map[string]string{"reason": "the run is over"}, &got)
	}
}

// raw sends bytes to the door and returns what came back until the gateway closed.
func (a *sshArena) raw(b []byte) (string, error) {
	nc, err := a.conn()
	if err != nil {
		return "", err
	}
	defer nc.Close() //nolint:errcheck // it was read to its end
	var wg sync.WaitGroup
	defer wg.Wait()
	wg.Go(func() { _, _ = nc.Write(b) }) // the gateway may have closed it
	got, err := io.ReadAll(nc)
	a.see(got)
	var ne net.Error
	if errors.As(err, &ne) && ne.Timeout() {
		return "", errors.New("the gateway kept the connection")
	}
	return string(got), nil // that it was reset is an end as well
}

// weak is an attempt to agree on algorithms that are not good enough.
func weak(id, tries string, change func(*ssh.ClientConfig)) sshRow {
	return sshRow{id, tries, "connector/ssh Connector.algorithms", false, func(a *sshArena) error {
		cfg := a.config("box+ops", ssh.Password(a.CIToken(a.t)))
		change(cfg)
		c, err := a.dialWith(cfg)
		if err != nil {
			return unless(strings.Contains(err.Error(), "no common algorithm"), "%v", err)
		}
		return errors.Join(errors.New("it was agreed on"), c.Close())
	}}
}

func sshWires() []sshRow {
	return []sshRow{
		{"S25", "1,000 connections of garbage, then a client", "login's limits", false, func(a *sshArena) error {
			var all []net.Conn
			defer func() {
				for _, c := range all {
					_ = c.Close()
				}
			}()
			for i := range 1000 {
				c, err := a.conn()
				if err != nil {
					return err
				}
				b := make([]byte, 64+i%512)
				if _, err := rand.Read(b); err != nil {
					return err
				}
				_, _ = c.Write(append([]byte([]string{"", "SSH-2.0-x\r\n", "GET / HTTP/1.1\r\n\r\n"}[i%3]), append(b, '\n')...)) // it may be closed
				if i%4 == 0 && len(all) < 200 {
					all = append(all, c)
				} else {
					_ = c.Close()
				}
			}
			return a.works()
		}},
		{"S26", "a version of 10 MB, and none that ends", "the library", false, func(a *sshArena) error {
			got, err := a.raw(append([]byte("SSH-2.0-"), bytes.Repeat([]byte("a"), 10<<20)...))
			return errors.Join(err, unless(len(got) < 4096, "%d bytes came", len(got)), a.works())
		}},
		{"S27", "SSH 1, and 1.99", "the library", false, func(a *sshArena) error {
			_, err := a.raw([]byte("SSH-1.5-old\r\n" + strings.Repeat("\x00", 64)))
			return errors.Join(err, a.works())
		}},
		{"S28", "packets before the keys: a request for a service, a login, a channel", "strict order of the key exchange", false, func(a *sshArena) (err error) {
			for _, kind := range []byte{5, 50, 52, 80, 90, 94, 98} {
				packet := append([]byte{0, 0, 0, 28, 10, kind}, make([]byte, 26)...)
				got, rerr := a.raw(append([]byte("SSH-2.0-x\r\n"), packet...))
				err = errors.Join(err, rerr, unless(strings.Count(got, "SSH-") == 1, "%q", got))
			}
			return err
		}},
		{"S29", "a packet of 4 GiB, one of no length, one that is all padding", "the library", false, func(a *sshArena) (err error) {
			for _, head := range []string{"\xff\xff\xff\xff\x04", "\x00\x00\x00\x00\x00", "\x00\x00\x00\x0c\xff", "\x00\x00\x00\x01\x00"} {
				_, rerr := a.raw([]byte("SSH-2.0-x\r\n" + head + strings.Repeat("\x14", 40)))
				err = errors.Join(err, rerr)
			}
			return errors.Join(err, a.works())
		}},
		{"S30", "a message slipped in before the keys (Terrapin)", "strict key exchange", false, func(a *sshArena) error {
			nc, err := a.conn()
			if err != nil {
				return err
			}
			defer nc.Close() //nolint:errcheck // it has ended
			_, _, _, err = ssh.NewClientConn(&slipped{Conn: nc}, "gateway", a.config("box+ops", ssh.Password(a.CIToken(a.t))))
			return unless(err != nil, "it was taken")
		}},
		weak("S31", "key exchanges with SHA-1 and small groups", func(c *ssh.ClientConfig) {
			c.KeyExchanges = []string{ssh.InsecureKeyExchangeDH1SHA1, ssh.InsecureKeyExchangeDH14SHA1, ssh.InsecureKeyExchangeDHGEXSHA1}
		}),
		weak("S32", "ciphers with CBC and RC4", func(c *ssh.ClientConfig) {
			c.Ciphers = []string{ssh.InsecureCipherAES128CBC, ssh.InsecureCipherTripleDESCBC, ssh.InsecureCipherRC4, ssh.InsecureCipherRC4128}
		}),
		weak("S33", "MACs with SHA-1", func(c *ssh.ClientConfig) {
			c.Ciphers, c.MACs = []string{ssh.CipherAES128CTR}, []string{ssh.InsecureHMACSHA196, ssh.HMACSHA1}
		}),
		weak("S34", "a host key that signs with SHA-1", func(c *ssh.ClientConfig) { c.HostKeyAlgorithms = []string{ssh.KeyAlgoRSA, "ssh-dss"} }),
		{"S35", "new keys for every 16 kB", "the library", false, func(a *sshArena) error {
			ans, err := a.openssh("wide+wider", "", "ssh", "-o", "RekeyLimit=16K", "target", "yes a line | head -n 100000")
			return errors.Join(err, unless(ans.out == strings.Repeat("a line\n", 100_000), "%d %d bytes %s", ans.code, len(ans.out), ans.err))
		}},
	}
}

// works reports whether an honest client is still served.
func (a *sshArena) works() error {
	ans := a.run("box+ops", "echo in")
	return unless(ans.out == "in\n", "an honest client got %+v", ans)
}

// slipped writes an SSH_MSG_IGNORE behind the client's list of algorithms.
type slipped struct {
	net.Conn
	writes int
}

func (s *slipped) Write(p []byte) (int, error) {
	n, err := s.Conn.Write(p)
	if s.writes++; err == nil && s.writes == 2 {
		_, err = s.Conn.Write(append([]byte{0, 0, 0, 12, 6, 2, 0, 0, 0, 0}, make([]byte, 6)...))
	}
	return n, err
}
