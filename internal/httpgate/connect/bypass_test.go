// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package connect_test

import (
	"bufio"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-dev/sallyport/test/bigquerypeer"
)

const dataset = "/bigquery/v2/projects/" + bigquerypeer.Project + "/datasets"

// TestOtherHosts is row 18 of the bypasses: whatever leads to the same data by another
// host, another service, or another name for a host.
func TestOtherHosts(t *testing.T) {
	t.Parallel()
	w := start(t, false)
	for authority, reason := range map[string]string{
		"bigquery.europe-west3.rep.googleapis.com:443": "in no table",
		"europe-west3-bigquery.googleapis.com:443":     "in no table",
		"bigquery.mtls.googleapis.com:443":             "in no table",
		"bigquery-clinic.p.googleapis.com:443":         "in no table",
		"x.bigquery.googleapis.com:443":                "in no table",
		"bigqueryconnection.googleapis.com:443":        "in no table",
		"bigquerydatatransfer.googleapis.com:443":      "in no table",
		"analyticshub.googleapis.com:443":              "in no table",
		"clinic-exports.storage.googleapis.com:443":    "in no table",
		"example.org:443":                              "in no table",
		"xn--bigquery-abc.googleapis.com:443":          "in no table",
		"storage.googleapis.com:443":                   "does not belong to dwh",
		"bigquery.googleapis.com:80":                   "only port 443",
		"bigquery.googleapis.com:8443":                 "only port 443",
		"142.250.0.1:443":                              "an address of IP",
		"[2001:db8::1]:443":                            "an address of IP",
		"2398797826:443":                               "no host of the form",
		"127.1:443":                                    "no host of the form",
		"localhost:443":                                "no host of the form",
		"bigquery.googleapis.com.:443":                 "no host of the form",
		"bigquery..googleapis.com:443":                 "no host of the form",
		"bigquery.googleapis.com":                      "no host and port",
		"bïgquery.googleapis.com:443":                  "no host of the form",
	} {
		_, r := w.dial(t, "CONNECT "+authority+" HTTP/1.1\r\nHost: bigquery.googleapis.com:443\r\n"+basic(w.Token)+"\r\n")
		status, _, body := answer(t, r, http.MethodConnect)
		if status != http.StatusForbidden || !strings.Contains(body, reason) {
			t.Errorf("CONNECT %s: %d %s", authority, status, body)
		}
	}
	if w.recorded(t, "europe-west3-bigquery.googleapis.com is in no table") < 1 || w.recorded(t, "only port 443") < 2 {
		t.Error("a refused host is not on record")
	}
	// Names are equal in either case.
	_, r := w.dial(t, "CONNECT BigQuery.GoogleAPIs.com:443 HTTP/1.1\r\nHost: BigQuery.GoogleAPIs.com:443\r\n"+basic(w.Token)+"\r\n")
	if status, _, body := answer(t, r, http.MethodConnect); status != http.StatusOK {
		t.Errorf("upper case: %d %s", status, body)
	}
	// Other services at a host of the table, and ways out of a path of it.
	c := w.client(t, w.Token, true)
	for _, path := range []string{
		"/compute/v1/projects/p/zones", "/drive/v3/files", "/storage/v1/b", "/bigquery/v2x/projects", "/bigquery", "/BigQuery/v2/projects",
		"/bigquery/v2/../../storage/v1/b", "/bigquery/v2/%2e%2e/%2E%2e/storage/v1/b", "/bigquery/v2/..%2f..%2fstorage/v1/b", `/bigquery/v2/..%5c..%5cstorage`,
		"//bigquery/v2/projects", "/r/lake/lake/storage/v1/b", "/v1/token", "/discovery/v1/apis/storage/v1/rest",
	} {
		if status, body, _ := get(t, c, "https://www.googleapis.com"+path); status != http.StatusForbidden || !strings.Contains(body, "belongs to no resource") {
			t.Errorf("%s: %d %s", path, status, body)
		}
	}
	if w.recorded(t, "this path of www.googleapis.com belongs to no resource") < 14 {
		t.Error("a refused path is not on record")
	}
}

