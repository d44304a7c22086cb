// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package ssh_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"golang.org/x/crypto/ssh"
)

// denials counts the denials on record whose leaf holds part.
func (w *world) denials(part string) (n int) {
	w.t.Helper()
	for name, b := range w.Traces(w.t) {
		if !strings.Contains(name, "/ledger/wal/") {
			continue
		}
		for _, at := range bytes.Split(b, []byte(`"type":"denial"`))[1:] {
			leaf, _, _ := bytes.Cut(at, []byte("}}"))
			if bytes.Contains(leaf, []byte(part)) {
				n++
			}
		}
	}
	return n
}

// What OpenSSH's client can ask for beside commands is refused, in its own words, and
// on record.
func TestForwardsAreRefused(t *testing.T) {
	w := start(t, setup{})
	w.config()
	a := w.ssh("", "-W", w.peer.Address, "box")
	if a.code == 0 || !strings.Contains(a.err, "administratively prohibited") || strings.Contains(a.out, "SSH-2.0") {
		t.Errorf("-W: %+v", a)
	}
	w.ssh("", "-R", "127.0.0.1:0:"+w.peer.Address, "-o", "ExitOnForwardFailure=yes", "box", "echo in").want(t, "-R", 255, "", "remote port forwarding failed")
	w.ssh("", "-R", filepath.Join(w.dir, "sock")+":"+w.peer.Address, "-o", "ExitOnForwardFailure=yes", "box", "echo in").want(t, "-R of a socket", 255, "", "forwarding failed")
	w.ssh("", "-s", "box", "netconf").want(t, "another subsystem", 126, "", "no such subsystem")
	for _, part := range []string{"channel direct-tcpip", "request tcpip-forward", "request streamlocal-forward@openssh.com", `"subsystem"`} {
		if w.denials(part) == 0 {
			t.Errorf("no denial of %s is on record", part)
		}
	}
	if strings.Contains(w.peer.Said(), "Accepted") {
		t.Error("the target was reached")
	}
}

// A connection that the resource lists is made where policy shows what comes back as
// it is, and what passed is counted.
func TestListedForward(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var served sync.WaitGroup
	defer served.Wait()
	defer ln.Close() //nolint:errcheck // nobody is served any more
	served.Go(func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			served.Go(func() {
				defer c.Close() //nolint:errcheck // it was read to its end
				b, _ := io.ReadAll(c)
				_, _ = fmt.Fprintf(c, "got %d bytes", len(b))
			})
		}
	})
	to := ln.Addr().String()
	for _, may := range []string{"read", "readRaw"} {
		w := start(t, setup{
			extra:  "      forward: [\"" + to + "\"]\n",
			policy: policy + `permit(principal, action in [Action::"read", Action::"write", Action::"` + may + `"], resource in Connection::"box/` + to + `");`,
		})
		w.config()
		if may == "read" {
			if a := w.ssh("hello", "-W", to, "box"); a.code != 255 || !strings.Contains(a.err, "cannot be masked") {
				t.Errorf("without readRaw: %+v", a)
			}
			continue
		}
		w.ssh("hello", "-W", to, "box").want(t, "a listed connection", 0, "got 5 bytes", "")
		if a := w.ssh("hello", "-W", "localhost:"+w.peer.Port, "box"); a.code != 255 || !strings.Contains(a.err, "forwarding is not allowed") {
			t.Errorf("another connection: %+v", a)
		}
		found := false
		for name, b := range w.Traces(t) {
			found = found || strings.Contains(name, "/ledger/wal/") && bytes.Contains(b, []byte(`"tag":"sent 5 `)) && bytes.Contains(b, []byte(" received 11 "))
			if bytes.Contains(b, []byte("got 5 bytes")) {
				t.Errorf("%s holds what passed", name)
			}
		}
		if !found {
			t.Error("the outcome does not count what passed")
		}
	}
}

// library logs in with the library, which can ask for what OpenSSH's client cannot.
func (w *world) library() *ssh.Client {
	w.t.Helper()
	conn, err := w.dial("box+ops", ssh.Password(w.CIToken(w.t)))
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = conn.Close() })
	return conn
}

