// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package identity_test

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/google/go-cmp/cmp"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/identity"
	"github.com/sallyport-dev/sallyport/test/kubepeer"
)

// clusterIssuer is how a gateway is told of a cluster, as docs/reference/kubernetes-identity.md has it.
func clusterIssuer(c *kubepeer.Cluster, uid string) identity.Issuer {
	return identity.Issuer{
		Name: "cluster", URL: c.URL, Audiences: []string{"sallyport"}, Algorithms: []string{"RS256"}, TokenTypes: []string{""}, CAFile: c.CAFile,
		Map: []identity.Rule{{
			When:      map[string]identity.Values{"/kubernetes.io/namespace": {"etl"}, "/kubernetes.io/serviceaccount/uid": {uid}},
			Principal: "k8s:{sub}", Kind: sallyport.ServiceAccount, Groups: []string{"ci"}, Attributes: []string{"/kubernetes.io/serviceaccount/uid", "/kubernetes.io/namespace"},
		}},
	}
}

func clusterVerifier(t *testing.T, is identity.Issuer, now func() time.Time) *identity.Verifier {
	t.Helper()
	v, err := identity.New(t.Context(), identity.Config{Issuers: []identity.Issuer{is}}, identity.Deps{Journal: &journal{}, Now: now})
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// TestClusterAsIssuer logs in with the tokens that a cluster projects into its pods,
// whose issuer has a private authority and shows its keys to those who may see them.
func TestClusterAsIssuer(t *testing.T) {
	t.Parallel()
	c := kubepeer.Start(t)
	c.Namespace("etl", nil)
	c.Namespace("other", nil)
	uid := c.ServiceAccount("etl", "app")
	c.ServiceAccount("etl", "twin")
	c.ServiceAccount("other", "app")
	token := c.ServiceAccountToken("etl", "app", "sallyport")
	is := clusterIssuer(c, uid)

	// Nobody may see the keys yet: no login, and not the token's fault.
	if status, _ := c.Anonymous("/openid/v1/jwks"); status != http.StatusForbidden && status != http.StatusUnauthorized {
		t.Fatalf("the keys are shown to everybody: %d", status)
	}
	_, err := clusterVerifier(t, is, time.Now).Verify(t.Context(), token)
	wantKind(t, err, sallyport.Unavailable)

	t.Run("keys from a file", func(t *testing.T) { keysOfCluster(t, c, is, token) })

	c.Create("/apis/rbac.authorization.k8s.io/v1/clusterrolebindings", map[string]any{
		"metadata": map[string]any{"name": "issuer-discovery"},
		"roleRef":  map[string]any{"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "system:service-account-issuer-discovery"},
		"subjects": []any{map[string]any{"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": "system:unauthenticated"}},
	})
	c.Wait("the binding", func() bool { status, _ := c.Anonymous("/openid/v1/jwks"); return status == http.StatusOK })
	v := clusterVerifier(t, is, time.Now)
	p, err := v.Verify(t.Context(), token)
	if err != nil {
		t.Fatal(err)
	}
	wantApp(t, c, p, uid)
	refusedOfCluster(t, c, v, is, token)
}

func wantApp(t *testing.T, c *kubepeer.Cluster, p sallyport.Principal, uid string) {
	t.Helper()
	p.Authn = sallyport.Authentication{}
	want := sallyport.Principal{
		ID: "k8s:system:serviceaccount:etl:app", Kind: sallyport.ServiceAccount, Groups: []string{"ci"},
		Attributes: map[string]string{"uid": uid, "namespace": "etl"}, Subject: sallyport.Subject{Issuer: c.URL, ID: "system:serviceaccount:etl:app"},
	}
	if d := cmp.Diff(want, p); d != "" {
		t.Errorf("principal (-want +got):\n%s", d)
	}
}

// keysOfCluster has an operator, who may see the keys, put them into a file.
func keysOfCluster(t *testing.T, c *kubepeer.Cluster, is identity.Issuer, token string) {
	status, keys, err := c.Do(http.MethodGet, "/openid/v1/jwks", nil)
	if err != nil || status != http.StatusOK {
		t.Fatalf("the keys: %d %v", status, err)
	}
	is.Keys.File = filepath.Join(t.TempDir(), "cluster.jwks.json")
	is.CAFile = "" // nothing is fetched
	if err := os.WriteFile(is.Keys.File, []byte(keys), 0o600); err != nil {
		t.Fatal(err)
	}
	p, err := clusterVerifier(t, is, time.Now).Verify(t.Context(), token)
	if err != nil {
		t.Fatal(err)
	}
	wantApp(t, c, p, is.Map[0].When["/kubernetes.io/serviceaccount/uid"][0])
}

func refusedOfCluster(t *testing.T, c *kubepeer.Cluster, v *identity.Verifier, is identity.Issuer, token string) {
	t.Helper()
	refuse := func(name string, v *identity.Verifier, token, reason string) {
		t.Helper()
		_, err := v.Verify(t.Context(), token)
		wantKind(t, err, sallyport.Unauthenticated)
		if err != nil && !strings.Contains(err.Error(), reason) {
			t.Errorf("%s: want %q, got: %v", name, reason, err)
		}
	}
	refuse("another audience", v, c.ServiceAccountToken("etl", "app", "vault"), "(aud)")
	refuse("the cluster's own audience", v, c.ServiceAccountToken("etl", "app", c.URL), "(aud)")
	refuse("the same name in another namespace", v, c.ServiceAccountToken("other", "app", "sallyport"), "rule")
	refuse("another account of the namespace", v, c.ServiceAccountToken("etl", "twin", "sallyport"), "rule")
	refuse("expired", clusterVerifier(t, is, func() time.Time { return time.Now().Add(time.Hour) }), token, "expired")
	refuse("not a token at all", v, c.AdminToken, "")

	elsewhere := is
	elsewhere.URL = "https://kubernetes.default.svc"
	refuse("another issuer", clusterVerifier(t, elsewhere, time.Now), token, "issuer")
	typed := is
	typed.TokenTypes = nil
	refuse("tokens have no type", clusterVerifier(t, typed, time.Now), token, "typ")

	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.RS256, Key: jose.JSONWebKey{Key: rsaKey(), KeyID: keyIDOf(t, token)}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := jose.ParseSignedCompact(token, []jose.SignatureAlgorithm{jose.RS256})
	if err != nil {
		t.Fatal(err)
	}
	forged, err := signer.Sign(parsed.UnsafePayloadWithoutVerification())
	if err != nil {
		t.Fatal(err)
	}
	compact, err := forged.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	refuse("the same claims signed by another key", v, compact, "signature")

	// A service account that is made again under its name is somebody else.
	path := "/api/v1/namespaces/etl/serviceaccounts/app"
	if status, body, err := c.Do(http.MethodDelete, path, nil); err != nil || status != http.StatusOK {
		t.Fatalf("delete: %d %s %v", status, body, err)
	}
	c.ServiceAccount("etl", "app")
	refuse("an account made again", v, c.ServiceAccountToken("etl", "app", "sallyport"), "rule")
}

func keyIDOf(t *testing.T, token string) string {
	t.Helper()
	parsed, err := jose.ParseSignedCompact(token, []jose.SignatureAlgorithm{jose.RS256})
	if err != nil {
		t.Fatal(err)
	}
	return parsed.Signatures[0].Header.KeyID
}
