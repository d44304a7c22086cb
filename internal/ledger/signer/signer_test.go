// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package signer_test

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/note"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/ledger/signer"
)

const origin = "example/gw"

// signs checks that the key's signature verifies with its vkey alone.
func signs(t *testing.T, k signer.Key) {
	t.Helper()
	signed, err := note.Sign(&note.Note{Text: "a checkpoint\n"}, k)
	if err != nil {
		t.Fatal(err)
	}
	v, err := note.NewVerifier(k.VKey())
	if err != nil {
		t.Fatal(err)
	}
	n, err := note.Open(signed, note.VerifierList(v))
	if err != nil || len(n.Sigs) != 1 || n.Sigs[0].Name != origin {
		t.Errorf("%+v, %v", n, err)
	}
}

func TestFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "ledger.key")
	vkey, err := signer.Create(path, origin, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	k, err := signer.Open("file:"+path, origin)
	if err != nil || k.VKey() != vkey {
		t.Fatalf("%q, %v", k.VKey(), err)
	}
	signs(t, k)
	// What package note makes of the same file.
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	s, err := note.NewSigner(strings.TrimSpace(string(b)))
	if err != nil || s.KeyHash() != k.KeyHash() {
		t.Errorf("package note reads another key: %v", err)
	}
	if fi, err := os.Stat(path); err != nil || fi.Mode().Perm() != 0o600 {
		t.Errorf("the key's file: %v, %v", fi, err)
	}
	if public, err := os.ReadFile(filepath.Join(filepath.Dir(path), "ledger.vkey")); err != nil || strings.TrimSpace(string(public)) != vkey {
		t.Errorf("the public file: %q, %v", public, err)
	}
	if _, err := signer.Create(path, origin, rand.Reader); sallyport.KindOf(err) != sallyport.Conflict {
		t.Errorf("a key is overwritten: %v", err)
	}
}

func TestRefused(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "ledger.key")
	if _, err := signer.Create(path, origin, rand.Reader); err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	write := func(name, text string) string {
		p := filepath.Join(dir, name)
		if err := os.WriteFile(p, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return "file:" + p
	}
	for _, c := range []struct {
		name, ref, origin string
		kind              sallyport.Kind
	}{
		{"other origin", "file:" + path, "example/other", sallyport.Integrity},
		{"missing", "file:" + path + "x", origin, sallyport.NotFound},
		{"empty", write("empty", ""), origin, sallyport.Integrity},
		{"cut", write("cut", string(whole[:len(whole)-9])), origin, sallyport.Integrity},
		{"other hash", write("hash", strings.Replace(string(whole), "+"+origin+"+", "+"+origin+"+00000000", 1)), origin, sallyport.Integrity},
		{"unknown kind", "kms:key", origin, sallyport.Invalid},
		{"agent without key", "agent:" + dir + "/none", origin, sallyport.Invalid},
		{"no agent", "agent:" + dir + "/none#SHA256:x", origin, sallyport.Unavailable},
	} {
		_, err := signer.Open(c.ref, c.origin)
		if sallyport.KindOf(err) != c.kind || err == nil {
			t.Errorf("%s: %v", c.name, err)
		}
		if secret := strings.TrimSpace(string(whole[len(whole)-20:])); err != nil && strings.Contains(err.Error(), secret) {
			t.Errorf("%s: the error holds a part of the key", c.name)
		}
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := signer.New(origin, key); sallyport.KindOf(err) != sallyport.Invalid {
		t.Errorf("an ECDSA key passes: %v", err)
	}
}

// TestAgent signs with a key that OpenSSH's agent holds.
func TestAgent(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	socket := filepath.Join(dir, "s")
	cmd := exec.CommandContext(t.Context(), "ssh-agent", "-D", "-a", socket)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatalf("ssh-agent (Debian package openssh-client): %v", err)
	}
	stop := func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }
	t.Cleanup(stop)
	if _, err := bufio.NewReader(out).ReadString('\n'); err != nil { // it has made its socket then
		t.Fatal(err)
	}
	run := func(name string, args ...string) string {
		t.Helper()
		c := exec.CommandContext(t.Context(), name, args...)
		c.Env = append(os.Environ(), "SSH_AUTH_SOCK="+socket)
		b, err := c.CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v: %s", name, err, b)
		}
		return string(b)
	}
	var prints []string
	for _, kind := range []string{"ed25519", "ecdsa"} {
		file := filepath.Join(dir, kind)
		run("ssh-keygen", "-q", "-t", kind, "-N", "", "-f", file)
		run("ssh-add", "-q", file)
		prints = append(prints, strings.Fields(run("ssh-keygen", "-l", "-f", file))[1])
	}
	k, err := signer.Open("agent:"+socket+"#"+prints[0], origin)
	if err != nil {
		t.Fatal(err)
	}
	signs(t, k)
	if _, err := signer.Open("agent:"+socket+"#"+prints[1], origin); sallyport.KindOf(err) != sallyport.Invalid {
		t.Errorf("an ECDSA key passes: %v", err)
	}
	if _, err := signer.Open("agent:"+socket+"#SHA256:none", origin); sallyport.KindOf(err) != sallyport.NotFound {
		t.Errorf("a key that is not there: %v", err)
	}
	stop()
	if _, err := note.Sign(&note.Note{Text: "late\n"}, k); err == nil {
		t.Error("a signature without an agent")
	}
}
