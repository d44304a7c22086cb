// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package vault

import (
	"strings"

	"github.com/tink-crypto/tink-go/v2/aead/subtle"
	"github.com/tink-crypto/tink-go/v2/tink"

	sallyport "github.com/sallyport-dev/sallyport"
)

// KMS gives out keys that never leave a key management service. It is what
// Tink's registry.KMSClient is, so a client of Tink for a cloud or an HSM fits
// as it is.
type KMS interface {
	// Supported reports whether the client knows keys of this URI.
	Supported(uri string) bool
	// GetAEAD returns the key that the URI names.
	GetAEAD(uri string) (tink.AEAD, error)
}

// masterAEAD returns the key at the top of the hierarchy: from a file or the
// environment, or that of a key management service ("gcp-kms://...").
func masterAEAD(o Options) (tink.AEAD, error) {
	const op = "vault master"
	if isKMS(string(o.Master)) {
		for _, c := range o.KMS {
			if !c.Supported(string(o.Master)) {
				continue
			}
			a, err := c.GetAEAD(string(o.Master))
			if err != nil {
				return nil, sallyport.E(sallyport.Unavailable, op, "the key management service does not give the master key").
					WithHint("check the key's URI and that the gateway's account may encrypt and decrypt with it").Because(err)
			}
			return a, nil
		}
		return nil, sallyport.E(sallyport.Invalid, op, "no client for this key management service is built into this gateway").
			WithHint(`use "file:PATH" or "env:NAME", or a build that registers a Tink client for the URI`)
	}
	master, err := readMaster(o.Master, o.Getenv)
	if err != nil {
		return nil, err
	}
	defer clear(master)
	a, err := subtle.NewAESGCM(master)
	if err != nil {
		return nil, sallyport.E(sallyport.Invalid, op, "the master key cannot be used").Because(err)
	}
	return a, nil
}

// attended is a key whose error is kept: Tink hands on its text alone.
type attended struct {
	tink.AEAD
	err error
}

// Encrypt implements [tink.AEAD].
func (a *attended) Encrypt(plaintext, associated []byte) ([]byte, error) {
	b, err := a.AEAD.Encrypt(plaintext, associated)
	a.err = err
	return b, err
}

// Decrypt implements [tink.AEAD].
func (a *attended) Decrypt(ciphertext, associated []byte) ([]byte, error) {
	b, err := a.AEAD.Decrypt(ciphertext, associated)
	a.err = err
	return b, err
}

// explain returns the error of a vault that did not open: where its key was out
// of reach, nothing is wrong with the vault.
func (a *attended) explain(err error) error {
	if a.err == nil || sallyport.KindOf(a.err) != sallyport.Unavailable {
		return err
	}
	return sallyport.E(sallyport.Unavailable, "vault open", "the master key is out of reach").
		WithHint("nothing is wrong with the vault's file; try again when the key management service answers").Because(a.err)
}

// isKMS reports whether uri names a key in a key management service rather than
// a file or a variable: "gcp-kms://", "aws-kms://", "hcvault://".
func isKMS(uri string) bool {
	scheme, rest, ok := strings.Cut(uri, "://")
	switch scheme {
	case "", schemeFile, schemeEnv, schemeVault:
		return false
	}
	return ok && rest != "" && strings.Trim(scheme, "abcdefghijklmnopqrstuvwxyz-") == ""
}
