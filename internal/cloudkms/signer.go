// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package cloudkms

import (
	"crypto"
	"crypto/ed25519"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io"
	"net/http"
	"strings"

	sallyport "github.com/sallyport-dev/sallyport"
)

// Signer returns the key of Ed25519 that a URI names
// ("gcp-kms://projects/P/locations/L/keyRings/R/cryptoKeys/K/cryptoKeyVersions/1").
// A version is named, since another one is another key. Errors: Invalid for
// another URI or another kind of key, Unavailable when the service cannot be
// asked for the public key.
func (c *Client) Signer(uri string) (crypto.Signer, error) {
	name := strings.TrimPrefix(uri, Scheme)
	if !c.Supported(uri) || !versionName.MatchString(name) {
		return nil, sallyport.E(sallyport.Invalid, op, "a key that signs is \""+Scheme+"projects/P/locations/L/keyRings/R/cryptoKeys/K/cryptoKeyVersions/1\"")
	}
	var out struct {
		Name string `json:"name"`
		PEM  string `json:"pem"`
		Sum  string `json:"pemCrc32c"`
	}
	if err := c.ask(http.MethodGet, name+"/publicKey", nil, &out); err != nil {
		return nil, err
	}
	if out.Name != name || out.Sum != sum([]byte(out.PEM)) {
		return nil, failed(errChanged)
	}
	block, _ := pem.Decode([]byte(out.PEM))
	if block == nil {
		return nil, failed(errors.New("the public key is not in PEM"))
	}
	key, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		return nil, failed(err)
	}
	public, ok := key.(ed25519.PublicKey)
	if !ok {
		return nil, sallyport.E(sallyport.Invalid, op, "the key is not one of Ed25519").
			WithHint("make one with: gcloud kms keys create NAME --purpose asymmetric-signing --default-algorithm ec-sign-ed25519")
	}
	return signer{c, name, public}, nil
}

// signer is a key of Ed25519 as a [crypto.Signer].
type signer struct {
	c      *Client
	name   string
	public ed25519.PublicKey
}

// Public implements [crypto.Signer].
func (s signer) Public() crypto.PublicKey { return s.public }

// Sign implements [crypto.Signer] for the message itself (RFC 8032).
func (s signer) Sign(_ io.Reader, message []byte, opts crypto.SignerOpts) ([]byte, error) {
	if opts.HashFunc() != 0 {
		return nil, sallyport.E(sallyport.Internal, op, "a digest cannot be signed")
	}
	var out struct {
		Name      string `json:"name"`
		Signature []byte `json:"signature"`
		Sum       string `json:"signatureCrc32c"`
		Verified  bool   `json:"verifiedDataCrc32c"`
	}
	if err := s.c.ask(http.MethodPost, s.name+":asymmetricSign", map[string]any{"data": message, "dataCrc32c": sum(message)}, &out); err != nil {
		return nil, err
	}
	if out.Name != s.name || !out.Verified || out.Sum != sum(out.Signature) || !ed25519.Verify(s.public, message, out.Signature) {
		return nil, failed(errChanged)
	}
	return out.Signature, nil
}
