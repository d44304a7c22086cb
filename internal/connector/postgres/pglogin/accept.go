// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package pglogin

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"time"

	"github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/wire/pgwire"
)

// alpn is PostgreSQL's name in TLS's application-layer protocol negotiation
// (manual 55.2.11).
const alpn = "postgresql"

// opAccept names the step in errors.
const opAccept = "postgres accept"

// Defaults of [AcceptOptions].
const (
	DefaultTimeout     = 30 * time.Second
	DefaultMaxPassword = 16 << 10
)

// AcceptOptions are the terms on which clients are taken.
type AcceptOptions struct {
	// TLS is the listener's configuration; it is required, since there is no
	// way in without TLS. The minimum version is raised to 1.2 and ALPN is set.
	TLS *tls.Config
	// Timeout limits everything up to the credential; 0 means DefaultTimeout.
	Timeout time.Duration
	// MaxPassword limits the credential in bytes; 0 means DefaultMaxPassword.
	MaxPassword int
	// SkipPassword, when set, is asked after the start-up packet whether the
	// TLS session itself identifies the client (by certificate); then no
	// password is asked for and Client.Password is empty.
	SkipPassword func(tls.ConnectionState, pgwire.Startup) bool
	// Now reads the clock for the deadline of refusals; nil means time.Now.
	Now func() time.Time
}

func (o AcceptOptions) withDefaults() AcceptOptions {
	if o.Timeout <= 0 {
		o.Timeout = DefaultTimeout
	}
	if o.MaxPassword <= 0 {
		o.MaxPassword = DefaultMaxPassword
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return o
}

// Accept takes a client's connection up to its credential, or its cancel
// request. It negotiates TLS (by SSLRequest or directly), refuses plaintext,
// reads the start-up packet and asks for a password in clear text, which the
// TLS session protects.
//
// On success no deadline is set on the connection and it belongs to the caller.
// On an error the client has been told, and nc is closed. An error that wraps
// [io.EOF] means that the client left by itself: a probe of the port, or a psql
// that goes to ask its user for the password.
func Accept(ctx context.Context, nc net.Conn, o AcceptOptions) (*Client, error) {
	o = o.withDefaults()
	if o.TLS == nil {
		return nil, errors.Join(sallyport.E(sallyport.Internal, opAccept, "the listener has no TLS configuration"), nc.Close())
	}
	within, cancel := context.WithTimeout(ctx, o.Timeout)
	defer cancel()
	settle := expire(within, nc)
	a := &acceptor{nc: nc, o: o}
	c, err := a.accept(within)
	if late := settle(); late {
		err = tooLate(ctx, err)
	}
	if err != nil {
		a.refuse(err)
		return nil, err
	}
	return c, nil
}

// expire makes every read and write on nc fail once ctx is done. The function
// that it returns ends that, waits until it has ended, lifts the deadline and
// reports whether it was too late.
func expire(ctx context.Context, nc net.Conn) (settle func() (late bool)) {
	done := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(done)
		_ = nc.SetDeadline(time.Unix(1, 0)) // a closed connection fails by itself
	})
	return func() bool {
		late := !stop()
		if late {
			<-done
		}
		_ = nc.SetDeadline(time.Time{})
		return late
	}
}

// tooLate turns the error that a passed deadline caused into its reason.
func tooLate(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return sallyport.E(sallyport.Unavailable, opAccept, "the gateway is shutting down").
			WithHint("connect again").Because(errors.Join(pgwire.AdminShutdown, err))
	}
	return sallyport.E(sallyport.Unauthenticated, opAccept, "the start-up was not finished in time").
		WithHint("check the network between client and gateway").Because(errors.Join(pgwire.QueryCanceled, err))
}

// acceptor is the state of one Accept.
type acceptor struct {
	nc   net.Conn
	o    AcceptOptions
	tls  *tls.Conn // set when the handshake is done
	mute bool      // set while an ErrorResponse would fall into a TLS handshake
}

func (a *acceptor) accept(ctx context.Context) (*Client, error) {
	first, err := a.plain()
	if err != nil {
		return nil, err
	}
	if first.cancel != nil {
		return &Client{Conn: a.nc, Cancel: first.cancel, now: a.o.Now}, nil
	}
	if err := a.handshake(ctx, first); err != nil {
		return nil, err
	}
	return a.startup()
}

// opening is what the plaintext phase ended with: a cancel request, or the
// beginning of a TLS handshake with the bytes of it that were read already.
type opening struct {
	cancel *pgwire.CancelKey
	direct bool
	head   []byte
}

