// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

// Package objectpeer writes and reads Parquet files with DuckDB and Avro files with
// avsc, so that masked files meet other readings of the formats than our own.
package objectpeer

import (
	"bytes"
	"context"
	"embed"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/sallyport-dev/sallyport/test/peer"
)

//go:embed package.json package-lock.json *.mjs
var files embed.FS

// run has the program work on a request and returns what it printed.
func run(t testing.TB, program string, request any) []byte {
	t.Helper()
	dir, err := peer.Node(context.WithoutCancel(t.Context()), "objectpeer", files)
	if err != nil {
		t.Fatalf("objectpeer: %v", err)
	}
	in, err := json.Marshal(request)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "node", program)
	cmd.Dir = dir
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir()}
	var stderr bytes.Buffer
	cmd.Stdin, cmd.Stderr = bytes.NewReader(in), &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("objectpeer: node: %v\n%s", err, stderr.Bytes())
	}
	return out
}

// DuckDB runs statements and returns the rows of the last one, as JSON has them.
func DuckDB(t testing.TB, statements ...string) []map[string]any {
	t.Helper()
	var rows []map[string]any
	if err := json.Unmarshal(run(t, "duckdb.mjs", statements), &rows); err != nil {
		t.Fatal(err)
	}
	return rows
}

// ReadParquet returns the rows of a file.
func ReadParquet(t testing.TB, file []byte) []map[string]any {
	t.Helper()
	return DuckDB(t, "FROM read_parquet('"+keep(t, "masked.parquet", file)+"')")
}

// WriteParquet returns the file that DuckDB makes of a query's rows; options are
// those of its COPY, after the format.
func WriteParquet(t testing.TB, query, options string) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), "written.parquet")
	DuckDB(t, "COPY ("+query+") TO '"+path+"' (FORMAT parquet"+options+")", "SELECT 1")
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// Avro is what avsc made of a file.
type Avro struct {
	Schema json.RawMessage  `json:"schema"`
	Codec  string           `json:"codec"`
	Rows   []map[string]any `json:"rows"`
}

// ReadAvro reads a file, which has the codec null or deflate.
func ReadAvro(t testing.TB, file []byte) Avro {
	t.Helper()
	var a Avro
	if err := json.Unmarshal(run(t, "avro.mjs", map[string]any{"path": keep(t, "masked.avro", file)}), &a); err != nil {
		t.Fatal(err)
	}
	return a
}

func keep(t testing.TB, name string, file []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, file, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