func TestUnknownRequests(t *testing.T) {
	w := start(t, setup{})
	conn := w.library()
	for _, kind := range []string{"direct-streamlocal@openssh.com", "x11", "auth-agent@openssh.com", "forwarded-tcpip", "tun@openssh.com", "made-up"} {
		_, _, err := conn.OpenChannel(kind, []byte("payload"))
		var refused *ssh.OpenChannelError
		if !errors.As(err, &refused) || !strings.Contains(refused.Message, "sallyport: ") {
			t.Errorf("channel %s: %v", kind, err)
		}
	}
	for kind, want := range map[string]bool{"keepalive@openssh.com": true, "made-up": false, "tcpip-forward": false, "hostkeys-prove-00@openssh.com": false} {
		if ok, _, err := conn.SendRequest(kind, true, nil); err != nil || ok != want {
			t.Errorf("global request %s: %t, %v", kind, ok, err)
		}
	}
	ch, reqs, err := conn.OpenChannel("session", nil)
	if err != nil {
		t.Fatal(err)
	}
	go ssh.DiscardRequests(reqs)
	for _, kind := range []string{"x11-req", "auth-agent-req@openssh.com", "made-up", "pty-req", "env", "signal", "window-change", "break"} {
		if ok, err := ch.SendRequest(kind, true, []byte("\x00\x00\x00\xffx")); err != nil || ok {
			t.Errorf("request %s: %t, %v", kind, ok, err)
		}
	}
	type exec struct{ Text string }
	if ok, err := ch.SendRequest("exec", true, ssh.Marshal(exec{"echo \x00"})); err != nil || !ok {
		t.Error(ok, err)
	}
	errs, err := io.ReadAll(ch.Stderr())
	if err != nil || !strings.Contains(string(errs), "zero byte") {
		t.Errorf("a zero byte: %q, %v", errs, err)
	}
	for _, kind := range []string{"exec", "shell", "subsystem"} { // it has ended
		if ok, _ := ch.SendRequest(kind, true, ssh.Marshal(exec{"echo again"})); ok {
			t.Errorf("a second %s was taken", kind)
		}
	}
	if w.denials("made-up") != 0 { // the text of a client is sealed
		t.Error("a client's own words are on record in clear")
	}
	if n := w.denials(`"channel"`); n == 0 {
		t.Error("no denial of an unknown channel is on record")
	}
}

// A client that asks for nothing but what is refused is not listened to for ever.
func TestTooManyRefusals(t *testing.T) {
	w := start(t, setup{})
	conn := w.library()
	n := 0
	for ; n < 1000; n++ {
		if _, _, err := conn.OpenChannel("made-up", nil); err != nil {
			var refused *ssh.OpenChannelError
			if !errors.As(err, &refused) {
				break
			}
		}
	}
	if n < 60 || n > 70 {
		t.Errorf("the connection ended after %d refusals", n)
	}
}

// One connection has ten channels at once, and the next one when one of them ends.
func TestChannels(t *testing.T) {
	w := start(t, setup{})
	conn := w.library()
	var open []ssh.Channel
	for range 10 {
		ch, reqs, err := conn.OpenChannel("session", nil)
		if err != nil {
			t.Fatal(err)
		}
		go ssh.DiscardRequests(reqs)
		open = append(open, ch)
	}
	if _, _, err := conn.OpenChannel("session", nil); err == nil {
		t.Error("an eleventh channel was opened")
	}
	if err := open[0].Close(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "another channel", func() bool {
		ch, reqs, err := conn.OpenChannel("session", nil)
		if err == nil {
			go ssh.DiscardRequests(reqs)
			_ = ch.Close()
		}
		return err == nil
	})
}

// Several sessions share a connection, which is one session of the gateway and one
// login at the target.
func TestMultiplexing(t *testing.T) {
	w := start(t, setup{})
	w.config("ControlMaster auto", "ControlPath "+filepath.Join(w.dir, "m"), "ControlPersist 60")
	w.ssh("", "box", "echo first").want(t, "the first", 0, "first\n", "")
	var wg sync.WaitGroup
	for i := range 5 {
		wg.Go(func() {
			w.ssh("", "box", fmt.Sprintf("echo %d; exit %d", i, i)).want(t, "one of several", i, fmt.Sprintf("%d\n", i), "")
		})
	}
	wg.Wait()
	if n := strings.Count(w.peer.Said(), "Accepted publickey"); n != 1 {
		t.Errorf("the target saw %d logins", n)
	}
	w.ssh("", "-O", "exit", "box")
}

