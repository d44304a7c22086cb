// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package ports

import (
	"errors"
	"io"
	"net/http"
	"sync"

	"github.com/moby/spdystream/spdy"

	"github.com/sallyport-dev/sallyport/internal/wire/spdywire"
)

// Stream is one stream of a connection. One goroutine reads it, and one writes.
type Stream struct {
	conn   *Conn
	id     spdy.StreamId
	header http.Header
	in     *io.PipeReader
	out    *io.PipeWriter // of the goroutine that reads the connection

	answered chan struct{} // closed when the peer has taken or refused the stream

	mu    sync.Mutex
	why   error // of a refusal; guarded by mu
	heard bool  // the peer has ended its side; guarded by mu
	said  bool  // this side has ended; guarded by mu
	told  bool  // answered is closed; guarded by mu
}

// Header holds what the stream was opened with. It must not be changed.
func (s *Stream) Header() http.Header { return s.header }

// Read reads what the peer writes; io.EOF where it has ended its side.
func (s *Stream) Read(p []byte) (int, error) { return s.in.Read(p) }

// Write writes to the peer.
func (s *Stream) Write(p []byte) (int, error) {
	n := 0
	for len(p) > 0 {
		if s.saidAll() {
			return n, errClosed
		}
		piece := p[:min(len(p), spdywire.MaxPiece)]
		if err := s.conn.send(&spdy.DataFrame{StreamId: s.id, Data: piece}); err != nil {
			return n, err
		}
		n += len(piece)
		p = p[len(piece):]
	}
	return n, nil
}

// CloseWrite says that nothing more comes from this side.
func (s *Stream) CloseWrite() error {
	s.mu.Lock()
	done := s.said
	s.said = true
	over := s.heard
	s.mu.Unlock()
	if done {
		return nil
	}
	err := s.conn.send(&spdy.DataFrame{StreamId: s.id, Flags: spdy.DataFlagFin})
	if over {
		s.conn.remove(s.id)
	}
	return err
}

// Close ends the stream on both sides: what still comes is dropped.
func (s *Stream) Close() error {
	err := s.CloseWrite()
	_ = s.in.CloseWithError(errClosed) // it never fails
	return err
}

// finished is told that the peer has ended its side.
func (s *Stream) finished() {
	_ = s.out.Close() // it never fails
	s.mu.Lock()
	s.heard = true
	over := s.said
	s.mu.Unlock()
	if over {
		s.conn.remove(s.id)
	}
}

// reset is told that the peer has given the stream up.
func (s *Stream) reset() {
	s.answer(errors.New("the peer refused the stream"))
	_ = s.out.CloseWithError(errClosed) // it never fails
	s.mu.Lock()
	defer s.mu.Unlock()
	s.said = true
}

// answer takes in what the peer says to the stream, once; it reports false when it was
// said already.
func (s *Stream) answer(why error) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.told {
		return false
	}
	s.told, s.why = true, why
	close(s.answered)
	return true
}

// refused is why the stream cannot be used, or nil.
func (s *Stream) refused() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.why == nil && !s.told {
		return errClosed
	}
	return s.why
}

func (s *Stream) saidAll() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.said
}
