// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"archive/zip"
	"bytes"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/sallyport-dev/sallyport/evidence"
)

// witnessKey is the verifier key of a synthetic witness.
const witnessKey = "witness.example/w1+e42b2f2c+BDtqJ7zOtqQtYqOo0CpvDXNlMhV3HeJDpjrASKGLWdop"

const sample = "../../evidence/testdata/bundle_v2"

// member returns a file of the sample.
func member(t *testing.T, name string) []byte {
	t.Helper()
	z, err := zip.OpenReader(sample + ".zip")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = z.Close() }()
	b, err := fs.ReadFile(z, name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestRun(t *testing.T) {
	t.Parallel()
	key, err := os.ReadFile(sample + ".key")
	if err != nil {
		t.Fatal(err)
	}
	bundle, err := os.ReadFile(sample + ".zip")
	if err != nil {
		t.Fatal(err)
	}
	bundle[len(bundle)/2] ^= 1
	damaged := filepath.Join(t.TempDir(), "damaged.zip")
	if err := os.WriteFile(damaged, bundle, 0o600); err != nil {
		t.Fatal(err)
	}
	trusted := strings.TrimSpace(string(key))
	kept, seals := filepath.Join(t.TempDir(), "kept"), filepath.Join(t.TempDir(), "seals")
	for name, text := range map[string][]byte{kept: member(t, evidence.CheckpointName), seals: []byte("# of the sample\n" + strings.Repeat("07", 32) + "\n")} {
		if err := os.WriteFile(name, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	policy := func(name, text string) string {
		path := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	none := policy("none", "log "+trusted+"\nquorum none\n")
	demands := policy("demands", "log "+trusted+"\nwitness w "+witnessKey+"\nquorum w\n")
	for name, tc := range map[string]struct {
		args   []string
		code   int
		stdout string
		stderr string
	}{
		"verifies":           {[]string{"-key", trusted, sample + ".zip"}, 0, "VERIFIED", ""},
		"without a key":      {[]string{sample + ".zip"}, 0, "NOT TRUSTED", ""},
		"another key":        {[]string{"-key", "x+5d4b3c2a+AQ", sample + ".zip"}, 2, "", "malformed"},
		"damaged":            {[]string{"-key", trusted, damaged}, 5, "FAILED with", ""},
		"not a bundle":       {[]string{sample + ".key"}, 5, "not a readable zip", ""},
		"a kept checkpoint":  {[]string{"-key", trusted, "-checkpoint", kept, sample + ".zip"}, 0, "grew out of the 1 earlier", ""},
		"another checkpoint": {[]string{"-key", trusted, "-checkpoint", sample + ".key", sample + ".zip"}, 5, "does not verify with the keys that you trust", ""},
		"a seal key":         {[]string{"-key", trusted, "-seal-key", seals, sample + ".zip"}, 0, "3 made by the key", ""},
		"another seal key":   {[]string{"-key", trusted, "-seal-key", sample + ".key", sample + ".zip"}, 2, "", "line 1: a seal key is"},
		"no seal key":        {[]string{"-seal-key", "none", sample + ".zip"}, 2, "", "none"},
		"no file":            {[]string{"none.zip"}, 2, "", "none.zip"},
		"no argument":        {nil, 2, "", "usage"},
		"two arguments":      {[]string{"a", "b"}, 2, "", "usage"},
		"an unknown flag":    {[]string{"-x", "a"}, 2, "", "usage"},
		"help":               {[]string{"-h"}, 0, "", "usage"},
		"by a policy":        {[]string{"-policy", none, sample + ".zip"}, 0, "none demanded, by the policy given by you", ""},
		"a policy's key":     {[]string{"-policy", none, sample + ".zip"}, 0, "(given by you)", ""},
		"no cosignature":     {[]string{"-key", trusted, "-policy", demands, sample + ".zip"}, 5, "the quorum of the witness policy is not reached", ""},
		"a bad policy":       {[]string{"-policy", sample + ".key", sample + ".zip"}, 2, "", "line 1: "},
		"no policy":          {[]string{"-policy", "none.policy", sample + ".zip"}, 2, "", "none.policy"},
	} {
		var stdout, stderr bytes.Buffer
		code := run(tc.args, &stdout, &stderr)
		if code != tc.code || !strings.Contains(stdout.String(), tc.stdout) || !strings.Contains(stderr.String(), tc.stderr) {
			t.Errorf("%s: exit %d\n%s%s", name, code, &stdout, &stderr)
		}
	}
}

// TestLinksNoNetwork holds the verifier to the standard library without its
// network packages, golang.org/x/mod and golang.org/x/crypto.
func TestLinksNoNetwork(t *testing.T) {
	t.Parallel()
	out, err := exec.CommandContext(t.Context(), "go", "list", "-deps", ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	deps := strings.Fields(string(out))
	if !slices.Contains(deps, "github.com/sallyport-dev/sallyport/evidence") {
		t.Fatalf("unexpected list of %d packages", len(deps))
	}
	for _, dep := range deps {
		first, _, _ := strings.Cut(dep, "/")
		network := first == "net" || dep == "crypto/tls" || dep == "vendor/golang.org/x/net"
		foreign := strings.Contains(first, ".") && !strings.HasPrefix(dep, "github.com/sallyport-dev/sallyport") &&
			!strings.HasPrefix(dep, "golang.org/x/mod/") && !strings.HasPrefix(dep, "golang.org/x/crypto/")
		internal := strings.HasPrefix(dep, "github.com/sallyport-dev/sallyport/internal")
		if network || foreign || internal {
			t.Errorf("the verifier links %s", dep)
		}
	}
}
