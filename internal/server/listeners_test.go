// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package server_test

import (
	"context"
	"testing"

	"github.com/sallyport-dev/sallyport/internal/config"
	"github.com/sallyport-dev/sallyport/internal/server"
	"github.com/sallyport-dev/sallyport/test/gatewaytest"
)

// TestNoPostgres: a gateway without a resource of PostgreSQL opens no listener for it, and
// needs no certificate of it.
func TestNoPostgres(t *testing.T) {
	g := gatewaytest.Start(t, gatewaytest.Resource("api", "caller",
		"  - {name: api, type: http, http: {url: \"http://127.0.0.1:1\", auth: {mode: none}, unlisted: judge}}\n"))
	g.Stop(t)
	cfg, err := config.Load(g.Config)
	if err != nil {
		t.Fatal(err)
	}
	cfg.Listen.Postgres = config.Listener{}
	cfg.Resources, cfg.Roles = cfg.Resources[1:], cfg.Roles[1:]
	if problems := cfg.Validate(); len(problems) > 0 {
		t.Fatal(problems)
	}
	gw, err := server.Open(t.Context(), cfg, deps())
	if err != nil {
		t.Fatal(err)
	}
	if gw.PostgresAddress() != "" || gw.HTTPAddress() == "" {
		t.Errorf("it listens on %q and %q", gw.PostgresAddress(), gw.HTTPAddress())
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- gw.Run(ctx) }()
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
}
