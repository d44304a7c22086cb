// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package upstream

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net/http"
	"sync"
	"time"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/session"
)

// apart returns a transport of connections that have one request at a time: only HTTP/1.1
// can give one up to another protocol, and it carries long answers with less work.
func apart(secure *tls.Config, timeout time.Duration) *http.Transport {
	if secure != nil {
		secure = secure.Clone()
		secure.NextProtos = []string{"http/1.1"}
	}
	p := new(http.Protocols)
	p.SetHTTP1(true)
	return &http.Transport{
		TLSClientConfig: secure, Protocols: p, MaxIdleConnsPerHost: 64, IdleConnTimeout: 90 * time.Second, TLSHandshakeTimeout: handshake,
		ResponseHeaderTimeout: timeout, MaxResponseHeaderBytes: 64 << 10, DisableCompression: true,
	}
}

// Upgrade sends a statement's request for a connection that another protocol takes
// over; its headers name the protocol. It wants the statement's permit, as [Client.Ask]
// does. The body of an answer with the status 101 is the connection, an
// [io.ReadWriteCloser], which is closed when ctx ends; any other answer is the target's
// refusal.
func (c *Client) Upgrade(ctx context.Context, s *session.Session, p session.Permit, r Request) (*http.Response, error) {
	if !p.Valid(s) {
		return nil, sallyport.E(sallyport.Internal, c.protocol, "a request without a permit").Because(ErrUnsent)
	}
	req, err := c.request(ctx, s, r)
	if err != nil {
		return nil, err
	}
	req.Body, req.ContentLength = http.NoBody, 0
	res, err := c.upgrades.RoundTrip(req) // which follows nothing
	if res, err = c.answer(res, err, http.StatusSwitchingProtocols); err != nil {
		return nil, err
	}
	if res.StatusCode >= http.StatusOK {
		return res, nil
	}
	conn, ok := res.Body.(io.ReadWriteCloser)
	if !ok || res.StatusCode != http.StatusSwitchingProtocols {
		err := sallyport.E(sallyport.Unavailable, c.protocol, "the target answers with a status that is none")
		return nil, errors.Join(err, res.Body.Close())
	}
	u := &upgraded{ReadWriteCloser: conn}
	u.stop = context.AfterFunc(ctx, func() { _ = u.close() }) // who closes it first hears of an error
	res.Body = u
	return res, nil
}

// upgraded is a connection that ends with a context.
type upgraded struct {
	io.ReadWriteCloser
	stop func() bool
	once sync.Once
	err  error
}

// Close implements [io.Closer].
func (u *upgraded) Close() error {
	u.stop()
	return u.close()
}

func (u *upgraded) close() error {
	u.once.Do(func() { u.err = u.ReadWriteCloser.Close() })
	return u.err
}
