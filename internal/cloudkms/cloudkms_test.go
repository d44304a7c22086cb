// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package cloudkms_test

import (
	"bytes"
	"crypto"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"hash/crc32"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"filippo.io/age"
	"go.uber.org/goleak"
	"golang.org/x/mod/sumdb/note"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/cloudkms"
	"github.com/sallyport-dev/sallyport/internal/ledger/signer"
	"github.com/sallyport-dev/sallyport/internal/vault"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	key     = "projects/p-1/locations/europe-west3/keyRings/gateway/cryptoKeys/master"
	version = "projects/p-1/locations/europe-west3/keyRings/gateway/cryptoKeys/ledger/cryptoKeyVersions/3"
	account = "gateway@p-1.iam.gserviceaccount.example"
)

// service speaks the methods of Cloud KMS that the client uses, with real keys
// behind them, and the token endpoint of a service account. It is no Google
// service: what Google's does beyond its documentation is not in it.
type service struct {
	*httptest.Server
	t       *testing.T
	account *rsa.PrivateKey
	box     cipher.AEAD
	sign    ed25519.PrivateKey
	public  any

	mu     sync.Mutex
	change func(path string, answer map[string]any) // what happens on the way
	status int                                      // that every method answers, 0 for none
	asked  []string
}

func sum(b []byte) string {
	return strconv.FormatUint(uint64(crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli))), 10)
}

// newService starts it and points the environment at it.
func newService(t *testing.T) *service {
	t.Helper()
	s := &service{t: t}
	var err error
	if s.account, err = rsa.GenerateKey(rand.Reader, 2048); err != nil {
		t.Fatal(err)
	}
	block, err := aes.NewCipher(bytes.Repeat([]byte{7}, 32))
	if err != nil {
		t.Fatal(err)
	}
	if s.box, err = cipher.NewGCM(block); err != nil {
		t.Fatal(err)
	}
	s.sign = ed25519.NewKeyFromSeed(bytes.Repeat([]byte{9}, ed25519.SeedSize))
	s.public = s.sign.Public()
	s.Server = httptest.NewServer(s)
	t.Cleanup(func() {
		s.Close()
		http.DefaultTransport.(*http.Transport).CloseIdleConnections()
	})
	der, err := x509.MarshalPKCS8PrivateKey(s.account)
	if err != nil {
		t.Fatal(err)
	}
	file, err := json.Marshal(map[string]string{
		"type": "service_account", "project_id": "p-1", "private_key_id": "k1", "client_email": account, "token_uri": s.URL + "/token",
		"private_key": string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})),
	})
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(t.TempDir(), "account.json")
	if err := os.WriteFile(name, file, 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("GOOGLE_APPLICATION_CREDENTIALS", name)
	return s
}

func (s *service) client() *cloudkms.Client {
	return cloudkms.New(s.t.Context(), func(string) string { return s.URL + "/" })
}

func (s *service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked = append(s.asked, r.Method+" "+r.URL.Path)
	var out map[string]any
	status := http.StatusOK
	switch {
	case r.URL.Path == "/token":
		out, status = s.token(r)
	case r.Header.Get("Authorization") != "Bearer t0ken":
		out, status = problem("UNAUTHENTICATED"), http.StatusUnauthorized
	case s.status != 0:
		out, status = problem("PERMISSION_DENIED"), s.status
	default:
		out, status = s.method(r)
	}
	if s.change != nil {
		s.change(r.URL.Path, out)
	}
	w.WriteHeader(status)
	if err := json.NewEncoder(w).Encode(out); err != nil {
		s.t.Error(err)
	}
}

func problem(status string) map[string]any {
	return map[string]any{"error": map[string]any{"status": status, "message": "no"}}
}

// token checks an assertion (RFC 7523) and gives a token.
func (s *service) token(r *http.Request) (map[string]any, int) {
	head, sig, _ := strings.Cut(r.FormValue("assertion"), ".")
	body, sig, _ := strings.Cut(sig, ".")
	digest := sha256.Sum256([]byte(head + "." + body))
	raw, err := base64.RawURLEncoding.DecodeString(sig)
	if err != nil || rsa.VerifyPKCS1v15(&s.account.PublicKey, crypto.SHA256, digest[:], raw) != nil {
		return problem("invalid_grant"), http.StatusBadRequest
	}
	claims, err := base64.RawURLEncoding.DecodeString(body)
	if err != nil || !bytes.Contains(claims, []byte(account)) || !bytes.Contains(claims, []byte("auth/cloudkms")) {
		return problem("invalid_grant"), http.StatusBadRequest
	}
	return map[string]any{"access_token": "t0ken", "expires_in": 3600, "token_type": "Bearer"}, http.StatusOK
}

