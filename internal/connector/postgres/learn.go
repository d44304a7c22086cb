// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package postgres

import (
	"context"
	"fmt"

	sallyport "github.com/sallyport-dev/sallyport"
	analyze "github.com/sallyport-dev/sallyport/internal/analyze/postgres"
	"github.com/sallyport-dev/sallyport/internal/session"
	"github.com/sallyport-dev/sallyport/internal/wire/pgwire"
)

// question is something that the gateway asks the target for itself on the
// session's connection.
type question struct {
	rows   []string // first column of each row
	failed bool
	done   chan struct{}
}

// cacheKey returns the key under which a text's plan is kept. The result is
// good until the next call.
func (r *relay) cacheKey(text []byte) []byte {
	r.key = append(r.key[:0], r.private...)
	r.key = append(r.key, 0)
	r.key = analyze.AppendKey(r.key, text)
	return r.key
}

// known returns the plan of a text, or nil.
func (r *relay) known(text []byte) *plan { return r.target.plans.get(r.cacheKey(text)) }

// effects notes what a statement that is about to run changes in the meaning of
// names, so that nothing is decided on a plan made before. It errs on the side
// of forgetting: a change that fails or is rolled back counts as well.
func (r *relay) effects(g *analyze.Gated) {
	changes := g.Drops.Settings || g.Drops.TempTables
	if s := g.Setting; s != nil && s.Verb != analyze.SettingShow && (s.Name == "search_path" || s.Name == "all") {
		changes = true
	}
	for _, e := range g.Effects {
		changes = changes || e == sallyport.Define || e == sallyport.Destroy
	}
	if r.private != "" && g.Txn != analyze.NotTxn { // SET and DDL are transactional
		changes = true
	}
	if changes {
		r.rename()
		r.renamed = true
	}
}

// rename makes every plan so far another session's.
func (r *relay) rename() {
	r.changes++
	r.private = fmt.Sprintf("%s#%d", r.sess.ID(), r.changes)
}

// segmentEnds notes that an implicit transaction ends: what changed the meaning
// of names in it may be undone.
func (r *relay) segmentEnds() {
	if r.renamed {
		r.rename()
		r.renamed = false
	}
}

// planFor makes the plan of a gated statement, as far as it can be made before
// the statement is sent: from the gate alone, from an inner query's tree, or
// from the analyser role. It returns nil where the server's tree will come in
// band with the Parse.
func (r *relay) planFor(ctx context.Context, g *analyze.Gated) (*plan, error) {
	switch {
	case g.Refused != "":
		st := unparsed(analyze.Readable(g.Text), g.Class)
		st.Refused, st.Hint, st.Effects = g.Refused, g.Hint, g.Effects
		return &plan{gated: g, stmt: st}, nil
	case g.Answer == analyze.AnswerCursor:
		return r.cursorPlan(ctx, g)
	case g.Inner != nil:
		return r.innerPlan(ctx, g)
	case g.NeedsTree && r.preflight:
		path, err := r.searchPath(ctx)
		if err != nil {
			return nil, err
		}
		tree, _, err := r.target.analyser.analyse(ctx, g.Text, path)
		if err != nil {
			return nil, err
		}
		return r.target.build(ctx, g, tree, nil)
	case g.NeedsTree:
		return nil, nil
	}
	return r.utilityPlan(ctx, g, nil)
}

// cursorPlan is the plan of FETCH, MOVE and CLOSE: that of the cursor's query,
// under their own class. The cursor must have been declared in this session.
func (r *relay) cursorPlan(ctx context.Context, g *analyze.Gated) (*plan, error) {
	if err := r.settleAll(ctx); err != nil { // its DECLARE may still be on its way
		return nil, err
	}
	if g.Answer == analyze.AnswerNone || g.Cursor == "" {
		return r.utilityPlan(ctx, g, nil)
	}
	p := r.m.cursor(g.Cursor)
	if p == nil {
		return nil, sallyport.E(sallyport.NotFound, "fetch", "the cursor was not declared in this transaction through the gateway").
			WithHint("DECLARE it in the same transaction; cursors WITH HOLD and cursors that functions open are not handled").
			Because(pgwire.State("34000"))
	}
	st := *p.stmt
	st.Class, st.Readable, st.Effects = g.Class, analyze.Readable(g.Text), g.Effects
	return &plan{gated: g, stmt: &st, treeKey: p.treeKey, inner: p.inner, unproved: p.unproved, subjects: p.subjects}, nil
}

// innerPlan has the query inside a utility statement analysed by itself.
func (r *relay) innerPlan(ctx context.Context, g *analyze.Gated) (*plan, error) {
	if g.Inner.Gate != nil && g.Inner.Gate.Refused != "" {
		st := unparsed(analyze.Readable(g.Text), g.Class)
		st.Refused, st.Hint, st.Effects = g.Inner.Gate.Refused, g.Inner.Gate.Hint, g.Effects
		return &plan{gated: g, stmt: st}, nil
	}
	var tree []byte
	var fields []pgwire.Field
	var err error
	if r.preflight {
		var path []string
		if path, err = r.searchPath(ctx); err == nil {
			tree, fields, err = r.target.analyser.analyse(ctx, g.Inner.Query, path)
		}
	} else {
		tree, fields, err = r.probe(ctx, g)
	}
	if err != nil {
		return nil, err
	}
	inner, err := r.target.build(ctx, g.Inner.Gate, tree, fields)
	if err != nil {
		return nil, err
	}
	p, err := r.utilityPlan(ctx, g, inner)
	if err == nil && g.Inner.Kind == analyze.InnerCursor {
		p.cursor = inner
	}
	return p, err
}

