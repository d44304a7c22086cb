// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package files

import (
	"slices"
	"strings"

	sallyport "github.com/sallyport-dev/sallyport"
)

// Limits of the command that a client of rsync starts at a target.
const (
	maxLine  = 32 << 10 // bytes
	maxWords = 200
)

// Transfer is the command with which a client of rsync starts its other half at a
// target.
type Transfer struct {
	// Sends says that the target sends.
	Sends bool
	// Paths are those of the target, as the client names them.
	Paths []string

	words   []string // in front of the paths
	deletes bool     // what the sender does not have
	alters  bool     // the receiver makes links, devices, owners or permissions
}

// Rsync reads such a command, as the versions 3.2 to 3.5 write it. is reports whether
// the line is one at all; why is set for one that does what cannot be judged by its
// paths.
func Rsync(line string) (t Transfer, why string, is bool) {
	if !strings.HasPrefix(line, "rsync --server ") {
		return t, "", false
	}
	words, ok := split(line)
	if !ok {
		return t, "it has what a shell would expand, or is too long", true
	}
	words = words[2:]
	t.words = []string{"rsync", "--server"}
	if len(words) > 0 && words[0] == "--sender" {
		t.Sends, words = true, words[1:]
		t.words = append(t.words, "--sender")
	}
	for len(words) > 0 && words[0] != "." {
		if !t.option(words[0]) {
			return t, "an option is not among those that pass", true
		}
		t.words, words = append(t.words, words[0]), words[1:]
	}
	if len(words) < 2 || !t.Sends && len(words) != 2 {
		return t, "it does not name its paths as rsync does", true
	}
	t.words, t.Paths = append(t.words, "."), words[1:]
	if slices.Contains(t.Paths, "") {
		return t, "a path is empty", true
	}
	return t, "", true
}

// Short options that neither read nor write beside the paths. Those that follow
// links, or have paths of their own, are not among them.
const (
	shorts  = "nvqrdtculWHogDpAXSOJzxIEUNbm"
	altered = "lHogDpAX" // what of them makes more than files and directories
)

// option takes an option that passes.
func (t *Transfer) option(w string) bool {
	if rest, long := strings.CutPrefix(w, "--"); long {
		name, value, has := strings.Cut(rest, "=")
		switch name {
		case "delete", "delete-before", "delete-during", "delete-after", "delete-delay", "delete-excluded", "force", "delete-missing-args":
			t.deletes = true
			return !has
		case "numeric-ids", "inplace", "append", "partial", "ignore-existing", "existing", "ignore-errors", "mkpath", "new-compress", "old-compress", "size-only", "ignore-times",
			"safe-links", "munge-links", "stats", "delay-updates", "fsync", "list-only", "preallocate", "open-noatime", "ignore-missing-args":
			return !has
		case "checksum-seed", "max-delete", "max-size", "min-size", "timeout", "bwlimit", "modify-window", "compress-level", "compress-choice", "checksum-choice", "block-size", "max-alloc":
			return has && value != "" && len(value) <= 32 && strings.Trim(value, alphanumeric+".,-") == ""
		case "log-format":
			return value == "%i" || value == "X" || value == "%i%I"
		}
		return false
	}
	rest, short := strings.CutPrefix(w, "-")
	if !short {
		return false
	}
	// "e" ends the options: what follows is the client's version and what it can.
	flags, can, has := strings.Cut(rest, "e")
	if has && (len(can) > 48 || strings.Trim(can, alphanumeric+".") != "") || rest == "" || strings.Trim(flags, shorts) != "" {
		return false
	}
	t.alters = t.alters || strings.ContainsAny(flags, altered)
	return true
}

const alphanumeric = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"

// plain are the characters that mean themselves in every shell.
const plain = alphanumeric + "/._-=,+:@%"

// split takes a line apart into words of plain and escaped characters.
func split(line string) (words []string, ok bool) {
	if len(line) > maxLine || strings.ContainsFunc(line, control) {
		return nil, false
	}
	var b strings.Builder
	begun := false
	for i := 0; i < len(line); i++ {
		c := line[i]
		switch {
		case c == ' ':
			if begun {
				words = append(words, b.String())
			}
			b.Reset()
			begun = false
			continue
		case c == '\\' && i+1 < len(line):
			i++
			c = line[i]
		case c < 0x80 && strings.IndexByte(plain, c) < 0:
			return nil, false
		}
		begun = true
		b.WriteByte(c)
	}
	if begun {
		words = append(words, b.String())
	}
	return words, len(words) >= 2 && len(words) <= maxWords
}

// Line is the command as it is sent, with other paths in place of the client's. They
// are absolute.
func (t Transfer) Line(paths []string) string {
	var b strings.Builder
	for i, w := range append(slices.Clone(t.words), paths...) {
		if i > 0 {
			b.WriteByte(' ')
		}
		for j := 0; j < len(w); j++ {
			if c := w[j]; c < 0x80 && strings.IndexByte(plain, c) < 0 {
				b.WriteByte('\\')
			}
			b.WriteByte(w[j])
		}
	}
	return b.String()
}

// KindCommand is the kind of the object that stands for the use of rsync at all: its
// protocol is not read, so that a client of its own making is trusted with it.
const KindCommand = "command"

// Transfer says what a transfer does. paths are, for each of its paths, what was
// named and what it turned out to be.
func (l *Layout) Transfer(resource sallyport.ResourceID, t Transfer, paths [][]string) *sallyport.Statement {
	op := PutTree
	switch {
	case t.Sends:
		op = GetTree
	case t.deletes:
		op = PruneTree
	}
	out := &sallyport.Statement{
		Protocol: Protocol, Class: "files.rsync", Readable: "files.rsync", Effects: []sallyport.Effect{sallyport.Execute},
		Accesses: []sallyport.Access{{Effect: sallyport.Execute, Object: sallyport.Object{Kind: KindCommand, Path: []string{string(resource), "rsync"}}}},
	}
	for _, p := range paths {
		st := l.Statement(resource, op, p...)
		if st.Refused != "" {
			return st
		}
		if t.alters && !t.Sends {
			for _, a := range st.Accesses {
				if a.Effect == sallyport.Write {
					a.Effect = sallyport.Administer
					st.Accesses = append(st.Accesses, a)
				}
			}
			st.Effects = append(st.Effects, sallyport.Administer)
		}
		out.Readable += " " + st.Readable
		out.Accesses, out.Outputs = append(out.Accesses, st.Accesses...), append(out.Outputs, st.Outputs...)
		for _, e := range st.Effects {
			if !slices.Contains(out.Effects, e) {
				out.Effects = append(out.Effects, e)
			}
		}
	}
	return out
}

// Legacy reports whether a line is the other half of scp's old protocol, which has no
// place for what a gateway says, and what to do instead.
func Legacy(line string) (hint string, is bool) {
	rest, ok := strings.CutPrefix(line, "scp ")
	if !ok {
		return "", false
	}
	for _, w := range strings.Fields(rest) {
		if w == "-t" || w == "-f" {
			return "use scp of OpenSSH 9 or later without -O, or with -s, which speaks sftp", true
		}
		if !strings.HasPrefix(w, "-") {
			break
		}
	}
	return "", false
}
