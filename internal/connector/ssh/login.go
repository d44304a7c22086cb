// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package ssh

import (
	"context"
	"errors"
	"net"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/identity"
	"github.com/sallyport-dev/sallyport/internal/session"
)

// login is the door of one connection. Its callbacks run one after the other.
type login struct {
	c       *Connector
	ctx     context.Context // of the connection; callbacks of the library have none of their own
	nc      *watched
	entered func()
	leave   context.CancelFunc // ends ctx
	door    ssh.ServerPreAuthConn
	sess    *session.Session // set when somebody is in
	over    error            // why nobody on this connection will be let in any more
}

// errPlain refuses a key without a certificate, without a word on the record: a
// client offers whatever keys it has.
var errPlain = errors.New("only certificates of this gateway and tokens are accepted")

// watched is a client's connection that tells when the client has left. The library
// reads from it on a goroutine of its own, also while a client waits for a grant.
type watched struct {
	net.Conn

	mu    sync.Mutex
	left  bool   // guarded by mu
	leave func() // called when the client leaves, where somebody wants to know; guarded by mu
}

// Read implements [io.Reader].
func (w *watched) Read(b []byte) (int, error) {
	n, err := w.Conn.Read(b)
	if err != nil {
		w.mu.Lock()
		defer w.mu.Unlock()
		if w.left = true; w.leave != nil {
			w.leave()
		}
	}
	return n, err
}

// while has leave called if the client has left, or leaves before done is called.
func (w *watched) while(leave func()) (done func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.left {
		leave()
	}
	w.leave = leave
	return func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.leave = nil
	}
}

// handshake exchanges keys and lets the client in, or not. It opens the session.
func (l *login) handshake() (*ssh.ServerConn, <-chan ssh.NewChannel, <-chan *ssh.Request, error) {
	cfg := &ssh.ServerConfig{
		Config: l.c.algorithms(), PublicKeyAuthAlgorithms: signatures(), MaxAuthTries: maxAuthTries, ServerVersion: version,
		PreAuthConnCallback:         func(door ssh.ServerPreAuthConn) { l.door = door },
		PublicKeyCallback:           l.offered,
		VerifiedPublicKeyCallback:   l.proved,
		KeyboardInteractiveCallback: l.asked,
		PasswordCallback:            l.password,
	}
	cfg.AddHostKey(l.c.o.HostKey)
	stop := context.AfterFunc(l.ctx, func() { _ = l.nc.Close() })
	defer stop()
	if err := l.nc.SetDeadline(l.c.o.Now().Add(loginGrace)); err != nil {
		return nil, nil, nil, err
	}
	nc, err := l.greet(cfg)
	if err != nil {
		return nil, nil, nil, sallyport.E(sallyport.Unauthenticated, "login", "nobody logged in").Because(err)
	}
	srv, chans, reqs, err := ssh.NewServerConn(nc, cfg)
	if err == nil && l.sess == nil {
		err = errors.Join(sallyport.E(sallyport.Internal, "login", "a client was let in without a session"), srv.Close())
	}
	if err == nil {
		err = l.nc.SetDeadline(time.Time{})
	}
	if err != nil {
		if l.sess != nil {
			err = errors.Join(err, l.sess.Close("the client went away"))
		}
		return nil, nil, nil, sallyport.E(sallyport.Unauthenticated, "login", "nobody logged in").Because(err)
	}
	return srv, chans, reqs, nil
}

// tried is what a certificate has shown before its key was used.
type tried struct{}

// offered judges a key before the client has proved that it holds it.
func (l *login) offered(conn ssh.ConnMetadata, key ssh.PublicKey) (*ssh.Permissions, error) {
	cert, ok := key.(*ssh.Certificate)
	if !ok {
		return nil, errPlain
	}
	p, err := l.c.o.Authority.Check(l.record(), cert, conn.User())
	if err != nil {
		return nil, told(err)
	}
	perms := &ssh.Permissions{ExtraData: map[any]any{tried{}: p}}
	if from, ok := identity.SSHSources(cert); ok { // the library looks where the client is
		perms.CriticalOptions = map[string]string{"source-address": from}
	}
	return perms, nil
}

