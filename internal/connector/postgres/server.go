// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package postgres

import (
	"context"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/mask"
	"github.com/sallyport-dev/sallyport/internal/wire/pgwire"
)

// unexpected ends the session: the target broke the protocol, so what it sends
// cannot be attributed to a statement.
func unexpected(typ byte) error {
	return sallyport.E(sallyport.Integrity, "target message", "the target sent "+pgwire.ServerTypeName(typ)+" where it was not due").
		WithHint("the answer was withheld; connect again")
}

// serverSide reads what the target sends until it ends.
func (r *relay) serverSide(ctx context.Context) error {
	buf := make([]byte, readSize)
	have := 0
	for {
		n, err := r.up.conn.Read(buf[have:])
		have += n
		if err := r.onRecord(ctx); err != nil {
			return err
		}
		if n > 0 {
			used, herr := r.serverMessages(ctx, buf[:have])
			if derr := r.deliverGathered(); herr == nil {
				herr = derr
			}
			if herr != nil {
				return herr
			}
			have = copy(buf, buf[used:have])
			if buf, herr = fit(buf, have); herr != nil {
				return herr
			}
		}
		if err != nil {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			return lost(err)
		}
	}
}

// onRecord waits until the intents are durable of the statements that were
// forwarded early, whose answers may just have been read, and reports why the
// session must end if they are not.
func (r *relay) onRecord(ctx context.Context) error {
	r.release.RLock()
	defer r.release.RUnlock()
	return context.Cause(ctx)
}

// whole returns the type and the length of the message at the start of buf; ok
// is false while not all of it is there.
func whole(buf []byte) (typ byte, total int, ok bool, err error) {
	typ, total, ok, err = pgwire.Next(buf, maxServerMessage)
	return typ, total, ok && len(buf) >= total, err
}

// fit makes room for the message that begins in buf, and gives the memory of a
// large one back.
func fit(buf []byte, have int) ([]byte, error) {
	want := readSize
	if have >= pgwire.HeaderLen {
		_, total, ok, err := pgwire.Next(buf[:have], maxServerMessage)
		if err != nil {
			return nil, err
		}
		if ok {
			want = max(want, total)
		}
	}
	if len(buf) == want || len(buf) > want && len(buf) <= 4*readSize {
		return buf, nil
	}
	grown := make([]byte, want)
	copy(grown, buf[:have])
	return grown, nil
}

// serverMessages handles the whole messages in buf and returns how many bytes
// they took.
func (r *relay) serverMessages(ctx context.Context, buf []byte) (used int, err error) {
	for {
		typ, total, ok, err := whole(buf[used:])
		if err != nil {
			return used, err
		}
		if !ok {
			return used, nil
		}
		if typ == pgwire.ServerDataRow {
			end := used + total
			for { // the run of rows
				t, n, ok, err := whole(buf[end:])
				if err != nil || !ok || t != pgwire.ServerDataRow {
					break
				}
				end += n
			}
			if err := r.dataRows(buf[used:end]); err != nil {
				return used, err
			}
			used = end
			continue
		}
		if err := r.serverMessage(ctx, typ, buf[used+pgwire.HeaderLen:used+total]); err != nil {
			return used, err
		}
		used += total
	}
}

// deliverGathered writes what was gathered for the client.
func (r *relay) deliverGathered() error {
	m := r.out.Take()
	err := r.deliver(m)
	if m.Len() <= 4*readSize {
		r.out.Reuse(m)
	}
	return err
}

// pass gathers a message that holds no data of rows.
func (r *relay) pass(typ byte, body []byte) (mask.Masked, error) {
	m, err := mask.Control(typ, mask.FromUpstream(body))
	if err == nil {
		r.out.Put(m)
	}
	return m, err
}

// serverMessage handles one message other than a row.
func (r *relay) serverMessage(ctx context.Context, typ byte, body []byte) error {
	switch typ {
	case pgwire.ServerNoticeResponse:
		return r.notice(ctx, body)
	case pgwire.ServerParameterStatus:
		return r.parameter(body)
	case pgwire.ServerNotificationResponse:
		return nil // the payload can hold anything; LISTEN is refused, so nobody waits for it
	case pgwire.ServerErrorResponse:
		return r.serverError(body)
	}
	due, ok := r.m.due()
	if !ok {
		return unexpected(typ)
	}
	if due.ask != nil {
		return r.answer(due, typ, body)
	}
	switch due.kind {
	case expectParse, expectDescribe, expectBind, expectClose:
		return r.stepAnswer(ctx, due, typ, body)
	case expectSync:
		if typ != pgwire.ServerReadyForQuery {
			return unexpected(typ)
		}
		return r.readyForQuery(due, body)
	}
	return r.resultMessage(due, typ, body)
}

