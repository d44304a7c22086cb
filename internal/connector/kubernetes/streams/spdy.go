// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package streams

import (
	"bufio"
	"io"
	"net/http"
	"slices"
	"sync"

	"github.com/moby/spdystream/spdy"

	"github.com/sallyport-dev/sallyport/internal/wire/spdywire"
)

const (
	maxStreams = 8 // that a peer may try to open
	streamType = "streamType"
)

// multiplex is a connection over SPDY/3.1.
type multiplex struct {
	frames *spdywire.Frames // writing is guarded by mu
	server bool
	wish   Wish
	open   chan struct{} // closed when every stream is open

	// Of the goroutine that reads.
	tried int
	last  spdy.StreamId
	seen  int // streams that are open, on both sides

	mu     sync.Mutex
	ids    map[Stream]spdy.StreamId // guarded by mu
	by     map[spdy.StreamId]Stream // guarded by mu
	ended  map[Stream]bool          // by this side; guarded by mu
	pinged uint32                   // guarded by mu
	bid    bool                     // guarded by mu
}

func newMultiplex(r *bufio.Reader, w io.Writer, server bool, wish Wish) (*multiplex, error) {
	m := &multiplex{
		server: server, wish: wish, open: make(chan struct{}), ids: map[Stream]spdy.StreamId{}, by: map[spdy.StreamId]Stream{}, ended: map[Stream]bool{}, pinged: 1,
	}
	if server {
		m.pinged = 2
	}
	var err error
	m.frames, err = spdywire.New(r, w)
	return m, err
}

// wanted are the streams that the connection must have.
func (m *multiplex) wanted() []Stream {
	var out []Stream
	for _, s := range []Stream{Status, Stdin, Stdout, Stderr, Resize} {
		if m.wish.has(s) {
			out = append(out, s)
		}
	}
	return out
}

// begin asks the peer for the streams.
func (m *multiplex) begin() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	var frames []spdy.Frame
	for i, s := range m.wanted() {
		id := spdy.StreamId(2*i + 1) //nolint:gosec // there are five at most
		m.ids[s], m.by[id] = id, s
		frames = append(frames, &spdy.SynStreamFrame{StreamId: id, Headers: http.Header{streamType: {s.name()}}})
	}
	return m.frames.Write(frames...)
}

// next implements link.
func (m *multiplex) next() (event, error) {
	for {
		frame, d, err := m.frames.Next()
		if err != nil {
			return event{}, err
		}
		if frame == nil {
			s, ok := m.stream(d.Of)
			if !ok {
				return event{}, errProtocol
			}
			if len(d.Bytes) > 0 || d.End {
				return event{stream: s, data: d.Bytes, end: d.End}, nil
			}
			continue
		}
		if e, ok, err := m.control(frame); err != nil || ok {
			return e, err
		}
	}
}

func (m *multiplex) stream(id spdy.StreamId) (Stream, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s, ok := m.by[id]
	return s, ok
}

// control takes in a frame that is not data.
func (m *multiplex) control(frame spdy.Frame) (event, bool, error) {
	switch f := frame.(type) {
	case *spdy.SynStreamFrame:
		return m.opened(f)
	case *spdy.SynReplyFrame:
		s, ok := m.stream(f.StreamId)
		if m.server || !ok {
			return event{}, false, errProtocol
		}
		m.settle()
		return event{stream: s, end: true}, f.CFHeader.Flags&spdy.ControlFlagFin != 0, nil
	case *spdy.RstStreamFrame:
		s, ok := m.stream(f.StreamId)
		if ok && !m.isOpen() {
			return event{}, false, errProtocol // a stream that is refused
		}
		return event{stream: s, end: true}, ok, nil
	case *spdy.PingFrame:
		if (f.Id&1 == 1) == m.server { // the peer's own
			return event{}, false, m.write(f)
		}
	}
	return event{}, false, nil // nothing that is needed
}

func (m *multiplex) isOpen() bool {
	select {
	case <-m.open:
		return true
	default:
		return false
	}
}

// settle counts a stream that is open on both sides.
func (m *multiplex) settle() {
	if m.seen++; m.seen == len(m.wanted()) {
		close(m.open)
	}
}

// opened answers a client that opens a stream. One that was not asked for is refused.
func (m *multiplex) opened(f *spdy.SynStreamFrame) (event, bool, error) {
	if m.tried++; !m.server || f.StreamId%2 == 0 || f.StreamId <= m.last || m.tried > maxStreams {
		return event{}, false, errProtocol
	}
	m.last = f.StreamId
	name := f.Headers.Get(streamType)
	i := slices.IndexFunc(m.wanted(), func(s Stream) bool { return s.name() == name })
	if i < 0 {
		return event{}, false, m.write(&spdy.RstStreamFrame{StreamId: f.StreamId, Status: spdy.RefusedStream})
	}
	s := m.wanted()[i]
	m.mu.Lock()
	_, twice := m.ids[s]
	m.ids[s], m.by[f.StreamId] = f.StreamId, s
	m.mu.Unlock()
	if twice {
		return event{}, false, errProtocol
	}
	if err := m.write(&spdy.SynReplyFrame{StreamId: f.StreamId, Headers: http.Header{}}); err != nil {
		return event{}, false, err
	}
	m.settle()
	return event{stream: s, end: true}, f.CFHeader.Flags&spdy.ControlFlagFin != 0, nil
}

func (m *multiplex) write(f spdy.Frame) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.bid {
		return io.ErrClosedPipe
	}
	return m.frames.Write(f)
}

// send implements link.
func (m *multiplex) send(s Stream, p []byte) error { return m.put(s, p, 0) }

// end implements link.
func (m *multiplex) end(s Stream) error { return m.put(s, nil, spdy.DataFlagFin) }

func (m *multiplex) put(s Stream, p []byte, flags spdy.DataFlags) error {
	m.mu.Lock()
	id, ok := m.ids[s]
	done := m.ended[s]
	m.ended[s] = done || flags != 0
	m.mu.Unlock()
	switch {
	case !ok, done && len(p) > 0:
		return io.ErrClosedPipe
	case done:
		return nil
	}
	return m.write(&spdy.DataFrame{StreamId: id, Flags: flags, Data: p})
}

// ping implements link.
func (m *multiplex) ping() error {
	m.mu.Lock()
	m.pinged += 2
	id := m.pinged
	m.mu.Unlock()
	return m.write(&spdy.PingFrame{Id: id})
}

// bye implements link. Of the reason nothing can be said.
func (m *multiplex) bye(string) error {
	for _, s := range m.wanted() {
		if err := m.end(s); err != nil {
			return err
		}
	}
	m.mu.Lock()
	last := spdy.StreamId(0)
	if m.server {
		for id := range m.by {
			last = max(last, id)
		}
	}
	m.mu.Unlock()
	err := m.write(&spdy.GoAwayFrame{LastGoodStreamId: last, Status: spdy.GoAwayOK})
	m.mu.Lock()
	m.bid = true
	m.mu.Unlock()
	return err
}
