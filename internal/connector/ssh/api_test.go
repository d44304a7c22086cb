// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package ssh_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
)

// caller speaks to the gateway's API as a CI job.
type caller struct {
	w    *world
	http *http.Client
}

func newCaller(w *world) *caller { return &caller{w, w.HTTPClient(w.t)} }

type host struct {
	HostKey string `json:"host_key"`
}

type certified struct {
	Certificate, User string
	TokenID           string `json:"token_id"`
}

func (c *caller) call(method, path string, in, out any) (int, string) {
	c.w.t.Helper()
	var body io.Reader = http.NoBody
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			c.w.t.Fatal(err)
		}
		body = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(c.w.t.Context(), method, "https://"+c.w.APIAddress()+path, body)
	if err != nil {
		c.w.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+c.w.CIToken(c.w.t))
	if in != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	res, err := c.http.Do(req)
	if err != nil {
		c.w.t.Fatal(err)
	}
	defer res.Body.Close() //nolint:errcheck // it was read
	b, err := io.ReadAll(res.Body)
	if err != nil {
		c.w.t.Fatal(err)
	}
	if res.StatusCode == http.StatusOK && out != nil {
		if err := json.Unmarshal(b, out); err != nil {
			c.w.t.Fatal(err)
		}
	}
	return res.StatusCode, string(b)
}

func (c *caller) show() (h host) {
	c.w.t.Helper()
	if status, b := c.call("GET", "/v1/ssh", nil, &h); status != http.StatusOK {
		c.w.t.Fatalf("%d %s", status, b)
	}
	return h
}

func (c *caller) certify(resource, role, key string) (out certified) {
	c.w.t.Helper()
	status, b := c.call("POST", "/v1/ssh/certificate", map[string]string{"resource": resource, "role": role, "public_key": key}, &out)
	if status != http.StatusOK {
		c.w.t.Fatalf("%d %s", status, b)
	}
	return out
}
