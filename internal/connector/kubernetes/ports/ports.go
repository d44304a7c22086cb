// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

// Package ports is SPDY/3.1 as Kubernetes forwards ports with it: a connection on
// which a client opens two streams for each forwarded connection, one for its bytes
// and one on which it is told of an error. It is the gateway's side toward a client
// ([Serve]) and toward a cluster ([Dial]).
//
// No length that a peer names is ever held in memory: data is handed on in pieces as
// it comes. SPDY as it is used here has no windows, so that a stream that nobody reads
// holds up the others of its connection.
package ports

import (
	"bufio"
	"encoding/binary"
	"errors"
	"io"
	"net/http"
	"sync"

	"github.com/moby/spdystream/spdy"
)

// Limits.
const (
	pieceLen   = 32 << 10
	maxControl = 16 << 10 // bytes of a frame that is not data
	maxHeader  = 1 << 10  // bytes of a header's name or value
	maxHeaders = 32
	// MaxStreams is how many streams a connection may have at once.
	MaxStreams = 256
)

// ErrProtocol says that the peer does not keep to the protocol.
var ErrProtocol = errors.New("the peer breaks the rules of the protocol")

// errClosed says that a stream or its connection is no more.
var errClosed = errors.New("the stream is closed")

// Accept is told of a stream that a peer opens, by the goroutine that reads, so that it
// must not wait. An error refuses the stream; what it returns else is called when the
// peer has been answered, and must not wait either.
type Accept func(*Stream) (begin func(), err error)

// Conn is a connection with streams. Its methods may be called from any goroutine.
type Conn struct {
	raw    io.ReadWriteCloser
	r      *bufio.Reader
	framer *spdy.Framer
	server bool
	accept Accept // of a server; nil for a client

	// Of the goroutine that reads.
	buf  []byte
	last spdy.StreamId // that the peer opened

	write sync.Mutex // one frame at a time
	w     *bufio.Writer

	mu      sync.Mutex
	streams map[spdy.StreamId]*Stream // guarded by mu
	next    spdy.StreamId             // guarded by mu
	err     error                     // why nothing more comes; guarded by mu

	gone chan struct{} // closed when nothing more comes
	once sync.Once
}

// Serve reads a connection whose peer opens streams. r holds what was read of raw
// already.
func Serve(raw io.ReadWriteCloser, r *bufio.Reader, accept Accept) (*Conn, error) {
	return start(raw, r, true, accept)
}

// Dial reads a connection on which streams are opened by [Conn.Open].
func Dial(raw io.ReadWriteCloser) (*Conn, error) {
	return start(raw, bufio.NewReader(raw), false, nil)
}

func start(raw io.ReadWriteCloser, r *bufio.Reader, server bool, accept Accept) (*Conn, error) {
	c := &Conn{
		raw: raw, r: r, server: server, accept: accept, buf: make([]byte, pieceLen), w: bufio.NewWriter(raw),
		streams: map[spdy.StreamId]*Stream{}, next: 1, gone: make(chan struct{}),
	}
	var err error
	c.framer, err = spdy.NewFramerWithOptions(c.w, r, spdy.WithMaxControlFramePayloadSize(maxControl), spdy.WithMaxHeaderFieldSize(maxHeader), spdy.WithMaxHeaderCount(maxHeaders))
	if err != nil {
		return nil, err
	}
	go c.read() // it ends with the connection, and Close waits for it
	return c, nil
}

// Gone is closed when nothing more comes from the peer.
func (c *Conn) Gone() <-chan struct{} { return c.gone }

// Err says why nothing more comes, after Gone; io.EOF where the peer has closed.
func (c *Conn) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// Close closes the connection with all of its streams and waits for what reads it.
func (c *Conn) Close() {
	c.once.Do(func() { _ = c.raw.Close() }) // it may be closed already
	c.end(errClosed)                        // what a stream waits for does not come
	<-c.gone
}

// Open opens a stream and waits until the peer has answered.
func (c *Conn) Open(h http.Header) (*Stream, error) {
	// A peer wants the numbers to rise, so that the frame leaves before the next one is
	// numbered.
	c.write.Lock()
	c.mu.Lock()
	id := c.next
	c.next += 2
	s, err := c.add(id, h)
	c.mu.Unlock()
	if err == nil {
		err = c.put(&spdy.SynStreamFrame{StreamId: id, Headers: h})
	}
	c.write.Unlock()
	if err != nil {
		return nil, err
	}
	select {
	case <-s.answered:
	case <-c.gone:
	}
	return s, s.refused()
}

// add adds a stream. The caller holds c.mu.
func (c *Conn) add(id spdy.StreamId, h http.Header) (*Stream, error) {
	switch {
	case c.err != nil:
		return nil, errClosed
	case len(c.streams) >= MaxStreams:
		return nil, errors.New("the connection has too many streams")
	}
	s := &Stream{conn: c, id: id, header: h, answered: make(chan struct{})}
	s.in, s.out = io.Pipe()
	c.streams[id] = s
	return s, nil
}

