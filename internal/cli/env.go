// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	sallyport "github.com/sallyport-dev/sallyport"
)

// envFlags are the flags of "env".
type envFlags struct {
	role           string
	postgres, http string // addresses of listeners, where they are not what the gateway tells
	ssh            string // the same
	sidecar        string
	project        string
	clients        []string
	connect        string // file with the authorities of CONNECT
	kubeconfig     string // file to write
}

func (a *app) envCommand() *cobra.Command {
	var f envFlags
	cmd := a.client(a.command("env RESOURCE", "Print what clients need to connect to a resource", cobra.ExactArgs(1),
		func(ctx context.Context, args []string) error { return a.env(ctx, args[0], f) }))
	cmd.Long = "Print what clients need to reach a resource through the gateway, as exports for a shell:\n" +
		"eval \"$(sallyport env clinic --role claims-etl)\". Where a client takes a token from its environment, the last line asks for\n" +
		"one when it is evaluated; no token is part of the output. Of clients of Google Cloud, which get tokens by themselves, it\n" +
		"prints those of --client, each with what it has to be told in its own code as a comment."
	cmd.Flags().StringVar(&f.role, "role", "", "role")
	cmd.Flags().StringVar(&f.postgres, "postgres", "", "HOST:PORT of the gateway's PostgreSQL listener, when it is not the API's host and the port that it tells")
	cmd.Flags().StringVar(&f.http, "http", "", "the same of its HTTP listener")
	cmd.Flags().StringVar(&f.ssh, "ssh", "", "the same of its SSH listener")
	cmd.Flags().StringVar(&f.sidecar, "sidecar", "", "HOST:PORT of a running sidecar that clients of Google Cloud ask, instead of the file that login wrote")
	cmd.Flags().StringVar(&f.project, "project", "", "project of Google Cloud that these clients ask in")
	cmd.Flags().StringSliceVar(&f.clients, "client", googleClients(), "clients of Google Cloud to print")
	cmd.Flags().StringVar(&f.kubeconfig, "kubeconfig", "", "file to write what clients of Kubernetes need to, instead of printing it")
	cmd.Flags().StringVar(&f.connect, "connect", "", "file that \"sallyport ca print --bundle\" was written to: print what clients need that are given a proxy, and no other address")
	return cmd
}

// environment is what a client's environment must have.
type environment struct {
	vars [][]string // names and values
	// token is the variable that takes a token; "" for none.
	token string
	// proxy is the value of HTTPS_PROXY, in which the shell puts the token.
	proxy string
	// notes say what has no variable.
	notes []string
	// document is printed in place of everything else; nil for none.
	document any
}

// env prints what a client needs. It never prints a token.
func (a *app) env(ctx context.Context, resource string, f envFlags) error {
	if f.role == "" {
		return usage("name the role with --role")
	}
	format, err := a.format("env")
	if err != nil {
		return err
	}
	c, err := a.connect()
	if err != nil {
		return err
	}
	defer c.close()
	r, err := c.entitled(ctx, resource, f.role)
	if err != nil {
		return err
	}
	var e environment
	if f.connect != "" {
		e, err = a.connectEnv(ctx, c, r, f)
	} else {
		e, err = a.environmentOf(ctx, c, r, f)
	}
	if err != nil {
		return err
	}
	if e.document != nil {
		return writeJSON(a.Stdout, e.document)
	}
	switch format {
	case "json":
		all := map[string]string{}
		for _, v := range e.vars {
			all[v[0]] = v[1]
		}
		return writeJSON(a.Stdout, all)
	case "csv":
		return table{head: []string{"NAME", "VALUE"}, rows: e.vars}.csv(a.Stdout)
	}
	var b strings.Builder
	for _, v := range e.vars {
		fmt.Fprintf(&b, "export %s=%s\n", v[0], quote(v[1]))
	}
	if e.token != "" {
		fmt.Fprintf(&b, "export %s=\"$(%s)\"\n", e.token, a.tokenLine(resource, f.role))
	}
	if e.proxy != "" {
		fmt.Fprintf(&b, "export HTTPS_PROXY=\"%s\"\n", e.proxy)
	}
	for _, n := range e.notes {
		fmt.Fprintf(&b, "# %s\n", clean(n))
	}
	_, err = a.Stdout.Write([]byte(b.String()))
	return err
}

