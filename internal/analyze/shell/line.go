// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package shell

import (
	"path"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"mvdan.cc/sh/v3/syntax"
)

// parse takes a line apart into the words that a shell would give to a program. It
// reports false for a line that is anything but one simple command of plain or
// quoted words.
func parse(line string) ([]string, bool) {
	if len(line) > MaxLine || !utf8.ValidString(line) || strings.ContainsFunc(line, func(r rune) bool { return r != '\t' && unprintable(r) }) {
		return nil, false
	}
	if structured(line) {
		return nil, false
	}
	f, err := syntax.NewParser(syntax.Variant(syntax.LangBash), syntax.KeepComments(true)).Parse(strings.NewReader(line), "")
	if err != nil || len(f.Stmts) != 1 || len(f.Last) > 0 {
		return nil, false
	}
	s := f.Stmts[0]
	call, ok := s.Cmd.(*syntax.CallExpr)
	if !ok || len(s.Comments) > 0 || s.Semicolon.IsValid() || s.Negated || s.Background || s.Coprocess || s.Disown || len(s.Redirs) > 0 ||
		len(call.Assigns) > 0 || len(call.Args) == 0 || len(call.Args) > MaxWords {
		return nil, false
	}
	words := make([]string, len(call.Args))
	for i, w := range call.Args {
		if words[i], ok = word(w); !ok {
			return nil, false
		}
	}
	return words, true
}

// structured reports whether a line has what no command of plain words has, before it
// is parsed: a parser goes as deep as a line of thousands of parentheses says.
func structured(line string) bool {
	const plain, single, double = 0, '\'', '"'
	state := byte(plain)
	for i := 0; i < len(line); i++ {
		switch c := line[i]; {
		case state == single:
			if c == '\'' {
				state = plain
			}
		case c == '\\':
			i++
		case c == '$' || c == '`':
			return true
		case state == double:
			if c == '"' {
				state = plain
			}
		case c == '\'' || c == '"':
			state = c
		case strings.IndexByte("(){}[]<>|&;", c) >= 0:
			return true
		}
	}
	return state != plain
}

// word returns what a word stands for, if it stands for one thing only.
func word(w *syntax.Word) (string, bool) {
	var b strings.Builder
	for _, part := range w.Parts {
		switch p := part.(type) {
		case *syntax.Lit:
			if !unquoted(&b, p.Value) {
				return "", false
			}
		case *syntax.SglQuoted:
			if p.Dollar {
				return "", false
			}
			b.WriteString(p.Value)
		case *syntax.DblQuoted:
			if !doubleQuoted(&b, p) {
				return "", false
			}
		default:
			return "", false
		}
	}
	return b.String(), true
}

// unquoted appends what stands outside quotes: characters that no shell gives a
// meaning, and others behind a backslash.
func unquoted(b *strings.Builder, s string) bool {
	escaped := false
	for _, r := range s {
		switch {
		case escaped:
			escaped = false
		case r == '\\':
			escaped = true
			continue
		case r < utf8.RuneSelf && !isPlain(byte(r)) && !strings.ContainsRune("=%,^", r), r >= utf8.RuneSelf && unicode.IsSpace(r):
			return false
		}
		b.WriteRune(r)
	}
	return !escaped
}

// doubleQuoted appends what stands in double quotes. A "!" there recalls history in
// some shells.
func doubleQuoted(b *strings.Builder, q *syntax.DblQuoted) bool {
	if q.Dollar {
		return false
	}
	for _, part := range q.Parts {
		l, ok := part.(*syntax.Lit)
		if !ok || strings.IndexByte(l.Value, '!') >= 0 {
			return false
		}
		for i := 0; i < len(l.Value); i++ {
			c := l.Value[i]
			if c == '\\' && i+1 < len(l.Value) && strings.IndexByte("$`\"\\", l.Value[i+1]) >= 0 {
				i++
				c = l.Value[i]
			}
			b.WriteByte(c)
		}
	}
	return true
}

// isPlain tells the characters that mean themselves in every shell.
func isPlain(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("_./:@+-", c) >= 0
}

// join writes words so that a shell reads them as they are.
func join(words []string) string {
	var b strings.Builder
	for i, w := range words {
		if i > 0 {
			b.WriteByte(' ')
		}
		quote(&b, w)
	}
	return b.String()
}

// quote writes one word. A quote, a backslash and a "!" stand outside the quotes,
// behind a backslash: within single quotes fish gives a meaning to the first two and
// csh to the third.
func quote(b *strings.Builder, w string) {
	plain := w != ""
	for i := range len(w) {
		plain = plain && isPlain(w[i])
	}
	if plain {
		b.WriteString(w)
		return
	}
	if w == "" {
		b.WriteString("''")
	}
	open := false
	for i := range len(w) {
		special := w[i] == '\'' || w[i] == '\\' || w[i] == '!'
		if special == open {
			b.WriteByte('\'')
			open = !special
		}
		if special {
			b.WriteByte('\\')
		}
		b.WriteByte(w[i])
	}
	if open {
		b.WriteByte('\'')
	}
}

// isShell reports whether a program is a shell.
func isShell(program string) bool {
	return slices.Contains([]string{"sh", "bash", "dash", "ash", "zsh", "ksh", "mksh", "fish", "csh", "tcsh"}, path.Base(program))
}

// runsCode reports whether a program takes words as code.
func runsCode(program string) bool {
	return isShell(program) || slices.Contains([]string{"eval", "source", ".", "trap", "busybox"}, path.Base(program))
}

// unknownText is the readable text of a command of which nothing may be shown.
const unknownText = "(a command that no template has)"

// readable is the text of a command that no template has: its program, where that is
// a word that says nothing of anybody.
func readable(words []string) string {
	if len(words) == 0 || !slices.Contains(wellKnown(), words[0]) {
		return unknownText
	}
	return words[0] + " " + unknownText
}

// wellKnown are programs whose names may stand in a record.
func wellKnown() []string {
	return []string{
		"ansible", "apk", "apt", "apt-get", "ash", "awk", "base64", "bash", "busybox", "cat", "chgrp", "chmod", "chown", "cp", "crontab",
		"csh", "curl", "cut", "dash", "date", "dd", "df", "diff", "dig", "dmesg", "dnf", "docker", "du", "echo", "env", "find", "fish",
		"free", "git", "grep", "gunzip", "gzip", "head", "helm", "hostname", "id", "ip", "java", "journalctl", "kill", "ksh", "kubectl",
		"ln", "ls", "lsblk", "make", "mkdir", "mount", "mv", "mysql", "nc", "netstat", "node", "nslookup", "openssl", "perl", "pg_dump",
		"ping", "podman", "printenv", "printf", "ps", "psql", "python", "python3", "pwd", "rm", "rmdir", "rsync", "ruby", "scp", "sed",
		"sftp", "sh", "sleep", "sort", "ss", "ssh", "stat", "su", "sudo", "sync", "systemctl", "tail", "tar", "tee", "test", "tmux",
		"top", "touch", "tr", "true", "umount", "uname", "uniq", "unzip", "uptime", "vi", "vim", "wc", "wget", "which", "whoami", "xargs",
		"yum", "zcat", "zip", "zsh",
	}
}
