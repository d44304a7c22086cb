// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package peer

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"time"
)

// Control is a counterpart's port for tests, which takes an action by its name and
// answers in JSON.
type Control struct {
	URL string

	t      T
	client *http.Client
}

// NewControl returns the control port at url, for the time of a test.
func NewControl(t T, url string) Control {
	return Control{url, t, &http.Client{Timeout: time.Minute, Transport: &http.Transport{DisableKeepAlives: true}}}
}

// Do has the counterpart carry out an action, and decodes what it answers into out
// unless that is nil.
func (c Control) Do(action string, in, out any) {
	c.t.Helper()
	body, err := json.Marshal(in)
	if err != nil {
		c.t.Fatal(err)
	}
	// Clean-up functions ask as well, when the test's own context is over.
	req, err := http.NewRequestWithContext(context.WithoutCancel(c.t.Context()), http.MethodPost, c.URL+"/"+action, bytes.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	res, err := c.client.Do(req)
	if err != nil {
		c.t.Fatalf("%s: %v", action, err)
	}
	defer res.Body.Close() //nolint:errcheck // it was read
	answer, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		c.t.Fatalf("%s: status %d: %s %v", action, res.StatusCode, answer, err)
	}
	if out == nil {
		return
	}
	if err := json.Unmarshal(answer, out); err != nil {
		c.t.Fatalf("%s: %v", action, err)
	}
}
