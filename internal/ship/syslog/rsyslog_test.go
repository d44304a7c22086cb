// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package syslog_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// authority issues certificates for a test.
type authority struct {
	t    testing.TB
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pem  []byte
}

func newAuthority(t testing.TB) *authority {
	t.Helper()
	a := &authority{t: t}
	var err error
	if a.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test authority"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &a.key.PublicKey, a.key)
	if err != nil {
		t.Fatal(err)
	}
	if a.cert, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	a.pem = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	return a
}

// issue returns a certificate for the loopback address and its key, in PEM.
func (a *authority) issue(name string) (cert, key []byte) {
	a.t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name}, DNSNames: []string{"localhost"},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, &k.PublicKey, a.key)
	if err != nil {
		a.t.Fatal(err)
	}
	text, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		a.t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: text})
}

// client is the TLS of a client with a certificate.
func (a *authority) client() *tls.Config {
	a.t.Helper()
	cert, key := a.issue("gateway")
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		a.t.Fatal(err)
	}
	conf := a.anonymous()
	conf.Certificates = []tls.Certificate{pair}
	return conf
}

// anonymous is the TLS of a client without one.
func (a *authority) anonymous() *tls.Config {
	roots := x509.NewCertPool()
	roots.AddCert(a.cert)
	return &tls.Config{RootCAs: roots, ServerName: "127.0.0.1", MinVersion: tls.VersionTLS12}
}

// rsyslog is a real server that wants client certificates.
type rsyslog struct {
	t    testing.TB
	dir  string
	addr string
	cmd  *exec.Cmd
}

func (r *rsyslog) path(name string) string { return filepath.Join(r.dir, name) }

func startRsyslog(t testing.TB, a *authority) *rsyslog {
	t.Helper()
	r := &rsyslog{t: t, dir: t.TempDir()}
	cert, key := a.issue("receiver")
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r.addr = ln.Addr().String()
	_, port, _ := net.SplitHostPort(r.addr)
	if err := ln.Close(); err != nil {
		t.Fatal(err)
	}
	conf := fmt.Sprintf(`global(workDirectory="%[1]s" maxMessageSize="64k" defaultNetstreamDriver="ossl"
  defaultNetstreamDriverCAFile="%[1]s/ca.pem" defaultNetstreamDriverCertFile="%[1]s/srv.crt" defaultNetstreamDriverKeyFile="%[1]s/srv.key")
module(load="imtcp" streamDriver.name="ossl" streamDriver.mode="1" streamDriver.authMode="x509/certvalid")
template(name="event" type="string" string="%%msg%%\n")
template(name="header" type="string" string="%%pri%%|%%timestamp:::date-rfc3339%%|%%hostname%%|%%app-name%%|%%msgid%%|%%structured-data%%\n")
action(type="omfile" file="%[1]s/events" template="event")
action(type="omfile" file="%[1]s/headers" template="header")
input(type="imtcp" address="127.0.0.1" port="%[2]s")
`, r.dir, port)
	for name, text := range map[string][]byte{"conf": []byte(conf), "ca.pem": a.pem, "srv.crt": cert, "srv.key": key} {
		if err := os.WriteFile(r.path(name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	r.start()
	t.Cleanup(func() { r.end(syscall.SIGTERM) })
	return r
}

func (r *rsyslog) start() {
	r.t.Helper()
	program, err := exec.LookPath("rsyslogd")
	if err != nil {
		if program, err = exec.LookPath("/usr/sbin/rsyslogd"); err != nil {
			r.t.Fatal("rsyslogd is not installed; run: make test-deps")
		}
	}
	r.cmd = exec.Command(program, "-n", "-f", r.path("conf"), "-i", r.path("pid"))
	var out bytes.Buffer
	r.cmd.Stdout, r.cmd.Stderr = &out, &out
	if err := r.cmd.Start(); err != nil {
		r.t.Fatal(err)
	}
	for range 200 {
		conn, err := net.Dial("tcp", r.addr)
		if err == nil {
			_ = conn.Close()
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	r.end(syscall.SIGKILL)
	r.t.Fatalf("rsyslogd does not listen:\n%s", out.String())
}

// end ends the process that was started, by its id.
func (r *rsyslog) end(sig syscall.Signal) {
	if r.cmd == nil {
		return
	}
	_ = r.cmd.Process.Signal(sig) // it may have ended itself
	_ = r.cmd.Wait()              // the signal is its end
	r.cmd = nil
}

// lines waits until a file has a number of lines.
func (r *rsyslog) lines(name string, want int) []string {
	r.t.Helper()
	var lines []string
	for range 200 {
		b, err := os.ReadFile(r.path(name))
		if err == nil {
			if lines = strings.Split(strings.TrimSuffix(string(b), "\n"), "\n"); len(lines) >= want {
				return lines
			}
		}
		time.Sleep(50 * time.Millisecond)
	}
	r.t.Fatalf("%s has %d lines, want %d", name, len(lines), want)
	return nil
}
