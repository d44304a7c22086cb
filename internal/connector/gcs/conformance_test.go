// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package gcs_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/sallyport-dev/sallyport/internal/connector/connectortest"
	"github.com/sallyport-dev/sallyport/test/gatewaytest"
	"github.com/sallyport-dev/sallyport/test/gcspeer"
)

// Parts of the huge object: so many lines, of which each leaves so much at least.
const (
	hugeLines = 12_000
	hugeLine  = 500
)

func TestConformance(t *testing.T) {
	connectortest.Run(t, connectortest.Harness{
		Start: func(t *testing.T, via func(string) string) connectortest.Gateway {
			var lines strings.Builder
			for i := range hugeLines {
				fmt.Fprintf(&lines, `{"row":%d,"ssn":"219-09-9991","name":"Ada Example","n":[%s1]}`+"\n", i, strings.Repeat("1,", hugeLine/4))
			}
			peer := gcspeer.Start(t, gcspeer.WithClinic())
			peer.Seed("clinic-exports", "huge.ndjson", "application/x-ndjson", lines.String())
			f := gatewaytest.NewFront(t, peer.URL, "/slow")
			return &conforming{gatewaytest.Conforming{Caller: startAt(t, peer, "http://"+via(f.Address())).Caller, Front: f}}
		},
		Canaries:  []string{"219-09-999", "ada example", "1961-04-02"},
		HugeBytes: hugeLines * hugeLine,
	})
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
	return c.Stream(ctx, c.HTTP, c.Token, http.MethodGet, path, "", each)
}

func (c *caller) Read(ctx context.Context) (out []byte, err error) {
	_, err = c.do(ctx, "/storage/v1/b/clinic-exports/o/notes%2F1001.txt?alt=media", func(b []byte) bool { out = append(out, b...); return true })
	return out, err
}

func (c *caller) Denied(ctx context.Context) error {
	_, err := c.do(ctx, "/storage/v1/b/payroll/o", func([]byte) bool { return true })
	return err
}

func (c *caller) Slow(ctx context.Context) error {
	_, err := c.do(ctx, "/storage/v1/b/clinic-public/o/slow?alt=media", func([]byte) bool { return true })
	return err
}

func (c *caller) Huge(ctx context.Context, each func([]byte) bool) (int64, error) {
	return c.do(ctx, "/storage/v1/b/clinic-exports/o/huge.ndjson?alt=media", each)
}
