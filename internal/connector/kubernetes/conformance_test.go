// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package kubernetes_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/sallyport-dev/sallyport/internal/connector/connectortest"
	"github.com/sallyport-dev/sallyport/test/gatewaytest"
)

// Parts of the huge list: so many pods, of which each leaves so much at least.
const (
	hugePods = 12_000
	hugePod  = 1000
)

// simple is a cluster without TLS, for what is the gateway's alone.
const simple = `  - name: prod
    type: kubernetes
    credential: {password: "file:cluster.token"}
    kubernetes: {url: %s, max_request: 64KiB}
`

func TestConformance(t *testing.T) {
	connectortest.Run(t, connectortest.Harness{
		Start: func(t *testing.T, via func(string) string) connectortest.Gateway {
			api := httptest.NewServer(http.HandlerFunc(answers))
			t.Cleanup(api.Close)
			f := gatewaytest.NewFront(t, api.URL, "/slow")
			g := gatewaytest.Start(t, gatewaytest.Open(), gatewaytest.Policy(policy), gatewaytest.File("cluster.token", "upstream-token"),
				gatewaytest.Resource("prod", "ops", fmt.Sprintf(simple, "http://"+via(f.Address()))))
			return &conforming{gatewaytest.Conforming{Caller: g.Caller(t, "prod", "ops"), Front: f}}
		},
		Canaries:  []string{canary, password},
		HugeBytes: hugePods * hugePod,
	})
}

// answers is a cluster in a few words.
func answers(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	note := `"annotations":{"note":"patient ` + canary + `"}`
	switch {
	case strings.HasSuffix(r.URL.Path, "/huge"), !strings.HasSuffix(r.URL.Path, "/pods"):
		_, _ = fmt.Fprintf(w, `{"kind":"Pod","apiVersion":"v1","metadata":{"name":"web",%s}}`, note)
	default:
		_, _ = fmt.Fprint(w, `{"kind":"PodList","apiVersion":"v1","items":[`)
		for i := range hugePods {
			if i > 0 {
				_, _ = fmt.Fprint(w, ",")
			}
			if _, err := fmt.Fprintf(w, `{"metadata":{"name":"p%d",%s},"spec":{"x":[%s1]}}`, i, note, strings.Repeat("1,", hugePod/2)); err != nil {
				return
			}
		}
		_, _ = fmt.Fprint(w, "]}")
	}
}

type conforming struct{ gatewaytest.Conforming }

// Open asks once, since a session begins with its first request, and so does the
// gateway's connection to the target.
func (c *conforming) Open(ctx context.Context) (connectortest.Caller, error) {
	one := &caller{c}
	_, err := one.Read(ctx)
	return one, err
}

func (c *conforming) Disk() connectortest.Disk { return c.Gateway.Disk }

type caller struct{ *conforming }

func (c *caller) do(ctx context.Context, path string, each func([]byte) bool) (int64, error) {
	return c.Stream(ctx, c.HTTP, c.Token, http.MethodGet, "/k8s/prod"+path, "", each)
}

func (c *caller) Read(ctx context.Context) (out []byte, err error) {
	_, err = c.do(ctx, "/api/v1/namespaces/clinic/pods/web", func(b []byte) bool { out = append(out, b...); return true })
	return out, err
}

func (c *caller) Denied(ctx context.Context) error {
	_, err := c.do(ctx, "/api/v1/namespaces/payroll/pods", func([]byte) bool { return true })
	return err
}

func (c *caller) Slow(ctx context.Context) error {
	_, err := c.do(ctx, "/api/v1/namespaces/clinic/pods/slow", func([]byte) bool { return true })
	return err
}

func (c *caller) Huge(ctx context.Context, each func([]byte) bool) (int64, error) {
	return c.do(ctx, "/api/v1/namespaces/clinic/pods", each)
}

// Native reports whether an error is the status that the API answers with.
func (c *conforming) Native(err error) bool {
	var r *gatewaytest.Refusal
	return errors.As(err, &r) && r.Status == http.StatusForbidden && strings.Contains(r.Body, `"kind":"Status"`) && strings.Contains(r.Body, `"reason":"Forbidden"`) &&
		strings.Contains(r.Body, "policy explain")
}

// Fatal reports whether the session is over: no request is answered any more.
func (c *conforming) Fatal(err error) bool {
	var r *gatewaytest.Refusal
	return errors.As(err, &r) && r.Status == http.StatusServiceUnavailable && strings.Contains(r.Body, `"reason":"ServiceUnavailable"`)
}
