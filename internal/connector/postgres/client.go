// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package postgres

import (
	"context"
	"errors"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/mask"
	"github.com/sallyport-dev/sallyport/internal/session"
	"github.com/sallyport-dev/sallyport/internal/wire/pgwire"
)

// clientMessage handles one whole message of the client.
func (r *relay) clientMessage(ctx context.Context, typ byte, body []byte) error {
	if typ != pgwire.ClientSync && r.m.discards() {
		r.skip = true
	}
	if r.skip && typ != pgwire.ClientSync && typ != pgwire.ClientTerminate {
		return nil // as PostgreSQL does after an error
	}
	switch typ {
	case pgwire.ClientQuery:
		return r.query(ctx, body)
	case pgwire.ClientParse, pgwire.ClientBind, pgwire.ClientExecute, pgwire.ClientDescribe, pgwire.ClientClose:
		err := r.extended(ctx, typ, body)
		r.open = true
		return err
	case pgwire.ClientSync:
		r.skip, r.open = false, false
		r.segmentEnds()
		r.m.expect(expectation{kind: expectSync})
		r.batch = pgwire.AppendSync(r.batch)
		return nil
	case pgwire.ClientFlush:
		r.batch = pgwire.AppendFlush(r.batch)
		return nil
	case pgwire.ClientCopyData, pgwire.ClientCopyDone, pgwire.ClientCopyFail:
		return r.copyFromClient(ctx, typ, body)
	case pgwire.ClientTerminate:
		return errGone
	case pgwire.ClientFunctionCall:
		return r.refuseSimple(ctx, []byte("function call"), "function call",
			"the fast-path function call is not handled", "call the function in a SELECT")
	}
	return sallyport.E(sallyport.Invalid, "client message", "a message of an unknown type was sent").
		Because(pgwire.ProtocolViolation)
}

// extended handles the messages of the extended protocol that belong to a
// pipeline.
func (r *relay) extended(ctx context.Context, typ byte, body []byte) error {
	switch typ {
	case pgwire.ClientParse:
		return r.parse(ctx, body)
	case pgwire.ClientBind:
		return r.bind(ctx, body)
	case pgwire.ClientExecute:
		return r.execute(ctx, body)
	}
	return r.describeOrClose(ctx, typ, body)
}

// copyFromClient forwards the data of a COPY FROM STDIN. PostgreSQL ignores such
// messages elsewhere; here they end the session.
func (r *relay) copyFromClient(ctx context.Context, typ byte, body []byte) error {
	if !r.m.copyData() {
		return nil // sent before the client heard that its COPY failed
	}
	r.batch = pgwire.AppendMessage(r.batch, typ, body)
	if len(r.batch) >= readSize {
		return r.flush(ctx)
	}
	return nil
}

// refusal renders the error for the client of a statement that was refused, or
// returns the error itself when the session must end.
func refusal(err error) (mask.Masked, error) {
	if errors.Is(err, session.ErrCancelled) {
		return mask.Synthetic(pgwire.AppendError(nil, pgwire.SeverityError, pgwire.QueryCanceled,
			"canceling statement due to user request", "", "")), nil
	}
	if errors.Is(err, session.ErrUnwitnessed) { // it passes when the witnesses are back
		return mask.Synthetic(pgwire.AppendErrorFrom(nil, pgwire.SeverityError, err)), nil
	}
	switch sallyport.KindOf(err) {
	case sallyport.Denied, sallyport.Invalid, sallyport.Held, sallyport.NotFound, sallyport.Conflict, sallyport.Exhausted:
		return mask.Synthetic(pgwire.AppendErrorFrom(nil, pgwire.SeverityError, err)), nil
	}
	return mask.Masked{}, err
}

// poisonQuery answers a simple Query with the refusal, through the server so
// that the transaction's state comes out right.
func (r *relay) poisonQuery(err error) error {
	m, err := refusal(err)
	if err != nil {
		return err
	}
	r.m.expect(expectation{kind: expectQuery, refused: true, refusal: m})
	r.batch = pgwire.AppendQuery(r.batch, refusedText)
	return nil
}

// poison answers an extended-protocol message with the refusal and discards what
// follows until Sync.
func (r *relay) poison(err error) error {
	m, err := refusal(err)
	if err != nil {
		return err
	}
	r.m.expect(expectation{kind: expectParse, own: true, refused: true, refusal: m})
	r.batch, err = pgwire.AppendParse(r.batch, refusedName, refusedText, nil)
	r.skip = true
	return err
}

// unparsed is the statement of a text that the gate did not take.
func unparsed(readable, class string) *sallyport.Statement {
	return &sallyport.Statement{Protocol: Protocol, Readable: readable, Class: class}
}

// refuseSimple records and answers a simple Query, or a function call, that
// cannot pass.
func (r *relay) refuseSimple(ctx context.Context, text []byte, class, reason, hint string) error {
	if err := r.flush(ctx); err != nil {
		return err
	}
	err := r.sess.Refuse(ctx, session.Command{Statement: unparsed(r.target.readable(text), class), Text: text}, reason, hint)
	return r.poisonQuery(err)
}
