// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package upstream

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
)

// Plain is the error of a request as it may be logged. The address of a request can
// name a record, and what net/http says of an answer that it cannot read has a part
// of the answer in it, so that only errors pass that are known to have neither.
func Plain(err error) error {
	var (
		op   *net.OpError
		cert *tls.CertificateVerificationError
		wait net.Error
	)
	switch {
	case err == nil:
		return nil
	case errors.As(err, &op):
		return op
	case errors.As(err, &cert):
		return cert
	case errors.Is(err, context.Canceled):
		return context.Canceled
	case errors.Is(err, context.DeadlineExceeded):
		return context.DeadlineExceeded
	case errors.As(err, &wait) && wait.Timeout():
		return errors.New("nothing came in time")
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return io.ErrUnexpectedEOF
	}
	return errors.New("the connection failed, or what came is no answer")
}
