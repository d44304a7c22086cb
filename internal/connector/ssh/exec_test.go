// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package ssh_test

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Commands run as OpenSSH would run them: output, exit codes, signals and standard
// input.
func TestCommands(t *testing.T) {
	w := start(t, setup{})
	w.config("SendEnv PASSED KEPT")
	w.ssh("", "box", "echo 'hello  world'").want(t, "a template", 0, "hello  world\n", "")
	w.ssh("", "box", "echo a; exit 3").want(t, "an exit code", 3, "a\n", "")
	w.ssh("", "box", "echo oops >&2; false").want(t, "standard error", 1, "", "oops")
	w.ssh("", "box", "kill -TERM $$").want(t, "a signal", 255, "", "")
	w.ssh("one\ntwo\n", "box", "wc -l").want(t, "standard input", 0, "2\n", "")
	w.ssh(strings.Repeat("x", 1<<20), "box", "wc -c").want(t, "much standard input", 0, "1048576\n", "")
	if a := w.ssh("", "box", "yes hello | head -n 100000"); a.out != strings.Repeat("hello\n", 100000) || a.code != 0 {
		t.Errorf("much output: %d bytes, %d, %s", len(a.out), a.code, a.err)
	}
	t.Setenv("PASSED", "yes")
	t.Setenv("KEPT", "no")
	w.ssh("", "box", "echo $PASSED $KEPT").want(t, "the environment", 0, "yes\n", "")
}

// What policy says of a command reaches the client on its standard error, and the
// exit code is that of a command that may not run.
func TestVerdicts(t *testing.T) {
	w := start(t, setup{})
	w.config()
	w.ssh("", "box", "echo wipe").want(t, "forbidden", 126, "", "sallyport: ")
	w.ssh("", "box", "echo secret").want(t, "unreadable", 126, "", "readScanned")
	for _, how := range []string{"deny", "approve"} {
		done := make(chan answer, 1)
		go func() { done <- w.ssh("", "box", "echo restart") }()
		w.Decide(t, w.http.http, "restart", how)
		a := <-done
		if how == "deny" {
			a.want(t, "denied by a person", 126, "", "because the test says so")
		} else {
			a.want(t, "approved by a person", 0, "restart\n", "held")
		}
	}
	if n := strings.Count(w.peer.Said(), "Accepted publickey"); n == 0 {
		t.Error("the target was never reached")
	}
}

// A client that goes away while its command is held takes the request with it, and
// nothing runs.
func TestHeldCommandOfAClientThatLeaves(t *testing.T) {
	w := start(t, setup{})
	w.config()
	ctx, cancel := context.WithCancel(t.Context())
	cmd := w.command(ctx, "box", "echo restart")
	var errs bytes.Buffer
	cmd.Stderr = &errs
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	open := func() int {
		var out struct{ Requests []any }
		w.Call(t, w.http.http, "privacy-officers", "GET", "/v1/requests?state=open", nil, &out)
		return len(out.Requests)
	}
	eventually(t, "the hold", func() bool { return open() == 1 })
	cancel()
	_ = cmd.Wait()
	eventually(t, "the withdrawal", func() bool { return open() == 0 })
	if strings.Contains(w.peer.Said(), "Accepted publickey") {
		t.Error("the target was reached")
	}
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if ok() {
			return
		}
	}
	t.Fatalf("never came: %s", what)
}

// An identifier is masked with colours around and inside it, also when it comes in
// pieces, on both streams, and is in nothing that the gateway keeps.
func TestCanary(t *testing.T) {
	w := start(t, setup{extra: "      input: true\n"})
	w.config()
	const print = `printf 'SSN \033[31m219-09\033[1m-9999\033[0m done\n'`
	for _, line := range []string{print, print + " >&2", "printf 'SSN 219-09-'; sleep 0.2; printf '9999 done\\n'", "cat"} {
		a := w.ssh("SSN 219-09-9999\n", "box", line)
		if a.code != 0 || !strings.Contains(a.out+a.err, "SSN") {
			t.Errorf("%s: %+v", line, a)
		}
		for _, s := range []string{a.out, a.err} {
			if strings.Contains(s, "219-09") || strings.Contains(s, "9999") {
				t.Errorf("%s shows %q", line, s)
			}
		}
	}
	w.Stop(t)
	for name, b := range w.Traces(t) {
		if bytes.Contains(b, []byte("9999 done")) || bytes.Contains(b, []byte(canary)) {
			t.Errorf("%s holds the canary", name)
		}
	}
}

// A terminal of the target is one of the client's, under tmux.
func TestTerminal(t *testing.T) {
	w := start(t, setup{})
	w.config()
	tmux, err := exec.LookPath("tmux")
	if err != nil {
		t.Fatal(err, "(run: make test-deps)")
	}
	socket := filepath.Join(w.dir, "tmux")
	ctx := context.WithoutCancel(t.Context()) // the clean-up uses it as well
	do := func(args ...string) string {
		t.Helper()
		cmd := exec.CommandContext(ctx, tmux, append([]string{"-S", socket, "-f", "/dev/null"}, args...)...)
		cmd.Env = append(os.Environ(), "HOME="+w.dir, "TERM=xterm", "SHELL=/bin/sh", "SSH_AUTH_SOCK=")
		return run(t, cmd).out
	}
	do("new-session", "-d", "-x", "100", "-y", "30", "ssh -F "+filepath.Join(w.dir, "config")+" -tt box; echo ended with $?; sleep 600")
	t.Cleanup(func() { do("kill-server") })
	screen := func() string { return do("capture-pane", "-p") }
	shows := func(what string) {
		t.Helper()
		eventually(t, what, func() bool { return strings.Contains(screen(), what) })
	}
	do("send-keys", "PS1='ready> '; stty size", "Enter")
	shows("30 100")
	do("send-keys", `printf 'SSN \033[31m219-09\033[1m-9999\033[0m do%s\n' ne`, "Enter")
	shows(" done")
	if s := screen(); strings.Contains(s, "SSN 219") {
		t.Errorf("the screen shows the canary:\n%s", s)
	}
	do("resize-window", "-x", "90", "-y", "20")
	eventually(t, "the new size", func() bool {
		do("send-keys", "clear; stty size", "Enter")
		return strings.Contains(screen(), "20 90")
	})
	do("send-keys", "sleep 100", "Enter")
	time.Sleep(200 * time.Millisecond) // a key that comes too early only interrupts nothing
	do("send-keys", "C-c", "")
	do("send-keys", "exit 7", "Enter")
	shows("ended with 7")
}

// A command may have a terminal; without one a shell takes its lines from the
// standard input.
func TestShells(t *testing.T) {
	w := start(t, setup{})
	w.config()
	w.ssh("", "-tt", "box", "test -t 0 && echo terminal").want(t, "a command at a terminal", 0, "terminal\r\n", "")
	w.ssh("echo one\nexit 5\n", "-T", "box").want(t, "a shell without a terminal", 5, "one\n", "")
	s := start(t, setup{policy: policy + `forbid(principal, action, resource == Command::"box/shell");`})
	s.config()
	s.ssh("echo one\n", "-T", "box").want(t, "a shell that is forbidden", 126, "", "sallyport: ")
	if a := s.ssh("echo one\n", "-tt", "box"); a.code != 126 || !strings.Contains(a.out+a.err, "sallyport: ") {
		t.Errorf("a shell at a terminal that is forbidden: %+v", a)
	}
}
