// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package demo

import (
	"fmt"
	"io"
	"strings"
)

// width is where sentences are broken.
const width = 100

// screen writes the story. After a failed write it writes nothing more and keeps
// the error.
type screen struct {
	w      io.Writer
	failed error
}

func (s *screen) line(format string, args ...any) {
	if s.failed == nil {
		_, s.failed = fmt.Fprintf(s.w, format+"\n", args...)
	}
}

// headline begins a step.
func (s *screen) headline(n int, title, about string) {
	s.line("\n%d. %s", n, title)
	s.say("%s", about)
}

// say writes a sentence, broken into lines.
func (s *screen) say(format string, args ...any) {
	var b strings.Builder
	column := 0
	for _, word := range strings.Fields(fmt.Sprintf(format, args...)) {
		if column > 0 && column+1+len(word) > width {
			b.WriteString("\n   ")
			column = 0
		}
		if column > 0 {
			b.WriteByte(' ')
			column++
		}
		b.WriteString(word)
		column += len(word)
	}
	s.line("   %s", b.String())
}

// command writes what somebody types.
func (s *screen) command(who, text string) {
	s.line("\n   %s $ %s", who, strings.ReplaceAll(text, "\n", "\n   > "))
}

// output writes what a program printed, indented. The last line counts as
// complete.
func (s *screen) output(text string) {
	text = strings.TrimRight(text, "\n ")
	if text == "" {
		return
	}
	for line := range strings.SplitSeq(text, "\n") {
		s.line("%s", strings.TrimRight("     "+line, " \r"))
	}
}

// head returns the first lines of a text, and says how many more there are.
func head(text string, lines int) string {
	all := strings.Split(strings.TrimRight(text, "\n"), "\n")
	if lines <= 0 || len(all) <= lines {
		return text
	}
	return strings.Join(all[:lines], "\n") + fmt.Sprintf("\n(and %d lines more)", len(all)-lines)
}

// safe are the characters that a shell leaves alone.
const safe = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./:=@+,"

// quote writes an argument as one types it into a shell: in double quotes where
// that suffices, so that SQL stays readable.
func quote(arg string) string {
	switch {
	case arg != "" && strings.Trim(arg, safe) == "":
		return arg
	case !strings.ContainsAny(arg, "\"$`\\!"):
		return `"` + arg + `"`
	}
	return "'" + strings.ReplaceAll(arg, "'", `'\''`) + "'"
}

// typed writes a program and its arguments as one types them.
func typed(name string, args []string) string {
	words := []string{name}
	for _, a := range args {
		words = append(words, quote(a))
	}
	return strings.Join(words, " ")
}

// shortened leaves of a token what one needs to see that it is one.
func shortened(token string) string {
	if len(token) <= 16 {
		return "..."
	}
	return token[:8] + "..."
}
