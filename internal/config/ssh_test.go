// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package config_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-dev/sallyport/internal/config"
)

const hostKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGPKSUTyz1HwHReFVvD5obVsALAgJRNarH4TRpNePnAS"

// withSSH is a configuration with one more resource.
func withSSH(entry string) []byte {
	return []byte(strings.Replace(minimal, "vault: {key", "  - "+entry+"\nvault: {key", 1))
}

// A target of SSH has defaults, and its keys may be lines of known_hosts.
func TestSSH(t *testing.T) {
	t.Parallel()
	for _, line := range []string{hostKey, hostKey + " root@box", "box.example,192.0.2.7 " + hostKey, "[box.example]:2222 " + hostKey} {
		c := mustParse(t, "gw.yaml", withSSH(`{name: box, type: ssh, address: "box:22", credential: {password: "vault:box"}, ssh: {user: ops, host_keys: ["`+line+`"]}}`))
		s := c.Resources[1].SSH
		if s.Auth != "key" || s.Unlisted != "refuse" || s.Keepalive != 30*time.Second || s.Input || len(s.Forward) != 0 || !c.HasSSH() {
			t.Errorf("defaults: %+v", s)
		}
		if k, err := config.ParseHostKey(s.HostKeys[0]); err != nil || k.Type() != "ssh-ed25519" {
			t.Errorf("%s: %v", line, err)
		}
	}
	if mustParse(t, "gw.yaml", []byte(minimal)).HasSSH() {
		t.Error("a gateway without such a resource listens for it")
	}
}

// Every mistake has its own key.
func TestSSHProblems(t *testing.T) {
	t.Parallel()
	for entry, want := range map[string][]string{
		`{name: box, type: ssh, address: "box:22", credential: {password: "vault:box"}}`:                                                      {"ssh"},
		`{name: box, type: ssh, address: box, ssh: {user: ops, host_keys: ["KEY"]}}`:                                                          {"address", "credential.password"},
		`{name: box, type: ssh, address: "box:22", credential: {password: "vault:box"}, ssh: {host_keys: [nothing]}}`:                         {"ssh.user", "ssh.host_keys[0]"},
		`{name: box, type: ssh, address: "box:22", credential: {password: "vault:box"}, ssh: {user: ops}}`:                                    {"ssh.host_keys"},
		`{name: box, type: ssh, address: "box:22", credential: {username: ops, password: "vault:box"}, ssh: {user: ops, host_keys: ["KEY"]}}`: {"credential.username"},
		`{name: box, type: ssh, address: "box:22", database: x, labels: l.yaml, credential: {password: "vault:box"}, ssh: {user: ops, host_keys: ["KEY"]}}`: {
			"database", "labels",
		},
		`{name: box, type: ssh, address: "box:22", credential: {password: "vault:box"}, ssh: {user: ops, host_keys: ["KEY"], auth: agent, unlisted: maybe, env: ["LC_*"], forward: ["db", "db:0", ":1"], keepalive: 1ms, commands: [{name: A, words: []}]}}`: {
			"ssh.auth", "ssh.commands[0].name", "ssh.commands[0].words", "ssh.unlisted", "ssh.env[0]", "ssh.forward[0]", "ssh.forward[1]", "ssh.forward[2]", "ssh.keepalive",
		},
		`{name: box, type: ssh, intent: before-release, address: "box:22", credential: {password: "vault:box"}, ssh: {user: ops, host_keys: ["KEY"]}}`: {"intent"},
		`{name: a, type: http, ssh: {user: ops, host_keys: ["KEY"]}, http: {url: "https://a.example", auth: {mode: none}, unlisted: judge}}`:           {"ssh"},
	} {
		got := problems(t, withSSH(strings.ReplaceAll(entry, "KEY", hostKey)))
		var keys []string
		for _, p := range got {
			keys = append(keys, strings.TrimPrefix(p.Key, "resources[1]."))
		}
		if diff := cmp.Diff(want, keys, cmp.Transformer("set", func(l []string) map[string]bool {
			m := map[string]bool{}
			for _, k := range l {
				m[k] = true
			}
			return m
		})); diff != "" {
			t.Errorf("%s (-want +got)\n%s\n%v", entry, diff, got)
		}
	}
}

// The listener of PostgreSQL is for its resources: without one it needs neither a
// certificate nor an address of its own.
func TestPostgresListener(t *testing.T) {
	t.Parallel()
	const entry = `{name: box, type: ssh, address: "box:22", credential: {password: "vault:box"}, ssh: {user: ops, host_keys: ["` + hostKey + `"]}}`
	lines := "  postgres: {tls: {cert: pg.crt, key: pg.key}}\n"
	if got := problems(t, []byte(strings.Replace(minimal, lines, "", 1))); len(got) != 1 || got[0].Key != "listen.postgres.tls" {
		t.Errorf("with a resource: %v", got)
	}
	head, rest, _ := strings.Cut(minimal, "  - name: clinic")
	_, rest, _ = strings.Cut(rest, "vault: {key")
	without := head + "  - " + entry + "\nvault: {key" + rest
	for _, put := range []string{"", "  ssh: {address: \"127.0.0.1:6432\"}\n", lines} {
		if c := mustParse(t, "gw.yaml", []byte(strings.Replace(without, lines, put, 1))); c.HasPostgres() {
			t.Error("there is a resource of PostgreSQL")
		}
	}
}

// The address of SSH is none of the others'.
func TestSSHListener(t *testing.T) {
	t.Parallel()
	text := string(withSSH(`{name: box, type: ssh, address: "box:22", credential: {password: "vault:box"}, ssh: {user: ops, host_keys: ["` + hostKey + `"]}}`))
	for address, bad := range map[string]bool{"127.0.0.1:8443": true, ":8422": true, "127.0.0.1": true, "127.0.0.1:2222": false} {
		changed := strings.Replace(text, "listen:\n", "listen:\n  ssh: {address: \""+address+"\"}\n", 1)
		if changed == text {
			t.Fatal("the configuration has no listen section")
		}
		if !bad {
			mustParse(t, "gw.yaml", []byte(changed))
		} else if got := problems(t, []byte(changed)); len(got) != 1 || got[0].Key != "listen.ssh.address" {
			t.Errorf("%s: %v", address, got)
		}
	}
}
