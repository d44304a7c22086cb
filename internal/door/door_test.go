// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package door_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"testing"
	"time"

	"github.com/sallyport-dev/sallyport/internal/door"
)

// places is how many may be at the door.
const places = 512

// TestServe fills the door with strangers, lets one of them in, and shuts.
func TestServe(t *testing.T) {
	t.Parallel()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	came, enter := make(chan struct{}, places+1), make(chan struct{})
	served := make(chan error, 1)
	go func() {
		served <- door.Serve(ctx, ln, "test", slog.New(slog.DiscardHandler), func(ctx context.Context, nc net.Conn, entered func()) error {
			came <- struct{}{}
			select {
			case <-enter:
				entered()
				if _, err := nc.Write([]byte("in")); err != nil {
					return err
				}
			case <-ctx.Done():
			}
			<-ctx.Done()
			return context.Cause(ctx)
		})
	}()
	dial := func() net.Conn {
		c, err := net.Dial("tcp", ln.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() }) // it may be closed already
		if err := c.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
			t.Fatal(err)
		}
		return c
	}
	for range places {
		dial()
		<-came
	}
	late := dial()
	if _, err := late.Read(make([]byte, 1)); !errors.Is(err, io.EOF) && !isReset(err) {
		t.Errorf("one too many at the door: %v", err)
	}
	enter <- struct{}{}
	// The place is free once the one that was let in says so.
	for len(came) == 0 {
		dial()
		select {
		case <-came:
			came <- struct{}{}
		case <-time.After(10 * time.Millisecond):
		}
	}
	stop()
	if err := <-served; err != nil {
		t.Error(err)
	}
}

// isReset reports whether a connection was closed before all of it was read.
func isReset(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && !op.Timeout()
}
