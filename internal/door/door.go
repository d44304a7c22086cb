// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

// Package door accepts connections for connectors whose clients log in on them. It
// bounds those that nobody has logged in on yet, so that strangers who hold many open
// cost little.
package door

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"sync"

	sallyport "github.com/sallyport-dev/sallyport"
)

// maxPending bounds the connections that are not logged in yet. Further ones are closed
// at once.
const maxPending = 512

// Serve accepts connections until ctx ends or the listener fails, and waits for those
// that it accepted. serve is the life of one, on a goroutine of its own; it calls entered
// once it is known who is there, or who is waited for. The connection is closed after it,
// and what it returns is logged as the session's end.
func Serve(ctx context.Context, ln net.Listener, protocol string, log *slog.Logger, serve func(ctx context.Context, nc net.Conn, entered func()) error) error {
	stop := context.AfterFunc(ctx, func() { _ = ln.Close() })
	defer stop()
	var wg sync.WaitGroup
	defer wg.Wait()
	pending := make(chan struct{}, maxPending)
	for {
		nc, err := ln.Accept()
		if err != nil {
			if ctx.Err() != nil {
				return nil
			}
			var ne net.Error
			if errors.As(err, &ne) && ne.Timeout() {
				continue
			}
			return sallyport.E(sallyport.Unavailable, protocol+" listener", "no connection can be accepted").Because(err)
		}
		select {
		case pending <- struct{}{}:
		default:
			_ = nc.Close() // too many at the door
			continue
		}
		wg.Go(func() {
			defer nc.Close() //nolint:errcheck // it was closed before where that matters
			var once sync.Once
			entered := func() { once.Do(func() { <-pending }) }
			defer entered()
			if err := serve(ctx, nc, entered); err != nil {
				log.Info("session ended", "protocol", protocol, "client", nc.RemoteAddr().String(), "err", err)
			}
		})
	}
}
