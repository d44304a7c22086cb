// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package ssh

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"slices"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/session"
	"github.com/sallyport-dev/sallyport/internal/vault"
)

const (
	// dialGrace is how long the target has for its key exchange and login.
	dialGrace = 30 * time.Second
	// certificateLife is how long a certificate is good that the gateway signs for
	// itself; it is used at once.
	certificateLife = 5 * time.Minute
)

// upstream is the one connection of a session to its target. It is opened by the
// first statement, and again by the next one when the target has ended it.
type upstream struct {
	k    *connection
	work sync.WaitGroup // of the goroutines that serve the connection

	mu   sync.Mutex
	conn ssh.Conn // nil while there is none; guarded by mu
	over bool     // guarded by mu
}

// open opens a channel for the command of a permit.
func (u *upstream) open(ctx context.Context, p session.Permit) (ssh.Channel, <-chan *ssh.Request, error) {
	ch, reqs, err := u.channel(ctx, p, "session", nil)
	if err != nil && sallyport.KindOf(err) == sallyport.Internal {
		return nil, nil, sallyport.E(sallyport.Unavailable, "target", "the target opens no session").
			WithHint("try again; if it stays so, the operator must look at the target").Because(err)
	}
	return ch, reqs, err
}

// forward opens a channel for the forwarded connection of a permit.
func (u *upstream) forward(ctx context.Context, p session.Permit, d directTCP) (ssh.Channel, <-chan *ssh.Request, error) {
	ch, reqs, err := u.channel(ctx, p, "direct-tcpip", ssh.Marshal(d))
	if err != nil && sallyport.KindOf(err) == sallyport.Internal {
		return nil, nil, sallyport.E(sallyport.Unavailable, "target", "the target cannot connect there").
			WithHint("does it allow that, and is something listening?").Because(err)
	}
	return ch, reqs, err
}

// channel opens a channel; why the target opens none is an error without a kind.
func (u *upstream) channel(ctx context.Context, p session.Permit, kind string, payload []byte) (ssh.Channel, <-chan *ssh.Request, error) {
	if !p.Valid(u.k.sess) {
		return nil, nil, sallyport.E(sallyport.Conflict, "target", "a statement has no permit")
	}
	conn, err := u.connected(ctx)
	if err != nil {
		return nil, nil, err
	}
	return conn.OpenChannel(kind, payload)
}

// connected returns the connection, and makes one where there is none.
func (u *upstream) connected(ctx context.Context) (ssh.Conn, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	switch {
	case u.over:
		return nil, sallyport.E(sallyport.Unavailable, "target", "the session has ended")
	case u.conn != nil:
		return u.conn, nil
	}
	conn, chans, reqs, err := u.dial(ctx)
	if err != nil {
		return nil, err
	}
	u.conn = conn
	gone := make(chan struct{})
	u.work.Go(func() { ssh.DiscardRequests(reqs) })
	u.work.Go(func() {
		for n := range chans { // a target has nothing to open here
			_ = n.Reject(ssh.Prohibited, "not allowed") // a target that is gone is noticed here
		}
		close(gone)
		u.lost(conn)
	})
	u.work.Go(func() { alive(gone, conn, u.k.target.cfg.Keepalive) })
	return conn, nil
}

// lost forgets a connection that has ended.
func (u *upstream) lost(conn ssh.Conn) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.conn == conn {
		u.conn = nil
	}
}

// close ends the connection and waits for what served it. It may be called more
// than once.
func (u *upstream) close() {
	u.mu.Lock()
	u.over = true
	conn := u.conn
	u.mu.Unlock()
	if conn != nil {
		_ = conn.Close() // it may be closed already
	}
	u.work.Wait()
}

// dial connects to the target and logs in with a leased credential.
func (u *upstream) dial(ctx context.Context) (ssh.Conn, <-chan ssh.NewChannel, <-chan *ssh.Request, error) {
	t, o := &u.k.target.cfg, &u.k.c.o
	lease, err := u.k.sess.Lease(ctx)
	if err != nil {
		return nil, nil, nil, err
	}
	defer lease.Release()
	auth, err := u.auth(lease)
	if err != nil {
		return nil, nil, nil, err
	}
	dialer := net.Dialer{Timeout: dialGrace / 2}
	nc, err := dialer.DialContext(ctx, "tcp", t.Address)
	if err != nil {
		return nil, nil, nil, unreachable("the target cannot be reached", err)
	}
	stop := context.AfterFunc(ctx, func() { _ = nc.Close() })
	defer stop()
	if err := nc.SetDeadline(o.Now().Add(dialGrace)); err != nil {
		return nil, nil, nil, errors.Join(unreachable("the target cannot be reached", err), nc.Close())
	}
	pin := &pinned{keys: t.HostKeys}
	conn, chans, reqs, err := ssh.NewClientConn(nc, t.Address, &ssh.ClientConfig{
		Config: u.k.c.algorithms(), User: t.User, Auth: auth, HostKeyCallback: pin.check, HostKeyAlgorithms: pin.algorithms(), ClientVersion: version,
	})
	if err == nil {
		err = nc.SetDeadline(time.Time{})
	}
	if err != nil {
		_ = nc.Close()
		if pin.other != nil {
			o.Log.Error("the host key of a target is not the pinned one", "resource", string(t.Resource), "found", ssh.FingerprintSHA256(pin.other))
			return nil, nil, nil, sallyport.E(sallyport.Integrity, "target", "the target's host key is not the one that is pinned, so that it may be another machine").
				WithHint("the operator finds out why; a new key goes into the resource's ssh.host_keys")
		}
		return nil, nil, nil, unreachable("the target did not let the gateway in", err)
	}
	return conn, chans, reqs, nil
}

