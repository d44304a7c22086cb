// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package streams_test

import (
	"crypto/tls"
	"crypto/x509"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"

	"github.com/sallyport-dev/sallyport/internal/connector/kubernetes/streams"
	"github.com/sallyport-dev/sallyport/test/kubepeer"
)

// TestCluster has a real cluster run a program, over both protocols.
func TestCluster(t *testing.T) {
	c := kubepeer.Start(t)
	c.Namespace("clinic", nil)
	c.CreatePod(kubepeer.Pod{Namespace: "clinic", Name: "web-1"})
	pem, err := os.ReadFile(c.CAFile)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(pem)
	tr := &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"}}}
	each(t, func(t *testing.T, spdyOnly bool) {
		q := url.Values{"command": {"sh", "-c", "cat; echo err >&2; exit 5"}, "stdin": {"true"}, "stdout": {"true"}, "stderr": {"true"}}
		ask := func(verb string, h http.Header) (*http.Response, error) {
			if spdyOnly && verb == http.MethodGet {
				return &http.Response{StatusCode: http.StatusBadRequest, Body: http.NoBody}, nil
			}
			req, err := http.NewRequestWithContext(t.Context(), verb, c.URL+"/api/v1/namespaces/clinic/pods/web-1/exec?"+q.Encode(), http.NoBody)
			if err != nil {
				return nil, err
			}
			req.Header = h
			req.Header.Set("Authorization", "Bearer "+c.AdminToken)
			return tr.RoundTrip(req)
		}
		conn, res, err := dialer().Dial(ask, streams.Wish{Stdin: true, Stdout: true, Stderr: true})
		if err != nil || res != nil {
			t.Fatal(res, err)
		}
		defer conn.Close("")
		text := strings.Repeat("0123456789abcdef", 50_000)
		go func() {
			in := conn.Writer(streams.Stdin)
			_, _ = io.WriteString(in, text)
			_ = in.Close()
		}()
		out := make(chan string, 2)
		for _, s := range []streams.Stream{streams.Stderr, streams.Status} {
			go func() {
				b, _ := io.ReadAll(conn.Reader(s))
				out <- string(b)
			}()
		}
		b, err := io.ReadAll(conn.Reader(streams.Stdout))
		if err != nil || string(b) != text {
			t.Errorf("%d bytes, %v", len(b), err)
		}
		both := <-out + <-out
		if !strings.Contains(both, "err\n") || !strings.Contains(both, `"NonZeroExitCode"`) || !strings.Contains(both, `"5"`) {
			t.Errorf("%q", both)
		}
	})
}