// stepAnswer handles the answers to Parse, Describe, Bind and Close.
func (r *relay) stepAnswer(ctx context.Context, due expectation, typ byte, body []byte) error {
	switch {
	case due.kind == expectParse && typ == pgwire.ServerParseComplete,
		due.kind == expectBind && typ == pgwire.ServerBindComplete,
		due.kind == expectClose && typ == pgwire.ServerCloseComplete:
	case due.kind == expectDescribe && typ == pgwire.ServerParameterDescription:
		if due.own {
			return nil
		}
		_, err := r.pass(typ, body)
		return err
	case due.kind == expectDescribe && (typ == pgwire.ServerRowDescription || typ == pgwire.ServerNoData):
		return r.described(ctx, due, typ, body)
	default:
		return unexpected(typ)
	}
	if due.kind == expectParse && due.prep != nil {
		if err := r.settleParse(due.prep, "ok", ""); err != nil {
			return err
		}
	}
	if due.kind == expectBind {
		if err := r.reanalysed(ctx, due.prep); err != nil {
			return err
		}
	}
	if err := r.portalEnded(due.ended); err != nil {
		return err
	}
	r.m.pop()
	if due.own {
		return nil
	}
	_, err := r.pass(typ, body)
	return err
}

// portalEnded settles an execution that was not run to its end.
func (r *relay) portalEnded(e *execution) error {
	switch {
	case e == nil || e.settled:
		return nil
	case e.begun:
		return r.settle(e, "ok", "", "")
	}
	return r.settle(e, "skipped", "", "")
}

// described takes the description of an answer. The gateway's own Describe of a
// statement completes what is known of it.
func (r *relay) described(ctx context.Context, due expectation, typ byte, body []byte) error {
	if due.own && due.prep != nil {
		var fields []pgwire.Field
		if typ == pgwire.ServerRowDescription {
			var err error
			if fields, err = pgwire.DecodeRowDescription(body, nil); err != nil {
				return err
			}
			for i := range fields {
				fields[i].Name = append([]byte(nil), fields[i].Name...)
			}
		}
		r.m.mu.Lock()
		due.prep.fields = fields
		r.m.mu.Unlock()
		if err := r.learn(ctx, due.prep); err != nil {
			return err
		}
		r.m.pop()
		close(due.prep.done)
		return nil
	}
	r.m.pop()
	if due.rowsOnly && typ == pgwire.ServerNoData {
		return nil
	}
	_, err := r.pass(typ, body)
	return err
}

// readyForQuery ends a Query or a Sync.
func (r *relay) readyForQuery(due expectation, body []byte) error {
	tx, err := pgwire.DecodeReadyForQuery(body)
	if err != nil {
		return err
	}
	if due.exec != nil {
		if err := r.settle(due.exec, "ok", "", ""); err != nil {
			return err
		}
	}
	for _, x := range r.m.takeLost() {
		if x.prep != nil && (x.kind == expectParse || x.kind == expectDescribe && x.own) {
			if err := r.settleParse(x.prep, "skipped", ""); err != nil {
				return err
			}
		}
		if x.exec != nil {
			if err := r.settle(x.exec, "skipped", "", ""); err != nil {
				return err
			}
		}
	}
	for _, e := range r.m.ready(tx, due.seq) {
		if err := r.portalEnded(e); err != nil {
			return err
		}
	}
	r.m.pop()
	if due.own {
		return nil
	}
	_, err = r.pass(pgwire.ServerReadyForQuery, body)
	return err
}

// answer takes the answers to a question of the gateway's own.
func (r *relay) answer(due expectation, typ byte, body []byte) error {
	switch typ {
	case pgwire.ServerParseComplete, pgwire.ServerBindComplete, pgwire.ServerCommandComplete:
		r.m.pop()
	case pgwire.ServerCloseComplete:
		r.m.pop()
		close(due.ask.done)
	default:
		return unexpected(typ)
	}
	_ = body
	return nil
}

// reported are the settings of the target that a client is told at its login.
func reported(name string) bool {
	switch name {
	case "client_encoding", "DateStyle", "IntervalStyle", "TimeZone", "integer_datetimes", "standard_conforming_strings",
		"server_version", "server_encoding", "in_hot_standby", "default_transaction_read_only", "is_superuser", "scram_iterations":
		return true
	}
	return false
}

// parameter takes a report of a setting. What is not of a closed vocabulary and
// not what the target reported at the login is withheld: a setting can be made
// to hold data, and its report would carry it out.
func (r *relay) parameter(body []byte) error {
	name, value, err := pgwire.DecodeParameterStatus(body)
	if err != nil {
		return err
	}
	if n, v := string(name), string(value); n == "client_encoding" && v != "UTF8" || n == "standard_conforming_strings" && v != "on" {
		return sallyport.E(sallyport.Denied, "session", "the setting "+n+" was changed to a value that the gateway cannot read statements with").
			WithHint("leave client_encoding at UTF8 and standard_conforming_strings at on")
	}
	m, withheld, err := mask.ParameterStatus(mask.FromUpstream(body), func(name, value string) bool { return r.greeted[name] == value })
	if err != nil || withheld {
		return err
	}
	r.out.Put(m)
	return nil
}