// New keys are agreed on while data flows, when the client wants them.
func TestRekeying(t *testing.T) {
	w := start(t, setup{})
	w.config("RekeyLimit 1M")
	text := strings.Repeat("a line of a text that is long enough to be sent in few pieces\n", 100_000)
	a := w.ssh(text, "-v", "box", "cat")
	if a.code != 0 || a.out != text {
		t.Errorf("%d bytes, %d", len(a.out), a.code)
	}
	if n := strings.Count(a.err, "SSH2_MSG_NEWKEYS received"); n < 5 {
		t.Errorf("keys were exchanged %d times", n)
	}
}

// A message that is slipped in before the keys are agreed on ends the connection
// (the attack on sequence numbers called Terrapin).
func TestStrictKeyExchange(t *testing.T) {
	w := start(t, setup{})
	key, _, _, _, err := ssh.ParseAuthorizedKey([]byte(w.hostKey))
	if err != nil {
		t.Fatal(err)
	}
	for _, inject := range []bool{false, true} {
		nc, err := net.Dial("tcp", w.SSHAddress())
		if err != nil {
			t.Fatal(err)
		}
		conn, chans, reqs, err := ssh.NewClientConn(&slipping{Conn: nc, inject: inject}, "gateway", &ssh.ClientConfig{
			User: "box+ops", Auth: []ssh.AuthMethod{ssh.Password(w.CIToken(t))}, HostKeyCallback: ssh.FixedHostKey(key), HostKeyAlgorithms: []string{key.Type()},
		})
		if (err != nil) != inject {
			t.Errorf("with a message slipped in: %t: %v", inject, err)
		}
		if err == nil {
			go ssh.DiscardRequests(reqs)
			go func() {
				for n := range chans {
					_ = n.Reject(ssh.Prohibited, "")
				}
			}()
			_ = conn.Close()
		}
		_ = nc.Close()
	}
}

// slipping writes an SSH_MSG_IGNORE behind the client's first packet.
type slipping struct {
	net.Conn
	inject bool
	writes int
}

func (s *slipping) Write(p []byte) (int, error) {
	n, err := s.Conn.Write(p)
	if s.writes++; err == nil && s.inject && s.writes == 2 { // after the version and the list of algorithms
		packet := append([]byte{0, 0, 0, 12, 6, 2, 0, 0, 0, 0}, make([]byte, 6)...)
		_, err = s.Conn.Write(packet)
	}
	return n, err
}

// Who says nothing for too long is let go with a reason, but not while a command
// without a terminal runs; and all are when the gateway stops.
func TestIdleAndShutdown(t *testing.T) {
	w := start(t, setup{})
	w.Stop(t)
	w.Rewrite(t, "limits: {sessions: 200}", "limits: {sessions: 200, idle: 1s}")
	w.Run(t)
	w.config()
	w.ssh("", "box", "sleep 2; echo still here").want(t, "a silent command", 0, "still here\n", "")
	if a := w.ssh("", "-tt", "box", "sleep 60"); a.code != 126 || !strings.Contains(a.out+a.err, "idle for too long") {
		t.Errorf("a silent terminal: %+v", a)
	}
	done := make(chan answer, 1)
	go func() { done <- w.ssh("", "box", "echo begun; sleep 60") }()
	eventually(t, "the command", func() bool { return strings.Count(w.peer.Said(), "Starting session: command") >= 3 })
	w.Stop(t)
	if a := <-done; a.code != 255 || !strings.Contains(a.err, "shutting down") {
		t.Errorf("at the gateway's end: %+v", a)
	}
}

// A client's signals reach the program, where the target takes them.
func TestSignals(t *testing.T) {
	w := start(t, setup{})
	conn := w.library()
	s, err := conn.NewSession()
	if err != nil {
		t.Fatal(err)
	}
	out, err := s.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	in, err := s.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.RequestPty("xterm", 24, 80, ssh.TerminalModes{}); err != nil {
		t.Fatal(err)
	}
	if err := s.Start("trap 'exit 9' INT; echo begun; sleep 60 & wait"); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(out, make([]byte, len("begun\r\n"))); err != nil {
		t.Fatal(err)
	}
	if err := s.Signal(ssh.Signal("MADE-UP")); err != nil { // not passed on, and not answered
		t.Error(err)
	}
	if _, err := in.Write([]byte{3}); err != nil {
		t.Fatal(err)
	}
	go func() { _, _ = io.Copy(io.Discard, out) }()
	var exit *ssh.ExitError
	if err := s.Wait(); !errors.As(err, &exit) || exit.ExitStatus() != 9 {
		t.Errorf("got %v", err)
	}
}
