// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package server

import (
	"context"
	"crypto/ed25519"
	"encoding/pem"
	"errors"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"sync"

	gossh "golang.org/x/crypto/ssh"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/analyze/httpapi"
	"github.com/sallyport-dev/sallyport/internal/analyze/shell"
	"github.com/sallyport-dev/sallyport/internal/config"
	"github.com/sallyport-dev/sallyport/internal/connector/ssh"
	"github.com/sallyport-dev/sallyport/internal/identity"
	"github.com/sallyport-dev/sallyport/internal/mask/scan/lexicon"
)

// sshFront is what clients of SSH reach.
type sshFront struct {
	listener  net.Listener
	connector *ssh.Connector
	authority *identity.SSHAuthority
	hostKey   gossh.PublicKey
}

// openSSHListener binds the address of SSH, where there is a resource for it.
func (g *Gateway) openSSHListener(ctx context.Context) error {
	if !g.cfg.HasSSH() {
		return nil
	}
	ln, err := (&net.ListenConfig{}).Listen(ctx, "tcp", g.cfg.Listen.SSH.Address)
	if err != nil {
		return sallyport.E(sallyport.Unavailable, "open", "listen.ssh: cannot listen on "+g.cfg.Listen.SSH.Address).
			WithHint("stop what uses the address, or choose another").Because(err)
	}
	g.ssh = &sshFront{listener: ln}
	g.opened(func(context.Context) error {
		if err := ln.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
			return err
		}
		return nil
	})
	return nil
}

// openSSH makes the connector of the resources that speak SSH.
func (g *Gateway) openSSH(ctx context.Context) error {
	if g.ssh == nil {
		return nil
	}
	host, err := sshKey(g.path("keys", "ssh-host.key"), g.deps.Rand)
	if err != nil {
		return err
	}
	authority, err := sshKey(g.path("keys", "ssh-ca.key"), g.deps.Rand)
	if err != nil {
		return err
	}
	g.ssh.hostKey, g.ssh.authority = host.PublicKey(), identity.NewSSHAuthority(g.tokens, authority)
	src := Sources{Lease: g.vault.Lease, Lexicon: sync.OnceValues(lexicon.Load), Log: g.deps.Log}
	targets := map[sallyport.ResourceID]*ssh.Target{}
	for _, r := range g.cfg.Resources {
		if r.Type != config.Machine {
			continue
		}
		cfg, err := SSHConfig(ctx, r, src, g.deps)
		if err != nil {
			return err
		}
		if cfg.Files, err = g.sftpRelay(r, cfg); err != nil {
			return err
		}
		if targets[r.Name], err = ssh.NewTarget(cfg); err != nil {
			return err
		}
	}
	g.ssh.connector = ssh.New(ssh.Options{
		Engine: g.engine, Authority: g.ssh.authority, Targets: targets, HostKey: host, Now: g.deps.Now, Rand: g.deps.Rand, Log: g.deps.Log,
	})
	return nil
}

// SSHConfig makes the connector's form of the configuration of a resource that
// speaks SSH.
func SSHConfig(ctx context.Context, r config.Resource, src Sources, deps Deps) (ssh.TargetConfig, error) {
	s := r.SSH
	cfg := ssh.TargetConfig{
		Resource: r.Name, Address: r.Address, User: s.User, Auth: ssh.Auth(s.Auth), Env: s.Env, Forward: s.Forward, Input: s.Input, Keepalive: s.Keepalive,
	}
	for _, line := range s.HostKeys {
		key, err := config.ParseHostKey(line)
		if err != nil {
			return cfg, sallyport.E(sallyport.Invalid, "resource", "a host key of "+string(r.Name)+" is none").Because(err)
		}
		cfg.HostKeys = append(cfg.HostKeys, key)
	}
	var err error
	if cfg.Commands, err = commandsOf(r.Name, s.Commands, s.Unlisted == "judge", s.Labels); err != nil {
		return cfg, err
	}
	labels := s.Shell.Labels
	if len(labels) == 0 {
		labels = s.Labels
	}
	if cfg.Shell, err = shell.NewCommands(nil, false, labels); err != nil {
		return cfg, err
	}
	if s.Files != nil {
		if cfg.Layout, err = filesLayout(s.Files); err != nil {
			return cfg, err
		}
	}
	cfg.Masking, err = MaskingRules(ctx, string(r.Masking), src, deps.Now)
	return cfg, err
}

// commandsOf compiles the templates of a resource.
func commandsOf(name sallyport.ResourceID, list []config.Command, judge bool, labels []sallyport.Label) (*shell.Commands, error) {
	var templates []shell.Template
	for _, c := range list {
		t := shell.Template{Name: c.Name, Words: c.Words, Labels: c.Labels, Effect: sallyport.Execute, Shell: c.Shell}
		if len(t.Labels) == 0 {
			t.Labels = labels
		}
		if c.Effect != "" {
			e, ok := httpapi.ParseEffect(c.Effect)
			if !ok {
				return nil, sallyport.E(sallyport.Invalid, "resource", "a command of "+string(name)+" has no known effect")
			}
			t.Effect = e
		}
		templates = append(templates, t)
	}
	return shell.NewCommands(templates, judge, labels)
}

// speaksSSH reports whether there is a resource of the name for clients of SSH.
func (g *Gateway) speaksSSH(name sallyport.ResourceID) bool {
	return slices.ContainsFunc(g.cfg.Resources, func(r config.Resource) bool { return r.Name == name && r.Type == config.Machine })
}

// SSHAddress returns the address that clients of SSH connect to, "" where there is
// no resource for them.
func (g *Gateway) SSHAddress() string {
	if g.ssh == nil {
		return ""
	}
	return g.ssh.listener.Addr().String()
}

// sshKey reads a key of the gateway's own, and makes it where there is none yet.
func sshKey(path string, rand io.Reader) (gossh.Signer, error) {
	const op = "ssh key"
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		b, err = newSSHKey(path, rand)
	}
	if err != nil {
		return nil, sallyport.E(sallyport.Unavailable, op, "the key "+path+" cannot be used").
			WithHint("look at its directory and its rights").Because(err)
	}
	defer clear(b)
	if i, err := os.Stat(path); err != nil || i.Mode().Perm()&0o077 != 0 {
		return nil, sallyport.E(sallyport.Invalid, op, "the key "+path+" can be read by others").
			WithHint("chmod 600 it, and make new keys if it is not known who did").Because(err)
	}
	signer, err := gossh.ParsePrivateKey(b)
	if err != nil {
		return nil, sallyport.E(sallyport.Integrity, op, "the key "+path+" is none").
			WithHint("restore it from its backup; without the file a new key is made, which clients have to be told of").Because(err)
	}
	return signer, nil
}

// newSSHKey makes a key and writes it, durably, where there is none.
func newSSHKey(path string, rand io.Reader) (b []byte, err error) {
	_, private, err := ed25519.GenerateKey(rand)
	if err != nil {
		return nil, err
	}
	block, err := gossh.MarshalPrivateKey(private, "")
	if err != nil {
		return nil, err
	}
	b = pem.EncodeToMemory(block)
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, err
	}
	_, err = f.Write(b)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return nil, err
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return nil, err
	}
	return b, errors.Join(dir.Sync(), dir.Close())
}
