// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package demo

import (
	"archive/zip"
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/jackc/pgx/v5"

	"github.com/sallyport-dev/sallyport/evidence"
)

const (
	writers = 8
	// enough acknowledgements to have every connection in the middle of something.
	enough = 2000
	insert = "insert into work default values"
)

// crashed kills the gateway while connections write, and compares afterwards what
// the target holds with what the ledger says.
func crashed(ctx context.Context, s *stage) error {
	if err := s.regrant(ctx); err != nil {
		return err
	}
	before, err := s.rows(ctx)
	if err != nil {
		return err
	}
	acked, err := s.load(ctx)
	if err != nil {
		return err
	}
	// What the gateway had forwarded runs to its end at the target.
	err = s.until(ctx, "the target still works for a gateway that is gone", func() (bool, error) {
		var n int
		err := s.boss.QueryRow(ctx, "SELECT count(*) FROM pg_stat_activity WHERE usename LIKE 'gateway%'").Scan(&n)
		return n == 0, err
	})
	if err != nil {
		return err
	}
	after, err := s.rows(ctx)
	if err != nil {
		return err
	}
	s.command("operator", "sallyport serve --config sallyport.yaml")
	if err := s.gateway.start(ctx); err != nil {
		return err
	}
	s.output(s.gateway.tail(3))
	name := s.path("crash.zip")
	if err := s.export(ctx, name, "post-mortem of the crash"); err != nil {
		return err
	}
	if _, err := s.expect(ctx, s.verifierOf(name), 0, "VERIFIED", "did not end in order"); err != nil {
		return err
	}
	t, err := tallyOf(name)
	if err != nil {
		return err
	}
	t.acked, t.rows = acked, after-before
	s.line("")
	for _, line := range t.lines() {
		s.line("   %s", line)
	}
	return t.check()
}

// regrant has the job ask for a new grant, which the officer approves.
func (s *stage) regrant(ctx context.Context) error {
	r, err := s.expect(ctx, s.cliAs(job(), "request", "--resource", database, "--role", role, "--window", "30m", "--reason", "load test"), 0)
	if err != nil {
		return err
	}
	if s.request, err = asked(r.out); err != nil {
		return err
	}
	_, err = s.expect(ctx, s.cliAs(officer(), "request", "approve", s.request, "--reason", "announced in OPS-312"), 0, "approved")
	return err
}

// rows counts what the load wrote, at the target itself.
func (s *stage) rows(ctx context.Context) (int, error) {
	var n int
	err := s.boss.QueryRow(ctx, "SELECT count(*) FROM public.work").Scan(&n)
	return n, err
}

// load writes on all connections until there are enough acknowledgements, kills
// the gateway, and returns how many acknowledgements came.
func (s *stage) load(ctx context.Context) (int, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	s.command("ci-job", fmt.Sprintf("# %d connections, each: while true; do %s; done", writers, insert))
	conns := make([]*pgx.Conn, writers)
	for i := range conns {
		conn, err := s.connect(ctx)
		if err != nil {
			return 0, err
		}
		// The gateway at the other end is gone when this runs.
		defer func() { _ = conn.PgConn().Conn().Close() }()
		conns[i] = conn
	}
	var acked atomic.Int64
	reached := make(chan struct{})
	failed := make([]error, writers)
	var wg sync.WaitGroup
	for i, conn := range conns {
		wg.Go(func() {
			for {
				if _, failed[i] = conn.Exec(ctx, insert); failed[i] != nil {
					return
				}
				if acked.Add(1) == enough {
					close(reached)
				}
			}
		})
	}
	gone := make(chan struct{})
	go func() {
		wg.Wait()
		close(gone)
	}()
	select {
	case <-reached:
	case <-gone:
		return 0, fmt.Errorf("no connection could go on writing: %w", errors.Join(failed...))
	}
	s.command("operator", fmt.Sprintf("kill -9 %d    # the gateway", s.gateway.proc.Pid))
	err := s.gateway.kill()
	<-gone
	return int(acked.Load()), err
}

