// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

// Package shell judges commands that are to run at a target: a line for a shell, an
// argument vector, the wish for an interactive shell.
//
// A command is known by a template, whose words it must have one by one. A line is
// taken for a template only if it is one simple command of plain or quoted words:
// nothing that a shell would expand, substitute, redirect or join to anything else.
// It is sent rebuilt from its words, quoted, so that the shell at the target reads
// the words that were judged.
//
// Whatever no template has is the command "*". Nothing is said of what such a line
// does: a shell string is no boundary, and a list of forbidden words would be none
// either. Policy may permit, forbid or hold it as a whole.
package shell

import (
	"slices"
	"strings"

	sallyport "github.com/sallyport-dev/sallyport"
)

// Protocol is the analyser's name in statements.
const Protocol = "command"

// Kinds of objects.
const (
	KindCommand = "command" // a command by the name of its template
	KindOutput  = "output"  // what it prints
)

// The names that stand for no template.
const (
	AnyName   = "*"     // a command that no template has
	ShellName = "shell" // an interactive shell
	CopyName  = "rsync" // the other half of a client of rsync, which package files judges
)

// Limits of what is judged.
const (
	MaxLine      = 64 << 10 // bytes of a line, or of an argument vector
	MaxWords     = 1000     // words of an argument vector
	MaxParameter = 4 << 10  // bytes of a parameter
	MaxTemplates = 1000     // templates of a resource
)

// Template is a command that a resource knows.
type Template struct {
	Name string
	// Words are literal, or hold one parameter: "{name}" stands for one plain word,
	// "{name...}", as the last, for any number of them, "--file={path}" for a part
	// of a word.
	Words  []string
	Labels []sallyport.Label // of what it prints
	Effect sallyport.Effect  // Execute unless set
	// Shell has an argument vector `sh -c LINE` count as the line.
	Shell bool
}

// Commands are the commands of one resource. They do not change and are safe for
// concurrent use.
type Commands struct {
	templates []template
	unlisted  bool
	labels    []sallyport.Label
}

// Match is a judged command and the form in which it is sent.
type Match struct {
	Statement *sallyport.Statement
	// Line is what a shell at the target is given, for [Commands.Line].
	Line string
	// Argv is what the target is to run, for [Commands.Argv].
	Argv []string
	// Template is the name of the template that has it, or "".
	Template string
}

// Line judges a line for a shell.
func (c *Commands) Line(resource sallyport.ResourceID, line string) Match {
	if why := unfit(line, 1); why != "" {
		return Match{Statement: refused(resource, why)}
	}
	words, plain := parse(line)
	if plain {
		if t, params := c.find(words, false); t != nil {
			return Match{Statement: t.statement(resource, params), Line: join(words), Template: t.name}
		}
	}
	return Match{Statement: c.other(resource, words), Line: line}
}

// Argv judges an argument vector. A shell with a line counts as the line only for
// templates that say so.
func (c *Commands) Argv(resource sallyport.ResourceID, argv []string) Match {
	if why := unfit(strings.Join(argv, " "), len(argv)); why != "" {
		return Match{Statement: refused(resource, why)}
	}
	if t, params := c.find(argv, false); t != nil {
		return Match{Statement: t.statement(resource, params), Argv: slices.Clone(argv), Template: t.name}
	}
	if len(argv) == 3 && isShell(argv[0]) && argv[1] == "-c" {
		if words, plain := parse(argv[2]); plain {
			if t, params := c.find(words, true); t != nil {
				return Match{
					Statement: t.statement(resource, params), Argv: []string{argv[0], "-c", join(words)}, Template: t.name,
				}
			}
		}
	}
	return Match{Statement: c.other(resource, argv), Argv: slices.Clone(argv)}
}

// Shell judges the wish for an interactive shell.
func (c *Commands) Shell(resource sallyport.ResourceID) Match {
	st := statement(resource, ShellName, sallyport.Execute, c.labels)
	st.Class, st.Readable = "shell", "(an interactive shell)"
	return Match{Statement: st}
}

// other is the statement of a command that no template has.
func (c *Commands) other(resource sallyport.ResourceID, words []string) *sallyport.Statement {
	st := statement(resource, AnyName, sallyport.Execute, c.labels)
	st.Readable = readable(words)
	if !c.unlisted {
		st.Refused = "no template of the resource has this command"
		st.Hint = "ask the gateway's operator which commands the resource has; a line must be one command of plain words"
	}
	return st
}

// statement is that of a command by its name.
func statement(resource sallyport.ResourceID, name string, e sallyport.Effect, labels []sallyport.Label) *sallyport.Statement {
	path := []string{string(resource), name}
	output := sallyport.Column{Object: sallyport.Object{Kind: KindOutput, Path: append(slices.Clone(path), "output")}, Labels: slices.Clone(labels)}
	return &sallyport.Statement{
		Protocol: Protocol, Class: "command", Effects: []sallyport.Effect{e},
		Accesses: []sallyport.Access{{Effect: e, Object: sallyport.Object{Kind: KindCommand, Path: path}, Columns: []sallyport.Column{output}}},
		Outputs:  []sallyport.Output{{Direct: true, Sources: []sallyport.Column{output}}},
	}
}

// refused is the statement of what cannot be a command at all.
func refused(resource sallyport.ResourceID, why string) *sallyport.Statement {
	st := statement(resource, AnyName, sallyport.Execute, nil)
	st.Readable, st.Refused, st.Hint = unknownText, why, "send one command, as text"
	return st
}

// unfit says why text cannot be a command of n words.
func unfit(text string, n int) string {
	switch {
	case n == 0 || strings.Trim(text, " \t\r\n") == "":
		return "the command is empty"
	case len(text) > MaxLine || n > MaxWords:
		return "the command is too long"
	case strings.IndexByte(text, 0) >= 0:
		return "the command holds a zero byte"
	}
	return ""
}
