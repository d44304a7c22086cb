// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package demo

import (
	"context"
	"errors"
	"io"
	"os"
	"strings"
	"time"
)

// What the tests of package demo_test look at.
var (
	Quote = quote
	Head  = head
	Asked = asked
	Plain = plain
)

// Configuration is the gateway's file, with or without the chapters that
// need stand-ins.
func Configuration(auditor, issuer string, at [4]string, target, targetCA string, chapters bool) string {
	var g *google
	var h *hosts
	if chapters {
		h = &hosts{}
		h.at.SSH.Address, h.at.SSH.User, h.at.SSH.HostKey, h.at.SSH.Dir = "127.0.0.1:8", "batch", hostKey, "/srv"
		h.at.Kubernetes.URL, h.at.Kubernetes.CA = "https://127.0.0.1:9", "/tmp/ca.crt"
		g = &google{analyser: "/usr/local/bin/sallyport-bqanalyzer"}
		g.at.Project, g.at.BigQuery, g.at.Storage = "clinic-demo", "http://127.0.0.1:5", "http://127.0.0.1:6"
	}
	return configuration(auditor, issuer, addresses{at[0], at[1], at[2], at[3]}, target, targetCA, g, h)
}

// hostKey is a key of nobody.
const hostKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKyVb5q1bSTb0rPLZc2cVdPs2ABmbYQ1mXBq1Cyb1Chk"

// Failure stands for every exit status but 0.
const Failure = failure

// Say returns what a screen makes of a sentence.
func Say(text string) string {
	var b strings.Builder
	s := screen{w: &b}
	s.say("%s", text)
	return b.String()
}

// Exports returns how variables are shown, with tokens shortened.
func Exports(pairs ...[2]string) string {
	var vars []variable
	for _, p := range pairs {
		vars = append(vars, variable{p[0], p[1]})
	}
	return exports(vars, true)
}

// Tally judges leaves as lines of a bundle against counts.
func Tally(leaves io.Reader, acked, rows int) error {
	t := newTally()
	if err := t.read(leaves); err != nil {
		return err
	}
	t.acked, t.rows = acked, rows
	return t.check()
}

// Enough is the least number of acknowledgements of a load.
const Enough = enough

// Stage is a stage without anything on it but what runs programs.
type Stage struct{ s *stage }

// NewStage returns a stage that writes to w and looks for values.
func NewStage(w io.Writer, dir string, values ...string) Stage {
	return Stage{&stage{screen: screen{w: w}, dir: dir, raw: values, env: Env{Now: time.Now}}}
}

// Expect runs a shell script as a command of the story.
func (s Stage) Expect(ctx context.Context, script string, code int, texts ...string) error {
	_, err := s.s.expect(ctx, shell(script), code, texts...)
	return err
}

// AtRest searches the stage's directory.
func (s Stage) AtRest() (int, error) {
	n, _, err := s.s.atRest()
	return n, err
}

// Await starts a script, waits for text, shows what there is, calls then, and
// abandons the script.
func (s Stage) Await(ctx context.Context, script, text string, then func()) error {
	p := s.s.start(ctx, shell(script))
	defer p.abandon()
	if err := p.wait(text); err != nil {
		return err
	}
	p.show()
	then()
	return nil
}

func shell(script string) invocation {
	return invocation{who: "somebody", name: "sh", path: "/bin/sh", args: []string{"-c", script}, env: []string{"PATH=/usr/bin:/bin"}}
}

// Greet starts stand-ins, greets them and has them end.
func Greet(ctx context.Context, program, dir string) error {
	s := &stage{dir: dir, env: Env{Getenv: os.Getenv}}
	p, err := s.launchPeers("the test", program)
	if err != nil {
		return err
	}
	var at struct{ Client string }
	return errors.Join(p.greet(ctx, "{}", &at, func() bool { return at.Client != "" }), p.stop())
}
