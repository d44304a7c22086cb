// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package connect_test

import (
	"crypto/x509"
	"testing"
	"time"
)

// TestLongSilence: an authority that ended while nobody asked for it is replaced, in a
// gateway that ran all the while and in one that did not.
func TestLongSilence(t *testing.T) {
	t.Parallel()
	for name, restart := range map[string]bool{"running": false, "down": true} {
		p := newPlace(t)
		a := p.open(t)
		p.now = p.now.Add(400 * 24 * time.Hour)
		if restart {
			a = p.open(t)
		}
		c, err := a.Certificate(service)
		if err != nil {
			t.Fatal(err)
		}
		text, err := a.PEM()
		if err != nil {
			t.Fatal(err)
		}
		roots := x509.NewCertPool()
		roots.AppendCertsFromPEM(text)
		if _, err := c.Leaf.Verify(x509.VerifyOptions{Roots: roots, DNSName: service, CurrentTime: p.now}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
