// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

// Package server makes a running gateway of its parts: it wires the ledger, the
// store, the vault, identity, policy, grants, the session engine and the
// connectors together, keeps the epoch's events, and serves the HTTP API.
package server

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sync/errgroup"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/evidence"
	"github.com/sallyport-dev/sallyport/internal/blob/file"
	"github.com/sallyport-dev/sallyport/internal/config"
	"github.com/sallyport-dev/sallyport/internal/connector/postgres"
	"github.com/sallyport-dev/sallyport/internal/disclosure"
	"github.com/sallyport-dev/sallyport/internal/grant"
	"github.com/sallyport-dev/sallyport/internal/httpgate"
	"github.com/sallyport-dev/sallyport/internal/httpgate/connect"
	"github.com/sallyport-dev/sallyport/internal/identity"
	"github.com/sallyport-dev/sallyport/internal/ledger"
	"github.com/sallyport-dev/sallyport/internal/ledger/signer"
	"github.com/sallyport-dev/sallyport/internal/record"
	"github.com/sallyport-dev/sallyport/internal/retention"
	"github.com/sallyport-dev/sallyport/internal/session"
	"github.com/sallyport-dev/sallyport/internal/store/sqlite"
	"github.com/sallyport-dev/sallyport/internal/vault"
	"github.com/sallyport-dev/sallyport/internal/witness"
)

// heartbeatEvery is the pace of the heartbeats on the ledger.
const heartbeatEvery = 10 * time.Second

// KMS is a key management service.
type KMS interface {
	vault.KMS
	signer.KMS
}

// Deps are what a gateway takes from outside. All but those of the ledger and KMS are required.
type Deps struct {
	Now     func() time.Time
	Rand    io.Reader
	Getenv  func(string) string
	Log     *slog.Logger
	Version string
	// KMS are the clients of key management services that the vault's master key
	// and the keys of the ledger may lie in. May be empty.
	KMS []KMS
	// LedgerFS is where the ledger is kept; nil means the operating system's
	// files. Tests end the disk through it.
	LedgerFS ledger.FS
	// LedgerSegment is the size of a segment of the ledger's write-ahead log; zero
	// is the ledger's own default.
	LedgerSegment int64
}

// Gateway is an opened gateway. It listens from [Open] on and serves in
// [Gateway.Run].
type Gateway struct {
	cfg  *config.Config
	deps Deps

	keys      ledgerKeys
	log       *ledger.Log
	vault     *vault.Vault
	store     *sqlite.Store
	blobs     *file.Store
	sealID    string
	sealKey   []byte // first key of the epoch's seals, until it is wrapped
	index     *index
	events    *session.Events
	trust     *evidence.TrustPolicy // nil without witness.policy
	witness   *witness.Client       // nil where there is nobody to ask
	policy    *policies
	tokens    *identity.Tokens
	grants    *grant.Service
	engine    *session.Engine
	targets   map[sallyport.ResourceID]*postgres.Target
	conn      *postgres.Connector
	ships     []destination
	privacy   *disclosure.Keyring // nil when there is no privacy key
	retention *retention.Service

	gate      *httpgate.Gate     // nil when no resource speaks HTTP
	connect   *connect.Server    // nil without listen.connect
	authority *connect.Authority // of its certificates; nil with it
	ssh       *sshFront          // nil when no resource speaks SSH

	apiListener, pgListener, httpListener, connectListener net.Listener
	apiTLS, pgTLS, httpTLS, connectTLS                     *tls.Config

	closers []func(context.Context) error // in the order in which they were opened
}

// Open opens everything that a gateway needs, judges how the last epoch ended,
// and binds its listeners. On an error whatever was opened is closed again.
func Open(ctx context.Context, cfg *config.Config, deps Deps) (g *Gateway, err error) {
	g = &Gateway{cfg: cfg, deps: deps}
	for _, step := range []func(context.Context) error{
		g.openListeners, g.openSSHListener, g.openLedger, g.openVault, g.openStore, g.openEpoch, g.openWitness, g.openPolicy, g.openRecord, g.openIdentity, g.openGrants, g.openEngine, g.openHTTP, g.openConnect, g.openSSH,
		g.openRetention, g.openShipping,
	} {
		if err := step(ctx); err != nil {
			return nil, errors.Join(err, g.close(context.WithoutCancel(ctx)))
		}
	}
	return g, nil
}

