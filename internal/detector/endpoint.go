// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package detector

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/netip"
	"net/url"

	sallyport "github.com/sallyport-dev/sallyport"
)

// Endpoint is a URL that takes and gives JSON.
type Endpoint struct {
	client *http.Client
	url    string
}

// NewEndpoint checks a service's base URL and joins it with a path. Plain http is
// for a loopback address only: texts are what the gateway protects.
func NewEndpoint(client *http.Client, base string, path ...string) (*Endpoint, error) {
	bad := func(msg, hint string) error {
		return sallyport.E(sallyport.Invalid, "detector", msg).WithHint(hint)
	}
	if client == nil {
		return nil, bad("there is no HTTP client", "give one that reaches the service")
	}
	u, err := url.Parse(base)
	switch {
	case err != nil || u.Host == "":
		return nil, bad("the service's URL is not one", "write it as https://HOST[:PORT][/PATH]")
	case u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return nil, bad("the service's URL has a password, a query or a fragment", "write it as https://HOST[:PORT][/PATH]")
	case u.Scheme != "https" && (u.Scheme != "http" || !isLoopback(u.Hostname())):
		return nil, bad("the service's URL is not https", "use https; plain http is for a loopback address only")
	}
	c := *client
	c.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &Endpoint{client: &c, url: u.JoinPath(path...).String()}, nil
}

func isLoopback(host string) bool {
	a, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && a.IsLoopback()
}

// Post sends in and decodes the answer into out. bearer may be empty. Errors say
// nothing of what was sent or received.
func (e *Endpoint) Post(ctx context.Context, bearer string, in, out any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return errors.New("the request cannot be encoded")
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, e.url, bytes.NewReader(body))
	if err != nil {
		return errors.New("the request cannot be made")
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json")
	if bearer != "" {
		req.Header.Set("Authorization", "Bearer "+bearer)
	}
	res, err := e.client.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("the service answered with status %d", res.StatusCode)
	}
	if kind, _, err := mime.ParseMediaType(res.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		return errors.New("the service's answer is not JSON")
	}
	answer, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer+1))
	switch {
	case err != nil:
		return errors.New("the service's answer breaks off")
	case len(answer) > maxAnswer:
		return errors.New("the service's answer is too large")
	case json.Unmarshal(answer, out) != nil: // its error may quote the answer
		return errors.New("the service's answer is not of the documented shape")
	}
	return nil
}
