// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package identity_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/identity"
)

func wantKind(t *testing.T, err error, want sallyport.Kind) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error, want kind %v", want)
	}
	if got := sallyport.KindOf(err); got != want {
		t.Fatalf("kind %v, want %v: %v", got, want, err)
	}
}

func wantOK(t *testing.T, p sallyport.Principal, err error, stale bool) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	if p.Authn.Stale != stale {
		t.Fatalf("stale %v, want %v", p.Authn.Stale, stale)
	}
}

// TestOneFetchForMany: a crowd of first logins fetches once, and so does a
// crowd with a made-up key id, per half minute.
func TestOneFetchForMany(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	good := b.is.token(t, b.clock, nil)
	forged := make([]string, 32)
	for i := range forged {
		forged[i] = sign(t, otherRSA(), map[string]any{"alg": "RS256", "typ": "JWT", "kid": fmt.Sprintf("made-up-%d", i)}, b.is.claims(b.clock, nil))
	}
	crowd := func(raws []string) {
		var wg sync.WaitGroup
		for _, raw := range raws {
			wg.Go(func() { _, _ = b.Verify(t.Context(), raw) })
		}
		wg.Wait()
	}
	same := make([]string, 32)
	for i := range same {
		same[i] = good
	}
	crowd(same)
	if n, d := b.is.jwksHits.Load(), b.is.discHits.Load(); n != 1 || d != 1 {
		t.Errorf("32 first logins made %d key and %d discovery fetches, want 1 and 1", n, d)
	}
	crowd(forged)
	if n := b.is.jwksHits.Load(); n != 2 {
		t.Errorf("32 unknown key ids: %d fetches so far, want 2", n)
	}
	b.clock.add(29 * time.Second)
	crowd(forged)
	if n := b.is.jwksHits.Load(); n != 2 {
		t.Errorf("after 29 s: %d fetches so far, want 2", n)
	}
	b.clock.add(time.Second)
	crowd(forged)
	if n := b.is.jwksHits.Load(); n != 3 {
		t.Errorf("after 30 s: %d fetches so far, want 3", n)
	}
}

// TestRotation: a new key works at its first use, a withdrawn one stops at the
// next refresh.
func TestRotation(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	oldKey := func() string { return b.is.token(t, b.clock, nil) }
	newKey := func() string {
		return sign(t, otherRSA(), map[string]any{"alg": "RS256", "typ": "JWT", "kid": "rsa-2"}, b.is.claims(b.clock, nil))
	}
	p, err := b.Verify(t.Context(), oldKey())
	wantOK(t, p, err, false)
	b.is.set(func(i *issuer) { i.keys = append(i.keys, jose.JSONWebKey{Key: otherRSA().Public(), KeyID: "rsa-2"}) })
	p, err = b.Verify(t.Context(), newKey())
	wantOK(t, p, err, false)

	b.is.set(func(i *issuer) { i.keys = []jose.JSONWebKey{{Key: otherRSA().Public(), KeyID: "rsa-2"}} })
	b.clock.add(9 * time.Minute)
	p, err = b.Verify(t.Context(), oldKey())
	wantOK(t, p, err, false)
	b.clock.add(time.Minute)
	_, err = b.Verify(t.Context(), oldKey())
	wantKind(t, err, sallyport.Unauthenticated)
	p, err = b.Verify(t.Context(), newKey())
	wantOK(t, p, err, false)
}

func TestPurge(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.deps.Cache = identity.DirKeys{Dir: t.TempDir()}
	b.restart(t)
	p, err := b.Verify(t.Context(), b.is.token(t, b.clock, nil))
	wantOK(t, p, err, false)
	b.is.set(func(i *issuer) { i.keys = []jose.JSONWebKey{{Key: otherRSA().Public(), KeyID: "rsa-2"}} })
	if err := b.Purge(t.Context(), "ci"); err != nil {
		t.Fatal(err)
	}
	_, err = b.Verify(t.Context(), b.is.token(t, b.clock, nil))
	wantKind(t, err, sallyport.Unauthenticated)
	wantKind(t, b.Purge(t.Context(), "nobody"), sallyport.NotFound)
}

// TestOutage walks through an issuer's outage: fresh, stale and marked, then
// refused, and well again by itself.
func TestOutage(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	login := func() (sallyport.Principal, error) { return b.Verify(t.Context(), b.is.token(t, b.clock, nil)) }
	p, err := login()
	wantOK(t, p, err, false)

	b.is.set(func(i *issuer) { i.down = true })
	b.clock.add(11 * time.Minute)
	p, err = login()
	wantOK(t, p, err, true)
	if !b.journal.last(t).Principal.Authn.Stale {
		t.Error("the record does not say that the keys were stale")
	}
	before := b.is.discHits.Load()
	for range 10 {
		p, err = login()
		wantOK(t, p, err, true)
	}
	if n := b.is.discHits.Load(); n != before {
		t.Errorf("logins in an outage asked the issuer %d more times", n-before)
	}
	unknown := sign(t, otherRSA(), map[string]any{"alg": "RS256", "typ": "JWT", "kid": "rsa-2"}, b.is.claims(b.clock, nil))
	_, err = b.Verify(t.Context(), unknown)
	wantKind(t, err, sallyport.Unavailable)

	b.clock.add(24*time.Hour - 11*time.Minute)
	_, err = login()
	wantKind(t, err, sallyport.Unavailable)
	if msg, hint := sallyport.Public(err); !strings.Contains(msg, "too old") || hint == "" {
		t.Errorf("message %q, hint %q", msg, hint)
	}

	b.is.set(func(i *issuer) { i.down = false })
	b.clock.add(15 * time.Second)
	p, err = login()
	wantOK(t, p, err, false)
}