// VerifierKeys returns the signed-note verifier keys of the ledger's
// checkpoints; the first is the one to stay.
func (g *Gateway) VerifierKeys() []string { return g.keys.vkeys() }

// APIAddress returns the address that the HTTP API listens on.
func (g *Gateway) APIAddress() string { return g.apiListener.Addr().String() }

// PostgresAddress returns the address that PostgreSQL clients connect to, "" where there
// is no resource for them.
func (g *Gateway) PostgresAddress() string {
	if g.pgListener == nil {
		return ""
	}
	return g.pgListener.Addr().String()
}

// opened remembers how to close something, to be called in reverse order.
func (g *Gateway) opened(f func(context.Context) error) { g.closers = append(g.closers, f) }

func (g *Gateway) close(ctx context.Context) error {
	var errs []error
	for i := len(g.closers) - 1; i >= 0; i-- {
		errs = append(errs, g.closers[i](ctx))
	}
	g.closers = nil
	return errors.Join(errs...)
}

func (g *Gateway) path(parts ...string) string {
	return filepath.Join(append([]string{string(g.cfg.Data)}, parts...)...)
}

// openListeners binds the addresses first: a second gateway on the same
// configuration stops here, before it touches the data.
func (g *Gateway) openListeners(ctx context.Context) error {
	type listener struct {
		name string
		cfg  config.Listener
		ln   *net.Listener
		tls  **tls.Config
	}
	listeners := []listener{
		{"listen.api", g.cfg.Listen.API, &g.apiListener, &g.apiTLS},
	}
	if g.cfg.HasPostgres() {
		listeners = append(listeners, listener{"listen.postgres", g.cfg.Listen.Postgres, &g.pgListener, &g.pgTLS})
	}
	if g.cfg.HasHTTP() {
		listeners = append(listeners, listener{"listen.http", g.cfg.HTTPListener(), &g.httpListener, &g.httpTLS})
	}
	if g.cfg.Listen.Connect.Address != "" {
		listeners = append(listeners, listener{"listen.connect", g.cfg.Listen.Connect, &g.connectListener, &g.connectTLS})
	}
	for _, l := range listeners {
		if l.cfg.TLS.Cert != "" { // but for listen.connect the configuration wants one
			cert, err := tls.LoadX509KeyPair(string(l.cfg.TLS.Cert), string(l.cfg.TLS.Key))
			if err != nil {
				return sallyport.E(sallyport.Invalid, "open", l.name+": the certificate or its key cannot be read").
					WithHint("give both as PEM files in " + l.name + ".tls").Because(err)
			}
			*l.tls = &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12}
		}
		ln, err := (&net.ListenConfig{}).Listen(ctx, "tcp", l.cfg.Address)
		if err != nil {
			return sallyport.E(sallyport.Unavailable, "open", l.name+": cannot listen on "+l.cfg.Address).
				WithHint("stop what uses the address, or choose another").Because(err)
		}
		*l.ln = ln
		g.opened(func(context.Context) error {
			if err := ln.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
				return err
			}
			return nil
		})
	}
	return nil
}

func (g *Gateway) openLedger(ctx context.Context) error {
	for _, dir := range []string{g.path(), g.path("keys"), g.path("recordings")} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return sallyport.E(sallyport.Unavailable, "open", "the data directory cannot be used").
				WithHint("make " + dir + " writable for the gateway alone").Because(err)
		}
	}
	err := noPlan(g.cfg)
	if err != nil {
		return err
	}
	if g.keys, err = openKeys(g.cfg, g.deps); err != nil {
		return err
	}
	var ratchet *ledger.Ratchet
	if ratchet, g.sealKey, err = ledger.NewRatchet(g.deps.Rand); err != nil {
		return err
	}
	g.sealID = ratchet.ID()
	g.log, err = ledger.Open(ctx, ledger.Options{
		Dir: LedgerPath(g.cfg), Origin: g.cfg.Origin, Signers: g.keys.signers(), Verifiers: g.keys.verifiers(), Ratchet: ratchet,
		Head: ledger.FileHead{FS: ledger.OS{}, Name: HeadPath(g.cfg)}, Now: g.deps.Now, FS: g.deps.LedgerFS,
		SegmentSize: g.deps.LedgerSegment,
	})
	if err != nil {
		return err
	}
	g.opened(g.log.Close)
	g.events = session.NewEvents(g.log, g.cfg.Origin, g.deps.Now)
	return nil
}

