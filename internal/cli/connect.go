// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	sallyport "github.com/sallyport-dev/sallyport"
)

// connectInfo is the answer of GET /v1/connect.
type connectInfo struct {
	Listener    string   `json:"listener"`
	TLS         bool     `json:"tls"`
	Authorities string   `json:"authorities"`
	Hosts       []string `json:"hosts"`
}

func (c *client) connectInfo(ctx context.Context) (connectInfo, json.RawMessage, error) {
	var info connectInfo
	raw, err := c.ask(ctx, http.MethodGet, "/v1/connect", nil, nil, &info)
	return info, raw, err
}

func (a *app) caCommand() *cobra.Command {
	var bundle bool
	show := a.client(a.command("print", "Print the authority that clients of CONNECT have to trust, in PEM", cobra.NoArgs,
		func(ctx context.Context, _ []string) error { return a.caPrint(ctx, bundle) }))
	show.Long = "Print the certificate of the authority that a gateway answers CONNECT with, and of its successor when there is one, in PEM.\n" +
		"It is good for the hosts of the gateway's table alone. With --bundle the authority of the gateway's own certificate (--ca) follows, for\n" +
		"clients that take one file for everything. What else they need: sallyport env RESOURCE --role ROLE --connect FILE"
	show.Flags().BoolVar(&bundle, "bundle", false, "add the authority of the gateway's own certificate")
	return a.group("ca", "Look at the private authority of CONNECT", show)
}

func (a *app) caPrint(ctx context.Context, bundle bool) error {
	format, err := a.format("pem")
	if err != nil {
		return err
	}
	c, err := a.connect()
	if err != nil {
		return err
	}
	defer c.close()
	info, raw, err := c.connectInfo(ctx)
	if err != nil {
		return err
	}
	if format == "json" {
		return writeJSON(a.Stdout, raw)
	}
	out := info.Authorities
	if bundle && c.ca != "" {
		own, err := readAll(c.ca)
		if err != nil {
			return err
		}
		out = strings.TrimRight(out, "\n") + "\n" + string(own)
	}
	_, err = a.Stdout.Write([]byte(out))
	return err
}

// proxyToken is the variable that takes the token, which the address of the proxy is
// then made of.
const proxyToken = "SALLYPORT_CONNECT_TOKEN"

// connectEnv is what clients need that reach a service by its own hosts, through the
// gateway as their proxy.
// f.connect holds the authorities.
func (a *app) connectEnv(ctx context.Context, c *client, r resourceInfo, f envFlags) (environment, error) {
	info, _, err := c.connectInfo(ctx)
	if err != nil {
		return environment{}, err
	}
	file, err := filepath.Abs(f.connect)
	if err != nil {
		return environment{}, sallyport.E(sallyport.Invalid, "env", "the authorities' path cannot be made absolute").Because(err)
	}
	if _, err := readAll(file); err != nil {
		return environment{}, sallyport.E(sallyport.NotFound, "env", "the file with the authorities cannot be read").
			WithHint("make it: sallyport ca print --bundle > FILE").Because(err)
	}
	scheme := "http"
	if info.TLS {
		scheme = "https"
	}
	address := c.reach(info.Listener, "8490")
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return environment{}, sallyport.E(sallyport.Invalid, "env", "the gateway tells no address for CONNECT")
	}
	return environment{
		token: proxyToken, proxy: scheme + "://token:$" + proxyToken + "@" + address,
		vars: [][]string{
			{"NO_PROXY", strings.Join([]string{"localhost", "127.0.0.1", c.base.Hostname()}, ",")},
			{"CLOUDSDK_CORE_CUSTOM_CA_CERTS_FILE", file},
			{"NODE_EXTRA_CA_CERTS", file},
			{"SSL_CERT_FILE", file},
			{"REQUESTS_CA_BUNDLE", file},
		},
		notes: []string{
			"SSL_CERT_FILE and REQUESTS_CA_BUNDLE take the place of the system's authorities: set them for these clients alone",
			"the token in HTTPS_PROXY ends after minutes; ask for another before that: " + a.tokenLine(r.Name, f.role),
			"any credential will do for the service itself, for example CLOUDSDK_AUTH_ACCESS_TOKEN_FILE with a file of one word",
			"java: -Dhttps.proxyHost=" + host + " -Dhttps.proxyPort=" + port + " -Djdk.http.auth.tunneling.disabledSchemes= -Djavax.net.ssl.trustStore=STORE, made by: keytool -importcert -noprompt -alias sallyport -storepass changeit -keystore STORE -file " + quote(file),
			"JDBC of BigQuery: ProxyHost=" + host + ";ProxyPort=" + port + ";ProxyUid=token;ProxyPwd=TOKEN;SSLTrustStore=STORE",
		},
	}, nil
}
