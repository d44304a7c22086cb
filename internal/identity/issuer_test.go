// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package identity_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"io"
	"log"
	"maps"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"go.uber.org/goleak"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/evidence"
	"github.com/sallyport-dev/sallyport/internal/identity"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// Signing keys, made once: RSA keys are slow to make.
var (
	rsaKey   = sync.OnceValue(func() *rsa.PrivateKey { return must(rsa.GenerateKey(rand.Reader, 2048)) })
	otherRSA = sync.OnceValue(func() *rsa.PrivateKey { return must(rsa.GenerateKey(rand.Reader, 2048)) })
	ecKey    = sync.OnceValue(func() *ecdsa.PrivateKey { return must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)) })
	ec384    = sync.OnceValue(func() *ecdsa.PrivateKey { return must(ecdsa.GenerateKey(elliptic.P384(), rand.Reader)) })
	edKey    = sync.OnceValue(func() ed25519.PrivateKey {
		_, k, err := ed25519.GenerateKey(rand.Reader)
		return must(k, err)
	})
)

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// clock is a clock that tests move.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

func newClock() *clock { return &clock{t: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

// journal keeps what it is told, or fails.
type journal struct {
	mu         sync.Mutex
	identities []evidence.Identity
	tokens     []evidence.Token
	fail       bool
}

var errJournal = errors.New("disk full")

func (j *journal) Identity(_ context.Context, e evidence.Identity) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.fail {
		return errJournal
	}
	j.identities = append(j.identities, e)
	return nil
}

func (j *journal) Token(_ context.Context, e evidence.Token) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.fail {
		return errJournal
	}
	j.tokens = append(j.tokens, e)
	return nil
}

func (j *journal) setFail(v bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.fail = v
}

func (j *journal) last(t *testing.T) evidence.Identity {
	t.Helper()
	j.mu.Lock()
	defer j.mu.Unlock()
	if len(j.identities) == 0 {
		t.Fatal("nothing was journalled")
	}
	return j.identities[len(j.identities)-1]
}

// issuer is an in-process issuer that can be told to misbehave.
type issuer struct {
	srv       *httptest.Server
	mu        sync.Mutex
	keys      []jose.JSONWebKey
	down      bool
	discovery http.HandlerFunc // replaces the discovery document when set
	jwks      http.HandlerFunc
	jwksHits  atomic.Int64
	discHits  atomic.Int64
}

func newIssuer(t *testing.T) *issuer {
	t.Helper()
	is := &issuer{}
	is.keys = []jose.JSONWebKey{
		{Key: rsaKey().Public(), KeyID: "rsa-1", Use: "sig"},
		{Key: ecKey().Public(), KeyID: "ec-1", Algorithm: "ES256", Use: "sig"},
		{Key: ec384().Public(), KeyID: "ec-384"},
		{Key: edKey().Public(), KeyID: "ed-1", Use: "sig"},
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/.well-known/openid-configuration", func(w http.ResponseWriter, r *http.Request) {
		is.discHits.Add(1)
		is.mu.Lock()
		down, h := is.down, is.discovery
		is.mu.Unlock()
		switch {
		case down:
			http.Error(w, "down", http.StatusBadGateway)
		case h != nil:
			h(w, r)
		default:
			writeJSON(w, map[string]any{"issuer": is.srv.URL, "jwks_uri": is.srv.URL + "/jwks"})
		}
	})
	mux.HandleFunc("/jwks", func(w http.ResponseWriter, r *http.Request) {
		is.jwksHits.Add(1)
		is.mu.Lock()
		down, h, keys := is.down, is.jwks, is.keys
		is.mu.Unlock()
		switch {
		case down:
			http.Error(w, "down", http.StatusBadGateway)
		case h != nil:
			h(w, r)
		default:
			writeJSON(w, jose.JSONWebKeySet{Keys: keys})
		}
	})
	is.srv = httptest.NewServer(mux)
	t.Cleanup(is.srv.Close)
	return is
}

func writeJSON(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	if err := json.NewEncoder(w).Encode(v); err != nil {
		panic(err)
	}
}

func (is *issuer) set(f func(*issuer)) {
	is.mu.Lock()
	defer is.mu.Unlock()
	f(is)
}

const audience = "https://gateway.example"

