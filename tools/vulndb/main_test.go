// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
)

func TestBuild(t *testing.T) {
	t.Parallel()
	in, out := t.TempDir(), filepath.Join(t.TempDir(), "db")
	report := `{"id":"GO-2030-0001","aliases":["CVE-2030-1"],"affected":[
		{"package":{"name":"example.org/a"},"ranges":[{"events":[{"introduced":"0"},{"fixed":"1.2.3"}]}]},
		{"package":{"name":"example.org/a/v2"},"ranges":[{"events":[{"introduced":"0"}]}]}]}`
	if err := os.WriteFile(filepath.Join(in, "GO-2030-0001.json"), []byte(report), 0o600); err != nil {
		t.Fatal(err)
	}
	const version = "v0.0.0-20300102030405-0123456789ab"
	if err := build(version, in, out); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"index/db.json":        `{"modified":"2030-01-02T03:04:05Z"}`,
		"index/modules.json":   `[{"path":"example.org/a","vulns":[{"id":"GO-2030-0001","modified":"2030-01-02T03:04:05Z","fixed":"1.2.3"}]},{"path":"example.org/a/v2","vulns":[{"id":"GO-2030-0001","modified":"2030-01-02T03:04:05Z"}]}]`,
		"index/vulns.json":     `[{"id":"GO-2030-0001","modified":"2030-01-02T03:04:05Z","aliases":["CVE-2030-1"]}]`,
		"ID/GO-2030-0001.json": report,
	} {
		got, err := os.ReadFile(filepath.Join(out, name))
		if err != nil {
			t.Fatal(err)
		}
		if compact(t, got) != compact(t, []byte(want)) {
			t.Errorf("%s is %s, want %s", name, got, want)
		}
	}
	if err := build(version, t.TempDir(), out); err == nil {
		t.Error("a database was made of nothing")
	}
	if err := build("v1.0.0", in, out); err == nil {
		t.Error("a database was made without a date")
	}
}

func compact(t *testing.T, b []byte) string {
	t.Helper()
	var v any
	if err := json.Unmarshal(b, &v); err != nil {
		t.Fatal(err)
	}
	out, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}
