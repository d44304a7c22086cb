// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package config

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"

	sallyport "github.com/sallyport-dev/sallyport"
)

// SSH says what a resource of type "ssh" is.
type SSH struct {
	// User is the account that the gateway logs in to.
	User string `yaml:"user"`
	// Auth is what the resource's credential is: "key", "password" or "certificate",
	// the key of an authority that signs one for each session.
	Auth string `yaml:"auth"`
	// HostKeys are the target's public keys, as lines of known_hosts or of its own
	// files. It has one of them, or is not the target.
	HostKeys []string `yaml:"host_keys"`
	// Commands are templates of what may be run.
	Commands []Command `yaml:"commands"`
	// Unlisted says what becomes of other commands: "refuse" or "judge", which lets
	// policy decide about Command::"RESOURCE/*".
	Unlisted string `yaml:"unlisted"`
	// Labels are those of what commands print whose template names none.
	Labels []sallyport.Label `yaml:"labels"`
	// Shell is of interactive shells.
	Shell SSHShell `yaml:"shell"`
	// Files is what is shown of the target's files; without it none is.
	Files *Files `yaml:"files"`
	// Env are the names of variables that pass from the client to the target.
	Env []string `yaml:"env"`
	// Forward are the host:port that connections may be made to from the target, where
	// policy permits it. What passes there is not masked.
	Forward []string `yaml:"forward"`
	// Input has what is typed recorded, masked.
	Input bool `yaml:"input"`
	// Keepalive is the pace at which client and target are asked for a sign of life.
	Keepalive time.Duration `yaml:"keepalive"`
}

// SSHShell is what is known of interactive shells at a target.
type SSHShell struct {
	// Labels are those of what they print; none means those of the resource.
	Labels []sallyport.Label `yaml:"labels"`
}

func (s *SSH) setDefaults() {
	s.Auth, s.Unlisted, s.Keepalive = "key", "refuse", 30*time.Second
}

// HasSSH reports whether a resource speaks SSH, so that its listener is opened.
func (c *Config) HasSSH() bool {
	return slices.ContainsFunc(c.Resources, func(r Resource) bool { return r.Type == Machine })
}

// maxKeepalive is the longest pace of signs of life.
const maxKeepalive = time.Hour

func (s *SSH) validate(key string, r Resource, f *findings) {
	if s.User == "" {
		f.add(key+".user", "is missing; it is the account at the target")
	}
	oneOf(f, key+".auth", s.Auth, "key", "password", "certificate")
	if len(s.HostKeys) == 0 {
		f.add(key+".host_keys", "is missing; a target is known by its key. `ssh-keyscan HOST` shows it, to be compared with the files in /etc/ssh of the target itself")
	}
	for i, line := range s.HostKeys {
		if _, err := ParseHostKey(line); err != nil {
			f.add(fmt.Sprintf("%s.host_keys[%d]", key, i), "is no public key such as \"ssh-ed25519 AAAA…\"")
		}
	}
	validateCommands(key+".commands", s.Commands, f)
	oneOf(f, key+".unlisted", s.Unlisted, "refuse", "judge")
	if s.Files != nil {
		s.Files.validate(key+".files", f)
	}
	for i, name := range s.Env {
		if name == "" || strings.ContainsFunc(name, func(c rune) bool {
			return c != '_' && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') && (c < '0' || c > '9')
		}) {
			f.add(fmt.Sprintf("%s.env[%d]", key, i), "%q is not the name of a variable; there are no patterns", clip(name))
		}
	}
	for i, to := range s.Forward {
		at := fmt.Sprintf("%s.forward[%d]", key, i)
		if host, port := hostPort(f, at, to); to != "" && (host == "" || port == "0") {
			f.add(at, "%q leads nowhere; there are no patterns", clip(to))
		}
	}
	if s.Keepalive < 0 || s.Keepalive > maxKeepalive || s.Keepalive > 0 && s.Keepalive < time.Second {
		f.add(key+".keepalive", "is %v; want 0 (never) or 1s to %v", s.Keepalive, maxKeepalive)
	}
	if r.Credential.Username != "" {
		f.add(key[:strings.LastIndexByte(key, '.')]+".credential.username", "means nothing here; the account is ssh.user")
	}
}

// ParseHostKey reads a public key in one line: that of a known_hosts file, or of the
// server's own.
func ParseHostKey(line string) (ssh.PublicKey, error) {
	if _, _, key, _, _, err := ssh.ParseKnownHosts([]byte(line)); err == nil {
		return key, nil
	}
	key, _, _, _, err := ssh.ParseAuthorizedKey([]byte(line))
	return key, err
}

// validateSSH checks a resource whose clients speak SSH.
func (r Resource) validateSSH(key string, f *findings) {
	host, _ := hostPort(f, key+".address", r.Address)
	if r.Address != "" && host == "" {
		f.add(key+".address", "names no host")
	}
	for _, x := range []struct {
		name string
		set  bool
	}{
		{"database", r.Database != ""},
		{"analyser", r.Analyser != nil},
		{"labels", r.Labels != ""},
		{"patients", r.Patients != nil},
		{"tls", r.TLS.CA != "" || r.TLS.ServerName != ""},
	} {
		if x.set {
			f.add(key+"."+x.name, "means nothing for a resource of type %s", r.Type)
		}
	}
	if r.SSH == nil {
		f.add(key+".ssh", "is missing; it says who the target is and what may be run there")
	} else {
		r.SSH.validate(key+".ssh", r, f)
	}
	if r.Credential.Password == "" {
		f.add(key+".credential.password", `is missing; refer to it by "vault:NAME", "env:NAME" or "file:PATH"`)
	}
	r.Limits.validate(key+".limits", f)
}

func (c *Config) validateSSHListener(f *findings) {
	if !c.HasSSH() {
		return
	}
	const key = "listen.ssh.address"
	a := c.Listen.SSH.Address
	host, _ := hostPort(f, key, a)
	if a != "" && host == "" {
		f.add(key, `names no host; write 127.0.0.1 for this machine alone or 0.0.0.0 for every interface`)
	}
	c.distinct(f, "listen.ssh", a)
}
