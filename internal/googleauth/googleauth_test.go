// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package googleauth_test

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/sallyport-dev/sallyport/internal/googleauth"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// endpoints are a token endpoint, a security token service, an IAM Credentials
// API and a metadata server in one, which count what they were asked.
type endpoints struct {
	*httptest.Server
	asked  map[string]int
	broken bool
	wanted string // scope or audience of the last request
	expiry time.Duration
}

func newEndpoints(t *testing.T) *endpoints {
	t.Helper()
	e := &endpoints{asked: map[string]int{}, expiry: time.Hour}
	e.Server = httptest.NewServer(e)
	t.Cleanup(e.Close)
	return e
}

func (e *endpoints) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	_ = r.ParseForm()
	name := r.URL.Path[strings.LastIndexAny(r.URL.Path, "/:")+1:]
	e.asked[name]++
	if e.broken {
		http.Error(w, `{"error":"invalid_grant","error_description":"the key secret-key-id is revoked"}`, http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Metadata-Flavor", "Google")
	switch name {
	case "token":
		if r.Method == http.MethodGet { // the metadata server's
			_, _ = fmt.Fprintf(w, `{"access_token":"machine","expires_in":%d,"token_type":"Bearer"}`, int(e.expiry.Seconds()))
			return
		}
		e.wanted = claims(r.PostForm.Get("assertion"))
		id := ""
		if strings.Contains(e.wanted, "target_audience") {
			id = "h." + base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, `{"exp":%d}`, time.Now().Add(e.expiry).Unix())) + ".s"
		}
		_, _ = fmt.Fprintf(w, `{"access_token":"from-key-%d","id_token":%q,"expires_in":%d,"token_type":"Bearer"}`, e.asked[name], id, int(e.expiry.Seconds()))
	case "sts":
		_, _ = fmt.Fprint(w, `{"access_token":"federated","issued_token_type":"urn:ietf:params:oauth:token-type:access_token","expires_in":3600,"token_type":"Bearer"}`)
	case "identity":
		e.wanted = r.Form.Get("audience")
		_, _ = fmt.Fprint(w, "machine-id\n")
	case "generateAccessToken":
		_, _ = fmt.Fprintf(w, `{"accessToken":"as-other by %s","expireTime":%q}`, r.Header.Get("Authorization"), time.Now().Add(time.Hour).Format(time.RFC3339))
	case "generateIdToken":
		_, _ = fmt.Fprintf(w, `{"token":"id-as-other by %s"}`, r.Header.Get("Authorization"))
	default:
		http.NotFound(w, r)
	}
}

// claims are those of a JWT in JSON.
func claims(jwt string) string {
	parts := strings.Split(jwt, ".")
	if len(parts) != 3 {
		return ""
	}
	b, _ := base64.RawURLEncoding.DecodeString(parts[1])
	return string(b)
}

// key is a service account's key of which the tokens come from at.
func key(t *testing.T, at string) []byte {
	t.Helper()
	k, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(map[string]string{
		"type": "service_account", "client_email": "gateway@clinic.example", "private_key_id": "secret-key-id", "token_uri": at + "/token",
		"private_key": string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})),
	})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// federated is a file of workload identity federation whose subject lies beside it.
func federated(t *testing.T, at string) []byte {
	t.Helper()
	subject := filepath.Join(t.TempDir(), "subject")
	if err := os.WriteFile(subject, []byte("subject-token"), 0o600); err != nil {
		t.Fatal(err)
	}
	return fmt.Appendf(nil, `{"type":"external_account","audience":"//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/q",
		"subject_token_type":"urn:ietf:params:oauth:token-type:jwt","token_url":%q,"credential_source":{"file":%q}}`, at+"/sts", subject)
}

