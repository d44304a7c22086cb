// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

// Package upstream is what connectors share that speak HTTP to their target: how
// the gateway proves itself there.
package upstream

import (
	"context"
	"errors"
	"net/http"
	"net/url"

	"github.com/sallyport-dev/sallyport/internal/googleauth"
	"github.com/sallyport-dev/sallyport/internal/session"
)

// Mode is how the gateway proves itself to an API.
type Mode string

// The modes. All but AuthNone take the resource's credential from the vault, or
// for Google's tokens the machine's.
const (
	AuthNone   Mode = "none"
	AuthBearer Mode = "bearer" // the secret is a token
	AuthBasic  Mode = "basic"
	AuthHeader Mode = "header" // the secret is the value of a header
	// AuthGoogleID mints ID tokens for an audience, as Cloud Functions and Cloud Run
	// want them; AuthGoogle access tokens for scopes, as Google's APIs do. The secret
	// is a credential of Google's in JSON.
	AuthGoogleID Mode = "google-id-token"
	AuthGoogle   Mode = "google"
)

// Auth is how the gateway proves itself to an API.
type Auth struct {
	Mode   Mode
	Header string // of AuthHeader
	// Google says what Google's tokens are for; its audience is the API's address
	// where AuthGoogleID names none.
	Google googleauth.Options
}

// Authority puts the gateway's credential on requests. It is safe for concurrent
// use.
type Authority struct {
	auth   Auth
	google *googleauth.Source // of the two modes of Google's
}

// NewAuthority returns the authority for the API at base.
func NewAuthority(a Auth, base *url.URL) *Authority {
	if a.Mode == AuthGoogleID && a.Google.Audience == "" {
		a.Google.Audience = base.Scheme + "://" + base.Host
	}
	return &Authority{auth: a, google: googleauth.New(a.Google)}
}

// Close ends idle connections to token endpoints.
func (a *Authority) Close() { a.google.Close() }

// Headers are those that a credential stands in.
func (a *Authority) Headers() []string {
	if a.auth.Mode == AuthHeader {
		return []string{"Authorization", a.auth.Header}
	}
	return []string{"Authorization"}
}

// Sign adds the credential to a request.
func (a *Authority) Sign(ctx context.Context, s *session.Session, r *http.Request) error {
	switch a.auth.Mode {
	case AuthNone:
		return nil
	case AuthGoogleID, AuthGoogle:
		token, err := a.google.Token(ctx, func(ctx context.Context) ([]byte, func(), error) {
			lease, err := s.Lease(ctx)
			if err != nil {
				return nil, nil, err
			}
			return lease.Password(), lease.Release, nil
		})
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
