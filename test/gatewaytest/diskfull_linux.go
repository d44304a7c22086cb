// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package gatewaytest

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// FillDisk makes every further write to the ledger's open files fail with "no
// space left on device", as a full disk does: the descriptors are made to mean
// /dev/full. The gateway then has to end with an error.
func (g *Gateway) FillDisk(t testing.TB) {
	t.Helper()
	full, err := os.OpenFile("/dev/full", os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer full.Close()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	g.broken = true
	dir, err := filepath.EvalSymlinks(filepath.Join(g.Dir, "data", "ledger"))
	if err != nil {
		t.Fatal(err)
	}
	replaced := 0
	for _, e := range entries {
		fd, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		name, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", fd))
		if err != nil || !strings.HasPrefix(name, dir) {
			continue
		}
		var st syscall.Stat_t
		if err := syscall.Fstat(fd, &st); err != nil || st.Mode&syscall.S_IFMT != syscall.S_IFREG {
			continue
		}
		if err := syscall.Dup3(int(full.Fd()), fd, syscall.O_CLOEXEC); err != nil {
			t.Fatal(err)
		}
		replaced++
	}
	if replaced == 0 {
		t.Fatal("the ledger has no open file below " + dir)
	}
}
