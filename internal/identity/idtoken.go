// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package identity

import (
	"encoding/base64"
	"encoding/json"
	"strings"
	"time"

	sallyport "github.com/sallyport-dev/sallyport"
)

// idTokenHead is the first part of every [IDToken]: {"alg":"spt","typ":"JWT"}.
// The algorithm is registered nowhere, so nobody takes the rest for signed.
const idTokenHead = "eyJhbGciOiJzcHQiLCJ0eXAiOiJKV1QifQ"

// IDClaims is what an [IDToken] shows.
type IDClaims struct {
	Issuer   string                `json:"iss"`
	Subject  sallyport.PrincipalID `json:"sub,omitempty"`
	Audience string                `json:"aud"`
	Email    string                `json:"email"`
	IssuedAt int64                 `json:"iat"` // seconds since 1970
	Expires  int64                 `json:"exp"`
}

// NewIDClaims describes a token that was issued now for a target.
func NewIDClaims(issuer string, t Target, audience string, now, end time.Time) IDClaims {
	if audience == "" {
		audience = t.Audience()
	}
	return IDClaims{Issuer: issuer, Audience: audience, Email: t.Account(), IssuedAt: now.Unix(), Expires: end.Unix()}
}

// IDToken dresses a gateway token as a JSON Web Token, for clients that read
// the expiry and the address out of every ID token before they send it on, and
// fail on one that they cannot decode. The gateway token stands where the
// signature would; the claims in front of it are for reading and are believed by
// nobody, the gateway included.
func IDToken(token string, c IDClaims) (string, error) {
	b, err := json.Marshal(c)
	if err != nil {
		return "", sallyport.E(sallyport.Internal, "ID token", "the claims are no JSON").Because(err)
	}
	return idTokenHead + "." + base64.RawURLEncoding.EncodeToString(b) + "." + token, nil
}

// undress returns the gateway token of an [IDToken], and anything else as it is.
func undress(raw string) string {
	rest, ok := strings.CutPrefix(raw, idTokenHead+".")
	if !ok || len(raw) > MaxToken {
		return raw
	}
	if _, token, ok := strings.Cut(rest, "."); ok && strings.HasPrefix(token, TokenPrefix) {
		return token
	}
	return raw
}
