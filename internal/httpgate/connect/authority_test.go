// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package connect_test

import (
	"bytes"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/sallyport-dev/sallyport/internal/httpgate/connect"
	"github.com/sallyport-dev/sallyport/internal/vault"
)

// place is where authorities of a test lie, and its clock.
type place struct {
	opts connect.AuthorityOptions
	now  time.Time
}

func newPlace(t *testing.T) *place {
	t.Helper()
	dir := t.TempDir()
	p := &place{now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}
	p.opts = connect.AuthorityOptions{
		Path: filepath.Join(dir, "keys", "connect.ca"), Hosts: []string{"bigquery.googleapis.com", "www.googleapis.com"}, Keys: p.vault(t, dir),
		Now: func() time.Time { return p.now }, Rand: rand.Reader, Log: slog.New(slog.DiscardHandler),
	}
	return p
}

func (p *place) vault(t *testing.T, dir string) *vault.Vault {
	t.Helper()
	key := filepath.Join(dir, "vault.key")
	if err := vault.CreateMaster(key, rand.Reader); err != nil {
		t.Fatal(err)
	}
	v, err := vault.Open(vault.Options{
		Path: filepath.Join(dir, "vault.json"), Master: vault.Ref("file:" + key), Getenv: os.Getenv, Now: time.Now, Rand: rand.Reader,
	})
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func (p *place) open(t *testing.T) *connect.Authority {
	t.Helper()
	a, err := connect.OpenAuthority(p.opts)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func certificates(t *testing.T, a *connect.Authority) (out []*x509.Certificate) {
	t.Helper()
	rest, err := a.PEM()
	if err != nil {
		t.Fatal(err)
	}
	for {
		var b *pem.Block
		if b, rest = pem.Decode(rest); b == nil {
			return out
		}
		c, err := x509.ParseCertificate(b.Bytes)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, c)
	}
}

func leaf(t *testing.T, a *connect.Authority, host string) *x509.Certificate {
	t.Helper()
	c, err := a.Certificate(host)
	if err != nil {
		t.Fatal(err)
	}
	return c.Leaf
}

// TestConstraints: with the authority's own key nobody can be another host.
func TestConstraints(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	a := p.open(t)
	roots := x509.NewCertPool()
	roots.AddCert(certificates(t, a)[0])
	verify := func(c *x509.Certificate, host string) error {
		_, err := c.Verify(x509.VerifyOptions{Roots: roots, DNSName: host, CurrentTime: p.now})
		return err
	}
	l := leaf(t, a, "www.googleapis.com")
	if err := verify(l, "www.googleapis.com"); err != nil {
		t.Error(err)
	}
	if err := verify(l, "bigquery.googleapis.com"); err == nil {
		t.Error("a leaf is good for two hosts")
	}
	if _, err := a.Certificate("bank.example"); err == nil {
		t.Error("there is a certificate for a host of no table")
	}
	ca := certificates(t, a)[0]
	if !ca.PermittedDNSDomainsCritical || !ca.MaxPathLenZero || ca.NotAfter.Sub(ca.NotBefore) > 366*24*time.Hour || l.NotAfter.Sub(l.NotBefore) > 25*time.Hour {
		t.Errorf("the authority or a leaf is good for more than it has to be: %v %v", ca.NotAfter, l.NotAfter)
	}
	for name, foreign := range connect.Forge(t, a, p.now, "bank.example", "10.0.0.1") {
		err := foreign.CheckSignatureFrom(ca)
		if err != nil {
			t.Errorf("%s: the forgery is none: %v", name, err)
		}
		if err := verify(foreign, name); err == nil {
			t.Errorf("the authority's key is good for %s", name)
		}
	}
}

func TestSuccession(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	a := p.open(t)
	first := certificates(t, a)
	if len(first) != 1 {
		t.Fatalf("%d certificates", len(first))
	}
	by := func(a *connect.Authority) string {
		return string(leaf(t, a, "www.googleapis.com").AuthorityKeyId)
	}
	day := 24 * time.Hour
	p.now = p.now.Add(280 * day)
	next := certificates(t, a)
	if len(next) != 2 || !next[0].Equal(first[0]) || by(a) != string(first[0].SubjectKeyId) {
		t.Fatalf("at first the elder is used: %d", len(next))
	}
	p.now = p.now.Add(60 * day)
	if by(a) != string(next[1].SubjectKeyId) {
		t.Error("the successor is not used")
	}
	// What was made is what is there after a restart.
	b := p.open(t)
	if got := certificates(t, b); len(got) != 2 || !got[1].Equal(next[1]) {
		t.Error("a restart has made other authorities")
	}
	p.now = p.now.Add(60 * day)
	if got := certificates(t, b); len(got) != 1 || !got[0].Equal(next[1]) {
		t.Error("the elder has not ended")
	}
	// Other hosts want another authority.
	p.opts.Hosts = append(p.opts.Hosts, "x.googleapis.com")
	if got := certificates(t, p.open(t)); len(got) != 1 || got[0].Equal(next[1]) {
		t.Error("the authority was kept for other hosts")
	}
}

func TestDamagedAuthority(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	p.open(t)
	b, err := os.ReadFile(p.opts.Path)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(b, []byte("PRIVATE")) {
		t.Error("the key lies in the open")
	}
	info, err := os.Stat(p.opts.Path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the file is for others: %v %v", info.Mode(), err)
	}
	other := p.opts
	other.Keys = p.vault(t, t.TempDir())
	if _, err := connect.OpenAuthority(other); err == nil {
		t.Error("the file opens under another vault")
	}
	if err := os.WriteFile(p.opts.Path, b[:len(b)/2], 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := connect.OpenAuthority(p.opts); err == nil {
		t.Error("a damaged file opens")
	}
}
