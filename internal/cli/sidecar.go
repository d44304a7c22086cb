// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/identity"
	"github.com/sallyport-dev/sallyport/internal/sidecar"
)

// sidecarFlags are the flags of "sidecar".
type sidecarFlags struct {
	resource, role string
	address        string
	project        string
}

func (a *app) sidecarCommand() *cobra.Command {
	var f sidecarFlags
	var w waiting
	cmd := a.client(a.command("sidecar", "Serve gateway tokens to clients of Google Cloud, as a metadata server", cobra.NoArgs,
		func(ctx context.Context, _ []string) error { return a.sidecar(ctx, f, &w) }))
	cmd.Long = "Serve gateway tokens for one resource and role on a loopback address, as the metadata server of Google Cloud does: clients\n" +
		"take them without any file or login. Whoever can reach the address is you, so it is for a machine or a pod whose processes are\n" +
		"all the same workload. Your token is read anew whenever a gateway token has to be renewed. It prints its address when it\n" +
		"serves, and runs until SIGINT or SIGTERM; a gateway that refuses at the start ends it."
	cmd.Flags().StringVar(&f.resource, "resource", "", "resource")
	cmd.Flags().StringVar(&f.role, "role", "", "role")
	cmd.Flags().StringVar(&f.address, "listen", "127.0.0.1:8470", "loopback address to listen on; port 0 chooses one")
	cmd.Flags().StringVar(&f.project, "project", "", "project of Google Cloud that is told to clients")
	w.flags(cmd)
	return cmd
}

// sidecar serves until ctx ends.
func (a *app) sidecar(ctx context.Context, f sidecarFlags, w *waiting) error {
	t := identity.Target{Resource: sallyport.ResourceID(f.resource), Role: sallyport.RoleID(f.role)}
	if f.resource == "" || f.role == "" {
		return usage("name --resource and --role")
	}
	if a.settings.token == "-" {
		return usage("a token from standard input could not be read again; name its file")
	}
	if _, ok := identity.ParseAccount(t.Account()); !ok {
		return sallyport.E(sallyport.Invalid, "sidecar", "these are no names of a resource and a role").WithHint("see: sallyport resource list")
	}
	format, err := a.format("env")
	if err != nil {
		return err
	}
	c, err := a.connect()
	if err != nil {
		return err
	}
	c.close() // only its name is wanted here
	ln, err := sidecar.Listen(ctx, f.address)
	if err != nil {
		return err
	}
	s := sidecar.New(sidecar.Options{
		Target: t, Issuer: c.server, Project: f.project, Now: a.Now, Log: slog.New(slog.NewTextHandler(a.Stderr, nil)),
		Fetch:  func(ctx context.Context) (sidecar.Token, error) { return a.fetchToken(ctx, t) },
		Active: a.activeToken,
	})
	if err = a.await(ctx, w, s.Renew); sallyport.KindOf(err) == sallyport.Unavailable {
		err = nil // the gateway may come up later; requests say that it is not there
	}
	if err == nil {
		err = a.announce(format, ln.Addr().String(), f)
	}
	if err != nil {
		return errors.Join(err, ln.Close())
	}
	return s.Serve(ctx, ln)
}

// fetchToken exchanges the caller's token as it is now. Whoever renews it in its
// file is noticed.
func (a *app) fetchToken(ctx context.Context, t identity.Target) (sidecar.Token, error) {
	c, err := a.connect()
	if err != nil {
		return sidecar.Token{}, err
	}
	defer c.close()
	tok, _, err := c.exchange(ctx, string(t.Resource), string(t.Role))
	return sidecar.Token{Text: tok.AccessToken, Life: time.Duration(tok.ExpiresIn) * time.Second}, err
}

// activeToken asks the gateway whether a gateway token is good still.
func (a *app) activeToken(ctx context.Context, token string) (bool, error) {
	c, err := a.connect()
	if err != nil {
		return false, err
	}
	defer c.close()
	res, err := c.send(ctx, http.MethodPost, introspectPath, nil, "application/x-www-form-urlencoded", strings.NewReader(url.Values{"token": {token}}.Encode()))
	if err != nil {
		return false, err
	}
	raw, err := readAnswer(res)
	if err != nil {
		return false, err
	}
	var out struct {
		Active *bool `json:"active"`
	}
	if err := json.Unmarshal(raw, &out); err != nil || out.Active == nil {
		return false, sallyport.E(sallyport.Invalid, "sidecar", "the gateway's answer does not say whether the token is good").Because(err)
	}
	return *out.Active, nil
}

// announce prints where the sidecar serves.
func (a *app) announce(format, address string, f sidecarFlags) (err error) {
	switch format {
	case "json":
		return writeJSON(a.Stdout, map[string]string{"address": address, "resource": f.resource, "role": f.role})
	case "env":
		_, err = fmt.Fprintf(a.Stdout, "export GCE_METADATA_HOST=%s\n", quote(address))
	case "csv":
		return table{head: []string{"ADDRESS", "RESOURCE", "ROLE"}, rows: [][]string{{address, f.resource, f.role}}}.csv(a.Stdout)
	default:
		_, err = fmt.Fprintf(a.Stdout, "sidecar   %s\n", address)
	}
	return err
}
