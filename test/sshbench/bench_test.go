// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

//go:build bench

package sshbench_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/sallyport-dev/sallyport/test/figures"
	"github.com/sallyport-dev/sallyport/test/gatewaytest"
	"github.com/sallyport-dev/sallyport/test/sshpeer"
)

const (
	commands  = 300
	logins    = 60
	transfers = 5
	size      = 128 << 20
	masked    = 32 << 20
)

// noProfile keeps a shell from reading what belongs to the user who measures: bash does
// so only where it takes itself for the outermost one.
const noProfile = "SetEnv SHLVL=2"

const policy = `
@id("connect") permit(principal, action == Action::"connect", resource == Resource::"box");
@id("use") permit(principal, action in [Action::"execute", Action::"read", Action::"write", Action::"define"], resource in Resource::"box");
@id("scanned") permit(principal, action == Action::"readScanned", resource in Label::"phi");
@id("raw") permit(principal, action == Action::"readRaw", resource in Label::"public");
`

const entry = `  - name: box
    type: ssh
    address: %s
    credential: {password: "file:box.key"}
    ssh:
      user: %s
      auth: key
      host_keys: [%q]
      commands:
        - {name: nothing, words: ["true"], effect: read, labels: [public]}
        - {name: shown, words: [cat, %[4]s/public/big], effect: read, labels: [public]}
        - {name: masked, words: [cat, %[4]s/data/big.csv], effect: read, labels: [phi]}
      files:
        prefixes:
          - {prefix: %[4]s/data, labels: [phi]}
          - {prefix: %[4]s/public, labels: [public], plain_names: true}
`

// out is where lines of JSON go. What the test runner says goes elsewhere.
var out io.Writer

func TestMain(m *testing.M) {
	out, os.Stdout = os.Stdout, os.Stderr
	os.Exit(m.Run())
}

// world is a server, a gateway before it, and a client's directory.
type world struct {
	sheet   figures.Sheet
	peer    *sshpeer.Server
	gateway *gatewaytest.Gateway
	home    string
	sides   [2]side
}

// side is where a client goes: the target, or the gateway.
type side struct {
	address string
	config  *ssh.ClientConfig
	file    string // the configuration of OpenSSH's client
}

