// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package peer_test

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/sallyport-dev/sallyport/test/peer"
)

const lock = `{"name":"empty","lockfileVersion":3,"requires":true,"packages":{"":{"name":"empty"}}}`

// What is installed once is used by everybody after, and programs are not what it
// is named by.
func TestNode(t *testing.T) {
	t.Setenv("SALLYPORT_CACHE", filepath.Join(t.TempDir(), "cache"))
	program := func(text string) fstest.MapFS {
		return fstest.MapFS{
			"package.json": {Data: []byte(`{"name":"empty","private":true}`)}, "package-lock.json": {Data: []byte(lock)},
			"hello.mjs": {Data: []byte(`process.stdin.on('end', () => process.exit(0)).resume(); console.log(JSON.stringify({ said: '` + text + `' }));`)},
		}
	}
	var dirs []string
	for _, text := range []string{"one", "two", "one"} {
		dir, err := peer.Node(t.Context(), "empty", program(text))
		if err != nil {
			t.Fatal(err)
		}
		var hello struct{ Said string }
		peer.Start(t, &hello, dir, "node", "hello.mjs")
		if hello.Said != text {
			t.Errorf("the program said %q, not %q", hello.Said, text)
		}
		dirs = append(dirs, dir)
	}
	if dirs[0] == dirs[1] || dirs[0] != dirs[2] || filepath.Dir(dirs[0]) != filepath.Dir(dirs[1]) {
		t.Errorf("programs are in %q", dirs)
	}
}

// What cannot be installed leaves nothing behind that the next would take for whole.
func TestInstallFails(t *testing.T) {
	cache := filepath.Join(t.TempDir(), "cache")
	t.Setenv("SALLYPORT_CACHE", cache)
	if _, err := peer.Node(t.Context(), "wrong", fstest.MapFS{"package.json": {Data: []byte("{")}}); err == nil || !strings.Contains(err.Error(), "npm ci for wrong") {
		t.Errorf("a broken package.json: %v", err)
	}
	if _, err := peer.GoProgram(t.Context(), "test/nothing"); err == nil {
		t.Error("a program that is not there was built")
	}
	entries, err := os.ReadDir(cache)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if e.IsDir() {
			t.Errorf("%s is left", e.Name())
		}
	}
}

// A child is ended by the clean-up, and its end is seen.
func TestRun(t *testing.T) {
	t.Parallel()
	var child *peer.Child
	t.Run("running", func(t *testing.T) {
		child = peer.Run(t, "sh", "-c", "exec sleep 600")
		short := peer.Run(t, "true")
		<-short.Ended()
		select {
		case <-child.Ended():
			t.Error("it has ended by itself")
		default:
		}
	})
	<-child.Ended()
}

// A program is told what failed, has its clean-up run from the last to the first,
// and is left without directories and processes.
func TestStandalone(t *testing.T) {
	t.Parallel()
	var order []string
	var dir string
	var child *peer.Child
	err := peer.Standalone(t.Context(), io.Discard, func(p peer.T) {
		dir = p.TempDir()
		child = peer.Run(p, "sh", "-c", "exec sleep 600")
		p.Cleanup(func() { order = append(order, "first") })
		p.Cleanup(func() {
			order = append(order, "second")
			if p.Context().Err() == nil || !p.Failed() {
				t.Error("the clean-up runs while the program does, or does not know that it failed")
			}
			p.Fatal("and so did this")
		})
		p.Errorf("number %d failed", 1)
		p.Fatalf("number %d did, too", 2)
		order = append(order, "after")
	})
	if want := "number 1 failed\nnumber 2 did, too\nand so did this"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %q", err, want)
	}
	if strings.Join(order, " ") != "second first" {
		t.Errorf("it ran %v", order)
	}
	if _, err := os.Stat(dir); !os.IsNotExist(err) {
		t.Errorf("the directory is left: %v", err)
	}
	<-child.Ended()
	if err := peer.Standalone(t.Context(), io.Discard, func(peer.T) {}); err != nil {
		t.Error(err)
	}
}
