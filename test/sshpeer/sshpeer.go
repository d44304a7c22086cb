// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

// Package sshpeer runs OpenSSH's server on a loopback address as a target of tests:
// the program of the distribution, with a configuration, a host key and a login key
// of its own, in the foreground and ended by its id.
//
// The login is that of the user who runs the test, since a server without root's
// rights can change into nobody else. As root the server wants the directory
// /run/sshd, which is made. Nothing of the user's own configuration is read but what
// the user's shell reads by itself.
package sshpeer

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/sallyport-dev/sallyport/test/peer"
)

// Options of a server. The zero value is one that takes the login key of the test.
type Options struct {
	// UserCA are authorities for certificates of users, as lines of authorized_keys.
	UserCA []string
	// Principals are the names that certificates may have; the user's own without.
	Principals []string
	// SFTP is the command of the subsystem; without one, the server's own. "none" is
	// a server without that subsystem.
	SFTP string
	// Dir is the directory of the server's files; without one, a new one.
	Dir string
	// Lines are added to the server's configuration, and may not repeat what is there.
	Lines []string
}

// Server is a running server.
type Server struct {
	Address string // host:port
	Host    string
	Port    string
	// HostKey is the server's public key as a line of authorized_keys, and HostSigner
	// its private one.
	HostKey    string
	HostSigner ssh.Signer
	User       string
	// PrivateKey is the login key in OpenSSH's form, and KeyFile where it is.
	PrivateKey []byte
	KeyFile    string
	// Dir is a directory that the user may write to. The subsystem sftp begins in it.
	Dir string

	child *peer.Child
}

const (
	attempts = 5 // ports that may be taken by others meanwhile
	patience = 30 * time.Second
)

// Start runs a server until the test's clean-up.
func Start(t peer.T, o Options) *Server {
	t.Helper()
	program, err := find("sshd")
	if err != nil {
		t.Fatal(err)
	}
	who, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	if os.Geteuid() == 0 {
		if err := os.MkdirAll("/run/sshd", 0o755); err != nil {
			t.Fatal(err)
		}
	}
	s := &Server{Host: "127.0.0.1", User: who.Username, Dir: o.Dir}
	if s.Dir == "" {
		s.Dir = t.TempDir()
	}
	own := t.TempDir()
	s.HostSigner, _ = key(t, filepath.Join(own, "host"))
	s.HostKey = line(s.HostSigner)
	s.KeyFile = filepath.Join(own, "login")
	login, private := key(t, s.KeyFile)
	s.PrivateKey = private
	put(t, filepath.Join(own, "authorized"), line(login)+"\n")
	put(t, filepath.Join(own, "authorities"), strings.Join(o.UserCA, "\n")+"\n")
	put(t, filepath.Join(own, "principals"), strings.Join(o.Principals, "\n")+"\n")
	config := filepath.Join(own, "sshd_config")
	for range attempts {
		s.Port = free(t)
		s.Address = net.JoinHostPort(s.Host, s.Port)
		put(t, config, s.config(own, o))
		s.child = peer.Run(t, program, "-D", "-e", "-f", config)
		if s.up() {
			return s
		}
	}
	t.Fatalf("sshd did not start: %s", s.Said())
	return nil
}

// Said is what the server has logged.
func (s *Server) Said() string { return s.child.Said() }

// KnownHosts is the line of a known_hosts file for the server.
func (s *Server) KnownHosts() string { return fmt.Sprintf("[%s]:%s %s\n", s.Host, s.Port, s.HostKey) }

func (s *Server) config(own string, o Options) string {
	var b strings.Builder
	add := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	add("ListenAddress %s", s.Address)
	add("HostKey %s", filepath.Join(own, "host"))
	add("AuthorizedKeysFile %s", filepath.Join(own, "authorized"))
	if len(o.UserCA) > 0 {
		add("TrustedUserCAKeys %s", filepath.Join(own, "authorities"))
		if len(o.Principals) > 0 {
			add("AuthorizedPrincipalsFile %s", filepath.Join(own, "principals"))
		}
	}
	switch o.SFTP {
	case "none":
	case "":
		add("Subsystem sftp internal-sftp -d %s", s.Dir)
	default:
		add("Subsystem sftp %s", o.SFTP)
	}
	for _, l := range []string{
		"PidFile none", "UsePAM no", "StrictModes no", "PasswordAuthentication no", "KbdInteractiveAuthentication no",
		"PermitRootLogin prohibit-password", "PrintMotd no", "PrintLastLog no", "UseDNS no", "LogLevel VERBOSE",
		// What a gateway has to refuse, the target would allow.
		"AllowTcpForwarding yes", "AllowAgentForwarding yes", "AllowStreamLocalForwarding yes", "X11Forwarding yes", "PermitTunnel yes", "AcceptEnv *",
		// Tests open many connections at once.
		"MaxStartups 200:30:400", "MaxSessions 100",
	} {
		add("%s", l)
	}
	for _, l := range o.Lines {
		add("%s", l)
	}
	return b.String()
}

// up waits until the server greets, or has ended.
func (s *Server) up() bool {
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
		select {
		case <-s.child.Ended():
			return false
		case <-time.After(20 * time.Millisecond):
		}
		if s.greets() {
			return true
		}
	}
	return false
}

func (s *Server) greets() bool {
	c, err := net.DialTimeout("tcp", s.Address, time.Second)
	if err != nil {
		return false
	}
	defer c.Close() //nolint:errcheck // it was read
	_ = c.SetReadDeadline(time.Now().Add(patience))
	b := make([]byte, len("SSH-2.0-"))
	_, err = c.Read(b)
	return err == nil && bytes.HasPrefix(b, []byte("SSH-2.0-"))
}

// find looks for a program where the path may not lead.
func find(name string) (string, error) {
	for _, p := range []string{"/usr/sbin", "/usr/local/sbin", "/usr/bin"} {
		if f := filepath.Join(p, name); executable(f) {
			return f, nil
		}
	}
	p, err := exec.LookPath(name)
	if err != nil {
		return "", fmt.Errorf("%w (run: make test-deps)", err)
	}
	return filepath.Abs(p) // the server starts itself again and wants its whole name
}

func executable(name string) bool {
	i, err := os.Stat(name)
	return err == nil && i.Mode().IsRegular() && i.Mode()&0o111 != 0
}

// key makes a key and writes its private half to a file.
func key(t peer.T, name string) (ssh.Signer, []byte) {
	t.Helper()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	block, err := ssh.MarshalPrivateKey(private, "")
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.NewSignerFromKey(private)
	if err != nil {
		t.Fatal(err)
	}
	text := pem.EncodeToMemory(block)
	put(t, name, string(text))
	return signer, text
}

func line(s ssh.Signer) string {
	return strings.TrimSuffix(string(ssh.MarshalAuthorizedKey(s.PublicKey())), "\n")
}

func put(t peer.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// free returns a port that nobody listened on a moment ago.
func free(t peer.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close() //nolint:errcheck // nobody connected
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return port
}
