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

// Errors of the extended protocol that PostgreSQL itself would give.
func noSuchStatement() error {
	return sallyport.E(sallyport.NotFound, "bind", "prepared statement does not exist").Because(pgwire.State("26000"))
}

func noSuchPortal() error {
	return sallyport.E(sallyport.NotFound, "execute", "portal does not exist").Because(pgwire.State("34000"))
}

// namesChanged is the error for a portal whose statement the target resolves
// only now, after policy was asked about what its names meant at the Bind.
func namesChanged() error {
	return sallyport.E(sallyport.Denied, "execute", "the names in the statement may mean something else than when it was bound").
		WithHint("bind it again, right before it is executed")
}

func reservedName() error {
	return sallyport.E(sallyport.Denied, "statement", "names that begin with "+ownPrefix+" are the gateway's own").
		WithHint("choose another name for the statement or portal")
}

// parse handles a Parse: the gate reads the text; the message is forwarded for
// analysis with a Describe of the gateway's own behind it, so that the types of
// the answer are known whatever the client asks for.
func (r *relay) parse(ctx context.Context, body []byte) error {
	msg, err := pgwire.DecodeParse(body)
	if err != nil {
		return err
	}
	if reserved(msg.Name) {
		return r.poison(reservedName())
	}
	if err := r.witnessed(ctx, msg.Text); err != nil {
		return r.poison(err)
	}
	p := r.known(msg.Text)
	var g *analyze.Gated
	if p != nil {
		g = p.gated
	} else if g, p, err = r.gateParse(ctx, msg.Text); err != nil {
		if errors.Is(err, errAnswered) {
			r.skip = true
			return nil
		}
		return r.ungated(ctx, msg.Text, err, r.poison)
	}
	if g.Refused != "" {
		_, err := r.admission(ctx, p, msg.Text, nil)
		return r.poison(err)
	}
	prep := &prepared{plan: p, text: bytes.Clone(msg.Text), done: make(chan struct{}), changes: r.changes}
	name := string(msg.Name)
	if !r.m.setPrepared(name, prep) {
		return r.poison(sallyport.E(sallyport.Exhausted, "parse", "too many prepared statements in this session").
			WithHint("close statements that are not needed any longer"))
	}
	return r.appendParse(prep, name, msg.Text, body, g)
}

// gateParse reads the one statement of a Parse. The plan is nil when only the
// server's tree can tell.
func (r *relay) gateParse(ctx context.Context, text []byte) (*analyze.Gated, *plan, error) {
	script, err := analyze.Gate(string(text))
	if err != nil {
		return nil, nil, err
	}
	switch len(script.Statements) {
	case 0:
		g := &analyze.Gated{Class: "empty", Effects: []sallyport.Effect{sallyport.Control}, Answer: analyze.AnswerNone}
		st := unparsed("", "empty")
		st.Effects = g.Effects
		return g, &plan{gated: g, stmt: st}, nil
	case 1:
		g := script.Statements[0]
		p, err := r.planFor(ctx, g)
		if err == nil && p != nil && g.Answer != analyze.AnswerCursor {
			r.target.plans.put(r.cacheKey(text), p)
		}
		return g, p, err
	}
	return nil, nil, sallyport.E(sallyport.Invalid, "parse", "cannot insert multiple commands into a prepared statement").
		Because(pgwire.State("42601"))
}

// appendParse queues a Parse (body, or one made of name and text) and the
// gateway's own Describe, with the intent to have it analysed.
func (r *relay) appendParse(prep *prepared, name string, text, body []byte, g *analyze.Gated) error {
	st := unparsed(r.target.readable(text), g.Class)
	adm := r.sess.Analysis(session.Command{Statement: st, Text: prep.text})
	r.intend(session.Intent{Admission: adm, Phase: session.Analyse}, &prep.holder)
	r.m.expect(expectation{kind: expectParse, own: body == nil, prep: prep})
	r.m.expect(expectation{kind: expectDescribe, own: true, prep: prep})
	if body != nil {
		r.batch = pgwire.AppendMessage(r.batch, pgwire.ClientParse, body)
	} else {
		var err error
		if r.batch, err = pgwire.AppendParse(r.batch, name, text, nil); err != nil {
			return err
		}
	}
	r.batch = pgwire.AppendDescribe(r.batch, 'S', name)
	return nil
}

