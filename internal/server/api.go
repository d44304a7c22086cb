// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package server

import (
	"context"
	"crypto/tls"
	"errors"
	"net/http"
	"time"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/identity"
)

// serveAPI serves the HTTP API until ctx ends.
func (g *Gateway) serveAPI(ctx context.Context) error {
	mux := http.NewServeMux()
	mux.Handle("/v1/token", identity.TokenHandler(g.tokens, granter{g}))
	srv := &http.Server{
		Handler: mux, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 32 << 10,
	}
	done := make(chan error, 1)
	go func() { done <- srv.Serve(tls.NewListener(g.apiListener, g.apiTLS)) }()
	select {
	case err := <-done:
		return sallyport.E(sallyport.Unavailable, "api", "the API cannot be served").Because(err)
	case <-ctx.Done():
	}
	sctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	err := srv.Shutdown(sctx)
	if serr := <-done; !errors.Is(serr, http.ErrServerClosed) {
		err = errors.Join(err, serr)
	}
	return err
}
