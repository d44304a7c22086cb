// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

// Package redteam_test tries to get past whole gateways before real targets: each
// attempt is a row of a table in the reference, and says what closes it.
package redteam_test

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
)

// sshRow is one attempt.
type sshRow struct {
	id, tries string
	by        string // what closes it
	denial    bool   // it is on record as refused
	try       func(*sshArena) error
}

// Nothing of what an opponent of the SSH connector tries shows a canary, runs
// anything at the target, or goes unrecorded where it was refused.
func TestSSH(t *testing.T) {
	a := startSSH(t)
	var rows []sshRow
	for _, list := range [][]sshRow{sshLogins(), sshWires(), sshChannels(), sshLines(), sshFiles(), sshOutputs(), sshTargets(), sshMore(), sshEnds()} {
		rows = append(rows, list...)
	}
	open := 0
	for _, r := range rows {
		before := a.denials()
		err := r.try(a)
		saw := a.saw()
		if strings.Contains(saw, sshCanary) || strings.Contains(saw, "219-09") {
			err = errors.Join(err, errors.New("the client saw the canary"))
		}
		if _, serr := os.Stat(a.mark); serr == nil {
			err = errors.Join(err, errors.New("it ran at the target"), os.Remove(a.mark))
		}
		if r.denial && a.denials() == before {
			err = errors.Join(err, errors.New("nothing of it is on record"))
		}
		word := "closed"
		if err != nil {
			open, word = open+1, "OPEN  "
			t.Errorf("%s %s: %v\nthe client saw %.600q", r.id, r.tries, err, saw)
		}
		fmt.Printf("%s  %s  %s\n", word, r.id, r.tries) //nolint:forbidigo // the table is what is wanted
	}
	fmt.Printf("ssh: %d attempts, %d open\n", len(rows), open) //nolint:forbidigo // as above
	a.Stop(t)
	for name, b := range a.Traces(t) {
		if strings.Contains(string(b), sshCanary) {
			t.Errorf("%s has the canary", name)
		}
	}
}

// The reference has every attempt, and none that is not made.
func TestSSHTable(t *testing.T) {
	t.Parallel()
	b, err := os.ReadFile("../../docs/reference/ssh.md")
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for _, list := range [][]sshRow{sshLogins(), sshWires(), sshChannels(), sshLines(), sshFiles(), sshOutputs(), sshTargets(), sshMore(), sshEnds()} {
		for _, r := range list {
			want = append(want, fmt.Sprintf("| %s | %s | %s |", r.id, r.tries, r.by))
		}
	}
	var got []string
	for line := range strings.Lines(string(b)) {
		if strings.HasPrefix(line, "| S") && len(line) > 3 && line[3] >= '0' && line[3] <= '9' {
			got = append(got, strings.TrimSpace(line))
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("docs/reference/ssh.md must have these rows:\n%s", strings.Join(want, "\n"))
	}
}

// unless reports, as an error, what should not be so.
func unless(ok bool, format string, args ...any) error {
	if ok {
		return nil
	}
	return fmt.Errorf(format, args...)
}
