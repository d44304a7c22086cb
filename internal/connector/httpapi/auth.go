// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package httpapi

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"sync"
	"time"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/google"
	"golang.org/x/oauth2/jwt"

	"github.com/sallyport-dev/sallyport/internal/session"
	"github.com/sallyport-dev/sallyport/internal/vault"
)

// Mode is how the gateway proves itself to an API.
type Mode string

// The modes. All but AuthNone take the resource's credential from the vault.
const (
	AuthNone   Mode = "none"
	AuthBearer Mode = "bearer" // the secret is a token
	AuthBasic  Mode = "basic"
	AuthHeader Mode = "header" // the secret is the value of a header
	// AuthGoogleID mints ID tokens for an audience, as Cloud Functions and Cloud Run
	// want them; AuthGoogle access tokens for scopes, as Google's APIs do. The secret
	// is a service account's key in JSON.
	AuthGoogleID Mode = "google-id-token"
	AuthGoogle   Mode = "google"
)

// Auth is how the gateway proves itself to an API.
type Auth struct {
	Mode     Mode
	Header   string   // of AuthHeader
	Audience string   // of AuthGoogleID; the API's address when it is empty
	Scopes   []string // of AuthGoogle
}

// authority puts the gateway's credential on requests.
type authority struct {
	auth Auth
	// client gets tokens. Its answers are not those of the API.
	client *http.Client

	mu     sync.Mutex
	source oauth2.TokenSource // guarded by mu; nil until a key was leased
}

func newAuthority(a Auth, base *url.URL, transport http.RoundTripper) *authority {
	if a.Mode == AuthGoogleID && a.Audience == "" {
		a.Audience = base.Scheme + "://" + base.Host
	}
	return &authority{auth: a, client: &http.Client{Transport: transport, Timeout: 15 * time.Second}}
}

// sign adds the credential to a request.
func (a *authority) sign(ctx context.Context, s *session.Session, r *http.Request) error {
	if a.auth.Mode == AuthNone {
		return nil
	}
	if a.auth.Mode == AuthGoogleID || a.auth.Mode == AuthGoogle {
		token, err := a.token(ctx, s)
		if err != nil {
			return err
		}
		r.Header.Set("Authorization", "Bearer "+token)
		return nil
	}
	lease, err := s.Lease(ctx)
	if err != nil {
		return err
	}
	defer lease.Release()
	switch a.auth.Mode {
	case AuthBearer:
		r.Header.Set("Authorization", "Bearer "+string(lease.Password()))
	case AuthBasic:
		r.SetBasicAuth(lease.Username(), string(lease.Password()))
	case AuthHeader:
		r.Header.Set(a.auth.Header, string(lease.Password()))
	default:
		return errors.New("the way to log in is not known")
	}
	return nil
}

// token returns a token of Google's, which is kept until shortly before its end.
func (a *authority) token(ctx context.Context, s *session.Session) (string, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.source == nil {
		lease, err := s.Lease(ctx)
		if err != nil {
			return "", err
		}
		defer lease.Release()
		if a.source, err = a.open(ctx, lease); err != nil {
			return "", err
		}
	}
	t, err := a.source.Token()
	if err != nil {
		var refused *oauth2.RetrieveError
		if errors.As(err, &refused) {
			return "", errors.New("the token endpoint answers " + refused.Response.Status)
		}
		return "", errors.New("the token endpoint cannot be asked")
	}
	return t.AccessToken, nil
}

// open makes the source of tokens of a service account's key.
func (a *authority) open(ctx context.Context, lease *vault.Lease) (oauth2.TokenSource, error) {
	cfg, err := google.JWTConfigFromJSON(lease.Password(), a.auth.Scopes...)
	if err != nil {
		return nil, errors.New("the secret is no service account's key in JSON")
	}
	if a.auth.Mode == AuthGoogleID {
		cfg = &jwt.Config{
			Email: cfg.Email, PrivateKey: cfg.PrivateKey, PrivateKeyID: cfg.PrivateKeyID, TokenURL: cfg.TokenURL, Subject: cfg.Subject,
			PrivateClaims: map[string]any{"target_audience": a.auth.Audience}, UseIDToken: true,
		}
	}
	// Tokens are renewed long after the request that asked for the first one.
	return cfg.TokenSource(context.WithValue(context.WithoutCancel(ctx), oauth2.HTTPClient, a.client)), nil
}
