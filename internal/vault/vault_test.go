// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package vault_test

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"filippo.io/age"
	"github.com/google/go-cmp/cmp"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/vault"
)

var masterHex = strings.Repeat("5a", 32)

// options returns options for a vault in dir with the master key in the
// environment and one auditor.
func options(t *testing.T, dir string) (vault.Options, *age.X25519Identity) {
	t.Helper()
	id, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	return vault.Options{
		Path: filepath.Join(dir, "vault.json"), Master: "env:MASTER", Recipients: []string{id.Recipient().String()},
		Getenv: func(name string) string {
			return map[string]string{"MASTER": masterHex, "PGPASSWORD": "from-env\n", "OTHER": strings.Repeat("77", 32)}[name]
		},
		Now: func() time.Time { return time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC) }, Rand: rand.Reader,
	}, id
}

func open(t *testing.T, o vault.Options) *vault.Vault {
	t.Helper()
	v, err := vault.Open(o)
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	return v
}

func put(t *testing.T, v *vault.Vault, name, username, password string) {
	t.Helper()
	if err := v.Put(name, vault.Credential{Username: username, Secret: vault.NewSecret([]byte(password))}); err != nil {
		t.Fatalf("Put: %v", err)
	}
}

func TestLease(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	o, _ := options(t, dir)
	v := open(t, o)
	put(t, v, "clinic-app", "app", "s3cret-pass")
	private := filepath.Join(dir, "pw")
	if err := os.WriteFile(private, []byte("from-file\r\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	shared := filepath.Join(dir, "shared")
	if err := os.WriteFile(shared, []byte("from-file"), 0o640); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		ref                vault.Ref
		username, password string
		kind               sallyport.Kind
	}{
		{ref: "vault:clinic-app", username: "app", password: "s3cret-pass"},
		{ref: "env:PGPASSWORD", password: "from-env"},
		{ref: vault.Ref("file:" + private), password: "from-file"},
		{ref: "vault:absent", kind: sallyport.NotFound},
		{ref: "env:UNSET", kind: sallyport.NotFound},
		{ref: vault.Ref("file:" + shared), kind: sallyport.Invalid},
		{ref: vault.Ref("file:" + dir), kind: sallyport.Invalid},
		{ref: vault.Ref("file:" + private + "x"), kind: sallyport.NotFound},
		{ref: "file:relative", kind: sallyport.Invalid},
		{ref: "s3cret-pass", kind: sallyport.Invalid},
		{ref: "postgres://app:s3cret-pass@db/", kind: sallyport.Invalid},
		{ref: "env:s3cret-pass", kind: sallyport.Invalid},
		{ref: "vault:S3cret-pass", kind: sallyport.Invalid},
		{ref: "", kind: sallyport.Invalid},
	}
	for _, tt := range tests {
		l, err := v.Lease(t.Context(), tt.ref)
		if tt.password == "" {
			if err == nil || sallyport.KindOf(err) != tt.kind {
				t.Errorf("Lease(%q) = %v, want kind %v", tt.ref, err, tt.kind)
			}
			if err != nil && strings.Contains(strings.ToLower(err.Error()), "s3cret") {
				t.Errorf("the error repeats what may be a password: %v", err)
			}
			continue
		}
		if err != nil {
			t.Errorf("Lease(%q): %v", tt.ref, err)
			continue
		}
		if l.Username() != tt.username || string(l.Password()) != tt.password {
			t.Errorf("Lease(%q) = %q, %q; want %q, %q", tt.ref, l.Username(), l.Password(), tt.username, tt.password)
		}
		held := l.Password()
		l.Release()
		l.Release()
		if strings.Trim(string(held), "\x00") != "" || l.Password() != nil || l.Username() != "" {
			t.Errorf("Lease(%q): the secret outlived its release", tt.ref)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := v.Lease(ctx, "vault:clinic-app"); sallyport.KindOf(err) != sallyport.Unavailable {
		t.Errorf("Lease of an ended session = %v, want unavailable", err)
	}
}

func TestReopenRotateDelete(t *testing.T) {
	t.Parallel()
	o, _ := options(t, t.TempDir())
	v := open(t, o)
	fp := v.Fingerprint([]byte("select 1"))
	put(t, v, "a", "app", "old")
	w := open(t, o) // a second process on the same file
	put(t, w, "a", "app", "new")
	put(t, w, "b", "", "other")
	l, err := v.Lease(t.Context(), "vault:a")
	if err != nil {
		t.Fatal(err)
	}
	if string(l.Password()) != "new" {
		t.Errorf("the rotated credential is not used: %q", l.Password())
	}
	got, err := v.Entries()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]vault.Entry{{Name: "a", Updated: o.Now()}, {Name: "b", Updated: o.Now()}}, got); diff != "" {
		t.Errorf("entries (-want +got):\n%s", diff)
	}
	if err := v.Delete("a"); err != nil {
		t.Fatal(err)
	}
	if err := v.Delete("a"); sallyport.KindOf(err) != sallyport.NotFound {
		t.Errorf("second Delete = %v, want not found", err)
	}
	if again := w.Fingerprint([]byte("select 1")); again != fp || len(fp) != 64 {
		t.Errorf("fingerprints differ across a restart: %s, %s", fp, again)
	}
	if v.Fingerprint([]byte("select 2")) == fp {
		t.Error("two texts have one fingerprint")
	}
	other, _ := options(t, t.TempDir())
	if open(t, other).Fingerprint([]byte("select 1")) == fp {
		t.Error("two vaults have one fingerprint key")
	}
}

func TestPutRefuses(t *testing.T) {
	t.Parallel()
	o, _ := options(t, t.TempDir())
	v := open(t, o)
	full := vault.Credential{Username: "app", Secret: vault.NewSecret([]byte("x"))}
	for _, name := range []string{"", "../x", "A", "a b", strings.Repeat("a", 65)} {
		if err := v.Put(name, full); sallyport.KindOf(err) != sallyport.Invalid {
			t.Errorf("Put(%q) = %v, want invalid", name, err)
		}
	}
	if err := v.Put("a", vault.Credential{Username: "app"}); sallyport.KindOf(err) != sallyport.Invalid {
		t.Errorf("Put without a secret = %v, want invalid", err)
	}
}

func TestPutAtOnce(t *testing.T) {
	t.Parallel()
	o, _ := options(t, t.TempDir())
	vaults := []*vault.Vault{open(t, o), open(t, o)}
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			c := vault.Credential{Username: "u", Secret: vault.NewSecret([]byte("p"))}
			if err := vaults[i%2].Put(fmt.Sprintf("c%d", i), c); err != nil {
				t.Errorf("Put: %v", err)
			}
		})
	}
	wg.Wait()
	got, err := vaults[0].Entries()
	if err != nil || len(got) != 8 {
		t.Errorf("%d of 8 entries were kept, %v", len(got), err)
	}
}

