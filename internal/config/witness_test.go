// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package config_test

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-dev/sallyport/internal/config"
)

const witnessReference = "../../docs/reference/witness.md"

func TestWitnessSectionHasToMakeSense(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]string{
		"witness: {policy: p, lease: 500ms}":           "witness.lease",
		"witness: {policy: p, lease: 2h}":              "witness.lease",
		"witness: {policy: p, interval: 1ms}":          "witness.interval",
		"witness: {policy: p, timeout: 2m, lease: 1h}": "witness.timeout",
		"witness: {policy: p, lease: 14s}":             "witness.lease", // less than interval and timeout
		"witness: {ca: ca.pem}":                        "witness.policy",
		"witness: {policy: p, quorum: 2}":              "",
	} {
		ps := problems(t, []byte(minimal+line+"\n"))
		if len(ps) != 1 || ps[0].Key != want {
			t.Errorf("%s: %v", line, ps)
		}
	}
	mustParse(t, "gw.yaml", []byte(minimal+"witness: {policy: p, lease: 15s}\n"))
}

func writeWitness(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "witness.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestLoadWitness(t *testing.T) {
	t.Parallel()
	const vkey = "sallyport.example/gw1+0a1b2c3d+AQ"
	path := writeWitness(t, "version: 1\nname: witness.example/w1\n")
	got, err := config.LoadWitness(path)
	if err != nil {
		t.Fatal(err)
	}
	dir := config.Path(filepath.Dir(path))
	want := &config.WitnessServer{
		Version: 1, Name: "witness.example/w1", Listen: config.WitnessListener{Address: "127.0.0.1:7380"}, Key: dir + "/witness.key", State: dir + "/state",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	for text, key := range map[string]string{
		"name: w\n":                                           "version",
		"version: 1\n":                                        "name",
		"version: 1\nname: a b\n":                             "name",
		"version: 1\nname: a+b\n":                             "name",
		"version: 1\nname: w\nkey: \"\"\n":                    "key",
		"version: 1\nname: w\nstate: \"\"\n":                  "state",
		"version: 1\nname: w\nurl: witness\n":                 "url",
		"version: 1\nname: w\nurl: ftp://w\n":                 "url",
		"version: 1\nname: w\nlogs: [" + vkey + "]\n":         "logs[0]",
		"version: 1\nname: w\nlisten: {address: 0.0.0.0:1}\n": "listen.tls",
		"version: 1\nname: w\nlisten: {address: ':1', tls: {cert: c, key: k}}\n":              "listen.address",
		"version: 1\nname: w\nlisten: {address: w}\n":                                         "listen.address",
		"version: 1\nname: w\nlisten: {address: 127.0.0.1:1, tls: {cert: c}}\n":               "listen.tls",
		"version: 1\nname: w\nlisten: {address: 192.0.2.1:1, tls: {cert: c, key: k}}\nx: 1\n": "",
	} {
		_, err := config.LoadWitness(writeWitness(t, text))
		var ps config.Problems
		if !errors.As(err, &ps) || len(ps) != 1 || ps[0].Key != key || ps[0].Line == 0 {
			t.Errorf("%s: %v", text, err)
		}
	}
	if _, err := config.LoadWitness(path + "x"); err == nil {
		t.Error("no file is read")
	}
}

// TestWitnessReferenceIsWhole compares the page with the keys that the code
// reads, and reads its example.
func TestWitnessReferenceIsWhole(t *testing.T) {
	t.Parallel()
	doc, err := os.ReadFile(filepath.FromSlash(witnessReference))
	if err != nil {
		t.Fatal(err)
	}
	documented, read := map[string]bool{}, map[string]bool{}
	for _, m := range regexp.MustCompile("(?m)^\\| `([^`]+)` \\|").FindAllSubmatch(doc, -1) {
		documented[string(m[1])] = true
	}
	for _, key := range keysOf(reflect.TypeFor[config.WitnessServer](), "") {
		read[key] = true
	}
	if diff := cmp.Diff(read, documented); diff != "" {
		t.Errorf("keys (-read by the code +in the reference)\n%s", diff)
	}
	_, rest, ok := strings.Cut(string(doc), "```yaml\n")
	example, _, closed := strings.Cut(rest, "```")
	if !ok || !closed {
		t.Fatal("the reference has no example")
	}
	if _, err := config.LoadWitness(writeWitness(t, example)); err != nil {
		t.Errorf("%v", err)
	}
}
