// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package pglogin_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/sallyport-dev/sallyport/internal/connector/postgres/pglogin"
	"github.com/sallyport-dev/sallyport/internal/wire/pgwire"
	"github.com/sallyport-dev/sallyport/test/pgtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(pgtest.Wrap(m)) }

// identity is a self-signed certificate of the gateway and who trusts it.
type identity struct {
	server *tls.Config
	roots  *x509.CertPool
	caFile string
}

func newIdentity(t *testing.T) identity {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "gateway.test"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	id := identity{roots: x509.NewCertPool(), caFile: filepath.Join(t.TempDir(), "ca.pem")}
	id.roots.AddCert(cert)
	id.server = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
	if err := os.WriteFile(id.caFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return id
}

// client is what a client needs to trust the gateway.
func (id identity) client(protos ...string) *tls.Config {
	return &tls.Config{RootCAs: id.roots, ServerName: "localhost", NextProtos: protos}
}

// outcome is what Accept returned.
type outcome struct {
	c   *pglogin.Client
	err error
}

// accepting listens for one client and runs Accept on it.
func accepting(t *testing.T, ctx context.Context, o pglogin.AcceptOptions) (addr string, result <-chan outcome) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	out := make(chan outcome, 1)
	done := make(chan struct{})
	go func() {
		defer close(done)
		nc, err := ln.Accept()
		if err != nil {
			out <- outcome{err: err}
			return
		}
		c, err := pglogin.Accept(ctx, nc, o)
		out <- outcome{c, err}
	}()
	t.Cleanup(func() {
		_ = ln.Close()
		<-done
	})
	return ln.Addr().String(), out
}

func dial(t *testing.T, addr string) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	return conn
}

func write(t *testing.T, w io.Writer, b []byte) {
	t.Helper()
	if _, err := w.Write(b); err != nil {
		t.Fatal(err)
	}
}

// readMessage reads one message of the server's.
func readMessage(t *testing.T, r io.Reader) (typ byte, body []byte) {
	t.Helper()
	head := make([]byte, pgwire.HeaderLen)
	if _, err := io.ReadFull(r, head); err != nil {
		t.Fatalf("reading a header: %v", err)
	}
	typ, total, _, err := pgwire.Next(head, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	body = make([]byte, total-pgwire.HeaderLen)
	if _, err := io.ReadFull(r, body); err != nil {
		t.Fatalf("reading the body of %s: %v", pgwire.ServerTypeName(typ), err)
	}
	return typ, body
}

// wantRefusal reads an ErrorResponse that says FATAL, the state and a hint, and
// then the end of the connection; it closes its own end, for which the gateway
// waits a moment.
func wantRefusal(t *testing.T, r io.ReadCloser, state pgwire.State) {
	t.Helper()
	typ, body := readMessage(t, r)
	if typ != pgwire.ServerErrorResponse {
		t.Fatalf("%s instead of an ErrorResponse", pgwire.ServerTypeName(typ))
	}
	d, err := pgwire.DecodeDiagnostic(body)
	if err != nil {
		t.Fatal(err)
	}
	if got := pgwire.State(d.Get('C')); got != state {
		t.Errorf("SQLSTATE %s (%s), want %s", got, d.Get('M'), state)
	}
	if string(d.Get('S')) != "FATAL" || len(d.Get('M')) == 0 || len(d.Get('H')) == 0 {
		t.Errorf("severity %q, message %q, hint %q", d.Get('S'), d.Get('M'), d.Get('H'))
	}
	if n, err := r.Read(make([]byte, 1)); n != 0 || err == nil {
		t.Errorf("the connection is open behind FATAL: %d bytes, %v", n, err)
	}
	_ = r.Close()
}
