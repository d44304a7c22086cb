// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package kubepeer_test

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-dev/sallyport/test/kubepeer"
)

// TestClientsOfCluster has every kubectl do to the cluster itself what other tests
// have it do through a gateway, so that what fails there is the gateway's.
func TestClientsOfCluster(t *testing.T) {
	c := kubepeer.Start(t)
	c.Namespace("clinic", nil)
	c.CreatePod(kubepeer.Pod{Namespace: "clinic", Name: "web-1", Files: map[string]string{"srv/data/a.csv": "id,name\n1,Ann\n"}})
	admin := kubepeer.Kubeconfig(t, c.URL, c.CAFile, c.AdminToken)
	for _, k := range c.Clients() {
		t.Run(k.Name, func(t *testing.T) {
			for _, tc := range []struct {
				name, input string
				args        []string
				out, errs   string
				code        int
			}{
				{"both streams and the code", "", []string{"sh", "-c", "echo out; echo err >&2; exit 7"}, "out\n", "err\n", 7},
				{"input", "typed\n", []string{"cat"}, "typed\n", "", 0},
				{"an absolute path", "", []string{"cat", "/srv/data/a.csv"}, "id,name\n1,Ann\n", "", 0},
				{"no such program", "", []string{"no-such-program"}, "", "127", 127},
			} {
				got := k.Run(t, admin, tc.input, append([]string{"-n", "clinic", "exec", "-i", "web-1", "--"}, tc.args...)...)
				if got.Out != tc.out || !strings.Contains(got.Err, tc.errs) || got.Code != tc.code {
					t.Errorf("%s: %v", tc.name, got)
				}
			}
			copied := filepath.Join(t.TempDir(), "a.csv")
			if got := k.Run(t, admin, "", "-n", "clinic", "cp", "web-1:/srv/data/a.csv", copied); got.Code != 0 {
				t.Errorf("cp from the pod: %v", got)
			}
			if b, err := os.ReadFile(copied); err != nil || string(b) != "id,name\n1,Ann\n" {
				t.Errorf("copied %q %v", b, err)
			}
			if got := k.Run(t, admin, "", "-n", "clinic", "cp", copied, "web-1:/srv/data/"+k.Name); got.Code != 0 {
				t.Errorf("cp to the pod: %v", got)
			}
			if got := k.Run(t, admin, "", "-n", "clinic", "exec", "web-1", "--", "cat", "/srv/data/"+k.Name); got.Out != "id,name\n1,Ann\n" {
				t.Errorf("the copy: %v", got)
			}
			forwarded(t, c, k, admin)
			debugged(t, k, admin)
		})
	}
	if got := c.Commands(); len(got) != 0 {
		t.Errorf("still running: %v", got)
	}
}

// forwarded sends a request through kubectl port-forward.
func forwarded(t *testing.T, c *kubepeer.Cluster, k kubepeer.Client, kubeconfig string) {
	t.Helper()
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "through") }), ReadHeaderTimeout: time.Minute}
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = server.Serve(l) }()
	defer server.Close() //nolint:errcheck // the test is over
	cmd := k.Command(t.Context(), t, kubeconfig, "-n", "clinic", "port-forward", "web-1", ":"+strconv.Itoa(l.Addr().(*net.TCPAddr).Port))
	local := kubepeer.Forwarded(t, cmd)
	res, err := http.Get("http://" + local) //nolint:noctx // it is here
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close() //nolint:errcheck // it was read
	if b, err := io.ReadAll(res.Body); err != nil || string(b) != "through" {
		t.Errorf("forwarded: %q %v", b, err)
	}
}

// debugged gives the pod an ephemeral container and talks to its shell.
func debugged(t *testing.T, k kubepeer.Client, kubeconfig string) {
	t.Helper()
	got := k.Run(t, kubeconfig, "echo $((40+2))\nexit 3\n", "-n", "clinic", "debug", "-i", "web-1", "--image=synthetic", "--", "sh")
	if !strings.Contains(got.Out, "42") {
		t.Errorf("debug: %v", got)
	}
}

func TestLogKeepsItsPieces(t *testing.T) {
	c := kubepeer.Start(t)
	c.Namespace("clinic", nil)
	c.CreatePod(kubepeer.Pod{Namespace: "clinic", Name: "web-1"})
	c.Log("clinic", "web-1", "main", kubepeer.Piece{Text: "one\ntwo\n"})
	admin := kubepeer.Kubeconfig(t, c.URL, c.CAFile, c.AdminToken)
	k := c.Clients()[0]
	if got := k.Run(t, admin, "", "-n", "clinic", "logs", "--tail=1", "web-1"); got.Out != "two\n" {
		t.Errorf("the last line: %v", got)
	}
	cmd := k.Command(t.Context(), t, admin, "-n", "clinic", "logs", "-f", "web-1")
	out := pipe(t, cmd)
	for _, want := range []string{"one\n", "two\n"} {
		if line, err := out.ReadString('\n'); line != want || err != nil {
			t.Errorf("%q %v", line, err)
		}
	}
	c.Log("clinic", "web-1", "main", kubepeer.Piece{Text: "th"}, kubepeer.Piece{Text: "ree\n", Pause: 50 * time.Millisecond})
	if line, err := out.ReadString('\n'); line != "three\n" || err != nil {
		t.Errorf("%q %v", line, err)
	}
	c.EndLog("clinic", "web-1", "main")
	if _, err := out.ReadByte(); err != io.EOF {
		t.Errorf("after the end: %v", err)
	}
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
}

func pipe(t *testing.T, cmd *exec.Cmd) *bufio.Reader {
	t.Helper()
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return bufio.NewReader(out)
}

// TestGatewayMayOnlyImpersonate checks what the cluster lets the gateway's user do.
func TestGatewayMayOnlyImpersonate(t *testing.T) {
	c := kubepeer.Start(t)
	c.Namespace("clinic", nil)
	c.CreatePod(kubepeer.Pod{Namespace: "clinic", Name: "web-1"})
	c.Secret("clinic", "db", "Opaque", map[string]string{"password": "synthetic"})
	c.Allow("Group", "readers", "clinic", kubepeer.Rule{APIGroups: []string{""}, Resources: []string{"pods"}, Verbs: []string{"get", "list"}})
	gateway := kubepeer.Kubeconfig(t, c.URL, c.CAFile, c.GatewayToken)
	k := c.Clients()[0]
	for _, tc := range []struct {
		args []string
		want string
	}{
		{[]string{"get", "pods"}, "forbidden"},
		{[]string{"get", "pods", "--as=ci:claims", "--as-group=readers"}, "web-1"},
		{[]string{"get", "secrets", "--as=ci:claims", "--as-group=readers"}, "forbidden"},
		{[]string{"get", "pods", "--as=ci:claims", "--as-group=readers", "--as-user-extra=sallyport.dev/session=1"}, "web-1"},
		{[]string{"delete", "pod", "web-1", "--as=ci:claims", "--as-group=readers"}, "forbidden"},
	} {
		if got := k.Run(t, gateway, "", append([]string{"-n", "clinic"}, tc.args...)...); !strings.Contains(got.Out+got.Err, tc.want) {
			t.Errorf("%v: want %q: %v", tc.args, tc.want, got)
		}
	}
	admin := kubepeer.Kubeconfig(t, c.URL, c.CAFile, c.AdminToken)
	for _, args := range [][]string{{"-n", "clinic", "delete", "pod", "web-1"}, {"delete", "namespace", "clinic"}} {
		if got := k.Run(t, admin, "", args...); got.Code != 0 {
			t.Errorf("%v: %v", args, got)
		}
	}
}
