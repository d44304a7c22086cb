// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package postgres

import (
	"strings"

	sallyport "github.com/sallyport-dev/sallyport"
	analyze "github.com/sallyport-dev/sallyport/internal/analyze/postgres"
	"github.com/sallyport-dev/sallyport/internal/mask"
	"github.com/sallyport-dev/sallyport/internal/session"
	"github.com/sallyport-dev/sallyport/internal/wire/pgwire"
)

// frameKind names the recording's frames that hold messages of the server.
const frameKind = "pg.server"

// unknownLineage is the reason of a mask for which no lineage could be proved.
const unknownLineage = "unknown-lineage"

// rowMask is a mask and the result formats that it was made for.
type rowMask struct {
	plan    *mask.PGPlan
	adm     *session.Admission
	formats []int16

	outputs, masked int
	unlinked        bool
}

// resultMessage handles what answers a Query or an Execute, but for rows.
func (r *relay) resultMessage(due expectation, typ byte, body []byte) error {
	e := due.exec
	switch typ {
	case pgwire.ServerReadyForQuery:
		if due.kind != expectQuery {
			return unexpected(typ)
		}
		return r.readyForQuery(due, body)
	case pgwire.ServerEmptyQueryResponse:
		return r.complete(due, typ, body)
	}
	if e == nil {
		return unexpected(typ)
	}
	switch typ {
	case pgwire.ServerRowDescription:
		if due.kind != expectQuery || e.begun {
			return unexpected(typ)
		}
		var err error
		if e.fields, err = pgwire.DecodeRowDescription(body, nil); err != nil {
			return err
		}
		if err := r.beginRows(e); err != nil {
			return err
		}
		m, err := r.pass(typ, body)
		if err != nil {
			return err
		}
		e.shown = true
		return r.sess.Record(e.permit, frameKind, m)
	case pgwire.ServerCommandComplete, pgwire.ServerPortalSuspended:
		return r.complete(due, typ, body)
	case pgwire.ServerCopyInResponse:
		if !e.copyIn {
			return unexpected(typ)
		}
		r.m.setCopying(e)
		_, err := r.pass(typ, body)
		return err
	case pgwire.ServerCopyOutResponse:
		return r.beginCopy(e, typ, body)
	case pgwire.ServerCopyData:
		return r.copyData(e, body)
	case pgwire.ServerCopyDone:
		if e.copy == nil {
			return unexpected(typ)
		}
		if err := e.copy.Close(); err != nil {
			return err
		}
		_, err := r.pass(typ, body)
		return err
	}
	return unexpected(typ)
}

// complete ends a result: the outcome is posted before the client hears of it.
func (r *relay) complete(due expectation, typ byte, body []byte) error {
	e := due.exec
	if e != nil {
		tag, status := "", "ok"
		switch typ {
		case pgwire.ServerCommandComplete:
			t, err := pgwire.DecodeCommandComplete(body)
			if err != nil {
				return err
			}
			tag = string(t)
			if n, ok := t.Rows(); ok && e.rows == nil && e.copy == nil {
				e.n = uint64(n)
			}
			r.applied(e)
		case pgwire.ServerPortalSuspended:
			status = "" // more may come
		}
		if err := r.show(e); err != nil {
			return err
		}
		m, err := r.pass(typ, body)
		if err != nil {
			return err
		}
		if err := r.sess.Record(e.permit, frameKind, m); err != nil {
			return err
		}
		if status != "" {
			if err := r.settle(e, status, "", tag); err != nil {
				return err
			}
		}
	} else if _, err := r.pass(typ, body); err != nil {
		return err
	}
	r.m.setCopying(nil)
	if due.kind == expectExecute {
		r.m.pop()
	}
	return nil
}

// applied takes over what a completed statement changed in the session.
func (r *relay) applied(e *execution) {
	g := e.plan.gated
	r.m.forget(g.Drops.Statements, g.Drops.Statement, g.Drops.Cursors)
	switch {
	case g.Inner != nil && g.Inner.Kind == analyze.InnerCursor:
		r.m.setCursor(g.Cursor, e.plan.cursor)
	case g.Class == "close":
		r.m.dropCursor(g.Cursor)
	}
	for _, x := range g.Effects {
		if x == sallyport.Define || x == sallyport.Destroy {
			r.target.changed()
			return
		}
	}
}

