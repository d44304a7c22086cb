// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"crypto/ed25519"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/crypto/ssh"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/identity"
)

// sshFlags are the flags of "ssh-cert".
type sshFlags struct {
	resource, role string
	key            string // file of the private key
	config         string // file to write the section for ssh_config to
	ssh            string // address of the listener
	sources        []string
	wait           waiting
}

func (a *app) sshCertCommand() *cobra.Command {
	var f sshFlags
	cmd := a.client(a.command("ssh-cert", "Get a certificate to log in with by SSH", cobra.NoArgs,
		func(ctx context.Context, _ []string) error { return a.sshCert(ctx, f) }))
	cmd.Long = "Get a certificate with which ssh, scp and sftp log in to the gateway for one resource and role, and print the section\n" +
		"for ssh_config that uses it. It lets in for five minutes at most; a session goes on until its token ends. A key is made\n" +
		"where --key names no file yet. When the role wants a grant, a request is filed (exit code 4)."
	cmd.Flags().StringVar(&f.resource, "resource", "", "resource")
	cmd.Flags().StringVar(&f.role, "role", "", "role")
	cmd.Flags().StringVar(&f.key, "key", "", "file of the private key; the certificate and the gateway's host key are written beside it (beside the profile, unless given)")
	cmd.Flags().StringVar(&f.config, "config", "", "file to write the section to, instead of printing it: ssh -F FILE RESOURCE")
	cmd.Flags().StringVar(&f.ssh, "ssh", "", "HOST:PORT of the gateway's SSH listener, when it is not the API's host and the port that it tells")
	cmd.Flags().StringSliceVar(&f.sources, "source", nil, "addresses or networks from which alone the certificate is good, as the gateway sees them")
	f.wait.flags(cmd)
	return cmd
}

// sshHost is what the gateway tells clients of SSH about itself.
type sshHost struct {
	Listener string `json:"listener"`
	HostKey  string `json:"host_key"`
}

// sshCertificate is the answer of POST /v1/ssh/certificate.
type sshCertificate struct {
	sshHost
	User        string    `json:"user"`
	Certificate string    `json:"certificate"`
	ValidUntil  time.Time `json:"valid_until"`
	Expires     time.Time `json:"expires"`
}

func (a *app) sshCert(ctx context.Context, f sshFlags) error {
	if f.resource == "" || f.role == "" {
		return usage("name --resource and --role")
	}
	if i, err := os.Stat(f.config); f.config != "" && err == nil && !i.Mode().IsRegular() {
		return usage("--config must name a file, which is replaced; without it the section is printed")
	}
	path, err := a.sshKeyPath(f)
	if err != nil {
		return err
	}
	c, err := a.connect()
	if err != nil {
		return err
	}
	defer c.close()
	public, err := publicKey(path, a.Rand)
	if err != nil {
		return err
	}
	var out sshCertificate
	var raw json.RawMessage
	body := map[string]any{"resource": f.resource, "role": f.role, "public_key": public, "sources": f.sources}
	err = a.await(ctx, &f.wait, func(ctx context.Context) error {
		var err error
		raw, err = c.ask(ctx, http.MethodPost, "/v1/ssh/certificate", nil, body, &out)
		return err
	})
	if err != nil {
		return err
	}
	host, port, err := net.SplitHostPort(first(f.ssh, c.reach(out.Listener, "8422")))
	if err != nil {
		return usage("--ssh must be HOST:PORT")
	}
	section, err := sshSection(path, f.resource, host, port, out)
	if err != nil {
		return err
	}
	files := map[string]string{path + "-cert.pub": out.Certificate + "\n", path + ".known_hosts": knownHost(host, port, out.HostKey)}
	if f.config != "" {
		files[f.config] = section
	}
	for name, text := range files {
		if err := replaceFile(name, []byte(text)); err != nil {
			return sallyport.E(sallyport.Unavailable, "ssh-cert", "the file "+name+" cannot be written").Because(err)
		}
	}
	fmt.Fprintf(a.Stderr, "the certificate lets in until %s; sessions last until %s\n", stamp(out.ValidUntil), stamp(out.Expires))
	switch {
	case a.output == "json":
		return writeJSON(a.Stdout, raw)
	case f.config != "":
		fmt.Fprintf(a.Stderr, "log in with: ssh -F %s %s\n", clean(quote(f.config)), clean(f.resource))
		return nil
	}
	_, err = io.WriteString(a.Stdout, section)
	return err
}

// sshKeyPath is where the private key lies.
func (a *app) sshKeyPath(f sshFlags) (string, error) {
	fail := func(err error) (string, error) {
		return "", sallyport.E(sallyport.Invalid, "ssh-cert", "the key's path cannot be used").Because(err)
	}
	if f.key != "" {
		p, err := filepath.Abs(f.key)
		if err != nil {
			return fail(err)
		}
		return p, nil
	}
	t := identity.Target{Resource: sallyport.ResourceID(f.resource), Role: sallyport.RoleID(f.role)}
	if _, ok := identity.ParseAccount(t.Account()); !ok {
		return "", sallyport.E(sallyport.Invalid, "ssh-cert", "these are no names of a resource and a role").WithHint("see: sallyport resource list")
	}
	p, err := a.profilePath()
	if err != nil {
		return "", err
	}
	if p, err = filepath.Abs(p); err != nil {
		return fail(err)
	}
	dir := filepath.Join(filepath.Dir(p), "ssh")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fail(err)
	}
	return filepath.Join(dir, identity.SSHUser(t.Resource, t.Role)), nil
}