// proved lets in who holds the key of a certificate.
func (l *login) proved(conn ssh.ConnMetadata, _ ssh.PublicKey, perms *ssh.Permissions, _ string) (*ssh.Permissions, error) {
	p, ok := perms.ExtraData[tried{}].(identity.Proved)
	if !ok {
		return nil, errPlain
	}
	return perms, l.open(conn, session.Ask{Proved: p})
}

// asked asks for a token. It is asked for also where the user name is none, so
// that a guess learns nothing.
func (l *login) asked(conn ssh.ConnMetadata, ask ssh.KeyboardInteractiveChallenge) (*ssh.Permissions, error) {
	answers, err := ask("", "Sallyport: "+printable(conn.User()), []string{"Token: "}, []bool{false})
	if err != nil {
		return nil, err
	}
	if len(answers) != 1 {
		return nil, errors.New("one answer was wanted")
	}
	return nil, l.open(conn, session.Ask{Token: strings.TrimSpace(answers[0])})
}

// password takes a token in place of a password.
func (l *login) password(conn ssh.ConnMetadata, password []byte) (*ssh.Permissions, error) {
	defer clear(password)
	return nil, l.open(conn, session.Ask{Token: strings.TrimSpace(string(password))})
}

// open asks the engine for a session and puts its begin on record. Who was refused
// for another reason than a bad token is not asked again.
func (l *login) open(conn ssh.ConnMetadata, a session.Ask) error {
	if l.over != nil {
		return l.over
	}
	err := l.enter(conn, a)
	if err != nil && sallyport.KindOf(err) != sallyport.Unauthenticated {
		l.over = err
	}
	return told(err)
}

func (l *login) enter(conn ssh.ConnMetadata, a session.Ask) error {
	resource, role, ok := identity.ParseSSHUser(conn.User())
	if !ok {
		return sallyport.E(sallyport.Invalid, "login", "the user name is none").
			WithHint("log in as RESOURCE+ROLE; `sallyport resource list` shows those you may reach")
	}
	// A person may have to decide first; what bounds that is the engine's business.
	if err := l.nc.SetDeadline(time.Time{}); err != nil {
		return err
	}
	defer l.nc.while(l.leave)()
	a.Protocols, a.Resource, a.Role = []string{Protocol}, resource, role
	a.Client, a.TLS = client(conn), "ssh "+cipher(conn)
	a.Notify = func(message, hint string) {
		l.entered() // it is known who waits
		_ = l.door.SendAuthBanner(line(message, hint))
	}
	sess, err := l.c.o.Engine.Open(l.record(), a)
	if err != nil {
		return errors.Join(err, l.nc.SetDeadline(l.c.o.Now().Add(loginGrace)))
	}
	err = sess.Begin(l.ctx, session.Target{Lineage: "none", TLS: "ssh, host key pinned"})
	if err == nil {
		err = l.nc.SetDeadline(l.c.o.Now().Add(loginGrace))
	}
	if err != nil {
		return errors.Join(err, sess.Close("the session could not begin"))
	}
	l.sess = sess
	return nil
}

// record returns the context of the connection with the client's address in it.
func (l *login) record() context.Context {
	return identity.WithClient(l.ctx, l.nc.RemoteAddr().String())
}

// client names the other side for the record.
func client(conn ssh.ConnMetadata) string {
	v := strings.TrimPrefix(printable(string(conn.ClientVersion())), "SSH-2.0-")
	return conn.RemoteAddr().String() + " " + v[:min(len(v), 64)]
}

// cipher names the encryption of the client's leg for the record.
func cipher(conn ssh.ConnMetadata) string {
	if m, ok := conn.(ssh.AlgorithmsConnMetadata); ok {
		a := m.Algorithms()
		return a.KeyExchange + " " + a.Write.Cipher
	}
	return "unknown"
}

// told has the client hear why it is not let in.
func told(err error) error {
	if err == nil {
		return nil
	}
	message, hint := sallyport.Public(err)
	return &ssh.BannerError{Err: err, Message: line(message, hint)}
}

// line is what the gateway itself says to a client.
func line(message, hint string) string {
	s := "sallyport: " + printable(message)
	if hint != "" {
		s += "\nsallyport: to do: " + printable(hint)
	}
	return s + "\n"
}

// printable takes what could move a terminal out of a text.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 || r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069 || r == '\uFFFD' {
			return '?'
		}
		return r
	}, s)
}
