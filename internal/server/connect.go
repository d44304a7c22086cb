// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package server

import (
	"context"
	"net/http"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/config"
	"github.com/sallyport-dev/sallyport/internal/httpgate/connect"
	"github.com/sallyport-dev/sallyport/internal/identity"
)

// openConnect makes the front that answers CONNECT, and its authority.
func (g *Gateway) openConnect(context.Context) error {
	if g.connectListener == nil {
		return nil
	}
	table := connectTable(g.cfg)
	var err error
	g.authority, err = connect.OpenAuthority(connect.AuthorityOptions{
		Path: g.path("keys", "connect.ca"), Hosts: table.Hosts(), Keys: g.vault, Now: g.deps.Now, Rand: g.deps.Rand, Log: g.deps.Log,
	})
	if err != nil {
		return err
	}
	g.connect = connect.New(connect.Options{
		Gate: g.gate, Table: table, Authority: g.authority, Identify: g.tokens, Tokens: identity.TokenHandler(g.tokens, granter{g}),
		Journal: g.events, TLS: g.connectTLS, Log: g.deps.Log,
	})
	return nil
}

// connectTable is the table of a configuration: what the types of resources bring
// along, and what an operator added.
func connectTable(cfg *config.Config) connect.Table {
	table := connect.Table{}
	for _, r := range cfg.Resources {
		switch {
		case !r.Connect:
			continue
		case r.Type == config.Warehouse:
			table[r.Name] = connect.BigQuery(r.BigQuery.URL)
		case r.Type == config.CloudStorage:
			table[r.Name] = connect.Storage(r.GCS.URL)
		}
		for _, h := range r.Hosts {
			table[r.Name] = append(table[r.Name], connect.Rule{Host: h.Host, Paths: h.Paths, Methods: h.Methods})
		}
	}
	return table
}

// ConnectAddress returns the address that answers CONNECT, "" where there is none.
func (g *Gateway) ConnectAddress() string {
	if g.connectListener == nil {
		return ""
	}
	return g.connectListener.Addr().String()
}

// connectInfo is the answer of GET /v1/connect.
type connectInfo struct {
	Listener    string   `json:"listener"`
	TLS         bool     `json:"tls"`
	Authorities string   `json:"authorities"` // PEM
	Hosts       []string `json:"hosts"`
}

// connect tells whoever is logged in what clients of CONNECT need. None of it is
// secret.
func (a *api) connect(_ context.Context, r *http.Request, _ caller) (any, error) {
	if _, err := query(r); err != nil {
		return nil, err
	}
	if a.g.connect == nil {
		return nil, sallyport.E(sallyport.NotFound, "connect", "this gateway answers no CONNECT").
			WithHint("its operator turns it on: listen.connect, and connect: true in a resource")
	}
	pem, err := a.g.authority.PEM()
	if err != nil {
		return nil, err
	}
	return connectInfo{a.g.ConnectAddress(), a.g.connectTLS != nil, string(pem), connectTable(a.g.cfg).Hosts()}, nil
}
