// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package postgres

import (
	"bytes"
	"context"
	"errors"

	sallyport "github.com/sallyport-dev/sallyport"
	analyze "github.com/sallyport-dev/sallyport/internal/analyze/postgres"
	"github.com/sallyport-dev/sallyport/internal/session"
	"github.com/sallyport-dev/sallyport/internal/wire/pgwire"
)

// errAnswered says that the client has been told of an error already.
var errAnswered = errors.New("the client has been answered")

// query handles a simple Query. A statement whose lineage is known is forwarded
// as it is; an unknown one is run in steps (see step); what holds an inner query
// (COPY, EXPLAIN, ...) has that analysed first.
func (r *relay) query(ctx context.Context, body []byte) error {
	text, err := pgwire.DecodeQuery(body)
	if err != nil {
		return err
	}
	r.open = false
	r.m.dropUnnamed()
	defer r.segmentEnds()
	if p := r.known(text); p != nil {
		return r.runQuery(ctx, text, p)
	}
	script, err := analyze.Gate(string(text))
	if err != nil {
		return r.ungated(ctx, text, err, r.poisonQuery)
	}
	switch len(script.Statements) {
	case 0:
		r.m.expect(expectation{kind: expectQuery})
		r.batch = pgwire.AppendQuery(r.batch, "")
		return nil
	case 1:
		if err := r.witnessed(ctx, text); err != nil {
			return r.poisonQuery(err)
		}
		g := script.Statements[0]
		p, err := r.planFor(ctx, g)
		if errors.Is(err, errAnswered) { // what is missing is the ReadyForQuery
			r.m.expect(expectation{kind: expectSync})
			r.batch = pgwire.AppendSync(r.batch)
			return nil
		}
		if err != nil {
			return r.ungated(ctx, text, err, r.poisonQuery)
		}
		if p == nil {
			return r.steps(ctx, script)
		}
		if g.Answer != analyze.AnswerCursor {
			r.target.plans.put(r.cacheKey(text), p)
		}
		return r.runQuery(ctx, text, p)
	}
	return r.steps(ctx, script)
}

// ungated records and answers a statement that cannot be decided about. What
// ends the session is returned as it is.
func (r *relay) ungated(ctx context.Context, text []byte, err error, answer func(error) error) error {
	switch sallyport.KindOf(err) {
	case sallyport.Invalid, sallyport.Exhausted, sallyport.NotFound, sallyport.Denied, sallyport.Conflict:
	default:
		return err
	}
	if ferr := r.flush(ctx); ferr != nil {
		return ferr
	}
	msg, hint := sallyport.Public(err)
	st := unparsed(r.target.readable(text), "unreadable")
	if rerr := r.sess.Refuse(ctx, session.Command{Statement: st, Text: text}, msg, hint); sallyport.KindOf(rerr) != sallyport.Denied {
		return rerr
	}
	var state pgwire.State
	if sallyport.KindOf(err) == sallyport.Invalid && !errors.As(err, &state) {
		err = sallyport.E(sallyport.Invalid, "statement", msg).WithHint(hint).Because(pgwire.State("42601"))
	}
	return answer(err)
}

// witnessed returns the refusal, which is on record, of a statement that comes
// while the ledger's witnesses are out of reach. It is asked before the target is
// asked anything about the statement.
func (r *relay) witnessed(ctx context.Context, text []byte) error {
	return r.sess.Witnessed(ctx, func() session.Command {
		return session.Command{Statement: unparsed(r.target.readable(text), "statement"), Text: text}
	})
}

// runQuery admits a statement of a known plan and forwards it whole.
func (r *relay) runQuery(ctx context.Context, text []byte, p *plan) error {
	adm, err := r.admission(ctx, p, text, nil)
	if err != nil {
		return r.poisonQuery(err)
	}
	exec := &execution{adm: adm, plan: p, copyIn: p.gated.Answer == analyze.AnswerCopyIn}
	r.intend(session.Intent{Admission: adm}, &exec.permit)
	r.m.expect(expectation{kind: expectQuery, exec: exec})
	r.batch = pgwire.AppendQuery(r.batch, text)
	r.effects(p.gated)
	return nil
}

