// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package shell_test

import (
	"math/rand/v2"
	"os/exec"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-dev/sallyport/internal/analyze/shell"
)

// printing is a command that prints its words with a zero byte after each.
func printing(t testing.TB) *shell.Commands {
	t.Helper()
	c, err := shell.NewCommands([]shell.Template{{Name: "print", Words: []string{"printf", "%s\\0", "--", "{words...}"}}}, true, nil)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// line quotes words in one of the ways in which a client may.
func line(r *rand.Rand, words []string) string {
	var b strings.Builder
	for i, w := range words {
		b.WriteString(strings.Repeat(" ", btoi(i > 0)+r.IntN(2)*btoi(i > 0)))
		switch r.IntN(3) {
		case 0:
			b.WriteString("'" + strings.ReplaceAll(w, "'", `'\''`) + "'")
		case 1:
			for _, c := range w {
				b.WriteString("\\" + string(c))
			}
		default:
			b.WriteByte('"')
			for _, c := range w {
				switch {
				case c == '!':
					b.WriteString(`"'!'"`)
					continue
				case strings.ContainsRune("$`\"\\", c):
					b.WriteByte('\\')
				}
				b.WriteRune(c)
			}
			b.WriteByte('"')
		}
	}
	return b.String()
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

// TestShellsReadWhatWasJudged gives rebuilt lines to real shells: each prints exactly
// the words that the template was compared with.
func TestShellsReadWhatWasJudged(t *testing.T) {
	t.Parallel()
	c, r := printing(t), rand.New(rand.NewPCG(3, 4))
	alphabet := []rune("ab01 '\"\\$`!#&;|<>(){}[]*?~=^%@+-,./:üß語")
	lines := map[string][]string{}
	for range 150 {
		words := make([]string, 1+r.IntN(4))
		for i := range words {
			for range 1 + r.IntN(8) {
				words[i] += string(alphabet[r.IntN(len(alphabet))])
			}
		}
		m := c.Line("web", line(r, append([]string{"printf", `%s\0`, "--"}, words...)))
		if m.Template != "print" {
			t.Fatalf("%q is not taken", words)
		}
		lines[m.Line] = words
	}
	for _, program := range []string{"sh", "bash", "dash", "zsh", "fish", "tcsh", "busybox"} {
		found, err := exec.LookPath(program)
		switch {
		case err != nil && (program == "sh" || program == "bash"):
			t.Fatalf("install %s: %v", program, err)
		case err != nil:
			t.Logf("%s is not installed, and was not asked", program)
			continue
		}
		args := []string{"-c"}
		if program == "busybox" {
			args = []string{"sh", "-c"}
		}
		for sent, words := range lines {
			out, err := exec.CommandContext(t.Context(), found, append(args, sent)...).Output()
			if err != nil {
				t.Fatalf("%s cannot run %s: %v", program, sent, err)
			}
			if diff := cmp.Diff(append([]string{"--"}, words...), strings.Split(strings.TrimSuffix(string(out), "\x00"), "\x00")); diff != "" {
				t.Fatalf("%s reads %s (-want +got):\n%s", program, sent, diff)
			}
		}
	}
}

// FuzzLine judges arbitrary lines. What is taken for a template is sent in a form that
// is taken for it again, unchanged, and holds no byte that ends a command.
func FuzzLine(f *testing.F) {
	for _, s := range []string{
		"df -h", "cat 'a b'", `cat "a\$b"`, `cat a\ b`, "cat $(x)", "cat x; y", "grep -n -- -x 'a|b' c", "cat 'it'\\''s'", "sh -c 'systemctl restart web'", "cat <<x\nx\n",
		"report --file='a b'.csv x y", "cat ünï", "cat \xff", "{ df; }", "x=1 df -h", "cat \\!x",
	} {
		f.Add(s)
	}
	c := commands(f, true)
	f.Fuzz(func(t *testing.T, s string) {
		m := c.Line("web", s)
		if m.Template == "" {
			if m.Statement.Refused == "" && m.Line != s {
				t.Fatalf("%q is sent as %q", s, m.Line)
			}
			return
		}
		if strings.ContainsAny(m.Line, "\x00\n\r\t") {
			t.Fatalf("%q is sent as %q", s, m.Line)
		}
		again := c.Line("web", m.Line)
		if again.Template != m.Template || again.Line != m.Line || again.Statement.Readable != m.Statement.Readable {
			t.Fatalf("%q is sent as %q, which is %q and would be sent as %q", s, m.Line, again.Template, again.Line)
		}
	})
}
