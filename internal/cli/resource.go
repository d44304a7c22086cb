// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/spf13/cobra"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/catalog"
	"github.com/sallyport-dev/sallyport/internal/config"
	"github.com/sallyport-dev/sallyport/internal/connector/postgres"
	"github.com/sallyport-dev/sallyport/internal/mask/rules"
	"github.com/sallyport-dev/sallyport/internal/mask/scan/lexicon"
	"github.com/sallyport-dev/sallyport/internal/server"
	"github.com/sallyport-dev/sallyport/internal/vault"
)

func (a *app) resourceCommand() *cobra.Command {
	list := a.client(a.command("list", "List the resources that you may ask for", cobra.NoArgs,
		func(ctx context.Context, _ []string) error { return a.resourceList(ctx) }))
	var path string
	var rows int
	scan := withConfig(a.command("scan NAME", "Propose labels for the columns of a target", cobra.ExactArgs(1),
		func(ctx context.Context, args []string) error { return a.resourceScan(ctx, path, args[0], rows) }), &path)
	scan.Long = "Propose labels for the columns of a target. It connects as the configuration says, reads the catalogue and no\n" +
		"row, and prints a labels file to be read and corrected by somebody who knows the data. With --sample it reads\n" +
		"rows too, with the gateway's credential and beside the ledger, and proposes labels for columns whose names say\n" +
		"nothing but whose values do. It never proposes less protection for what it saw, and prints no value."
	scan.Flags().IntVar(&rows, "sample", 0, "rows of each table to look at; 0 reads none")
	return a.group("resource", "List resources, and propose labels for their columns", list, scan)
}

// scanWait bounds how long a scan may take.
const scanWait = 2 * time.Minute

func (a *app) resourceScan(ctx context.Context, path, name string, rows int) error {
	cfg, err := loadConfig(path)
	if err != nil {
		return err
	}
	for _, r := range cfg.Resources {
		if string(r.Name) == name {
			return a.scan(ctx, cfg, r, rows)
		}
	}
	return sallyport.E(sallyport.NotFound, "resource scan", "the configuration has no resource "+name).
		WithHint("its names stand under resources")
}

func (a *app) scan(ctx context.Context, cfg *config.Config, r config.Resource, rows int) error {
	ctx, cancel := context.WithTimeout(ctx, scanWait)
	defer cancel()
	v, err := a.vaultOf(cfg)
	if err != nil {
		return err
	}
	if r.Type != config.Postgres {
		return sallyport.E(sallyport.Invalid, "resource scan", "only databases have columns that could be looked through").
			WithHint("give the labels of an API's answers in http.labels, or for single routes in http.routes; those of what commands print in ssh.labels")
	}
	r.Labels = "" // the file is what comes out of this
	src := server.Sources{Lease: v.Lease, Lexicon: lexicon.Load, Log: slog.New(slog.DiscardHandler)}
	t, err := server.TargetConfig(ctx, r, src, a.deps(ctx, src.Log))
	if err != nil {
		return err
	}
	conn, err := dial(ctx, t)
	if err != nil {
		return err
	}
	p, err := catalog.Scan(ctx, conn)
	if err == nil && rows != 0 {
		err = a.sample(ctx, conn, &p, rows, t.Masking)
	}
	if err = errors.Join(err, conn.Close(ctx)); err != nil {
		return err
	}
	_, err = a.Stdout.Write(p.YAML())
	return err
}

// sample corrects a proposal by what the resource's own rules find in rows.
func (a *app) sample(ctx context.Context, conn *pgx.Conn, p *catalog.Proposal, rows int, rules *rules.Set) error {
	return p.Sample(ctx, conn, rows, rules.Text().Scanner)
}

// dial connects to a target with the credential that the gateway has for it,
// unable to change anything.
func dial(ctx context.Context, t postgres.TargetConfig) (*pgx.Conn, error) {
	const op = "resource scan"
	lease, err := t.Lease(ctx, vault.Ref(t.Credential))
	if err != nil {
		return nil, err
	}
	defer lease.Release()
	host, port, err := net.SplitHostPort(t.Address)
	if err != nil {
		return nil, sallyport.E(sallyport.Invalid, op, "the target's address is not host:port").Because(err)
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return nil, sallyport.E(sallyport.Invalid, op, "the target's port is no number").Because(err)
	}
	conf, err := pgx.ParseConfig("")
	if err != nil {
		return nil, sallyport.E(sallyport.Invalid, op, "the PG* variables of the environment are malformed").WithHint("unset them")
	}
	conf.Host, conf.Port, conf.Database = host, uint16(n), t.Database
	conf.User, conf.Password = first(lease.Username(), t.Username), string(lease.Password())
	conf.TLSConfig, conf.Fallbacks = t.TLS, nil
	conf.RuntimeParams = map[string]string{"application_name": "sallyport", "client_encoding": "UTF8", "default_transaction_read_only": "on"}
	conn, err := pgx.ConnectConfig(ctx, conf)
	if err != nil {
		return nil, sallyport.E(sallyport.Unavailable, op, "the target cannot be connected to").
			WithHint("look at its address, tls and credential").Because(err)
	}
	return conn, nil
}

// resourceInfo is a resource as the API lists it.
type resourceInfo struct {
	Name     string `json:"name"`
	Type     string `json:"type"`
	Listener string `json:"listener"`
	Roles    []struct {
		Role      string  `json:"role"`
		Connect   string  `json:"connect"`
		Approvers string  `json:"approvers"`
		MaxMS     int64   `json:"max_window_ms"`
		Grant     *window `json:"grant"`
	} `json:"roles"`
}

func (a *app) resourceList(ctx context.Context) error {
	c, err := a.connect()
	if err != nil {
		return err
	}
	defer c.close()
	var out struct {
		Resources []resourceInfo `json:"resources"`
	}
	raw, err := c.ask(ctx, http.MethodGet, "/v1/resources", nil, nil, &out)
	if err != nil {
		return err
	}
	t := table{head: []string{"NAME", "TYPE", "ROLE", "CONNECT", "APPROVERS", "LONGEST", "GRANTED UNTIL"}, empty: "there is no resource that you may ask for"}
	for _, r := range out.Resources {
		for _, e := range r.Roles {
			row := []string{r.Name, r.Type, e.Role, e.Connect, e.Approvers, "", ""}
			if e.MaxMS > 0 {
				row[5] = brief(time.Duration(e.MaxMS) * time.Millisecond)
			}
			if e.Grant != nil {
				row[6] = stamp(e.Grant.NotAfter)
			}
			t.rows = append(t.rows, row)
		}
	}
	return a.show(raw, t)
}
