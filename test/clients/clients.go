// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

// Package clients runs database clients that are not written in Go, so that
// tests meet other readings of the protocol than our own.
package clients

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/sallyport-dev/sallyport/test/pgtest"
)

// Statement is one statement for [Node]. Without Values and Name it goes by the
// simple protocol, else by the extended one, prepared under Name if there is one.
type Statement struct {
	Text   string `json:"text"`
	Values []any  `json:"values,omitempty"`
	Name   string `json:"name,omitempty"`
	Binary bool   `json:"binary,omitempty"` // ask for results in binary format
}

// Result is what node-postgres made of one statement.
type Result struct {
	Fields []string `json:"fields"`
	Rows   [][]any  `json:"rows"` // as JSON; bytea as hex
	Error  *Error   `json:"error"`
}

// Error is an error of the server, or of the client when Code is no SQLSTATE.
type Error struct {
	Code    string `json:"code"`
	Message string `json:"message"`
	Hint    string `json:"hint"`
	Detail  string `json:"detail"`
}

// Node runs statements on one connection of node-postgres. The URL names
// neither sslmode nor certificates: ca, in PEM, turns TLS on and is what the server's
// certificate is verified against; empty means plaintext. A connection that fails gives one
// result, its error.
func Node(t testing.TB, url, ca string, statements ...Statement) []Result {
	t.Helper()
	dir := filepath.Join(pgtest.Root(), "test", "clients")
	if _, err := os.Stat(filepath.Join(dir, "node_modules", "pg")); err != nil {
		t.Fatal("clients: node-postgres is not installed; run: make test-deps")
	}
	in, err := json.Marshal(map[string]any{"url": url, "ca": ca, "statements": statements})
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "node", "query.mjs")
	cmd.Dir = dir
	cmd.Env = []string{"PATH=" + os.Getenv("PATH")}
	var stderr bytes.Buffer
	cmd.Stdin, cmd.Stderr = bytes.NewReader(in), &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("clients: node: %v\n%s", err, stderr.Bytes())
	}
	var results []Result
	if err := json.Unmarshal(out, &results); err != nil {
		t.Fatalf("clients: node printed %q: %v", out, err)
	}
	return results
}
