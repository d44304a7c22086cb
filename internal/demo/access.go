// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package demo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// asked finds the id of a request in a message.
func asked(text string) (string, error) {
	id := regexp.MustCompile(`req_[a-z0-9]+`).FindString(text)
	if id == "" {
		return "", errors.New("no request is named")
	}
	return id, nil
}

func refused(ctx context.Context, s *stage) error {
	r, err := s.expect(ctx, s.psqlAs(job(), "-c", "select * from patients"), failure, "no active grant", "sallyport request approve")
	if err != nil {
		return err
	}
	s.request, err = asked(r.out)
	return err
}

func approved(ctx context.Context, s *stage) error {
	approve := func(a actor, why string) invocation {
		return s.cliAs(a, "request", "approve", s.request, "--reason", why)
	}
	if _, err := s.expect(ctx, approve(job(), "I know what I am doing"), failure, "own request"); err != nil {
		return err
	}
	if _, err := s.expect(ctx, s.cliAs(officer(), "request", "list"), 0, s.request, "ci:acme/claims"); err != nil {
		return err
	}
	_, err := s.expect(ctx, approve(officer(), "nightly claims run, ticket CLM-2041"), 0, "approved", "human:officer")
	return err
}

// readable are the words that masked answers hold instead of names and numbers.
func readable() []string { return []string{"[phi.name]", "[phi.ssn]"} }

func masked(ctx context.Context, s *stage) error {
	_, err := s.expect(ctx, s.psqlAs(job(), "-c", "select * from patients"), 0, append(readable(), "[phi.note]", "  5 | ", "(5 rows)")...)
	return err
}

func otherWays(ctx context.Context, s *stage) error {
	for _, x := range []struct {
		what, sql string
		want      []string
	}{
		{"Under other names:", "select p.id, p.ssn as room, p.name as zip from patients p limit 2", readable()},
		{"Through a view:", "select * from patient_cards limit 2", []string{"(2 rows)"}},
		{"In expressions:", "select id, name || ' ' || ssn as who, length(note) as n, extract(year from birth_date) as y from patients limit 2", []string{"(2 rows)"}},
		{"As a whole row:", "select row_to_json(p) from patients p limit 2", []string{"(2 rows)"}},
		{"By COPY:", "copy (select id, name, birth_date from patients order by id limit 2) to stdout with csv header", []string{"id,name,birth_date", "[phi.name]"}},
		{"By comparing, which would tell the value bit by bit:", "select id from patients where ssn like '900-1%'", nil},
	} {
		s.line("")
		s.say("%s", x.what)
		code := 0
		if x.want == nil {
			code, x.want = failure, []string{"no policy permits"}
		}
		if _, err := s.expect(ctx, s.psqlAs(job(), "-c", x.sql), code, x.want...); err != nil {
			return err
		}
	}
	return prepared(ctx, s)
}

// prepared asks by a prepared statement with binary results, from a driver.
func prepared(ctx context.Context, s *stage) error {
	const sql = "select id, name, ssn, birth_date, active from patients where id <= $1 order by id"
	s.line("")
	s.say("As a prepared statement with a parameter and binary results, from a driver (pgx):")
	s.command("ci-job", fmt.Sprintf("conn.Query(ctx, %q, pgx.QueryResultFormats{pgx.BinaryFormatCode}, 2)", sql))
	conn, err := s.connect(ctx)
	if err != nil {
		return err
	}
	text, err := binaryRows(ctx, conn, sql, pgx.QueryResultFormats{pgx.BinaryFormatCode}, 2)
	if err = errors.Join(err, conn.Close(ctx)); err != nil {
		return err
	}
	s.output(text)
	if err := s.search(text); err != nil {
		return err
	}
	return result{out: text}.check(0, append(readable(), "2 rows")...)
}

// connect opens a connection of the CI job through the gateway.
func (s *stage) connect(ctx context.Context) (*pgx.Conn, error) {
	token, err := s.token(job(), tokenLife)
	if err != nil {
		return nil, err
	}
	// The names of libpq's variables and of its connection string differ.
	var b strings.Builder
	for _, v := range s.psqlVariables(token) {
		name := map[string]string{"PGDATABASE": "dbname"}[v.name]
		if name == "" {
			name = strings.ToLower(strings.TrimPrefix(v.name, "PG"))
		}
		fmt.Fprintf(&b, "%s='%s' ", name, v.value)
	}
	return pgx.Connect(ctx, b.String())
}

