// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package config_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Every mistake of a section about files has its own key.
func TestFilesProblems(t *testing.T) {
	t.Parallel()
	const key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGPKSUTyz1HwHReFVvD5obVsALAgJRNarH4TRpNePnAS"
	for section, want := range map[string][]string{
		`{}`: {"prefixes"},
		`{prefixes: [{prefix: /srv, labels: [phi], plain_names: true}]}`: nil,
		`{unlisted: judge}`: nil,
		`{unlisted: sometimes, prefixes: [{labels: [phi]}]}`: {"unlisted", "prefixes[0].prefix"},
		`{prefixes: [{prefix: /srv}], max_file: 0}`:          {"max_file"},
		`{prefixes: [{prefix: /srv}], max_masked: 0}`:        {"max_masked"},
	} {
		entry := `{name: a, type: ssh, address: "a:22", credential: {password: "env:A"}, ssh: {user: a, host_keys: ["` + key + `"], files: ` + section + `}}`
		text := []byte(strings.Replace(minimal, "vault: {key", "  - "+entry+"\nvault: {key", 1))
		if want == nil {
			mustParse(t, "gw.yaml", text)
			continue
		}
		got := problems(t, text)
		var keys []string
		for _, p := range got {
			keys = append(keys, strings.TrimPrefix(p.Key, "resources[1].ssh.files."))
		}
		if diff := cmp.Diff(want, keys); diff != "" {
			t.Errorf("%s (-want +got)\n%s\n%v", section, diff, got)
		}
	}
}
