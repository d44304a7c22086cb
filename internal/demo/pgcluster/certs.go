// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package pgcluster

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

const (
	caFile   = "ca.crt"
	certFile = "server.crt"
	keyFile  = "server.key"
)

// certLife covers the longest demo that somebody leaves running.
const certLife = 30 * 24 * time.Hour

// Certificates are a throw-away authority's certificate and a server's, in PEM.
type Certificates struct {
	CA   []byte
	Cert []byte
	Key  []byte
}

// NewCertificates makes an authority, whose key is forgotten at once, and a
// server certificate for 127.0.0.1 and localhost.
func NewCertificates(random io.Reader, now time.Time) (Certificates, error) {
	caKey, err := ecdsa.GenerateKey(elliptic.P256(), random)
	if err != nil {
		return Certificates{}, err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), random)
	if err != nil {
		return Certificates{}, err
	}
	ca := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "throw-away authority"},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(certLife),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	leaf := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "localhost"},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(certLife),
		DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	caDER, err := x509.CreateCertificate(random, ca, ca, caKey.Public(), caKey)
	if err != nil {
		return Certificates{}, err
	}
	leafDER, err := x509.CreateCertificate(random, leaf, ca, key.Public(), caKey)
	if err != nil {
		return Certificates{}, err
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(crypto.PrivateKey(key))
	if err != nil {
		return Certificates{}, err
	}
	encode := func(kind string, der []byte) []byte { return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}) }
	return Certificates{CA: encode("CERTIFICATE", caDER), Cert: encode("CERTIFICATE", leafDER), Key: encode("PRIVATE KEY", keyDER)}, nil
}

// writeCertificates puts new certificates into dir for the server's account; it
// returns the path of the authority's.
func writeCertificates(dir string, random io.Reader, now time.Time, acct account) (string, error) {
	certs, err := NewCertificates(random, now)
	if err != nil {
		return "", err
	}
	for _, f := range []struct {
		name string
		pem  []byte
		mode os.FileMode
	}{{caFile, certs.CA, 0o644}, {certFile, certs.Cert, 0o644}, {keyFile, certs.Key, 0o600}} {
		path := filepath.Join(dir, f.name)
		if err := os.WriteFile(path, f.pem, f.mode); err != nil {
			return "", err
		}
		if err := acct.own(path); err != nil {
			return "", err
		}
	}
	return filepath.Join(dir, caFile), nil
}
