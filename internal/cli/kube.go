// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
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

// execAPI is the version of the protocol between clients of Kubernetes and programs
// that give them credentials.
const execAPI = "client.authentication.k8s.io/v1"

// spare is how long before its end a token is no longer given out.
const spare = 30 * time.Second

// execCredential is what such a program prints.
type execCredential struct {
	Kind       string     `json:"kind"`
	APIVersion string     `json:"apiVersion"`
	Status     execStatus `json:"status"`
}

type execStatus struct {
	Token   string `json:"token"`
	Expires string `json:"expirationTimestamp"`
}

func (a *app) kubeTokenCommand() *cobra.Command {
	var resource, role string
	var w waiting
	cmd := a.client(a.command("kube-token", "Give clients of Kubernetes a token, as their credential plugin", cobra.NoArgs,
		func(ctx context.Context, _ []string) error { return a.kubeToken(ctx, resource, role, &w) }))
	cmd.Long = "Print a gateway token in the form that clients of Kubernetes take from a credential plugin (" + execAPI + ").\n" +
		"A kubeconfig that runs it is written by \"sallyport env RESOURCE --role ROLE --kubeconfig FILE\". The token is kept beside the profile,\n" +
		"and given out again while it is good, so that one session serves many runs of kubectl."
	cmd.Flags().StringVar(&resource, "resource", "", "resource")
	cmd.Flags().StringVar(&role, "role", "", "role")
	w.flags(cmd)
	return cmd
}

// keptToken is a token as it is kept between two runs.
type keptToken struct {
	// For is the digest of the gateway's URL and of the token that this one was got
	// with.
	For     string    `json:"for"`
	Token   string    `json:"token"`
	Expires time.Time `json:"expires"`
}

func (a *app) kubeToken(ctx context.Context, resource, role string, w *waiting) error {
	if resource == "" || role == "" {
		return usage("name --resource and --role")
	}
	c, err := a.connect()
	if err != nil {
		return err
	}
	defer c.close()
	digest := sha256.Sum256([]byte(c.server + "\n" + c.token))
	k := keptToken{For: hex.EncodeToString(digest[:])}
	path := a.keptPath(resource, role)
	if kept, ok := readKept(path); ok && kept.For == k.For && kept.Expires.Sub(a.Now()) > spare && c.active(ctx, kept.Token) {
		return a.giveToken(kept)
	}
	var tok exchanged
	err = a.await(ctx, w, func(ctx context.Context) error {
		var err error
		tok, _, err = c.exchange(ctx, resource, role)
		return err
	})
	if err != nil {
		return err
	}
	k.Token, k.Expires = tok.AccessToken, a.Now().Add(time.Duration(tok.ExpiresIn)*time.Second).UTC().Truncate(time.Second)
	if path != "" {
		if err := writePrivate(path, k); err != nil {
			fmt.Fprintln(a.Stderr, "the token is not kept: "+clean(err.Error())) // the client gets it all the same
		}
	}
	return a.giveToken(k)
}

// giveToken prints a token, with an end that leaves time to use it.
func (a *app) giveToken(k keptToken) error {
	end := k.Expires
	if end.Sub(a.Now()) > 2*spare {
		end = end.Add(-spare)
	}
	return writeJSON(a.Stdout, execCredential{
		Kind: "ExecCredential", APIVersion: execAPI, Status: execStatus{Token: k.Token, Expires: end.UTC().Format(time.RFC3339)},
	})
}

// keptPath is where the token for a role on a resource is kept; "" where there is no
// place for it.
func (a *app) keptPath(resource, role string) string {
	t := identity.Target{Resource: sallyport.ResourceID(resource), Role: sallyport.RoleID(role)}
	p, err := a.profilePath()
	if _, ok := identity.ParseAccount(t.Account()); !ok || err != nil {
		return ""
	}
	return filepath.Join(filepath.Dir(p), "kube", resource+"."+role+".json")
}

// readKept reads a kept token. One that others may read is none.
func readKept(path string) (keptToken, bool) {
	var k keptToken
	if path == "" {
		return k, false
	}
	b, mode, err := readSmall(path)
	if err != nil || mode.Perm()&0o077 != 0 || json.Unmarshal(b, &k) != nil {
		return k, false
	}
	return k, k.Token != ""
}

