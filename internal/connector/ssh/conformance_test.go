// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package ssh_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"

	"github.com/sallyport-dev/sallyport/internal/connector/connectortest"
)

// hugeLines lines of hugeLine are the huge answer.
const (
	hugeLines = 200_000
	hugeLine  = "row of a file about the ward, call SSN " + canary + " and the rest of a line that nobody labelled, just text"
)

func TestConformance(t *testing.T) {
	connectortest.Run(t, connectortest.Harness{
		Start: func(t *testing.T, via func(string) string) connectortest.Gateway {
			w := start(t, setup{via: via})
			_, port, err := net.SplitHostPort(w.peer.Address)
			if err != nil {
				t.Fatal(err)
			}
			w.put("patients", "The patient's SSN is "+canary+", call back on Monday.\n")
			return &conforming{world: w, slow: "1" + port}
		},
		Canaries:  []string{canary, "219-09", "219099999"},
		HugeBytes: hugeLines * 90, // a mask of a terminal has the width of what it masks
	})
}

type conforming struct {
	*world
	slow string // seconds that the slow command sleeps, of this test alone
}

// Listener returns the address of SSH.
func (c *conforming) Listener() string { return c.SSHAddress() }

func (c *conforming) Intents(t *testing.T) int { return c.Gateway.Intents(t) }

func (c *conforming) Traces(t *testing.T) map[string][]byte { return c.Gateway.Traces(t) }

func (c *conforming) Stop(t *testing.T) { c.Gateway.Stop(t) }

func (c *conforming) Disk() connectortest.Disk { return c.Gateway.Disk }

// Open asks once, since the target is dialled by the first command.
func (c *conforming) Open(ctx context.Context) (connectortest.Caller, error) {
	token, err := c.Issuer.Token("repo:acme/claims:ref:refs/heads/main", 600e9, map[string]any{"kind": "ci", "repository": "acme/claims"})
	if err != nil {
		return nil, err
	}
	key, _, _, _, err := ssh.ParseAuthorizedKey([]byte(c.hostKey))
	if err != nil {
		return nil, err
	}
	conn, err := ssh.Dial("tcp", c.SSHAddress(), &ssh.ClientConfig{
		User: "box+ops", Auth: []ssh.AuthMethod{ssh.Password(token)}, HostKeyCallback: ssh.FixedHostKey(key), HostKeyAlgorithms: []string{key.Type()},
	})
	if err != nil {
		return nil, err
	}
	caller := &sshCaller{c, conn}
	if _, err := caller.Read(ctx); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return caller, nil
}

// Upstream counts the slow commands that run on this machine.
func (c *conforming) Upstream(t *testing.T) (n int) {
	t.Helper()
	names, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if b, err := os.ReadFile(name); err == nil && string(b) == "sleep\x00"+c.slow+"\x00" {
			n++
		}
	}
	return n
}

type sshCaller struct {
	c    *conforming
	conn *ssh.Client
}

// ended is how a command ended, with what was said on its standard error.
type ended struct {
	err  error
	said string
}

func (e *ended) Error() string { return fmt.Sprintf("%v: %s", e.err, e.said) }

// run runs a command, and hands what it prints to each. The end of ctx interrupts it.
func (s *sshCaller) run(ctx context.Context, line string, tty bool, each func([]byte) bool) (n int64, err error) {
	session, err := s.conn.NewSession()
	if err != nil {
		return 0, err
	}
	defer session.Close() //nolint:errcheck // it has ended, or is left
	var errs bytes.Buffer
	session.Stderr = &errs
	out, err := session.StdoutPipe()
	if err != nil {
		return 0, err
	}
	in, err := session.StdinPipe()
	if err != nil {
		return 0, err
	}
	if tty {
		if err := session.RequestPty("xterm", 24, 80, ssh.TerminalModes{}); err != nil {
			return 0, err
		}
	}
	if err := session.Start(line); err != nil {
		return 0, err
	}
	stop := context.AfterFunc(ctx, func() {
		if tty {
			_, _ = in.Write([]byte{3}) // as a key does it
			return
		}
		_ = session.Close()
	})
	defer stop()
	buf := make([]byte, 32<<10)
	for {
		got, err := out.Read(buf)
		n += int64(got)
		if got > 0 && !each(buf[:got]) {
			return n, nil
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return n, err
		}
	}
	if err := session.Wait(); err != nil {
		return n, &ended{err, errs.String()}
	}
	return n, nil
}

func (s *sshCaller) Read(ctx context.Context) (out []byte, err error) {
	_, err = s.run(ctx, "cat "+filepath.Join(s.c.dir, "patients"), false, func(b []byte) bool { out = append(out, b...); return true })
	return out, err
}

func (s *sshCaller) Denied(ctx context.Context) error {
	_, err := s.run(ctx, "echo wipe", false, func([]byte) bool { return true })
	return err
}

// Native reports whether an error is a command that may not run, with what to do.
func (s *sshCaller) Native(err error) bool { return code(err) == 126 && said(err, "to do: ") }

// Fatal reports whether the session is over.
func (s *sshCaller) Fatal(err error) bool { return code(err) == 255 && said(err, "to do: ") }

func code(err error) int {
	var e *ended
	var exit *ssh.ExitError
	if !errors.As(err, &e) || !errors.As(e.err, &exit) {
		return -1
	}
	return exit.ExitStatus()
}

func said(err error, part string) bool {
	var e *ended
	return errors.As(err, &e) && strings.Contains(e.said, "sallyport: ") && strings.Contains(e.said, part)
}

func (s *sshCaller) Slow(ctx context.Context) error {
	_, err := s.run(ctx, "sleep "+s.c.slow, true, func([]byte) bool { return true })
	return err
}

func (s *sshCaller) Huge(ctx context.Context, each func([]byte) bool) (int64, error) {
	return s.run(ctx, fmt.Sprintf("yes '%s' | head -n %d", hugeLine, hugeLines), false, each)
}

func (s *sshCaller) Close() { _ = s.conn.Close() }
