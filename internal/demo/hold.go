// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package demo

import (
	"context"
	"errors"
	"fmt"
)

// dropped is what the CI job tries in one session.
func dropped() []string {
	const drop = "drop database " + scratch
	return []string{"-c", "select id, name, zip from patients where id = 3", "-c", drop, "-c", "select 'the session goes on' as state", "-c", drop}
}

// held runs a session that tries to drop a database twice, and decides from
// elsewhere: no, then yes.
func held(ctx context.Context, s *stage) error {
	p := s.start(ctx, s.psqlAs(job(), dropped()...))
	defer p.abandon()
	id, err := s.decide(ctx, p, "", "deny", "not during business hours")
	if err != nil {
		return err
	}
	if err := p.wait("the session goes on"); err != nil {
		return err
	}
	if _, err := s.databases(ctx, "1"); err != nil {
		return err
	}
	id, err = s.decide(ctx, p, id, "approve", "copy of March, restored from backup elsewhere, ticket OPS-311")
	if err != nil {
		return err
	}
	r, err := p.finish()
	if err != nil {
		return err
	}
	// psql reports the last command's end.
	if err := r.check(0, "not during business hours", "the session goes on", "DROP DATABASE"); err != nil {
		return err
	}
	var of struct {
		Hold struct {
			Session string `json:"session"`
		} `json:"hold"`
	}
	if err := s.tell(ctx, officer(), &of, "request", "show", id); err != nil {
		return err
	}
	s.session = of.Hold.Session
	_, err = s.databases(ctx, "0")
	return err
}

// decide waits until a program is held on a request other than before, shows what
// it printed so far, and decides as the officer. It returns the request.
func (s *stage) decide(ctx context.Context, p *program, before, verb, why string) (string, error) {
	var id string
	err := s.until(ctx, "nothing is held", func() (bool, error) {
		open, err := s.openHold(ctx)
		id = open
		return open != "" && open != before, err
	})
	if err != nil {
		out, _ := p.out.read()
		return "", fmt.Errorf("%w; it printed:\n%s", err, out)
	}
	p.show()
	if before == "" {
		if _, err := s.expect(ctx, s.cliAs(officer(), "request", "show", id), 0, id, "hold", "ci:acme/claims"); err != nil {
			return "", err
		}
	}
	_, err = s.expect(ctx, s.cliAs(officer(), "request", verb, id, "--reason", why), 0, id)
	return id, err
}

// openHold returns the id of the request of a statement that is held, or "".
func (s *stage) openHold(ctx context.Context) (string, error) {
	var open struct {
		Requests []struct {
			ID   string `json:"id"`
			Kind string `json:"kind"`
		} `json:"requests"`
	}
	err := s.tell(ctx, officer(), &open, "request", "list")
	for _, r := range open.Requests {
		if r.Kind == "hold" {
			return r.ID, err
		}
	}
	return "", err
}

// databases has the superuser count the databases of the name that is dropped.
func (s *stage) databases(ctx context.Context, want string) (result, error) {
	r, err := s.run(ctx, s.bossPsql("-At", "-c", "select count(*) from pg_database where datname = '"+scratch+"'"))
	if err == nil && r.out != want+"\n" {
		err = errors.New("the target does not have " + want + " of it")
	}
	return r, err
}
