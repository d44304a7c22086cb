// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package postgres

import (
	"bytes"
	"context"

	sallyport "github.com/sallyport-dev/sallyport"
	analyze "github.com/sallyport-dev/sallyport/internal/analyze/postgres"
	"github.com/sallyport-dev/sallyport/internal/mask"
	"github.com/sallyport-dev/sallyport/internal/wire/pgwire"
)

// notice handles a NoticeResponse: a tree of the server's is taken in, chatter
// of the raised client_min_messages dropped, the rest redacted.
func (r *relay) notice(ctx context.Context, body []byte) error {
	d, err := pgwire.DecodeDiagnostic(body)
	if err != nil {
		return err
	}
	severity := string(d.Get(pgwire.FieldSeverityEnglish))
	if severity == "LOG" {
		if analyze.IsTreeNotice(string(d.Get(pgwire.FieldFile)), string(d.Get(pgwire.FieldRoutine)), severity, string(d.Get(pgwire.FieldMessage))) {
			return r.tree(ctx, d.Get(pgwire.FieldDetail))
		}
		return nil
	}
	if severity != "NOTICE" && severity != "WARNING" && severity != "INFO" {
		return nil
	}
	m, n, err := mask.Diagnostic(pgwire.ServerNoticeResponse, mask.FromUpstream(body), r.target.hasName)
	if err != nil {
		return err
	}
	r.out.Put(m)
	if due, ok := r.m.due(); ok && due.exec != nil {
		due.exec.withheld += uint64(n)
	}
	return nil
}

// diagnosticCount is the masking event of a statement's redacted diagnostics.
func (t *Target) diagnosticCount(fields uint64) mask.Count {
	p := t.cfg.Masking.Profile()
	return mask.Count{
		Output: -1, Reason: "diagnostic", Operator: mask.OpRedact, Profile: p.Name(), ProfileVersion: p.Version(), Seen: fields, Masked: fields,
	}
}

// tree takes one rewritten query tree. Which statement it belongs to follows
// from the answer that is due: it comes before ParseComplete, before
// BindComplete when the plan had to be analysed again, and before the
// description of a simple Query's answer. Later trees are those of statements
// inside functions.
func (r *relay) tree(ctx context.Context, text []byte) error {
	due, ok := r.m.due()
	switch {
	case !ok || due.ask != nil:
		return nil
	case due.kind == expectParse && due.prep != nil:
		p := due.prep
		if p.trees++; p.trees > 1 {
			p.tree = nil // which one is the statement's cannot be told
			return nil
		}
		p.tree = bytes.Clone(text)
	case due.kind == expectBind && due.prep != nil:
		due.prep.again = append(due.prep.again, bytes.Clone(text))
	case due.exec != nil:
		return r.executionTree(ctx, due, text)
	}
	return nil
}

// executionTree takes a tree that comes while a statement runs.
func (r *relay) executionTree(ctx context.Context, due expectation, text []byte) error {
	e := due.exec
	g := e.plan.gated
	top := due.kind == expectQuery && !e.begun && !e.traced && e.copy == nil
	if top && g.Answer == analyze.AnswerTree {
		return r.compare(ctx, e, text)
	}
	if g.Answer == analyze.AnswerInner && !e.traced && e.copy == nil {
		// The bare UTILITY node comes first, then the inner query's tree.
		r.treeKey = appendTreeKey(r.treeKey[:0], text)
		e.traced = same(r.treeKey, e.plan.treeKey)
		return nil
	}
	if g.Utility || e.inner || !reads(e.plan.stmt) {
		return nil
	}
	// A statement inside a function: what it reads may come out in the answer.
	lineage, err := r.target.lineage(ctx, text)
	if err != nil || r.target.readsData(lineage) {
		e.inner, e.innerTables = true, r.target.tablesOf(lineage)
		if e.begun && e.rows != nil {
			e.counts = append(e.counts, e.rows.TakeCounts()...)
			e.before += e.rows.Rows()
			e.rows = r.maskOf(r.columns(e, e.fields, false))
		}
	}
	return nil
}

func reads(st *sallyport.Statement) bool {
	for _, x := range st.Effects {
		if x != sallyport.Read {
			return false
		}
	}
	return true
}

// compare checks the tree of a running simple Query against the plan it was
// admitted on. When the target resolved a name otherwise, policy is asked again
// before a row passes.
func (r *relay) compare(ctx context.Context, e *execution, text []byte) error {
	r.treeKey = appendTreeKey(r.treeKey[:0], text)
	e.traced = true
	if same(r.treeKey, e.plan.treeKey) {
		return nil
	}
	p, err := r.target.build(ctx, e.plan.gated, text, nil)
	if err != nil {
		return err
	}
	adm, err := r.sess.Recheck(ctx, e.adm, p.stmt)
	if err != nil {
		return err
	}
	r.target.plans.clear()
	r.m.mu.Lock()
	e.plan, e.adm = p, adm
	r.m.mu.Unlock()
	return nil
}

// learn completes a prepared statement from the tree that its Parse brought.
func (r *relay) learn(ctx context.Context, p *prepared) error {
	if p.probe {
		return nil
	}
	known := r.m.planOf(p)
	if known != nil && known.gated.Answer != analyze.AnswerTree {
		r.m.learned(p, known, true)
		return nil
	}
	if r.preflight {
		r.m.learned(p, known, true)
		return nil
	}
	if p.tree == nil {
		return r.untraced(p, known)
	}
	if known != nil {
		r.treeKey = appendTreeKey(r.treeKey[:0], p.tree)
		if same(r.treeKey, known.treeKey) {
			r.m.learned(p, known, true)
			p.tree = nil
			return nil
		}
	}
	return r.relearn(ctx, p, known, p.tree)
}

