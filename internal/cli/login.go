// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
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
	cmd := a.client(a.command("login", "Check a token against a gateway and remember both", cobra.NoArgs,
		func(ctx context.Context, _ []string) error {
			if tokenFile != "" && a.settings.token != "" {
				return usage("give --token-file or --token, not both")
			}
			if tokenFile != "" {
				a.settings.token = "@" + tokenFile
			}
			return a.login(ctx)
		}))
	cmd.Long = "Check a token against a gateway and remember both in the profile, which only you may read. A token file is\n" +
		"remembered by its name, so that whatever renews the file renews the login."
	cmd.Flags().StringVar(&tokenFile, "token-file", "", "file that holds the token")
	return cmd
}

func (a *app) login(ctx context.Context) error {
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
	return a.showPrincipal(who, raw)
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

// tokenPath is the endpoint of token exchanges.
const tokenPath = "/v1/token"

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
	told := ""
	err = w.until(ctx, func(ctx context.Context) error {
		var err error
		if tok, raw, err = c.exchange(ctx, resource, role); err == nil || !w.wait {
			return err
		}
		if msg, _ := sallyport.Public(err); msg != told && sallyport.KindOf(err) == sallyport.Held {
			told = msg
			fmt.Fprintln(a.Stderr, clean(msg))
		}
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

func (a *app) envCommand() *cobra.Command {
	var role, address string
	cmd := a.client(a.command("env RESOURCE", "Print what clients need to connect to a resource", cobra.ExactArgs(1),
		func(ctx context.Context, args []string) error { return a.env(ctx, args[0], role, address) }))
	cmd.Long = "Print what psql and other clients of PostgreSQL need to connect to a resource through the gateway, as exports\n" +
		"for a shell: eval \"$(sallyport env clinic --role claims-etl)\". The last of them asks for a gateway token when it\n" +
		"is evaluated; it is not part of the output."
	cmd.Flags().StringVar(&role, "role", "", "role")
	cmd.Flags().StringVar(&address, "postgres", "", "HOST:PORT of the gateway's PostgreSQL listener, when it is not the API's host and the port that it tells")
	return cmd
}

// env prints what a client needs. It never prints a token.
func (a *app) env(ctx context.Context, resource, role, address string) error {
	if role == "" {
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
	var out struct {
		Resources []resourceInfo `json:"resources"`
	}
	if _, err := c.ask(ctx, http.MethodGet, "/v1/resources", nil, nil, &out); err != nil {
		return err
	}
	listener, err := entitled(out.Resources, resource, role)
	if err != nil {
		return err
	}
	if address == "" {
		address = c.reach(listener)
	}
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return usage("--postgres must be HOST:PORT")
	}
	vars := [][]string{{"PGHOST", host}, {"PGPORT", port}, {"PGUSER", role}, {"PGDATABASE", resource}, {"PGSSLMODE", "verify-full"}}
	root := "system"
	if c.ca != "" {
		if root, err = filepath.Abs(c.ca); err != nil {
			return sallyport.E(sallyport.Invalid, "env", "the authority's path cannot be made absolute").Because(err)
		}
	}
	vars = append(vars, []string{"PGSSLROOTCERT", root})
	switch format {
	case "json":
		all := map[string]string{}
		for _, v := range vars {
			all[v[0]] = v[1]
		}
		return writeJSON(a.Stdout, all)
	case "csv":
		return table{head: []string{"NAME", "VALUE"}, rows: vars}.csv(a.Stdout)
	}
	var b strings.Builder
	for _, v := range vars {
		fmt.Fprintf(&b, "export %s=%s\n", v[0], quote(v[1]))
	}
	fmt.Fprintf(&b, "export PGPASSWORD=\"$(%s)\"\n", a.tokenLine(resource, role))
	_, err = a.Stdout.Write([]byte(b.String()))
	return err
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
func (c *client) reach(listener string) string {
	host, port, err := net.SplitHostPort(listener)
	if err != nil {
		port = "6432"
	}
	if ip := net.ParseIP(host); err != nil || ip == nil || ip.IsUnspecified() || ip.IsLoopback() {
		host = c.base.Hostname()
	}
	return net.JoinHostPort(host, port)
}

// entitled returns the gateway's listener for a resource on which the caller
// may have the role.
func entitled(all []resourceInfo, resource, role string) (string, error) {
	for _, r := range all {
		if r.Name != resource {
			continue
		}
		var have []string
		for _, e := range r.Roles {
			if e.Role == role {
				return r.Listener, nil
			}
			have = append(have, e.Role)
		}
		return "", sallyport.E(sallyport.Denied, "env", "you may not have the role "+role+" on "+resource).
			WithHint("roles there: " + list(have))
	}
	return "", sallyport.E(sallyport.NotFound, "env", "there is no resource "+resource+" that you may ask for").
		WithHint("see: sallyport resource list")
}
