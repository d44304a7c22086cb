// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

// Package ports is SPDY/3.1 as Kubernetes forwards ports with it: a connection on
// which a client opens two streams for each forwarded connection, one for its bytes
// and one on which it is told of an error. It is the gateway's side toward a client
// ([Serve]) and toward a cluster ([Dial]).
//
// SPDY as it is used here has no windows, so that a stream that nobody reads
// holds up the others of its connection.
package ports

import (
	"bufio"
	"errors"
	"io"
	"net/http"
	"sync"

	"github.com/moby/spdystream/spdy"

	"github.com/sallyport-dev/sallyport/internal/wire/spdywire"
)

// MaxStreams is how many streams a connection may have at once.
const MaxStreams = 256

// ErrProtocol says that the peer does not keep to the protocol.
var ErrProtocol = spdywire.ErrProtocol

// errClosed says that a stream or its connection is no more.
var errClosed = errors.New("the stream is closed")

// Accept is told of a stream that a peer opens, by the goroutine that reads, so that it
// must not wait. An error refuses the stream; what it returns else is called when the
// peer has been answered, and must not wait either.
type Accept func(*Stream) (begin func(), err error)

// Conn is a connection with streams. Its methods may be called from any goroutine.
type Conn struct {
	raw    io.ReadWriteCloser
	frames *spdywire.Frames
	server bool
	accept Accept // of a server; nil for a client

	last spdy.StreamId // that the peer opened; of the goroutine that reads

	write sync.Mutex // one frame at a time

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
		raw: raw, server: server, accept: accept,
		streams: map[spdy.StreamId]*Stream{}, next: 1, gone: make(chan struct{}),
	}
	var err error
	c.frames, err = spdywire.New(r, raw)
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

// frame takes in one frame, or a piece of one.
func (c *Conn) frame() error {
	frame, d, err := c.frames.Next()
	switch {
	case err != nil:
		return err
	case frame != nil:
		return c.control(frame)
	}
	// What comes for a stream that is no more is dropped.
	if s := c.stream(d.Of); s != nil {
		if len(d.Bytes) > 0 {
			_, _ = s.out.Write(d.Bytes) // nobody may read it any more
		}
		if d.End {
			s.finished()
		}
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
	return c.frames.Write(f)
}
