// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package shell_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/analyze/shell"
)

func templates() []shell.Template {
	return []shell.Template{
		{Name: "disk", Words: []string{"df", "-h"}, Labels: []sallyport.Label{"public"}},
		{Name: "notes", Words: []string{"cat", "/srv/notes/{file}"}, Labels: []sallyport.Label{"phi.note"}, Effect: sallyport.Read},
		{Name: "show", Words: []string{"cat", "{file}"}},
		{Name: "find", Words: []string{"grep", "-n", "--", "{pattern}", "{files...}"}},
		{Name: "report", Words: []string{"report", "--file={path}.csv", "{rest...}"}},
		{Name: "restart", Words: []string{"systemctl", "restart", "{unit}"}, Effect: sallyport.Administer, Shell: true},
		{Name: "quoted", Words: []string{"say", "it's a \"fine\" day"}},
	}
}

func commands(t testing.TB, unlisted bool) *shell.Commands {
	t.Helper()
	c, err := shell.NewCommands(templates(), unlisted, []sallyport.Label{"phi"})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// name is the template's name by the statement's object.
func name(m shell.Match) string { return m.Statement.Accesses[0].Object.Path[1] }

func TestLines(t *testing.T) {
	t.Parallel()
	c := commands(t, true)
	for line, want := range map[string]struct{ name, sent, readable string }{
		"df -h":                             {"disk", "df -h", "df -h"},
		"  df\t '-h'  ":                     {"disk", "df -h", "df -h"},
		`d"f" -\h`:                          {"disk", "df -h", "df -h"},
		"cat /srv/notes/a.txt":              {"notes", "cat /srv/notes/a.txt", "cat /srv/notes/*"},
		"cat '/srv/notes/a b; reboot'":      {"notes", "cat '/srv/notes/a b; reboot'", "cat /srv/notes/*"},
		`cat '/srv/notes/$(x)`:              {"*", `cat '/srv/notes/$(x)`, "(a command that no template has)"},
		`cat '/srv/notes/$(x)'`:             {"notes", `cat '/srv/notes/$(x)'`, "cat /srv/notes/*"},
		`cat "/srv/notes/\$x"`:              {"notes", `cat '/srv/notes/$x'`, "cat /srv/notes/*"},
		`cat '/srv/notes/it'\''s\!'`:        {"notes", `cat '/srv/notes/it'\''s'\\\!`, "cat /srv/notes/*"},
		"cat /srv/notes/../../etc/shadow":   {"show", "cat /srv/notes/../../etc/shadow", "cat *"},
		"cat ünïcode.txt":                   {"show", "cat 'ünïcode.txt'", "cat *"},
		"cat a=b":                           {"show", "cat 'a=b'", "cat *"},
		"grep -n -- -x a b c":               {"find", "grep -n -- -x a b c", "grep -n -- * *"},
		"grep -n -- 'a|b'":                  {"find", "grep -n -- 'a|b'", "grep -n -- *"},
		"report --file=/tmp/x.csv":          {"report", "report '--file=/tmp/x.csv'", "report --file=*.csv"},
		`say 'it'"'"'s a "fine" day'`:       {"quoted", `say 'it'\''s a "fine" day'`, `say it's a "fine" day`},
		"systemctl restart web":             {"restart", "systemctl restart web", "systemctl restart *"},
		"systemctl restart --now":           {"*", "systemctl restart --now", "systemctl (a command that no template has)"},
		"cat -A":                            {"*", "cat -A", "cat (a command that no template has)"},
		"report --file=.csv":                {"*", "report --file=.csv", "(a command that no template has)"},
		"df":                                {"*", "df", "df (a command that no template has)"},
		"df -h extra":                       {"*", "df -h extra", "df (a command that no template has)"},
		"otto-quill --mrn 12345":            {"*", "otto-quill --mrn 12345", "(a command that no template has)"},
		"/usr/bin/df -h":                    {"*", "/usr/bin/df -h", "(a command that no template has)"},
		"sh -c 'systemctl restart web'":     {"*", "sh -c 'systemctl restart web'", "sh (a command that no template has)"},
		"cat " + strings.Repeat("x", 5<<10): {"*", "cat " + strings.Repeat("x", 5<<10), "cat (a command that no template has)"},
	} {
		m := c.Line("web", line)
		if name(m) != want.name || m.Line != want.sent || m.Statement.Readable != want.readable || m.Statement.Refused != "" {
			t.Errorf("%q is %q, sent as %q, readable %q, refused %q", line, name(m), m.Line, m.Statement.Readable, m.Statement.Refused)
		}
	}
}

// TestLinesThatAreMore has everything that a shell makes more of than one command of
// plain words. Each begins like a template; none may be taken for one.
func TestLinesThatAreMore(t *testing.T) {
	t.Parallel()
	c, closed := commands(t, true), commands(t, false)
	for _, tail := range []string{
		"; reboot", ";", "&", " & reboot", "&& reboot", "|| reboot", "| tee x", "|& tee x", "> x", ">> x", "2>&1", "< x", "<<< x", "<<x\nx\n", ">(x)", "<(x)",
		" $(reboot)", " `reboot`", " $x", " ${x}", " $((1))", ` "$x"`, ` "$(reboot)"`, " \"`reboot`\"", " $'x'", ` $"x"`, " *", " ?", " [a]", " {a,b}", " ~", " ~root", " x~",
		" !!", " !x", ` "!x"`, " # comment", "\nreboot", "\r\nreboot", "\\\nx", " 'x\ny'", " x\x00y", " \x1b[2J", " 'x\x1b[2Jy'", " \xff", " 'x\xffy'", " @(a|b)", " a(b)", " )", " (x)", " }", " x\\",
		" 'x", ` "x`, " \u00a0x", " \u2028x", " a\u200bb", "; if true; then reboot; fi", " x[1]=2 & ", " ${x:-y}", " $#", " $@",
	} {
		line := "cat x" + tail
		for what, m := range map[string]shell.Match{"line": c.Line("web", line), "argv": c.Argv("web", []string{"sh", "-c", "systemctl restart x" + tail})} {
			if name(m) != "*" {
				t.Errorf("%s %q is taken for %q and sent as %q", what, line, name(m), m.Line)
			}
		}
		if m := c.Line("web", line); m.Statement.Refused == "" && m.Line != line {
			t.Errorf("%q is sent as %q", line, m.Line)
		}
		if m := closed.Line("web", line); m.Statement.Refused == "" || m.Statement.Hint == "" {
			t.Errorf("%q is not refused where nothing but templates may run", line)
		}
	}
	for _, line := range []string{
		"x=1 df -h", "! df -h", "time df -h", "{ df -h; }", "(df -h)", "if df -h; then :; fi", "while df -h; do :; done", "f() { df -h; }", "function f { df -h; }",
		"coproc df -h", "[[ df ]]", "((1))", "declare df", "> x df -h", "#df -h", "eval df -h", "exec df -h", "d\\\nf -h", "$df -h", "~/df -h", "let x=1", "case x in x) df -h;; esac",
	} {
		if m := c.Line("web", line); name(m) != "*" {
			t.Errorf("%q is taken for %q", line, name(m))
		}
	}
}

func TestNotACommand(t *testing.T) {
	t.Parallel()
	c := commands(t, true)
	for what, m := range map[string]shell.Match{
		"empty line":  c.Line("web", ""),
		"white space": c.Line("web", " \t\n"),
		"zero byte":   c.Line("web", "df\x00-h"),
		"long line":   c.Line("web", strings.Repeat("x", shell.MaxLine+1)),
		"empty argv":  c.Argv("web", nil),
		"empty word":  c.Argv("web", []string{""}),
		"zero word":   c.Argv("web", []string{"df", "\x00"}),
		"many words":  c.Argv("web", slices.Repeat([]string{"x"}, shell.MaxWords+1)),
	} {
		if m.Statement.Refused == "" || m.Line != "" || m.Argv != nil || len(m.Statement.Effects) == 0 {
			t.Errorf("%s: %+v", what, m)
		}
	}
}

func TestArgv(t *testing.T) {
	t.Parallel()
	c := commands(t, true)
	for _, tt := range []struct {
		argv []string
		name string
		sent []string
	}{
		{[]string{"df", "-h"}, "disk", nil},
		{[]string{"cat", "/srv/notes/a b $(x)"}, "notes", nil},
		{[]string{"cat", "a\nb"}, "*", nil},
		{[]string{"cat", ""}, "*", nil},
		{[]string{"cat", "-A"}, "*", nil},
		{[]string{"sh", "-c", "systemctl  restart 'web'"}, "restart", []string{"sh", "-c", "systemctl restart web"}},
		{[]string{"/bin/bash", "-c", "systemctl restart web"}, "restart", []string{"/bin/bash", "-c", "systemctl restart web"}},
		{[]string{"sh", "-c", "systemctl restart web", "x"}, "*", nil},
		{[]string{"sh", "-xc", "systemctl restart web"}, "*", nil},
		{[]string{"sh", "-c", "systemctl restart web; reboot"}, "*", nil},
		{[]string{"sh", "-c", "df -h"}, "*", nil},
		{[]string{"cat", "x", "|", "sh"}, "*", nil},
	} {
		want := tt.sent
		if want == nil {
			want = tt.argv
		}
		m := c.Argv("web", tt.argv)
		if diff := cmp.Diff(want, m.Argv); name(m) != tt.name || diff != "" {
			t.Errorf("%q is %q (-want +got):\n%s", tt.argv, name(m), diff)
		}
	}
}

func TestStatements(t *testing.T) {
	t.Parallel()
	c := commands(t, false)
	output := sallyport.Column{Object: sallyport.Object{Kind: "output", Path: []string{"web", "notes", "output"}}, Labels: []sallyport.Label{"phi.note"}}
	want := &sallyport.Statement{
		Protocol: "command", Class: "command", Readable: "cat /srv/notes/*", Effects: []sallyport.Effect{sallyport.Read},
		Accesses: []sallyport.Access{{Effect: sallyport.Read, Object: sallyport.Object{Kind: "command", Path: []string{"web", "notes"}}, Columns: []sallyport.Column{output}}},
		Outputs:  []sallyport.Output{{Direct: true, Sources: []sallyport.Column{output}}},
	}
	if diff := cmp.Diff(want, c.Line("web", "cat /srv/notes/a").Statement); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	m := c.Shell("web")
	if name(m) != "shell" || m.Statement.Class != "shell" || m.Statement.Refused != "" || m.Statement.Outputs[0].Sources[0].Labels[0] != "phi" {
		t.Errorf("a shell: %+v", m.Statement)
	}
}

func TestTemplatesThatAreNone(t *testing.T) {
	t.Parallel()
	word := func(words ...string) []shell.Template { return []shell.Template{{Name: "x", Words: words}} }
	for what, give := range map[string][]shell.Template{
		"no name":          {{Words: []string{"df"}}},
		"a name of two":    {{Name: "a b", Words: []string{"df"}}},
		"any's name":       {{Name: "*", Words: []string{"df"}}},
		"the shell's name": {{Name: "shell", Words: []string{"df"}}},
		"a copy's name":    {{Name: "rsync", Words: []string{"rsync", "--version"}}},
		"a name twice":     {{Name: "x", Words: []string{"df"}}, {Name: "x", Words: []string{"ls"}}},
		"no words":         word(),
		"an empty word":    word("df", ""),
		"a new line":       word("df", "a\nb"),
		"any program":      word("{x}"),
		"part of program":  word("/opt/{x}"),
		"any words":        word("{x...}"),
		"rest before last": word("df", "{x...}", "y"),
		"two in a word":    word("df", "{x}{y}"),
		"open":             word("df", "{x"),
		"closed":           word("df", "x}"),
		"no parameter":     word("df", "{}"),
		"reserved word":    word("if", "x"),
		"a declaration":    word("export", "x"),
		"code":             word("sh", "-c", "{code}"),
		"code by path":     word("/bin/bash", "-c", "{code...}"),
		"eval":             word("eval", "{code}"),
		"unknown effect":   {{Name: "x", Words: []string{"df"}, Effect: sallyport.Control}},
		"very many":        slices.Repeat(word("df"), shell.MaxTemplates+1),
	} {
		if _, err := shell.NewCommands(give, false, nil); sallyport.KindOf(err) != sallyport.Invalid {
			t.Errorf("%s: %v", what, err)
		}
	}
}
