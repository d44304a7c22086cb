// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package connect_test

import (
	"io"
	"net"
	"testing"

	"github.com/sallyport-dev/sallyport/internal/httpgate/connect"
)

// TestBounded: connections beyond the bound are closed, and a slot that is free again
// is used.
func TestBounded(t *testing.T) {
	t.Parallel()
	ln, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	b := connect.Bounded(ln, 1)
	accepted, done := make(chan net.Conn, 3), make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := b.Accept()
			if err != nil {
				return
			}
			accepted <- c
		}
	}()
	dial := func() net.Conn {
		t.Helper()
		c, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", ln.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		return c
	}
	dial()
	first := <-accepted
	if _, err := io.ReadAll(dial()); err != nil { // closed without a word
		t.Log(err)
	}
	if len(accepted) != 0 {
		t.Error("a connection beyond the bound was accepted")
	}
	_ = first.Close()
	_ = first.Close() // which frees one slot, not two
	dial()
	second := <-accepted
	if _, err := io.ReadAll(dial()); err != nil {
		t.Log(err)
	}
	if len(accepted) != 0 {
		t.Error("closing twice has made two slots")
	}
	_ = second.Close()
	if err := b.Close(); err != nil {
		t.Error(err)
	}
	<-done
}
