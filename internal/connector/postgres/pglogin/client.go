// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package pglogin

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"time"

	"github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/wire/pgwire"
)

// Client is a client that has said who it wants to be, and is not believed yet;
// or a cancel request.
type Client struct {
	// Conn is the TLS connection; only a cancel request may have come without
	// TLS. No byte behind the credential has been read from it.
	Conn net.Conn
	// Cancel is set when the client sent a cancel request instead of a start-up:
	// look it up in [Keys], then close Conn without an answer. Nothing else is
	// set then but TLS.
	Cancel *pgwire.CancelKey
	// Startup is what the client asked for.
	Startup pgwire.Startup
	// Password is the credential; see [Client.ClearPassword].
	Password []byte
	// TLS is the state of the TLS session, nil without one.
	TLS *tls.ConnectionState

	now func() time.Time
}

// ClearPassword overwrites the credential. Call it as soon as it was verified.
func (c *Client) ClearPassword() {
	clear(c.Password)
	c.Password = nil
}

// ParameterStatus is a setting that a server reports.
type ParameterStatus struct{ Name, Value string }

// AppendReady appends what tells a client that it is logged in:
// AuthenticationOk, the ParameterStatus messages, BackendKeyData and
// ReadyForQuery with a transaction state of pgwire.
func AppendReady(dst []byte, params []ParameterStatus, key pgwire.CancelKey, tx byte) []byte {
	dst = pgwire.AppendAuthOK(dst)
	for _, p := range params {
		dst = pgwire.AppendParameterStatus(dst, p.Name, p.Value)
	}
	dst = pgwire.AppendBackendKeyData(dst, key)
	return pgwire.AppendReadyForQuery(dst, tx)
}

// Ready tells the client that it is logged in; see [AppendReady].
func (c *Client) Ready(ctx context.Context, params []ParameterStatus, key pgwire.CancelKey, tx byte) error {
	settle := expire(ctx, c.Conn)
	_, err := c.Conn.Write(AppendReady(nil, params, key, tx))
	if late := settle(); late && err == nil {
		err = ctx.Err()
	}
	if err != nil {
		return sallyport.E(sallyport.Unavailable, opAccept, "the client did not take the answer to its log-in").Because(err)
	}
	return nil
}

// Refuse tells the client err, as FATAL with its SQLSTATE and hint, and closes
// the connection. For a credential found wrong, give err the cause
// [pgwire.InvalidPassword].
func (c *Client) Refuse(err error) {
	c.ClearPassword()
	farewell(c.Conn, pgwire.AppendErrorFrom(nil, pgwire.SeverityFatal, err), c.now)
}

// Limits on a farewell.
const (
	farewellTime  = time.Second
	farewellBytes = 1 << 20
)

// farewell writes the last message and closes conn. Before it closes, it reads
// what the client is still sending: closing with unread bytes resets a TCP
// connection, and the reset would overtake the message.
func farewell(conn net.Conn, last []byte, now func() time.Time) {
	defer func() { _ = conn.Close() }() // its error could be told to nobody
	if conn.SetDeadline(now().Add(farewellTime)) != nil {
		return
	}
	if _, err := conn.Write(last); err != nil {
		return
	}
	under := conn
	if t, ok := conn.(*tls.Conn); ok {
		if t.CloseWrite() != nil {
			return
		}
		under = t.NetConn()
		if p, ok := under.(*prefixed); ok {
			under = p.Conn
		}
	}
	if half, ok := under.(interface{ CloseWrite() error }); ok && half.CloseWrite() != nil {
		return
	}
	_, _ = io.CopyN(io.Discard, under, farewellBytes)
}
