// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package httpapi_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
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

// Intents counts the intents in the ledger's write-ahead log, which is what makes
// them durable.
func (w *world) Intents(t *testing.T) (n int) {
	t.Helper()
	c := caller{t: t, g: w.Gateway}
	for name, b := range c.traceFiles() {
		if strings.Contains(name, "/ledger/wal/") {
			n += bytes.Count(b, []byte(`"type":"intent"`))
		}
	}
	return n
}

func (w *world) Upstream(*testing.T) int { return int(w.api.slowly.Load()) }

func (w *world) Disk() connectortest.Disk { return w.Gateway.Disk }

func (w *world) Traces(t *testing.T) map[string][]byte {
	t.Helper()
	c := caller{t: t, g: w.Gateway}
	return c.traces()
}

func (w *world) Stop(t *testing.T) { w.Gateway.Stop(t) }

type client struct{ *caller }

// refusal is an answer that is an error.
type refusal struct {
	status int
	kind   string
	body   string
}

func (r *refusal) Error() string { return fmt.Sprintf("%d %s %s", r.status, r.kind, r.body) }

func (c *client) do(ctx context.Context, path string, each func([]byte) bool) (n int64, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+c.g.HTTPAddress()+"/r/records/records"+path, nil)
	if err != nil {
		return 0, err
	}
	req.Header.Set("Authorization", "Bearer "+c.token)
	res, err := c.http.Do(req)
	if err != nil {
		return 0, err
	}
	defer res.Body.Close()
	if res.StatusCode >= 400 {
		b, err := io.ReadAll(res.Body)
		return 0, errors.Join(err, &refusal{res.StatusCode, res.Header.Get("Content-Type"), string(b)})
	}
	buf := make([]byte, 32<<10)
	for {
		got, err := res.Body.Read(buf)
		n += int64(got)
		if got > 0 && !each(buf[:got]) {
			return n, nil
		}
		if errors.Is(err, io.EOF) {
			return n, nil
		}
		if err != nil {
			return n, err
		}
	}
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
	var r *refusal
	return errors.As(err, &r) && r.status == http.StatusForbidden && r.kind == "application/problem+json" && strings.Contains(r.body, `"hint"`) && strings.Contains(r.body, "payroll")
}

// Fatal reports whether the session is over: no request is answered any more.
func (c *client) Fatal(err error) bool {
	var r *refusal
	return errors.As(err, &r) && r.status == http.StatusServiceUnavailable && strings.Contains(r.body, `"hint"`)
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
