// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package witness_test

import (
	"bytes"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/witness"
)

// roundTrip is a transport that answers by itself.
type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// FuzzAnswer gives the client answers of a witness whose key nobody has, so that
// none may count.
func FuzzAnswer(f *testing.F) {
	g, c := newGateway(f), newClock()
	signed, _ := g.grow(f, 4)
	key := newKey(f, "w").VerifierKey()
	p := policyOf(f, 1, key+" https://witness.example")
	_, sig, _ := bytes.Cut(signed, []byte("\n\n"))
	f.Add(200, "text/plain", []byte("\u2014 w AAAA\n"))
	f.Add(200, "", sig)
	f.Add(200, "", []byte("\n"+strings.Repeat("\u2014 w AAAAAAAAAAAAAAAAAAAA\n", 20)))
	f.Add(409, "text/x.tlog.size", []byte("3\n"))
	f.Add(409, "text/x.tlog.size; charset=utf-8", []byte("5\n"))
	f.Add(409, "text/plain", []byte("4\n"))
	f.Add(422, "", []byte{})
	f.Fuzz(func(t *testing.T, status int, kind string, body []byte) {
		if status < 100 || status > 999 {
			return
		}
		client := newClient(t, g, p, c, func(o *witness.ClientOptions) {
			o.File = filepath.Join(t.TempDir(), "cosigned")
			o.HTTP = &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
				return &http.Response{
					StatusCode: status, Header: http.Header{"Content-Type": {kind}}, Body: io.NopCloser(bytes.NewReader(body)), Request: r,
				}, nil
			})}
		})
		_, err := client.Cosign(t.Context())
		switch k := sallyport.KindOf(err); {
		case err == nil:
			t.Fatalf("%d %q counts", status, body)
		case k != sallyport.Unavailable && k != sallyport.Integrity:
			t.Fatalf("%d %q: %v", status, body, err)
		case client.Fresh(c.now()) == nil:
			t.Fatalf("%d %q gives a lease", status, body)
		}
	})
}

// BenchmarkFresh is what every statement pays.
func BenchmarkFresh(b *testing.B) {
	g, c := newGateway(b), newClock()
	k := &keeper{key: newKey(b, "w"), logs: []string{g.vkey}, dir: b.TempDir(), now: c.now}
	k.start(b)
	client := newClient(b, g, policyOf(b, 1, k.line()), c)
	g.grow(b, 1)
	_, err := client.Cosign(b.Context())
	must(b, err)
	now := c.now()
	for b.Loop() {
		err = client.Fresh(now)
	}
	must(b, err)
}
