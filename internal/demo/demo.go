// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

// Package demo tells Sallyport's story on one machine: a synthetic clinic in a
// throw-away PostgreSQL, a gateway before it, and everything done through the
// programs that a person would use: psql, the command line, Google's client
// libraries where [PeersVariable] names stand-ins for their services, and ssh, sftp and
// kubectl where [HostsVariable] names what they reach. Each step checks
// what it shows, and no value of the clinic may be in anything that is shown
// behind the gateway; the demonstration fails where one of both does not hold.
package demo

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	sallyport "github.com/sallyport-dev/sallyport"
)

const op = "demo"

// Env is what the demonstration knows of the world. All are required.
type Env struct {
	Stdout, Stderr io.Writer
	Getenv         func(string) string
	Now            func() time.Time
	Rand           io.Reader
	// Self is the path of the binary that is running; the gateway and the command
	// line are run from it.
	Self string
}

// step is one part of the story.
type step struct {
	title string
	about string // one or two sentences that say what to look at
	run   func(context.Context, *stage) error
}

// steps are the story's; the chapters of what is not there are left out.
func steps(g *google, h *hosts) []step {
	all := []step{
		{
			"A CI job without a grant is refused",
			"Its workload token is the password; there is no other. The refusal has filed a request for it.", refused,
		},
		{
			"Another identity approves the request, with a reason",
			"Nobody approves their own request, so the job tries in vain; a privacy officer may.", approved,
		},
		{
			"The same query runs now, and patients stay masked",
			"What is labelled public is readable; the rest is masked by the column that it comes from.", masked,
		},
		{
			"No other way of asking gets more",
			"PostgreSQL itself says which columns an output derives from, whatever it is called and however it is asked for.", otherWays,
		},
		{
			"A table that no policy mentions is out of reach",
			"The role that the gateway logs in with could read it; the job cannot.", outOfScope,
		},
		{
			"DROP DATABASE waits for a person",
			"A privacy officer decides from another terminal while psql waits: first no, then yes. The session goes on either way.", held,
		},
		{
			"An error of the target does not tell what it was about",
			"PostgreSQL would name the SSN that exists already.", diagnostics,
		},
		{
			"A revoked grant ends the session that uses it",
			"The statement would have run for a minute.", revoked,
		},
	}
	if g != nil {
		all = append(all, cloudSteps(g)...)
	}
	if h != nil {
		all = append(all, sshSteps()...)
		if h.at.Kubernetes.URL != "" {
			all = append(all, kubernetesSteps()...)
		}
	}
	return append(all, evidenceSteps()...)
}

// evidenceSteps end the story: what is left of all that happened.
func evidenceSteps() []step {
	return []step{
		{
			"An auditor replays a session",
			"Statements, verdicts with their rules, approvals, and what the client saw, which was masked before it was recorded.", replayed,
		},
		{
			"The evidence of all this is one file",
			"Requests, approvals, statements, masking, policies, with proofs that they are in the log.", exported,
		},
		{
			"The file is checked without the gateway",
			"The key was copied from the gateway when it was set up; the program opens no connection.", verified,
		},
		{
			"One flipped bit is found and named",
			"Not in the real file, but in a copy.", tampered,
		},
		{
			"The gateway is killed under load and loses nothing",
			"Eight connections write as fast as they can; kill -9; restart. An intent is on disk before its statement is forwarded.", crashed,
		},
		{
			"The whole log is consistent, and holds no patient",
			"The gateway walks its log and tree; then its files are searched for the clinic's values.", audited,
		},
	}
}

// Run tells the story. With keep it leaves everything running afterwards, says
// what to try, and returns when ctx ends. An error names the step that failed, or
// is the context's when that ended before the story; whatever was started is
// stopped and removed in any case.
func Run(ctx context.Context, env Env, keep bool) (err error) {
	began := env.Now()
	s := &stage{env: env, screen: screen{w: env.Stdout}}
	defer func() { err = errors.Join(err, s.close()) }()
	if err := s.open(ctx); err != nil {
		return cmp.Or(ctx.Err(), fmt.Errorf("demo: setting up: %w", err))
	}
	all := steps(s.google, s.hosts)
	for i, st := range all {
		s.headline(i+1, st.title, st.about)
		if err := st.run(ctx, s); err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			s.explain()
			return sallyport.E(sallyport.Internal, op, fmt.Sprintf("step %d (%s) failed", i+1, st.title)).Because(err)
		}
	}
	s.line("")
	s.line("%d steps in %s; %d texts and files searched for %d values of the clinic: none found",
		len(all), env.Now().Sub(began).Round(100*time.Millisecond), s.checked, len(s.raw))
	s.line("demo: ok")
	if keep && s.failed == nil {
		if err := s.leave(ctx); err != nil {
			return err
		}
		<-ctx.Done()
	}
	return s.failed
}
