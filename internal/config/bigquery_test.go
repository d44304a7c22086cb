// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package config_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-dev/sallyport/internal/config"
)

// Every mistake of a resource on BigQuery has its own key.
func TestBigQueryProblems(t *testing.T) {
	t.Parallel()
	for entry, want := range map[string][]string{
		`{name: a, type: bigquery}`: {"bigquery"},
		`{name: a, type: bigquery, credential: {password: "env:A"}, labels: l.yaml, bigquery: {project: p}}`:                                                                           nil,
		`{name: a, type: bigquery, bigquery: {project: p, auth: {machine: true}}}`:                                                                                                     nil,
		`{name: a, type: bigquery, credential: {password: "env:A"}, bigquery: {number: "x1", url: "http://b.example"}, gcs: {}}`:                                                       {"gcs", "bigquery.url", "bigquery.project", "bigquery.number"},
		`{name: a, type: bigquery, credential: {password: "env:A"}, bigquery: {project: p, auth: {mode: basic}, timeout: 1ms}}`:                                                        {"bigquery.auth.mode", "credential.username", "bigquery.timeout"},
		`{name: a, type: bigquery, credential: {password: "env:A"}, bigquery: {project: p, mode: masked, second_opinion: no, native: {roles: [{role: r, impersonate: a@b.example}]}}}`: {"bigquery.mode", "bigquery.second_opinion", "bigquery.native"},
		`{name: a, type: bigquery, credential: {password: "env:A"}, bigquery: {project: p, mode: native, native: {every: 1s, iam: "http://b.example"}, auth: {mode: bearer}}}`:         {"bigquery.auth.mode", "bigquery.native.roles", "bigquery.native.canaries", "bigquery.native.every", "bigquery.native.iam"},
		`{name: a, type: bigquery, credential: {password: "env:A"}, bigquery: {project: p, mode: native, auth: {impersonate: own@b.example}, native: {roles: [{role: r, impersonate: own@b.example}, {role: r, impersonate: "a b@c"}], canaries: [{table: d, column: "a` + "`" + `b", key: ""}, {table: d.t, column: c, key: c, row: x, value: y}]}}}`: {
			"bigquery.native.roles[0].impersonate", "bigquery.native.roles[1].role", "bigquery.native.roles[1].impersonate", "bigquery.native.canaries[0].table", "bigquery.native.canaries[0].column",
			"bigquery.native.canaries[0].key", "bigquery.native.canaries[0].row", "bigquery.native.canaries[0].value", "bigquery.native.canaries[1].key",
		},
		`{name: a, type: bigquery, credential: {password: "env:A"}, bigquery: {project: p, mode: native, native: {roles: [{role: r, impersonate: a@b.example}], canaries: [{table: d.t, column: r.c, key: k, row: x, value: y}]}}}`: nil,
		`{name: a, type: http, bigquery: {project: p}, http: {url: "https://a.example", auth: {mode: none}, unlisted: judge}}`:                                                                                                      {"bigquery"},
		`{name: a, type: bigquery, database: d, credential: {password: "env:A"}, bigquery: {project: p}}`:                                                                                                                           {"database"},
		`{name: a, type: bigquery, bigquery: {project: p, auth: {machine: true}, storage_url: "http://127.0.0.1:1"}}`:                                                                                                               {"bigquery.storage_url"},
	} {
		text := []byte(strings.Replace(minimal, "vault: {key", "  - "+entry+"\nvault: {key", 1))
		if want == nil {
			mustParse(t, "gw.yaml", text)
			continue
		}
		got := problems(t, text)
		var keys []string
		for _, p := range got {
			keys = append(keys, strings.TrimPrefix(p.Key, "resources[1]."))
		}
		if diff := cmp.Diff(want, keys); diff != "" {
			t.Errorf("%s (-want +got)\n%s\n%v", entry, diff, got)
		}
	}
}

// The Storage APIs are where the configuration says, or follow the service.
func TestBigQueryStorage(t *testing.T) {
	t.Parallel()
	for _, b := range []struct {
		is   config.BigQuery
		want string
	}{
		{config.BigQuery{URL: "https://bigquery.googleapis.com"}, "https://bigquerystorage.googleapis.com"},
		{config.BigQuery{URL: "https://bq.example"}, "https://bq.example"},
		{config.BigQuery{URL: "http://127.0.0.1:1"}, ""},
		{config.BigQuery{URL: "http://127.0.0.1:1", StorageURL: "https://s.example"}, "https://s.example"},
	} {
		if got := b.is.Storage(); got != b.want {
			t.Errorf("%+v: %q, not %q", b.is, got, b.want)
		}
	}
}

// TestRolesWithoutIdentity finds roles that could do nothing at a resource.
func TestRolesWithoutIdentity(t *testing.T) {
	t.Parallel()
	entry := `{name: a, type: bigquery, credential: {password: "env:A"}, bigquery: {project: p, mode: native, native: {roles: [{role: other, impersonate: a@b.example}], canaries: [{table: d.t, column: c, key: k, row: x, value: y}]}}}`
	text := strings.Replace(minimal, "vault: {key", "  - "+entry+"\nroles:\n  - {name: some, resources: [a], members: [\"group:g\"]}\n  - {name: other, resources: [a], members: [\"group:g\"]}\nvault: {key", 1)
	got := problems(t, []byte(text))
	if len(got) != 1 || got[0].Key != "roles[0].resources[0]" {
		t.Errorf("%v", got)
	}
}