// environmentOf is the environment for a type of resource.
func (a *app) environmentOf(ctx context.Context, c *client, r resourceInfo, f envFlags) (environment, error) {
	ca := ""
	if c.ca != "" {
		var err error
		if ca, err = filepath.Abs(c.ca); err != nil {
			return environment{}, sallyport.E(sallyport.Invalid, "env", "the authority's path cannot be made absolute").Because(err)
		}
	}
	switch r.Type {
	case "postgres":
		address := first(f.postgres, c.reach(r.Listener, "6432"))
		host, port, err := net.SplitHostPort(address)
		if err != nil {
			return environment{}, usage("--postgres must be HOST:PORT")
		}
		return postgresEnv(host, port, f.role, r.Name, ca), nil
	case "http", "bigquery", "gcs", "kubernetes":
		address := first(f.http, c.reach(r.Listener, "8480"))
		if _, _, err := net.SplitHostPort(address); err != nil {
			return environment{}, usage("--http must be HOST:PORT")
		}
		if _, _, err := net.SplitHostPort(f.sidecar); f.sidecar != "" && err != nil {
			return environment{}, usage("--sidecar must be HOST:PORT")
		}
		if r.Type == "kubernetes" {
			return a.kubeEnv(r, address, ca, f)
		}
		if r.Type == "http" {
			return httpEnv(address, ca, f.sidecar), nil
		}
		return a.googleEnv(r, address, ca, f)
	case "ssh":
		return a.environmentOfSSH(ctx, c, r, f)
	}
	return environment{}, sallyport.E(sallyport.Invalid, "env", "clients of resources of the type "+clean(r.Type)+" are not known to this program").
		WithHint("are the versions of the gateway and of this program the same?")
}

// postgresEnv is what libpq, and all who read its variables, need.
func postgresEnv(host, port, role, resource, ca string) environment {
	return environment{token: "PGPASSWORD", vars: [][]string{
		{"PGHOST", host},
		{"PGPORT", port},
		{"PGUSER", role},
		{"PGDATABASE", resource},
		{"PGSSLMODE", "verify-full"},
		{"PGSSLROOTCERT", first(ca, "system")},
	}}
}

// httpEnv is for clients of any interface: where it is, and what to send. A
// sidecar gives those of Google's the ID tokens that they send to functions.
func httpEnv(address, ca, sidecar string) environment {
	e := environment{token: "SALLYPORT_HTTP_TOKEN", vars: [][]string{{"SALLYPORT_HTTP_URL", "https://" + address}}}
	if ca != "" {
		for _, name := range []string{"SSL_CERT_FILE", "CURL_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "NODE_EXTRA_CA_CERTS"} {
			e.vars = append(e.vars, []string{name, ca})
		}
	}
	if sidecar != "" {
		e.vars = append(e.vars, []string{"GCE_METADATA_HOST", sidecar}, []string{"GCE_METADATA_IP", sidecar}, []string{"METADATA_SERVER_DETECTION", "assume-present"})
	}
	e.notes = []string{`send the token with every request, as "Authorization: Bearer $SALLYPORT_HTTP_TOKEN"`}
	return e
}

// tokenLine is the command that prints a token, with the settings that were
// given by flags. A token itself is never part of it.
func (a *app) tokenLine(resource, role string) string {
	line := "sallyport token --resource " + quote(resource) + " --role " + quote(role)
	if a.settings.server != "" {
		line += " --server " + quote(a.settings.server)
	}
	if a.settings.ca != "" {
		line += " --ca " + quote(a.settings.ca)
	}
	if strings.HasPrefix(a.settings.token, "@") {
		line += " --token " + quote(a.settings.token)
	}
	return line
}

// reach makes the address of a listener that the gateway tells into one that
// the caller can use: one that listens everywhere is reached where the API is.
func (c *client) reach(listener, usual string) string {
	host, port, err := net.SplitHostPort(listener)
	if err != nil {
		port = usual
	}
	if ip := net.ParseIP(host); err != nil || ip == nil || ip.IsUnspecified() || ip.IsLoopback() {
		host = c.base.Hostname()
	}
	return net.JoinHostPort(host, port)
}

// entitled returns a resource on which the caller may have the role.
func (c *client) entitled(ctx context.Context, resource, role string) (resourceInfo, error) {
	const op = "resources"
	var out struct {
		Resources []resourceInfo `json:"resources"`
	}
	if _, err := c.ask(ctx, http.MethodGet, "/v1/resources", nil, nil, &out); err != nil {
		return resourceInfo{}, err
	}
	for _, r := range out.Resources {
		if r.Name != resource {
			continue
		}
		var have []string
		for _, e := range r.Roles {
			if e.Role == role {
				return r, nil
			}
			have = append(have, e.Role)
		}
		return resourceInfo{}, sallyport.E(sallyport.Denied, op, "you may not have the role "+role+" on "+resource).
			WithHint("roles there: " + list(have))
	}
	return resourceInfo{}, sallyport.E(sallyport.NotFound, op, "there is no resource "+resource+" that you may ask for").
		WithHint("see: sallyport resource list")
}
