// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package upstream

import (
	"context"
	"crypto/tls"
	"net"
)

// Spare is a connection in waiting.
type Spare struct{ s spare }

// NewSpare returns one for connections to one target.
func NewSpare(secure *tls.Config) *Spare { return &Spare{spare{secure: secure}} }

// Dial takes what is ready or makes a connection.
func (s *Spare) Dial(ctx context.Context, addr string) (net.Conn, error) {
	return s.s.dial(ctx, "tcp", addr)
}

// Settle waits for what is in the making.
func (s *Spare) Settle() { s.s.wg.Wait() }

// Ready reports whether a connection is in waiting.
func (s *Spare) Ready() bool {
	s.s.mu.Lock()
	defer s.s.mu.Unlock()
	return s.s.ready != nil
}

// Ended waits until the target has closed what is in waiting.
func (s *Spare) Ended() {
	s.s.mu.Lock()
	defer s.s.mu.Unlock()
	<-s.s.ready.done
}

// Close ends it.
func (s *Spare) Close() { s.s.close() }
