// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

// Package googleauth gets the tokens by which the gateway itself logs in to
// Google's services: with a service account's key or a workload identity
// federation's file from the vault, with what the machine's metadata server
// gives, and, on top of either, as another service account.
//
// No token of these ever reaches a caller.
package googleauth

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"cloud.google.com/go/compute/metadata"
	"golang.org/x/oauth2"
	"golang.org/x/oauth2/google"
	"golang.org/x/oauth2/jwt"
)

// Options say what the tokens are good for, and as whom.
type Options struct {
	// Audience wants ID tokens for it, as Cloud Functions and Cloud Run do. Empty
	// wants access tokens for Scopes, as Google's APIs do.
	Audience string
	Scopes   []string
	// Impersonate is the address of the service account that the tokens are of, by
	// the IAM Credentials API; empty means the credential's own.
	Impersonate string
	// Machine takes the metadata server of the machine in place of a secret.
	Machine bool
	// IAM is where the IAM Credentials API is; empty means Google's.
	IAM string
	// Now is the clock that tokens end by.
	Now func() time.Time
}

// Secret gives the credential in JSON, and how to let go of it.
type Secret func(context.Context) (secret []byte, release func(), err error)

// Source gets tokens and keeps each until shortly before its end. It is safe for
// concurrent use.
type Source struct {
	o Options
	// client asks the token endpoints; its connections are not those to a target.
	client    *http.Client
	transport *http.Transport

	// turn is held by whoever asks; it has one place. It is no mutex, since a token
	// endpoint can be slow and who waits may leave.
	turn   chan struct{}
	source oauth2.TokenSource // guarded by turn; nil until a secret was read
}

const (
	iamEndpoint = "https://iamcredentials.googleapis.com"
	platform    = "https://www.googleapis.com/auth/cloud-platform"
	patience    = 15 * time.Second // for one answer of a token endpoint
	early       = time.Minute      // before its end a token is not used any more
	maxAnswer   = 64 << 10         // bytes
	lifetime    = "3600s"          // of tokens of another account, the API's default
)

// New returns a source. It asks nothing yet.
func New(o Options) *Source {
	t := &http.Transport{TLSHandshakeTimeout: 10 * time.Second, MaxIdleConns: 4, IdleConnTimeout: time.Minute, ForceAttemptHTTP2: true}
	if o.IAM == "" {
		o.IAM = iamEndpoint
	}
	return &Source{o: o, turn: make(chan struct{}, 1), transport: t, client: &http.Client{Transport: t, Timeout: patience}}
}

// Close ends idle connections.
func (s *Source) Close() { s.transport.CloseIdleConnections() }

// Token returns a token that is good for at least a minute. After a failure the
// secret is read again, so that a key that was changed in the vault takes effect.
// Errors tell no part of a credential or of an answer.
func (s *Source) Token(ctx context.Context, secret Secret) (string, error) {
	select {
	case s.turn <- struct{}{}:
		defer func() { <-s.turn }()
	case <-ctx.Done():
		return "", context.Cause(ctx)
	}
	if s.source == nil {
		source, err := s.open(ctx, secret)
		if err != nil {
			return "", err
		}
		s.source = oauth2.ReuseTokenSourceWithExpiry(nil, source, early)
	}
	t, err := s.source.Token()
	if err != nil {
		s.source = nil
		return "", told(err)
	}
	return t.AccessToken, nil
}

// told keeps what a token endpoint answered out of an error.
func told(err error) error {
	var own *refusedError
	var refused *oauth2.RetrieveError
	switch {
	case errors.As(err, &own):
		return own
	case errors.As(err, &refused) && refused.Response != nil:
		return &refusedError{"the token endpoint", refused.Response.Status}
	}
	return errors.New("the token endpoint cannot be asked")
}

// refusedError is an answer that is no token.
type refusedError struct{ who, status string }

func (e *refusedError) Error() string { return e.who + " answers " + e.status }

// open makes the source that the options ask for.
func (s *Source) open(ctx context.Context, secret Secret) (oauth2.TokenSource, error) {
	// Tokens are renewed long after the request that asked for the first one.
	ctx = context.WithValue(context.WithoutCancel(ctx), oauth2.HTTPClient, s.client)
	scopes := s.o.Scopes
	if s.o.Impersonate != "" {
		scopes = []string{platform}
	}
	if s.o.Machine {
		return s.machine(ctx, scopes), nil
	}
	b, release, err := secret(ctx)
	if err != nil {
		return nil, err
	}
	defer release()
	base, err := s.fromSecret(ctx, b, scopes)
	if err != nil || s.o.Impersonate == "" {
		return base, err
	}
	return &impersonated{s: s, ctx: ctx, base: oauth2.ReuseTokenSourceWithExpiry(nil, base, early)}, nil
}

