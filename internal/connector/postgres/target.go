// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package postgres

import (
	"context"
	"crypto/tls"
	"log/slog"
	"strings"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"

	sallyport "github.com/sallyport-dev/sallyport"
	analyze "github.com/sallyport-dev/sallyport/internal/analyze/postgres"
	"github.com/sallyport-dev/sallyport/internal/catalog"
	"github.com/sallyport-dev/sallyport/internal/connector/postgres/pglogin"
	"github.com/sallyport-dev/sallyport/internal/mask/rules"
	"github.com/sallyport-dev/sallyport/internal/vault"
	"github.com/sallyport-dev/sallyport/internal/wire/pgwire"
)

// TargetConfig says where a PostgreSQL target is and how lineage is had from it.
type TargetConfig struct {
	Resource          sallyport.ResourceID
	Address           string
	Database          string
	TLS               *tls.Config // verify-full; nil only with InsecurePlaintext
	InsecurePlaintext bool
	Credential        vault.Ref
	Username          string
	Analyser          vault.Ref // "" when there is no analyser role
	AnalyserUsername  string
	Lineage           string // "auto", "in-band" or "preflight"
	MaxMessage        int    // of a client, in bytes; 0 means the codec's default
	// Refresh is the pace at which the catalogue is read again.
	Refresh time.Duration
	Labels  catalog.Config
	// Masking says how what must be masked is masked.
	Masking *rules.Set
	// Patients is the label of columns that hold keys of patients; "" when whose rows
	// are in an answer is not recorded.
	Patients sallyport.Label
	// Lease returns a credential.
	Lease func(ctx context.Context, ref vault.Ref) (*vault.Lease, error)
	Now   func() time.Time
	Log   *slog.Logger
}

// Target is what all sessions on one resource share: the catalogue, the plans
// of statements, and the analyser role's connection.
type Target struct {
	cfg      TargetConfig
	plans    *planCache
	analyser *analyser
	names    *catalog.Live
	stale    atomic.Bool
	warned   map[string]bool // warnings that were logged; owned by the loader
	conn     *pgx.Conn       // of the loader, which catalog.Live runs one at a time
}

// minRefresh is the shortest time between two readings of the catalogue, so that
// a client cannot keep the gateway reading.
const minRefresh = 200 * time.Millisecond

// NewTarget returns a target; it does not connect yet.
func NewTarget(cfg TargetConfig) *Target {
	t := &Target{cfg: cfg, plans: newPlanCache(), warned: map[string]bool{}}
	t.analyser = &analyser{target: t}
	t.names = catalog.NewLive(t.read, minRefresh, cfg.Now)
	return t
}