// TestStartDuringOutage: without kept keys nobody logs in; with them the
// workloads are known, and marked when the keys are old.
func TestStartDuringOutage(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	dir := t.TempDir()
	b.is.set(func(i *issuer) { i.down = true })
	_, err := b.Verify(t.Context(), b.is.token(t, b.clock, nil))
	wantKind(t, err, sallyport.Unavailable)

	b.is.set(func(i *issuer) { i.down = false })
	b.deps.Cache = identity.DirKeys{Dir: dir}
	b.restart(t)
	p, err := b.Verify(t.Context(), b.is.token(t, b.clock, nil))
	wantOK(t, p, err, false)

	b.is.set(func(i *issuer) { i.down = true })
	hits := b.is.discHits.Load()
	b.restart(t)
	p, err = b.Verify(t.Context(), b.is.token(t, b.clock, nil))
	wantOK(t, p, err, false)
	if n := b.is.discHits.Load(); n != hits {
		t.Error("fresh kept keys were not used")
	}
	b.clock.add(time.Hour)
	b.restart(t)
	p, err = b.Verify(t.Context(), b.is.token(t, b.clock, nil))
	wantOK(t, p, err, true)
	b.clock.add(24 * time.Hour)
	b.restart(t)
	_, err = b.Verify(t.Context(), b.is.token(t, b.clock, nil))
	wantKind(t, err, sallyport.Unavailable)
}

// TestKeptKeysGuarded: a key file that others may write, that was put under
// another issuer's name, or that is from the future is not believed.
func TestKeptKeysGuarded(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(b *bench, path string) error{
		"writable by others": func(_ *bench, path string) error { return os.Chmod(path, 0o666) },
		"of another issuer": func(b *bench, path string) error {
			raw, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			return os.WriteFile(path, []byte(strings.Replace(string(raw), b.is.srv.URL, "https://other.example", 1)), 0o600)
		},
		"cut short":       func(_ *bench, path string) error { return os.Truncate(path, 40) },
		"from the future": func(b *bench, _ string) error { b.clock.add(-2 * time.Hour); return nil },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t)
			dir := t.TempDir()
			b.deps.Cache = identity.DirKeys{Dir: dir}
			b.restart(t)
			p, err := b.Verify(t.Context(), b.is.token(t, b.clock, nil))
			wantOK(t, p, err, false)
			files, err := filepath.Glob(filepath.Join(dir, "*.json"))
			if err != nil || len(files) != 1 {
				t.Fatalf("kept files: %v %v", files, err)
			}
			if err := spoil(b, files[0]); err != nil {
				t.Fatal(err)
			}
			b.is.set(func(i *issuer) { i.down = true })
			b.restart(t)
			_, err = b.Verify(t.Context(), b.is.token(t, b.clock, nil))
			wantKind(t, err, sallyport.Unavailable)
		})
	}
}

