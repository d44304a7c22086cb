// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package cli_test

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-dev/sallyport/internal/cli"
)

// programSteps is a replay with one program, whose output tries things with the
// terminal of who looks.
const programSteps = `{"stmt":1,"at_ms":5,"phase":"execute","class":"command","readable":"cat *","verdict":"allow","rules":["run"],"tag":"exit 3","status":"error","error":{"code":"3"},` +
	`"terminal":{"tty":true,"columns":80,"rows":24,"title":"cat *","events":[[1,"o","\u001b[1;31mred\u001b[0m \u001b]0;title\u0007one\r\n50%\r100%"],[1,"o","\r\n\u001b[2J\u001b]52;c;eA==\u001b\\two"],` +
	`[2,"i","ls\n"],[2,"e","\u001b[3Awarn\u001b[0K\u0008\u0007\ufffdü\n"],[3,"r","90x30"],[3,"m","12 bytes more were not kept"],[4,"o","\u001b[?1049h\u001bPq#0\u001b\\\u009b5mthree"],[4,"x","3"]]}}
{"end":true,"statements":1,"more":false,"gaps":0,"closed":true,"reason":"the client closed it"}
`

func TestReplayOfAProgram(t *testing.T) {
	t.Parallel()
	const head = "\n#1  +0:00:00.005  command\n  cat *\n  allow by run\n"
	got, err := cli.Render(fixture(t, "session.json"), "", strings.NewReader(programSteps), true, false)
	if err != nil {
		t.Fatal(err)
	}
	want := head + "  red one\n  50%\n  100%\n  two\n  typed: ls\n  warn\ufffdü\n  12 bytes more were not kept\n  5mthree\n  error 3\n  exit 3\n"
	if _, got, _ = strings.Cut(got, "closed it\n"); !strings.HasSuffix(got, want) {
		t.Errorf("(-want +got):\n%s", cmp.Diff(want, got))
	}

	// At its own pace, where some sequences are left. Nothing depends on how long it takes.
	env := answering(t, func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/replay") {
			_, _ = w.Write([]byte(programSteps))
			return
		}
		_, _ = w.Write([]byte(fixture(t, "session.json")))
	})
	for _, colour := range []bool{false, true} {
		var out bytes.Buffer
		code := cli.Run(t.Context(), cli.Env{
			Stdin: strings.NewReader(""), Stdout: &out, Stderr: &out, Getenv: func(k string) string { return env[k] }, Now: time.Now, Terminal: colour,
		}, []string{"session", "replay", "s_1", "--pace"})
		want := "red one\n50%\r100%\r\ntwowarn\x1b[0K\b\ufffdü\n\n12 bytes more were not kept\n5mthree\n  error 3\n"
		if colour {
			want = "\x1b[1;31mred\x1b[0m one\r\n50%\r100%\r\ntwowarn\x1b[0K\b\ufffdü\n\n\x1b[2m12 bytes more were not kept\x1b[0m\n5mthree\x1b[0m\n  \x1b[31merror 3"
		} else {
			want = strings.Replace(want, "one\n", "one\r\n", 1)
		}
		if code != 0 || !strings.Contains(out.String(), want) {
			t.Errorf("exit code %d, colours %v: %q, want %q", code, colour, out.String(), want)
		}
	}
}

func TestExportOfAProgram(t *testing.T) {
	t.Parallel()
	asked := ""
	env := answering(t, func(w http.ResponseWriter, r *http.Request) {
		asked = r.Method + " " + r.URL.RequestURI()
		if strings.Contains(r.URL.Path, "/9/") {
			w.Header().Set("Content-Length", "100")
		}
		fmt.Fprint(w, "{\"version\":2}\n")
	})
	code, stdout, stderr := run(t, env, "session", "export", "s_1", "--statement", "3", "--format", "asciicast-v2")
	if code != 0 || stdout != "{\"version\":2}\n" || stderr != "" || asked != "GET /v1/sessions/s_1/statements/3/terminal?format=asciicast-v2" {
		t.Errorf("exit code %d, %q, %q, asked %s", code, stdout, stderr, asked)
	}
	file := filepath.Join(t.TempDir(), "x.cast")
	args := []string{"session", "export", "s_1", "--statement", "3", "--format", "asciicast-v3", "-f", file}
	if code, stdout, _ := run(t, env, args...); code != 0 || stdout != "" {
		t.Errorf("to a file: exit code %d, %q", code, stdout)
	}
	if b, err := os.ReadFile(file); err != nil || string(b) != "{\"version\":2}\n" {
		t.Errorf("the file: %q, %v", b, err)
	}
	if code, _, stderr := run(t, env, args...); code != cli.ExitError || !strings.Contains(stderr, "there already") {
		t.Errorf("again: exit code %d, %q", code, stderr)
	}
	if code, _, stderr := run(t, env, append(args, "--force")...); code != 0 {
		t.Errorf("by force: exit code %d, %q", code, stderr)
	}
	if code, _, stderr := run(t, env, "session", "export", "s_1", "--statement", "9", "--format", "asciicast-v2"); code != cli.ExitError || !strings.Contains(stderr, "could not be written") {
		t.Errorf("cut short: exit code %d, %q", code, stderr)
	}
	for what, args := range map[string][]string{
		"no format":      {"--statement", "3"},
		"no statement":   {"--format", "asciicast-v2"},
		"another format": {"--statement", "3", "--format", "gif"},
		"no number":      {"--statement", "x", "--format", "asciicast-v2"},
		"a purpose":      {"--statement", "3", "--format", "asciicast-v2", "--purpose", "x"},
		"nothing":        nil,
	} {
		if code, _, _ := run(t, env, append([]string{"session", "export", "s_1"}, args...)...); code != cli.ExitUsage {
			t.Errorf("%s: exit code %d", what, code)
		}
	}
}
