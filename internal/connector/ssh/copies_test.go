// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package ssh_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// rsyncPolicy lets a role use rsync at all.
const rsyncPolicy = `
@id("rsync") permit(principal in Role::"ops", action == Action::"execute", resource == Command::"box/rsync");
`

func (s *share) scp(args ...string) answer {
	s.t.Helper()
	return s.client("", "scp", s.options(args...)...)
}

func (s *share) rsync(args ...string) answer {
	s.t.Helper()
	return s.client("", "rsync", append([]string{"-e", "ssh -q -F " + filepath.Join(s.world.dir, "config")}, args...)...)
}

// scp speaks sftp, and says so of its old protocol.
func TestSCP(t *testing.T) {
	s := startShare(t)
	s.file("public/a.txt", "hello\n")
	s.file("data/p.csv", "mrn,ssn\n1,"+canary+"\n")
	s.mine("up.txt", "mine\n")
	for _, args := range [][]string{
		{"box:" + s.dir + "/public/a.txt", "got.txt"},
		{"box:" + s.dir + "/data/p.csv", "p.csv"},
		{"up.txt", "box:" + s.dir + "/drop/up.txt"},
		{"-r", "box:" + s.dir + "/public", "tree"},
		{"-p", "up.txt", "box:" + s.dir + "/drop/timed.txt"},
	} {
		if a := s.scp(args...); a.code != 0 {
			t.Errorf("scp %q: %d\n%s", args, a.code, a.err)
		}
	}
	s.is(filepath.Join(s.own, "got.txt"), "hello\n")
	s.is(filepath.Join(s.own, "tree/a.txt"), "hello\n")
	s.is(filepath.Join(s.dir, "drop/up.txt"), "mine\n")
	if a := s.scp("box:"+s.dir+"/data/secret/x", "got"); a.code == 0 || !strings.Contains(a.err, "sallyport: ") {
		t.Errorf("what is forbidden: %d\n%s", a.code, a.err)
	}
	for _, args := range [][]string{{"-O", "box:" + s.dir + "/public/a.txt", "old"}, {"-O", "up.txt", "box:" + s.dir + "/drop/old"}} {
		if a := s.scp(args...); a.code == 0 || !strings.Contains(a.err, "without -O") {
			t.Errorf("scp %q: %d\n%s", args, a.code, a.err)
		}
	}
	if _, err := os.Stat(filepath.Join(s.dir, "drop/old")); !os.IsNotExist(err) {
		t.Errorf("the old protocol wrote: %v", err)
	}
	s.nothing("p.csv")
}

// rsync passes where all that it could carry may be seen as it is.
func TestRsync(t *testing.T) {
	s := startShare(t, func(x *setup) { x.policy += rsyncPolicy })
	big := strings.Repeat("0123456789abcdef", 1<<16)
	s.file("public/a b.txt", "hello\n")
	s.file("public/big", big)
	s.file("data/p.csv", "ssn\n"+canary+"\n")
	s.file("hidden/p.csv", "ssn\n"+canary+"\n")
	s.mine("up.txt", big)
	s.link("../data", "public/five")
	for _, args := range [][]string{
		{"-a", "box:" + s.dir + "/public/", "tree"},
		{"-rtz", "up.txt", "box:" + s.dir + "/drop/"},
		{"-rt", "--delete", "--inplace", "tree/in/", "box:" + s.dir + "/drop/in"},
		{"-t", "box:" + s.dir + "/public/a b.txt", "spaced.txt"},
		{"-t", "up.txt", "box:drop/relative.txt"},
	} {
		if a := s.rsync(args...); a.code != 0 {
			t.Errorf("rsync %q: %d\n%s", args, a.code, a.err)
		}
	}
	s.is(filepath.Join(s.own, "tree/a b.txt"), "hello\n")
	s.is(filepath.Join(s.own, "spaced.txt"), "hello\n")
	s.is(filepath.Join(s.dir, "drop/up.txt"), big)
	for _, tc := range []struct {
		says string
		args []string
	}{
		{"forbids read", []string{"-a", "box:" + s.dir + "/data/", "no"}},
		{"use sftp", []string{"-a", "box:" + s.dir + "/hidden/", "no"}},
		{"forbids read", []string{"-a", "box:" + s.dir + "/public/five/", "no"}},
		{"forbids read", []string{"-a", "box:" + s.dir + "/", "no"}},
		{"use sftp", []string{"-a", "box:" + s.dir + "/named/", "no"}},
		{"no such path", []string{"-a", "box:/etc/", "no"}},
		{"does not pass", []string{"-aL", "box:" + s.dir + "/public/", "no"}},
		{"does not pass", []string{"-a", "--files-from=up.txt", "box:" + s.dir + "/public/", "no"}},
		{"sallyport: ", []string{"-a", "up.txt", "box:" + s.dir + "/drop/owned.txt"}},
		{"sallyport: ", []string{"-rt", "up.txt", "box:" + s.dir + "/public/up.txt"}},
		{"sallyport: ", []string{"-rt", "up.txt", "box:" + s.dir + "/public/five/up.txt"}},
	} {
		if a := s.rsync(tc.args...); a.code == 0 || !strings.Contains(a.err, tc.says) {
			t.Errorf("rsync %q: %d\n%s", tc.args, a.code, a.err)
		}
	}
	s.nothing("no/p.csv")
}

// Without a permit for it as such, rsync does not run.
func TestRsyncUnpermitted(t *testing.T) {
	s := startShare(t)
	s.file("public/a.txt", "hello\n")
	if a := s.rsync("-rt", "box:"+s.dir+"/public/", "tree"); a.code == 0 || !strings.Contains(a.err, "sallyport: ") {
		t.Errorf("%d\n%s", a.code, a.err)
	}
}
