// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package connect

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	sallyport "github.com/sallyport-dev/sallyport"
)

// How long certificates are good. An authority that is about to end has its
// successor beside it, so that clients can trust both before the second is used.
const (
	authorityLife = 365 * 24 * time.Hour
	succession    = 90 * 24 * time.Hour // before its end the successor is made
	takeover      = 30 * 24 * time.Hour // before its end the successor is used
	leafLife      = 24 * time.Hour
	leafRenewal   = 6 * time.Hour
	skew          = 5 * time.Minute // that clients' clocks may be late
)

const (
	authorityVersion = 1
	maxAuthorityFile = 1 << 20
)

// Keys seals the authority's keys.
type Keys interface {
	WrapCacheKey(name string, key []byte) ([]byte, error)
	UnwrapCacheKey(name string, sealed []byte) ([]byte, error)
}

// AuthorityOptions are what an authority works with. All are required.
type AuthorityOptions struct {
	Path  string   // of its file
	Hosts []string // that it makes certificates for, and can make them for
	Keys  Keys
	Now   func() time.Time
	Rand  io.Reader
	Log   *slog.Logger
}

// Authority is a private certificate authority that is good for the hosts of the
// table alone, as its own certificate says.
type Authority struct {
	o AuthorityOptions

	mu      sync.Mutex
	issuers []issuer                    // the first is the eldest; guarded by mu
	leaves  map[string]*tls.Certificate // one for each host at most; guarded by mu
}

type issuer struct {
	cert   *x509.Certificate
	key    *ecdsa.PrivateKey
	sealed []byte
}

// authorityFile is the form of the file.
type authorityFile struct {
	Version int            `json:"version"`
	Issuers []storedIssuer `json:"issuers"`
}

type storedIssuer struct {
	Certificate []byte `json:"certificate"` // DER
	Key         []byte `json:"key"`         // PKCS #8, sealed by the vault
}

// OpenAuthority reads the authority of a gateway, or makes it. One whose hosts are
// others is left behind for a new one.
func OpenAuthority(o AuthorityOptions) (*Authority, error) {
	a := &Authority{o: o, leaves: map[string]*tls.Certificate{}}
	if err := a.read(); err != nil {
		return nil, err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if err := a.roll(); err != nil {
		return nil, err
	}
	return a, nil
}

// PEM returns the certificates that clients have to trust: the one that is used, and
// its successor when there is one.
func (a *Authority) PEM() ([]byte, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if err := a.roll(); err != nil {
		return nil, err
	}
	var out []byte
	for _, i := range a.issuers {
		out = append(out, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: i.cert.Raw})...)
	}
	return out, nil
}

// Certificate returns a certificate for a host, which the caller has looked up.
func (a *Authority) Certificate(host string) (*tls.Certificate, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := a.o.Now()
	if c := a.leaves[host]; c != nil && c.Leaf.NotAfter.Sub(now) > leafRenewal {
		return c, nil
	}
	if !slices.Contains(a.o.Hosts, host) {
		return nil, sallyport.E(sallyport.Internal, "certificate", "the host is in no table")
	}
	if err := a.roll(); err != nil {
		return nil, err
	}
	by := a.issuers[0]
	if len(a.issuers) > 1 && by.cert.NotAfter.Sub(now) < takeover {
		by = a.issuers[1]
	}
	tmpl := &x509.Certificate{
		Subject: pkix.Name{CommonName: "sallyport leaf"}, DNSNames: []string{host}, NotBefore: now.Add(-skew), NotAfter: now.Add(leafLife),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, BasicConstraintsValid: true,
	}
	if by.cert.NotAfter.Before(tmpl.NotAfter) {
		tmpl.NotAfter = by.cert.NotAfter
	}
	made, err := a.sign(tmpl, by)
	if err != nil {
		return nil, err
	}
	c := &tls.Certificate{Certificate: [][]byte{made.cert.Raw}, PrivateKey: made.key, Leaf: made.cert}
	a.leaves[host] = c
	return c, nil
}

