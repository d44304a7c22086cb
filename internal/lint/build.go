// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package lint

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"slices"
	"strings"
)

// linkage says what a package may be built from, dependencies of dependencies
// included.
type linkage struct {
	pkg string
	// forbidden import paths; "/..." takes in what lies below.
	forbidden []string
	// modules, when not nil, are the only path prefixes of packages from outside
	// the standard library.
	modules []string
	why     string
}

func linkages() []linkage {
	verifying := []string{Module, "golang.org/x/mod", "golang.org/x/crypto"}
	return []linkage{
		{
			pkg:     "cmd/sallyport-verify",
			modules: append(verifying, "golang.org/x/sys"),
			// net/url and net/netip open nothing.
			forbidden: []string{"net", "net/http/...", "net/rpc/...", "net/smtp", "net/mail", "net/textproto", "crypto/tls", "os/exec", "plugin", Module + "/internal/..."},
			why:       "an auditor runs the verifier on evidence, offline, and reads what it is made of",
		},
		{
			pkg:       "evidence",
			modules:   append(verifying, "golang.org/x/sys"),
			forbidden: []string{"net", "net/http/...", "crypto/tls", "database/sql/...", "log/slog", Module + "/internal/..."},
			why:       "evidence is checked without us: whoever writes another verifier starts from this package",
		},
		{
			pkg:       "internal/policy",
			forbidden: []string{"net/http/...", "database/sql/...", "os/exec"},
			why:       "a decision depends on its inputs alone, in its libraries too",
		},
	}
}

// Linked asks the go command what packages are built from.
func Linked(ctx context.Context, root string) ([]Finding, error) {
	var fs []Finding
	for _, l := range linkages() {
		deps, err := depsOf(ctx, root, l.pkg)
		if err != nil {
			return nil, err
		}
		for _, d := range deps {
			bad := slices.ContainsFunc(l.forbidden, func(p string) bool { return matches(d.path, p) })
			if !d.std && l.modules != nil && !slices.ContainsFunc(l.modules, func(m string) bool { return under(d.path, m) }) {
				bad = true
			}
			if bad {
				fs = append(fs, Finding{"linked", l.pkg, "is built from " + d.path, l.why})
			}
		}
	}
	return fs, nil
}

type dep struct {
	path string
	std  bool
}

func depsOf(ctx context.Context, root, pkg string) ([]dep, error) {
	cmd := exec.CommandContext(ctx, "go", "list", "-deps", "-f", "{{.Standard}} {{.ImportPath}}", "./"+pkg)
	cmd.Dir = root
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go list %s: %w: %s", pkg, err, stderr.String())
	}
	var deps []dep
	for line := range strings.Lines(string(out)) {
		std, path, _ := strings.Cut(strings.TrimSpace(line), " ")
		deps = append(deps, dep{path: path, std: std == "true"})
	}
	return deps, nil
}