// TestFronting is of row 18 as well: three names for one host have to be the same.
func TestFronting(t *testing.T) {
	t.Parallel()
	w := start(t, false)
	for _, sni := range []string{"www.googleapis.com", "storage.googleapis.com"} {
		if _, err := w.inside(t, service, sni); err == nil {
			t.Errorf("TLS for %s was answered inside of a CONNECT for %s", sni, service)
		}
	}
	if n := w.recorded(t, "the TLS inside of the CONNECT is for another host"); n < 2 {
		t.Errorf("another host inside of the TLS is on record %d times", n)
	}
	send := func(text string) (int, string) {
		t.Helper()
		c, err := w.inside(t, service, service)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(c, text); err != nil {
			t.Fatal(err)
		}
		status, _, body := answer(t, bufio.NewReader(c), http.MethodGet)
		return status, body
	}
	for text, reason := range map[string]string{
		"GET " + dataset + " HTTP/1.1\r\nHost: www.googleapis.com\r\n\r\n":                                        "is for another host",
		"GET " + dataset + " HTTP/1.1\r\nHost: bigquery.googleapis.com:444\r\n\r\n":                               "is for another host",
		"GET " + dataset + " HTTP/1.1\r\nHost: bigquery.googleapis.com.\r\n\r\n":                                  "is for another host",
		"GET https://bigquery.googleapis.com" + dataset + " HTTP/1.1\r\nHost: bigquery.googleapis.com\r\n\r\n":    "in its first line",
		"GET http://storage.googleapis.com/storage/v1/b HTTP/1.1\r\nHost: bigquery.googleapis.com\r\n\r\n":        "in its first line",
		"CONNECT storage.googleapis.com:443 HTTP/1.1\r\nHost: bigquery.googleapis.com\r\n\r\n":                    "CONNECT inside of a CONNECT",
		"TRACE " + dataset + " HTTP/1.1\r\nHost: bigquery.googleapis.com\r\n\r\n":                                 "the method cannot be used",
		"GET " + dataset + " HTTP/1.1\r\nHost: bigquery.googleapis.com\r\nX-Forwarded-Host: www.x.org\r\n\r\n":    "",
		"GET " + dataset + " HTTP/1.1\r\nHost: BIGQUERY.googleapis.com:443\r\nAuthorization: Bearer ya29\r\n\r\n": "",
	} {
		status, body := send(text)
		if want := map[bool]int{true: http.StatusForbidden, false: http.StatusOK}[reason != ""]; status != want || !strings.Contains(body, reason) {
			t.Errorf("%q: %d %s", text, status, body)
		}
	}
	// :authority of HTTP/2 is what Host is.
	c := w.client(t, w.Token, true)
	status, body, proto := get(t, c, "https://"+service+dataset, func(r *http.Request) { r.Host = "www.googleapis.com" })
	if status != http.StatusForbidden || proto != 2 || !strings.Contains(body, "another host") {
		t.Errorf("HTTP/2: %d %d %s", proto, status, body)
	}
}

// TestSmuggling: of a request with two lengths there is one reading, and what stands
// behind it is judged as a request of its own.
func TestSmuggling(t *testing.T) {
	t.Parallel()
	w := start(t, false)
	inner := "GET /storage/v1/b HTTP/1.1\r\nHost: storage.googleapis.com\r\n\r\n"
	for name, text := range map[string]string{
		"both":    "POST " + dataset + " HTTP/1.1\r\nHost: bigquery.googleapis.com\r\nContent-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + inner,
		"two":     "POST " + dataset + " HTTP/1.1\r\nHost: bigquery.googleapis.com\r\nContent-Length: 0\r\nContent-Length: 9\r\n\r\n" + inner,
		"unknown": "POST " + dataset + " HTTP/1.1\r\nHost: bigquery.googleapis.com\r\nTransfer-Encoding: xchunked\r\n\r\n" + inner,
		"hosts":   "GET " + dataset + " HTTP/1.1\r\nHost: bigquery.googleapis.com\r\nHost: storage.googleapis.com\r\n\r\n",
	} {
		c, err := w.inside(t, service, service)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(c, text); err != nil {
			t.Fatal(err)
		}
		r := bufio.NewReader(c)
		if err := c.SetReadDeadline(time.Now().Add(3 * time.Second)); err != nil {
			t.Fatal(err)
		}
		for {
			res, err := http.ReadResponse(r, nil)
			if err != nil {
				break // closed, or nothing more to come
			}
			b, _ := io.ReadAll(res.Body)
			_ = res.Body.Close()
			if res.StatusCode == http.StatusOK || strings.Contains(string(b), "clinic-exports") {
				t.Errorf("%s: %d %s", name, res.StatusCode, b)
			}
		}
	}
	// The CONNECT itself has no body.
	_, r := w.dial(t, "CONNECT bigquery.googleapis.com:443 HTTP/1.1\r\nHost: bigquery.googleapis.com:443\r\nContent-Length: 4\r\n"+basic(w.Token)+"\r\nabcd")
	if status, _, body := answer(t, r, http.MethodConnect); status != http.StatusForbidden {
		t.Errorf("a CONNECT with a body: %d %s", status, body)
	}
}

