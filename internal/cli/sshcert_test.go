// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package cli_test

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-dev/sallyport/internal/cli"
	"github.com/sallyport-dev/sallyport/test/gatewaytest"
	"github.com/sallyport-dev/sallyport/test/sshpeer"
)

const sshResource = `  - name: box
    type: ssh
    address: %s
    credential: {password: "file:box.key"}
    ssh:
      user: %s
      host_keys: [%q]
      labels: [public]
      commands: [{name: echo, words: [echo, "{words...}"]}]
`

const sshPolicy = `
@id("connect") permit(principal in Role::"ops", action == Action::"connect", resource == Resource::"box");
@id("run") permit(principal in Role::"ops", action in [Action::"execute", Action::"readRaw"], resource in Resource::"box");
`

// The command gets a certificate, with which OpenSSH's client logs in as the section
// that was written says.
func TestSSHCert(t *testing.T) {
	t.Parallel()
	peer := sshpeer.Start(t, sshpeer.Options{})
	g := gatewaytest.Start(t, gatewaytest.Policy(sshPolicy), gatewaytest.File("box.key", string(peer.PrivateKey)),
		gatewaytest.Resource("box", "ops", fmt.Sprintf(sshResource, peer.Address, peer.User, peer.HostKey)))
	dir := t.TempDir()
	sallyport := func(args ...string) (string, string, int) {
		var out, errs bytes.Buffer
		env := map[string]string{"SALLYPORT_SERVER": "https://" + g.APIAddress(), "SALLYPORT_CA": g.CA, "SALLYPORT_TOKEN": g.CIToken(t), "HOME": dir}
		code := cli.Run(t.Context(), cli.Env{
			Stdin: strings.NewReader(""), Stdout: &out, Stderr: &errs, Getenv: func(name string) string { return env[name] }, Now: time.Now, Rand: rand.Reader,
		}, args)
		return out.String(), errs.String(), code
	}
	config := filepath.Join(dir, "ssh_config")
	key := filepath.Join(dir, "a key")
	for range 2 { // the second time with the key that is there
		if out, errs, code := sallyport("ssh-cert", "--resource", "box", "--role", "ops", "--key", key, "--config", config); code != cli.ExitOK || out != "" {
			t.Fatalf("ssh-cert: %d %s %s", code, out, errs)
		}
		cmd := exec.CommandContext(t.Context(), "ssh", "-F", config, "-o", "BatchMode=yes", "box", "echo hello")
		cmd.Env = append(os.Environ(), "HOME="+dir, "SSH_AUTH_SOCK=")
		if out, err := cmd.CombinedOutput(); err != nil || string(out) != "hello\n" {
			t.Errorf("ssh: %v %s", err, out)
		}
	}
	if _, errs, code := sallyport("ssh-cert", "--resource", "box", "--role", "ops", "--config", os.DevNull); code != cli.ExitUsage {
		t.Errorf("with a device for a file: %d %s", code, errs)
	}
	out, errs, code := sallyport("ssh-cert", "--resource", "box", "--role", "ops")
	if code != cli.ExitOK || !strings.Contains(out, "User box+ops\n") || !strings.Contains(out, "ssh/box+ops-cert.pub\"\n") {
		t.Errorf("without --key: %d %s %s", code, out, errs)
	}
	// The client may get its certificate by itself, whenever it connects.
	renewing := filepath.Join(dir, "renewing")
	if err := os.RemoveAll(filepath.Join(dir, ".config")); err != nil {
		t.Fatal(err)
	}
	text := "Match originalhost box exec \"sallyport ssh-cert --resource box --role ops >/dev/null\"\n" + out
	if err := os.WriteFile(renewing, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "ssh", "-F", renewing, "-o", "BatchMode=yes", "box", "echo hello")
	cmd.Env = append(os.Environ(), "HOME="+dir, "SSH_AUTH_SOCK=", "SALLYPORT_SERVER=https://"+g.APIAddress(), "SALLYPORT_CA="+g.CA, "SALLYPORT_TOKEN="+g.CIToken(t))
	if out, err := cmd.Output(); err != nil || string(out) != "hello\n" {
		t.Errorf("a client that gets its certificate: %v %s", err, out)
	}
	out, errs, code = sallyport("env", "box", "--role", "ops")
	if code != cli.ExitOK || !strings.Contains(out, "export SALLYPORT_SSH_USER=box+ops\n") || !strings.Contains(out, "]:") {
		t.Errorf("env: %d %s %s", code, out, errs)
	}
	for _, args := range [][]string{{"--resource", "clinic", "--role", "claims-etl"}, {"--resource", "box", "--role", "nobody"}} {
		if _, errs, code := sallyport(append([]string{"ssh-cert", "--key", key}, args...)...); code == cli.ExitOK {
			t.Errorf("%v: got a certificate: %s", args, errs)
		}
	}
}
