// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package server

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/config"
	"github.com/sallyport-dev/sallyport/internal/ship"
	"github.com/sallyport-dev/sallyport/internal/ship/httpsend"
	"github.com/sallyport-dev/sallyport/internal/ship/jsonl"
	"github.com/sallyport-dev/sallyport/internal/ship/otlp"
	"github.com/sallyport-dev/sallyport/internal/ship/syslog"
	"github.com/sallyport-dev/sallyport/internal/ship/webhook"
	"github.com/sallyport-dev/sallyport/internal/vault"
)

// lease gives out a secret.
type lease func(ctx context.Context, ref vault.Ref) (*vault.Lease, error)

// destination is a configured receiver and the shipper that serves it.
type destination struct {
	cfg config.Destination
	*ship.Shipper
}

// openShipping makes the shippers. A receiver that is away keeps no gateway from
// starting; a certificate that cannot be read does.
func (g *Gateway) openShipping(context.Context) error {
	for _, d := range g.cfg.Shipping {
		sink, most, err := sinkOf(d, g.vault.Lease, g.deps.Now)
		if err != nil {
			return err
		}
		s := ship.New(ship.Options{
			Name: d.Name, Dir: g.path("shipping"), Origin: g.cfg.Origin, Product: g.deps.Version, Sink: sink, Ledger: g.log, Journal: g.events,
			MaxEvents: d.Batch, MaxEvent: most, FromNow: d.From == "now", BehindAfter: d.BehindAfter,
			Now: g.deps.Now, Wait: wait, Rand: g.deps.Rand, Log: g.deps.Log,
		})
		g.ships = append(g.ships, destination{d, s})
		g.opened(func(context.Context) error { return s.Close() })
	}
	return nil
}

// wait returns after a time, or when ctx ends.
func wait(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// shipAll serves every destination until ctx ends.
func (g *Gateway) shipAll(ctx context.Context) error {
	var all sync.WaitGroup
	for _, d := range g.ships {
		all.Go(func() { d.Run(ctx) })
	}
	all.Wait()
	return nil
}

// lastWords is how long the end of a gateway waits for receivers.
const lastWords = 5 * time.Second

// shipRest sends what is on record at the end, the stop event included, to
// receivers that take it at once. Others get it after the next start.
func (g *Gateway) shipRest(ctx context.Context) {
	if len(g.ships) == 0 || g.log.Err() != nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, lastWords)
	defer cancel()
	if _, err := g.log.Publish(ctx); err != nil {
		return // the ledger's own end tells why
	}
	var all sync.WaitGroup
	for _, d := range g.ships {
		all.Go(func() {
			if err := d.Flush(ctx); err != nil {
				g.deps.Log.InfoContext(ctx, "the last events are shipped after the next start", "destination", d.cfg.Name, "err", err)
			}
		})
	}
	all.Wait()
}

// CheckShipping finds what keeps destinations from being served: files that
// cannot be read. It connects to none.
func CheckShipping(cfg *config.Config, now func() time.Time) error {
	for _, d := range cfg.Shipping {
		sink, _, err := sinkOf(d, nil, now)
		if err != nil {
			return err
		}
		if err := sink.Close(); err != nil {
			return err
		}
	}
	return nil
}

// sinkOf makes the sink of a destination and says how long its events may be.
func sinkOf(d config.Destination, l lease, now func() time.Time) (sink ship.Sink, most int, err error) {
	switch d.Type {
	case config.ShipFile:
		return jsonl.New(string(d.File.Dir), int64(d.File.MaxSize)), 0, nil
	case config.ShipSyslog:
		conf, err := sinkTLS(d.Name, d.Syslog.TLS)
		if err != nil {
			return nil, 0, err
		}
		if conf.ServerName == "" {
			host, _, err := net.SplitHostPort(d.Syslog.Address)
			if err != nil {
				return nil, 0, sallyport.E(sallyport.Invalid, "shipping", "the address of "+d.Name+" is not host:port")
			}
			conf.ServerName = host
		}
		return syslog.New(syslog.Options{Address: d.Syslog.Address, TLS: conf, Again: uint64(d.Syslog.Resend), Now: now}), int(d.Syslog.MaxMessage), nil
	case config.ShipOTLP:
		conf, err := sinkTLS(d.Name, d.OTLP.TLS)
		if err != nil {
			return nil, 0, err
		}
		return otlp.New(otlp.Options{URL: d.OTLP.URL, TLS: conf, Headers: sinkHeaders(d.OTLP.Headers, l), Now: now}), 0, nil
	case config.ShipWebhook:
		conf, err := sinkTLS(d.Name, d.Webhook.TLS)
		if err != nil {
			return nil, 0, err
		}
		opt := webhook.Options{URL: d.Webhook.URL, TLS: conf, Array: d.Webhook.Format == "json-array", Headers: sinkHeaders(d.Webhook.Headers, l), Now: now}
		for _, ref := range d.Webhook.Secrets {
			opt.Secrets = append(opt.Secrets, leased(l, ref))
		}
		if d.Webhook.Ed25519 != "" {
			opt.Ed25519 = leased(l, d.Webhook.Ed25519)
		}
		return webhook.New(opt), 0, nil
	}
	return nil, 0, sallyport.E(sallyport.Invalid, "shipping", "the type of "+d.Name+" is not known")
}

func sinkTLS(name string, c config.SinkTLS) (*tls.Config, error) {
	bad := func(what string, err error) error {
		return sallyport.E(sallyport.Invalid, "shipping", "the "+what+" of "+name+" cannot be read").WithHint("give it as a PEM file").Because(err)
	}
	conf := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: c.ServerName}
	if c.CA != "" {
		pem, err := os.ReadFile(string(c.CA))
		if err != nil {
			return nil, bad("CA file", err)
		}
		conf.RootCAs = x509.NewCertPool()
		if !conf.RootCAs.AppendCertsFromPEM(pem) {
			return nil, sallyport.E(sallyport.Invalid, "shipping", "the CA file of "+name+" holds no certificate")
		}
	}
	if c.Cert != "" {
		cert, err := tls.LoadX509KeyPair(string(c.Cert), string(c.Key))
		if err != nil {
			return nil, bad("client certificate", err)
		}
		conf.Certificates = []tls.Certificate{cert}
	}
	return conf, nil
}

func sinkHeaders(list []config.SinkHeader, l lease) []httpsend.Header {
	out := make([]httpsend.Header, len(list))
	for i, h := range list {
		out[i] = httpsend.Header{Name: h.Name, Value: leased(l, h.Value)}
	}
	return out
}

// leased asks for a secret each time that it is used.
func leased(l lease, ref config.SecretRef) func(context.Context) (string, error) {
	return func(ctx context.Context) (string, error) {
		got, err := l(ctx, vault.Ref(ref))
		if err != nil {
			return "", err
		}
		defer got.Release()
		return string(got.Password()), nil
	}
}

// shipping answers GET /v1/shipping.
func (a *api) shipping(_ context.Context, r *http.Request, c caller) (any, error) {
	if _, err := query(r); err != nil {
		return nil, err
	}
	if !c.auditor && !c.administrator {
		return nil, sallyport.E(sallyport.Denied, "api", "this is for auditors and administrators").
			WithHint("they are named in the api section of the gateway's configuration")
	}
	type entry struct {
		Type string `json:"type"`
		ship.Status
	}
	out := []entry{}
	for _, d := range a.g.ships {
		out = append(out, entry{string(d.cfg.Type), d.Status()})
	}
	return map[string]any{"shipping": out}, nil
}
