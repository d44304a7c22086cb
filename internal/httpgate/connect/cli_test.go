// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package connect_test

import (
	"bytes"
	"crypto/rand"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-dev/sallyport/internal/cli"
)

// TestCommands: what clients need is printed by the command line, and no token.
func TestCommands(t *testing.T) {
	t.Parallel()
	w := start(t, true)
	token := filepath.Join(w.Dir, "ci.token")
	if err := os.WriteFile(token, []byte(w.CIToken(t)), 0o600); err != nil {
		t.Fatal(err)
	}
	vars := map[string]string{"HOME": t.TempDir(), "SALLYPORT_SERVER": "https://" + w.APIAddress(), "SALLYPORT_CA": w.CA, "SALLYPORT_TOKEN_FILE": token}
	run := func(args ...string) string {
		t.Helper()
		var out, errs bytes.Buffer
		code := cli.Run(t.Context(), cli.Env{
			Stdin: strings.NewReader(""), Stdout: &out, Stderr: &errs, Getenv: func(n string) string { return vars[n] }, Now: time.Now, Rand: rand.Reader, Version: "test",
		}, args)
		if code != cli.ExitOK {
			t.Fatalf("%v: %d %s", args, code, errs.Bytes())
		}
		return out.String()
	}
	want, err := os.ReadFile(w.bundle)
	if err != nil {
		t.Fatal(err)
	}
	if got := run("ca", "print", "--bundle"); got != string(want) {
		t.Errorf("the bundle is %s", got)
	}
	if got := run("ca", "print"); !strings.HasPrefix(string(want), got) || len(got) == len(want) {
		t.Errorf("the authority is %s", got)
	}
	got := run("env", "dwh", "--role", "dwh", "--connect", w.bundle)
	for _, line := range []string{
		"export NODE_EXTRA_CA_CERTS=" + w.bundle, "export CLOUDSDK_CORE_CUSTOM_CA_CERTS_FILE=" + w.bundle, "export NO_PROXY=localhost,127.0.0.1,127.0.0.1",
		`export SALLYPORT_CONNECT_TOKEN="$(sallyport token --resource dwh --role dwh)"`, `export HTTPS_PROXY="https://token:$SALLYPORT_CONNECT_TOKEN@` + w.ConnectAddress() + `"`,
	} {
		if !strings.Contains(got, line) {
			t.Errorf("%q is missing in:\n%s", line, got)
		}
	}
	if strings.Contains(got, "spt_") {
		t.Error("a token is printed")
	}
}