func (c *Conn) stream(id spdy.StreamId) *Stream {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.streams[id]
}

func (c *Conn) remove(id spdy.StreamId) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.streams, id)
}

// read hands on what comes until nothing more does.
func (c *Conn) read() {
	defer close(c.gone)
	for {
		if err := c.frame(); err != nil {
			c.once.Do(func() { _ = c.raw.Close() }) // so that nobody writes to it any more
			c.end(err)
			return
		}
	}
}

// end has nothing more come on any stream, for a reason; the first one counts.
func (c *Conn) end(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err == nil {
		c.err = err
	}
	if errors.Is(c.err, io.EOF) {
		err = io.ErrUnexpectedEOF // of a stream that did not end
	}
	for _, s := range c.streams {
		_ = s.out.CloseWithError(err) // it never fails
	}
}

// frame takes in one frame.
func (c *Conn) frame() error {
	head, err := c.r.Peek(8)
	if err != nil {
		if errors.Is(err, io.EOF) && len(head) > 0 {
			err = io.ErrUnexpectedEOF
		}
		return err
	}
	first, second := binary.BigEndian.Uint32(head), binary.BigEndian.Uint32(head[4:])
	if first&(1<<31) == 0 {
		if first == 0 {
			return ErrProtocol
		}
		_, _ = c.r.Discard(8) // they were there
		return c.data(spdy.StreamId(first), second&0xffffff, second>>24&1 != 0)
	}
	if !sized(first&0xffff, second&0xffffff) {
		return ErrProtocol
	}
	frame, err := c.framer.ReadFrame()
	if err != nil {
		return errors.Join(ErrProtocol, err)
	}
	return c.control(frame)
}

// sized reports whether a frame of control may have a length. Those with headers are
// read by their own length, which must not be less than what stands before them.
func sized(kind, length uint32) bool {
	least := uint32(0)
	switch spdy.ControlFrameType(kind) { //nolint:gosec // it has sixteen bits
	case spdy.TypeSynStream:
		least = 10
	case spdy.TypeSynReply, spdy.TypeHeaders:
		least = 4
	}
	return length >= least && length <= maxControl
}

// data hands on a frame of data. What comes for a stream that is no more is dropped.
func (c *Conn) data(id spdy.StreamId, left uint32, fin bool) error {
	s := c.stream(id)
	for left > 0 {
		n, err := c.r.Read(c.buf[:min(left, pieceLen)])
		if err != nil {
			return io.ErrUnexpectedEOF
		}
		left -= uint32(n) //nolint:gosec // it is no more than that
		if s != nil {
			_, _ = s.out.Write(c.buf[:n]) // nobody may read it any more
		}
	}
	if s != nil && fin {
		s.finished()
	}
	return nil
}

// control takes in a frame that is not data.
func (c *Conn) control(frame spdy.Frame) error {
	switch f := frame.(type) {
	case *spdy.SynStreamFrame:
		return c.opened(f)
	case *spdy.SynReplyFrame:
		s := c.stream(f.StreamId)
		if c.server || s == nil || !s.answer(nil) {
			return ErrProtocol
		}
		if f.CFHeader.Flags&spdy.ControlFlagFin != 0 {
			s.finished()
		}
	case *spdy.RstStreamFrame:
		if s := c.stream(f.StreamId); s != nil {
			s.reset()
			c.remove(f.StreamId)
		}
	case *spdy.PingFrame:
		if (f.Id&1 == 1) == c.server { // the peer's own
			return c.send(f)
		}
	}
	return nil // nothing that is needed
}

// opened answers a peer that opens a stream.
func (c *Conn) opened(f *spdy.SynStreamFrame) error {
	if !c.server || f.StreamId%2 == 0 || f.StreamId <= c.last {
		return ErrProtocol
	}
	c.last = f.StreamId
	c.mu.Lock()
	s, err := c.add(f.StreamId, f.Headers)
	c.mu.Unlock()
	var begin func()
	if err == nil {
		s.answer(nil)
		if begin, err = c.accept(s); err != nil {
			c.remove(f.StreamId)
		}
	}
	if err != nil {
		return c.send(&spdy.RstStreamFrame{StreamId: f.StreamId, Status: spdy.RefusedStream})
	}
	if err := c.send(&spdy.SynReplyFrame{StreamId: f.StreamId, Headers: http.Header{}}); err != nil {
		return err
	}
	if f.CFHeader.Flags&spdy.ControlFlagFin != 0 {
		s.finished()
	}
	if begin != nil {
		begin()
	}
	return nil
}

func (c *Conn) send(f spdy.Frame) error {
	c.write.Lock()
	defer c.write.Unlock()
	return c.put(f)
}

// put writes a frame. The caller holds c.write.
func (c *Conn) put(f spdy.Frame) error {
	if err := c.framer.WriteFrame(f); err != nil {
		return err
	}
	return c.w.Flush()
}
