// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package server

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net/http"
	"os"
	"slices"
	"time"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/evidence"
	"github.com/sallyport-dev/sallyport/internal/config"
	"github.com/sallyport-dev/sallyport/internal/witness"
)

// maxTrustFile bounds a policy's or an authority's file in bytes.
const maxTrustFile = 1 << 20

// ReadTrustPolicy reads a witness policy, or returns nil when the configuration
// names none.
func ReadTrustPolicy(path config.Path) (*evidence.TrustPolicy, error) {
	if path == "" {
		return nil, nil
	}
	text, err := readBounded(string(path))
	if err != nil {
		return nil, sallyport.E(sallyport.Invalid, "open", "witness.policy: the file cannot be read").
			WithHint("name a file of the format C2SP tlog-policy").Because(err)
	}
	p, err := evidence.ParseTrustPolicy(text)
	if err != nil {
		return nil, sallyport.E(sallyport.Invalid, "open", "witness.policy: the file is not a policy").Because(err)
	}
	return p, nil
}

func readBounded(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	b, err := io.ReadAll(io.LimitReader(f, maxTrustFile))
	return b, errors.Join(err, f.Close())
}

// openWitness makes the client of the witnesses and asks them a first time, so
// that a gateway whose witnesses answer forwards from its first statement on.
// Witnesses that do not answer keep it from forwarding, not from starting: who
// audits can still look.
func (g *Gateway) openWitness(ctx context.Context) error {
	w := g.cfg.Witness
	var err error
	if g.trust, err = ReadTrustPolicy(w.Policy); err != nil || g.trust == nil {
		return err
	}
	asked := slices.ContainsFunc(g.trust.Witnesses, func(t evidence.TrustedWitness) bool { return t.URL != "" })
	if !g.trust.Demands() && !asked {
		return nil
	}
	if err := os.MkdirAll(g.path("witness"), 0o700); err != nil {
		return sallyport.E(sallyport.Unavailable, "open", "the data directory cannot be used").Because(err)
	}
	tr, err := witnessTransport(w.CA)
	if err != nil {
		return err
	}
	g.opened(func(context.Context) error { tr.CloseIdleConnections(); return nil })
	g.witness, err = witness.NewClient(witness.ClientOptions{
		Log: g.log, Keys: g.keys.vkeys(), Policy: g.trust, HTTP: &http.Client{Transport: tr}, File: g.path("witness", "cosigned"),
		Lease: w.Lease, Interval: w.Interval, Timeout: w.Timeout, Now: g.deps.Now, Logger: g.deps.Log,
	})
	if err != nil {
		return err
	}
	_, _ = g.witness.Cosign(ctx) // it logs why not, and Fresh says so
	return ctx.Err()
}

// witnessTransport is the TLS towards witnesses.
func witnessTransport(ca config.Path) (*http.Transport, error) {
	conf := &tls.Config{MinVersion: tls.VersionTLS12}
	if ca != "" {
		pem, err := readBounded(string(ca))
		if err != nil {
			return nil, sallyport.E(sallyport.Invalid, "open", "witness.ca: the file cannot be read").Because(err)
		}
		conf.RootCAs = x509.NewCertPool()
		if !conf.RootCAs.AppendCertsFromPEM(pem) {
			return nil, sallyport.E(sallyport.Invalid, "open", "witness.ca: the file holds no PEM certificate")
		}
	}
	return &http.Transport{
		Proxy: http.ProxyFromEnvironment, TLSClientConfig: conf, ForceAttemptHTTP2: true, DisableCompression: true,
		TLSHandshakeTimeout: 5 * time.Second, IdleConnTimeout: 90 * time.Second, MaxResponseHeaderBytes: 32 << 10,
	}, nil
}

// cosignLast has the stop itself cosigned, so that it cannot be cut off while the
// gateway is down. It need not succeed: the next start asks again.
func (g *Gateway) cosignLast(ctx context.Context) {
	if g.witness != nil {
		_, _ = g.witness.Cosign(ctx) // it logs why not
	}
}

// fresh is what the engine asks before it forwards; nil where the policy demands
// no witnesses.
func (g *Gateway) fresh() func(time.Time) error {
	if g.trust == nil || !g.trust.Demands() {
		return nil
	}
	return g.witness.Fresh
}

// trustText is the witness policy for bundles.
func (g *Gateway) trustText() []byte {
	if g.trust == nil {
		return nil
	}
	return g.trust.Text()
}

// cosignedNow publishes what is durable and returns its checkpoint, cosigned
// where there are witnesses. Where they do not answer it is the log's alone: what
// is on record must be had also when they are gone, and a bundle's verification
// says that they are missing.
func (g *Gateway) cosignedNow(ctx context.Context) ([]byte, error) {
	if g.witness == nil {
		return g.log.Publish(ctx)
	}
	signed, err := g.witness.Cosign(ctx)
	if err == nil {
		return signed, nil
	}
	g.deps.Log.Warn("a checkpoint is given out without its cosignatures", "err", err)
	return g.log.Publish(ctx)
}

// cosignedLast returns the newest cosigned checkpoint, or what Publish gives.
func (g *Gateway) cosignedLast(ctx context.Context) ([]byte, error) {
	if g.witness != nil {
		if signed, _, ok := g.witness.Cosigned(); ok {
			return signed, nil
		}
	}
	return g.log.Publish(ctx)
}