// Run reads the catalogue again at the configured pace until ctx ends, so that
// changes made beside the gateway are noticed, and then closes its connections.
func (t *Target) Run(ctx context.Context) {
	tick := time.NewTicker(max(t.cfg.Refresh, time.Second))
	defer tick.Stop()
	for {
		if _, err := t.refresh(ctx); err != nil && ctx.Err() == nil {
			t.cfg.Log.Warn("the catalogue cannot be read; the last state holds", "resource", t.cfg.Resource, "err", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// Close closes the connections of the gateway's own, after Run and the sessions
// have ended.
func (t *Target) Close(ctx context.Context) {
	if t.conn != nil {
		_ = t.conn.Close(ctx) // nothing is lost with it
		t.conn = nil
	}
	t.analyser.close(ctx)
}

// Ready reports whether the catalogue has been read.
func (t *Target) Ready() bool { return t.names.Current() != nil }

func (t *Target) now() time.Time { return t.cfg.Now() }

func (t *Target) maxMessage() int {
	if t.cfg.MaxMessage > 0 {
		return t.cfg.MaxMessage
	}
	return pgwire.MaxClientMessage
}

// readable is the masked form of a statement's text.
func (t *Target) readable(text []byte) string { return analyze.Readable(string(text)) }

// hasName reports whether a diagnostic's name field names something of the
// catalogue.
func (t *Target) hasName(field byte, name string) bool {
	c := t.names.Current()
	return c != nil && c.Known(field, name)
}

// catalog returns the catalogue, reading it first where it never was or where
// the gateway knows that it changed.
func (t *Target) catalog(ctx context.Context) (*catalog.Catalog, error) {
	if c := t.names.Current(); c != nil && !t.stale.Load() {
		return c, nil
	}
	return t.refresh(ctx)
}

// changed notes that a statement through the gateway changed the catalogue.
func (t *Target) changed() {
	t.stale.Store(true)
	t.plans.clear()
}

// refresh reads the catalogue anew.
func (t *Target) refresh(ctx context.Context) (*catalog.Catalog, error) {
	t.stale.Store(false)
	c, err := t.names.Refresh(ctx)
	if err != nil {
		t.stale.Store(true)
		return nil, sallyport.E(sallyport.Unavailable, "catalogue", "the target's catalogue cannot be read").
			WithHint("the operator must look at the target and the gateway's rights on it").Because(err)
	}
	t.plans.clear()
	return c, nil
}

// read loads the catalogue over a connection of the gateway's own and logs what
// is wrong with the labels, each once.
func (t *Target) read(ctx context.Context) (*catalog.Catalog, error) {
	if t.conn == nil || t.conn.IsClosed() {
		conn, err := t.connect(ctx, t.cfg.Credential, t.cfg.Username, nil)
		if err != nil {
			return nil, err
		}
		t.conn = conn
	}
	c, err := catalog.Load(ctx, t.conn, t.cfg.Labels)
	if err != nil {
		_ = t.conn.Close(ctx) // the next reading starts anew
		t.conn = nil
		return nil, err
	}
	for _, w := range c.Warnings() {
		if !t.warned[w.Text] {
			t.warned[w.Text] = true
			t.cfg.Log.Warn("labels: "+w.Text, "resource", t.cfg.Resource, "line", w.Line)
		}
	}
	return c, nil
}

// connect opens a connection of the gateway's own for a role of the target.
func (t *Target) connect(ctx context.Context, ref vault.Ref, user string, notice func(*pgx.ConnConfig)) (*pgx.Conn, error) {
	cfg, err := pgx.ParseConfig("")
	if err != nil {
		return nil, err
	}
	return t.dialPgx(ctx, cfg, ref, user, notice)
}

// build makes a plan from a statement's tree. Objects that the catalogue does
// not know have it read again, once.
func (t *Target) build(ctx context.Context, g *analyze.Gated, tree []byte, fields []pgwire.Field) (*plan, error) {
	names, err := t.catalog(ctx)
	if err != nil {
		return nil, err
	}
	lineage, err := analyze.Lineage(string(tree), names)
	if err == nil && len(lineage.Missing) > 0 {
		if names, err = t.refresh(ctx); err != nil {
			return nil, err
		}
		lineage, err = analyze.Lineage(string(tree), names)
	}
	if err != nil {
		return nil, err
	}
	st := t.partial(lineage.Statement(g, t.cfg.Resource, names))
	return &plan{
		gated: g, stmt: st, inner: fields, treeKey: string(appendTreeKey(nil, tree)), calls: len(lineage.Calls) > 0, lineage: lineage,
		subjects: t.identify(st, g, lineage, true, names),
	}, nil
}

// partial notes which columns that a statement writes are shown in part.
func (t *Target) partial(st *sallyport.Statement) *sallyport.Statement {
	for i := range st.Flows {
		f := &st.Flows[i]
		f.Partial = t.cfg.Masking.Partial(f.Target.Labels)
	}
	return st
}

// utility makes a plan from the gate's word alone, joined with the lineage of
// an inner query.
func (t *Target) utility(ctx context.Context, g *analyze.Gated, path []string, inner *plan) (*plan, error) {
	names, err := t.catalog(ctx)
	if err != nil {
		return nil, err
	}
	p := &plan{gated: g}
	if inner == nil {
		p.stmt = g.Statement(t.cfg.Resource, path, func(schema, name string) (analyze.Relation, bool) {
			return names.Resolve(schema, name, path)
		})
		p.subjects = t.identify(p.stmt, g, nil, false, names)
		return p, nil
	}
	p.inner, p.treeKey, p.calls = inner.inner, inner.treeKey, inner.calls
	p.stmt = t.partial(inner.lineage.Statement(located(g, path), t.cfg.Resource, names))
	p.subjects = t.identify(p.stmt, g, inner.lineage, g.Answer == analyze.AnswerInner, names)
	return p, nil
}

// located gives the relation that a statement creates the schema that the
// session would create it in, where the statement names none.
func located(g *analyze.Gated, path []string) *analyze.Gated {
	if g.Inner == nil || g.Inner.Target == nil || g.Inner.Target.Schema != "" {
		return g
	}
	for _, schema := range path {
		if schema == "pg_catalog" || strings.HasPrefix(schema, "pg_temp") {
			continue
		}
		outer, inner, target := *g, *g.Inner, *g.Inner.Target
		target.Schema = schema
		inner.Target, outer.Inner = &target, &inner
		return &outer
	}
	return g
}

// appendTreeKey appends the form of a tree by which two analyses of a statement
// are compared; nothing when the tree cannot be read with certainty.
func appendTreeKey(dst, tree []byte) []byte {
	n := len(dst)
	out, ok := analyze.AppendTreeKey(dst, tree)
	if !ok {
		return out[:n]
	}
	return out
}

// same reports whether two tree keys are known and equal.
func same(a []byte, b string) bool { return len(a) > 0 && string(a) == b }

// lineage reads a tree without keeping anything of it.
func (t *Target) lineage(ctx context.Context, tree []byte) (*analyze.Plan, error) {
	names, err := t.catalog(ctx)
	if err != nil {
		return nil, err
	}
	return analyze.Lineage(string(tree), names)
}

// readsData reports whether a statement reads anything but the system's
// catalogue.
func (t *Target) readsData(p *analyze.Plan) bool {
	names := t.names.Current()
	for _, u := range p.Relations {
		rel, ok := names.Relation(u.Relation)
		if !ok || rel.Schema != "pg_catalog" && rel.Schema != "information_schema" {
			return true
		}
	}
	return len(p.Missing) > 0
}

// loginParams are the settings with which a session's own connection sends its
// trees in band.
func (t *Target) loginParams(user map[string]string, inBand bool) map[string]string {
	params := map[string]string{}
	for k, v := range user {
		params[k] = v
	}
	params["client_encoding"] = "UTF8"
	params["standard_conforming_strings"] = "on"
	if inBand {
		params["debug_print_rewritten"] = "on"
		params["debug_pretty_print"] = "off"
		params["client_min_messages"] = "log"
	}
	return params
}

// dial logs a session in to the target.
func (t *Target) dial(ctx context.Context, lease *vault.Lease, settings map[string]string, inBand bool) (*pglogin.Upstream, error) {
	user := lease.Username()
	if user == "" {
		user = t.cfg.Username
	}
	return pglogin.Dial(ctx, pglogin.DialOptions{
		Address: t.cfg.Address, Database: t.cfg.Database, User: user, Password: string(lease.Password()),
		TLS: t.cfg.TLS, InsecurePlaintext: t.cfg.InsecurePlaintext, Application: "sallyport",
		RuntimeParams: t.loginParams(settings, inBand),
	})
}