// plain reads start-up packets until one asks for TLS. It reads as much as
// there is: a client has to wait for the answer to each packet, so bytes behind
// one were put there by somebody in between who hopes that they will later pass
// for bytes that came through TLS (the class of CVE-2021-23214).
func (a *acceptor) plain() (opening, error) {
	gssAsked := false
	for {
		packet, err := a.readPlain(!gssAsked)
		if err != nil {
			return opening{}, err
		}
		if packet[0] == recordHandshake {
			return opening{direct: true, head: packet}, nil
		}
		s, err := pgwire.DecodeStartup(packet)
		if err != nil {
			return opening{}, err
		}
		switch s.Kind {
		case pgwire.StartupSSLRequest:
			a.mute = true
			_, err := a.nc.Write([]byte{'S'})
			return opening{}, wrapIO(err)
		case pgwire.StartupGSSENCRequest:
			if gssAsked {
				return opening{}, violation("a request for GSSAPI encryption was repeated")
			}
			gssAsked = true
			if _, err := a.nc.Write([]byte{'N'}); err != nil {
				return opening{}, wrapIO(err)
			}
		case pgwire.StartupCancelRequest:
			// libpq before version 17 sends these without TLS, always.
			return opening{cancel: cloneKey(s.Cancel)}, nil
		default:
			return opening{}, sallyport.E(sallyport.Unauthenticated, opAccept, "TLS is required").
				WithHint("connect with sslmode=require, better sslmode=verify-full").Because(pgwire.InvalidAuthorization)
		}
	}
}

// recordHandshake is the first byte of every TLS connection. As the first byte
// of a start-up packet it would announce 350 MB, so the two cannot be confused.
const recordHandshake = 0x16

// readPlain reads one start-up packet with nothing behind it or, when direct is
// allowed, the beginning of a TLS handshake.
func (a *acceptor) readPlain(direct bool) ([]byte, error) {
	buf := make([]byte, 0, 512)
	for {
		if len(buf) == cap(buf) {
			buf = append(buf, 0)[:len(buf)]
		}
		n, err := a.nc.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		if len(buf) > 0 && buf[0] == recordHandshake && direct {
			a.mute = true
			return buf, nil
		}
		total, ok, lerr := pgwire.NextStartup(buf)
		switch {
		case lerr != nil:
			return nil, lerr
		case ok && len(buf) > total:
			return nil, violation("there are bytes behind a start-up packet that has to be answered first")
		case ok && len(buf) == total:
			return buf, nil
		case err != nil:
			return nil, wrapIO(err)
		}
	}
}

// handshake does the server's side of TLS.
func (a *acceptor) handshake(ctx context.Context, first opening) error {
	cfg := a.o.TLS.Clone()
	cfg.NextProtos = []string{alpn}
	cfg.MinVersion = max(cfg.MinVersion, tls.VersionTLS12)
	under := a.nc
	if len(first.head) > 0 {
		under = &prefixed{Conn: a.nc, head: first.head}
	}
	conn := tls.Server(under, cfg)
	if err := conn.HandshakeContext(ctx); err != nil {
		return sallyport.E(sallyport.Unauthenticated, opAccept, "the TLS handshake failed").
			WithHint("the client must speak TLS 1.2 or later and trust the gateway's certificate").Because(reason(err))
	}
	a.tls, a.mute = conn, false
	if first.direct && conn.ConnectionState().NegotiatedProtocol != alpn {
		return violation("TLS without an SSLRequest needs the ALPN protocol " + alpn)
	}
	return nil
}

// startup reads the start-up packet inside TLS and the credential.
func (a *acceptor) startup() (*Client, error) {
	s, err := a.readStartup()
	if err != nil {
		return nil, err
	}
	state := a.tls.ConnectionState()
	c := &Client{Conn: a.tls, TLS: &state, now: a.o.Now}
	switch s.Kind {
	case pgwire.StartupCancelRequest:
		c.Cancel = cloneKey(s.Cancel)
		return c, nil
	case pgwire.StartupMessage:
		c.Startup = s
	default:
		return nil, violation("a request for encryption was repeated inside TLS")
	}
	var out []byte
	if s.Negotiate() {
		out = pgwire.AppendNegotiateProtocolVersion(out, s.Version, s.Extensions)
	}
	if a.o.SkipPassword != nil && a.o.SkipPassword(state, s) {
		if _, err := a.tls.Write(out); len(out) > 0 && err != nil {
			return nil, wrapIO(err)
		}
		return c, nil
	}
	if _, err := a.tls.Write(pgwire.AppendAuthCleartext(out)); err != nil {
		return nil, wrapIO(err)
	}
	c.Password, err = a.readPassword()
	if err != nil {
		return nil, err
	}
	return c, nil
}

