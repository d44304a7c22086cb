// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package ssh_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func (s *share) link(to, name string) {
	s.t.Helper()
	if err := os.Symlink(to, filepath.Join(s.dir, name)); err != nil {
		s.t.Fatal(err)
	}
}

// No name, no link and no copy leads to what policy does not show.
func TestSFTPPaths(t *testing.T) {
	s := startShare(t)
	secret := "Seen today. SSN " + canary + ".\n"
	for _, name := range []string{"data/secret/n.txt", "hidden/n.txt", "elsewhere/n.txt"} {
		s.file(name, secret)
	}
	s.file("public/a.txt", "hello\n")
	s.file("data/a.csv", "mrn,ssn\n1,"+canary+"\n")
	s.link("../data/secret/n.txt", "public/one")
	s.link("../hidden", "public/two")
	s.link(s.dir+"/elsewhere", "public/three")
	s.link("four", "public/four")
	s.link("../data", "public/five")
	s.link("../elsewhere/new.txt", "drop/dangling")
	s.mine("up.txt", "mine\n")
	d := s.dir
	for _, line := range []string{
		"get " + d + "/data/secret/n.txt", "get " + d + "/public/../data/secret/n.txt", "get " + d + "/public/one", "get " + d + "/public/two/n.txt", "get " + d + "/public/three/n.txt",
		"get " + d + "/public/four", "get " + d + "/elsewhere/n.txt", "get /etc/passwd", "get " + d + "/public/five/secret/n.txt", "get " + d + "/public//five/./secret//n.txt",
		"ls " + d + "/data/secret", "ls " + d + "/public/three/", "ls /etc", "ls -l /etc/passwd", "get /dev/zero", "get /proc/self/environ", "cd " + d + "/elsewhere",
		"put up.txt " + d + "/public/new.txt", "put up.txt " + d + "/elsewhere/new.txt", "put up.txt " + d + "/drop/dangling", "put up.txt " + d + "/public/three/new.txt", "put up.txt " + d + "/data/secret/new.txt",
		"rename " + d + "/data/secret/n.txt " + d + "/drop/n.txt", "rename " + d + "/drop " + d + "/drop2", "rename " + d + "/drop/dangling " + d + "/elsewhere/n.txt", "rename " + d + "/data " + d + "/drop/data",
		"ln " + d + "/data/secret/n.txt " + d + "/drop/hard", "ln -s " + d + "/data/secret/n.txt " + d + "/drop/soft", "ln -s ../data/secret/n.txt " + d + "/drop/soft", "ln -s " + d + "/elsewhere " + d + "/drop/soft",
		"ln " + d + "/data/a.csv " + d + "/drop/hard", "cp " + d + "/data/a.csv " + d + "/drop/copied", "cp " + d + "/data/secret/n.txt " + d + "/drop/copied",
		"rm " + d + "/public/a.txt", "rm " + d + "/data/a.csv", "chmod 4755 " + d + "/drop", "chmod 666 " + d + "/public/a.txt", "chown 1 " + d + "/drop", "mkdir " + d + "/elsewhere/x", "rmdir " + d + "/data/secret",
		"df /etc", "lmkdir x\nput up.txt " + d + "/public/in/../new.txt",
	} {
		if a := s.sftp(line); a.code == 0 {
			t.Errorf("%s: it went through\n%s\n%s", strings.ReplaceAll(line, d, ""), a.out, a.err)
		}
	}
	s.is(filepath.Join(d, "data/secret/n.txt"), secret)
	s.is(filepath.Join(d, "public/a.txt"), "hello\n")
	s.is(filepath.Join(d, "drop/copied"), "")
	if left, _ := filepath.Glob(filepath.Join(d, "drop/*")); len(left) != 2 { // a copy was begun
		t.Errorf("in drop are %q", left)
	}
	if left, _ := filepath.Glob(filepath.Join(d, "elsewhere/*")); len(left) != 1 {
		t.Errorf("elsewhere are %q", left)
	}
	// A link from one place that is shown to another is followed, and masked as there.
	if a := s.sftp("get " + d + "/public/five/a.csv got"); a.code != 0 {
		t.Errorf("a link to what is shown: %d %s", a.code, a.err)
	}
	own, _ := filepath.Glob(filepath.Join(s.own, "*"))
	for i := range own {
		own[i] = filepath.Base(own[i])
	}
	s.nothing(own...)
}

// Names that may hold data are listed without what the scanner finds in them, others
// as they are, and what is not shown is not listed.
func TestSFTPNames(t *testing.T) {
	s := startShare(t)
	s.file("data/visit-"+canary+".txt", "x\n")
	s.file("data/visits.csv", "mrn\n1\n")
	s.file("named/visit-7.txt", "x\n")
	s.file("hidden/visit-8.txt", "x\n")
	a := s.sftp("ls -l "+s.dir, "ls -la "+s.dir+"/data", "ls "+s.dir+"/named", "ls -l "+s.dir+"/hidden")
	for _, want := range []string{"data\n", "named\n", "visits.csv", "/named/visit-7.txt", "(masked)"} {
		if !strings.Contains(a.out, want) {
			t.Errorf("%q is not listed", want)
		}
	}
	for _, not := range []string{canary, "elsewhere", "visit-8"} {
		if strings.Contains(a.out, not) {
			t.Errorf("%q is listed", not)
		}
	}
	if a.code != 0 || t.Failed() {
		t.Errorf("%d\n%s\n%s", a.code, a.out, a.err)
	}
	s.nothing()
}

// What is held waits for a person, and what is refused says why where the client
// shows it.
func TestSFTPVerdicts(t *testing.T) {
	s := startShare(t)
	for _, how := range []string{"deny", "approve"} {
		s.file("drop/held.txt", "x\n")
		done := make(chan answer, 1)
		go func() { done <- s.sftp("rm " + s.dir + "/drop/held.txt") }()
		s.Decide(t, s.http.http, "files.remove", how)
		a := <-done
		_, err := os.Stat(filepath.Join(s.dir, "drop/held.txt"))
		if gone := os.IsNotExist(err); gone != (how == "approve") || (a.code == 0) != gone || !strings.Contains(a.err, "held") {
			t.Errorf("%s: ended with %d, gone %v\n%s", how, a.code, gone, a.err)
		}
	}
	s.mine("large", strings.Repeat("x", 3<<20))
	if a := s.sftp("put large " + s.dir + "/drop/large"); a.code == 0 || !strings.Contains(a.err, "raise max_file") {
		t.Errorf("a file that is too large: %d\n%s", a.code, a.err)
	}
	if a := s.sftp("get /etc/passwd"); a.code == 0 || !strings.Contains(a.err, "sallyport: the resource has no such path") || !strings.Contains(a.err, "ask the gateway's operator") {
		t.Errorf("a path that is not shown: %d\n%s", a.code, a.err)
	}
}