// utilityPlan is the plan of a statement that the server runs without planning:
// its objects are resolved by name, and an inner query's lineage is joined.
func (r *relay) utilityPlan(ctx context.Context, g *analyze.Gated, inner *plan) (*plan, error) {
	var path []string
	if needsPath(g) {
		var err error
		if path, err = r.searchPath(ctx); err != nil {
			return nil, err
		}
	}
	return r.target.utility(ctx, g, path, inner)
}

// needsPath reports whether a statement names objects without their schema.
func needsPath(g *analyze.Gated) bool {
	for _, o := range g.Objects {
		if o.Schema == "" && o.Kind != "schema" && o.Kind != "database" && o.Kind != "role" {
			return true
		}
	}
	return g.Inner != nil && g.Inner.Target != nil && g.Inner.Target.Schema == ""
}

// probe has the target analyse an inner query on the session's own connection
// and returns its tree and the description of its answer.
func (r *relay) probe(ctx context.Context, g *analyze.Gated) ([]byte, []pgwire.Field, error) {
	if err := r.settleAll(ctx); err != nil {
		return nil, nil, err
	}
	prep := &prepared{text: []byte(g.Inner.Query), done: make(chan struct{}), probe: true}
	st := unparsed(analyze.Readable(g.Inner.Query), g.Class)
	adm := r.sess.Analysis(session.Command{Statement: st, Text: prep.text})
	r.intend(session.Intent{Admission: adm, Phase: session.Analyse}, &prep.holder)
	r.m.expect(expectation{kind: expectParse, own: true, prep: prep})
	r.m.expect(expectation{kind: expectDescribe, own: true, prep: prep})
	r.m.expect(expectation{kind: expectClose, own: true})
	var err error
	if r.batch, err = pgwire.AppendParse(r.batch, probeName, g.Inner.Query, nil); err != nil {
		return nil, nil, err
	}
	r.batch = pgwire.AppendDescribe(r.batch, 'S', probeName)
	r.batch = pgwire.AppendClose(r.batch, 'S', probeName)
	r.endOwn()
	if err := r.flush(ctx); err != nil {
		return nil, nil, err
	}
	if err := r.wait(ctx, prep.done); err != nil {
		return nil, nil, err
	}
	if prep.failed {
		return nil, nil, errAnswered
	}
	return prep.tree, prep.fields, nil
}

// endOwn ends what the gateway asks for itself: by a Sync of its own, so that no
// implicit transaction stays behind, unless the client's pipeline is open and
// would be cut in two.
func (r *relay) endOwn() {
	if r.open {
		r.batch = pgwire.AppendFlush(r.batch)
		return
	}
	r.m.expect(expectation{kind: expectSync, own: true})
	r.batch = pgwire.AppendSync(r.batch)
}

// searchPath asks the target in which schemas it looks names up now. After an
// error inside a transaction nothing can be asked; then there is no path.
func (r *relay) searchPath(ctx context.Context) ([]string, error) {
	if r.path != nil && r.pathAt == r.changes {
		return r.path, nil
	}
	if err := r.settleAll(ctx); err != nil {
		return nil, err
	}
	if r.m.discards() { // the target discards what would be asked, and the client knows why
		return nil, errAnswered
	}
	if r.m.status() == pgwire.TxFailed {
		return nil, nil
	}
	q := &question{done: make(chan struct{})}
	for _, k := range []expectKind{expectParse, expectBind, expectExecute} {
		r.m.expect(expectation{kind: k, own: true, ask: q})
	}
	r.m.expect(expectation{kind: expectClose, own: true})
	r.m.expect(expectation{kind: expectClose, own: true, ask: q}) // completes the question
	var err error
	if r.batch, err = pgwire.AppendParse(r.batch, pathName, pathText, nil); err != nil {
		return nil, err
	}
	if r.batch, err = pgwire.AppendBind(r.batch, pathName, pathName, nil, nil, nil); err != nil {
		return nil, err
	}
	r.batch = pgwire.AppendExecute(r.batch, pathName, 0)
	// Inside a transaction the portal would outlive its statement and stand in the
	// way of the next question.
	r.batch = pgwire.AppendClose(r.batch, 'P', pathName)
	r.batch = pgwire.AppendClose(r.batch, 'S', pathName)
	r.endOwn()
	if err := r.flush(ctx); err != nil {
		return nil, err
	}
	if err := r.wait(ctx, q.done); err != nil {
		return nil, err
	}
	if q.failed {
		return nil, sallyport.E(sallyport.Unavailable, "search path", "the target did not say where it looks names up")
	}
	r.path, r.pathAt = q.rows, r.changes
	return q.rows, nil
}
