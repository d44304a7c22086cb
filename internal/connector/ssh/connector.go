// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

// Package ssh is the connector for targets that speak SSH. It ends the client's
// connection and opens one of its own to the target, and carries across what it
// has understood and nothing else: who may do what, what is held, recorded and
// masked is decided by the session engine on what this package reports.
//
// A client logs in with a certificate of the gateway's own authority or with a
// token, as the user RESOURCE+ROLE. One [connection] is one session of the engine;
// each [channel] on it runs one program at the target, for which it has a permit.
// The target is dialled by the first statement that needs it, its host key is
// pinned, and the client never holds what the gateway logs in with. Everything that
// could carry data past the masks (forwarding of ports, agents and displays) is
// refused and on record.
package ssh

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"time"

	"golang.org/x/crypto/ssh"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/door"
	"github.com/sallyport-dev/sallyport/internal/identity"
	"github.com/sallyport-dev/sallyport/internal/session"
)

// Protocol is the connector's name in the configuration and on the record.
const Protocol = "ssh"

const (
	// loginGrace is how long a connection has for its key exchange and login; the
	// time that a person takes to approve a grant does not count.
	loginGrace = 30 * time.Second
	// maxAuthTries bounds the failed attempts of one connection.
	maxAuthTries = 6
	// maxChannels bounds the channels that a connection has open at once.
	maxChannels = 10
	// maxRefusals bounds what is refused and put on record on one connection, which
	// ends with the next one.
	maxRefusals = 64
	// farewell is how long a client has to take what it is told at the end.
	farewell = 3 * time.Second
	// version is how the gateway introduces itself on both sides.
	version = "SSH-2.0-Sallyport"
)

// Options are what a connector works with. All are required.
type Options struct {
	Engine    *session.Engine
	Authority *identity.SSHAuthority // of the clients' certificates
	Targets   map[sallyport.ResourceID]*Target
	HostKey   ssh.Signer // by which clients know the gateway
	Now       func() time.Time
	Rand      io.Reader
	Log       *slog.Logger
}

// Connector accepts clients of SSH.
type Connector struct{ o Options }

// New returns a connector.
func New(o Options) *Connector { return &Connector{o: o} }

// Serve accepts connections until ctx ends or the listener fails, and waits for
// those that it accepted.
func (c *Connector) Serve(ctx context.Context, ln net.Listener) error {
	return door.Serve(ctx, ln, Protocol, c.o.Log, c.serve)
}

// serve is the life of one connection.
func (c *Connector) serve(ctx context.Context, nc net.Conn, entered func()) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	l := &login{c: c, ctx: ctx, nc: &watched{Conn: nc}, entered: entered, leave: cancel}
	srv, chans, reqs, err := l.handshake()
	if err != nil {
		return err
	}
	entered()
	k := &connection{
		c: c, srv: srv, sess: l.sess, target: c.o.Targets[l.sess.Resource().ID], slots: make(chan struct{}, maxChannels),
	}
	k.up.k = k
	err = k.run(chans, reqs)
	reason := "the client closed it"
	if err != nil {
		reason, _ = sallyport.Public(err)
	}
	return errors.Join(err, l.sess.Close(reason))
}

// algorithms is what both sides of the gateway speak: nothing with SHA-1, CBC, RC4
// or a group of less than 2048 bits.
func (c *Connector) algorithms() ssh.Config {
	return ssh.Config{
		Rand: c.o.Rand, RekeyThreshold: rekeyAfter,
		KeyExchanges: []string{
			ssh.KeyExchangeMLKEM768X25519, ssh.KeyExchangeCurve25519, ssh.KeyExchangeECDHP256, ssh.KeyExchangeECDHP384, ssh.KeyExchangeECDHP521,
			ssh.KeyExchangeDH16SHA512,
		},
		Ciphers: []string{
			ssh.CipherAES128GCM, ssh.CipherAES256GCM, ssh.CipherChaCha20Poly1305, ssh.CipherAES256CTR, ssh.CipherAES128CTR,
		},
		MACs: []string{ssh.HMACSHA256ETM, ssh.HMACSHA512ETM},
	}
}

// rekeyAfter is how many bytes pass under one key.
const rekeyAfter = 1 << 30

// signatures are the algorithms of keys that may prove something.
func signatures() []string {
	return []string{
		ssh.KeyAlgoED25519, ssh.KeyAlgoSKED25519, ssh.KeyAlgoSKECDSA256, ssh.KeyAlgoECDSA256, ssh.KeyAlgoECDSA384, ssh.KeyAlgoECDSA521,
		ssh.KeyAlgoRSASHA256, ssh.KeyAlgoRSASHA512,
	}
}
