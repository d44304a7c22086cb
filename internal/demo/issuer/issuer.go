// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

// Package issuer is a small OpenID Connect issuer for demonstrations and tests:
// discovery, a key set, and tokens with any claims. It listens on loopback only
// and proves nothing about anybody.
package issuer

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	sallyport "github.com/sallyport-dev/sallyport"
)

// Audience is the audience of the issuer's tokens.
const Audience = "sallyport"

// keyID names the issuer's only key.
const keyID = "demo-1"

// Issuer is a running issuer.
type Issuer struct {
	// URL is the issuer's identifier and the base of its documents.
	URL string

	signer jose.Signer
	now    func() time.Time
	srv    *http.Server
	done   sync.WaitGroup
}

// Start makes a key and serves on a free loopback port until Close.
func Start(ctx context.Context, rand io.Reader, now func() time.Time) (*Issuer, error) {
	bad := func(err error) error {
		return sallyport.E(sallyport.Unavailable, "issuer", "the demonstration's issuer cannot start").Because(err)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand)
	if err != nil {
		return nil, bad(err)
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: key, KeyID: keyID}},
		(&jose.SignerOptions{}).WithType("JWT"))
	if err != nil {
		return nil, bad(err)
	}
	ln, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, bad(err)
	}
	i := &Issuer{URL: "http://" + ln.Addr().String(), signer: signer, now: now}
	mux := http.NewServeMux()
	serve := func(path string, doc any) {
		mux.HandleFunc("GET "+path, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			_ = json.NewEncoder(w).Encode(doc) // a client that is gone needs no answer
		})
	}
	serve("/.well-known/openid-configuration", map[string]any{
		"issuer": i.URL, "jwks_uri": i.URL + "/jwks", "authorization_endpoint": i.URL + "/authorize",
		"response_types_supported": []string{"id_token"}, "subject_types_supported": []string{"public"},
		"id_token_signing_alg_values_supported": []string{"ES256"},
	})
	serve("/jwks", jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: key.Public(), KeyID: keyID, Algorithm: "ES256", Use: "sig"}}})
	i.srv = &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	i.done.Go(func() { _ = i.srv.Serve(ln) }) // it ends with Close
	return i, nil
}

// Token returns a token for subject that lives for life, with further claims.
func (i *Issuer) Token(subject string, life time.Duration, claims map[string]any) (string, error) {
	now := i.now()
	all := map[string]any{
		"iss": i.URL, "sub": subject, "aud": Audience, "iat": now.Unix(), "nbf": now.Unix(), "exp": now.Add(life).Unix(),
	}
	maps.Copy(all, claims)
	return jwt.Signed(i.signer).Claims(all).Serialize()
}

// Close stops the issuer and waits for it.
func (i *Issuer) Close() error {
	err := i.srv.Close()
	i.done.Wait()
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}
