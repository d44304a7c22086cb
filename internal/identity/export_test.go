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
