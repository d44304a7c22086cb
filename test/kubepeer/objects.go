// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package kubepeer

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/sallyport-dev/sallyport/test/peer"
)

// connect makes the administrator's client.
func (c *Cluster) connect() {
	ca, err := os.ReadFile(c.CAFile)
	c.must(err)
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(ca)
	c.http = &http.Client{Timeout: time.Minute, Transport: &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}, DisableKeepAlives: true,
	}}
}

// Do asks the API server as its administrator. A body is sent as JSON, in a PATCH as a
// merge patch.
func (c *Cluster) Do(verb, path string, in any) (status int, body string, err error) {
	return c.do(c.AdminToken, verb, path, in)
}

func (c *Cluster) do(token, verb, path string, in any) (status int, body string, err error) {
	var sent io.Reader = http.NoBody
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			return 0, "", err
		}
		sent = bytes.NewReader(b)
	}
	// Clean-up functions ask as well, when the test's own context is over.
	req, err := http.NewRequestWithContext(context.WithoutCancel(c.t.Context()), verb, c.URL+path, sent)
	if err != nil {
		return 0, "", err
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	req.Header.Set("Content-Type", "application/json")
	if verb == http.MethodPatch {
		req.Header.Set("Content-Type", "application/merge-patch+json")
	}
	res, err := c.http.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer res.Body.Close() //nolint:errcheck // it was read
	b, err := io.ReadAll(res.Body)
	return res.StatusCode, string(b), err
}

// Anonymous asks the API server without a credential.
func (c *Cluster) Anonymous(path string) (status int, body string) {
	c.t.Helper()
	status, body, err := c.do("", http.MethodGet, path, nil)
	c.must(err)
	return status, body
}

// Get decodes an object at a path of the API.
func (c *Cluster) Get(path string, out any) {
	c.t.Helper()
	status, body, err := c.Do(http.MethodGet, path, nil)
	if err != nil || status != http.StatusOK {
		c.t.Fatalf("GET %s: %d %s %v", path, status, body, err)
	}
	c.must(json.Unmarshal([]byte(body), out))
}

// Create posts an object to a path of the API.
func (c *Cluster) Create(path string, object any) {
	c.t.Helper()
	status, body, err := c.Do(http.MethodPost, path, object)
	if err != nil || status >= 300 {
		c.t.Fatalf("POST %s: %d %s %v", path, status, body, err)
	}
}

// Wait waits until done.
func (c *Cluster) Wait(what string, done func() bool) {
	c.t.Helper()
	for end := time.Now().Add(30 * time.Second); !done(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			c.t.Fatalf("%s did not come about", what)
		}
	}
}

// Namespace makes a namespace with labels.
func (c *Cluster) Namespace(name string, labels map[string]string) {
	c.t.Helper()
	c.Create("/api/v1/namespaces", map[string]any{"apiVersion": "v1", "kind": "Namespace", "metadata": map[string]any{"name": name, "labels": labels}})
}

// Pod is what [Cluster.CreatePod] makes.
type Pod struct {
	Namespace, Name string
	Labels          map[string]string
	Container       string            // "main" unless said
	Files           map[string]string // in the pod's directory, which commands run in, by relative path
}

// CreatePod makes a pod, waits until it runs and returns its directory. An absolute
// path in a command, which is one word and whose first part is in that directory, means
// the file there; a line for a shell has to name it by its relative path.
func (c *Cluster) CreatePod(p Pod) (dir string) {
	c.t.Helper()
	if p.Container == "" {
		p.Container = "main"
	}
	dir = c.Files(p.Namespace, p.Name, p.Files)
	c.Create("/api/v1/namespaces/"+p.Namespace+"/pods", map[string]any{
		"apiVersion": "v1", "kind": "Pod", "metadata": map[string]any{"name": p.Name, "labels": p.Labels},
		"spec": map[string]any{"nodeName": NodeName, "containers": []any{map[string]any{"name": p.Container, "image": "synthetic"}}},
	})
	c.Running(p.Namespace, p.Name)
	return dir
}

// Running waits until a pod runs.
func (c *Cluster) Running(namespace, name string) {
	c.t.Helper()
	c.Wait("the pod "+namespace+"/"+name, func() bool {
		var pod struct{ Status struct{ Phase string } }
		c.Get("/api/v1/namespaces/"+namespace+"/pods/"+name, &pod)
		return pod.Status.Phase == "Running"
	})
}