func TestFileHoldsNothingReadable(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	o, _ := options(t, dir)
	v := open(t, o)
	put(t, v, "a", "CANARY-account", "CANARY-password")
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		st, err := f.Info()
		if err != nil {
			t.Fatal(err)
		}
		if st.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %o", f.Name(), st.Mode().Perm())
		}
		b, err := os.ReadFile(filepath.Join(dir, f.Name()))
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(b), "CANARY") || strings.Contains(string(b), hex.EncodeToString([]byte("CANARY"))) {
			t.Errorf("%s holds a credential in clear", f.Name())
		}
	}
}

// TestDamage flips one bit of every byte of the vault file. Each time either
// the vault does not open or the credential does not, except where the byte
// carries no meaning (white space, base64 padding, the time of an update); a
// wrong credential never comes out.
func TestDamage(t *testing.T) {
	t.Parallel()
	o, _ := options(t, t.TempDir())
	v := open(t, o)
	put(t, v, "a", "app", "right")
	good, err := os.ReadFile(o.Path)
	if err != nil {
		t.Fatal(err)
	}
	refused := 0
	for i := range good {
		bad := append([]byte(nil), good...)
		bad[i] ^= 1
		if err := os.WriteFile(o.Path, bad, 0o600); err != nil {
			t.Fatal(err)
		}
		w, err := vault.Open(o)
		if err != nil {
			refused++
			continue
		}
		l, err := w.Lease(t.Context(), "vault:a")
		if err != nil {
			refused++
			continue
		}
		if l.Username() != "app" || string(l.Password()) != "right" {
			t.Fatalf("byte %d: a wrong credential came out", i)
		}
	}
	if refused < len(good)/2 {
		t.Errorf("only %d of %d flips were noticed", refused, len(good))
	}
}

