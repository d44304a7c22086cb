// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

// Package syslog is the sink that sends events as RFC 5424 messages over TLS,
// each with its length in front (RFC 5425).
//
// Syslog has no acknowledgement. A batch counts as arrived when it was written
// and the receiver has not closed the connection, nor sent an alert, in the
// moment after. What lay in its buffers when it died is not known to anybody, so
// that on every new connection the last events are sent again, as many as the
// configuration says. The receiver sees them twice, or finds a gap by their
// indexes if that was not enough.
package syslog

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"time"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/export/ocsf"
	"github.com/sallyport-dev/sallyport/internal/ship"
)

const op = "ship syslog"

// settle is how long the receiver is listened to after a batch.
const settle = 50 * time.Millisecond

// Options say where the receiver is.
type Options struct {
	Address string
	TLS     *tls.Config
	// Again is how many events are sent again on a new connection.
	Again uint64
	Now   func() time.Time
}

// Sink sends to one receiver.
type Sink struct {
	opt  Options
	conn *tls.Conn
	ring [][]byte // what was sent last, the oldest first
}

// New returns a sink. It connects when it has something to send.
func New(opt Options) *Sink { return &Sink{opt: opt} }

// Rewind implements [ship.Rewinder].
func (s *Sink) Rewind() uint64 { return s.opt.Again }

// Send implements [ship.Sink].
func (s *Sink) Send(ctx context.Context, b ship.Batch) error {
	frames := make([][]byte, len(b.Events))
	for i, e := range b.Events {
		frames[i] = Frame(b.Origin, e)
	}
	if s.conn == nil {
		if err := s.connect(ctx); err != nil {
			return err
		}
		if err := s.write(ctx, s.ring); err != nil {
			return err
		}
	}
	if err := s.write(ctx, frames); err != nil {
		return err
	}
	s.ring = append(s.ring, frames...)
	if over := len(s.ring) - int(s.opt.Again); over > 0 {
		s.ring = append([][]byte(nil), s.ring[over:]...)
	}
	return nil
}

func (s *Sink) connect(ctx context.Context) error {
	raw, err := (&net.Dialer{}).DialContext(ctx, "tcp", s.opt.Address)
	if err != nil {
		return unavailable("the syslog receiver cannot be reached", err)
	}
	conn := tls.Client(raw, s.opt.TLS)
	if err := conn.HandshakeContext(ctx); err != nil {
		_ = raw.Close() // nothing was sent
		return handshake(err)
	}
	s.conn = conn
	// With TLS 1.3 a receiver refuses a client's certificate after the handshake.
	if err := s.listen(); err != nil {
		_ = s.Close() // nothing was sent
		return handshake(err)
	}
	return nil
}

// handshake tells a receiver that is not the configured one, or does not want
// this client, from one that is not well.
func handshake(err error) error {
	var cert *tls.CertificateVerificationError
	if errors.As(err, &cert) || isAlert(err) {
		return sallyport.E(sallyport.Denied, op, "no TLS connection to the syslog receiver comes about").
			WithHint("look at the authority, the server name and the client certificate of both sides").Because(err)
	}
	return unavailable("no TLS connection to the syslog receiver comes about", err)
}

// isAlert reports whether the other side said by a TLS alert that it does not
// want the connection. With TLS 1.3 that comes after the handshake.
func isAlert(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && op.Op == "remote error"
}

func unavailable(msg string, err error) error {
	return sallyport.E(sallyport.Unavailable, op, msg).WithHint("look after the receiver").Because(err)
}

// write sends messages and then listens whether the receiver has anything
// against them. After an error the connection is given up.
func (s *Sink) write(ctx context.Context, frames [][]byte) error {
	conn := s.conn // which is given up below, perhaps while ctx ends
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	err := s.deliver(frames)
	if !stop() && err == nil {
		err = ctx.Err()
	}
	if err == nil {
		return nil
	}
	_ = s.Close() // it is broken
	if isAlert(err) {
		return handshake(err)
	}
	return unavailable("the connection to the syslog receiver broke", err)
}

func (s *Sink) deliver(frames [][]byte) error {
	if len(frames) == 0 {
		return nil
	}
	_, err := s.conn.Write(bytes.Join(frames, nil))
	// A receiver that does not want this client says so and hangs up; what it said
	// may be there although nothing can be written any more.
	if heard := s.listen(); heard != nil && (err == nil || isAlert(heard)) {
		return heard
	}
	return err
}

// listen waits a moment whether the receiver has anything to say. One of syslog
// has not: anything but silence is its end.
func (s *Sink) listen() error {
	if err := s.conn.SetReadDeadline(s.opt.Now().Add(settle)); err != nil {
		return err
	}
	var b [1]byte
	_, err := s.conn.Read(b[:])
	switch {
	case err == nil:
		return errors.New("the receiver answers, which is not syslog")
	case errors.Is(err, os.ErrDeadlineExceeded):
		return nil
	}
	return err
}

// Close ends the connection in order.
func (s *Sink) Close() error {
	if s.conn == nil {
		return nil
	}
	conn := s.conn
	s.conn = nil
	if err := conn.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
		return nil // it was broken, which was told when it broke
	}
	return nil
}

// facility is "log audit" of RFC 5424.
const facility = 13

// severities are those of syslog, by OCSF's severity_id.
var severities = [...]int{6, 6, 5, 4, 3}

// Frame returns the message of an event with its length in front. The message
// has the origin and the index in its structured data, and the event as text.
func Frame(origin string, e ocsf.Event) []byte {
	severity := 6
	if e.Severity >= 0 && e.Severity < len(severities) {
		severity = severities[e.Severity]
	}
	at := "-"
	if !e.Time.IsZero() {
		at = e.Time.UTC().Format("2006-01-02T15:04:05.000000Z")
	}
	host, _, _ := strings.Cut(origin, "/")
	msg := fmt.Appendf(nil, `<%d>1 %s %s sallyport - %s [sallyport@32473 origin="%s" index="%d"] `,
		facility*8+severity, at, word(host, 255), word(string(e.Type), 32), param(origin), e.Index)
	msg = append(msg, e.JSON...)
	frame := fmt.Appendf(make([]byte, 0, len(msg)+8), "%d ", len(msg))
	return append(frame, msg...)
}

// word is a header field: printable ASCII without spaces, or "-".
func word(s string, most int) string {
	s = strings.Map(func(r rune) rune {
		if r <= ' ' || r > '~' {
			return -1
		}
		return r
	}, s)
	if s == "" {
		return "-"
	}
	return s[:min(len(s), most)]
}

// param escapes a value of structured data.
func param(s string) string { return strings.NewReplacer(`\`, `\\`, `"`, `\"`, `]`, `\]`).Replace(s) }
