// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package pgcluster

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"

	sallyport "github.com/sallyport-dev/sallyport"
)

// debianRoot is where Debian and Ubuntu put each major's binaries.
const debianRoot = "/usr/lib/postgresql"

// Find returns the directory of the initdb and postgres binaries of a major
// release, or of the newest installed one when major is 0: first Debian's
// places, then the search path, whose release is not looked at.
func Find(major int) (string, error) {
	pattern := "*"
	if major != 0 {
		pattern = strconv.Itoa(major)
	}
	// Glob fails only for a malformed pattern.
	dirs, _ := filepath.Glob(filepath.Join(debianRoot, pattern, "bin"))
	best, bestMajor := "", 0
	for _, dir := range dirs {
		n, err := strconv.Atoi(filepath.Base(filepath.Dir(dir)))
		if err == nil && n > bestMajor && hasServer(dir) {
			best, bestMajor = dir, n
		}
	}
	if best != "" {
		return best, nil
	}
	if major == 0 {
		if path, err := exec.LookPath("postgres"); err == nil && hasServer(filepath.Dir(path)) {
			return filepath.Dir(path), nil
		}
		return "", sallyport.E(sallyport.NotFound, op, "no PostgreSQL server is installed").
			WithHint("on Debian or Ubuntu: apt-get install postgresql")
	}
	return "", sallyport.E(sallyport.NotFound, op, fmt.Sprintf("PostgreSQL %d is not installed", major)).
		WithHint(fmt.Sprintf("on Debian or Ubuntu: apt-get install postgresql-%d", major))
}

func hasServer(dir string) bool {
	for _, name := range []string{"initdb", "postgres"} {
		if st, err := os.Stat(filepath.Join(dir, name)); err != nil || st.IsDir() {
			return false
		}
	}
	return true
}
