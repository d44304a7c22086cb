// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package bigquery

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"strings"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/httpgate"
	"github.com/sallyport-dev/sallyport/internal/httpgate/upstream"
	"github.com/sallyport-dev/sallyport/internal/session"
	"github.com/sallyport-dev/sallyport/internal/wire/grpc"
)

// maxMessage bounds one message of the service, in bytes. A batch of rows has up to
// 128 MB there.
const maxMessage = 129 << 20

// answers are the messages that the service answers a call with. They are used by one
// goroutine.
type answers struct {
	res *http.Response
	in  *grpc.Reader
	// credential are the headers that the request's stands in.
	credential []string
}

// askCall sends a call to the service. It may have been held since it was proven that
// the service masks for its role.
func (t *Target) askCall(ctx context.Context, s *session.Session, p session.Permit, r upstream.Request) (*answers, error) {
	if err := t.proven(ctx, s); err != nil {
		return nil, errors.Join(err, upstream.ErrUnsent)
	}
	c, err := t.storageAs(s.Role())
	if err != nil {
		return nil, err
	}
	res, err := c.Ask(ctx, s, p, r)
	if err != nil {
		return nil, err
	}
	if res.StatusCode != http.StatusOK || res.ProtoMajor != 2 || !grpc.Is(res.Header.Get("Content-Type")) {
		return nil, errors.Join(brokenAnswer(nil), res.Body.Close())
	}
	body := upstream.Guard(res.Request, c.CredentialHeaders(), res.Body)
	return &answers{res: res, in: grpc.NewReader(body, maxMessage), credential: c.CredentialHeaders()}, nil
}

// Close lets go of the answer, which ends the call where it has not ended.
func (a *answers) Close() { _ = a.res.Body.Close() } // nothing more of it is wanted

// next returns the next message, or nil at the end of a call that ends well. A call
// that ends otherwise is a *status, or an error of kind Unavailable.
func (a *answers) next() ([]byte, error) {
	b, err := a.in.Next()
	if err == nil {
		if b == nil {
			b = []byte{} // an empty message is one
		}
		return b, nil
	}
	if !errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, brokenAnswer(err)
	}
	h := a.res.Trailer
	if h.Get(grpc.HeaderStatus) == "" {
		h = a.res.Header // where there is nothing but a status
	}
	s, ok := grpc.ParseStatus(h.Get(grpc.HeaderStatus), h.Get(grpc.HeaderMessage))
	if _, err := io.Copy(io.Discard, upstream.Guard(a.res.Request, a.credential, strings.NewReader(s.Message))); err != nil {
		return nil, brokenAnswer(err) // the text is no part of the body, which is guarded
	}
	switch {
	case !ok:
		return nil, brokenAnswer(io.ErrUnexpectedEOF)
	case s.Code != grpc.OK:
		return nil, &status{s}
	}
	return nil, nil
}

// only returns the message of a call that is answered with one.
func (a *answers) only() ([]byte, error) {
	b, err := a.next()
	if err != nil {
		return nil, err
	}
	b = bytes.Clone(b)
	if more, err := a.next(); err != nil || more != nil {
		return nil, errors.Join(err, brokenAnswer(nil))
	}
	if b == nil {
		return nil, brokenAnswer(nil)
	}
	return b, nil
}

// status is how the service has ended a call that did not end well. What it says is
// no text for a client yet.
type status struct{ grpc.Status }

func (s *status) Error() string { return "the target answers " + s.Code.String() }

// said is how the service has ended a call, with the text for the client: that is for
// the client alone, and no part of the error.
type said struct {
	code grpc.Code
	text string
}

func (s *said) Error() string { return "the target answers " + s.code.String() }

// spoken makes of a status of the service what the client is told.
func (e *exchange) spoken(err error) error {
	var s *status
	if !errors.As(err, &s) {
		return err
	}
	return &said{s.Code, e.message(s.Message, "the target answers "+s.Code.String())}
}

// told is an error as the client hears it.
func told(ctx context.Context, err error) error {
	var s *said
	if errors.As(err, &s) && ctx.Err() == nil {
		return grpc.Error(s.code, s.text)
	}
	return err
}

// codeOf is how a call ends.
func codeOf(ctx context.Context, err error) grpc.Code {
	return grpc.StatusOf(told(ctx, httpgate.WhyEnded(ctx, err))).Code
}

// brokenAnswer is the error of an answer that did not come whole, or is none.
func brokenAnswer(err error) error {
	return sallyport.E(sallyport.Unavailable, "bigquery", "the target's answer broke off, or is in a form that is not known").
		WithHint("try again; rows that came may be kept, with their number as the offset").Because(upstream.Plain(err))
}