func unreachable(what string, err error) error {
	return sallyport.E(sallyport.Unavailable, "target", what).
		WithHint("try again; if it stays so, the operator must look at the target and the resource's credential").Because(err)
}

// pinned knows the keys that a target may have.
type pinned struct {
	keys  []ssh.PublicKey
	other ssh.PublicKey // what was found in their place
}

func (p *pinned) check(_ string, _ net.Addr, key ssh.PublicKey) error {
	if slices.ContainsFunc(p.keys, func(k ssh.PublicKey) bool { return bytes.Equal(k.Marshal(), key.Marshal()) }) {
		return nil
	}
	p.other = key
	return errors.New("the host key is not pinned")
}

// algorithms are those of the pinned keys first, so that a target with several keys
// shows one that is known. The others follow, so that another key is seen as such.
func (p *pinned) algorithms() []string {
	var out []string
	for _, k := range p.keys {
		if k.Type() == ssh.KeyAlgoRSA {
			out = append(out, ssh.KeyAlgoRSASHA512, ssh.KeyAlgoRSASHA256)
			continue
		}
		out = append(out, k.Type())
	}
	for _, a := range []string{
		ssh.KeyAlgoED25519, ssh.KeyAlgoECDSA256, ssh.KeyAlgoECDSA384, ssh.KeyAlgoECDSA521, ssh.KeyAlgoRSASHA512, ssh.KeyAlgoRSASHA256,
	} {
		if !slices.Contains(out, a) {
			out = append(out, a)
		}
	}
	return out
}

// auth makes of a credential what proves the gateway to the target.
func (u *upstream) auth(lease *vault.Lease) ([]ssh.AuthMethod, error) {
	t := &u.k.target.cfg
	if t.Auth == Password {
		password := string(lease.Password()) // the library wants a string, and keeps it for the login alone
		return []ssh.AuthMethod{
			ssh.Password(password),
			ssh.KeyboardInteractive(func(_, _ string, questions []string, echos []bool) ([]string, error) {
				switch {
				case len(questions) == 0:
					return nil, nil
				case len(questions) == 1 && !echos[0]:
					return []string{password}, nil
				}
				return nil, errors.New("the target asks for more than a password")
			}),
		}, nil
	}
	signer, err := ssh.ParsePrivateKey(lease.Password())
	if err != nil {
		return nil, sallyport.E(sallyport.Invalid, "target", "the resource's credential is not a private key without a passphrase").
			WithHint("the operator stores one in PEM, as ssh-keygen -t ed25519 makes it")
	}
	if t.Auth == Certificate {
		if signer, err = u.certify(signer); err != nil {
			return nil, err
		}
	}
	return []ssh.AuthMethod{ssh.PublicKeys(signer)}, nil
}

// certify signs a fresh key for this session with the authority that the target
// trusts, so that the target's own log names the session.
func (u *upstream) certify(authority ssh.Signer) (ssh.Signer, error) {
	o, sess := &u.k.c.o, u.k.sess
	failed := func(err error) error {
		return sallyport.E(sallyport.Internal, "target", "no certificate for the target can be made").Because(err)
	}
	public, private, err := ed25519.GenerateKey(o.Rand)
	if err != nil {
		return nil, failed(err)
	}
	key, err := ssh.NewPublicKey(public)
	if err != nil {
		return nil, failed(err)
	}
	signer, err := ssh.NewSignerFromKey(private)
	if err != nil {
		return nil, failed(err)
	}
	var serial [8]byte
	if _, err := io.ReadFull(o.Rand, serial[:]); err != nil {
		return nil, failed(err)
	}
	now := o.Now()
	cert := &ssh.Certificate{
		Key: key, Serial: binary.BigEndian.Uint64(serial[:]), CertType: ssh.UserCert,
		KeyId:           "sallyport " + string(sess.Principal().ID) + " " + string(sess.ID()),
		ValidPrincipals: []string{u.k.target.cfg.User},
		ValidAfter:      uint64(max(now.Add(-time.Minute).Unix(), 0)), ValidBefore: uint64(max(now.Add(certificateLife).Unix(), 0)), //nolint:gosec // not negative
		Permissions: ssh.Permissions{Extensions: map[string]string{"permit-pty": ""}},
	}
	if err := cert.SignCert(o.Rand, authority); err != nil {
		return nil, failed(err)
	}
	out, err := ssh.NewCertSigner(cert, signer)
	if err != nil {
		return nil, failed(err)
	}
	return out, nil
}