// columns renders what the verdict says about an answer of n fields. Whatever
// cannot be matched with the lineage is masked.
func (r *relay) columns(e *execution, fields []pgwire.Field, proved bool) []mask.PGColumn {
	cols := make([]mask.PGColumn, len(fields))
	for i, f := range fields {
		format := f.Format
		if e.prep != nil {
			format = formatOf(e.formats, i)
		}
		cols[i] = mask.PGColumn{TypeOID: f.TypeOID, Typmod: f.TypeMod, Binary: format == pgwire.FormatBinary}
	}
	switch e.plan.gated.Answer {
	case analyze.AnswerSetting:
		return cols // settings are no data
	case analyze.AnswerTree, analyze.AnswerInner, analyze.AnswerCursor, analyze.AnswerExplain:
		proved = proved && !e.plan.unproved && len(fields) == len(e.plan.stmt.Outputs)
	default:
		proved = false
	}
	if !proved {
		e.unlinked, e.outputs, e.masked = true, len(cols), len(cols)
		unknown := sallyport.Mask{Labels: []sallyport.Label{sallyport.Unclassified}, Reason: unknownLineage}
		for i := range cols {
			cols[i] = r.target.cfg.Masking.Column(cols[i], sallyport.Output{Unknown: true}, &unknown)
		}
		return cols
	}
	masks := e.adm.Masks() // in the order of the outputs
	e.outputs, e.masked = dataOutputs(e.plan.stmt), len(masks)
	for _, i := range e.plan.subjects.keys {
		cols[i].Key = true
	}
	for i := range cols {
		var m *sallyport.Mask
		if len(masks) > 0 && masks[0].Output == i {
			m, masks = &masks[0], masks[1:]
			cols[i].Columns = session.SourceNames(e.plan.stmt, i)
		}
		cols[i] = r.target.cfg.Masking.Column(cols[i], e.plan.stmt.Outputs[i], m)
	}
	return cols
}

// formatOf returns the format of a result column: none given means text, one
// given holds for all.
func formatOf(formats []int16, i int) int16 {
	switch {
	case len(formats) == 0:
		return pgwire.FormatText
	case len(formats) == 1:
		return formats[0]
	case i < len(formats):
		return formats[i]
	}
	return pgwire.FormatText
}

// proved reports whether the server's own tree stands behind the plan of an
// execution in this session.
func (r *relay) proved(e *execution) bool {
	switch e.plan.gated.Answer {
	case analyze.AnswerTree:
		if r.preflight {
			return true
		}
		if e.prep != nil {
			r.m.mu.Lock()
			defer r.m.mu.Unlock()
			return e.prep.confirmed
		}
		return e.traced
	case analyze.AnswerInner:
		return e.traced || e.plan.gated.Inner.Kind == analyze.InnerCopyTable || r.preflight
	}
	return true
}

// beginRows makes the mask of an answer.
func (r *relay) beginRows(e *execution) error {
	e.begun = true
	if e.prep != nil {
		if e.fields == nil {
			r.m.mu.Lock()
			e.fields = e.prep.fields
			r.m.mu.Unlock()
		}
		if c := &e.prep.rows; c.plan != nil && c.adm == e.adm && equalFormats(c.formats, e.formats) && !e.inner {
			e.rows = c.plan.Fork()
			e.rows.SetContext(r.sess.Context())
			e.outputs, e.masked, e.unlinked = c.outputs, c.masked, c.unlinked
			r.readKeys(e, e.rows)
			return nil
		}
	}
	e.rows = r.maskOf(r.columns(e, e.fields, r.proved(e) && !e.inner))
	if e.prep != nil && !e.inner {
		e.prep.rows = rowMask{plan: e.rows.Fork(), adm: e.adm, formats: e.formats, outputs: e.outputs, masked: e.masked, unlinked: e.unlinked}
	}
	r.readKeys(e, e.rows)
	return nil
}

// maskOf makes the mask of rows with the given columns.
func (r *relay) maskOf(cols []mask.PGColumn) *mask.PGPlan {
	p := mask.NewPGPlan(cols, r.target.cfg.Masking.Profile().Name())
	p.SetContext(r.sess.Context())
	return p
}

func equalFormats(a, b []int16) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}

// dataRows handles a run of DataRow messages.
func (r *relay) dataRows(run []byte) error {
	due, ok := r.m.due()
	if !ok {
		return unexpected(pgwire.ServerDataRow)
	}
	if due.ask != nil {
		return ownRows(due.ask, run)
	}
	e := due.exec
	if e == nil || due.kind != expectQuery && due.kind != expectExecute || due.kind == expectQuery && e.rows == nil {
		return unexpected(pgwire.ServerDataRow)
	}
	if e.rows == nil {
		if err := r.beginRows(e); err != nil {
			return err
		}
	}
	if err := r.show(e); err != nil {
		return err
	}
	raw := mask.FromUpstream(run)
	if !e.rows.Masks() {
		m, err := e.rows.Pass(raw)
		if err != nil {
			return err
		}
		return r.send(e, m)
	}
	if err := r.rowbuf.Rows(e.rows, raw); err != nil {
		return err
	}
	m := r.rowbuf.Take()
	err := r.send(e, m)
	r.rowbuf.Reuse(m)
	return err
}

