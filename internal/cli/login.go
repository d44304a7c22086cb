// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/identity"
)

func (a *app) loginCommand() *cobra.Command {
	var tokenFile string
	var g googleLogin
	cmd := a.client(a.command("login", "Check a token against a gateway and remember both", cobra.NoArgs,
		func(ctx context.Context, _ []string) error {
			if tokenFile != "" && a.settings.token != "" {
				return usage("give --token-file or --token, not both")
			}
			if tokenFile != "" {
				a.settings.token = "@" + tokenFile
			}
			if err := g.check(); err != nil {
				return err
			}
			return a.login(ctx, g)
		}))
	cmd.Long = "Check a token against a gateway and remember both in the profile, which only you may read. A token file is\n" +
		"remembered by its name, so that whatever renews the file renews the login.\n\n" +
		"With --resource and --role what clients need is written beside the profile: for a cluster of Kubernetes a kubeconfig that runs\n" +
		"\"sallyport kube-token\", and for other resources a file of credentials for clients of Google Cloud, which get gateway tokens with\n" +
		"it, and read your token themselves whenever they need one: from its file, or from --token-url. What to set is printed by:\n" +
		"sallyport env RESOURCE --role ROLE"
	cmd.Flags().StringVar(&tokenFile, "token-file", "", "file that holds the token")
	g.flags(cmd)
	return cmd
}

func (a *app) login(ctx context.Context, g googleLogin) error {
	c, err := a.connect()
	if err != nil {
		return err
	}
	defer c.close()
	who, raw, err := c.whoami(ctx)
	if err != nil {
		return err
	}
	p := profile{Server: c.server, TokenFile: c.tokenFile}
	if p.TokenFile == "" {
		p.Token = c.token
	}
	if c.ca != "" {
		if p.CA, err = filepath.Abs(c.ca); err != nil {
			return sallyport.E(sallyport.Invalid, "login", "the authority's path cannot be made absolute").Because(err)
		}
	}
	path, err := a.writeProfile(p)
	if err != nil {
		return err
	}
	fmt.Fprintf(a.Stderr, "remembered in %s\n", clean(path))
	if g.resource != "" {
		if err := a.writeCredentials(ctx, c, g); err != nil {
			return err
		}
	}
	return a.showPrincipal(who, raw)
}

// writeCredentials writes what clients of a resource need, by what it is.
func (a *app) writeCredentials(ctx context.Context, c *client, g googleLogin) error {
	r, err := c.entitled(ctx, g.resource, g.role)
	if err != nil {
		return err
	}
	if r.Type == "kubernetes" {
		return a.writeKubeconfig(c, r, g)
	}
	return a.writeExternal(c, g)
}

func (a *app) whoamiCommand() *cobra.Command {
	return a.client(a.command("whoami", "Show who the gateway takes you for", cobra.NoArgs, func(ctx context.Context, _ []string) error {
		c, err := a.connect()
		if err != nil {
			return err
		}
		defer c.close()
		who, raw, err := c.whoami(ctx)
		if err != nil {
			return err
		}
		return a.showPrincipal(who, raw)
	}))
}

// identified is the answer of GET /v1/whoami.
type identified struct {
	ID            string    `json:"id"`
	Kind          string    `json:"kind"`
	Groups        []string  `json:"groups"`
	Method        string    `json:"method"`
	Expires       time.Time `json:"expires"`
	Auditor       bool      `json:"auditor"`
	Administrator bool      `json:"administrator"`
}

func (c *client) whoami(ctx context.Context) (identified, json.RawMessage, error) {
	var who identified
	raw, err := c.ask(ctx, http.MethodGet, "/v1/whoami", nil, nil, &who)
	return who, raw, err
}

func (a *app) showPrincipal(who identified, raw json.RawMessage) error {
	may := ""
	switch {
	case who.Auditor && who.Administrator:
		may = "auditor, administrator"
	case who.Auditor:
		may = "auditor"
	case who.Administrator:
		may = "administrator"
	}
	return a.show(raw, table{
		head: []string{"PRINCIPAL", "KIND", "GROUPS", "IS", "BY", "EXPIRES"},
		rows: [][]string{{who.ID, who.Kind, list(who.Groups), may, who.Method, stamp(who.Expires)}},
	})
}

const (
	// tokenPath is the endpoint of token exchanges.
	tokenPath = "/v1/token"
	// introspectPath tells what a gateway token is good for.
	introspectPath = "/v1/introspect"
)

