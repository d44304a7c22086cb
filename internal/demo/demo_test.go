// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package demo_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/sallyport-dev/sallyport/internal/config"
	"github.com/sallyport-dev/sallyport/internal/demo"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// What is shown can be typed: a shell reads it back as the same argument.
func TestQuoteReadsBack(t *testing.T) {
	t.Parallel()
	for _, arg := range []string{
		"", "-c", "a=b", "select * from patients", `insert ... values ('900')`, `select "id"`, `it's "both"`, "$HOME", "`id`", `back\slash`, "!", "#",
	} {
		out, err := exec.Command("/bin/sh", "-c", "printf %s "+demo.Quote(arg)).Output()
		if err != nil || string(out) != arg {
			t.Errorf("%q is shown as %s, which a shell reads as %q (%v)", arg, demo.Quote(arg), out, err)
		}
	}
	if got, want := demo.Quote("select 'x'"), `"select 'x'"`; got != want {
		t.Errorf("got %s, want %s: SQL stays readable", got, want)
	}
}

func TestSayBreaksLines(t *testing.T) {
	t.Parallel()
	text := strings.TrimSpace(strings.Repeat("statement ", 40))
	got := demo.Say(text)
	for line := range strings.Lines(got) {
		if len(line) > 104 || !strings.HasPrefix(line, "   s") {
			t.Errorf("line %q", line)
		}
	}
	if strings.Join(strings.Fields(got), " ") != text {
		t.Errorf("words were lost: %q", got)
	}
}

func TestHead(t *testing.T) {
	t.Parallel()
	for _, x := range []struct {
		text  string
		lines int
		want  string
	}{
		{"a\nb\nc\n", 0, "a\nb\nc\n"},
		{"a\nb\nc\n", 3, "a\nb\nc\n"},
		{"a\nb\nc\n", 2, "a\nb\n(and 1 lines more)"},
		{"", 2, ""},
	} {
		if got := demo.Head(x.text, x.lines); got != x.want {
			t.Errorf("%q to %d lines: got %q, want %q", x.text, x.lines, got, x.want)
		}
	}
}

func TestAsked(t *testing.T) {
	t.Parallel()
	got, err := demo.Asked("FATAL: no grant; request req_jzyq3cwpeq2kxgt3m35a waits")
	if err != nil || got != "req_jzyq3cwpeq2kxgt3m35a" {
		t.Errorf("got %q, %v", got, err)
	}
	if _, err := demo.Asked("FATAL: no grant"); err == nil {
		t.Error("a message without a request was read")
	}
}