// publicKey returns the public half of a key in one line. Where there is no key yet,
// it makes one. Of a key with a passphrase the file beside it is read.
func publicKey(path string, rand io.Reader) (string, error) {
	const op = "ssh-cert"
	b, mode, err := readSmall(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return newKey(path, rand)
	case err != nil:
		return "", sallyport.E(sallyport.Invalid, op, "the key cannot be read").Because(err)
	case mode.Perm()&0o077 != 0:
		return "", sallyport.E(sallyport.Invalid, op, "the key can be read by others, so that ssh would not use it").
			WithHint("chmod 600 it")
	}
	defer clear(b)
	signer, err := ssh.ParsePrivateKey(b)
	if err == nil {
		return keyLine(signer.PublicKey()), nil
	}
	if public, _, rerr := readSmall(path + ".pub"); rerr == nil {
		if key, _, _, _, perr := ssh.ParseAuthorizedKey(public); perr == nil {
			return keyLine(key), nil
		}
	}
	return "", sallyport.E(sallyport.Invalid, op, "the key is none that could be read, and there is no .pub file beside it").
		WithHint("make one with: ssh-keygen -t ed25519")
}

func newKey(path string, rand io.Reader) (string, error) {
	failed := func(err error) (string, error) {
		return "", sallyport.E(sallyport.Unavailable, "ssh-cert", "no key can be made").Because(err)
	}
	public, private, err := ed25519.GenerateKey(rand)
	if err != nil {
		return failed(err)
	}
	block, err := ssh.MarshalPrivateKey(private, "")
	if err != nil {
		return failed(err)
	}
	if err := replaceFile(path, pem.EncodeToMemory(block)); err != nil {
		return failed(err)
	}
	key, err := ssh.NewPublicKey(public)
	if err != nil {
		return failed(err)
	}
	return keyLine(key), nil
}

func keyLine(k ssh.PublicKey) string {
	return strings.TrimSuffix(string(ssh.MarshalAuthorizedKey(k)), "\n")
}

// knownHost is the gateway's line of known_hosts.
func knownHost(host, port, key string) string {
	return "[" + host + "]:" + port + " " + key + "\n"
}

// sshSection is what ssh_config must have. The gateway's answer is not trusted to be
// made of plain words.
func sshSection(path, resource, host, port string, c sshCertificate) (string, error) {
	for _, s := range []string{path, resource, host, port, c.User, c.HostKey, c.Certificate} {
		if s == "" || strings.ContainsAny(s, "\"\r\n\x00") {
			return "", sallyport.E(sallyport.Invalid, "ssh-cert", "a name cannot stand in the configuration of ssh").
				WithHint("give --key a path without quotes")
		}
	}
	word := func(s string) string { return `"` + strings.ReplaceAll(s, "%", "%%") + `"` }
	return fmt.Sprintf(`Host %s
  HostName %s
  Port %s
  User %s
  IdentityFile %s
  CertificateFile %s
  IdentitiesOnly yes
  UserKnownHostsFile %s
  StrictHostKeyChecking yes
  UpdateHostKeys no
  ForwardAgent no
  ForwardX11 no
`, resource, host, port, c.User, word(path), word(path+"-cert.pub"), word(path+".known_hosts")), nil
}

// sshEnv is what clients of SSH need.
func sshEnv(host, port, resource, role, line, hostKey string) environment {
	user := identity.SSHUser(sallyport.ResourceID(resource), sallyport.RoleID(role))
	return environment{
		vars: [][]string{{"SALLYPORT_SSH_HOST", host}, {"SALLYPORT_SSH_PORT", port}, {"SALLYPORT_SSH_USER", user}},
		notes: []string{
			"get a certificate, which is good for five minutes: " + line + " --config ssh_config",
			"then: ssh -F ssh_config " + quote(resource),
			"or log in as " + user + " with a token in place of a password; known_hosts: " + strings.TrimSuffix(knownHost(host, port, hostKey), "\n"),
		},
	}
}

// environmentOfSSH asks the gateway for its host key and says how to connect.
func (a *app) environmentOfSSH(ctx context.Context, c *client, r resourceInfo, f envFlags) (environment, error) {
	host, port, err := net.SplitHostPort(first(f.ssh, c.reach(r.Listener, "8422")))
	if err != nil {
		return environment{}, usage("--ssh must be HOST:PORT")
	}
	var h sshHost
	if _, err := c.ask(ctx, http.MethodGet, "/v1/ssh", nil, nil, &h); err != nil {
		return environment{}, err
	}
	line := strings.Replace(a.tokenLine(r.Name, f.role), "sallyport token", "sallyport ssh-cert", 1)
	return sshEnv(host, port, r.Name, f.role, line, h.HostKey), nil
}
