// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package ssh_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/crypto/ssh"

	"github.com/sallyport-dev/sallyport/test/gatewaytest"
	"github.com/sallyport-dev/sallyport/test/sshpeer"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const canary = "219-09-9999"

const policy = `
@id("connect") permit(principal in Role::"ops", action == Action::"connect", resource == Resource::"box");
@id("run") permit(principal in Role::"ops", action == Action::"execute", resource in Resource::"box");
@id("read") permit(principal in Role::"ops", action == Action::"read", resource in Command::"box/echo");
@id("scanned") permit(principal in Role::"ops", action == Action::"readScanned", resource in Label::"phi");
@id("raw") permit(principal in Role::"ops", action == Action::"readRaw", resource in Label::"public");
@id("ask-first") @hold("group:privacy-officers") @expires("15m")
forbid(principal, action == Action::"execute", resource == Command::"box/restart") unless { context has approval };
@id("never") forbid(principal, action == Action::"execute", resource == Command::"box/wipe");
`

const resource = `  - name: box
    type: ssh
    address: %s
    credential: {password: "file:box.key"}
    limits: {sessions: 200}
    ssh:
      user: %s
      auth: %s
      host_keys: [%q]
      labels: [phi]
      unlisted: judge
      env: [PASSED]
%s      commands:
        - {name: restart, words: [echo, restart]}
        - {name: wipe, words: [echo, wipe]}
        - {name: secret, words: [echo, secret], labels: [hidden]}
        - {name: echo, words: [echo, "{words...}"], effect: read, labels: [public]}
`

// world is a gateway before OpenSSH's server, and a directory of OpenSSH's client.
type world struct {
	*gatewaytest.Gateway
	t    *testing.T
	peer *sshpeer.Server
	dir  string
	http *caller
	// hostKey is the gateway's.
	hostKey string
	banner  strings.Builder // of the last dial
}

// setup changes what start does.
type setup struct {
	policy, auth, extra string
	peer                sshpeer.Options
	key                 []byte // in place of the peer's own
	hostKey             string
	via                 func(string) string
	options             []gatewaytest.Option
}

func start(t *testing.T, s setup) *world {
	t.Helper()
	w := &world{t: t, peer: sshpeer.Start(t, s.peer), dir: t.TempDir()}
	if s.policy == "" {
		s.policy = policy
	}
	if s.auth == "" {
		s.auth = "key"
	}
	if s.key == nil {
		s.key = w.peer.PrivateKey
	}
	if s.hostKey == "" {
		s.hostKey = w.peer.HostKey
	}
	address := w.peer.Address
	if s.via != nil {
		address = s.via(address)
	}
	w.Gateway = gatewaytest.Start(t, append([]gatewaytest.Option{
		gatewaytest.Policy(s.policy), gatewaytest.File("box.key", string(s.key)),
		gatewaytest.Resource("box", "ops", fmt.Sprintf(resource, address, w.peer.User, s.auth, s.hostKey, s.extra)),
	}, s.options...)...)
	w.http = newCaller(w)
	w.hostKey = w.http.show().HostKey
	w.put("known_hosts", "gateway "+w.hostKey+"\n")
	return w
}

func (w *world) put(name, text string) string {
	w.t.Helper()
	p := filepath.Join(w.dir, name)
	if err := os.WriteFile(p, []byte(text), 0o600); err != nil {
		w.t.Fatal(err)
	}
	return p
}

// identity makes a key, and a certificate of the gateway for it.
func (w *world) identity(name string) string {
	w.t.Helper()
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		w.t.Fatal(err)
	}
	key, err := ssh.NewPublicKey(public)
	if err != nil {
		w.t.Fatal(err)
	}
	got := w.http.certify("box", "ops", string(ssh.MarshalAuthorizedKey(key)))
	w.put(name+"-cert.pub", got.Certificate+"\n")
	return w.put(name, string(pemOf(w.t, private)))
}

// pemOf is a private key as a file has it.
func pemOf(t *testing.T, key ed25519.PrivateKey) []byte {
	t.Helper()
	block, err := ssh.MarshalPrivateKey(key, "")
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(block)
}

// config writes a configuration of OpenSSH's client that logs in with a certificate.
func (w *world) config(lines ...string) string {
	w.t.Helper()
	return w.configFor("box+ops", append([]string{"IdentityFile " + w.identity("id"), "BatchMode yes"}, lines...)...)
}

func (w *world) configFor(user string, lines ...string) string {
	w.t.Helper()
	host, port, err := net.SplitHostPort(w.SSHAddress())
	if err != nil {
		w.t.Fatal(err)
	}
	all := append([]string{
		"Host box", "HostName " + host, "Port " + port, "User " + user, "IdentitiesOnly yes", "HostKeyAlias gateway",
		"UserKnownHostsFile " + filepath.Join(w.dir, "known_hosts"), "GlobalKnownHostsFile none", "StrictHostKeyChecking yes", "UpdateHostKeys no",
	}, lines...)
	return w.put("config", strings.Join(all, "\n")+"\n")
}

// answer is what a program printed and how it ended.
type answer struct {
	out, err string
	code     int
}

// command returns the client, whose home is a directory of the test's.
func (w *world) command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "ssh", append([]string{"-F", filepath.Join(w.dir, "config")}, args...)...)
	cmd.Env = append(os.Environ(), "HOME="+w.dir, "SSH_AUTH_SOCK=", "DISPLAY=")
	cmd.WaitDelay = 10 * time.Second
	return cmd
}

// ssh runs OpenSSH's client with what it reads from its standard input.
func (w *world) ssh(stdin string, args ...string) answer {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), time.Minute)
	defer cancel()
	cmd := w.command(ctx, args...)
	cmd.Stdin = strings.NewReader(stdin)
	return run(w.t, cmd)
}

func run(t *testing.T, cmd *exec.Cmd) answer {
	t.Helper()
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return answer{out.String(), errs.String(), cmd.ProcessState.ExitCode()}
}

// want fails the test where an answer is another one.
func (a answer) want(t *testing.T, what string, code int, out, errPart string) {
	t.Helper()
	if a.code != code || a.out != out || !strings.Contains(a.err, errPart) {
		t.Errorf("%s: ended with %d, want %d\nout %q, want %q\nerr %q, want %q in it", what, a.code, code, a.out, out, a.err, errPart)
	}
}
