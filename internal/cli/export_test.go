// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"regexp"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// Render renders a replay from the API's own documents: a session, and the
// lines of its replay.
func Render(session, asked string, steps io.Reader, all, colour bool) (string, error) {
	var s sessionWhole
	if err := json.Unmarshal([]byte(session), &s); err != nil {
		return "", err
	}
	if asked != "" {
		var r request
		s.request = &r
		if err := json.Unmarshal([]byte(asked), &r); err != nil {
			return "", err
		}
	}
	var b strings.Builder
	renderHeader(&b, s, paints(colour))
	env := Env{Stdout: &b, Stderr: io.Discard, Getenv: func(string) string { return "" }, Terminal: colour}
	p := player{app: &app{Env: env}, replayOptions: replayOptions{all: all}, took: map[uint64]int64{2: 12345}}
	_, err := p.play(context.Background(), bufio.NewReader(steps))
	return b.String(), err
}

// Table renders a table for people, or as CSV.
func Table(head []string, rows [][]string, csv bool) (string, error) {
	var b strings.Builder
	t := table{head: head, rows: rows}
	var err error
	if csv {
		err = t.csv(&b)
	} else {
		err = t.text(&b, false)
	}
	return b.String(), err
}

// Clean, Quote, Brief and When give tests what they are named for.
func Clean(s string) string                              { return clean(s) }
func CleanLines(s string) string                         { return cleanLines(s) }
func Quote(s string) string                              { return quote(s) }
func Brief(d time.Duration) string                       { return brief(d) }
func When(now time.Time, text string) (time.Time, error) { return when(now, text) }

// Commands lists the command line's commands, each with its whole path, and the
// names of all flags.
func Commands() (commands, flags []string) {
	name := regexp.MustCompile(`--[a-z][a-z-]+`)
	var walk func(c *cobra.Command)
	walk = func(c *cobra.Command) {
		if !c.HasSubCommands() || c.Name() == "request" {
			commands = append(commands, c.CommandPath())
		}
		flags = append(flags, name.FindAllString(c.LocalFlags().FlagUsages(), -1)...)
		for _, sub := range c.Commands() {
			walk(sub)
		}
	}
	a := &app{Env: Env{Demo: func(context.Context, Env, bool) error { return nil }}}
	walk(a.root())
	return commands, flags
}

// Bound is bound.
func Bound(b []byte) []string { return bound(b) }