// sign makes a key and its certificate. Without an issuer it signs itself.
func (a *Authority) sign(tmpl *x509.Certificate, by issuer) (issuer, error) {
	fail := func(err error) (issuer, error) {
		return issuer{}, sallyport.E(sallyport.Internal, "certificate", "a certificate cannot be made").Because(err)
	}
	var serial [16]byte
	if _, err := io.ReadFull(a.o.Rand, serial[:]); err != nil {
		return fail(err)
	}
	serial[0] = serial[0]&0x7f | 0x40 // positive, and always of the same length
	tmpl.SerialNumber = new(big.Int).SetBytes(serial[:])
	key, err := ecdsa.GenerateKey(elliptic.P256(), a.o.Rand)
	if err != nil {
		return fail(err)
	}
	parent, signer := by.cert, by.key
	if parent == nil {
		parent, signer = tmpl, key
	}
	der, err := x509.CreateCertificate(a.o.Rand, tmpl, parent, &key.PublicKey, signer)
	if err != nil {
		return fail(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return fail(err)
	}
	return issuer{cert: cert, key: key}, nil
}

// roll drops issuers that have ended, and makes those that are missing. a.mu is
// held.
func (a *Authority) roll() error {
	now := a.o.Now()
	left := slices.DeleteFunc(slices.Clone(a.issuers), func(i issuer) bool { return !now.Before(i.cert.NotAfter) })
	changed := len(left) != len(a.issuers)
	for len(left) == 0 || left[len(left)-1].cert.NotAfter.Sub(now) < succession {
		made, err := a.newIssuer(now)
		if err != nil {
			return err
		}
		left, changed = append(left, made), true
		a.o.Log.Warn("made an authority for CONNECT; clients have to trust it: sallyport ca print", "ends", made.cert.NotAfter)
	}
	if !changed {
		return nil
	}
	if err := a.write(left); err != nil {
		return err
	}
	a.issuers = left
	return nil
}

// newIssuer makes an authority that is good for the hosts and for nothing else: a
// name below one of them is all that a stolen key could be used for beyond.
func (a *Authority) newIssuer(now time.Time) (issuer, error) {
	all := func(bytes int) *net.IPNet { return &net.IPNet{IP: make(net.IP, bytes), Mask: make(net.IPMask, bytes)} }
	made, err := a.sign(&x509.Certificate{
		Subject: pkix.Name{CommonName: "Sallyport CONNECT authority " + now.UTC().Format("2006-01-02")}, NotBefore: now.Add(-skew), NotAfter: now.Add(authorityLife),
		IsCA: true, BasicConstraintsValid: true, MaxPathLenZero: true, KeyUsage: x509.KeyUsageCertSign,
		ExtKeyUsage:                 []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		PermittedDNSDomainsCritical: true, PermittedDNSDomains: a.o.Hosts, ExcludedIPRanges: []*net.IPNet{all(net.IPv4len), all(net.IPv6len)},
	}, issuer{})
	if err != nil {
		return made, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(made.key)
	if err != nil {
		return made, sallyport.E(sallyport.Internal, "certificate", "the authority's key cannot be encoded").Because(err)
	}
	defer clear(der)
	made.sealed, err = a.o.Keys.WrapCacheKey(keyName(made.cert), der)
	return made, err
}

// keyName binds a sealed key to its certificate.
func keyName(c *x509.Certificate) string { return "connect/" + c.SerialNumber.Text(16) }

// read reads the file. There may be none yet.
func (a *Authority) read() error {
	fail := func(err error) error {
		return sallyport.E(sallyport.Integrity, "connect authority", "the authority's file is damaged, or of another vault: "+a.o.Path).
			WithHint("restore it; or remove it to have a new authority made, which every client then has to trust").Because(err)
	}
	f, err := os.Open(a.o.Path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	} else if err != nil {
		return fail(err)
	}
	b, err := io.ReadAll(io.LimitReader(f, maxAuthorityFile))
	if err = errors.Join(err, f.Close()); err != nil {
		return fail(err)
	}
	var stored authorityFile
	if err := json.Unmarshal(b, &stored); err != nil || stored.Version != authorityVersion {
		return fail(err)
	}
	for _, s := range stored.Issuers {
		i, err := a.open(s)
		if err != nil {
			return fail(err)
		}
		if slices.Equal(i.cert.PermittedDNSDomains, a.o.Hosts) {
			a.issuers = append(a.issuers, i)
		}
	}
	return nil
}

func (a *Authority) open(s storedIssuer) (issuer, error) {
	cert, err := x509.ParseCertificate(s.Certificate)
	if err != nil {
		return issuer{}, err
	}
	der, err := a.o.Keys.UnwrapCacheKey(keyName(cert), s.Key)
	if err != nil {
		return issuer{}, err
	}
	defer clear(der)
	parsed, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return issuer{}, err
	}
	key, ok := parsed.(*ecdsa.PrivateKey)
	if !ok || !key.PublicKey.Equal(cert.PublicKey) {
		return issuer{}, errors.New("the key is not the certificate's")
	}
	return issuer{cert, key, s.Key}, nil
}

// write replaces the file, durably.
func (a *Authority) write(issuers []issuer) error {
	stored := authorityFile{Version: authorityVersion}
	for _, i := range issuers {
		stored.Issuers = append(stored.Issuers, storedIssuer{i.cert.Raw, i.sealed})
	}
	b, err := json.MarshalIndent(stored, "", "  ")
	if err == nil {
		err = replace(a.o.Path, append(b, '\n'))
	}
	if err != nil {
		return sallyport.E(sallyport.Unavailable, "connect authority", "the authority's file cannot be written: "+a.o.Path).Because(err)
	}
	return nil
}

func replace(path string, b []byte) error {
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(dir, ".connect-*") // which makes it 0600
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
