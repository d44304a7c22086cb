// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package kubernetes_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sallyport-dev/sallyport/test/gatewaytest"
	"github.com/sallyport-dev/sallyport/test/kubepeer"
)

const execPolicy = `
@id("connect") permit(principal in Role::"ops", action == Action::"connect", resource == Resource::"prod");
@id("look") permit(principal in Role::"ops", action == Action::"read", resource in Path::"prod/clinic");
@id("exec") permit(principal in Role::"ops", action == Action::"execute", resource in Path::"prod/clinic/pods/web-1");
@id("commands") permit(principal in Role::"ops", action == Action::"execute", resource in Resource::"prod")
when { resource is Command && resource != Command::"prod/forbidden" };
@id("write") permit(principal in Role::"ops", action in [Action::"write", Action::"define"], resource in Path::"prod/clinic/pods/web-1/files/srv/in");
@id("scanned") permit(principal in Role::"ops", action == Action::"readScanned", resource in Label::"unclassified");
@id("notes") permit(principal in Role::"ops", action == Action::"readScanned", resource in Label::"phi.note");
@id("public") permit(principal in Role::"ops", action == Action::"readRaw", resource in Label::"public");
@id("ask-first") @hold("group:privacy-officers") @expires("15m")
forbid(principal, action == Action::"execute", resource == Command::"prod/delete-cache") unless { context has approval };
`

const execResource = `  - name: prod
    type: kubernetes
    credential: {password: "file:cluster.token"}
    tls: {ca: %s}
    kubernetes:
      url: %s
      unlisted: judge
      commands:
        - {name: list, words: [ls, "{path}"], labels: [public]}
        - {name: strict, words: [id], labels: [secret]}
        - {name: forbidden, words: [uname]}
        - {name: delete-cache, words: [rm, -r, cache]}
        - {name: say, words: [echo, "{words...}"], shell: true}
      files:
        prefixes:
          - {prefix: /srv/data, labels: [phi]}
          - {prefix: /srv/notes, labels: [phi.note], plain_names: true}
          - {prefix: /srv/public, labels: [public], plain_names: true}
          - {prefix: /srv/in, labels: [public], plain_names: true}
`

// ward is a gateway in front of a real cluster with a pod.
type ward struct {
	*gatewaytest.Gateway
	cluster *kubepeer.Cluster
	config  string // of kubectl, towards the gateway
	dir     string // of the pod
	front   *front
}

// front counts the connections to a cluster.
type front struct {
	net.Listener
	open atomic.Int64
	wg   sync.WaitGroup
}

// newFront passes connections on to an address.
func newFront(t *testing.T, to string) *front {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f := &front{Listener: l}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	t.Cleanup(func() { _ = l.Close(); cancel(); f.wg.Wait() })
	f.wg.Go(func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			out, err := new(net.Dialer).DialContext(ctx, "tcp", to)
			if err != nil {
				_ = in.Close()
				continue
			}
			f.open.Add(1)
			stop := context.AfterFunc(ctx, func() { _ = in.Close(); _ = out.Close() })
			var both sync.WaitGroup
			pass := func(dst, src net.Conn) { _, _ = io.Copy(dst, src); _ = dst.Close(); _ = src.Close() }
			both.Go(func() { pass(in, out) })
			both.Go(func() { pass(out, in) })
			f.wg.Go(func() { both.Wait(); stop(); f.open.Add(-1) })
		}
	})
	return f
}

// streams is how many connections are open.
func (f *front) streams() int { return int(f.open.Load()) }

const execCanary = "219-09-9999"

func newWard(t *testing.T) *ward {
	t.Helper()
	c := kubepeer.Start(t)
	f := newFront(t, strings.TrimPrefix(c.URL, "https://"))
	w := &ward{cluster: c, front: f, Gateway: gatewaytest.Start(t, gatewaytest.Policy(execPolicy), gatewaytest.File("cluster.token", c.GatewayToken),
		gatewaytest.Resource("prod", "ops", fmt.Sprintf(execResource, c.CAFile, "https://"+f.Addr().String())), gatewaytest.Waits(0, 30*time.Second))}
	c.Allow("Group", "sallyport:ops", "", kubepeer.Everything())
	c.Namespace("clinic", nil)
	table := "name,ssn,ward\nQuillfeather," + execCanary + ",B\n"
	w.dir = c.CreatePod(kubepeer.Pod{Namespace: "clinic", Name: "web-1", Files: map[string]string{
		"srv/data/a.csv": table, "srv/data/b.json": `{"name":"Quillfeather","ssn":"` + execCanary + `"}`, "srv/notes/n.txt": "SSN " + execCanary + " of a patient\n",
		"srv/notes/m/o.txt": "nothing\n", "srv/public/p.bin": "\x00\x01" + execCanary, "srv/data/x.pdf": "%PDF-1.7 " + execCanary, "srv/in/keep": "", "etc/passwd": "root",
	}})
	token := w.Exchange(t, w.HTTPClient(t), "prod", "ops")
	w.config = kubepeer.Kubeconfig(t, "https://"+w.HTTPAddress()+"/k8s/prod", filepath.Join(w.Dir, "ca.pem"), token)
	return w
}

