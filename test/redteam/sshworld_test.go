// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package redteam_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/sallyport-dev/sallyport/test/gatewaytest"
	"github.com/sallyport-dev/sallyport/test/sshpeer"
)

// sshCanary is what no client may see. Its two halves are looked for as well where
// an attempt takes it apart.
const sshCanary = "219-09-9999"

const sshPolicy = `
@id("connect") permit(principal, action == Action::"connect", resource);
@id("box-run") permit(principal in Role::"ops", action in [Action::"execute", Action::"read"], resource in Resource::"box") when { resource is Command };
@id("box-see") permit(principal in Role::"ops", action == Action::"read", resource in Path::"box$DIR");
@id("box-change") permit(principal in Role::"ops", action in [Action::"write", Action::"define", Action::"delete"], resource in Path::"box$DIR/drop");
@id("wide-run") permit(principal in Role::"wider", action == Action::"execute", resource in Resource::"wide");
@id("gated-run") permit(principal in Role::"guest", action == Action::"execute", resource in Resource::"gated");
@id("moved-run") permit(principal in Role::"mover", action == Action::"execute", resource == Command::"moved/*");
@id("evil-run") permit(principal in Role::"watch", action == Action::"execute", resource in Resource::"evil");
@id("evil-see") permit(principal in Role::"watch", action == Action::"read", resource in Resource::"evil");
@id("scanned") permit(principal, action == Action::"readScanned", resource in Label::"phi");
@id("raw") permit(principal, action == Action::"readRaw", resource in Label::"public");
@id("ask-first") @hold("group:privacy-officers") @expires("15m")
forbid(principal, action == Action::"execute", resource == Command::"box/held") unless { context has approval };
@id("grant") @grant("group:privacy-officers") @max("1h")
forbid(principal, action == Action::"connect", resource == Resource::"gated") unless { context has grant };
@id("never") forbid(principal, action, resource in Path::"box$DIR/data/secret");
`

const sshEntry = `  - name: %s
    type: ssh
    address: %s
    credential: {password: "file:box.key"}
    limits: {sessions: 1000}
    ssh:
      user: %s
      host_keys: [%q]
      labels: [phi]
`

const sshBox = `      env: [PASSED]
      commands:
        - {name: held, words: [touch, "$MARK"]}
        - {name: say, words: [echo, "{words...}"], labels: [public]}
        - {name: note, words: [cat, "$DIR/data/{file}"]}
        - {name: unit, words: [printf, "%s", "{unit}"], labels: [public]}
      files:
        prefixes:
          - {prefix: $DIR/data, labels: [phi]}
          - {prefix: $DIR/data/secret, labels: [phi]}
          - {prefix: $DIR/public, labels: [public], plain_names: true}
          - {prefix: $DIR/drop, labels: [public], plain_names: true}
          - {prefix: $DIR/drop/notes, labels: [phi]}
          - {prefix: $DIR/drop/hold, labels: [phi]}
          - {prefix: $DIR/drop/hold/open, labels: [public]}
`

// sshArena is a gateway before OpenSSH's server and before one that is hostile.
type sshArena struct {
	*gatewaytest.Gateway
	t       *testing.T
	peer    *sshpeer.Server
	hostile *sshHostile
	dir     string // of the target's files
	home    string // of the clients
	mark    string // what an attempt makes that has got through
	api     *http.Client
	hostKey ssh.PublicKey

	mu   sync.Mutex
	seen bytes.Buffer // what clients have seen in one attempt; guarded by mu
}