func (a *acceptor) readStartup() (pgwire.Startup, error) {
	var head [4]byte
	if _, err := io.ReadFull(a.tls, head[:]); err != nil {
		return pgwire.Startup{}, wrapIO(err)
	}
	total, _, err := pgwire.NextStartup(head[:])
	if err != nil {
		return pgwire.Startup{}, err
	}
	packet := append(make([]byte, 0, total), head[:]...)[:total]
	if _, err := io.ReadFull(a.tls, packet[len(head):]); err != nil {
		return pgwire.Startup{}, wrapIO(err)
	}
	return pgwire.DecodeStartup(packet)
}

// readPassword reads exactly one PasswordMessage; what a client may have sent
// behind it stays in the connection.
func (a *acceptor) readPassword() ([]byte, error) {
	var head [pgwire.HeaderLen]byte
	if _, err := io.ReadFull(a.tls, head[:]); err != nil {
		return nil, wrapIO(err)
	}
	if head[0] == pgwire.ClientTerminate {
		return nil, wrapIO(io.EOF)
	}
	if head[0] != pgwire.ClientPassword {
		return nil, violation("a password was asked for and another message came")
	}
	_, total, _, err := pgwire.Next(head[:], pgwire.MaxSmallClientMessage+a.o.MaxPassword)
	if err != nil || total > pgwire.HeaderLen+a.o.MaxPassword+1 {
		return nil, sallyport.E(sallyport.Unauthenticated, opAccept, "the credential is malformed or longer than the gateway takes").
			WithHint("put the token itself into the password, nothing around it").Because(errors.Join(pgwire.ProgramLimitExceeded, err))
	}
	body := make([]byte, total-pgwire.HeaderLen)
	if _, err := io.ReadFull(a.tls, body); err != nil {
		clear(body)
		return nil, wrapIO(err)
	}
	password, err := pgwire.DecodePassword(body)
	if err == nil && len(password) == 0 {
		err = sallyport.E(sallyport.Unauthenticated, opAccept, "the password is empty").
			WithHint("set PGPASSWORD to a token; sallyport env prints how").Because(pgwire.InvalidPassword)
	}
	if err != nil {
		clear(body)
		return nil, err
	}
	return password, nil
}

// refuse tells the client as far as the protocol allows, and closes.
func (a *acceptor) refuse(err error) {
	var to net.Conn = a.nc
	if a.tls != nil {
		to = a.tls
	}
	if a.mute || errors.Is(err, io.EOF) {
		_ = a.nc.Close() // there is nobody to tell
		return
	}
	farewell(to, pgwire.AppendErrorFrom(nil, pgwire.SeverityFatal, err), a.o.Now)
}

func violation(why string) error {
	return sallyport.E(sallyport.Invalid, opAccept, why).
		WithHint("the client does not speak PostgreSQL's protocol 3 correctly; check the driver, and what stands between it and the gateway").
		Because(pgwire.ProtocolViolation)
}

// wrapIO gives an error of the connection a kind.
func wrapIO(err error) error {
	if err == nil {
		return nil
	}
	return sallyport.E(sallyport.Unauthenticated, opAccept, "the client left before it said who it is").Because(reason(err))
}

// reason makes every end of a connection an [io.EOF], wherever in a message it
// came, and drops the addresses from the others.
func reason(err error) error {
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, net.ErrClosed):
		return io.EOF
	case errors.Is(err, os.ErrDeadlineExceeded):
		return os.ErrDeadlineExceeded
	}
	return err
}

func cloneKey(k pgwire.CancelKey) *pgwire.CancelKey {
	return &pgwire.CancelKey{PID: k.PID, Secret: bytes.Clone(k.Secret)}
}

// prefixed is a connection with bytes put back in front.
type prefixed struct {
	net.Conn
	head []byte
}

// Read returns the bytes put back first.
func (p *prefixed) Read(b []byte) (int, error) {
	if len(p.head) == 0 {
		return p.Conn.Read(b)
	}
	n := copy(b, p.head)
	if p.head = p.head[n:]; len(p.head) == 0 {
		p.head = nil
	}
	return n, nil
}