// TestTokens: who asks is said by the CONNECT, and a gateway token inside has to be
// the same principal's, for the same.
func TestTokens(t *testing.T) {
	t.Parallel()
	w := start(t, false)
	ask := func(lines string) (int, http.Header, string) {
		t.Helper()
		_, r := w.dial(t, "CONNECT bigquery.googleapis.com:443 HTTP/1.1\r\nHost: bigquery.googleapis.com:443\r\n"+lines+"\r\n")
		return answer(t, r, http.MethodConnect)
	}
	for name, lines := range map[string]string{
		"none": "", "other scheme": "Proxy-Authorization: Digest x\r\n", "no base64": "Proxy-Authorization: Basic %%%\r\n", "two": basic(w.Token) + basic(w.Token),
		"unknown": basic("spt_" + strings.Repeat("A", 43)), "wrong header": "Authorization: Bearer " + w.Token + "\r\n", "unbound": basic(w.CIToken(t)), "empty": basic(""),
	} {
		status, h, body := ask(lines)
		if status != http.StatusProxyAuthRequired || !strings.HasPrefix(h.Get("Proxy-Authenticate"), "Basic ") {
			t.Errorf("%s: %d %v %s", name, status, h, body)
		}
	}
	for name, lines := range map[string]string{
		"bearer": "Proxy-Authorization: Bearer " + w.Token + "\r\n", "basic": basic(w.Token), "named": named(w.CIToken(t)),
	} {
		if status, _, body := ask(lines); status != http.StatusOK {
			t.Errorf("%s: %d %s", name, status, body)
		}
	}
	for _, text := range []string{"GET / HTTP/1.1\r\nHost: x.org\r\n", "GET http://bigquery.googleapis.com/ HTTP/1.1\r\nHost: x.org\r\n", "POST /v1/token HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n"} {
		_, r := w.dial(t, text+basic(w.Token)+"\r\n")
		if status, _, body := answer(t, r, http.MethodGet); status != http.StatusBadRequest || !strings.Contains(body, "CONNECT alone") {
			t.Errorf("%q: %d %s", text, status, body)
		}
	}
	other, err := w.Issuer.Token("repo:acme/other:ref:refs/heads/main", 10*time.Minute, map[string]any{"kind": "ci", "repository": "acme/other"})
	if err != nil {
		t.Fatal(err)
	}
	c := w.client(t, w.Token, true)
	for name, one := range map[string]struct {
		credential string
		status     int
	}{
		"own":                  {"Bearer " + w.Token, http.StatusOK},
		"none":                 {"", http.StatusOK},
		"of Google's form":     {"Bearer ya29.a0AfH6SMB", http.StatusOK},
		"of another principal": {"Bearer " + w.exchange(t, other, "dwh", "dwh"), http.StatusForbidden},
		"of another resource":  {"Bearer " + w.lake, http.StatusForbidden},
		"unknown":              {"Bearer spt_" + strings.Repeat("A", 43), http.StatusUnauthorized},
	} {
		status, body, _ := get(t, c, "https://"+service+dataset, func(r *http.Request) {
			if one.credential != "" {
				r.Header.Set("Authorization", one.credential)
			}
		})
		if status != one.status {
			t.Errorf("%s: %d %s", name, status, body)
		}
	}
	if status, body, _ := get(t, c, "https://"+service+dataset, func(r *http.Request) { r.Header["Authorization"] = []string{"Bearer a", "Bearer b"} }); status != http.StatusUnauthorized {
		t.Errorf("two credentials: %d %s", status, body)
	}
}
