// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package gatewaytest

import (
	"crypto/tls"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"path/filepath"
	"sync"
	"testing"
)

// Cutter stands between clients and a gateway's front of HTTP. The first answer
// with more bytes than it was told ends there, and its connection with it.
type Cutter struct {
	// URL is where clients connect, without a slash at the end. The certificate is the
	// gateway's own.
	URL string

	after int64

	mu   sync.Mutex
	cut  bool       // guarded by mu
	came []Download // guarded by mu
}

// Download is a request that came by a [Cutter].
type Download struct {
	Method, Path string // the path with the query
	Range        string // of the request
	Status       int    // of the answer
	Cut          bool   // it was not let through whole
}

// Cut puts a cutter before the gateway until the test's clean-up.
func (g *Gateway) Cut(t testing.TB, after int64) *Cutter {
	t.Helper()
	cert, err := tls.LoadX509KeyPair(filepath.Join(g.Dir, "gw.crt"), filepath.Join(g.Dir, "gw.key"))
	if err != nil {
		t.Fatal(err)
	}
	c := &Cutter{after: after}
	to := &url.URL{Scheme: "https", Host: g.HTTPAddress()}
	quiet := log.New(io.Discard, "", 0) // answers are cut on purpose
	front := httptest.NewUnstartedServer(&httputil.ReverseProxy{
		Transport: g.HTTPClient(t).Transport, FlushInterval: -1, ErrorLog: quiet,
		Rewrite:        func(p *httputil.ProxyRequest) { p.SetURL(to) },
		ModifyResponse: c.look,
	})
	front.TLS, front.Config.ErrorLog = &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12}, quiet
	front.StartTLS()
	t.Cleanup(front.Close)
	c.URL = front.URL
	return c
}

// look notes an answer and has its body watched.
func (c *Cutter) look(res *http.Response) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	r := res.Request
	c.came = append(c.came, Download{Method: r.Method, Path: r.URL.RequestURI(), Range: r.Header.Get("Range"), Status: res.StatusCode})
	res.Body = &watched{ReadCloser: res.Body, c: c, nth: len(c.came) - 1, left: c.after}
	return nil
}

// Downloads are the requests that came, the first one first.
func (c *Cutter) Downloads() []Download {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]Download(nil), c.came...)
}

// watched is an answer's body that may break off.
type watched struct {
	io.ReadCloser
	c    *Cutter
	nth  int
	left int64
}

// Read reads, and fails where the answer is cut, so that the proxy ends the
// connection.
func (w *watched) Read(p []byte) (int, error) {
	w.c.mu.Lock()
	defer w.c.mu.Unlock()
	if w.c.cut {
		return w.ReadCloser.Read(p)
	}
	if w.left == 0 {
		w.c.cut, w.c.came[w.nth].Cut = true, true
		return 0, io.ErrUnexpectedEOF
	}
	n, err := w.ReadCloser.Read(p[:min(int64(len(p)), w.left)])
	w.left -= int64(n)
	return n, err
}
