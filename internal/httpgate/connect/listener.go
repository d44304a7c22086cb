// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package connect

import (
	"net"
	"sync"
)

// bounded is a listener that holds so many connections at once, and closes those
// beyond.
type bounded struct {
	net.Listener
	slots chan struct{}
}

func newBounded(ln net.Listener, n int) *bounded { return &bounded{ln, make(chan struct{}, n)} }

// Accept implements net.Listener.
func (b *bounded) Accept() (net.Conn, error) {
	for {
		c, err := b.Listener.Accept()
		if err != nil {
			return nil, err
		}
		select {
		case b.slots <- struct{}{}:
			return &held{Conn: c, free: sync.OnceFunc(func() { <-b.slots })}, nil
		default:
			_ = c.Close() // it was told nothing, and tries again
		}
	}
}

// held is a connection that has a slot until it is closed.
type held struct {
	net.Conn
	free func()
}

// Close implements net.Conn.
func (h *held) Close() error {
	defer h.free()
	return h.Conn.Close()
}

// queue is a listener of connections that another server has taken.
type queue struct {
	addr   net.Addr
	conns  chan net.Conn
	closed chan struct{}
	close  func()
}

func newQueue(addr net.Addr) *queue {
	q := &queue{addr: addr, conns: make(chan net.Conn), closed: make(chan struct{})}
	q.close = sync.OnceFunc(func() { close(q.closed) })
	return q
}

// put hands a connection over, or closes it when nobody takes any more.
func (q *queue) put(c net.Conn) {
	select {
	case q.conns <- c:
	case <-q.closed:
		_ = c.Close() // the gateway is shutting down
	}
}

// Accept implements net.Listener.
func (q *queue) Accept() (net.Conn, error) {
	select {
	case c := <-q.conns:
		return c, nil
	case <-q.closed:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener.
func (q *queue) Close() error {
	q.close()
	return nil
}

// Addr implements net.Listener.
func (q *queue) Addr() net.Addr { return q.addr }