// exec runs a command in the pod.
func (w *ward) exec(t *testing.T, k kubepeer.Client, input string, argv ...string) kubepeer.Result {
	t.Helper()
	args := []string{"-n", "clinic", "exec", "web-1"}
	if input != "" {
		args = append(args, "-i")
	}
	return k.Run(t, w.config, input, append(append(args, "--"), argv...)...)
}

// TestExec has every kubectl run commands in a container.
func TestExec(t *testing.T) {
	w := newWard(t)
	for _, k := range w.cluster.Clients() {
		t.Run(k.Name, func(t *testing.T) {
			for name, tc := range map[string]struct {
				input string
				argv  []string
				code  int
				out   string
				err   string
			}{
				"both streams and the code":  {"", []string{"sh", "-c", "echo out; echo err >&2; exit 7"}, 7, "out\n", "err\n"},
				"a code":                     {"", []string{"sh", "-c", "exit 130"}, 130, "", "130"},
				"input":                      {"typed\n", []string{"cat"}, 0, "typed\n", ""},
				"much input":                 {strings.Repeat("0123456789abcde\n", 20_000), []string{"wc", "-c"}, 0, "320000\n", ""},
				"a canary":                   {"", []string{"cat", "srv/notes/n.txt"}, 0, "SSN [SSN] of a patient\n", ""},
				"a canary in colours":        {"", []string{"printf", `SSN 219-\033[31m09\033[0m-9999 of\n`}, 0, "", ""},
				"a canary in pieces":         {"", []string{"sh", "-c", "printf 'SSN 219-0'; sleep 0.2; printf '9-9999 of\n'"}, 0, "", ""},
				"a canary on the other side": {"", []string{"sh", "-c", "cat srv/notes/n.txt >&2"}, 0, "", "SSN [SSN] of a patient\n"},
				"a template":                 {"", []string{"ls", "srv/public"}, 0, "p.bin\n", ""},
				"a shell's line":             {"", []string{"sh", "-c", "echo a  'b  c'"}, 0, "a b  c\n", ""},
				"no such program":            {"", []string{"no-such-program"}, 127, "", ""},
				"not permitted":              {"", []string{"uname"}, 1, "", "sallyport"},
				"not to be seen":             {"", []string{"id"}, 1, "", "readScanned"},
			} {
				t.Run(name, func(t *testing.T) {
					got := w.exec(t, k, tc.input, tc.argv...)
					if got.Code != tc.code || tc.out != "" && got.Out != tc.out || !strings.Contains(got.Err, tc.err) {
						t.Error(got)
					}
					if strings.Contains(got.String(), execCanary) || strings.Contains(got.String(), "9999") {
						t.Errorf("a canary is shown: %s", got)
					}
				})
			}
			got := k.Run(t, w.config, "", "-n", "clinic", "exec", "other-1", "--", "ls", "x")
			if got.Code != 1 || !strings.Contains(got.Err, "sallyport") && !strings.Contains(got.Err, "not found") {
				t.Errorf("another pod: %s", got)
			}
		})
	}
	if left := w.cluster.Commands(); len(left) != 0 {
		t.Errorf("still running: %v", left)
	}
}

// TestCopy has every kubectl copy files both ways.
func TestCopy(t *testing.T) {
	w := newWard(t)
	for _, k := range w.cluster.Clients() {
		t.Run(k.Name, func(t *testing.T) { w.copies(t, k) })
	}
}

func (w *ward) copies(t *testing.T, k kubepeer.Client) {
	t.Helper()
	for name, tc := range map[string]struct {
		from, want, says string
		code             int
	}{
		"a table":          {"/srv/data/a.csv", "name,ssn,ward\n", "", 0},
		"a document":       {"/srv/data/b.json", "{", "", 0},
		"a note":           {"/srv/notes/n.txt", "SSN [SSN] of a patient\n", "", 0},
		"as it is":         {"/srv/public/p.bin", "\x00\x01" + execCanary, "", 0},
		"of no known kind": {"/srv/data/x.pdf", "", "cannot be masked", 1},
		"a directory":      {"/srv/data", "", "names", 1},
		"outside":          {"/etc/passwd", "", "no such path", 1},
		"relative":         {"srv/data/a.csv", "", "absolute", 1},
		"nothing there":    {"/srv/notes/missing", "", "code 2", 2},
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "copied")
			got := k.Run(t, w.config, "", "-n", "clinic", "cp", "web-1:"+tc.from, file)
			if got.Code != tc.code || !strings.Contains(got.Err, tc.says) {
				t.Errorf("%s", got)
			}
			text := readFile(file)
			if tc.code == 0 && !strings.HasPrefix(text, tc.want) || name != "as it is" && strings.Contains(text+got.String(), execCanary) {
				t.Errorf("it is %q", text)
			}
		})
	}
}