func start(t *testing.T) *world {
	t.Helper()
	dir := t.TempDir()
	fill(t, filepath.Join(dir, "public", "big"), "", "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcde\n", size)
	fill(t, filepath.Join(dir, "data", "big.csv"), "id,name,ssn,note\n", "1001,Testperson,219-09-9991,no known allergies and follow-up in two weeks\n", masked)
	w := &world{peer: sshpeer.Start(t, sshpeer.Options{Dir: dir, Lines: []string{noProfile}}), home: t.TempDir()}
	w.gateway = gatewaytest.Start(t, gatewaytest.Policy(policy), gatewaytest.File("box.key", string(w.peer.PrivateKey)),
		gatewaytest.Resource("box", "ops", fmt.Sprintf(entry, w.peer.Address, w.peer.User, w.peer.HostKey, dir)))
	w.sheet = figures.Sheet{Bench: "ssh", Peer: "sshd", Out: out}
	login, err := ssh.ParsePrivateKey(w.peer.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	w.sides[0] = w.side(t, "direct", w.peer.Address, w.peer.User, w.peer.HostKey, ssh.PublicKeys(login))
	hostKey, certificate := w.certify(t, login.PublicKey())
	signer, err := ssh.NewCertSigner(certificate, login)
	if err != nil {
		t.Fatal(err)
	}
	w.sides[1] = w.side(t, "gateway", w.gateway.SSHAddress(), "box+ops", hostKey, ssh.PublicKeys(signer))
	return w
}

// fill makes a file of lines, long ago, so that it does not count as just changed.
func fill(t *testing.T, name, head, line string, n int) {
	t.Helper()
	must(t, os.MkdirAll(filepath.Dir(name), 0o755))
	must(t, os.WriteFile(name, append([]byte(head), bytes.Repeat([]byte(line), n/len(line))...), 0o644))
	long := time.Unix(1_700_000_000, 0)
	must(t, os.Chtimes(name, long, long))
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// side writes a configuration of OpenSSH's client, and makes that of our own.
func (w *world) side(t *testing.T, name, address, user, hostKey string, auth ssh.AuthMethod) side {
	t.Helper()
	key, _, _, _, err := ssh.ParseAuthorizedKey([]byte(hostKey))
	must(t, err)
	host, port, err := net.SplitHostPort(address)
	must(t, err)
	known, file := filepath.Join(w.home, name+"-hosts"), filepath.Join(w.home, name)
	must(t, os.WriteFile(known, []byte(name+" "+hostKey+"\n"), 0o600))
	lines := []string{
		"Host box", "HostName " + host, "Port " + port, "User " + user, "HostKeyAlias " + name, "UserKnownHostsFile " + known, "GlobalKnownHostsFile none",
		"StrictHostKeyChecking yes", "UpdateHostKeys no", "BatchMode yes", "IdentitiesOnly yes", "IdentityFile " + w.peer.KeyFile,
	}
	if name == "gateway" {
		lines = append(lines, "CertificateFile "+filepath.Join(w.home, "cert.pub"))
	}
	must(t, os.WriteFile(file, []byte(strings.Join(lines, "\n")+"\n"), 0o600))
	return side{address, &ssh.ClientConfig{
		User: user, Auth: []ssh.AuthMethod{auth}, HostKeyCallback: ssh.FixedHostKey(key), HostKeyAlgorithms: []string{key.Type()},
	}, file}
}

// certify gets the gateway's host key, and a certificate for a key.
func (w *world) certify(t *testing.T, key ssh.PublicKey) (hostKey string, certificate *ssh.Certificate) {
	t.Helper()
	var host struct {
		HostKey string `json:"host_key"`
	}
	var got struct{ Certificate string }
	w.call(t, http.MethodGet, "/v1/ssh", nil, &host)
	w.call(t, http.MethodPost, "/v1/ssh/certificate", map[string]string{"resource": "box", "role": "ops", "public_key": string(ssh.MarshalAuthorizedKey(key))}, &got)
	must(t, os.WriteFile(filepath.Join(w.home, "cert.pub"), []byte(got.Certificate+"\n"), 0o600))
	parsed, _, _, _, err := ssh.ParseAuthorizedKey([]byte(got.Certificate))
	must(t, err)
	certificate, ok := parsed.(*ssh.Certificate)
	if !ok {
		t.Fatal("this is no certificate")
	}
	return host.HostKey, certificate
}

func (w *world) call(t *testing.T, method, path string, in, answer any) {
	t.Helper()
	var body io.Reader = http.NoBody
	if in != nil {
		b, err := json.Marshal(in)
		must(t, err)
		body = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(t.Context(), method, "https://"+w.gateway.APIAddress()+path, body)
	must(t, err)
	req.Header.Set("Authorization", "Bearer "+w.gateway.CIToken(t))
	req.Header.Set("Content-Type", "application/json")
	res, err := w.gateway.HTTPClient(t).Do(req)
	must(t, err)
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	must(t, err)
	if res.StatusCode != http.StatusOK {
		t.Fatalf("%s %s: %d %s", method, path, res.StatusCode, b)
	}
	must(t, json.Unmarshal(b, answer))
}

// run runs a command and counts what it prints.
func run(c *ssh.Client, line string) (n int64, err error) {
	s, err := c.NewSession()
	if err != nil {
		return 0, err
	}
	defer s.Close()
	r, err := s.StdoutPipe()
	if err != nil {
		return 0, err
	}
	var said bytes.Buffer
	s.Stderr = &said
	if err := s.Start(line); err != nil {
		return 0, err
	}
	if n, err = io.Copy(io.Discard, r); err != nil {
		return n, err
	}
	if err := s.Wait(); err != nil {
		return n, fmt.Errorf("%w: %s", err, said.String())
	}
	return n, nil
}

func (s side) dial(t *testing.T) *ssh.Client {
	t.Helper()
	c, err := ssh.Dial("tcp", s.address, s.config)
	must(t, err)
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func TestCommands(t *testing.T) {
	w := start(t)
	direct, gateway := w.sides[0].dial(t), w.sides[1].dial(t)
	command := func(c *ssh.Client, line string, least int64) figures.Way {
		return func() (int64, error) {
			n, err := run(c, line)
			if err == nil && n < least {
				err = fmt.Errorf("%d bytes, not %d", n, least)
			}
			return n, err
		}
	}
	must(t, w.sheet.Times("exec", commands, command(direct, "true", 0), command(gateway, "true", 0)))
	login := func(s side) figures.Way {
		return func() (int64, error) {
			c, err := ssh.Dial("tcp", s.address, s.config)
			if err != nil {
				return 0, err
			}
			defer c.Close()
			return run(c, "true")
		}
	}
	must(t, w.sheet.Times("connect-and-exec", logins, login(w.sides[0]), login(w.sides[1])))
	for _, x := range []struct {
		name, file string
		least      int64
	}{{"output-raw", "/public/big", size * 9 / 10}, {"output-masked", "/data/big.csv", masked * 8 / 10}} {
		line := "cat " + w.peer.Dir + x.file
		must(t, w.sheet.Rates(x.name, transfers, command(direct, line, x.least), command(gateway, line, x.least)))
	}
}

// sftp has OpenSSH's client carry a file.
func (w *world) sftp(s side, line string, n int64, options ...string) figures.Way {
	return func() (int64, error) {
		cmd := exec.Command("sftp", append(options, "-q", "-F", s.file, "-b", "-", "box")...)
		cmd.Dir, cmd.Stdin = w.home, strings.NewReader(line+"\n")
		cmd.Env = append(os.Environ(), "HOME="+w.home, "SSH_AUTH_SOCK=")
		if b, err := cmd.CombinedOutput(); err != nil {
			return 0, fmt.Errorf("sftp: %w: %s", err, b)
		}
		return n, nil
	}
}

// both measures a line of sftp both ways.
func (w *world) both(t *testing.T, name string, rounds int, line string, n int64, options ...string) {
	t.Helper()
	must(t, w.sheet.Rates(name, rounds, w.sftp(w.sides[0], line, n, options...), w.sftp(w.sides[1], line, n, options...)))
}

func TestFiles(t *testing.T) {
	w := start(t)
	must(t, w.sheet.Times("sftp-connect", logins/6, w.sftp(w.sides[0], "pwd", 0), w.sftp(w.sides[1], "pwd", 0)))
	must(t, os.Symlink(filepath.Join(w.peer.Dir, "public", "big"), filepath.Join(w.home, "up")))
	get, put := "get "+w.peer.Dir+"/public/big got", "put up "+w.peer.Dir+"/public/up"
	w.both(t, "sftp-get-raw", transfers, get, size)
	w.both(t, "sftp-put-raw", transfers, put, size)
	// The client prefers ChaCha20.
	w.both(t, "sftp-get-raw-aes-gcm", transfers, get, size, "-c", "aes128-gcm@openssh.com")
	w.both(t, "sftp-put-raw-aes-gcm", transfers, put, size, "-c", "aes128-gcm@openssh.com")
}

// TestMaskedFiles counts the bytes of the file at the server. A file that was never
// asked for is masked when it is.
func TestMaskedFiles(t *testing.T) {
	w := start(t)
	csv := filepath.Join(w.peer.Dir, "data", "big.csv")
	turn := 0
	first := func() (int64, error) {
		turn++
		name := fmt.Sprintf("%s/data/copy-%d.csv", w.peer.Dir, turn)
		if err := os.Link(csv, name); err != nil {
			return 0, err
		}
		return w.sftp(w.sides[1], "get "+name+" got", masked)()
	}
	must(t, w.sheet.Rates("sftp-get-masked-first", 3, w.sftp(w.sides[0], "get "+csv+" got", masked), first))
	w.both(t, "sftp-get-masked-again", transfers, "get "+csv+" got", masked)
}