// active asks the gateway whether a token is still good: its grant may have been
// taken back.
func (c *client) active(ctx context.Context, token string) bool {
	ctx, cancel := context.WithTimeout(ctx, answerWait)
	defer cancel()
	form := url.Values{"token": {token}}
	res, err := c.send(ctx, http.MethodPost, "/v1/introspect", nil, "application/x-www-form-urlencoded", strings.NewReader(form.Encode()))
	if err != nil {
		return false
	}
	raw, err := readAnswer(res)
	var out struct {
		Active bool `json:"active"`
	}
	return err == nil && json.Unmarshal(raw, &out) == nil && out.Active
}

// kubeconfig is what clients of Kubernetes need, in the form that they read. JSON is
// YAML.
func (a *app) kubeconfig(resource, role, address, ca string) map[string]any {
	type object = map[string]any
	args := []string{"kube-token", "--resource", resource, "--role", role}
	if a.settings.server != "" {
		args = append(args, "--server", a.settings.server)
	}
	if a.settings.ca != "" {
		args = append(args, "--ca", ca)
	}
	if file, ok := strings.CutPrefix(a.settings.token, "@"); ok {
		if abs, err := filepath.Abs(file); err == nil { // else it is found from where it was named
			file = abs
		}
		args = append(args, "--token", "@"+file)
	}
	cluster := object{"server": "https://" + address + "/k8s/" + url.PathEscape(resource)}
	if ca != "" {
		cluster["certificate-authority"] = ca
	}
	name := "sallyport-" + resource
	return object{
		"apiVersion": "v1", "kind": "Config", "current-context": name,
		"clusters": []object{{"name": name, "cluster": cluster}},
		"contexts": []object{{"name": name, "context": object{"cluster": name, "user": name}}},
		"users": []object{{"name": name, "user": object{"exec": object{
			"apiVersion": execAPI, "command": "sallyport", "args": args, "interactiveMode": "Never",
			"installHint": "install sallyport, and log in: sallyport login",
		}}}},
	}
}

// writeKubeconfig writes a kubeconfig beside the profile.
func (a *app) writeKubeconfig(c *client, r resourceInfo, g googleLogin) error {
	if g.url != "" {
		return usage("--token-url is for clients of Google Cloud; %s is a cluster of Kubernetes, whose clients run sallyport kube-token", r.Name)
	}
	kept := a.keptPath(r.Name, g.role)
	if kept == "" {
		return sallyport.E(sallyport.Invalid, "login", "these are no names of a resource and a role").WithHint("see: sallyport resource list")
	}
	var err error
	ca := ""
	if c.ca != "" {
		ca, err = filepath.Abs(c.ca)
	}
	path := strings.TrimSuffix(kept, ".json") + ".kubeconfig"
	if err == nil {
		path, err = filepath.Abs(path)
	}
	if err != nil {
		return sallyport.E(sallyport.Invalid, "login", "the paths of the kubeconfig and the authority cannot be made absolute").Because(err)
	}
	if err := writePrivate(path, a.kubeconfig(r.Name, g.role, c.reach(r.Listener, "8480"), ca)); err != nil {
		return err
	}
	fmt.Fprintf(a.Stderr, "the kubeconfig is %s; use it: export KUBECONFIG=%s\n", clean(path), quote(clean(path)))
	return nil
}

// kubeEnv writes a kubeconfig, or prints it where no file is named.
func (a *app) kubeEnv(r resourceInfo, address, ca string, f envFlags) (environment, error) {
	config := a.kubeconfig(r.Name, f.role, address, ca)
	if f.kubeconfig == "" {
		return environment{document: config}, nil
	}
	path, err := filepath.Abs(f.kubeconfig)
	if err != nil {
		return environment{}, sallyport.E(sallyport.Invalid, "env", "the kubeconfig's path cannot be made absolute").Because(err)
	}
	if err := writePrivate(path, config); err != nil {
		return environment{}, err
	}
	return environment{vars: [][]string{{"KUBECONFIG", path}}}, nil
}
