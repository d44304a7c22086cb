// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package fault_test

import (
	"bufio"
	"crypto/sha256"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// The two ways to have a disk of our own: a mount that only the child sees and
// that goes with it, or, where that is not allowed, limits of the process.
const (
	// apart is a shell script's place: DIR, then the writer and its arguments.
	apart = `unshare --user --map-root-user --mount true 2>/dev/null`
	// fullDisk gives the writer a file system of the size in $1; then it removes
	// what filled it and runs the writer once more on what is left.
	fullDisk = `set -e; mount -t tmpfs -o size=$1 tmpfs "$FAULT_DIR"; set +e; shift
"$@"; echo "code $?"; df --output=avail "$FAULT_DIR" | tail -n 1 | sed 's/^ */free /'
mount -o remount,size=64m "$FAULT_DIR" && FAULT_COUNT=1 FAULT_CHECK=1 exec "$@"`
	// readOnly gives it a directory that cannot be written.
	readOnly = `set -e; mount --bind "$FAULT_DIR" "$FAULT_DIR"; mount -o remount,bind,ro "$FAULT_DIR"; shift; exec "$@"`
)

// isolated wraps the writer into a shell script that has mounts of its own.
func isolated(t *testing.T, script, arg string) []string {
	t.Helper()
	if err := exec.Command("sh", "-c", apart).Run(); err != nil {
		t.Fatal("mounts of a process's own are needed (unshare --user --map-root-user --mount): allow user namespaces, or run as root")
	}
	return []string{"unshare", "--user", "--map-root-user", "--mount", "--kill-child", "sh", "-c", script, "sh", arg}
}

// TestFullDisk fills file systems of many sizes, so that the disk becomes full at
// another place of the ledger's work each time.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	r := fault(t, "full disk", "tmpfs of 384 to 1,300 KiB in a mount namespace")
	for kib := 384; kib < 1300; kib += pick(150, 28) {
		w := writer{dir: t.TempDir(), writers: 3, count: 2000, wrap: isolated(t, fullDisk, fmt.Sprintf("%dk", kib))}
		acked := map[uint64]string{}
		res := w.run(t, 0, acked)
		code, after, _ := strings.Cut(res.text, "code ")
		n, _, _ := strings.Cut(after, "\n")
		switch n {
		case strconv.Itoa(exitPoisoned), strconv.Itoa(exitRefused):
			if !strings.Contains(code, "full") {
				t.Errorf("%d KiB: it ended for another reason: %s", kib, res.text)
				continue
			}
			r.fired++
		case strconv.Itoa(exitDone):
			t.Errorf("%d KiB: the disk was never full: %s", kib, res.text)
		default:
			t.Errorf("%d KiB: the writer ended with %s: %s", kib, n, res.text)
			continue
		}
		r.acked += len(acked)
		r.lost += checked(t, res, acked)
	}
}

// checked reads what the second run of the writer found in the log.
func checked(t *testing.T, res result, acked map[uint64]string) (lost int) {
	t.Helper()
	found := map[uint64]string{}
	sum := ""
	for line := range strings.Lines(res.text) {
		word, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		if word == "verified" {
			sum = rest
		}
		if word == "leaf" {
			index, digest, _ := strings.Cut(rest, " ")
			i, _ := strconv.ParseUint(index, 10, 64) // our own output
			found[i] = digest
		}
	}
	if sum == "" {
		t.Errorf("the log does not open and verify again: %s", res.text)
	}
	for i, leaf := range acked {
		if found[i] != fmt.Sprintf("%x", sha256.Sum256([]byte(leaf))) {
			lost++
		}
	}
	return lost
}

// TestReadOnly wants a ledger in a directory that cannot be written refused, and
// nothing of it changed.
func TestReadOnly(t *testing.T) {
	t.Parallel()
	r := fault(t, "read-only directory", "bind mount, read-only, in a mount namespace")
	dir := t.TempDir()
	acked := map[uint64]string{}
	if res := (writer{dir: dir, writers: 1, count: 20}).run(t, 0, acked); res.code != exitDone {
		t.Fatal(res.text)
	}
	before := digestOf(t, dir)
	res := writer{dir: dir, writers: 1, count: 5, wrap: isolated(t, readOnly, "")}.run(t, 0, map[uint64]string{})
	if res.code != exitRefused || !strings.Contains(res.text, "cannot be written") {
		t.Errorf("it ended with %d: %s", res.code, res.text)
	}
	if strings.Contains(res.text, "read-only file system") {
		r.fired++
	}
	if digestOf(t, dir) != before {
		r.undetected++
	}
	opt, err := options(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.acked = len(acked)
	r.lost = inspect(t, opt, acked)
}

// digestOf returns a digest of every file below a directory.
func digestOf(t *testing.T, dir string) string {
	t.Helper()
	h := sha256.New()
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(name)
		fmt.Fprintf(h, "%s %d %x\n", name, len(b), sha256.Sum256(b))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%x", h.Sum(nil))
}

// TestTwoProcesses starts a second writer on a log while the first writes.
func TestTwoProcesses(t *testing.T) {
	t.Parallel()
	r := fault(t, "two processes on one log", "a second writer, started while the first writes")
	dir := t.TempDir()
	first := writer{dir: dir, writers: 2, count: 1 << 30}.command(t.Context())
	out, err := first.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := first.Start(); err != nil {
		t.Fatal(err)
	}
	acked := map[uint64]string{}
	read := make(chan struct{})
	started := make(chan struct{})
	go func() {
		defer close(read)
		for in := bufio.NewScanner(out); in.Scan(); {
			f := strings.SplitN(in.Text(), " ", 3)
			if len(f) < 3 || f[0] != "ack" {
				continue
			}
			if i, err := strconv.ParseUint(f[1], 10, 64); err == nil {
				if acked[i] = f[2]; len(acked) == 1 {
					close(started)
				}
			}
		}
	}()
	<-started
	for range pick(3, 20) {
		res := writer{dir: dir, writers: 2, count: 5}.run(t, 0, map[uint64]string{})
		if res.code == exitRefused && strings.Contains(res.text, "another process") {
			r.fired++
			continue
		}
		r.undetected++
		t.Errorf("the second writer ended with %d: %s", res.code, res.text)
	}
	time.Sleep(50 * time.Millisecond) // the first goes on
	if err := first.Process.Kill(); err != nil {
		t.Error(err)
	}
	<-read
	_ = first.Wait() // it says that it was killed
	opt, err := options(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.acked = len(acked)
	r.lost = inspect(t, opt, acked)
}
