// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package upstream

import (
	"context"
	"crypto/tls"
	"net"
	"sync"
	"time"
)

const (
	// handshake is how long the making of a connection may take.
	handshake = 10 * time.Second
	// keepSpare is how long a connection waits for the next one who needs it.
	keepSpare = 30 * time.Second
)

// spare has a connection ready for who needs one of its own, as programs in containers
// do: the next is made while the last one is used. Nothing was sent over it but what TLS
// wants. It is safe for concurrent use.
type spare struct {
	secure *tls.Config
	wg     sync.WaitGroup // one for a connection in the making

	mu     sync.Mutex
	ready  *watched           // guarded by mu
	expiry *time.Timer        // of it; guarded by mu
	making context.CancelFunc // of one in the making, nil for none; guarded by mu
	closed bool               // guarded by mu
}

// dial returns a connection, and has the next one made.
func (s *spare) dial(ctx context.Context, _, addr string) (net.Conn, error) {
	s.mu.Lock()
	ready := s.take()
	s.mu.Unlock()
	if ready != nil && ready.alive() {
		s.next(ctx, addr)
		return ready, nil
	}
	if ready != nil {
		_ = ready.Close() // the target has closed it already
	}
	c, err := s.make(ctx, addr)
	if err == nil {
		s.next(ctx, addr)
	}
	return c, err
}

// take returns what is ready, nil for nothing. The caller holds mu.
func (s *spare) take() *watched {
	c := s.ready
	if s.ready = nil; c != nil {
		s.expiry.Stop()
	}
	return c
}

func (s *spare) make(ctx context.Context, addr string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, handshake)
	defer cancel()
	return (&tls.Dialer{Config: s.secure}).DialContext(ctx, "tcp", addr)
}

// next has a connection made, if none is there or on its way. It outlives the request
// that it is made beside.
func (s *spare) next(ctx context.Context, addr string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || s.making != nil || s.ready != nil {
		return
	}
	ctx, s.making = context.WithCancel(context.WithoutCancel(ctx))
	s.wg.Go(func() {
		c, err := s.make(ctx, addr)
		s.mu.Lock()
		defer s.mu.Unlock()
		s.making()
		s.making = nil
		if err != nil {
			return // who needs one makes it, and hears why it cannot
		}
		w := watch(c)
		s.ready, s.expiry = w, time.AfterFunc(keepSpare, func() { s.drop(w) })
	})
}

// drop closes a connection that nobody has taken.
func (s *spare) drop(w *watched) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ready == w {
		s.ready = nil
		_ = w.Close() // nothing was sent over it
	}
}

// close closes what is ready and what is in the making.
func (s *spare) close() {
	s.mu.Lock()
	if s.closed = true; s.making != nil {
		s.making()
	}
	s.mu.Unlock()
	s.wg.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	if c := s.take(); c != nil {
		_ = c.Close() // nothing was sent over it
	}
}

// watched is a connection that is read from before anybody asks, so that it is known
// when its peer has closed it.
type watched struct {
	net.Conn
	done  chan struct{} // closed when first and err are there
	first [1]byte
	n     int
	err   error
	begun bool // the first byte has been handed on
}

func watch(c net.Conn) *watched {
	w := &watched{Conn: c, done: make(chan struct{})}
	go func() { // until the connection is closed, for which Close waits
		defer close(w.done)
		w.n, w.err = c.Read(w.first[:])
	}()
	return w
}

// alive reports whether nothing has come: neither an end, nor what nobody asked for.
func (w *watched) alive() bool {
	select {
	case <-w.done:
		return false
	default:
		return true
	}
}

// Read implements [io.Reader].
func (w *watched) Read(p []byte) (int, error) {
	if w.begun || len(p) == 0 {
		return w.Conn.Read(p)
	}
	<-w.done
	w.begun = true
	return copy(p, w.first[:w.n]), w.err
}

// Close implements [io.Closer].
func (w *watched) Close() error {
	err := w.Conn.Close()
	<-w.done
	return err
}
