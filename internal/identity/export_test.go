// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package identity

import "time"

// ParseForTest reads a token without judging it.
func ParseForTest(raw string) (header, payload map[string]any, err error) {
	c, err := parseCompact(raw)
	return c.header, c.payload, err
}

// ParseKeySetForTest returns how many usable keys a JWK set holds.
func ParseKeySetForTest(raw []byte) (int, error) {
	s, err := parseKeySet(raw, time.Unix(0, 0))
	if err != nil {
		return 0, err
	}
	return len(s.keys), nil
}

// MayDialForTest asks whether an issuer's documents may come from the address.
func MayDialForTest(loopback bool, address string) error {
	return dialControl(loopback)("tcp", address, nil)
}

// ReadAssertionForTest judges the claims of an assertion as if its signature
// were good.
func ReadAssertionForTest(payload []byte, now time.Time) (Assertion, error) {
	c, err := parseObject(payload)
	if err != nil {
		return Assertion{}, err
	}
	k := &signingKey{Key: Key{ID: "k", Principal: "key:k"}}
	a := Assertion{Principal: k.principal("", now)}
	err = k.read(c, &a, []string{"https://gw.example/v1/token"}, now)
	return a, err
}

// ParsePublicKeyForTest reads a public key and returns the algorithm it is for.
func ParsePublicKeyForTest(raw []byte) (string, error) {
	_, alg, err := parsePublicKey(raw)
	return string(alg), err
}

// UndressForTest is what the gateway makes of a presented bearer.
func UndressForTest(raw string) string { return undress(raw) }