// machine are tokens of the machine's own account.
func (s *Source) machine(ctx context.Context, scopes []string) oauth2.TokenSource {
	switch {
	case s.o.Impersonate != "":
		return &impersonated{s: s, ctx: ctx, base: google.ComputeTokenSource("", scopes...)}
	case s.o.Audience != "":
		return &machineID{ctx: ctx, audience: s.o.Audience, now: s.o.Now}
	}
	return google.ComputeTokenSource("", scopes...)
}

// fromSecret are tokens by a credential in JSON.
func (s *Source) fromSecret(ctx context.Context, b []byte, scopes []string) (oauth2.TokenSource, error) {
	var head struct {
		Type google.CredentialsType `json:"type"`
	}
	if json.Unmarshal(b, &head) != nil {
		return nil, errors.New("the secret is no credential in JSON")
	}
	switch head.Type {
	case google.ServiceAccount:
		cfg, err := google.JWTConfigFromJSON(b, scopes...)
		if err != nil {
			return nil, errors.New("the secret is no service account's key")
		}
		if s.o.Audience != "" && s.o.Impersonate == "" {
			cfg = &jwt.Config{
				Email: cfg.Email, PrivateKey: cfg.PrivateKey, PrivateKeyID: cfg.PrivateKeyID, TokenURL: cfg.TokenURL, Subject: cfg.Subject,
				PrivateClaims: map[string]any{"target_audience": s.o.Audience}, UseIDToken: true,
			}
		}
		return cfg.TokenSource(ctx), nil
	case google.ExternalAccount, google.ImpersonatedServiceAccount:
		if s.o.Audience != "" && s.o.Impersonate == "" {
			return nil, errors.New("a credential of this type gives no ID tokens by itself; name the service account to impersonate")
		}
		found, err := google.CredentialsFromJSONWithType(ctx, b, head.Type, scopes...)
		if err != nil {
			return nil, errors.New("the secret is no credential of the type that it names")
		}
		return found.TokenSource, nil
	}
	return nil, errors.New("the secret's type is none of service_account, external_account and impersonated_service_account")
}

// machineID are ID tokens of the machine's own account.
type machineID struct {
	ctx      context.Context
	audience string
	now      func() time.Time
}

// Token implements [oauth2.TokenSource].
func (m *machineID) Token() (*oauth2.Token, error) {
	ctx, cancel := context.WithTimeout(m.ctx, patience)
	defer cancel()
	t, err := metadata.GetWithContext(ctx, "instance/service-accounts/default/identity?format=full&audience="+url.QueryEscape(m.audience))
	if err != nil {
		return nil, errors.New("the metadata server gives no ID token")
	}
	// It lives for an hour, and the metadata server keeps it for a part of that.
	return &oauth2.Token{AccessToken: strings.TrimSpace(t), Expiry: m.now().Add(5 * time.Minute)}, nil
}

// impersonated are tokens of another service account.
type impersonated struct {
	s    *Source
	ctx  context.Context
	base oauth2.TokenSource
}

// Token implements [oauth2.TokenSource]. The two methods are generateIdToken and
// generateAccessToken of the IAM Service Account Credentials API, v1.
func (i *impersonated) Token() (*oauth2.Token, error) {
	base, err := i.base.Token()
	if err != nil {
		return nil, err
	}
	o := i.s.o
	method, ask := ":generateAccessToken", map[string]any{"scope": o.Scopes, "lifetime": lifetime}
	if o.Audience != "" {
		method, ask = ":generateIdToken", map[string]any{"audience": o.Audience, "includeEmail": true}
	}
	var got struct {
		AccessToken string    `json:"accessToken"`
		ExpireTime  time.Time `json:"expireTime"`
		Token       string    `json:"token"`
	}
	if err := i.call("/v1/projects/-/serviceAccounts/"+url.PathEscape(o.Impersonate)+method, base.AccessToken, ask, &got); err != nil {
		return nil, err
	}
	t := &oauth2.Token{AccessToken: got.AccessToken, Expiry: got.ExpireTime}
	if o.Audience != "" {
		t = &oauth2.Token{AccessToken: got.Token, Expiry: o.Now().Add(55 * time.Minute)} // of the hour that it lives
	}
	if t.AccessToken == "" || t.Expiry.IsZero() {
		return nil, &refusedError{"the IAM Credentials API", "without a token"}
	}
	return t, nil
}

func (i *impersonated) call(path, token string, ask, got any) error {
	b, err := json.Marshal(ask)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(i.ctx, http.MethodPost, i.s.o.IAM+path, bytes.NewReader(b))
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Content-Type", "application/json")
	res, err := i.s.client.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close() //nolint:errcheck // it was read
	answer, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	if err != nil {
		return err
	}
	if res.StatusCode != http.StatusOK {
		return &refusedError{"the IAM Credentials API", res.Status}
	}
	return json.Unmarshal(answer, got)
}