// admission returns a fresh admission for a plan: the one at hand, or what the
// engine says now, which may take a human's time.
func (r *relay) admission(ctx context.Context, p *plan, text, params []byte) (*session.Admission, error) {
	inTx := r.m.status() != pgwire.TxIdle
	if a := r.admitted[p]; a != nil {
		if b, ok := r.sess.Renew(a, inTx); ok {
			if b != a {
				r.admitted[p] = b
			}
			return b.WithText(text), nil
		}
		delete(r.admitted, p)
	}
	a, err := r.admit(ctx, session.Command{Statement: p.stmt, Text: bytes.Clone(text), Params: params, InTransaction: inTx})
	if err != nil {
		return nil, err
	}
	if !a.Approved() {
		if len(r.admitted) >= 2*maxPlans {
			clear(r.admitted)
		}
		r.admitted[p] = a
	}
	return a, nil
}

// steps runs the statements of a Query one after the other through the extended
// protocol, without a Sync between them: PostgreSQL then treats them as one
// implicit transaction, as it does a multi-statement Query, and each can be
// decided about on the server's own analysis before it runs.
func (r *relay) steps(ctx context.Context, script *analyze.Script) error {
	if err := r.settleAll(ctx); err != nil {
		return err
	}
	r.open = true // no Sync of the gateway's own may cut the implicit transaction
	defer func() { r.open = false }()
	for _, g := range script.Statements {
		err := r.step(ctx, g, len(script.Statements) > 1)
		if errors.Is(err, errAnswered) {
			break
		}
		if err != nil {
			return err
		}
	}
	r.skip = false
	r.m.expect(expectation{kind: expectSync})
	r.batch = pgwire.AppendSync(r.batch)
	return nil
}

// step runs one statement: Parse, wait for the server's tree, decide, then Bind
// and Execute. It returns errAnswered when the rest must not run.
func (r *relay) step(ctx context.Context, g *analyze.Gated, several bool) error {
	text := []byte(g.Text)
	if err := r.witnessed(ctx, text); err != nil {
		return r.stepDenied(err)
	}
	if several && g.Copy != nil {
		return r.stepRefused(ctx, text, sallyport.E(sallyport.Denied, "statement", "COPY inside a multi-statement query is not handled").
			WithHint("send the COPY as a query of its own"))
	}
	p := r.known(text)
	if p == nil {
		var err error
		if p, err = r.planFor(ctx, g); err != nil {
			if errors.Is(err, errAnswered) {
				return err
			}
			return r.stepRefused(ctx, text, err)
		}
	}
	if p != nil && p.gated.Refused != "" { // not even to be analysed
		_, err := r.admission(ctx, p, text, nil)
		return r.stepDenied(err)
	}
	prep := &prepared{plan: p, text: text, done: make(chan struct{})}
	if err := r.appendParse(prep, "", text, nil, g); err != nil {
		return err
	}
	r.batch = pgwire.AppendFlush(r.batch)
	if err := r.flush(ctx); err != nil {
		return err
	}
	if err := r.wait(ctx, prep.done); err != nil {
		return err
	}
	if prep.failed {
		return errAnswered
	}
	p = r.m.planOf(prep)
	if g.Answer != analyze.AnswerCursor {
		r.target.plans.put(r.cacheKey(text), p)
	}
	adm, err := r.admission(ctx, p, text, nil)
	if err != nil {
		return r.stepDenied(err)
	}
	exec := &execution{adm: adm, plan: p, prep: prep}
	r.intend(session.Intent{Admission: adm, Of: &prep.holder}, &exec.permit)
	r.m.expect(expectation{kind: expectBind, own: true, prep: prep, exec: exec})
	r.m.expect(expectation{kind: expectDescribe, rowsOnly: true, exec: exec})
	r.m.expect(expectation{kind: expectExecute, exec: exec})
	if r.batch, err = pgwire.AppendBind(r.batch, "", "", nil, nil, nil); err != nil {
		return err
	}
	r.batch = pgwire.AppendDescribe(r.batch, 'P', "")
	r.batch = pgwire.AppendExecute(r.batch, "", 0)
	r.effects(g)
	return nil
}

// stepRefused records and answers a step that cannot be decided about.
func (r *relay) stepRefused(ctx context.Context, text []byte, err error) error {
	if err := r.ungated(ctx, text, err, r.poison); err != nil {
		return err
	}
	return errAnswered
}

// stepDenied answers a step that was denied; the denial is on the record.
func (r *relay) stepDenied(err error) error {
	if err := r.poison(err); err != nil {
		return err
	}
	return errAnswered
}