// untraced makes do without a tree: nothing is known of the answer, so all of it
// is masked, and what the statement touches cannot be decided about.
func (r *relay) untraced(p *prepared, known *plan) error {
	pl := &plan{unproved: true}
	if known != nil {
		*pl = *known
		pl.unproved = true
	} else {
		script, err := analyze.Gate(string(p.text))
		if err != nil || len(script.Statements) != 1 {
			return sallyport.E(sallyport.Integrity, "analyse", "a statement could not be read twice the same way")
		}
		pl.gated = script.Statements[0]
		pl.stmt = unparsed(r.target.readable(p.text), pl.gated.Class)
		pl.stmt.Effects = pl.gated.Effects
		pl.stmt.Refused = "the target did not show how it resolved the statement"
		pl.stmt.Hint = "do not change client_min_messages or debug settings; see docs/limits.md for what has no lineage"
	}
	r.m.learned(p, pl, false)
	return nil
}

// relearn makes a new plan from a tree. Executions that were admitted on another
// plan are decided about again; a denial ends the session, because they are on
// their way already.
func (r *relay) relearn(ctx context.Context, p *prepared, known *plan, tree []byte) error {
	var g *analyze.Gated
	if known != nil {
		g = known.gated
	} else {
		script, err := analyze.Gate(string(p.text))
		if err != nil || len(script.Statements) != 1 {
			return sallyport.E(sallyport.Integrity, "analyse", "a statement could not be read twice the same way")
		}
		g = script.Statements[0]
	}
	pl, err := r.target.build(ctx, g, tree, nil)
	if err != nil {
		return err
	}
	if known != nil {
		r.target.plans.clear()
		for _, e := range r.m.pending(p) {
			adm, err := r.sess.Recheck(ctx, e.adm, pl.stmt)
			if err != nil {
				return err
			}
			r.m.mu.Lock()
			e.plan, e.adm = pl, adm
			r.m.mu.Unlock()
		}
	}
	p.rows = rowMask{}
	r.m.learned(p, pl, true)
	return nil
}

// reanalysed takes the trees that came between a Bind and its completion: the
// statement's own when the target had to analyse it anew, and those of
// statements inside functions that were planned in.
func (r *relay) reanalysed(ctx context.Context, p *prepared) error {
	if p == nil || len(p.again) == 0 {
		return nil
	}
	trees := p.again
	p.again = nil
	known := r.m.planOf(p)
	if known == nil || known.gated.Answer != analyze.AnswerTree {
		return nil
	}
	for _, t := range trees {
		r.treeKey = appendTreeKey(r.treeKey[:0], t)
		if same(r.treeKey, known.treeKey) {
			return nil
		}
	}
	if len(trees) == 1 && !known.calls {
		return r.relearn(ctx, p, known, trees[0])
	}
	// Which of them is the statement's cannot be told: trust none.
	pl := *known
	pl.unproved = true
	for _, e := range r.m.pending(p) {
		r.m.mu.Lock()
		e.plan = &pl
		r.m.mu.Unlock()
	}
	p.rows = rowMask{}
	r.m.learned(p, &pl, false)
	return nil
}

// serverError handles an ErrorResponse.
func (r *relay) serverError(body []byte) error {
	d, err := pgwire.DecodeDiagnostic(body)
	if err != nil {
		return err
	}
	code := string(d.Get(pgwire.FieldSQLState))
	due, ok := r.m.due()
	m, withheld, err := r.redact(due, ok, body)
	if err != nil {
		return err
	}
	if due.refused {
		m, withheld = due.refusal, 0
	}
	if due.exec != nil {
		due.exec.withheld += uint64(withheld)
	}
	if due.ask == nil {
		r.out.Put(m)
	}
	r.m.setCopying(nil)
	if !ok {
		return nil // the target is about to close the connection
	}
	if due.exec != nil {
		if err := r.sess.Record(due.exec.permit, frameKind, m); err != nil {
			return err
		}
	}
	if due.kind == expectQuery {
		if due.exec != nil {
			return r.settle(due.exec, status(code), code, "")
		}
		return nil
	}
	return r.skipped(r.m.abandon(), code)
}

// status names how a statement ended from its SQLSTATE.
func status(code string) string {
	if code == string(pgwire.QueryCanceled) {
		return "cancelled"
	}
	return "error"
}

// redact makes the client's form of an error. Errors of analysing a statement
// hold nothing but the client's own text, so they pass whole; any later one can
// hold data.
func (r *relay) redact(due expectation, ok bool, body []byte) (mask.Masked, int, error) {
	parsing := ok && (due.kind == expectParse || due.kind == expectDescribe)
	if e := due.exec; ok && due.kind == expectQuery && e != nil {
		parsing = !r.preflight && e.plan.gated.Answer == analyze.AnswerTree && !e.traced && !e.begun
	}
	raw := mask.FromUpstream(body)
	if parsing {
		return mask.DiagnosticPassthrough(pgwire.ServerErrorResponse, raw)
	}
	return mask.Diagnostic(pgwire.ServerErrorResponse, raw, r.target.hasName)
}

// skipped settles what the server skips after an error: the first of them is
// the one that failed.
func (r *relay) skipped(rest []expectation, code string) error {
	failed := status(code)
	for _, x := range rest {
		if x.prep != nil && (x.kind == expectParse || x.kind == expectDescribe && x.own) {
			if err := r.settleParse(x.prep, failed, code); err != nil {
				return err
			}
		}
		if x.exec != nil {
			if err := r.settle(x.exec, failed, code, ""); err != nil {
				return err
			}
		}
		failed, code = "skipped", ""
	}
	return nil
}