// Files writes files into a pod's directory, which need not exist yet, and returns it.
func (c *Cluster) Files(namespace, pod string, files map[string]string) (dir string) {
	c.t.Helper()
	content := map[string][]byte{}
	for name, text := range files {
		content[name] = []byte(text)
	}
	c.control.Do("files", map[string]any{"namespace": namespace, "name": pod, "files": content}, &dir)
	return dir
}

// Piece is a part of a log that a container prints at once.
type Piece struct {
	Text  string
	Pause time.Duration // before it
}

// Log has a pod's container print pieces, one after another; whoever follows gets each
// in a chunk of its own. It returns when all are printed.
func (c *Cluster) Log(namespace, pod, container string, pieces ...Piece) {
	c.t.Helper()
	c.control.Do("log", map[string]any{"namespace": namespace, "name": pod, "container": container, "pieces": pieces}, nil)
}

// EndLog ends the container's log for those who follow it.
func (c *Cluster) EndLog(namespace, pod, container string) {
	c.t.Helper()
	c.control.Do("log", map[string]any{"namespace": namespace, "name": pod, "container": container, "end": true}, nil)
}

// Attachable says which command a container runs for those who attach to it; one
// without prints what it reads.
func (c *Cluster) Attachable(namespace, pod, container string, command ...string) {
	c.t.Helper()
	c.control.Do("run", map[string]any{"namespace": namespace, "name": pod, "container": container, "command": command}, nil)
}

// Commands returns the commands that run in pods now.
func (c *Cluster) Commands() [][]string {
	c.t.Helper()
	var out [][]string
	c.control.Do("running", nil, &out)
	return out
}

// Secret makes a Secret.
func (c *Cluster) Secret(namespace, name, kind string, data map[string]string) {
	c.t.Helper()
	c.Create("/api/v1/namespaces/"+namespace+"/secrets", map[string]any{
		"apiVersion": "v1", "kind": "Secret", "metadata": map[string]any{"name": name}, "type": kind, "stringData": data,
	})
}

// ServiceAccount makes a service account and returns its uid.
func (c *Cluster) ServiceAccount(namespace, name string) (uid string) {
	c.t.Helper()
	path := "/api/v1/namespaces/" + namespace + "/serviceaccounts"
	c.Create(path, map[string]any{"apiVersion": "v1", "kind": "ServiceAccount", "metadata": map[string]any{"name": name}})
	var got struct{ Metadata struct{ UID string } }
	c.Get(path+"/"+name, &got)
	return got.Metadata.UID
}

// ServiceAccountToken has the cluster make a token of a service account, as a pod gets
// it, for an audience and at least ten minutes.
func (c *Cluster) ServiceAccountToken(namespace, name, audience string) string {
	c.t.Helper()
	status, body, err := c.Do(http.MethodPost, "/api/v1/namespaces/"+namespace+"/serviceaccounts/"+name+"/token", map[string]any{
		"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": map[string]any{"audiences": []string{audience}, "expirationSeconds": 600},
	})
	var got struct{ Status struct{ Token string } }
	if err == nil {
		err = json.Unmarshal([]byte(body), &got)
	}
	if err != nil || got.Status.Token == "" {
		c.t.Fatalf("no token: %d %s %v", status, body, err)
	}
	return got.Status.Token
}

// Rule is a rule of a role.
type Rule struct {
	APIGroups       []string `json:"apiGroups,omitempty"`
	Resources       []string `json:"resources,omitempty"`
	ResourceNames   []string `json:"resourceNames,omitempty"`
	NonResourceURLs []string `json:"nonResourceURLs,omitempty"`
	Verbs           []string `json:"verbs"`
}

// Everything is a rule that permits all.
func Everything() Rule {
	return Rule{APIGroups: []string{"*"}, Resources: []string{"*"}, Verbs: []string{"*"}}
}

// Allow gives a "User", a "Group" or a "ServiceAccount" (as namespace:name) rules in a
// namespace, or in the whole cluster where that is "".
func (c *Cluster) Allow(kind, name, namespace string, rules ...Rule) {
	c.t.Helper()
	const group = "rbac.authorization.k8s.io"
	base, role := "/apis/"+group+"/v1/", "ClusterRole"
	if namespace != "" {
		base, role = base+"namespaces/"+namespace+"/", "Role"
	}
	id := strings.ToLower(kind) + "-" + secret(c.t)[:8]
	subject := map[string]any{"kind": kind, "name": name, "apiGroup": group}
	if ns, account, ok := strings.Cut(name, ":"); ok && kind == "ServiceAccount" {
		subject = map[string]any{"kind": kind, "name": account, "namespace": ns}
	}
	c.Create(base+strings.ToLower(role)+"s", map[string]any{"apiVersion": group + "/v1", "kind": role, "metadata": map[string]any{"name": id}, "rules": rules})
	c.Create(base+strings.ToLower(role)+"bindings", map[string]any{
		"apiVersion": group + "/v1", "kind": role + "Binding", "metadata": map[string]any{"name": id},
		"roleRef": map[string]any{"apiGroup": group, "kind": role, "name": id}, "subjects": []any{subject},
	})
}

