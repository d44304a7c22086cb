// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package bigquery

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/base64"
	"io"

	sallyport "github.com/sallyport-dev/sallyport"
)

// sealer makes of what the service hands out for later use, such as page tokens
// and addresses of uploads, something that is good for one caller and one purpose.
// Nothing has to be remembered for it; a restart makes all of it void.
type sealer struct {
	aead   cipher.AEAD
	random io.Reader
}

func newSealer(random io.Reader) (*sealer, error) {
	key := make([]byte, 32)
	if _, err := io.ReadFull(random, key); err != nil {
		return nil, noRandomness(err)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, sallyport.E(sallyport.Internal, "bigquery", "no cipher for tokens").Because(err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return nil, sallyport.E(sallyport.Internal, "bigquery", "no cipher for tokens").Because(err)
	}
	return &sealer{aead, random}, nil
}

func noRandomness(err error) error {
	return sallyport.E(sallyport.Internal, "bigquery", "there is no randomness").Because(err)
}

// seal makes a token for a purpose, which says whose it is and what for.
func (s *sealer) seal(purpose, value string) (string, error) {
	nonce := make([]byte, s.aead.NonceSize())
	if _, err := io.ReadFull(s.random, nonce); err != nil {
		return "", noRandomness(err)
	}
	return base64.RawURLEncoding.EncodeToString(s.aead.Seal(nonce, nonce, []byte(value), []byte(purpose))), nil
}

// open returns what a token was made of, if it was for this purpose.
func (s *sealer) open(purpose, token string) (string, error) {
	b, err := base64.RawURLEncoding.DecodeString(token)
	if n := s.aead.NonceSize(); err == nil && len(b) > n {
		if v, err := s.aead.Open(nil, b[:n], b[n:], []byte(purpose)); err == nil {
			return string(v), nil
		}
	}
	return "", sallyport.E(sallyport.NotFound, "bigquery", "the token is not one that this caller got here for this").
		WithHint("begin again without it; tokens do not survive a restart of the gateway")
}
