// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

// Package bqanalyzer hands the analyser of GoogleSQL to tests. The script
// test/scripts/install-bqanalyzer builds it when the cache does not hold it; a test
// that cannot have it fails.
package bqanalyzer

import (
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// Binary returns the path of the analyser.
func Binary(t testing.TB) string {
	t.Helper()
	_, file, _, ok := runtime.Caller(0)
	if !ok {
		t.Fatal("the source tree is not known")
	}
	script := filepath.Join(filepath.Dir(file), "..", "scripts", "install-bqanalyzer")
	var stderr strings.Builder
	cmd := exec.CommandContext(t.Context(), script)
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("install-bqanalyzer: %v\n%s", err, stderr.String())
	}
	return strings.TrimSpace(string(out))
}