func TestTokens(t *testing.T) {
	e := newEndpoints(t)
	t.Setenv("GCE_METADATA_HOST", strings.TrimPrefix(e.URL, "http://"))
	scopes := []string{"https://www.googleapis.com/auth/bigquery"}
	for _, tc := range []struct {
		name    string
		o       googleauth.Options
		secret  []byte
		want    string
		wanting string
	}{
		{"a key's access token", googleauth.Options{Scopes: scopes}, key(t, e.URL), "from-key-", "auth/bigquery"},
		{"a key's ID token", googleauth.Options{Audience: "https://f.example"}, key(t, e.URL), "h.", "https://f.example"},
		{"a key as another", googleauth.Options{Scopes: scopes, Impersonate: "other@clinic.example"}, key(t, e.URL), "as-other by Bearer from-key-", "cloud-platform"},
		{"a key's ID token as another", googleauth.Options{Audience: "a", Impersonate: "other@clinic.example"}, key(t, e.URL), "id-as-other by Bearer from-key-", "cloud-platform"},
		{"federation", googleauth.Options{Scopes: scopes}, federated(t, e.URL), "federated", ""},
		{"federation as another", googleauth.Options{Audience: "a", Impersonate: "other@clinic.example"}, federated(t, e.URL), "id-as-other by Bearer federated", ""},
		{"the machine", googleauth.Options{Scopes: scopes, Machine: true}, nil, "machine", ""},
		{"the machine's ID token", googleauth.Options{Audience: "https://f.example/?a=b", Machine: true}, nil, "machine-id", "https://f.example/?a=b"},
		{"the machine as another", googleauth.Options{Scopes: scopes, Machine: true, Impersonate: "other@clinic.example"}, nil, "as-other by Bearer machine", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			e.wanted = ""
			tc.o.IAM, tc.o.Now = e.URL, time.Now
			s := googleauth.New(tc.o)
			defer s.Close()
			read := 0
			secret := func(context.Context) ([]byte, func(), error) { read++; return tc.secret, func() { read-- }, nil }
			for range 2 {
				got, err := s.Token(t.Context(), secret)
				if err != nil || !strings.HasPrefix(got, tc.want) {
					t.Fatalf("token %q, %v", got, err)
				}
			}
			if !strings.Contains(e.wanted, tc.wanting) {
				t.Errorf("asked for %s, want %s in it", e.wanted, tc.wanting)
			}
			if read != 0 {
				t.Errorf("the secret is still held %d times", read)
			}
		})
	}
}

// TestKept wants one token for many requests, a new one when it is about to end,
// and the secret to be read again after a failure.
func TestKept(t *testing.T) {
	e := newEndpoints(t)
	s := googleauth.New(googleauth.Options{Scopes: []string{"x"}, Now: time.Now})
	defer s.Close()
	read := 0
	k := key(t, e.URL)
	secret := func(context.Context) ([]byte, func(), error) { read++; return k, func() {}, nil }
	ask := func() string {
		t.Helper()
		got, err := s.Token(t.Context(), secret)
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	if a, b := ask(), ask(); a != b || e.asked["token"] != 1 || read != 1 {
		t.Errorf("%s and %s by %d requests, %d reads", a, b, e.asked["token"], read)
	}
	s2 := googleauth.New(googleauth.Options{Scopes: []string{"x"}, Now: time.Now})
	defer s2.Close()
	e.expiry = 30 * time.Second
	first, err := s2.Token(t.Context(), secret)
	second, err2 := s2.Token(t.Context(), secret)
	if err != nil || err2 != nil || first == second {
		t.Errorf("a token that is about to end was used again: %v %v", err, err2)
	}
	e.broken = true
	_, err = s2.Token(t.Context(), secret)
	if err == nil || strings.Contains(err.Error(), "revoked") || strings.Contains(err.Error(), "secret") {
		t.Errorf("an answer without a token gave %v", err)
	}
	e.broken = false
	before := read
	if _, err := s2.Token(t.Context(), secret); err != nil || read != before+1 {
		t.Errorf("after a failure: %v, the secret was read %d times", err, read-before)
	}
}

// TestWhoWaitsMayLeave has a secret that does not come.
func TestWhoWaitsMayLeave(t *testing.T) {
	s := googleauth.New(googleauth.Options{Scopes: []string{"x"}, Now: time.Now})
	defer s.Close()
	asked, end := make(chan struct{}), make(chan struct{})
	done := make(chan error, 1)
	go func() {
		_, err := s.Token(t.Context(), func(context.Context) ([]byte, func(), error) {
			close(asked)
			<-end
			return nil, nil, errors.New("the vault is sealed")
		})
		done <- err
	}()
	<-asked
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Token(ctx, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("who left was told %v", err)
	}
	close(end)
	if err := <-done; err == nil {
		t.Error("a token without a secret")
	}
}

func TestSecretsThatAreNone(t *testing.T) {
	for name, tc := range map[string]struct {
		o      googleauth.Options
		secret string
	}{
		"no JSON":               {googleauth.Options{}, "private-stuff"},
		"a user's file":         {googleauth.Options{}, `{"type":"authorized_user","refresh_token":"private-stuff"}`},
		"half a key":            {googleauth.Options{}, `{"type":"service_account","private_key":"private-stuff"}`},
		"no ID from federation": {googleauth.Options{Audience: "a"}, `{"type":"external_account","token_url":"private-stuff"}`},
	} {
		s := googleauth.New(tc.o)
		_, err := s.Token(t.Context(), func(context.Context) ([]byte, func(), error) { return []byte(tc.secret), func() {}, nil })
		if err == nil || strings.Contains(err.Error(), "private-stuff") {
			t.Errorf("%s: %v", name, err)
		}
		s.Close()
	}
	s := googleauth.New(googleauth.Options{})
	defer s.Close()
	sealed := errors.New("the vault is sealed")
	if _, err := s.Token(t.Context(), func(context.Context) ([]byte, func(), error) { return nil, nil, sealed }); !errors.Is(err, sealed) {
		t.Errorf("a vault that gives nothing: %v", err)
	}
}
