// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

// Package peer installs and runs counterparts that are programs of their own:
// Node.js programs with packages of npm's, and Go programs of other modules.
//
// What is installed goes into the cache, $SALLYPORT_CACHE or .cache in the
// root of the repository, under a name made of the versions, so that it is made
// once. A counterpart prints one line of JSON when it answers, and ends when its
// standard input does, so it cannot outlive the process that started it.
package peer

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/sallyport-dev/sallyport/test/pgtest"
)

const (
	installTimeout = 10 * time.Minute
	startTimeout   = 2 * time.Minute
	stopTimeout    = 30 * time.Second
)

// Cache returns the directory that holds what is installed and built.
func Cache() (string, error) {
	dir := os.Getenv("SALLYPORT_CACHE")
	if dir == "" {
		dir = filepath.Join(pgtest.Root(), ".cache")
	}
	return filepath.Abs(dir)
}

// once makes the directory name of the cache by fill, whole or not at all; test
// binaries that want the same wait for one another.
func once(name string, fill func(dir string) error) (string, error) {
	base, err := Cache()
	if err != nil {
		return "", err
	}
	dir := filepath.Join(base, name)
	if _, err := os.Stat(dir); err == nil {
		return dir, nil
	}
	if err := os.MkdirAll(base, 0o755); err != nil {
		return "", err
	}
	lock, err := os.OpenFile(dir+".lock", os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return "", err
	}
	defer func() { _ = lock.Close() }() // frees the lock
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		return "", err
	}
	if _, err := os.Stat(dir); err == nil {
		return dir, nil
	}
	tmp, err := os.MkdirTemp(filepath.Dir(dir), filepath.Base(dir)+"-part-")
	if err != nil {
		return "", err
	}
	err = fill(tmp)
	if err == nil {
		err = os.Chmod(tmp, 0o755)
	}
	if err == nil {
		err = os.Rename(tmp, dir)
	}
	if err != nil {
		return "", errors.Join(err, os.RemoveAll(tmp))
	}
	return dir, nil
}

// digest names files by their names and contents.
func digest(files map[string][]byte) string {
	h := sha256.New()
	names := make([]string, 0, len(files))
	for name := range files {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		fmt.Fprintf(h, "%s %d\n%s", name, len(files[name]), files[name])
	}
	return hex.EncodeToString(h.Sum(nil)[:8])
}

func write(dir string, files map[string][]byte) error {
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// Node installs the npm packages of a file system's package-lock.json, and puts
// its programs (*.mjs) beside them. It returns the directory to run node in.
func Node(ctx context.Context, name string, files fs.FS) (string, error) {
	lock := make(map[string][]byte)
	programs := make(map[string][]byte)
	err := fs.WalkDir(files, ".", func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		content, err := fs.ReadFile(files, p)
		if err != nil {
			return err
		}
		if path.Ext(p) == ".mjs" {
			programs[p] = content
		} else {
			lock[p] = content
		}
		return nil
	})
	if err != nil {
		return "", err
	}
	dir, err := once(name+"-"+digest(lock), func(dir string) error {
		if err := write(dir, lock); err != nil {
			return err
		}
		ctx, cancel := context.WithTimeout(ctx, installTimeout)
		defer cancel()
		cmd := exec.CommandContext(ctx, "npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--no-progress")
		cmd.Dir = dir
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("npm ci for %s (it needs Node.js 20 and npm; run: make test-deps): %w\n%s", name, err, out)
		}
		return nil
	})
	if err != nil {
		return "", err
	}
	// Node looks for packages in the directories above a program's.
	programsDir, err := once(filepath.Join(filepath.Base(dir), "programs-"+digest(programs)), func(dir string) error { return write(dir, programs) })
	return programsDir, err
}

// GoProgram builds the command of another module of this repository, given by
// its directory, and returns the program's path.
func GoProgram(ctx context.Context, dir string) (string, error) {
	return goProgram(ctx, dir, nil, ".")
}

// GoProgramOf is [GoProgram] for a command of one of the modules that a module of this
// repository pins. It is built without C, as test/scripts/install-kubernetes builds, so
// that what both have in common is compiled once.
func GoProgramOf(ctx context.Context, dir, pkg string) (string, error) {
	return goProgram(ctx, dir, []string{"CGO_ENABLED=0"}, pkg)
}

func goProgram(ctx context.Context, dir string, env []string, pkg string) (string, error) {
	dir = filepath.Join(pgtest.Root(), filepath.FromSlash(dir))
	files := make(map[string][]byte)
	entries, err := os.ReadDir(dir)
	if err != nil {
		return "", err
	}
	for _, e := range entries {
		if e.IsDir() {
			continue
		}
		if files[e.Name()], err = os.ReadFile(filepath.Join(dir, e.Name())); err != nil {
			return "", err
		}
	}
	name := filepath.Base(dir)
	built, err := once(name+"-"+digest(files), func(out string) error {
		return goCommand(ctx, dir, env, "build", "-trimpath", "-o", filepath.Join(out, name), pkg)
	})
	return filepath.Join(built, name), err
}

// GoInstall installs the command of a module at a version, and returns the
// program's path.
func GoInstall(ctx context.Context, pkg, version string) (string, error) {
	name := path.Base(pkg)
	dir, err := once(name+"-"+version, func(out string) error {
		return goCommand(ctx, out, []string{"GOBIN=" + out}, "install", pkg+"@"+version)
	})
	return filepath.Join(dir, name), err
}

func goCommand(ctx context.Context, dir string, env []string, args ...string) error {
	ctx, cancel := context.WithTimeout(ctx, installTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), env...)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("go %v: %w\n%s", args, err, out)
	}
	return nil
}

// Environment is what counterparts and clients run with: nothing of the user's
// but the path.
func Environment(t T) []string {
	return []string{"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir(), "TMPDIR=" + t.TempDir(), "LANG=C.UTF-8"}
}

// Start runs a counterpart until the test's clean-up, waits for the line of
// JSON that it prints, and decodes it into hello.
func Start(t T, hello any, dir, program string, args ...string) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Dir, cmd.Env, cmd.WaitDelay = dir, Environment(t), time.Second
	diagnostics := &log{}
	cmd.Stderr = diagnostics
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		defer cancel()
		_ = stdin.Close() // it ends by itself at this
		kill := time.AfterFunc(stopTimeout, cancel)
		defer kill.Stop()
		if err := cmd.Wait(); err != nil {
			t.Errorf("%s %v ended badly: %v\n%s", program, args, err, diagnostics)
		} else if t.Failed() && diagnostics.String() != "" {
			t.Logf("%s %v said:\n%s", program, args, diagnostics)
		}
	})
	give := time.AfterFunc(startTimeout, cancel)
	defer give.Stop()
	line, err := bufio.NewReader(stdout).ReadBytes('\n')
	if err == nil {
		err = json.Unmarshal(line, hello)
	}
	if err != nil {
		t.Fatalf("%s %v did not start: %v\n%s", program, args, err, diagnostics)
	}
}

// log is a buffer that may be read while it is written.
type log struct {
	mu sync.Mutex
	b  bytes.Buffer
}

// Write takes what the counterpart prints.
func (l *log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

// String returns it.
func (l *log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
