// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/sallyport-dev/sallyport/internal/demo"
	"github.com/sallyport-dev/sallyport/test/kubepeer"
	"github.com/sallyport-dev/sallyport/test/peer"
	"github.com/sallyport-dev/sallyport/test/pgtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// build builds a command of this repository. How fast it is does not matter.
func build(t *testing.T, dir, name string) string {
	t.Helper()
	program := filepath.Join(dir, filepath.Base(name))
	cmd := exec.CommandContext(t.Context(), "go", "build", "-pgo=off", "-o", program, "./"+name)
	cmd.Dir = pgtest.Root()
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("go build %s: %v\n%s", name, err, out)
	}
	return program
}

// TestStory tells the demonstration with the chapters of SSH and Kubernetes, and where
// the cluster has not been built, which it has to say.
func TestStory(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	self, hosts := build(t, dir, "cmd/sallyport"), build(t, dir, "test/demohosts")
	kubepeer.Programs(t)
	if err := install(t.Context(), &bytes.Buffer{}); err != nil {
		t.Fatal(err)
	}
	cache, err := peer.Cache()
	if err != nil {
		t.Fatal(err)
	}
	const left = "THE CHAPTER OF KUBERNETES IS LEFT OUT"
	for name, x := range map[string]struct {
		cache string
		holds []string
		not   string
	}{
		"both":       {cache, []string{"removed directory", "W1NFQ1JFVF0=", "unable to upgrade connection: sallyport:", "the intake still runs"}, left},
		"no cluster": {t.TempDir(), []string{"removed directory", left, "make demo-kubernetes"}, "Kubernetes: "},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cmd := exec.CommandContext(t.Context(), self, "demo")
			cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir(), "SALLYPORT_CACHE=" + x.cache, demo.HostsVariable + "=" + hosts}
			var errs bytes.Buffer
			cmd.Stderr = &errs
			out, err := cmd.Output()
			if err != nil || !strings.HasSuffix(string(out), "\ndemo: ok\n") {
				t.Fatalf("%v\n%s\n%s", err, out, errs.Bytes())
			}
			words := strings.Join(strings.Fields(string(out)), " ") // sentences are broken into lines
			for _, text := range x.holds {
				if !strings.Contains(words, text) {
					t.Errorf("it does not say %q", text)
				}
			}
			if strings.Contains(string(out), x.not) {
				t.Errorf("it says %q", x.not)
			}
		})
	}
}

// What is no seed is said, and nothing is started.
func TestNoSeed(t *testing.T) {
	t.Parallel()
	for _, in := range []string{"", "{}", "nothing\n"} {
		var out bytes.Buffer
		err := peer.Standalone(context.WithoutCancel(t.Context()), &out, func(p peer.T) { serve(p, strings.NewReader(in), &out) })
		if err == nil || !strings.Contains(err.Error(), "no seed") || out.Len() > 0 {
			t.Errorf("%q: %v, %q", in, err, out.String())
		}
	}
}
