// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package connect

import (
	"crypto/x509"
	"net"
	"testing"
	"time"
)

// Forge signs certificates for names with an authority's key.
func Forge(t *testing.T, a *Authority, now time.Time, names ...string) map[string]*x509.Certificate {
	t.Helper()
	a.mu.Lock()
	defer a.mu.Unlock()
	out := map[string]*x509.Certificate{}
	for _, name := range names {
		tmpl := &x509.Certificate{NotBefore: now.Add(-time.Hour), NotAfter: now.Add(time.Hour), ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}
		if ip := net.ParseIP(name); ip != nil {
			tmpl.IPAddresses = []net.IP{ip}
		} else {
			tmpl.DNSNames = []string{name}
		}
		made, err := a.sign(tmpl, a.issuers[0])
		if err != nil {
			t.Fatal(err)
		}
		out[name] = made.cert
	}
	return out
}

// Bounded is a listener of n connections at once.
func Bounded(ln net.Listener, n int) net.Listener { return newBounded(ln, n) }