func startSSH(t *testing.T) *sshArena {
	t.Helper()
	dir := t.TempDir()
	a := &sshArena{t: t, dir: dir, home: t.TempDir(), mark: filepath.Join(t.TempDir(), "marker"), hostile: startHostile(t)}
	for _, d := range []string{"data/secret", "public", "drop", "elsewhere"} {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	a.file("data/secret/n.txt", "Seen today. SSN "+sshCanary+".\n")
	a.file("elsewhere/n.txt", "Seen today. SSN "+sshCanary+".\n")
	a.file("data/n.txt", "Seen today. SSN "+sshCanary+".\n")
	a.file("data/visit-"+sshCanary+".txt", "x\n")
	a.file("public/a.txt", "hello\n")
	// What the account's shell would read first is not part of this.
	a.peer = sshpeer.Start(t, sshpeer.Options{Dir: dir, Lines: []string{"SetEnv HOME=" + t.TempDir()}})
	at := strings.NewReplacer("$DIR", dir, "$MARK", a.mark).Replace
	entry := func(name, address, user, key, more string) string {
		return fmt.Sprintf(sshEntry, name, address, user, key) + at(more)
	}
	judge := "      unlisted: judge\n"
	a.Gateway = gatewaytest.Start(t,
		gatewaytest.Policy(at(sshPolicy)), gatewaytest.File("box.key", string(a.peer.PrivateKey)), gatewaytest.Segment(8<<20),
		gatewaytest.Resource("box", "ops", entry("box", a.peer.Address, a.peer.User, a.peer.HostKey, sshBox)),
		gatewaytest.Resource("wide", "wider", entry("wide", a.peer.Address, a.peer.User, a.peer.HostKey, judge)),
		gatewaytest.Resource("gated", "guest", entry("gated", a.peer.Address, a.peer.User, a.peer.HostKey, judge)),
		gatewaytest.Resource("evil", "watch", entry("evil", a.hostile.address, "x", a.hostile.hostKey, judge+"      files: {prefixes: [{prefix: /, labels: [phi]}]}\n")),
		gatewaytest.Resource("moved", "mover", entry("moved", a.peer.Address, a.peer.User, a.hostile.hostKey, judge)),
	)
	a.api = a.HTTPClient(t)
	var shown struct {
		HostKey string `json:"host_key"`
	}
	if err := a.post("GET", "/v1/ssh", nil, &shown); err != nil {
		t.Fatal(err)
	}
	key, _, _, _, err := ssh.ParseAuthorizedKey([]byte(shown.HostKey))
	if err != nil {
		t.Fatal(err)
	}
	a.hostKey = key
	return a
}

func (a *sshArena) file(name, content string) {
	a.t.Helper()
	if err := os.WriteFile(filepath.Join(a.dir, name), []byte(content), 0o600); err != nil {
		a.t.Fatal(err)
	}
}

// post asks the gateway's API as a CI job.
func (a *sshArena) post(verb, path string, in, out any) error {
	var b []byte
	if in != nil {
		var err error
		if b, err = json.Marshal(in); err != nil {
			return err
		}
	}
	req, err := http.NewRequestWithContext(a.t.Context(), verb, "https://"+a.APIAddress()+path, bytes.NewReader(b))
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+a.CIToken(a.t))
	req.Header.Set("Content-Type", "application/json")
	res, err := a.api.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close() //nolint:errcheck // it was read
	if b, err = io.ReadAll(res.Body); err == nil && res.StatusCode != http.StatusOK {
		err = fmt.Errorf("%d %s", res.StatusCode, b)
	}
	return errors.Join(err, json.Unmarshal(b, out))
}

// see keeps what a client was shown.
func (a *sshArena) see(b []byte) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.seen.Write(b)
}

// saw empties what was kept, and returns it.
func (a *sshArena) saw() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	defer a.seen.Reset()
	return a.seen.String()
}

// denials counts what was denied, or refused at the door, on record.
func (a *sshArena) denials() (n int) {
	for name, b := range a.Traces(a.t) {
		if strings.Contains(name, "/ledger/wal/") {
			n += bytes.Count(b, []byte(`"type":"denial"`)) + bytes.Count(b, []byte(`"type":"identity"`))
		}
	}
	return n
}

// config is that of a client which pins the gateway's key.
func (a *sshArena) config(user string, auth ...ssh.AuthMethod) *ssh.ClientConfig {
	return &ssh.ClientConfig{
		User: user, Auth: auth, HostKeyCallback: ssh.FixedHostKey(a.hostKey), HostKeyAlgorithms: []string{a.hostKey.Type()}, Timeout: 10 * time.Second,
		BannerCallback: func(m string) error { a.see([]byte(m)); return nil },
	}
}

// within bounds an attempt that would wait for ever.
func (a *sshArena) conn() (net.Conn, error) {
	nc, err := (&net.Dialer{Timeout: 10 * time.Second}).DialContext(a.t.Context(), "tcp", a.SSHAddress())
	if err == nil {
		err = nc.SetDeadline(time.Now().Add(20 * time.Second))
	}
	return nc, err
}

func (a *sshArena) dialWith(c *ssh.ClientConfig) (*ssh.Client, error) {
	nc, err := a.conn()
	if err != nil {
		return nil, err
	}
	conn, chans, reqs, err := ssh.NewClientConn(nc, "gateway", c)
	if err != nil {
		_ = nc.Close()
		return nil, err
	}
	return ssh.NewClient(conn, chans, reqs), nil
}

// login logs in with a token. What fails here is the test's fault.
func (a *sshArena) login(user string) *ssh.Client {
	a.t.Helper()
	c, err := a.dialWith(a.config(user, ssh.Password(a.CIToken(a.t))))
	if err != nil {
		a.t.Fatalf("%s: %v", user, err)
	}
	return c
}

// inside reports, as an error, that somebody got in who should not.
func (a *sshArena) inside(user string, auth ...ssh.AuthMethod) error {
	c, err := a.dialWith(a.config(user, auth...))
	if err != nil {
		a.see([]byte(err.Error()))
		return nil
	}
	_ = c.Close()
	return errors.New("it was let in")
}

