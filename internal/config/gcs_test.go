// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package config_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Every mistake of a resource on Cloud Storage has its own key.
func TestGCSProblems(t *testing.T) {
	t.Parallel()
	for entry, want := range map[string][]string{
		`{name: a, type: gcs}`: {"gcs"},
		`{name: a, type: gcs, credential: {password: "env:A"}, gcs: {buckets: [{name: abc}]}}`:                                                nil,
		`{name: a, type: gcs, gcs: {buckets: [{name: abc}]}}`:                                                                                 {"credential.password"},
		`{name: a, type: gcs, gcs: {auth: {machine: true}, buckets: [{name: abc}]}}`:                                                          nil,
		`{name: a, type: gcs, credential: {password: "env:A"}, gcs: {}}`:                                                                      {"gcs.buckets"},
		`{name: a, type: gcs, credential: {password: "env:A"}, gcs: {unlisted: judge, auth: {mode: basic}}}`:                                  {"gcs.auth.mode", "credential.username"},
		`{name: a, type: gcs, credential: {password: "env:A"}, gcs: {url: "http://storage.example", buckets: [{prefixes: [{labels: [a]}]}]}}`: {"gcs.url", "gcs.buckets[0].name", "gcs.buckets[0].prefixes[0].prefix"},
		`{name: a, type: gcs, credential: {password: "env:A"}, gcs: {unlisted: sometimes, max_object: 0, timeout: 1ms}, http: {}}`:            {"http", "gcs.unlisted", "gcs.max_object", "gcs.timeout"},
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
