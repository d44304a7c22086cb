// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package httpgate

import (
	"context"
	"errors"
	"net/http"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/mask"
	"github.com/sallyport-dev/sallyport/internal/wire/grpc"
)

// IsCall reports whether a request is a call of gRPC.
func IsCall(r *http.Request) bool {
	return r.ProtoMajor == 2 && r.Method == http.MethodPost && grpc.Is(r.Header.Get("Content-Type"))
}

// FailCall answers a call of which nothing has been answered yet with an error.
func FailCall(w http.ResponseWriter, err error) {
	h := callHeader(w)
	code, message := grpc.StatusOf(err).Header()
	h.Set(grpc.HeaderStatus, code)
	if message != "" {
		h.Set(grpc.HeaderMessage, message)
	}
	w.WriteHeader(http.StatusOK)
}

func callHeader(w http.ResponseWriter) http.Header {
	h := w.Header()
	h.Set("Content-Type", grpc.ContentType)
	h.Set("Cache-Control", "no-store")
	h.Set(grpc.HeaderAcceptEncoding, grpc.Identity)
	return h
}

// Reply is the answer to a call: messages, and a status at the end. It is used by
// one goroutine.
type Reply struct {
	w     http.ResponseWriter
	begun bool
	sent  uint64
}

// NewReply returns the answer that w takes. Nothing is sent yet.
func NewReply(w http.ResponseWriter) *Reply { return &Reply{w: w} }

// Bytes returns how many bytes of messages were sent.
func (r *Reply) Bytes() uint64 { return r.sent }

// Send sends one message, which is the parts one behind the other. Errors say that
// the client is gone.
func (r *Reply) Send(parts ...mask.Masked) error {
	if !r.begun {
		callHeader(r.w)
		r.w.WriteHeader(http.StatusOK)
		r.begun = true
	}
	n := 0
	for _, p := range parts {
		n += p.Len()
	}
	head := grpc.Header(n)
	if _, err := r.w.Write(head[:]); err != nil {
		return errors.Join(ErrBroken, err)
	}
	for _, p := range parts {
		written, err := p.WriteTo(r.w)
		if r.sent += uint64(written); err != nil { //nolint:gosec // it is no negative number
			return errors.Join(ErrBroken, err)
		}
	}
	if err := http.NewResponseController(r.w).Flush(); err != nil {
		return errors.Join(ErrBroken, err)
	}
	return nil
}

// End ends the call, well or with an error. A status can follow a part of an answer,
// so that nothing has to be broken off.
func (r *Reply) End(err error) {
	if !r.begun {
		if err != nil {
			FailCall(r.w, err)
			return
		}
		callHeader(r.w)
		r.w.WriteHeader(http.StatusOK)
	}
	h := r.w.Header()
	code, message := grpc.StatusOf(err).Header()
	h.Set(http.TrailerPrefix+grpc.HeaderStatus, code)
	if message != "" {
		h.Set(http.TrailerPrefix+grpc.HeaderMessage, message)
	}
}

// Timed returns the context of a call, which ends when the client's patience does.
func Timed(r *http.Request) (context.Context, context.CancelFunc, error) {
	d, err := grpc.ParseTimeout(r.Header.Get(grpc.HeaderTimeout))
	if err != nil {
		return nil, nil, err
	}
	if d == 0 {
		ctx, cancel := context.WithCancel(r.Context())
		return ctx, cancel, nil
	}
	ctx, cancel := context.WithTimeoutCause(r.Context(), d, errPatience())
	return ctx, cancel, nil
}

func errPatience() error {
	return grpc.Error(grpc.DeadlineExceeded, "the call took longer than its client waits").WithHint("send it with a later deadline")
}

// WhyEnded says why a call ended whose context is over: what its session or its
// deadline says. Otherwise it returns err.
func WhyEnded(ctx context.Context, err error) error {
	var why *sallyport.Error
	if ctx.Err() != nil && errors.As(context.Cause(ctx), &why) {
		return errors.Join(why, err)
	}
	return err
}