// Kubeconfig writes a configuration of kubectl for a server with a token, and returns
// its path.
func Kubeconfig(t peer.T, server, caFile, token string) string {
	t.Helper()
	ca, err := os.ReadFile(caFile)
	if err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(map[string]any{
		"apiVersion": "v1", "kind": "Config", "current-context": "c",
		"contexts": []any{map[string]any{"name": "c", "context": map[string]any{"cluster": "c", "user": "u"}}},
		"clusters": []any{map[string]any{"name": "c", "cluster": map[string]any{"server": server, "certificate-authority-data": ca}}},
		"users":    []any{map[string]any{"name": "u", "user": map[string]any{"token": token}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "kubeconfig")
	if err := os.WriteFile(file, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// Client is a program kubectl.
type Client struct {
	Name string
	Path string
	// Old clients ask for their streams over SPDY, those from 1.31 on over WebSocket.
	WebSocket bool
}

// Clients returns the cluster's own kubectl, and those of the machine that differ in how they
// ask for streams; those that the machine lacks are named in the test's log.
func (c *Cluster) Clients() []Client {
	c.t.Helper()
	all := []Client{{"own", c.Kubectl, true}}
	for _, v := range []Client{{"1.28", "kubectl.1.28", false}, {"1.33", "kubectl.1.33", true}} {
		path, err := exec.LookPath(v.Path)
		if err != nil {
			path = filepath.Join("/usr/lib/google-cloud-sdk/bin", v.Path)
			_, err = os.Stat(path)
		}
		if err != nil {
			c.t.Logf("NOT TESTED: this machine has no %s, a client of another time than the cluster's own", v.Path)
			continue
		}
		all = append(all, Client{v.Name, path, v.WebSocket})
	}
	return all
}

// Command returns a client's run with a configuration, in an empty home.
func (k Client) Command(ctx context.Context, t peer.T, kubeconfig string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, k.Path, append([]string{"--kubeconfig", kubeconfig}, args...)...)
	cmd.Env, cmd.Dir, cmd.WaitDelay = peer.Environment(t), t.TempDir(), time.Second
	return cmd
}

// Result is what a client printed and its exit code.
type Result struct {
	Out, Err string
	Code     int
}

// String is for the messages of tests.
func (r Result) String() string { return fmt.Sprintf("exit %d\n%s%s", r.Code, r.Out, r.Err) }

// Run runs a client to its end, with text as its input.
func (k Client) Run(t peer.T, kubeconfig, input string, args ...string) Result {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := k.Command(ctx, t, kubeconfig, args...)
	var out, errs strings.Builder
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(input), &out, &errs
	err := cmd.Run()
	if err != nil && cmd.ProcessState == nil {
		t.Fatalf("%s %v: %v", k.Path, args, err)
	}
	return Result{out.String(), errs.String(), cmd.ProcessState.ExitCode()}
}

// Forwarded starts kubectl port-forward until the test's clean-up and returns the
// address at which it listens.
func Forwarded(t peer.T, cmd *exec.Cmd) (local string) {
	t.Helper()
	local, _ = ForwardedUntil(t, cmd, &strings.Builder{})
	return local
}

// ForwardedUntil is [Forwarded] for a client that is to end by itself: ended is closed
// then, and errs holds what it said.
func ForwardedUntil(t peer.T, cmd *exec.Cmd, errs *strings.Builder) (local string, ended <-chan struct{}) {
	t.Helper()
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = errs
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	r := bufio.NewReader(out)
	line, err := r.ReadString('\n')
	over := make(chan struct{})
	go func() {
		defer close(over)
		_, _ = io.Copy(io.Discard, r)
		_ = cmd.Wait() // it may be killed
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-over
	})
	_, local, ok := strings.Cut(line, "Forwarding from ")
	local, _, _ = strings.Cut(local, " ")
	if err != nil || !ok {
		<-over
		t.Fatalf("port-forward said %q: %v\n%s", line, err, errs.String())
	}
	return local, over
}