// binaryRows runs a prepared statement and renders what came as text. It fails
// when a column did not come in binary.
func binaryRows(ctx context.Context, conn *pgx.Conn, sql string, args ...any) (string, error) {
	rows, err := conn.Query(ctx, sql, args...)
	if err != nil {
		return "", err
	}
	defer rows.Close()
	var b strings.Builder
	n := 0
	for rows.Next() {
		values, err := rows.Values()
		if err != nil {
			return "", err
		}
		for i, f := range rows.FieldDescriptions() {
			if f.Format != pgx.BinaryFormatCode {
				return "", fmt.Errorf("the column %s came as text", f.Name)
			}
			if t, ok := values[i].(time.Time); ok {
				values[i] = t.Format(time.DateOnly)
			}
			fmt.Fprintf(&b, "%s=%v  ", f.Name, values[i])
		}
		b.WriteByte('\n')
		n++
	}
	fmt.Fprintf(&b, "%d rows in binary\n", n)
	return b.String(), rows.Err()
}

func outOfScope(ctx context.Context, s *stage) error {
	_, err := s.expect(ctx, s.psqlAs(job(), "-c", "select * from payroll.salaries"), failure, "no policy permits read on table clinic/payroll/salaries")
	return err
}

func diagnostics(ctx context.Context, s *stage) error {
	const sql = "insert into patients (id, mrn, name, ssn, birth_date) values (6, 'MRN-000106', 'Somebody New', '900-11-2233', '1999-01-01')"
	_, err := s.expect(ctx, s.psqlAs(job(), "-c", sql), failure, "unique_violation", "withheld")
	return err
}

// revoked lets a session wait in a statement and takes its grant away.
func revoked(ctx context.Context, s *stage) error {
	const sql = "select pg_sleep(60)"
	var of struct {
		Grant struct {
			ID string `json:"id"`
		} `json:"grant"`
	}
	if err := s.tell(ctx, officer(), &of, "request", "show", s.request); err != nil {
		return err
	}
	p := s.start(ctx, s.psqlAs(job(), "-c", sql))
	defer p.abandon()
	if err := s.active(ctx, sql); err != nil {
		return err
	}
	revoke := s.cliAs(officer(), "grant", "revoke", of.Grant.ID, "--reason", "the run is over")
	began := s.env.Now()
	if _, err := s.expect(ctx, revoke, 0, "revoked"); err != nil {
		return err
	}
	<-p.done
	after := p.ended.Sub(began)
	s.line("")
	s.say("psql, in the first terminal, ended %s after the officer pressed Enter:", after.Round(time.Millisecond))
	r, err := p.finish()
	if err != nil {
		return err
	}
	if after > patience/4 {
		return fmt.Errorf("the session went on for %s", after.Round(time.Second))
	}
	return r.check(failure, "has ended")
}

// active returns when the target runs a statement of the gateway's.
func (s *stage) active(ctx context.Context, sql string) error {
	return s.until(ctx, "the statement does not reach the target", func() (bool, error) {
		var n int
		err := s.boss.QueryRow(ctx, "SELECT count(*) FROM pg_stat_activity WHERE usename = 'gateway' AND state = 'active' AND query = $1", sql).Scan(&n)
		return n > 0, err
	})
}

// until looks again and again until something is so; what says what it means if
// it never is.
func (s *stage) until(ctx context.Context, what string, so func() (bool, error)) error {
	t := time.NewTimer(patience / 2)
	defer t.Stop()
	tick := time.NewTicker(look)
	defer tick.Stop()
	for {
		ok, err := so()
		if ok || err != nil {
			return err
		}
		select {
		case <-tick.C:
		case <-t.C:
			return errors.New(what)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// tell runs a command of the command line unseen and decodes what it says in
// JSON.
func (s *stage) tell(ctx context.Context, a actor, into any, args ...string) error {
	out, err := s.fetch(ctx, s.cliAs(a, append(args, "-o", "json")...))
	if err != nil {
		return err
	}
	if err := json.Unmarshal([]byte(out), into); err != nil {
		return fmt.Errorf("sallyport %s: %w", strings.Join(args, " "), err)
	}
	return nil
}
