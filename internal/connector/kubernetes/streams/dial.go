// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package streams

import (
	"bufio"
	"encoding/base64"
	"errors"
	"io"
	"net/http"
	"strings"
	"time"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/wire/websocket"
)

// Ask asks a cluster for a connection with a verb and headers. The body of an answer
// with the status 101 is the connection.
type Ask func(verb string, h http.Header) (*http.Response, error)

// Dialer asks clusters for connections.
type Dialer struct {
	Random io.Reader
	Now    func() time.Time
}

// Dial asks a cluster for a program's streams: over WebSocket, and over SPDY where the
// cluster does not take that, as releases before 1.30 do not. The cluster's answer is
// returned where it refuses; whoever gets it closes it.
func (d Dialer) Dial(ask Ask, wish Wish) (*Conn, *http.Response, error) {
	c, res, err := d.web(ask, wish)
	if err != nil || c != nil || !again(res.StatusCode) {
		return c, res, err
	}
	_ = res.Body.Close() // of a refusal that is not told
	return d.spdy(ask, wish)
}

// again reports whether a refusal may be that of the protocol.
func again(status int) bool {
	return status >= http.StatusBadRequest && status != http.StatusUnauthorized && status != http.StatusNotFound && status != http.StatusTooManyRequests
}

func (d Dialer) web(ask Ask, wish Wish) (*Conn, *http.Response, error) {
	var b [16]byte
	if _, err := io.ReadFull(d.Random, b[:]); err != nil {
		return nil, nil, sallyport.E(sallyport.Internal, op, "no randomness for a handshake").Because(err)
	}
	key := base64.StdEncoding.EncodeToString(b[:])
	res, err := ask(http.MethodGet, http.Header{
		"Connection": {"Upgrade"}, "Upgrade": {upgradeWeb}, "Sec-Websocket-Version": {"13"}, "Sec-Websocket-Key": {key}, "Sec-Websocket-Protocol": {v5},
	})
	raw, res, err := upgraded(res, err)
	if raw == nil {
		return nil, res, err
	}
	if res.Header.Get("Sec-Websocket-Accept") != websocket.AcceptKey(key) || res.Header.Get("Sec-Websocket-Protocol") != v5 {
		return nil, nil, stranger(raw)
	}
	r := bufio.NewReader(raw)
	return serve(raw, newWeb(r, raw, false, true, d.Random), d.Now, wish.of(Stdout, Stderr, Status)...), nil, nil
}

func (d Dialer) spdy(ask Ask, wish Wish) (*Conn, *http.Response, error) {
	res, err := ask(http.MethodPost, http.Header{"Connection": {"Upgrade"}, "Upgrade": {upgradeSPDY}, headerProtocol: {v4}})
	raw, res, err := upgraded(res, err)
	if raw == nil {
		return nil, res, err
	}
	if !strings.EqualFold(res.Header.Get("Upgrade"), upgradeSPDY) || res.Header.Get(headerProtocol) != v4 {
		return nil, nil, stranger(raw)
	}
	m, err := newMultiplex(bufio.NewReader(raw), raw, false, wish)
	if err != nil {
		return nil, nil, errors.Join(err, raw.Close())
	}
	c := serve(raw, m, d.Now, wish.of(Stdout, Stderr, Status)...)
	if err = m.begin(); err == nil {
		err = c.ready(m.open)
	}
	if err != nil {
		c.Close("")
		return nil, nil, err
	}
	return c, nil, nil
}

// upgraded returns the connection of an answer, or nil where it refuses one.
func upgraded(res *http.Response, err error) (io.ReadWriteCloser, *http.Response, error) {
	if err != nil {
		return nil, nil, err
	}
	if res.StatusCode != http.StatusSwitchingProtocols {
		return nil, res, nil
	}
	raw, ok := res.Body.(io.ReadWriteCloser)
	if !ok {
		return nil, nil, errors.Join(sallyport.E(sallyport.Internal, op, "the connection cannot be written to"), res.Body.Close())
	}
	return raw, res, nil
}

// stranger closes a connection that was given to another protocol than was asked for.
func stranger(raw io.Closer) error {
	err := sallyport.E(sallyport.Unavailable, op, "the target gives the connection to a protocol that was not asked for").
		WithHint("the request may have been executed; look before you send it again")
	return errors.Join(err, raw.Close())
}
