// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

// Package httpsend is what the sinks over HTTP have in common: a client that
// follows no redirect, and what a status means for the batch that was sent.
package httpsend

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/ship"
)

// MaxAnswer bounds what is read of an answer.
const MaxAnswer = 64 << 10

// Header is a header with a secret value, which is asked for at each request.
type Header struct {
	Name  string
	Value func(ctx context.Context) (string, error)
}

// Client posts batches to one URL.
type Client struct {
	Op      string
	URL     string
	Headers []Header
	Now     func() time.Time
	http    *http.Client
}

// New returns a client. conf may be nil.
func New(op, url string, conf *tls.Config, headers []Header, now func() time.Time) *Client {
	tr := &http.Transport{
		Proxy: http.ProxyFromEnvironment, TLSClientConfig: conf, ForceAttemptHTTP2: true,
		TLSHandshakeTimeout: 10 * time.Second, IdleConnTimeout: 90 * time.Second, MaxIdleConnsPerHost: 1,
		ResponseHeaderTimeout: 45 * time.Second,
	}
	return &Client{Op: op, URL: url, Headers: headers, Now: now, http: &http.Client{
		Transport: tr,
		// A redirect would take events and secrets elsewhere.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// Post sends a body and returns the answer's when its status is a success.
// retry lists the other statuses after which it is worth sending it again soon.
func (c *Client) Post(ctx context.Context, header http.Header, body []byte, retry ...int) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.URL, strings.NewReader(string(body)))
	if err != nil {
		return nil, sallyport.E(sallyport.Invalid, c.Op, "no request to the receiver can be made").Because(errors.New("the URL is malformed"))
	}
	req.Header = header.Clone()
	for _, h := range c.Headers {
		v, err := h.Value(ctx)
		if err != nil {
			return nil, err
		}
		req.Header.Set(h.Name, v)
	}
	res, err := c.http.Do(req)
	if err != nil {
		return nil, c.broken(err)
	}
	answer, err := io.ReadAll(io.LimitReader(res.Body, MaxAnswer))
	err = errors.Join(err, res.Body.Close())
	if res.StatusCode >= 200 && res.StatusCode <= 299 {
		if err != nil {
			return nil, c.broken(err)
		}
		return answer, nil
	}
	msg := fmt.Sprintf("the receiver answered %d %s", res.StatusCode, http.StatusText(res.StatusCode))
	if !slices.Contains(retry, res.StatusCode) {
		e := sallyport.E(sallyport.Denied, c.Op, msg).WithHint("the batch is kept and tried again slowly until the receiver takes it")
		if res.StatusCode == http.StatusRequestEntityTooLarge {
			return nil, &ship.TooLargeError{Err: e}
		}
		return nil, e
	}
	e := sallyport.E(sallyport.Unavailable, c.Op, msg).WithHint("look after the receiver")
	if d, ok := c.retryAfter(res.Header.Get("Retry-After")); ok {
		return nil, &ship.LaterError{After: d, Err: e}
	}
	return nil, e
}

// broken tells a receiver that is not the configured one from one that is away.
func (c *Client) broken(err error) error {
	var cert *tls.CertificateVerificationError
	if errors.As(err, &cert) {
		return sallyport.E(sallyport.Denied, c.Op, "the receiver's certificate does not verify").
			WithHint("look at its authority and its name").Because(cert)
	}
	return sallyport.E(sallyport.Unavailable, c.Op, "the receiver cannot be reached").WithHint("look after the receiver").Because(err)
}

// retryAfter reads the header of that name: seconds, or a time.
func (c *Client) retryAfter(text string) (time.Duration, bool) {
	if n, err := strconv.ParseUint(text, 10, 31); err == nil {
		return time.Duration(n) * time.Second, true
	}
	if t, err := http.ParseTime(text); err == nil {
		return max(t.Sub(c.Now()), 0), true
	}
	return 0, false
}

// Close ends the connections that are kept.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Foreign makes a receiver's words fit for a message: short, and nothing in them
// but what prints.
func Foreign(s string) string {
	s = strings.Map(func(r rune) rune {
		if r == unicode.ReplacementChar || !unicode.IsPrint(r) || unicode.Is(unicode.Bidi_Control, r) {
			return ' '
		}
		return r
	}, s)
	if r := []rune(s); len(r) > 200 {
		s = string(r[:200]) + "…"
	}
	return strings.TrimSpace(s)
}
