// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package config_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Every mistake of an API has its own key.
func TestHTTPProblems(t *testing.T) {
	t.Parallel()
	for entry, want := range map[string][]string{
		`{name: a, type: http}`: {"http"},
		`{name: a, type: http, intent: before-release, http: {url: "https://a.example", auth: {mode: none}, unlisted: judge}}`:                                      {"intent"},
		`{name: a, type: http, intent: before-forward, http: {url: "https://a.example", auth: {mode: none}, unlisted: judge}}`:                                      nil,
		`{name: a, type: http, intent: never, http: {url: "https://a.example", auth: {mode: none}, unlisted: judge}}`:                                               {"intent"},
		`{name: a, type: kubernetes, intent: before-release, credential: {password: "env:A"}, kubernetes: {url: "https://a.example"}}`:                              nil,
		`{name: a, type: http, credential: {password: "env:A"}, http: {url: "https://a.example", auth: {mode: bearer}, unlisted: judge}}`:                           nil,
		`{name: a, type: http, credential: {password: "env:A"}, http: {url: "https://a.example", auth: {mode: bearer}}}`:                                            {"http.routes"},
		`{name: a, type: http, credential: {password: "env:A"}, http: {auth: {mode: bearer}, unlisted: judge}}`:                                                     {"http.url"},
		`{name: a, type: http, http: {url: "http://a.example", auth: {mode: none}, unlisted: judge}}`:                                                               {"http.url"},
		`{name: a, type: http, http: {url: "https://u:hunter2@a.example", auth: {mode: none}, unlisted: judge}}`:                                                    {"http.url"},
		`{name: a, type: http, http: {url: "https://a.example", auth: {mode: none}, unlisted: sometimes}}`:                                                          {"http.unlisted"},
		`{name: a, type: http, http: {url: "https://a.example", unlisted: judge}}`:                                                                                  {"http.auth.mode", "credential.password"},
		`{name: a, type: http, http: {url: "https://a.example", auth: {mode: basic}, unlisted: judge}}`:                                                             {"credential.password", "credential.username"},
		`{name: a, type: http, credential: {password: "env:A"}, http: {url: "https://a.example", auth: {mode: header}, unlisted: judge}}`:                           {"http.auth.header"},
		`{name: a, type: http, credential: {password: "env:A"}, http: {url: "https://a.example", auth: {mode: google}, unlisted: judge}}`:                           {"http.auth.scopes"},
		`{name: a, type: http, credential: {password: "env:A"}, http: {url: "https://a.example", auth: {mode: none}, unlisted: judge}}`:                             {"credential"},
		`{name: a, type: http, credential: {password: "env:A"}, http: {url: "https://a.example", auth: {mode: google-id-token, machine: true}, unlisted: judge}}`:   {"credential"},
		`{name: a, type: http, http: {url: "https://a.example", auth: {mode: google-id-token, machine: true}, unlisted: judge}}`:                                    nil,
		`{name: a, type: http, credential: {password: "env:A"}, http: {url: "https://a.example", auth: {mode: bearer, impersonate: a@b.example}, unlisted: judge}}`: {"http.auth"},
		`{name: a, type: http, address: "x:1", http: {url: "https://a.example", auth: {mode: none}, unlisted: judge, max_request: 0, timeout: 1ms}}`:                {"address", "http.max_request", "http.timeout"},
		`{name: a, type: http, http: {url: "https://a.example", auth: {mode: none}, routes: [{path: x}, {path: /y, operations: [{method: FLY, effect: float}]}]}}`:  {"http.routes[0].path", "http.routes[1].operations[0].method", "http.routes[1].operations[0].effect"},
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
		if strings.Contains(got.Error(), "hunter2") {
			t.Errorf("a secret stands in the problems:\n%s", got)
		}
	}
}