// exchanged is the answer of a token exchange (RFC 8693 section 2.2.1).
type exchanged struct {
	AccessToken string `json:"access_token"`
	ExpiresIn   int64  `json:"expires_in"`
	Scope       string `json:"scope"`
}

// exchange gets a gateway token for the client's own token.
func (c *client) exchange(ctx context.Context, resource, role string) (exchanged, json.RawMessage, error) {
	var out exchanged
	form := url.Values{
		"grant_type":         {identity.GrantTypeTokenExchange},
		"subject_token":      {c.token},
		"subject_token_type": {identity.TokenTypeJWT},
		"audience":           {resource},
		"scope":              {role},
	}
	ctx, cancel := context.WithTimeout(ctx, answerWait)
	defer cancel()
	res, err := c.send(ctx, http.MethodPost, tokenPath, nil, "application/x-www-form-urlencoded", strings.NewReader(form.Encode()))
	if err != nil {
		return out, nil, err
	}
	raw, err := readAnswer(res)
	if err == nil && (json.Unmarshal(raw, &out) != nil || out.AccessToken == "") {
		err = sallyport.E(sallyport.Invalid, "token", "the gateway's answer holds no token")
	}
	return out, raw, err
}

// waiting are the flags of commands that can wait for a human.
type waiting struct {
	wait    bool
	timeout time.Duration
}

func (w *waiting) flags(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&w.wait, "wait", false, "wait for the decision")
	cmd.Flags().DurationVar(&w.timeout, "wait-timeout", 10*time.Minute, "how long to wait for it")
}

// poll is the pace of looking whether a decision came. Every look is a login on
// the gateway's record.
const poll = 3 * time.Second

// until calls try until it does not return an error of kind Held, or time is
// over; the last such error is returned then.
func (w *waiting) until(ctx context.Context, try func(context.Context) error) error {
	deadline := time.NewTimer(w.timeout)
	defer deadline.Stop()
	tick := time.NewTicker(poll)
	defer tick.Stop()
	for {
		err := try(ctx)
		if sallyport.KindOf(err) != sallyport.Held || err == nil || !w.wait {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-deadline.C:
			return err
		case <-tick.C:
		}
	}
}

// await is until, which also tells once what is waited for.
func (a *app) await(ctx context.Context, w *waiting, try func(context.Context) error) error {
	told := ""
	return w.until(ctx, func(ctx context.Context) error {
		err := try(ctx)
		if err == nil || !w.wait {
			return err
		}
		if msg, _ := sallyport.Public(err); msg != told && sallyport.KindOf(err) == sallyport.Held {
			told = msg
			fmt.Fprintln(a.Stderr, clean(msg))
		}
		return err
	})
}

func (a *app) tokenCommand() *cobra.Command {
	var resource, role string
	var w waiting
	cmd := a.client(a.command("token", "Exchange your token for one that is good for one resource and role", cobra.NoArgs,
		func(ctx context.Context, _ []string) error { return a.token(ctx, resource, role, &w) }))
	cmd.Long = "Exchange your token for a gateway token, which is good for one resource and role and short-lived, and print\n" +
		"it. With -o env it is printed as a shell's export. When the role wants a grant, a request is filed (exit code 4)."
	cmd.Flags().StringVar(&resource, "resource", "", "resource")
	cmd.Flags().StringVar(&role, "role", "", "role")
	w.flags(cmd)
	return cmd
}

func (a *app) token(ctx context.Context, resource, role string, w *waiting) error {
	if resource == "" || role == "" {
		return usage("name --resource and --role")
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
	var (
		tok exchanged
		raw json.RawMessage
	)
	err = a.await(ctx, w, func(ctx context.Context) error {
		var err error
		tok, raw, err = c.exchange(ctx, resource, role)
		return err
	})
	if err != nil {
		return err
	}
	switch format {
	case "json":
		return writeJSON(a.Stdout, raw)
	case "env":
		_, err = fmt.Fprintf(a.Stdout, "export PGPASSWORD=%s\n", quote(tok.AccessToken))
	case "csv":
		return table{head: []string{"TOKEN", "EXPIRES IN", "ROLE"}, rows: [][]string{{tok.AccessToken, fmt.Sprint(tok.ExpiresIn), tok.Scope}}}.csv(a.Stdout)
	default:
		_, err = fmt.Fprintln(a.Stdout, clean(tok.AccessToken))
	}
	return err
}

// quote makes one word of a shell (POSIX sh, 2.2.2) of a text.
func quote(s string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("_-./:@%+,", r)
	}
	if s != "" && strings.IndexFunc(s, func(r rune) bool { return !plain(r) }) < 0 {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
