// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package postgres

import (
	"context"
	"errors"
	"net"
	"time"

	sallyport "github.com/sallyport-dev/sallyport"
	analyze "github.com/sallyport-dev/sallyport/internal/analyze/postgres"
	"github.com/sallyport-dev/sallyport/internal/connector/postgres/pglogin"
	"github.com/sallyport-dev/sallyport/internal/session"
	"github.com/sallyport-dev/sallyport/internal/wire/pgwire"
)

// login logs a session in to the target and verifies which way of lineage holds:
// in band where the server sends its trees to this session and writes none of
// them into its own log, else preflight.
func (t *Target) login(ctx context.Context, sess *session.Session, settings map[string]string) (up *pglogin.Upstream, preflight bool, err error) {
	if _, err := t.catalog(ctx); err != nil {
		return nil, false, err
	}
	lease, err := sess.Lease(ctx)
	if err != nil {
		return nil, false, err
	}
	defer lease.Release()
	if t.cfg.Lineage != "preflight" {
		up, err := t.dial(ctx, lease, settings, true)
		if err != nil {
			return nil, false, err
		}
		ok, err := inBand(ctx, up.Conn)
		if ok && err == nil {
			return up, false, nil
		}
		if cerr := up.Conn.Close(); err != nil {
			return nil, false, errors.Join(err, cerr)
		}
		if t.cfg.Lineage == "in-band" || !t.analyser.configured() {
			return nil, false, sallyport.E(sallyport.Unavailable, "lineage", "the target would write query trees into its own log, so lineage cannot be had in band").
				WithHint("the operator sets log_min_messages = fatal for the gateway's role on the target (ALTER ROLE ... SET log_min_messages = 'fatal'), or configures an analyser role")
		}
	}
	if !t.analyser.configured() {
		return nil, false, sallyport.E(sallyport.Unavailable, "lineage", "no analyser role is configured").
			WithHint("the operator configures the resource's analyser, or lineage: auto")
	}
	up, err = t.dial(ctx, lease, settings, false)
	return up, true, err
}

// inBandText makes the server show a tree and the level from which it logs.
const inBandText = "SELECT pg_catalog.current_setting('log_min_messages')"

// inBand reports whether a fresh connection sends its trees and the server's log
// gets none of them.
func inBand(ctx context.Context, conn net.Conn) (bool, error) {
	rows, traced, err := ask(ctx, conn, inBandText)
	if err != nil {
		return false, err
	}
	return traced && len(rows) == 1 && (rows[0] == "fatal" || rows[0] == "panic"), nil
}

// ask runs one of the gateway's own queries on a fresh connection and returns the
// first column of its rows, and whether a tree came with it.
func ask(ctx context.Context, conn net.Conn, text string) (rows []string, traced bool, err error) {
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	if _, err := conn.Write(pgwire.AppendQuery(nil, text)); err != nil {
		return nil, false, lost(err)
	}
	buf := make([]byte, 0, 8<<10)
	for {
		typ, total, ok, err := whole(buf)
		if err != nil {
			return nil, false, err
		}
		if !ok {
			buf = append(buf, make([]byte, 4<<10)...)
			n, err := conn.Read(buf[len(buf)-4<<10:])
			buf = buf[:len(buf)-4<<10+n]
			if err != nil {
				return nil, false, lost(err)
			}
			continue
		}
		body := buf[pgwire.HeaderLen:total]
		switch typ {
		case pgwire.ServerNoticeResponse:
			if d, err := pgwire.DecodeDiagnostic(body); err == nil {
				traced = traced || analyze.IsTreeNotice(string(d.Get(pgwire.FieldFile)), string(d.Get(pgwire.FieldRoutine)),
					string(d.Get(pgwire.FieldSeverityEnglish)), string(d.Get(pgwire.FieldMessage)))
			}
		case pgwire.ServerDataRow:
			q := question{rows: rows}
			if err := ownRows(&q, buf[:total]); err != nil {
				return nil, false, err
			}
			rows = q.rows
		case pgwire.ServerReadyForQuery:
			return rows, traced, nil
		}
		buf = buf[:copy(buf, buf[total:])]
	}
}