// answer is what a client saw of a command.
type sshAnswer struct {
	out, err string
	code     int // -1 where nobody said
}

// run runs a line on a connection of its own.
func (a *sshArena) run(user, line string, prepare ...func(*ssh.Session) error) sshAnswer {
	c := a.login(user)
	defer c.Close() //nolint:errcheck // nothing is left to be read
	return a.runOn(c, line, prepare...)
}

func (a *sshArena) runOn(c *ssh.Client, line string, prepare ...func(*ssh.Session) error) sshAnswer {
	s, err := c.NewSession()
	if err != nil {
		a.see([]byte(err.Error()))
		return sshAnswer{code: -1, err: err.Error()}
	}
	defer s.Close() //nolint:errcheck // it has ended
	var out, errs bytes.Buffer
	s.Stdout, s.Stderr = &out, &errs
	for _, f := range prepare {
		if err := f(s); err != nil {
			errs.WriteString(err.Error())
		}
	}
	err = s.Run(line)
	ans := sshAnswer{out: out.String(), err: errs.String()}
	var exit *ssh.ExitError
	switch {
	case errors.As(err, &exit):
		ans.code = exit.ExitStatus()
	case err != nil:
		ans.code, ans.err = -1, ans.err+err.Error()
	}
	a.see([]byte(ans.out + ans.err))
	return ans
}

// openssh runs one of OpenSSH's programs, with a certificate of the role's.
func (a *sshArena) openssh(user, stdin, program string, args ...string) (sshAnswer, error) {
	id, _, err := a.identity(user)
	if err != nil {
		return sshAnswer{}, err
	}
	host, port, err := net.SplitHostPort(a.SSHAddress())
	if err != nil {
		return sshAnswer{}, err
	}
	known := filepath.Join(a.home, "known_hosts")
	config := strings.Join([]string{
		"Host target", "HostName " + host, "Port " + port, "User " + user, "IdentitiesOnly yes", "IdentityFile " + id, "BatchMode yes", "HostKeyAlias gateway",
		"UserKnownHostsFile " + known, "GlobalKnownHostsFile none", "StrictHostKeyChecking yes", "UpdateHostKeys no",
	}, "\n") + "\n"
	err = errors.Join(os.WriteFile(known, []byte("gateway "+string(ssh.MarshalAuthorizedKey(a.hostKey))), 0o600), os.WriteFile(filepath.Join(a.home, "config"), []byte(config), 0o600))
	if err != nil {
		return sshAnswer{}, err
	}
	ctx, cancel := context.WithTimeout(a.t.Context(), 20*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, append([]string{"-F", filepath.Join(a.home, "config")}, args...)...)
	cmd.Env = append(os.Environ(), "HOME="+a.home, "SSH_AUTH_SOCK=", "DISPLAY=:99")
	cmd.Stdin, cmd.WaitDelay, cmd.Dir = strings.NewReader(stdin), 5*time.Second, a.home
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err = cmd.Run()
	a.see(append(out.Bytes(), errs.Bytes()...))
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return sshAnswer{}, err
	}
	return sshAnswer{out.String(), errs.String(), cmd.ProcessState.ExitCode()}, nil
}

// identity makes a key and has the gateway certify it for a user name. It returns
// the file of the key and the certificate.
func (a *sshArena) identity(user string) (string, *ssh.Certificate, error) {
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return "", nil, err
	}
	name := filepath.Join(a.home, "id")
	signer, err := sshKeyFile(name, private)
	if err != nil {
		return "", nil, err
	}
	resource, role, _ := strings.Cut(user, "+")
	var got struct{ Certificate string }
	err = a.post("POST", "/v1/ssh/certificate", map[string]string{"resource": resource, "role": role, "public_key": string(ssh.MarshalAuthorizedKey(signer.PublicKey()))}, &got)
	if err != nil {
		return "", nil, err
	}
	key, _, _, _, err := ssh.ParseAuthorizedKey([]byte(got.Certificate))
	if err != nil {
		return "", nil, err
	}
	cert, ok := key.(*ssh.Certificate)
	if !ok {
		return "", nil, errors.New("this is no certificate")
	}
	return name, cert, os.WriteFile(name+"-cert.pub", []byte(got.Certificate+"\n"), 0o600)
}

// holder returns a way to log in with a certificate of the gateway's that change has
// been at.
func (a *sshArena) holder(user string, change func(*ssh.Certificate)) (ssh.AuthMethod, error) {
	name, cert, err := a.identity(user)
	if err != nil {
		return nil, err
	}
	b, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	own, err := ssh.ParsePrivateKey(b)
	if err != nil {
		return nil, err
	}
	change(cert)
	signer, err := ssh.NewCertSigner(cert, own)
	return ssh.PublicKeys(signer), err
}
