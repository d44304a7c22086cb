// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package upstream

import (
	"context"
	"errors"
	"net/http"
	"strconv"

	"github.com/sallyport-dev/sallyport/internal/mask"
	"github.com/sallyport-dev/sallyport/internal/session"
)

// Outcome is what became of a request.
type Outcome struct {
	Status string // as in [session.Result]; "" for what the rest says
	Code   int    // of the answer that the client got, 0 for none
	Bytes  uint64
	Rows   uint64
}

// Result is the outcome for the record. ctx is the request's, and err what kept its
// answer from being delivered.
func (o Outcome) Result(ctx context.Context, err error, masked []mask.Count) session.Result {
	r := session.Result{Status: o.Status, Bytes: o.Bytes, Rows: o.Rows, Masked: masked}
	if o.Code > 0 {
		r.Code, r.Tag = strconv.Itoa(o.Code), strconv.Itoa(o.Code)+" "+http.StatusText(o.Code)
	}
	switch {
	case r.Status != "":
	case err != nil && ctx.Err() != nil:
		r.Status = "cancelled"
	case err != nil || o.Code >= http.StatusBadRequest:
		r.Status = "error"
	default:
		r.Status = "ok"
	}
	return r
}

// Unanswered is the status of a request that had no answer: the target may have
// worked on it, unless nothing was sent.
func Unanswered(err error) string {
	if errors.Is(err, ErrUnsent) {
		return "skipped"
	}
	return "unknown"
}