func (s *service) method(r *http.Request) (map[string]any, int) {
	var in map[string]string
	if r.Method == http.MethodPost {
		if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
			return problem("INVALID_ARGUMENT"), http.StatusBadRequest
		}
	}
	text := func(name string) []byte {
		b, err := base64.StdEncoding.DecodeString(in[name])
		if err != nil || in[name+"Crc32c"] != sum(b) {
			s.t.Errorf("%s: %v, checksum %q", name, err, in[name+"Crc32c"])
		}
		return b
	}
	switch r.Method + " " + r.URL.Path {
	case "POST /v1/" + key + ":encrypt":
		nonce := make([]byte, 12)
		_, _ = rand.Read(nonce)
		c := s.box.Seal(nonce, nonce, text("plaintext"), text("additionalAuthenticatedData"))
		return map[string]any{
			"name": key + "/cryptoKeyVersions/1", "ciphertext": c, "ciphertextCrc32c": sum(c), "verifiedPlaintextCrc32c": true, "verifiedAdditionalAuthenticatedDataCrc32c": true,
		}, http.StatusOK
	case "POST /v1/" + key + ":decrypt":
		c := text("ciphertext")
		p, err := s.box.Open(nil, c[:12], c[12:], text("additionalAuthenticatedData"))
		if err != nil {
			return problem("INVALID_ARGUMENT"), http.StatusBadRequest
		}
		return map[string]any{"plaintext": p, "plaintextCrc32c": sum(p)}, http.StatusOK
	case "GET /v1/" + version + "/publicKey":
		der, err := x509.MarshalPKIXPublicKey(s.public)
		if err != nil {
			s.t.Error(err)
		}
		text := string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
		return map[string]any{"name": version, "pem": text, "pemCrc32c": sum([]byte(text)), "algorithm": "EC_SIGN_ED25519"}, http.StatusOK
	case "POST /v1/" + version + ":asymmetricSign":
		sig := ed25519.Sign(s.sign, text("data"))
		return map[string]any{"name": version, "signature": sig, "signatureCrc32c": sum(sig), "verifiedDataCrc32c": true}, http.StatusOK
	}
	return problem("NOT_FOUND"), http.StatusNotFound
}

// TestMasterKey keeps the vault's credentials and data keys under a key of the
// service.
func TestMasterKey(t *testing.T) {
	s := newService(t)
	auditor, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	open := func() (*vault.Vault, error) {
		return vault.Open(vault.Options{
			Path: filepath.Join(t.TempDir(), "vault.json"), Master: vault.Ref(cloudkms.Scheme + key), Recipients: []string{auditor.Recipient().String()},
			Getenv: os.Getenv, Rand: rand.Reader, KMS: []vault.KMS{s.client()},
		})
	}
	if _, err := open(); err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(s.asked, "\n"); !strings.Contains(got, ":encrypt") {
		t.Errorf("asked:\n%s", got)
	}
	a, err := s.client().GetAEAD(cloudkms.Scheme + key)
	if err != nil {
		t.Fatal(err)
	}
	c, err := a.Encrypt([]byte("key of keys"), []byte("for whom"))
	if err != nil {
		t.Fatal(err)
	}
	if p, err := a.Decrypt(c, []byte("for whom")); err != nil || string(p) != "key of keys" {
		t.Errorf("%q, %v", p, err)
	}
	if _, err := a.Decrypt(c, []byte("for others")); sallyport.KindOf(err) != sallyport.Integrity {
		t.Errorf("other associated data: %v", err)
	}
	s.status = http.StatusForbidden
	if _, err := open(); sallyport.KindOf(err) != sallyport.Unavailable {
		t.Errorf("an account without the right: %v", err)
	}
}

// TestLedgerKey signs a note with a key of the service.
func TestLedgerKey(t *testing.T) {
	s := newService(t)
	k, err := signer.Open(cloudkms.Scheme+version, "ledger.example/gw", s.client())
	if err != nil {
		t.Fatal(err)
	}
	signed, err := note.Sign(&note.Note{Text: "ledger.example/gw\n0\nroot\n"}, k)
	if err != nil {
		t.Fatal(err)
	}
	v, err := note.NewVerifier(k.VKey())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := note.Open(signed, note.VerifierList(v)); err != nil {
		t.Error(err)
	}
	s.status = http.StatusServiceUnavailable
	if _, err := note.Sign(&note.Note{Text: "x\n"}, k); err == nil {
		t.Error("a note was signed without the service")
	}
	s.status = 0
	other, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	s.public = other.Public()
	if _, err := signer.Open(cloudkms.Scheme+version, "ledger.example/gw", s.client()); sallyport.KindOf(err) != sallyport.Invalid {
		t.Errorf("another kind of key: %v", err)
	}
}

