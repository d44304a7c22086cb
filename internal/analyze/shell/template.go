// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package shell

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	sallyport "github.com/sallyport-dev/sallyport"
)

// template is a compiled [Template].
type template struct {
	name   string
	words  []pattern
	rest   bool // any number of words may follow
	labels []sallyport.Label
	effect sallyport.Effect
	shell  bool
}

// pattern is one word of a template: before a parameter and behind it, or literal.
type pattern struct {
	before, after string
	parameter     bool
	dashed        bool // a word "--" stands before it, so that it may begin with a dash
}

// NewCommands compiles the templates of a resource. unlisted says whether a command
// that no template has may be asked for at all; labels are those of its output, and
// of a shell's. Errors have Kind Invalid.
func NewCommands(templates []Template, unlisted bool, labels []sallyport.Label) (*Commands, error) {
	c := &Commands{unlisted: unlisted, labels: slices.Clone(labels)}
	if len(templates) > MaxTemplates {
		return nil, invalid("", fmt.Sprintf("there are more than %d", MaxTemplates))
	}
	names := map[string]bool{AnyName: true, ShellName: true, CopyName: true}
	for _, t := range templates {
		if !validName(t.Name) || names[t.Name] {
			return nil, invalid(t.Name, "its name must be 1 to 64 lower-case letters, digits, dots, dashes and underscores, of this template alone, and neither \"shell\" nor \"rsync\"")
		}
		names[t.Name] = true
		compiled, why := compile(t)
		if why != "" {
			return nil, invalid(t.Name, why)
		}
		c.templates = append(c.templates, compiled)
	}
	return c, nil
}

func invalid(name, why string) error {
	return sallyport.E(sallyport.Invalid, "command templates", fmt.Sprintf("template %q: %s", name, why)).
		WithHint("docs/reference/terminal.md describes templates")
}

func validName(s string) bool {
	return len(s) > 0 && len(s) <= 64 && strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789._-") == ""
}

// validParameter reports whether a parameter may be called s.
func validParameter(s string) bool { return validName(s) && !strings.Contains(s, ".") }

func compile(t Template) (template, string) {
	out := template{name: t.Name, labels: slices.Clone(t.Labels), effect: t.Effect, shell: t.Shell}
	if out.effect == sallyport.EffectUnknown {
		out.effect = sallyport.Execute
	}
	if out.effect > sallyport.Administer {
		return out, "it has an effect that a command cannot have"
	}
	if len(t.Words) == 0 || len(t.Words) > 100 {
		return out, "it must have 1 to 100 words"
	}
	dashed, code := false, false
	for i, w := range t.Words {
		if i == len(t.Words)-1 && isRest(w) {
			out.rest = true
			if i == 0 || code {
				return out, "its first word, the program, must be literal, and a shell gets no parameter as code"
			}
			out.words = append(out.words, pattern{parameter: true, dashed: dashed})
			break
		}
		p, why := patternOf(w)
		switch {
		case why != "":
			return out, why
		case i == 0 && p.parameter:
			return out, "its first word, the program, must be literal"
		case p.parameter && code:
			return out, "it hands a parameter to a shell as code"
		}
		p.dashed = dashed
		dashed = dashed || w == "--"
		code = code || i == 0 && runsCode(w)
		out.words = append(out.words, p)
	}
	return out, out.reads()
}

// isRest reports whether a word stands for all that follow.
func isRest(w string) bool {
	return strings.HasPrefix(w, "{") && strings.HasSuffix(w, "...}") && validParameter(w[1:len(w)-4])
}

func patternOf(w string) (pattern, string) {
	if w == "" || !utf8.ValidString(w) || strings.ContainsFunc(w, unprintable) {
		return pattern{}, "a word is empty or has characters that are not printed"
	}
	open := strings.IndexByte(w, '{')
	if open < 0 && strings.IndexByte(w, '}') < 0 {
		return pattern{before: w}, ""
	}
	end := strings.IndexByte(w, '}')
	if open < 0 || end < open || strings.ContainsAny(w[end+1:], "{}") || !validParameter(w[open+1:end]) {
		return pattern{}, "a word has one parameter at most, as {name}; {name...} is the last word"
	}
	return pattern{before: w[:open], after: w[end+1:], parameter: true}, ""
}

// reads says why a line made of the template would not be read as its words.
func (t *template) reads() string {
	words := make([]string, len(t.words))
	for i, p := range t.words {
		words[i] = p.before + p.after
		if p.parameter {
			words[i] = p.before + "x" + p.after
		}
	}
	if got, ok := parse(join(words)); !ok || !slices.Equal(got, words) {
		return "its words are no simple command: the program is a word of the shell's grammar"
	}
	return ""
}

// find returns the template that has the words, and for each of its words whether it
// is a parameter's.
func (c *Commands) find(words []string, viaShell bool) (*template, []bool) {
	for i := range c.templates {
		t := &c.templates[i]
		if viaShell && !t.shell {
			continue
		}
		if params, ok := t.match(words); ok {
			return t, params
		}
	}
	return nil, nil
}

func (t *template) match(words []string) ([]bool, bool) {
	fixed := len(t.words)
	if t.rest {
		fixed--
	}
	if len(words) < fixed || len(words) > fixed && !t.rest {
		return nil, false
	}
	params := make([]bool, len(words))
	for i, w := range words {
		p := &t.words[min(i, len(t.words)-1)]
		if !p.match(w) {
			return nil, false
		}
		params[i] = p.parameter
	}
	return params, true
}

func (p *pattern) match(w string) bool {
	if !p.parameter {
		return w == p.before
	}
	if len(w) <= len(p.before)+len(p.after) || !strings.HasPrefix(w, p.before) || !strings.HasSuffix(w, p.after) {
		return false
	}
	v := w[len(p.before) : len(w)-len(p.after)]
	if len(v) > MaxParameter || !utf8.ValidString(v) || strings.ContainsFunc(v, unprintable) {
		return false
	}
	if v[0] == '-' && p.before == "" && !p.dashed {
		return false // it would be an option
	}
	// Where the template says a directory, a parameter does not lead out of it.
	return !strings.Contains(p.before, "/") || !slices.Contains(strings.Split(w, "/"), "..")
}

func unprintable(r rune) bool { return r != ' ' && !unicode.IsPrint(r) }

// statement is that of the template's command.
func (t *template) statement(resource sallyport.ResourceID, params []bool) *sallyport.Statement {
	st := statement(resource, t.name, t.effect, t.labels)
	words := make([]string, 0, len(t.words))
	for i := range t.words {
		p := &t.words[i]
		switch {
		case p.parameter && t.rest && i == len(t.words)-1:
			if len(params) > i {
				words = append(words, "*")
			}
		case p.parameter:
			words = append(words, p.before+"*"+p.after)
		default:
			words = append(words, p.before)
		}
	}
	st.Readable = strings.Join(words, " ")
	return st
}
