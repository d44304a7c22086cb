// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

// Package spdywire reads and writes the frames of SPDY/3.1 (draft-mbelshe-httpbis-spdy-00,
// with the sessions of 3.1), as Kubernetes carries streams of programs and forwarded
// ports over it.
//
// No length that a peer names is ever held in memory: data is handed on in pieces as it
// comes, and frames of control are bounded. Frames are taken apart and put together by
// moby's framer but for those of data, which it would hold whole.
package spdywire

import (
	"bufio"
	"encoding/binary"
	"errors"
	"io"

	"github.com/moby/spdystream/spdy"
)

// Limits of what a peer may send.
const (
	// MaxPiece is how many bytes of data are handed on at once, at most.
	MaxPiece   = 32 << 10
	maxControl = 16 << 10 // bytes of a frame that is not data
	maxHeader  = 1 << 10  // bytes of a header's name or value
	maxHeaders = 32
	// headLen is how long the head of every frame is, in bytes.
	headLen = 8
)

// ErrProtocol says that the peer does not keep to the protocol.
var ErrProtocol = errors.New("the peer breaks the rules of SPDY")

// Data is a piece of what a stream carries. Bytes are good until the next call of
// [Frames.Next]; there can be none.
type Data struct {
	Of    spdy.StreamId
	Bytes []byte
	End   bool // the peer sends no more on the stream
}

// Frames is one connection's frames. One goroutine reads; those that write take turns.
type Frames struct {
	r      *bufio.Reader
	w      *bufio.Writer
	framer *spdy.Framer

	buf  []byte
	of   spdy.StreamId // whose data is being read, 0 for none
	left uint32        // bytes of it
	fin  bool          // it is the stream's last
}

// New returns the frames of a connection.
func New(r *bufio.Reader, w io.Writer) (*Frames, error) {
	f := &Frames{r: r, w: bufio.NewWriter(w), buf: make([]byte, MaxPiece)}
	var err error
	f.framer, err = spdy.NewFramerWithOptions(f.w, r, spdy.WithMaxControlFramePayloadSize(maxControl),
		spdy.WithMaxHeaderFieldSize(maxHeader), spdy.WithMaxHeaderCount(maxHeaders))
	return f, err
}

// Next returns the next frame of control, or nil and the next piece of data. Errors are
// io.EOF between two frames, [ErrProtocol], or those of the connection.
func (f *Frames) Next() (spdy.Frame, Data, error) {
	if f.of != 0 {
		d, err := f.piece()
		return nil, d, err
	}
	head, err := f.r.Peek(headLen)
	if err != nil {
		if errors.Is(err, io.EOF) && len(head) > 0 {
			err = io.ErrUnexpectedEOF
		}
		return nil, Data{}, err
	}
	first, second := binary.BigEndian.Uint32(head), binary.BigEndian.Uint32(head[4:])
	if first&(1<<31) == 0 {
		if first == 0 {
			return nil, Data{}, ErrProtocol
		}
		_, _ = f.r.Discard(headLen) // they were there
		f.of, f.left, f.fin = spdy.StreamId(first), second&0xffffff, second>>24&1 != 0
		d, err := f.piece()
		return nil, d, err
	}
	if !sized(spdy.ControlFrameType(first), second&0xffffff) {
		return nil, Data{}, ErrProtocol
	}
	frame, err := f.framer.ReadFrame()
	if err != nil {
		return nil, Data{}, errors.Join(ErrProtocol, err)
	}
	return frame, Data{}, nil
}

// sized reports whether a frame of control may have a length. Those with headers are
// read by their own length, which must not be less than what stands before them.
func sized(kind spdy.ControlFrameType, length uint32) bool {
	least := uint32(0)
	switch kind {
	case spdy.TypeSynStream:
		least = 10
	case spdy.TypeSynReply, spdy.TypeHeaders:
		least = 4
	}
	return length >= least && length <= maxControl
}

// piece reads from the frame of data that was begun.
func (f *Frames) piece() (Data, error) {
	d := Data{Of: f.of}
	if f.left > 0 {
		n, err := f.r.Read(f.buf[:min(f.left, MaxPiece)])
		if err != nil {
			if errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
			return Data{}, err
		}
		d.Bytes = f.buf[:n]
		f.left -= uint32(n) //nolint:gosec // it is no more than that
	}
	if f.left == 0 {
		d.End, f.of = f.fin, 0
	}
	return d, nil
}

// Write sends frames, together.
func (f *Frames) Write(frames ...spdy.Frame) error {
	for _, frame := range frames {
		if err := f.framer.WriteFrame(frame); err != nil {
			return err
		}
	}
	return f.w.Flush()
}