// TestBadDocuments: a broken or hostile document gives no keys and does not
// replace good ones.
func TestBadDocuments(t *testing.T) {
	t.Parallel()
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		t.Error("a redirect to another host was followed")
	}))
	t.Cleanup(elsewhere.Close)
	text := func(s string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(s)) }
	}
	for name, spoil := range map[string]func(*issuer){
		"another issuer": func(i *issuer) {
			i.discovery = text(`{"issuer":"https://other.example","jwks_uri":"` + i.srv.URL + `/jwks"}`)
		},
		"no jwks_uri": func(i *issuer) { i.discovery = text(`{"issuer":"` + i.srv.URL + `"}`) },
		"plain http":  func(i *issuer) { i.discovery = text(`{"issuer":"` + i.srv.URL + `","jwks_uri":"http://192.0.2.1/"}`) },
		"file":        func(i *issuer) { i.discovery = text(`{"issuer":"` + i.srv.URL + `","jwks_uri":"file:///etc/passwd"}`) },
		"link-local": func(i *issuer) {
			i.discovery = text(`{"issuer":"` + i.srv.URL + `","jwks_uri":"https://169.254.169.254/"}`)
		},
		"huge discovery":    func(i *issuer) { i.discovery = text(`{"issuer":"` + strings.Repeat("x", 2<<20) + `"}`) },
		"redirect away":     func(i *issuer) { i.discovery = http.RedirectHandler(elsewhere.URL, http.StatusFound).ServeHTTP },
		"redirect for ever": func(i *issuer) { i.jwks = http.RedirectHandler("/jwks", http.StatusFound).ServeHTTP },
		"huge key set":      func(i *issuer) { i.jwks = text(`{"keys":[],"x":"` + strings.Repeat("x", 2<<20) + `"}`) },
		"empty key set":     func(i *issuer) { i.jwks = text(`{"keys":[]}`) },
		"not JSON":          func(i *issuer) { i.jwks = text(`<html>sign in</html>`) },
		"duplicate names":   func(i *issuer) { i.jwks = text(`{"keys":[],"keys":[{"kty":"oct","k":"AAAA"}]}`) },
		"symmetric only":    func(i *issuer) { i.jwks = text(`{"keys":[{"kty":"oct","kid":"rsa-1","k":"AAAA"}]}`) },
		"too many keys":     func(i *issuer) { i.jwks = text(`{"keys":[{}` + strings.Repeat(",{}", 300) + `]}`) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t)
			b.is.set(spoil)
			_, err := b.Verify(t.Context(), b.is.token(t, b.clock, nil))
			wantKind(t, err, sallyport.Unavailable)
			if len(err.Error()) > 1000 {
				t.Errorf("the error repeats the document: %d bytes", len(err.Error()))
			}
			if n := b.is.jwksHits.Load(); n > 4 {
				t.Errorf("the key set was asked for %d times", n)
			}
			b.is.set(func(i *issuer) { i.discovery, i.jwks = nil, nil })
			b.clock.add(15 * time.Second)
			p, err := b.Verify(t.Context(), b.is.token(t, b.clock, nil))
			wantOK(t, p, err, false)
			b.is.set(spoil)
			b.clock.add(10 * time.Minute)
			p, err = b.Verify(t.Context(), b.is.token(t, b.clock, nil))
			wantOK(t, p, err, true)
		})
	}
}

// TestAddresses: an issuer's documents cannot point the gateway at a cloud's
// credentials or, unless the issuer is there itself, at its own machine.
func TestAddresses(t *testing.T) {
	t.Parallel()
	for address, want := range map[string][2]bool{ // allowed for a loopback issuer, for another
		"192.0.2.1:443":              {true, true},
		"10.0.0.1:443":               {true, true},
		"[2001:db8::1]:443":          {true, true},
		"127.0.0.1:80":               {true, false},
		"[::1]:80":                   {true, false},
		"[::ffff:127.0.0.1]:80":      {true, false},
		"169.254.169.254:80":         {false, false},
		"[::ffff:169.254.169.254]:1": {false, false},
		"[fe80::1]:80":               {false, false},
		"0.0.0.0:80":                 {false, false},
		"224.0.0.1:80":               {false, false},
		"host:80":                    {false, false},
	} {
		got := [2]bool{identity.MayDialForTest(true, address) == nil, identity.MayDialForTest(false, address) == nil}
		if got != want {
			t.Errorf("%s: %v, want %v", address, got, want)
		}
	}
}

// TestKeyFile: an issuer that cannot be reached, with keys an operator put there.
func TestKeyFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "jwks.json")
	write := func(key any, kid string) {
		set := jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: key, KeyID: kid}}}
		if err := os.WriteFile(path, must(jsonOf(set)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(rsaKey().Public(), "rsa-1")
	b := newBench(t, func(i *identity.Issuer) { i.Keys.File = path })
	p, err := b.Verify(t.Context(), b.is.token(t, b.clock, nil))
	wantOK(t, p, err, false)
	write(otherRSA().Public(), "rsa-2")
	b.clock.add(10 * time.Minute)
	_, err = b.Verify(t.Context(), b.is.token(t, b.clock, nil))
	wantKind(t, err, sallyport.Unauthenticated)
	if n := b.is.discHits.Load() + b.is.jwksHits.Load(); n != 0 {
		t.Errorf("the issuer was asked %d times", n)
	}
}

// TestTLS: the issuer's certificate has to chain to the configured CA.
func TestTLS(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	srv := httptest.NewUnstartedServer(b.is.srv.Config.Handler)
	srv.Config.ErrorLog = discardLog()
	srv.StartTLS()
	t.Cleanup(srv.Close)
	plain := b.is.srv
	t.Cleanup(plain.Close)
	b.is.srv = srv
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, pemOf(srv.Certificate().Raw), 0o600); err != nil {
		t.Fatal(err)
	}
	b.cfg.Issuers[0] = b.is.config()
	b.restart(t)
	_, err := b.Verify(t.Context(), b.is.token(t, b.clock, nil))
	wantKind(t, err, sallyport.Unavailable)
	b.cfg.Issuers[0].CAFile = ca
	b.restart(t)
	p, err := b.Verify(t.Context(), b.is.token(t, b.clock, nil))
	wantOK(t, p, err, false)
}
