// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package peer_test

import (
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
