// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

// Package streams carries what a program in a cluster reads and writes over one
// connection: the channel protocols of Kubernetes over WebSocket (v4.channel.k8s.io
// and v5.channel.k8s.io) and over SPDY/3.1 (v4.channel.k8s.io), the gateway's side of
// them both toward a client ([Offer]) and toward a cluster ([Dial]).
//
// It knows nothing of what the streams hold. A stream that nobody reads holds up those
// behind it on the same connection, so that a slow reader is felt by the writer; no
// length that a peer names is ever held in memory.
package streams

import (
	"errors"
	"io"
	"net"
	"slices"
	"sync"
	"time"

	sallyport "github.com/sallyport-dev/sallyport"
)

// Stream is one of a program's streams.
type Stream uint8

// The streams, by their numbers in the protocols over WebSocket. Status tells how the
// program ended, and Resize of the size of the client's terminal.
const (
	Stdin Stream = iota
	Stdout
	Stderr
	Status
	Resize
	count
)

// names are what the streams are called over SPDY.
func (s Stream) name() string {
	return [...]string{"stdin", "stdout", "stderr", "error", "resize"}[s]
}

// Wish is which streams a program is to have.
type Wish struct{ Stdin, Stdout, Stderr, TTY bool }

// has reports whether a stream is wished for. Over WebSocket every connection has a
// Resize.
func (w Wish) has(s Stream) bool {
	switch s {
	case Stdin:
		return w.Stdin
	case Stdout:
		return w.Stdout
	case Stderr:
		return w.Stderr
	case Resize:
		return w.TTY
	}
	return s == Status
}

// of returns those of streams that are wished for; what comes on others is dropped.
func (w Wish) of(streams ...Stream) []Stream {
	return slices.DeleteFunc(streams, func(s Stream) bool { return !w.has(s) })
}

// Limits.
const (
	// pieceLen is the most that is written in one frame.
	pieceLen = 32 << 10
	// pingEvery is how often a peer is asked for a sign: one that is gone is noticed
	// only when something is sent.
	pingEvery = 30 * time.Second
	// openWithin is how long a peer may take to open the streams.
	openWithin = 30 * time.Second
	// lastWords is how long the end of a connection may take to be taken.
	lastWords = 3 * time.Second
)

// errProtocol says that the peer does not keep to the protocol.
var errProtocol = errors.New("the peer breaks the rules of the protocol")

// event is what came over a connection: a piece of a stream, or its end.
type event struct {
	stream Stream
	data   []byte // good until the next event
	end    bool
}

// link is a connection in one of the protocols. next is called by one goroutine, the
// others by any.
type link interface {
	next() (event, error)
	send(s Stream, p []byte) error
	end(s Stream) error // nothing more comes on it
	ping() error
	bye(reason string) error
}

// Conn is a connection that carries streams.
type Conn struct {
	raw  io.ReadWriteCloser
	link link
	now  func() time.Time

	in   [count]*io.PipeReader
	out  [count]*io.PipeWriter
	gone chan struct{} // closed when nothing more comes
	stop chan struct{} // closed when the connection is closed
	err  error         // why nothing more comes; set before gone is closed
	once sync.Once
	wg   sync.WaitGroup
}

// serve starts to read a connection, of which the streams in reads are kept for their
// readers and all others dropped.
func serve(raw io.ReadWriteCloser, l link, now func() time.Time, reads ...Stream) *Conn {
	c := &Conn{raw: raw, link: l, now: now, gone: make(chan struct{}), stop: make(chan struct{})}
	for _, s := range reads {
		c.in[s], c.out[s] = io.Pipe()
	}
	c.wg.Go(c.read)
	c.wg.Go(c.live)
	return c
}

// read hands on what comes until nothing more does.
func (c *Conn) read() {
	defer close(c.gone)
	for {
		e, err := c.link.next()
		if err != nil {
			c.err = err
			for _, p := range c.out {
				if p != nil {
					_ = p.CloseWithError(err) // it never fails
				}
			}
			return
		}
		p := c.out[e.stream]
		if p == nil {
			continue
		}
		if len(e.data) > 0 {
			_, _ = p.Write(e.data) // nobody may read it any more
		}
		if e.end {
			_ = p.Close() // it never fails
		}
	}
}

// live asks the peer for signs of life.
func (c *Conn) live() {
	t := time.NewTicker(pingEvery)
	defer t.Stop()
	for {
		select {
		case <-c.stop:
			return
		case <-c.gone:
			return
		case <-t.C:
			if c.link.ping() != nil {
				_ = c.raw.Close() // so that reading ends
				return
			}
		}
	}
}

// Gone is closed when nothing more comes from the peer.
func (c *Conn) Gone() <-chan struct{} { return c.gone }

// Reader returns what the peer sends on a stream. It ends with io.EOF where the stream
// or the connection does in order.
func (c *Conn) Reader(s Stream) io.Reader {
	if c.in[s] == nil {
		return eof{}
	}
	return c.in[s]
}

type eof struct{}

func (eof) Read([]byte) (int, error) { return 0, io.EOF }

// Writer returns where the peer is written to on a stream. To close it says that
// nothing more comes; not every protocol can say so.
func (c *Conn) Writer(s Stream) io.WriteCloser { return &writer{c, s} }

type writer struct {
	c *Conn
	s Stream
}

// Write implements [io.Writer].
func (w *writer) Write(p []byte) (int, error) {
	n := 0
	for len(p) > 0 {
		piece := p[:min(len(p), pieceLen)]
		if err := w.c.link.send(w.s, piece); err != nil {
			return n, err
		}
		n += len(piece)
		p = p[len(piece):]
	}
	return n, nil
}

// Close implements [io.Closer].
func (w *writer) Close() error { return w.c.link.end(w.s) }

// Hurry bounds how long what is written may still take: the connection ends.
func (c *Conn) Hurry() {
	if d, ok := c.raw.(net.Conn); ok {
		_ = d.SetWriteDeadline(c.now().Add(lastWords)) // one that is closed needs none
	}
}

// Close says goodbye and closes the connection. What was written arrives, unless the
// peer does not take it in time. It waits for what reads the connection.
func (c *Conn) Close(reason string) {
	c.once.Do(func() {
		c.Hurry()
		close(c.stop)
		for _, p := range c.in {
			if p != nil {
				_ = p.Close() // what still comes is dropped
			}
		}
		if c.link.bye(reason) == nil {
			c.linger()
		}
		_ = c.raw.Close() // it may be closed already
		c.wg.Wait()
	})
}

// linger waits until a client has closed its side: to close a connection with bytes
// that were not read lets the peer lose what it has not read.
func (c *Conn) linger() {
	d, ok := c.raw.(net.Conn)
	if !ok {
		return
	}
	if h, ok := c.raw.(interface{ CloseWrite() error }); ok {
		_ = h.CloseWrite() // it may be closed already
	}
	_ = d.SetReadDeadline(c.now().Add(lastWords)) // as above
	<-c.gone
	_, _ = io.Copy(io.Discard, io.LimitReader(d, 1<<20)) // until the deadline at most
}

// ready waits for the streams of a connection to be open.
func (c *Conn) ready(open <-chan struct{}) error {
	t := time.NewTimer(openWithin)
	defer t.Stop()
	select {
	case <-open:
		return nil
	case <-c.gone:
	case <-t.C:
	}
	return sallyport.E(sallyport.Unavailable, op, "the streams were not opened").Because(c.err)
}

const op = "streams"