// TestSwappedEntries moves a sealed credential to another name.
func TestSwappedEntries(t *testing.T) {
	t.Parallel()
	o, _ := options(t, t.TempDir())
	v := open(t, o)
	put(t, v, "low", "low", "low")
	put(t, v, "high", "high", "high")
	b, err := os.ReadFile(o.Path)
	if err != nil {
		t.Fatal(err)
	}
	var doc map[string]any
	if err := json.Unmarshal(b, &doc); err != nil {
		t.Fatal(err)
	}
	entries := doc["entries"].(map[string]any)
	entries["low"] = entries["high"]
	if b, err = json.Marshal(doc); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(o.Path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := v.Lease(t.Context(), "vault:low"); sallyport.KindOf(err) != sallyport.Integrity {
		t.Errorf("Lease of a swapped entry = %v, want integrity", err)
	}
}

func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	o, id := options(t, dir)
	put(t, open(t, o), "a", "app", "x")
	keyFile := filepath.Join(dir, "master")
	if err := vault.CreateMaster(keyFile, rand.Reader); err != nil {
		t.Fatal(err)
	}
	if err := vault.CreateMaster(keyFile, rand.Reader); sallyport.KindOf(err) != sallyport.Conflict {
		t.Errorf("second CreateMaster = %v, want conflict", err)
	}
	fresh := o
	fresh.Path, fresh.Master = filepath.Join(dir, "second.json"), vault.Ref("file:"+keyFile)
	open(t, fresh)
	open(t, fresh)
	tests := []struct {
		name   string
		change func(*vault.Options)
		kind   sallyport.Kind
	}{
		{"another master key", func(o *vault.Options) { o.Master = "env:OTHER" }, sallyport.Integrity},
		{"no master key", func(o *vault.Options) { o.Master = "env:UNSET" }, sallyport.NotFound},
		{"short master key", func(o *vault.Options) { o.Master = "env:PGPASSWORD" }, sallyport.Invalid},
		{"master from the vault", func(o *vault.Options) { o.Master = "vault:a" }, sallyport.Invalid},
		{"master in clear", func(o *vault.Options) { o.Master = vault.Ref(masterHex) }, sallyport.Invalid},
		{"an identity for a recipient", func(o *vault.Options) { o.Recipients = []string{id.String()} }, sallyport.Invalid},
		{"no directory", func(o *vault.Options) { o.Path = filepath.Join(dir, "no", "vault.json") }, sallyport.Unavailable},
		{"readable by others", func(o *vault.Options) {
			if err := os.Chmod(o.Path, 0o644); err != nil {
				t.Fatal(err)
			}
		}, sallyport.Invalid},
	}
	for _, tt := range tests {
		c := o
		tt.change(&c)
		_, err := vault.Open(c)
		if err == nil || sallyport.KindOf(err) != tt.kind {
			t.Errorf("%s: Open = %v, want kind %v", tt.name, err, tt.kind)
			continue
		}
		if strings.Contains(err.Error(), masterHex) || strings.Contains(err.Error(), id.String()) {
			t.Errorf("%s: the error holds a secret", tt.name)
		}
	}
}
