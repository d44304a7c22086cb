// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

// Package oidctest runs a certified OpenID Connect issuer, npm's oidc-provider,
// for tests: the tokens that the gateway has to accept are then made by an
// implementation that is not ours.
//
// The issuer's packages are installed once, with the versions and digests of
// package-lock.json, into a cache directory: $SALLYPORT_CACHE, or .cache at the
// root of the repository. A test that needs the issuer fails, and does not skip,
// when Node.js or npm is missing.
package oidctest

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

//go:embed package.json package-lock.json server.mjs
var files embed.FS

// DefaultAudience is the audience of tokens that name no other.
const DefaultAudience = "https://gateway.example"

const (
	installTimeout = 5 * time.Minute
	startTimeout   = time.Minute
	stopTimeout    = 10 * time.Second
	needs          = "the OpenID Connect issuer for tests needs Node.js 20 or newer with npm; install both (Debian: apt-get install nodejs npm) and put them on PATH"
)

// Issuer is a running issuer. Its tokens have the subject "ci", the claims that
// the test asks for, and the JOSE type at+jwt (RFC 9068).
type Issuer struct {
	// URL is the issuer identifier: plain http on a loopback address.
	URL string

	t      testing.TB
	client *http.Client
	id     string
	secret string
}

// Option changes a token.
type Option func(url.Values)

// WithAlgorithm signs with RS256 (the default) or ES256.
func WithAlgorithm(alg string) Option { return func(v url.Values) { v.Set("test_alg", alg) } }

// WithAudience makes the token out to another audience than
// [DefaultAudience]. It has to be an absolute URI.
func WithAudience(aud string) Option { return func(v url.Values) { v.Set("resource", aud) } }

// WithLifetime sets the token's life in whole seconds; the default is 10 min.
func WithLifetime(d time.Duration) Option {
	return func(v url.Values) { v.Set("test_ttl", strconv.Itoa(int(d/time.Second))) }
}

// Start runs an issuer until the test ends. It ends with the test's process
// too, however that ends.
func Start(t testing.TB) *Issuer {
	t.Helper()
	node, err := exec.LookPath("node")
	if err != nil {
		t.Fatalf("%s: %v", needs, err)
	}
	dir, err := install(context.WithoutCancel(t.Context()))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	cmd := exec.CommandContext(ctx, node, "server.mjs")
	cmd.Dir = dir
	cmd.WaitDelay = time.Second
	var diagnostics bytes.Buffer
	cmd.Stderr = &diagnostics
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		defer cancel()
		_ = stdin.Close() // the issuer ends by itself at this
		kill := time.AfterFunc(stopTimeout, cancel)
		defer kill.Stop()
		if err := cmd.Wait(); err != nil {
			t.Errorf("the issuer ended badly: %v\n%s", err, diagnostics.String())
		}
	})
	give := time.AfterFunc(startTimeout, cancel)
	defer give.Stop()
	line, err := bufio.NewReader(stdout).ReadBytes('\n')
	var hello struct {
		URL    string `json:"url"`
		ID     string `json:"client_id"`
		Secret string `json:"client_secret"`
	}
	if err == nil {
		err = json.Unmarshal(line, &hello)
	}
	if err != nil {
		t.Fatalf("the issuer did not start: %v", err)
	}
	return &Issuer{
		URL: hello.URL, t: t, id: hello.ID, secret: hello.Secret,
		client: &http.Client{Timeout: startTimeout, Transport: &http.Transport{DisableKeepAlives: true}},
	}
}

// Token returns a signed access token with these claims beside the standard
// ones. The standard claims cannot be overridden.
func (i *Issuer) Token(claims map[string]any, options ...Option) string {
	i.t.Helper()
	token, err := i.token(claims, options)
	if err != nil {
		i.t.Fatal(err)
	}
	return token
}

func (i *Issuer) token(claims map[string]any, options []Option) (_ string, err error) {
	extra, err := json.Marshal(claims)
	if err != nil {
		return "", err
	}
	form := url.Values{
		"grant_type": {"client_credentials"}, "client_id": {i.id}, "client_secret": {i.secret},
		"resource": {DefaultAudience}, "test_claims": {string(extra)},
	}
	for _, o := range options {
		o(form)
	}
	req, err := http.NewRequestWithContext(i.t.Context(), http.MethodPost, i.URL+"/token", strings.NewReader(form.Encode()))
	if err != nil {
		return "", err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := i.client.Do(req)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, resp.Body.Close()) }()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return "", err
	}
	var answer struct {
		Token string `json:"access_token"`
		Error string `json:"error_description"`
	}
	if err := json.Unmarshal(body, &answer); err != nil || resp.StatusCode != http.StatusOK || answer.Token == "" {
		return "", fmt.Errorf("the issuer gave no token: status %d: %s", resp.StatusCode, answer.Error)
	}
	return answer.Token, nil
}

// install puts the issuer and its packages into the cache and returns the
// directory. It is named by what is in it, so a change installs anew, and it
// appears whole or not at all, so that tests of several packages can race.
func install(ctx context.Context) (string, error) {
	base, err := cacheDir()
	if err != nil {
		return "", err
	}
	h := sha256.New()
	names := []string{"package.json", "package-lock.json", "server.mjs"}
	for _, name := range names {
		b, err := files.ReadFile(name)
		if err != nil {
			return "", err
		}
		h.Write(b)
	}
	dir := filepath.Join(base, "oidc-"+hex.EncodeToString(h.Sum(nil)[:6]))
	if _, err := os.Stat(dir); err == nil {
		return dir, nil
	}
	if err := os.MkdirAll(base, 0o755); err != nil {
		return "", err
	}
	tmp, err := os.MkdirTemp(base, "oidc-install-")
	if err != nil {
		return "", err
	}
	defer func() { _ = os.RemoveAll(tmp) }() // gone already when it was moved
	for _, name := range names {
		b, err := files.ReadFile(name)
		if err != nil {
			return "", err
		}
		if err := os.WriteFile(filepath.Join(tmp, name), b, 0o644); err != nil {
			return "", err
		}
	}
	npm, err := exec.LookPath("npm")
	if err != nil {
		return "", fmt.Errorf("%s: %w", needs, err)
	}
	ctx, cancel := context.WithTimeout(ctx, installTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--no-progress")
	cmd.Dir = tmp
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("npm ci for the issuer: %w\n%s", err, out)
	}
	if err := os.Rename(tmp, dir); err != nil && !errors.Is(err, fs.ErrExist) {
		return "", err
	}
	return dir, nil
}

// cacheDir is $SALLYPORT_CACHE, or .cache beside the nearest go.mod above the
// working directory.
func cacheDir() (string, error) {
	if dir := os.Getenv("SALLYPORT_CACHE"); dir != "" {
		return filepath.Abs(dir)
	}
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return filepath.Join(dir, ".cache"), nil
		}
		up := filepath.Dir(dir)
		if up == dir {
			return "", errors.New("no go.mod above the working directory; set SALLYPORT_CACHE")
		}
		dir = up
	}
}
