// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package connect_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/sallyport-dev/sallyport/internal/httpgate/connect"
)

func table() connect.Table {
	return connect.Table{"dwh": connect.BigQuery("https://bigquery.europe-west3.rep.googleapis.com"), "lake": connect.Storage("http://127.0.0.1:1")}
}

func TestTable(t *testing.T) {
	t.Parallel()
	tab := table()
	if h := tab.Hosts(); !slices.Equal(h, []string{
		"bigquery.europe-west3.rep.googleapis.com", "bigquery.googleapis.com", "bigquerystorage.googleapis.com", "oauth2.googleapis.com", "storage.googleapis.com",
		"sts.googleapis.com", "www.googleapis.com",
	}) {
		t.Errorf("hosts: %v", h)
	}
	read := "/google.cloud.bigquery.storage.v1.BigQueryRead/ReadRows"
	for _, c := range []struct {
		host, method, path string
		endpoint           string
		ok                 bool
	}{
		{"bigquery.googleapis.com", "GET", "/bigquery/v2/projects", "", true},
		{"bigquery.googleapis.com", "GET", "/bigquery/v2", "", true},
		{"bigquery.googleapis.com", "GET", "/$discovery/rest", "", true},
		{"bigquery.googleapis.com", "GET", "/bigquery/v3/projects", "", false},
		{"bigquery.googleapis.com", "TRACE", "/bigquery/v2/projects", "", false},
		{"bigquery.googleapis.com", "PROPFIND", "/bigquery/v2/projects", "", false},
		{"bigquery.europe-west3.rep.googleapis.com", "POST", "/bigquery/v2/projects/p/queries", "", true},
		{"bigquerystorage.googleapis.com", "POST", read, "", true},
		{"bigquerystorage.googleapis.com", "GET", read, "", false},
		{"bigquerystorage.googleapis.com", "POST", "/google.cloud.bigquery.storage.v1beta1.BigQueryStorage/ReadRows", "", false},
		{"oauth2.googleapis.com", "POST", "/token", "/v1/token", true},
		{"oauth2.googleapis.com", "POST", "/token/revoke", "", false},
		{"oauth2.googleapis.com", "GET", "/token", "", false},
		{"www.googleapis.com", "POST", "/oauth2/v4/token", "/v1/token", true},
		{"sts.googleapis.com", "POST", "/v1/introspect", "/v1/introspect", true},
		{"storage.googleapis.com", "GET", "/bigquery/v2/projects", "", false},
		{"www.googleapis.com", "GET", "/storage/v1/b", "", false}, // the lake's
		{"bigquery.googleapis.com", "GET", "bigquery/v2", "", false},
		{"bigquery.googleapis.com", "GET", "/bigquery/v2/" + strings.Repeat("a", 20<<10), "", false},
	} {
		r, err := tab.Match("dwh", c.host, c.method, c.path)
		if (err == nil) != c.ok || r.Endpoint != c.endpoint {
			t.Errorf("%s %s%.40s: %q %v", c.method, c.host, c.path, r.Endpoint, err)
		}
	}
	if _, err := tab.Match("lake", "storage.googleapis.com", "GET", "/clinic/a/../b"); err != nil {
		t.Errorf("a name of an object: %v", err)
	}
}

// FuzzTable: what the table lets through is a host of it, port 443, and a path that
// stays below one of its own.
func FuzzTable(f *testing.F) {
	for _, s := range [][3]string{
		{"bigquery.googleapis.com:443", "GET", "/bigquery/v2/projects"},
		{"www.googleapis.com:443", "POST", "/oauth2/v4/token"},
		{"WWW.googleapis.com:443", "GET", "/bigquery/v2/%2e%2E/x"},
		{"[::1]:443", "GET", "/"},
		{"bigquery.googleapis.com.:443", "GET", `/bigquery/v2\..\x`},
	} {
		f.Add(s[0], s[1], s[2])
	}
	tab := table()
	f.Fuzz(func(t *testing.T, authority, method, path string) {
		host, err := tab.Reach(authority, "dwh")
		if err != nil {
			if len(err.Error()) > 2000 {
				t.Errorf("the error has %d bytes", len(err.Error()))
			}
			return
		}
		if strings.ToLower(authority) != host+":443" || !slices.Contains(tab.Hosts(), host) {
			t.Errorf("%q reaches %q", authority, host)
		}
		r, err := tab.Match("dwh", host, method, path)
		if err != nil {
			return
		}
		below := func(p string) bool { return path == p || strings.HasPrefix(path, p+"/") }
		if r.Host != host || !slices.ContainsFunc(r.Paths, below) || strings.Contains(path, "/../") || strings.HasSuffix(path, "/..") || strings.Contains(strings.ToLower(path), "%2e%2e/") {
			t.Errorf("%s %s is let through by %+v", method, path, r)
		}
	})
}