// TestChangedOnTheWay changes each member of each answer.
func TestChangedOnTheWay(t *testing.T) {
	s := newService(t)
	c := s.client()
	a, err := c.GetAEAD(cloudkms.Scheme + key)
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := a.Encrypt([]byte("x"), nil)
	if err != nil {
		t.Fatal(err)
	}
	k, err := c.Signer(cloudkms.Scheme + version)
	if err != nil {
		t.Fatal(err)
	}
	calls := map[string]func() error{
		":encrypt":        func() error { _, err := a.Encrypt([]byte("x"), nil); return err },
		":decrypt":        func() error { _, err := a.Decrypt(sealed, nil); return err },
		":asymmetricSign": func() error { _, err := k.Sign(nil, []byte("x"), crypto.Hash(0)); return err },
		"/publicKey":      func() error { _, err := c.Signer(cloudkms.Scheme + version); return err },
	}
	members := map[string][]string{
		":encrypt":        {"name", "ciphertext", "ciphertextCrc32c", "verifiedPlaintextCrc32c", "verifiedAdditionalAuthenticatedDataCrc32c"},
		":decrypt":        {"plaintext", "plaintextCrc32c"},
		":asymmetricSign": {"name", "signature", "signatureCrc32c", "verifiedDataCrc32c"},
		"/publicKey":      {"name", "pem", "pemCrc32c"},
	}
	for method, call := range calls {
		if err := call(); err != nil {
			t.Errorf("%s: %v", method, err)
		}
		for _, member := range members[method] {
			s.change = func(path string, answer map[string]any) {
				if !strings.HasSuffix(path, method) {
					return
				}
				switch v := answer[member].(type) {
				case bool:
					answer[member] = false
				case []byte:
					answer[member] = append([]byte{v[0] ^ 1}, v[1:]...)
				case string:
					answer[member] = "1" + v
				default:
					t.Errorf("%s has no %s", method, member)
				}
			}
			if err := call(); sallyport.KindOf(err) != sallyport.Unavailable {
				t.Errorf("%s with another %s: %v", method, member, err)
			}
		}
		s.change = nil
	}
	s.change = func(_ string, answer map[string]any) { answer["more"] = strings.Repeat("x", 1<<19) }
	if err := calls[":decrypt"](); sallyport.KindOf(err) != sallyport.Unavailable {
		t.Errorf("an answer without an end: %v", err)
	}
}

// TestReferences refuses what is no key, before anything is asked.
func TestReferences(t *testing.T) {
	s := newService(t)
	c := s.client()
	for _, uri := range []string{"", "aws-kms://x", cloudkms.Scheme, cloudkms.Scheme + version, cloudkms.Scheme + key + "/..", cloudkms.Scheme + "projects/p/locations/l/keyRings/r/cryptoKeys/k?x"} {
		if _, err := c.GetAEAD(uri); sallyport.KindOf(err) != sallyport.Invalid {
			t.Errorf("%q: %v", uri, err)
		}
	}
	for _, uri := range []string{cloudkms.Scheme + key, cloudkms.Scheme + version + ":asymmetricSign", cloudkms.Scheme + version + "/x"} {
		if _, err := c.Signer(uri); sallyport.KindOf(err) != sallyport.Invalid {
			t.Errorf("%q: %v", uri, err)
		}
	}
	if len(s.asked) != 0 {
		t.Errorf("asked %v", s.asked)
	}
	for _, other := range []string{"http://kms.example", "ftp://127.0.0.1", "://"} {
		if _, err := cloudkms.New(t.Context(), func(string) string { return other }).Signer(cloudkms.Scheme + version); sallyport.KindOf(err) != sallyport.Invalid {
			t.Errorf("endpoint %q: %v", other, err)
		}
	}
	t.Setenv("GOOGLE_APPLICATION_CREDENTIALS", filepath.Join(t.TempDir(), "none.json"))
	if _, err := s.client().Signer(cloudkms.Scheme + version); sallyport.KindOf(err) != sallyport.Unavailable {
		t.Errorf("no credentials: %v", err)
	}
}