// tally is what is known of the load, from three sides.
type tally struct {
	acked, rows int // counted by the clients, and at the target

	// By "session/statement":
	texts    map[string]string // what intents that hold a text say
	intents  map[string]bool   // to execute, on the ledger; true for a write of the load
	outcomes map[string]bool
	reported map[string]bool // as maybe executed, by the gap event
}

func newTally() tally {
	return tally{texts: map[string]string{}, intents: map[string]bool{}, outcomes: map[string]bool{}, reported: map[string]bool{}}
}

// tallyOf reads a bundle's leaves.
func tallyOf(bundle string) (tally, error) {
	t := newTally()
	z, err := zip.OpenReader(bundle)
	if err != nil {
		return t, err
	}
	f, err := z.Open(evidence.LeavesName)
	if err == nil {
		err = errors.Join(t.read(f), f.Close())
	}
	return t, errors.Join(err, z.Close())
}

func (t *tally) read(r io.Reader) error {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 2*evidence.MaxLeaf)
	for lines.Scan() {
		var line struct {
			Leaf evidence.Leaf[json.RawMessage] `json:"leaf"`
		}
		if err := json.Unmarshal(lines.Bytes(), &line); err != nil {
			return err
		}
		if err := t.take(line.Leaf); err != nil {
			return err
		}
	}
	return lines.Err()
}

func (t *tally) take(l evidence.Leaf[json.RawMessage]) error {
	key := func(stmt uint64) string { return fmt.Sprintf("%s/%d", l.Session, stmt) }
	switch l.Type {
	case evidence.TypeIntent:
		var in evidence.Intent
		err := json.Unmarshal(l.Body, &in)
		text, of := in.Readable, key(in.Of)
		if in.Of == 0 {
			of = key(in.Stmt)
		}
		if text == "" {
			text = t.texts[of]
		}
		t.texts[of] = text
		if in.Phase == "execute" {
			t.intents[key(in.Stmt)] = strings.HasPrefix(strings.ToLower(text), "insert into work")
		}
		return err
	case evidence.TypeOutcome:
		var o evidence.Outcome
		err := json.Unmarshal(l.Body, &o)
		t.outcomes[key(o.Stmt)] = true
		return err
	case evidence.TypeGap:
		var g evidence.Gap
		err := json.Unmarshal(l.Body, &g)
		for _, k := range g.MayHaveExecuted {
			t.reported[k] = true
		}
		return err
	}
	return nil
}

// writes counts the intents to write, and those of them with an outcome.
func (t *tally) writes() (intents, outcomes int) {
	for k, write := range t.intents {
		if write {
			intents++
			if t.outcomes[k] {
				outcomes++
			}
		}
	}
	return intents, outcomes
}

func (t *tally) lines() []string {
	intents, outcomes := t.writes()
	return []string{
		fmt.Sprintf("%6d  acknowledged to the clients", t.acked),
		fmt.Sprintf("%6d  rows at the target", t.rows),
		fmt.Sprintf("%6d  intents on the ledger, on disk before each statement was forwarded", intents),
		fmt.Sprintf("%6d  of them with an outcome", outcomes),
		fmt.Sprintf("%6d  without: reported as \"may have executed\" by the gap event", len(t.reported)),
	}
}

// check holds the counts against what the gateway promises.
func (t *tally) check() error {
	intents, outcomes := t.writes()
	var errs []error
	claim := func(ok bool, msg string) {
		if !ok {
			errs = append(errs, errors.New(msg))
		}
	}
	claim(t.acked >= enough, "there was no load")
	claim(t.acked <= t.rows, "the target does not hold what was acknowledged")
	claim(t.rows <= intents, "a statement was executed without an intent on the ledger")
	claim(t.acked <= intents, "a statement was acknowledged without an intent on the ledger")
	claim(t.rows-outcomes <= len(t.reported), "a statement without an outcome is not reported")
	for k := range t.intents {
		claim(t.outcomes[k] != t.reported[k], "statement "+k+" is reported wrongly")
	}
	for k := range t.reported {
		if _, ok := t.intents[k]; !ok {
			claim(false, "what is reported as maybe executed, "+k+", has no intent")
		}
	}
	return errors.Join(errs...)
}
