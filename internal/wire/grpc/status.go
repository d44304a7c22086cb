// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package grpc

import (
	"errors"
	"strconv"
	"strings"
	"unicode/utf8"

	sallyport "github.com/sallyport-dev/sallyport"
)

// Code is how a call ends.
type Code uint32

// The codes.
const (
	OK Code = iota
	Cancelled
	Unknown
	InvalidArgument
	DeadlineExceeded
	NotFound
	AlreadyExists
	PermissionDenied
	ResourceExhausted
	FailedPrecondition
	Aborted
	OutOfRange
	Unimplemented
	Internal
	Unavailable
	DataLoss
	Unauthenticated
)

const codeNames = "OK CANCELLED UNKNOWN INVALID_ARGUMENT DEADLINE_EXCEEDED NOT_FOUND ALREADY_EXISTS PERMISSION_DENIED RESOURCE_EXHAUSTED " +
	"FAILED_PRECONDITION ABORTED OUT_OF_RANGE UNIMPLEMENTED INTERNAL UNAVAILABLE DATA_LOSS UNAUTHENTICATED"

// String is the code's name.
func (c Code) String() string {
	names := strings.Fields(codeNames)
	if int(c) < len(names) {
		return names[c]
	}
	return "UNKNOWN"
}

// The headers and trailers of a call, in the canonical form of net/http.
const (
	HeaderStatus         = "Grpc-Status"
	HeaderMessage        = "Grpc-Message"
	HeaderTimeout        = "Grpc-Timeout"
	HeaderEncoding       = "Grpc-Encoding"
	HeaderAcceptEncoding = "Grpc-Accept-Encoding"
	// Identity is the only encoding of messages.
	Identity = "identity"
)

// Status is how a call ends, with a text.
type Status struct {
	Code    Code
	Message string
}

// coded is a code that no kind of error stands for.
type coded struct{ code Code }

func (c coded) Error() string { return c.code.String() }

// Error is an error that is told as a code which no kind stands for.
func Error(c Code, msg string) *sallyport.Error {
	return sallyport.E(kindOf(c), "grpc", msg).Because(coded{c})
}

func kindOf(c Code) sallyport.Kind {
	switch c {
	case InvalidArgument, OutOfRange:
		return sallyport.Invalid
	case NotFound:
		return sallyport.NotFound
	case AlreadyExists, FailedPrecondition, Aborted:
		return sallyport.Conflict
	case PermissionDenied, Unimplemented:
		return sallyport.Denied
	case ResourceExhausted:
		return sallyport.Exhausted
	case Unauthenticated:
		return sallyport.Unauthenticated
	case Cancelled, DeadlineExceeded, Unavailable:
		return sallyport.Unavailable
	}
	return sallyport.Internal
}

// StatusOf is how a client is told of an error, with what to do about it. Clients
// repeat what is unavailable and leave all else.
func StatusOf(err error) Status {
	if err == nil {
		return Status{}
	}
	msg, hint := sallyport.Public(err)
	if hint != "" {
		msg += " (to do: " + hint + ")"
	}
	var c coded
	if errors.As(err, &c) {
		return Status{c.code, msg}
	}
	return Status{codeOf(sallyport.KindOf(err)), msg}
}

func codeOf(k sallyport.Kind) Code {
	switch k {
	case sallyport.Invalid:
		return InvalidArgument
	case sallyport.Unauthenticated:
		return Unauthenticated
	case sallyport.Denied, sallyport.Held:
		return PermissionDenied
	case sallyport.NotFound:
		return NotFound
	case sallyport.Conflict:
		return FailedPrecondition
	case sallyport.Exhausted:
		return ResourceExhausted
	case sallyport.Unavailable:
		return Unavailable
	}
	return Internal
}

// Bounds of a status, in bytes.
const (
	maxMessage = 4 << 10
	maxStatus  = 3
)

// Header returns the status as its headers have it.
func (s Status) Header() (code, message string) {
	return strconv.FormatUint(uint64(s.Code), 10), encode(s.Message)
}

// ParseStatus reads a status from its headers. ok is false where there is none.
func ParseStatus(code, message string) (s Status, ok bool) {
	if code == "" || len(code) > maxStatus {
		return s, false
	}
	n, err := strconv.ParseUint(code, 10, 32)
	if err != nil {
		return s, false
	}
	if s.Code = Code(n); s.Code > Unauthenticated {
		s.Code = Unknown
	}
	s.Message = decode(message)
	return s, true
}

// encode writes a message as a header can carry it: what is not printable ASCII is
// written in percent.
func encode(s string) string {
	const digits = "0123456789ABCDEF"
	if len(s) > maxMessage {
		s = strings.ToValidUTF8(s[:maxMessage], "")
	}
	var b strings.Builder
	for i := range len(s) {
		if c := s[i]; c >= ' ' && c <= '~' && c != '%' {
			b.WriteByte(c)
		} else {
			b.Write([]byte{'%', digits[c>>4], digits[c&15]})
		}
	}
	return b.String()
}

// decode is the reverse of encode. What is no number after a percent stays as it is.
func decode(s string) string {
	s = s[:min(len(s), 3*maxMessage)]
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '%' && i+2 < len(s) {
			if n, err := strconv.ParseUint(s[i+1:i+3], 16, 8); err == nil {
				b.WriteByte(byte(n))
				i += 2
				continue
			}
		}
		b.WriteByte(s[i])
	}
	out := b.String()
	if !utf8.ValidString(out) {
		out = strings.ToValidUTF8(out, "\uFFFD")
	}
	return out[:min(len(out), 3*maxMessage)]
}
