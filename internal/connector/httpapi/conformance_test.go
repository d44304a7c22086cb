// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package httpapi_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/sallyport-dev/sallyport/internal/connector/connectortest"
	"github.com/sallyport-dev/sallyport/test/gatewaytest"
)

// Parts of the huge answer: so many patients in one document.
const (
	hugePatients = 12_000
	hugeNote     = 1000 // bytes of a patient that nobody labelled
)

func TestConformance(t *testing.T) {
	connectortest.Run(t, connectortest.Harness{
		Start: func(t *testing.T, via func(string) string) connectortest.Gateway {
			w := &world{api: newAPI(t)}
			address := via(strings.TrimPrefix(w.api.URL, "http://"))
			w.Gateway = gatewaytest.Start(t, gatewaytest.Open(), gatewaytest.Policy(policy), gatewaytest.File("api.token", "upstream-token"),
				gatewaytest.Resource("records", "records", fmt.Sprintf(resource, "http://"+address)))
			w.t = t
			return w
		},
		Canaries:  []string{canary, "quill", "mrn0012345", "hugesecret"},
		HugeBytes: hugePatients * hugeNote,
	})
}

type world struct {
	*gatewaytest.Gateway
	api *api
	t   *testing.T
}

func (w *world) Listener() string { return w.HTTPAddress() }

// Open asks once, since a session begins with its first request, and so does the
// gateway's connection to the target.
func (w *world) Open(ctx context.Context) (connectortest.Caller, error) {
	c := &client{newCaller(w.t, w.Gateway)}
	_, err := c.Read(ctx)
	return c, err
}

func (w *world) Intents(t *testing.T) int { return w.Gateway.Intents(t) }

func (w *world) Upstream(*testing.T) int { return int(w.api.slowly.Load()) }

func (w *world) Disk() connectortest.Disk { return w.Gateway.Disk }

func (w *world) Traces(t *testing.T) map[string][]byte { return w.Gateway.Traces(t) }

func (w *world) Stop(t *testing.T) { w.Gateway.Stop(t) }

type client struct{ *caller }

func (c *client) do(ctx context.Context, path string, each func([]byte) bool) (int64, error) {
	return c.g.Stream(ctx, c.http, c.token, http.MethodGet, "/r/records/records"+path, "", each)
}

func (c *client) Read(ctx context.Context) (out []byte, err error) {
	_, err = c.do(ctx, "/patients/1", func(b []byte) bool { out = append(out, b...); return true })
	return out, err
}

func (c *client) Denied(ctx context.Context) error {
	_, err := c.do(ctx, "/payroll", func([]byte) bool { return true })
	return err
}

// Native reports whether an error is the problem document that HTTP APIs answer
// with.
func (c *client) Native(err error) bool {
	var r *gatewaytest.Refusal
	return errors.As(err, &r) && r.Status == http.StatusForbidden && r.Kind == "application/problem+json" && strings.Contains(r.Body, `"hint"`) && strings.Contains(r.Body, "payroll")
}

// Fatal reports whether the session is over: no request is answered any more.
func (c *client) Fatal(err error) bool {
	var r *gatewaytest.Refusal
	return errors.As(err, &r) && r.Status == http.StatusServiceUnavailable && strings.Contains(r.Body, `"hint"`)
}

func (c *client) Slow(ctx context.Context) error {
	_, err := c.do(ctx, "/patients/slow", func([]byte) bool { return true })
	return err
}

func (c *client) Huge(ctx context.Context, each func([]byte) bool) (int64, error) {
	return c.do(ctx, "/patients/huge", each)
}

func (c *client) Close() { c.http.CloseIdleConnections() }

// slowly is a request that the target works on until its client is gone.
func slowly(r *http.Request, n *atomic.Int64, end <-chan struct{}) {
	n.Add(1)
	defer n.Add(-1)
	select {
	case <-r.Context().Done():
	case <-end:
	}
}

// huge writes a document of many patients.
func huge(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "application/x-ndjson")
	line := `,"ssn":"` + canary + `","secret":"hugesecret","active":true,"n":[` + strings.Repeat("1,", hugeNote/2-20) + "1]}\n"
	for i := range hugePatients {
		if _, err := fmt.Fprintf(w, `{"row":%d%s`, i, line); err != nil {
			return
		}
	}
}
