// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package masktest

import (
	"bytes"
	"compress/gzip"
	"context"
	"io"
	"sync/atomic"
	"testing"
)

// Source is an object in memory.
type Source struct {
	Data     []byte
	Called   string // its name
	Media    string
	Encoding string
	// Gate, when not nil, is waited for before each piece of 64 KiB is read.
	Gate chan struct{}
	// Fails, when not nil, is what reading ends with after half of the object.
	Fails error

	Opened atomic.Int64 // how often it was opened
}

// Size returns the length of the object.
func (s *Source) Size() int64 { return int64(len(s.Data)) }

// Name returns the object's name.
func (s *Source) Name() string { return s.Called }

// ContentType returns the object's content type.
func (s *Source) ContentType() string { return s.Media }

// ContentEncoding returns how the object is packed.
func (s *Source) ContentEncoding() string { return s.Encoding }

// Open reads a range of the object.
func (s *Source) Open(ctx context.Context, offset, length int64) (io.ReadCloser, error) {
	s.Opened.Add(1)
	data := s.Data[min(offset, s.Size()):]
	if length >= 0 && length < int64(len(data)) {
		data = data[:length]
	}
	return &reading{ctx: ctx, s: s, rest: data}, nil
}

type reading struct {
	ctx  context.Context
	s    *Source
	rest []byte
}

// Read implements [io.Reader].
func (r *reading) Read(p []byte) (int, error) {
	if r.s.Gate != nil {
		select {
		case <-r.s.Gate:
		case <-r.ctx.Done():
			return 0, context.Cause(r.ctx)
		}
	}
	if r.s.Fails != nil && len(r.rest) <= len(r.s.Data)/2 {
		return 0, r.s.Fails
	}
	if len(r.rest) == 0 {
		return 0, io.EOF
	}
	n := copy(p[:min(len(p), 64<<10)], r.rest)
	r.rest = r.rest[n:]
	return n, nil
}

// Close implements [io.Closer].
func (r *reading) Close() error { return nil }

// Gzip packs data.
func Gzip(tb testing.TB, data []byte) []byte {
	tb.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := w.Write(data); err != nil {
		tb.Fatal(err)
	}
	if err := w.Close(); err != nil {
		tb.Fatal(err)
	}
	return b.Bytes()
}
