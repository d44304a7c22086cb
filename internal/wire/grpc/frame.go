// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package grpc

import (
	"encoding/binary"
	"errors"
	"io"
	"mime"

	sallyport "github.com/sallyport-dev/sallyport"
)

// ContentType is that of requests and answers.
const ContentType = "application/grpc"

// HeaderLen is the length of what stands before each message.
const HeaderLen = 5

// Is reports whether a Content-Type is that of a call whose messages are protocol
// buffers.
func Is(contentType string) bool {
	t, _, err := mime.ParseMediaType(contentType)
	return err == nil && (t == ContentType || t == ContentType+"+proto")
}

// Header is what stands before a message of n bytes.
func Header(n int) [HeaderLen]byte {
	var h [HeaderLen]byte
	binary.BigEndian.PutUint32(h[1:], uint32(n)) //nolint:gosec // messages are bounded far below
	return h
}

// Append appends a message as it stands in a body.
func Append(dst, msg []byte) []byte {
	h := Header(len(msg))
	return append(append(dst, h[:]...), msg...)
}

// Reader reads messages from a body. It is used by one goroutine.
type Reader struct {
	r   io.Reader
	max int
	buf []byte
}

// NewReader returns a reader of messages of at most max bytes each.
func NewReader(r io.Reader, max int) *Reader { return &Reader{r: r, max: max} }

// firstRead bounds what is held for a message before its bytes have come: what a
// header says of a length is only said.
const firstRead = 64 << 10

// Next returns the next message, which is good until the call after it, or [io.EOF]
// at the end. A body that ends inside a message is io.ErrUnexpectedEOF.
func (r *Reader) Next() ([]byte, error) {
	var h [HeaderLen]byte
	if _, err := io.ReadFull(r.r, h[:]); err != nil {
		return nil, err
	}
	switch h[0] {
	case 0:
	case 1:
		return nil, Error(Unimplemented, "the message is compressed in a way that was not announced").
			WithHint("send messages without compression: this side takes grpc-encoding identity only")
	default:
		return nil, sallyport.E(sallyport.Invalid, "grpc", "a message begins in a form that is not known").WithHint("send gRPC as HTTP/2 carries it")
	}
	length := binary.BigEndian.Uint32(h[1:])
	if uint64(length) > uint64(r.max) { //nolint:gosec // a limit is positive
		return nil, sallyport.E(sallyport.Exhausted, "grpc", "a message is larger than the gateway takes").WithHint("send smaller messages")
	}
	n := int(length)
	r.buf = r.buf[:0]
	for len(r.buf) < n {
		want := min(n-len(r.buf), max(firstRead, len(r.buf)))
		if free := cap(r.buf) - len(r.buf); free > want {
			want = min(n-len(r.buf), free)
		}
		at := len(r.buf)
		if cap(r.buf)-at < want {
			grown := make([]byte, at, at+want)
			copy(grown, r.buf)
			r.buf = grown
		}
		r.buf = r.buf[:at+want]
		if _, err := io.ReadFull(r.r, r.buf[at:]); err != nil {
			if errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
			return nil, err
		}
	}
	return r.buf, nil
}

// One returns the only message of a body: that of a call which sends one.
func One(r io.Reader, max int) ([]byte, error) {
	in := NewReader(r, max)
	msg, err := in.Next()
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return nil, sallyport.E(sallyport.Invalid, "grpc", "the call has no whole message").WithHint("send one message").Because(err)
	case err != nil:
		return nil, err
	}
	var more [1]byte
	if n, err := io.ReadFull(r, more[:]); n > 0 || !errors.Is(err, io.EOF) {
		return nil, sallyport.E(sallyport.Invalid, "grpc", "the call does not end after its message").WithHint("send one message").Because(err)
	}
	return msg, nil
}
