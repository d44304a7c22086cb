// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package ssh_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	wire "github.com/sallyport-dev/sallyport/internal/wire/sftp"
)

const held = `
@id("sub") @hold("group:privacy-officers") @expires("15m")
forbid(principal, action in [Action::"write", Action::"define", Action::"delete"], resource in Path::"box$DIR/drop/sub") unless { context has approval };
`

// A directory that becomes a link while a person decides leads nothing astray.
func TestSFTPSwappedDirectory(t *testing.T) {
	s := startShare(t, func(x *setup) { x.policy += strings.ReplaceAll(held, "$DIR", x.peer.Dir) })
	sub, was, other := filepath.Join(s.dir, "drop/sub"), filepath.Join(s.dir, "drop/was"), filepath.Join(s.dir, "elsewhere")
	for _, d := range []string{sub, other} {
		if err := os.MkdirAll(filepath.Join(d, "d"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	s.file("drop/sub/n.txt", "ours\n")
	s.file("elsewhere/n.txt", "theirs\n")
	k := s.dial().begin()
	at := func(name string) []byte { return []byte(sub + "/" + name) }
	small := wire.Attrs{Flags: wire.AttrSize, Size: 1}
	mode := wire.Attrs{Flags: wire.AttrPermissions, Permissions: 0o600}
	for _, tc := range []struct {
		word string
		q    wire.Request
	}{
		{"put", wire.Request{Type: wire.Open, Path: at("n.txt"), Flags: wire.FlagWrite | wire.FlagTrunc}},
		{"put", wire.Request{Type: wire.Open, Path: at("new.txt"), Flags: wire.FlagWrite | wire.FlagCreate}},
		{"remove", wire.Request{Type: wire.Remove, Path: at("n.txt")}},
		{"rmdir", wire.Request{Type: wire.Rmdir, Path: at("d")}},
		{"mkdir", wire.Request{Type: wire.Mkdir, Path: at("new")}},
		{"setstat", wire.Request{Type: wire.Setstat, Path: at("n.txt"), Attrs: mode}},
		{"setstat", wire.Request{Type: wire.Extended, Extension: []byte(wire.ExtLsetstat), Path: at("n.txt"), Attrs: mode}},
		{"truncate", wire.Request{Type: wire.Setstat, Path: at("n.txt"), Attrs: small}},
		{"rename", wire.Request{Type: wire.Rename, Path: at("n.txt"), To: at("m.txt")}},
		{"rename", wire.Request{Type: wire.Extended, Extension: []byte(wire.ExtPosixRename), Path: at("n.txt"), To: []byte(s.dir + "/drop/m.txt")}},
		{"link", wire.Request{Type: wire.Extended, Extension: []byte(wire.ExtHardlink), Path: at("n.txt"), To: at("h.txt")}},
		{"symlink", wire.Request{Type: wire.Symlink, Path: []byte(s.dir + "/drop/x"), To: at("l.txt")}},
	} {
		done := make(chan wire.Reply, 1)
		go func() { done <- k.ask(tc.q) }()
		s.Held(t, s.http.http, "files."+tc.word)
		if err := os.Rename(sub, was); err != nil {
			t.Fatal(err)
		}
		s.link("../elsewhere", "drop/sub")
		s.Decide(t, s.http.http, "files."+tc.word, "approve")
		if r := <-done; r.Type != wire.StatusReply || r.Code == wire.OK {
			t.Errorf("%s: %+v", tc.word, r)
		}
		names, _ := filepath.Glob(other + "/*")
		info, err := os.Stat(filepath.Join(other, "n.txt"))
		if err != nil || len(names) != 2 || info.Mode().Perm() != 0o644 {
			t.Errorf("%s: elsewhere are %q now, %v", tc.word, names, err)
		}
		s.is(filepath.Join(other, "n.txt"), "theirs\n")
		if err := os.Remove(sub); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(was, sub); err != nil {
			t.Fatal(err)
		}
		if t.Failed() {
			return
		}
	}
	if r := k.ask(wire.Request{Type: wire.Stat, Path: at("n.txt")}); r.Attrs.Size != 5 {
		t.Errorf("what was meant is %+v", r)
	}
}
