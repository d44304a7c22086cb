// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package sshpeer_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sallyport-dev/sallyport/test/sshpeer"
)

// OpenSSH's client logs in with the key, knows the host by its key, runs a command
// and puts a file.
func TestStart(t *testing.T) {
	t.Parallel()
	s := sshpeer.Start(t, sshpeer.Options{})
	known := filepath.Join(t.TempDir(), "known_hosts")
	if err := os.WriteFile(known, []byte(s.KnownHosts()), 0o600); err != nil {
		t.Fatal(err)
	}
	options := []string{"-F", "none", "-o", "BatchMode=yes", "-o", "IdentitiesOnly=yes", "-o", "UserKnownHostsFile=" + known, "-o", "StrictHostKeyChecking=yes", "-i", s.KeyFile}
	out, err := exec.Command("ssh", append(options, "-p", s.Port, s.User+"@"+s.Host, "echo $((6*7)); exit 3")...).Output()
	if strings.TrimSpace(string(out)) != "42" || err == nil || !strings.Contains(err.Error(), "exit status 3") {
		t.Errorf("ssh printed %q and ended with %v; the server said:\n%s", out, err, s.Said())
	}
	sftp := exec.Command("sftp", append(options, "-P", s.Port, "-b", "-", s.User+"@"+s.Host)...)
	sftp.Stdin = strings.NewReader("put " + known + " a\n")
	if out, err := sftp.CombinedOutput(); err != nil {
		t.Errorf("sftp: %v\n%s", err, out)
	}
	if b, err := os.ReadFile(filepath.Join(s.Dir, "a")); err != nil || string(b) != s.KnownHosts() {
		t.Errorf("the file is %q, %v", b, err)
	}
}

// A server may have no subsystem, and refuses others' certificates.
func TestOptions(t *testing.T) {
	t.Parallel()
	s := sshpeer.Start(t, sshpeer.Options{SFTP: "none", UserCA: []string{"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGPKSUTyz1HwHReFVvD5obVsALAgJRNarH4TRpNePnAS"}, Principals: []string{"phi-reader"}, Lines: []string{"PermitTTY no"}})
	out, err := exec.Command("sftp", "-F", "none", "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-i", s.KeyFile, "-P", s.Port, s.User+"@"+s.Host).CombinedOutput()
	if err == nil || !strings.Contains(string(out), "subsystem request failed") {
		t.Errorf("sftp ended with %v: %s", err, out)
	}
}
