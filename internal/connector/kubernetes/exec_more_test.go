// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package kubernetes_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/creack/pty"

	"github.com/sallyport-dev/sallyport/test/kubepeer"
	"github.com/sallyport-dev/sallyport/test/masktest"
)

// readFile returns what a file holds, "" for one that is not there.
func readFile(name string) string {
	b, err := os.ReadFile(name)
	if err != nil {
		return ""
	}
	return string(b)
}

// write writes files below a directory.
func write(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for name, text := range files {
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// TestUpload has every kubectl copy files into a container.
func TestUpload(t *testing.T) {
	w := newWard(t)
	for _, k := range w.cluster.Clients() {
		t.Run(k.Name, func(t *testing.T) {
			dir := t.TempDir()
			large := strings.Repeat("0123456789abcdef", 1<<16)
			write(t, dir, map[string]string{"a.txt": "hello " + k.Name, "tree/b/c.txt": "deep", "tree/large": large, "linked/x": "x"})
			if err := os.Symlink("/etc/passwd", filepath.Join(dir, "linked", "link")); err != nil {
				t.Fatal(err)
			}
			for name, tc := range map[string]struct {
				file, to, says string
				code           int
			}{
				"a file":           {"a.txt", "/srv/in/" + k.Name + ".txt", "", 0},
				"into a directory": {"a.txt", "/srv/in", "", 0},
				"a tree":           {"tree", "/srv/in/" + k.Name, "", 0},
				"a link":           {"linked", "/srv/in/linked-" + k.Name, "a link", 1},
				"elsewhere":        {"a.txt", "/srv/data/a.txt", "sallyport", 1},
				"relative":         {"a.txt", "srv/in/r.txt", "absolute", 1},
				"upwards":          {"a.txt", "/srv/in/../data/a.txt", "sallyport", 1},
			} {
				got := k.Run(t, w.config, "", "-n", "clinic", "cp", filepath.Join(dir, tc.file), "web-1:"+tc.to)
				if got.Code != tc.code || !strings.Contains(got.Err, tc.says) {
					t.Errorf("%s: %s", name, got)
				}
			}
			in := filepath.Join(w.dir, "srv", "in")
			for name, want := range map[string]string{
				k.Name + ".txt": "hello " + k.Name, "a.txt": "hello " + k.Name, k.Name + "/b/c.txt": "deep", k.Name + "/large": large, "../data/a.txt": "",
			} {
				if got := readFile(filepath.Join(in, name)); got != want {
					t.Errorf("%s holds %d bytes", name, len(got))
				}
			}
		})
	}
}

// TestPacked copies a table that is packed, and more than may be masked.
func TestPacked(t *testing.T) {
	w := newWard(t)
	k := w.cluster.Clients()[0]
	packed := masktest.Gzip(t, []byte("name,ssn,ward\nQuillfeather,"+execCanary+",B\n"))
	w.cluster.Files("clinic", "web-1", map[string]string{"srv/data/t.csv.gz": string(packed), "srv/data/large.csv": "name\n" + strings.Repeat("Quillfeather\n", 6<<20)})
	file := filepath.Join(t.TempDir(), "t.csv.gz")
	if got := k.Run(t, w.config, "", "-n", "clinic", "cp", "web-1:/srv/data/t.csv.gz", file); got.Code != 0 {
		t.Fatal(got)
	}
	// What was packed comes packed: the client looks at its name.
	z, err := gzip.NewReader(strings.NewReader(readFile(file)))
	if err != nil {
		t.Fatal(err)
	}
	if text, err := io.ReadAll(z); err != nil || !strings.HasPrefix(string(text), "name,ssn,ward\n") || strings.Contains(string(text), execCanary) {
		t.Errorf("%q, %v", text, err)
	}
	if got := k.Run(t, w.config, "", "-n", "clinic", "cp", "web-1:/srv/data/large.csv", file); got.Code != 1 || !strings.Contains(got.Err, "larger") {
		t.Error(got)
	}
}

// TestHeldProgram has commands wait for a person.
func TestHeldProgram(t *testing.T) {
	w := newWard(t)
	c := w.HTTPClient(t)
	for _, k := range w.cluster.Clients() {
		for _, how := range []string{"deny", "approve"} {
			t.Run(k.Name+" "+how, func(t *testing.T) {
				w.cluster.Files("clinic", "web-1", map[string]string{"cache/x": "x"})
				done := make(chan kubepeer.Result, 1)
				go func() { done <- w.exec(t, k, "", "rm", "-r", "cache") }()
				w.Decide(t, c, "web-1", how)
				select {
				case got := <-done:
					if how == "deny" && (got.Code != 1 || !strings.Contains(got.Err, "because the test says so")) || how == "approve" && got.Code != 0 {
						t.Error(got)
					}
				case <-time.After(20 * time.Second):
					t.Fatal("it still waits")
				}
				if left := readFile(filepath.Join(w.dir, "cache", "x")); (left == "") != (how == "approve") {
					t.Errorf("%q is left", left)
				}
			})
		}
	}
}

// TestProgramTerminal has every kubectl open a terminal in a container.
func TestProgramTerminal(t *testing.T) {
	w := newWard(t)
	for _, k := range w.cluster.Clients() {
		t.Run(k.Name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			cmd := k.Command(ctx, t, w.config, "-n", "clinic", "exec", "-it", "web-1", "--", "sh")
			term, err := pty.StartWithSize(cmd, &pty.Winsize{Rows: 33, Cols: 111})
			if err != nil {
				t.Fatal(err)
			}
			defer term.Close() //nolint:errcheck // it was read
			var out bytes.Buffer
			read := make(chan struct{})
			go func() { defer close(read); _, _ = io.Copy(&out, term) }()
			time.Sleep(500 * time.Millisecond) // the size comes when it likes
			for _, line := range []string{"stty size", "cat srv/notes/n.txt", `printf 'SSN 219-\033[1m09\033[0m-99'; printf '99 of\n'`, "exit 3"} {
				if _, err := term.WriteString(line + "\n"); err != nil {
					t.Fatal(err)
				}
			}
			err = cmd.Wait()
			_ = term.Close()
			<-read
			text := out.String()
			if cmd.ProcessState.ExitCode() != 3 || !strings.Contains(text, "33 111") || !strings.Contains(text, "[SSN]") {
				t.Errorf("%v\n%s", err, text)
			}
			if strings.Contains(text, execCanary) {
				t.Errorf("a canary is shown:\n%s", text)
			}
		})
	}
}

// TestAttach has every kubectl attach to a container.
func TestAttach(t *testing.T) {
	w := newWard(t)
	w.cluster.Attachable("clinic", "web-1", "main", "sh", "-c", "read x; echo got $x; cat srv/notes/n.txt; exit 4")
	for _, k := range w.cluster.Clients() {
		got := k.Run(t, w.config, "word\n", "-n", "clinic", "attach", "-i", "web-1")
		if !strings.Contains(got.Out, "got word\nSSN [SSN] of a patient\n") {
			t.Errorf("%s: %s", k.Name, got)
		}
	}
}

// TestProgramGone kills clients whose programs would never end: the gateway's own
// connection to the cluster ends as well. What the cluster does then with a program
// whose streams have ended is its affair.
func TestProgramGone(t *testing.T) {
	w := newWard(t)
	for _, k := range w.cluster.Clients() {
		for _, argv := range [][]string{{"timeout", "5", "yes"}, {"sleep", "3"}} {
			t.Run(k.Name+" "+argv[0], func(t *testing.T) {
				if got := w.exec(t, k, "", "ls", "srv/public"); got.Code != 0 {
					t.Fatal(got)
				}
				before := w.front.streams() // one that documents come over, which stays
				cmd := k.Command(t.Context(), t, w.config, append([]string{"-n", "clinic", "exec", "web-1", "--"}, argv...)...)
				out, err := cmd.StdoutPipe()
				if err != nil {
					t.Fatal(err)
				}
				if err := cmd.Start(); err != nil {
					t.Fatal(err)
				}
				w.cluster.Wait("the program", func() bool { return len(w.cluster.Commands()) == 1 })
				if argv[0] == "timeout" { // and is read no further
					if _, err := io.ReadFull(out, make([]byte, 1000)); err != nil {
						t.Fatal(err)
					}
				}
				_ = cmd.Process.Kill()
				_ = cmd.Wait() // it was killed
				w.cluster.Wait("the end of the connection", func() bool { return w.front.streams() <= before })
				w.cluster.Wait("the program's end", func() bool { return len(w.cluster.Commands()) == 0 })
			})
		}
	}
}

// TestProgramShutdown ends the gateway under programs, whose clients hear of it, and looks for
// canaries in what it leaves.
func TestProgramShutdown(t *testing.T) {
	w := newWard(t)
	k := w.cluster.Clients()[0]
	if got := w.exec(t, k, "", "cat", "srv/notes/n.txt"); got.Code != 0 {
		t.Fatal(got)
	}
	if got := k.Run(t, w.config, "", "-n", "clinic", "cp", "web-1:/srv/data/a.csv", filepath.Join(t.TempDir(), "a")); got.Code != 0 {
		t.Fatal(got)
	}
	var cmds []*exec.Cmd
	var says []*bytes.Buffer
	for _, k := range w.cluster.Clients() {
		cmd := k.Command(t.Context(), t, w.config, "-n", "clinic", "exec", "web-1", "--", "sleep", "10")
		b := new(bytes.Buffer)
		cmd.Stderr = b
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		cmds, says = append(cmds, cmd), append(says, b)
	}
	w.cluster.Wait("the programs", func() bool { return len(w.cluster.Commands()) == len(cmds) })
	w.Stop(t)
	for i, cmd := range cmds {
		if err := cmd.Wait(); err == nil || !strings.Contains(says[i].String(), "sallyport") {
			t.Errorf("%v: %s", err, says[i])
		}
	}
	w.cluster.Wait("their end", func() bool { return len(w.cluster.Commands()) == 0 })
	for name, b := range w.Traces(t) {
		if bytes.Contains(b, []byte(execCanary)) || bytes.Contains(b, []byte("Quillfeather")) {
			t.Errorf("%s holds a canary", name)
		}
	}
}

// TestProgramUnusable sends requests for streams that are none.
func TestProgramUnusable(t *testing.T) {
	w := newWard(t)
	token := w.Exchange(t, w.HTTPClient(t), "prod", "ops")
	const at = "/k8s/prod/api/v1/namespaces/clinic/pods/web-1/"
	web := map[string]string{
		"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Protocol": "v5.channel.k8s.io",
	}
	for name, tc := range map[string]struct {
		path   string
		header map[string]string
		code   int
	}{
		"no upgrade":           {"exec?command=ls&stdout=true", nil, 400},
		"older":                {"exec?command=ls&stdout=true", map[string]string{"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": web["Sec-WebSocket-Key"], "Sec-WebSocket-Protocol": "v3.channel.k8s.io"}, 400},
		"no stream":            {"exec?command=ls", web, 400},
		"no command":           {"exec?stdout=true", web, 400},
		"a parameter":          {"exec?command=ls&stdout=true&pretty=true", web, 400},
		"a doubtful truth":     {"exec?command=ls&stdout=yes", web, 400},
		"a container's name":   {"exec?command=ls&stdout=true&container=a/b", web, 400},
		"a command to attach":  {"attach?command=ls&stdout=true", web, 400},
		"an empty command":     {"exec?command=&stdout=true", web, 403},
		"too long":             {"exec?stdout=true&command=" + strings.Repeat("x", 40_000), web, 400},
		"denied":               {"exec?command=uname&stdout=true", web, 403},
		"another namespace":    {"../../other/pods/x/exec?command=ls&stdout=true", web, 400},
		"no container of this": {"exec?command=ls&command=x&stdout=true&container=missing", web, 400},
	} {
		t.Run(name, func(t *testing.T) {
			req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+w.HTTPAddress()+at, http.NoBody)
			if err != nil {
				t.Fatal(err)
			}
			req.URL.Opaque = "//" + w.HTTPAddress() + at + tc.path
			req.Header.Set("Authorization", "Bearer "+token)
			for name, value := range tc.header {
				req.Header.Set(name, value)
			}
			tr := w.HTTPClient(t).Transport.(*http.Transport).Clone()
			tr.TLSClientConfig.NextProtos = []string{"http/1.1"}
			tr.ForceAttemptHTTP2 = false
			defer tr.CloseIdleConnections()
			res, err := tr.RoundTrip(req)
			if err != nil {
				t.Fatal(err)
			}
			defer res.Body.Close() //nolint:errcheck // it is read
			b, err := io.ReadAll(res.Body)
			if err != nil || res.StatusCode != tc.code || !strings.Contains(string(b), `"kind":"Status"`) {
				t.Error(fmt.Sprint(res.StatusCode), string(b), err)
			}
		})
	}
}
