// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

// Command readapi speaks BigQuery's Storage APIs for the counterpart in package
// bigquerypeer. Of the Storage Read API: sessions, streams and their splitting,
// Arrow with and without compression. Of the Storage Write API: streams of every
// type, offsets, commits and flushes. It asks the counterpart's control port whose a
// token is and for the rows, keeps a session's rows as Arrow until it ends, and what
// is appended until it is committed.
//
// It listens on a free loopback port with a certificate of an authority that it
// makes, prints one line of JSON with both, and ends when its standard input does.
//
// It is a module of its own: the libraries are no dependencies of the product.
package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"os"
	"time"

	"cloud.google.com/go/bigquery/storage/apiv1/storagepb"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) != 1 {
		return errors.New("usage: readapi CONTROL-URL")
	}
	certificate, authority, err := certify()
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	server := grpc.NewServer(grpc.Creds(credentials.NewServerTLSFromCert(certificate)), grpc.MaxRecvMsgSize(maxMessage))
	storagepb.RegisterBigQueryReadServer(server, newService(args[0]))
	storagepb.RegisterBigQueryWriteServer(server, newWriter(args[0]))
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		server.Stop()
	}()
	if err := json.NewEncoder(os.Stdout).Encode(map[string]string{"addr": l.Addr().String(), "ca": string(authority)}); err != nil {
		return err
	}
	return server.Serve(l)
}

// certify makes an authority and a certificate of it for loopback.
func certify() (*tls.Certificate, []byte, error) {
	caKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	now := time.Now()
	ca := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Test authority of the Storage Read API"},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(24 * time.Hour), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	caDER, err := x509.CreateCertificate(rand.Reader, ca, ca, &caKey.PublicKey, caKey)
	if err != nil {
		return nil, nil, err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	leaf := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "localhost"}, DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: ca.NotBefore, NotAfter: ca.NotAfter, KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	leafDER, err := x509.CreateCertificate(rand.Reader, leaf, ca, &key.PublicKey, caKey)
	if err != nil {
		return nil, nil, err
	}
	return &tls.Certificate{Certificate: [][]byte{leafDER}, PrivateKey: key}, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: caDER}), nil
}