func (is *issuer) config() identity.Issuer {
	return identity.Issuer{
		Name: "ci", URL: is.srv.URL, Audiences: []string{audience},
		Algorithms: []string{"RS256", "PS256", "ES256", "EdDSA"}, AllowLoopbackHTTP: true,
		Map: []identity.Rule{
			{
				When: map[string]identity.Values{"repository_owner": {"acme"}}, Principal: "ci:{repository}", Kind: sallyport.CIJob,
				Groups: []string{"ci"}, Attributes: []string{"repository", "run_id", "sha"},
			},
			{
				When: map[string]identity.Values{"/kubernetes.io/namespace": {"etl", "batch"}}, Kind: sallyport.ServiceAccount,
				Principal: "k8s:{/kubernetes.io/namespace}:{/kubernetes.io/serviceaccount/name}", GroupsClaim: "groups",
			},
		},
	}
}

func (is *issuer) claims(c *clock, over map[string]any) map[string]any {
	m := map[string]any{
		"iss": is.srv.URL, "sub": "repo:acme/claims", "aud": audience, "iat": c.Now().Unix(), "exp": c.Now().Add(10 * time.Minute).Unix(),
		"repository": "acme/claims", "repository_owner": "acme", "run_id": 7123, "sha": "0badc0de", "groups": []string{"privacy-officers"},
	}
	maps.Copy(m, over)
	for k, v := range over {
		if v == nil {
			delete(m, k)
		}
	}
	return m
}

// token signs the issuer's usual claims, changed by over, with its RSA key.
func (is *issuer) token(t *testing.T, c *clock, over map[string]any) string {
	t.Helper()
	return sign(t, rsaKey(), map[string]any{"alg": "RS256", "typ": "JWT", "kid": "rsa-1"}, is.claims(c, over))
}

func sign(t *testing.T, key any, header, payload map[string]any) string {
	t.Helper()
	alg, _ := header["alg"].(string)
	return signRaw(t, key, alg, string(must(json.Marshal(header))), string(must(json.Marshal(payload))))
}

// signRaw signs by hand, so that anything can be signed.
func signRaw(t *testing.T, key any, alg, header, payload string) string {
	t.Helper()
	in := base64.RawURLEncoding.EncodeToString([]byte(header)) + "." + base64.RawURLEncoding.EncodeToString([]byte(payload))
	sum := sha256.Sum256([]byte(in))
	var sig []byte
	switch k := key.(type) {
	case nil:
	case []byte:
		m := hmac.New(sha256.New, k)
		m.Write([]byte(in))
		sig = m.Sum(nil)
	case *rsa.PrivateKey:
		if alg == "PS256" {
			sig = must(rsa.SignPSS(rand.Reader, k, crypto.SHA256, sum[:], &rsa.PSSOptions{SaltLength: 32}))
		} else {
			sig = must(rsa.SignPKCS1v15(nil, k, crypto.SHA256, sum[:]))
		}
	case *ecdsa.PrivateKey:
		h := sum[:]
		n := 32
		if k.Curve == elliptic.P384() {
			full := crypto.SHA384.New()
			full.Write([]byte(in))
			h, n = full.Sum(nil), 48
		}
		r, s, err := ecdsa.Sign(rand.Reader, k, h)
		must(0, err)
		sig = append(r.FillBytes(make([]byte, n)), s.FillBytes(make([]byte, n))...)
	case ed25519.PrivateKey:
		sig = ed25519.Sign(k, []byte(in))
	default:
		t.Fatalf("cannot sign with %T", key)
	}
	return in + "." + base64.RawURLEncoding.EncodeToString(sig)
}

// bench is a verifier with its surroundings.
type bench struct {
	*identity.Verifier
	is      *issuer
	clock   *clock
	journal *journal
	cfg     identity.Config
	deps    identity.Deps
}

func newBench(t *testing.T, change ...func(*identity.Issuer)) *bench {
	t.Helper()
	b := &bench{is: newIssuer(t), clock: newClock(), journal: &journal{}}
	ic := b.is.config()
	for _, f := range change {
		f(&ic)
	}
	b.cfg = identity.Config{Issuers: []identity.Issuer{ic}}
	b.deps = identity.Deps{Now: b.clock.Now, Journal: b.journal}
	b.restart(t)
	return b
}

// restart makes a verifier that knows nothing yet.
func (b *bench) restart(t *testing.T) {
	t.Helper()
	v, err := identity.New(t.Context(), b.cfg, b.deps)
	if err != nil {
		t.Fatal(err)
	}
	b.Verifier = v
}

func jsonOf(v any) ([]byte, error) { return json.Marshal(v) }

func pemOf(der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

func discardLog() *log.Logger { return log.New(io.Discard, "", 0) }