// send records masked rows and sends them on.
func (r *relay) send(e *execution, m mask.Masked) error {
	if err := r.sess.Record(e.permit, frameKind, m); err != nil {
		return err
	}
	e.bytes += uint64(m.Len())
	if m.Len() < directWrite {
		r.out.Put(m)
		return nil
	}
	if err := r.deliverGathered(); err != nil {
		return err
	}
	return r.deliver(m)
}

// show gives the recording, once, the description of an answer that the client
// did not ask for: what it shows can then be read.
func (r *relay) show(e *execution) error {
	if e.shown || e.prep == nil {
		return nil
	}
	e.shown = true
	if e.fields == nil {
		r.m.mu.Lock()
		e.fields = e.prep.fields
		r.m.mu.Unlock()
	}
	if len(e.fields) == 0 {
		return nil
	}
	fields := make([]pgwire.Field, len(e.fields))
	for i, f := range e.fields {
		fields[i] = f
		fields[i].Format = formatOf(e.formats, i)
	}
	return r.sess.Record(e.permit, frameKind, mask.Synthetic(pgwire.AppendRowDescription(nil, fields)))
}

// ownRows takes the first column of rows that the gateway asked for itself.
func ownRows(q *question, run []byte) error {
	for len(run) > 0 {
		_, total, ok, err := whole(run)
		if err != nil || !ok {
			return unexpected(pgwire.ServerDataRow)
		}
		v, err := pgwire.DecodeDataRow(run[pgwire.HeaderLen:total])
		if err != nil {
			return err
		}
		for _, value := range v.All() {
			q.rows = append(q.rows, string(value))
			break
		}
		run = run[total:]
	}
	return nil
}

// beginCopy makes the mask of a COPY TO STDOUT.
func (r *relay) beginCopy(e *execution, typ byte, body []byte) error {
	opts := e.plan.gated.Copy
	if opts == nil || opts.In || e.copy != nil {
		return unexpected(typ)
	}
	format := mask.CopyFormat{
		Delimiter: opts.Delimiter, Null: opts.Null, NullSet: true, Quote: opts.Quote, Escape: opts.Escape, Header: opts.Header,
	}
	switch opts.Format {
	case "csv":
		format.Kind = mask.CopyCSV
	case "binary":
		format = mask.CopyFormat{Kind: mask.CopyBinary}
	default:
		format.Kind = mask.CopyText
	}
	if enc := strings.ToUpper(strings.ReplaceAll(opts.Encoding, "-", "")); enc != "" && enc != "UTF8" {
		return sallyport.E(sallyport.Denied, "copy", "COPY in another encoding than UTF8 is not handled").
			WithHint("leave the ENCODING option out")
	}
	var err error
	cols := r.columns(e, e.plan.inner, r.proved(e))
	if e.copy, err = mask.NewPGCopy(cols, format, r.target.cfg.Masking.Profile().Name()); err != nil {
		return err
	}
	e.copy.SetContext(r.sess.Context())
	r.readKeys(e, e.copy)
	_, err = r.pass(typ, body)
	return err
}

// copyData masks a piece of a COPY TO STDOUT.
func (r *relay) copyData(e *execution, body []byte) error {
	if e.copy == nil {
		return unexpected(pgwire.ServerCopyData)
	}
	if err := r.rowbuf.Copy(e.copy, mask.FromUpstream(body)); err != nil {
		return err
	}
	m := r.rowbuf.Take()
	err := r.send(e, m)
	r.rowbuf.Reuse(m)
	return err
}

// settle posts the outcome of an execution, once.
func (r *relay) settle(e *execution, status, code, tag string) error {
	if e.settled || e.permit == (session.Permit{}) {
		return nil
	}
	e.settled = true
	if e.patients != nil {
		defer e.patients.Release()
	}
	counts := e.counts
	if e.withheld > 0 {
		counts = append(counts, r.target.diagnosticCount(e.withheld))
	}
	if e.rows != nil {
		e.n = e.before + e.rows.Rows()
		counts = append(counts, e.rows.TakeCounts()...)
	}
	if e.copy != nil {
		e.n = e.copy.Rows()
		counts = append(counts, e.copy.TakeCounts()...)
	}
	return r.sess.Settle(e.permit, session.Result{
		Status: status, Code: code, Tag: tag, Rows: e.n, Bytes: e.bytes, Masked: counts, Disclosed: r.disclosed(e, status),
	})
}

// settleParse posts the outcome of having a statement analysed.
func (r *relay) settleParse(p *prepared, status, code string) error {
	if p.settled || p.holder == (session.Permit{}) {
		return nil
	}
	p.settled = true
	return r.sess.Settle(p.holder, session.Result{Status: status, Code: code})
}