func TestExportsShortenTokens(t *testing.T) {
	t.Parallel()
	const token = "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJ4In0.c2lnbmF0dXJl"
	got := demo.Exports([2]string{"PGHOST", "127.0.0.1"}, [2]string{"PGPASSWORD", token}, [2]string{"SALLYPORT_TOKEN", token})
	if want := "export PGHOST=127.0.0.1 PGPASSWORD=eyJhbGci... SALLYPORT_TOKEN=eyJhbGci..."; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestConfigurationIsValid(t *testing.T) {
	t.Parallel()
	for chapters, resources := range map[bool]int{false: 1, true: 5} {
		text := demo.Configuration("age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p",
			"http://127.0.0.1:1", [4]string{"127.0.0.1:2", "127.0.0.1:3", "127.0.0.1:7", "127.0.0.1:8"}, "127.0.0.1:4", "/tmp/with space/ca.crt", chapters)
		c, err := config.Parse("/demo/sallyport.yaml", []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		if c.Requests.Wait != 0 || c.Requests.HoldWait != 30*time.Second || c.Resources[0].TLS.CA != "/tmp/with space/ca.crt" || len(c.Resources) != resources {
			t.Errorf("read as %+v", c)
		}
	}
}

// What a client of Google's made of a call is shown as lines.
func TestPlain(t *testing.T) {
	t.Parallel()
	for _, x := range []struct {
		value any
		want  string
	}{
		{nil, "done"},
		{"as it is\n", "as it is\n"},
		{[]any{}, "(none)"},
		{[]any{"a", "b"}, "a\nb"},
		{map[string]any{"rows": []any{}}, "done"},
		{map[string]any{"rows": []any{map[string]any{"id": 1.0, "a": "x"}, map[string]any{"id": 2.0, "a": nil}}, "kind": "SELECT"}, "a=x  id=1\na=<nil>  id=2"},
	} {
		if got := demo.Plain(x.value); got != x.want {
			t.Errorf("%v is shown as %q, want %q", x.value, got, x.want)
		}
	}
}

// Stand-ins that do not start say why, and nothing of them stays.
func TestPeersThatFail(t *testing.T) {
	t.Parallel()
	for name, x := range map[string]struct{ script, want string }{
		"ended":      {"echo no such package >&2; exit 1", "no such package"},
		"not theirs": {"read seed; echo '[]'; echo hello; exit 0", "ended while they started"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			program := filepath.Join(t.TempDir(), "peers")
			if err := os.WriteFile(program, []byte("#!/bin/sh\n"+x.script+"\n"), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := demo.Greet(t.Context(), program, t.TempDir()); err == nil || !strings.Contains(err.Error(), x.want) {
				t.Errorf("got %v, want %q", err, x.want)
			}
		})
	}
	program := filepath.Join(t.TempDir(), "peers")
	const answers = "#!/bin/sh\nread seed; echo installing; echo '{\"project\":\"p\",\"client\":\"/c\"}'; cat >/dev/null\n"
	if err := os.WriteFile(program, []byte(answers), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := demo.Greet(t.Context(), program, t.TempDir()); err != nil {
		t.Error(err)
	}
}

// A command's output is shown as it came and searched for the clinic's values.
func TestExpect(t *testing.T) {
	t.Parallel()
	const value = "Quillfeather"
	for name, x := range map[string]struct {
		script string
		code   int
		texts  []string
		want   string // in the error; "" for none
	}{
		"fine":          {"echo one; echo two >&2", 0, []string{"one\ntwo"}, ""},
		"text missing":  {"echo one", 0, []string{"two"}, `does not contain "two"`},
		"other status":  {"exit 3", 0, nil, "status 3 instead of 0"},
		"any failure":   {"exit 3", demo.Failure, nil, ""},
		"no failure":    {"true", demo.Failure, nil, "expected to fail"},
		"killed":        {"kill -9 $$", demo.Failure, nil, "did not run to its end"},
		"value printed": {"echo name: " + value, 0, nil, "a value of the clinic"},
		"value in err":  {"echo " + value + " >&2; exit 1", demo.Failure, nil, "a value of the clinic"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var screen strings.Builder
			err := demo.NewStage(&screen, t.TempDir(), value).Expect(t.Context(), x.script, x.code, x.texts...)
			switch {
			case x.want == "" && err != nil:
				t.Error(err)
			case x.want != "" && (err == nil || !strings.Contains(err.Error(), x.want)):
				t.Errorf("got error %v, want %q", err, x.want)
			case err != nil && strings.Contains(err.Error(), value):
				t.Error("the error repeats the value")
			}
			if !strings.Contains(screen.String(), "somebody $ sh -c ") {
				t.Errorf("the command is not shown:\n%s", screen.String())
			}
		})
	}
}

func TestAwaitSeesAProgramThatGoesOn(t *testing.T) {
	t.Parallel()
	var screen strings.Builder
	s := demo.NewStage(&screen, t.TempDir())
	var then string
	if err := s.Await(t.Context(), "echo held; exec sleep 100", "held", func() { then = screen.String() }); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(then, "     held\n") {
		t.Errorf("not shown while the program ran:\n%s", then)
	}
	err := s.Await(t.Context(), "echo other", "held", func() {})
	if err == nil || !strings.Contains(err.Error(), "other") {
		t.Errorf("a program that ended without the text: %v", err)
	}
}

func TestAtRest(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	put := func(name, text string) {
		t.Helper()
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var screen strings.Builder
	s := demo.NewStage(&screen, dir, "Quillfeather")
	put("a/log", "masked")
	if n, err := s.AtRest(); n != 1 || err != nil {
		t.Errorf("searched %d files: %v", n, err)
	}
	put("a/b/store.db", "\x00Quillfeather\x00")
	if _, err := s.AtRest(); err == nil || !strings.Contains(err.Error(), "a/b/store.db") {
		t.Errorf("a value at rest: %v", err)
	}
}

// leaves writes a load's leaves: all prepared at once, the last ones without an
// outcome, and a gap event that reports them.
func leaves(intents, outcomes int, reported []int) string {
	var b strings.Builder
	line := func(kind, body string) {
		fmt.Fprintf(&b, `{"index":%d,"leaf":{"v":1,"type":%q,"session":"s_a","body":%s}}`+"\n", strings.Count(b.String(), "\n"), kind, body)
	}
	line("intent", `{"stmt":1,"phase":"analyse","readable":"INSERT INTO work DEFAULT VALUES"}`)
	for i := 2; i < intents+2; i++ {
		line("intent", fmt.Sprintf(`{"stmt":%d,"phase":"execute","of":1}`, i))
		if i < outcomes+2 {
			line("outcome", fmt.Sprintf(`{"stmt":%d,"status":"ok"}`, i))
		}
	}
	var open []string
	for _, stmt := range reported {
		open = append(open, fmt.Sprintf(`"s_a/%d"`, stmt))
	}
	line("gap", `{"may_have_executed":[`+strings.Join(open, ",")+`]}`)
	return b.String()
}

func TestTally(t *testing.T) {
	t.Parallel()
	const n = demo.Enough
	for name, x := range map[string]struct {
		leaves      string
		acked, rows int
		want        string
	}{
		"whole":                    {leaves(n+2, n, []int{n + 2, n + 3}), n, n + 1, ""},
		"acknowledged, not there":  {leaves(n+2, n, []int{n + 2, n + 3}), n + 1, n, "does not hold what was acknowledged"},
		"executed without intent":  {leaves(n, n, nil), n, n + 1, "without an intent"},
		"unfinished, not reported": {leaves(n+2, n, []int{n + 2}), n, n, "s_a/2003 is reported wrongly"},
		"finished, but reported":   {leaves(n, n, []int{5}), n, n, "s_a/5 is reported wrongly"},
		"reported without intent":  {leaves(n, n, []int{9999}), n, n, "s_a/9999, has no intent"},
		"no load":                  {leaves(3, 3, nil), 3, 3, "no load"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := demo.Tally(strings.NewReader(x.leaves), x.acked, x.rows)
			if x.want == "" && err != nil || x.want != "" && (err == nil || !strings.Contains(err.Error(), x.want)) {
				t.Errorf("got %v, want %q", err, x.want)
			}
		})
	}
}

// A gateway that does not start fails the demonstration with what it printed,
// and nothing stays behind.
func TestRunWithoutAGateway(t *testing.T) {
	dir, err := os.MkdirTemp("", "demo-test-") // the server's account must reach it
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	self := filepath.Join(t.TempDir(), "sallyport")
	t.Setenv("TMPDIR", dir)
	if err := os.WriteFile(self, []byte("#!/bin/sh\necho no gateway today\nexit 1\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	var out, errs strings.Builder
	env := demo.Env{Stdout: &out, Stderr: &errs, Getenv: os.Getenv, Now: time.Now, Rand: rand.Reader, Self: self}
	err = demo.Run(t.Context(), env, false)
	if err == nil || !strings.Contains(err.Error(), "no gateway today") {
		t.Errorf("got error %v, want the gateway's own words", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := demo.Run(ctx, env, false); !errors.Is(err, context.Canceled) {
		t.Errorf("interrupted, it reports %v", err)
	}
	if strings.Contains(out.String(), "demo: ok") {
		t.Error("it says that all is well")
	}
	left, err := os.ReadDir(dir)
	if err != nil || len(left) != 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}