func (g *Gateway) openVault(context.Context) error {
	services := make([]vault.KMS, len(g.deps.KMS))
	for i, s := range g.deps.KMS {
		services[i] = s
	}
	v, err := vault.Open(vault.Options{
		Path: g.path("vault.json"), Master: vault.Ref(g.cfg.Vault.Key), Recipients: g.cfg.Auditors,
		Getenv: g.deps.Getenv, Now: g.deps.Now, Rand: g.deps.Rand, KMS: services,
	})
	if err != nil {
		return err
	}
	g.vault = v
	g.blobs, err = file.Open(g.path("recordings"))
	return err
}

func (g *Gateway) openStore(ctx context.Context) error {
	s, err := sqlite.Open(ctx, g.path("store.db"))
	if err != nil {
		return err
	}
	g.store = s
	g.opened(func(context.Context) error { return s.Close() })
	g.index = newIndex(g.log, s.Index(), g.deps.Log)
	return g.index.catchUp(ctx)
}

func (g *Gateway) openIdentity(ctx context.Context) error {
	d := identity.Deps{Now: g.deps.Now, Rand: g.deps.Rand, Cache: g.store.Keys(), Journal: g.events, Logger: g.deps.Log}
	v, err := identity.New(ctx, g.cfg.Identity, d)
	if err != nil {
		return err
	}
	g.tokens, err = identity.NewTokens(g.cfg.Identity.Tokens, v, g.store.Tokens(), d)
	return err
}

func (g *Gateway) openGrants(ctx context.Context) error {
	s, err := grant.New(context.WithoutCancel(ctx), grant.Deps{
		Store: g.store.Grants(), Journal: g.events, Now: g.deps.Now, Rand: g.deps.Rand, Logger: g.deps.Log,
		RequestLife: g.cfg.Requests.Expires,
	})
	if err != nil {
		return err
	}
	g.grants = s
	g.opened(func(context.Context) error { s.Close(); return nil })
	return nil
}

func (g *Gateway) openEngine(ctx context.Context) error {
	rec, err := record.NewRecorder(ctx, record.Options{Blobs: g.blobs, MaxResponseBytes: int64(g.cfg.Recording.MaxResponse)})
	if err != nil {
		return err
	}
	if g.privacy, err = g.openPrivacy(ctx); err != nil {
		return err
	}
	if g.targets, err = g.openTargets(ctx); err != nil {
		return err
	}
	g.engine = session.New(session.Deps{
		Fresh: g.fresh(), Events: g.events, Policy: g.policy.current, Identify: g.tokens, Grants: g.grants, Vault: g.vault,
		Directory: directory{g.cfg}, Recorder: rec, Blobs: g.blobs, Privacy: g.privacy, Now: g.deps.Now, Rand: g.deps.Rand, Logger: g.deps.Log,
		Waits: session.Waits{
			Grant: g.cfg.Requests.Wait, Hold: g.cfg.Requests.HoldWait, HoldInTx: g.cfg.Requests.HoldWaitInTransaction,
			GrantWindow: g.cfg.Requests.Window,
		},
	})
	g.conn = postgres.New(postgres.Options{
		Engine: g.engine, Targets: g.targets, TLS: g.pgTLS, Now: g.deps.Now, Rand: g.deps.Rand, Log: g.deps.Log,
	})
	return ctx.Err()
}