// bind handles a Bind: the statement's lineage must be known by now; policy
// decides, and the intent with the parameters goes in front of the message.
func (r *relay) bind(ctx context.Context, body []byte) error {
	msg, err := pgwire.DecodeBind(body)
	if err != nil {
		return err
	}
	if reserved(msg.Portal) || reserved(msg.Statement) {
		return r.poison(reservedName())
	}
	prep := r.m.lookup(msg.Statement)
	if prep != nil && r.m.unsure(prep.seq) { // its Parse may have failed, and the name mean another
		if err := r.settleAll(ctx); err != nil {
			return err
		}
	}
	if prep == nil || prep.lost() {
		return r.poison(noSuchStatement())
	}
	if err := r.witnessed(ctx, prep.text); err != nil {
		return r.poison(err)
	}
	p, err := r.planOf(ctx, prep)
	if err != nil {
		if errors.Is(err, errAnswered) {
			r.skip = true
			return nil
		}
		return r.ungated(ctx, prep.text, err, r.poison)
	}
	params := body[len(msg.Portal)+len(msg.Statement)+2:]
	if msg.Params.Len() == 0 {
		params = nil
	}
	adm, err := r.admission(ctx, p, prep.text, params)
	if err != nil {
		return r.poison(err)
	}
	exec := &execution{adm: adm, plan: p, prep: prep, copyIn: p.gated.Answer == analyze.AnswerCopyIn}
	for i := range msg.ResultFormats.Len() {
		exec.formats = append(exec.formats, msg.ResultFormats.At(i))
	}
	ended, ok := r.m.setPortal(string(msg.Portal), exec)
	if !ok {
		return r.poison(sallyport.E(sallyport.Exhausted, "bind", "too many open portals in this session").
			WithHint("close portals that are not needed any longer"))
	}
	r.intend(session.Intent{Admission: adm, Params: params, Of: &prep.holder}, &exec.permit)
	r.m.expect(expectation{kind: expectBind, prep: prep, exec: exec, ended: ended})
	r.batch = pgwire.AppendMessage(r.batch, pgwire.ClientBind, body)
	r.effects(p.gated)
	exec.changes = r.changes
	return nil
}

// planOf returns the plan of a prepared statement, waiting for the server's
// analysis where it is not in yet.
func (r *relay) planOf(ctx context.Context, prep *prepared) (*plan, error) {
	p := r.m.planOf(prep)
	if p == nil {
		r.batch = pgwire.AppendFlush(r.batch)
		if err := r.flush(ctx); err != nil {
			return nil, err
		}
		if err := r.wait(ctx, prep.done); err != nil {
			return nil, err
		}
		if prep.failed {
			return nil, errAnswered
		}
		p = r.m.planOf(prep)
		r.target.plans.put(r.cacheKey(prep.text), p)
	}
	if prep.changes != r.changes && p.gated.Refused == "" && (r.preflight && p.gated.NeedsTree || p.gated.Answer != analyze.AnswerTree) {
		// Names may mean something else by now, and no tree will tell.
		q, err := r.planFor(ctx, p.gated)
		if err != nil || q == nil {
			return q, err
		}
		prep.changes = r.changes
		r.m.learned(prep, q, true)
		p = q
	}
	if p.gated.Answer == analyze.AnswerCursor { // what the name means can change
		return r.planFor(ctx, p.gated)
	}
	return p, nil
}

// execute handles an Execute of a portal whose Bind was admitted.
func (r *relay) execute(ctx context.Context, body []byte) error {
	msg, err := pgwire.DecodeExecute(body)
	if err != nil {
		return err
	}
	exec, seq := r.m.portal(msg.Portal)
	if exec != nil && r.m.unsure(seq) { // its Bind may have failed
		if err := r.settleAll(ctx); err != nil {
			return err
		}
		exec, _ = r.m.portal(msg.Portal)
	}
	if exec == nil {
		return r.poison(noSuchPortal())
	}
	// Its Bind may be long ago.
	err = r.sess.Witnessed(ctx, func() session.Command { return session.Command{Statement: exec.adm.Statement(), Text: exec.prep.text} })
	if err != nil {
		return r.poison(err)
	}
	g := r.m.gated(exec)
	if exec.changes != r.changes && g.Answer != analyze.AnswerTree && needsPath(g) {
		return r.poison(namesChanged())
	}
	r.m.expect(expectation{kind: expectExecute, exec: exec})
	r.batch = pgwire.AppendMessage(r.batch, pgwire.ClientExecute, body)
	r.effects(g) // a portal may run long after its Bind
	exec.changes = r.changes
	return nil
}

// describeOrClose forwards a Describe or a Close; neither runs anything.
func (r *relay) describeOrClose(_ context.Context, typ byte, body []byte) error {
	decode, kind := pgwire.DecodeDescribe, expectDescribe
	if typ == pgwire.ClientClose {
		decode, kind = pgwire.DecodeClose, expectClose
	}
	msg, err := decode(body)
	if err != nil {
		return err
	}
	if reserved(msg.Name) {
		return r.poison(reservedName())
	}
	var ended *execution
	if typ == pgwire.ClientClose {
		ended = r.m.close(msg.Kind, msg.Name)
	}
	r.m.expect(expectation{kind: kind, ended: ended})
	r.batch = pgwire.AppendMessage(r.batch, typ, body)
	return nil
}