// Run serves until ctx ends, then refuses new sessions, ends the live ones, puts
// the stop on record and closes everything. It returns the first failure, such
// as a ledger that takes nothing more.
func (g *Gateway) Run(ctx context.Context) error {
	// Sessions hear from the cause why they end, so ctx's own end is passed on
	// with one.
	work, stop := context.WithCancelCause(context.WithoutCancel(ctx))
	defer stop(nil)
	defer context.AfterFunc(ctx, func() {
		stop(sallyport.E(sallyport.Unavailable, "shutdown", "the gateway is shutting down").WithHint("connect again in a moment"))
	})()
	eg, ectx := errgroup.WithContext(work)
	if g.pgListener != nil {
		eg.Go(func() error { return g.conn.Serve(ectx, g.pgListener) })
	}
	eg.Go(func() error { return g.serveAPI(ectx) })
	if g.gate != nil {
		eg.Go(func() error { return g.gate.Serve(ectx, g.httpListener) })
	}
	if g.connect != nil {
		eg.Go(func() error { return g.connect.Serve(ectx, g.connectListener) })
	}
	if g.ssh != nil {
		eg.Go(func() error { return g.ssh.connector.Serve(ectx, g.ssh.listener) })
	}
	eg.Go(func() error { g.index.run(ectx); return nil })
	eg.Go(func() error { g.policy.watch(ectx, g.cfg.Policy.Reload); return nil })
	eg.Go(func() error { return g.heartbeat(ectx) })
	eg.Go(func() error { return g.sweepTokens(ectx) })
	if g.witness != nil {
		eg.Go(func() error { g.witness.Run(ectx); return nil })
	}
	eg.Go(func() error { return g.shipAll(ectx) })
	eg.Go(func() error { g.retention.Run(ectx, g.cfg.Retention.Sweep); return nil })
	for _, t := range g.targets {
		eg.Go(func() error { t.Run(ectx); return nil })
	}
	eg.Go(func() error { // sessions end before the listeners' goroutines are waited for
		<-ectx.Done()
		sctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 15*time.Second)
		defer cancel()
		return g.engine.Shutdown(sctx)
	})
	err := eg.Wait()
	sctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 30*time.Second)
	defer cancel()
	for _, t := range g.targets {
		t.Close(sctx)
	}
	if g.log.Err() == nil {
		reason := "told to stop"
		if err != nil {
			reason, _ = sallyport.Public(err)
		}
		err = errors.Join(err, g.stop(sctx, reason))
		g.cosignLast(sctx)
	}
	g.shipRest(sctx)
	return errors.Join(err, g.close(sctx))
}

// stop puts the end of the epoch on record.
func (g *Gateway) stop(ctx context.Context, reason string) error {
	seal, err := g.log.Seal(ctx)
	if err != nil {
		return err
	}
	return g.events.Stop(ctx, evidence.Stop{Reason: reason, Seal: seal})
}

// beat seals the log and puts a sign of life on record.
func (g *Gateway) beat(ctx context.Context) error {
	seal, err := g.log.Seal(ctx)
	if err != nil && g.log.Err() == nil && ctx.Err() == nil {
		g.deps.Log.Warn("the ledger cannot be signed at the moment", "err", err)
	} else if err != nil {
		return err
	}
	return g.events.Heartbeat(ctx, evidence.Heartbeat{Sessions: g.engine.Live(), Every: heartbeatEvery.Milliseconds(), Seal: seal})
}

// heartbeat puts a sign of life on record, and ends the gateway when the ledger
// takes nothing more.
func (g *Gateway) heartbeat(ctx context.Context) error {
	tick := time.NewTicker(heartbeatEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-g.log.Poisoned():
			return g.log.Err()
		case <-tick.C:
		}
		if err := g.beat(ctx); err != nil && ctx.Err() == nil {
			return err
		}
	}
}

// sweepTokens removes gateway tokens that have ended.
func (g *Gateway) sweepTokens(ctx context.Context) error {
	tick := time.NewTicker(time.Minute)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		if _, err := g.tokens.Sweep(ctx); err != nil && ctx.Err() == nil {
			g.deps.Log.Warn("tokens cannot be swept", "err", err)
		}
	}
}
