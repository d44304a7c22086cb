// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package kubernetes_test

import (
	"bufio"
	"context"
	"encoding/base64"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/sallyport-dev/sallyport/test/gatewaytest"
	"github.com/sallyport-dev/sallyport/test/kubepeer"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// canary is an identifier that no client may see, and password a secret that looks
// like nothing.
const (
	canary   = "219-09-9999"
	password = "hunter2-canary"
)

const policy = `
@id("connect") permit(principal in Role::"ops", action == Action::"connect", resource == Resource::"prod");
@id("clinic") permit(principal in Role::"ops", action in [Action::"read", Action::"write", Action::"delete", Action::"destroy"], resource in Path::"prod/clinic");
@id("nodes") permit(principal in Role::"ops", action == Action::"read", resource in Path::"prod/-");
@id("namespaces") permit(principal in Role::"ops", action in [Action::"destroy", Action::"define"], resource in Path::"prod/-/namespaces");
@id("scanned") permit(principal in Role::"ops", action == Action::"readScanned", resource in Label::"unclassified");
@id("public") permit(principal in Role::"ops", action == Action::"readRaw", resource in Label::"public");
@id("ask-first") @hold("group:privacy-officers") @expires("15m")
forbid(principal, action == Action::"destroy", resource) unless { context has approval };
@id("protected") @hold("group:privacy-officers") @expires("15m")
forbid(principal, action in [Action::"write", Action::"delete"], resource)
when { context has kubernetes && context.kubernetes.verb != "create" && context.kubernetes has labels && context.kubernetes.labels.contains("protected=true") }
unless { context has approval };
`

const resource = `  - name: prod
    type: kubernetes
    credential: {password: "file:cluster.token"}
    tls: {ca: %s}
    kubernetes:
      url: %s
      objects:
        - {resources: [nodes, namespaces], labels: [public]}
        - {namespaces: [clinic], resources: [configmaps], names: [ids], labels: [phi.id]}
`

// world is a gateway in front of a real cluster.
type world struct {
	*gatewaytest.Gateway
	cluster *kubepeer.Cluster
	kubectl kubepeer.Client
	config  string // of kubectl, towards the gateway
}

func newWorld(t *testing.T, opts ...gatewaytest.Option) *world {
	t.Helper()
	c := kubepeer.Start(t)
	opts = append([]gatewaytest.Option{
		gatewaytest.Policy(policy), gatewaytest.File("cluster.token", c.GatewayToken),
		gatewaytest.Resource("prod", "ops", fmt.Sprintf(resource, c.CAFile, c.URL)), gatewaytest.Waits(0, 20*time.Second),
	}, opts...)
	w := &world{cluster: c, Gateway: gatewaytest.Start(t, opts...), kubectl: c.Clients()[0]}
	c.Allow("Group", "sallyport:ops", "", kubepeer.Everything(), kubepeer.Rule{NonResourceURLs: []string{"*"}, Verbs: []string{"*"}})
	c.Namespace("clinic", nil)
	c.Create("/api/v1/namespaces/clinic/configmaps", map[string]any{"metadata": map[string]any{"name": "first"}})
	token := w.Exchange(t, w.HTTPClient(t), "prod", "ops")
	w.config = kubepeer.Kubeconfig(t, "https://"+w.HTTPAddress()+"/k8s/prod", filepath.Join(w.Dir, "ca.pem"), token)
	return w
}

// run runs kubectl through the gateway.
func (w *world) run(t *testing.T, input string, args ...string) kubepeer.Result {
	t.Helper()
	return w.kubectl.Run(t, w.config, input, args...)
}

// TestKubectl goes through what people do with kubectl.
func TestKubectl(t *testing.T) {
	w := newWorld(t)
	w.cluster.CreatePod(kubepeer.Pod{Namespace: "clinic", Name: "web-1"})
	w.cluster.Secret("clinic", "db", "Opaque", map[string]string{"password": password})
	w.cluster.Create("/api/v1/namespaces/clinic/configmaps", map[string]any{"metadata": map[string]any{"name": "ids"}, "data": map[string]string{"one": "plain-value"}})
	w.cluster.Create("/api/v1/namespaces/clinic/configmaps", map[string]any{"metadata": map[string]any{"name": "notes"}, "data": map[string]string{"one": "patient " + canary}})
	encoded := base64.StdEncoding.EncodeToString([]byte(password))
	for _, tc := range []struct {
		args   string
		code   int
		want   []string
		absent []string
	}{
		{"version", 0, []string{"Server Version: v1.36"}, nil},
		{"api-resources", 0, []string{"deployments"}, nil},
		{"get nodes", 0, []string{"node-1"}, nil},
		{"get pods -n clinic", 0, []string{"web-1", "Running"}, nil},
		{"get pods -n clinic -o wide", 0, []string{"web-1", "node-1"}, nil},
		{"get pod web-1 -n clinic -o yaml", 0, []string{"name: web-1", "phase: Running"}, nil},
		{"describe pod web-1 -n clinic", 0, []string{"web-1"}, nil},
		{"get secrets -n clinic", 0, []string{"db", "Opaque"}, nil},
		{"get secret db -n clinic -o yaml", 0, []string{"name: db", "password: W1NFQ1JFVF0="}, []string{encoded}},
		{"get secret db -n clinic -o jsonpath={.data.password}", 0, []string{"W1NFQ1JFVF0="}, []string{encoded}},
		{"describe secret db -n clinic", 0, []string{"password"}, []string{encoded}},
		{"get --raw /api/v1/namespaces/clinic/secrets", 0, []string{"db"}, []string{encoded}},
		{"get configmap notes -n clinic -o yaml", 0, []string{"patient [SSN]"}, []string{canary}},
		{"get configmap ids -n clinic -o yaml", 0, []string{"[SECRET]"}, []string{"plain-value"}},
		{"auth can-i list pods -n clinic", 0, []string{"yes"}, nil},
		{"auth whoami", 0, []string{"sallyport:", "sallyport:ops"}, nil},
		{"explain pod.spec.nodeName", 0, []string{"nodeName"}, nil},
		{"get pods -n kube-system", 1, []string{"Forbidden", "sallyport"}, nil},
		{"get secrets --all-namespaces", 1, []string{"Forbidden"}, nil},
		{"get pods -n clinic --as admin", 1, []string{"impersonation"}, nil},
		{"create clusterrolebinding x --clusterrole cluster-admin --user eve", 1, []string{"no policy permits administer"}, nil},
		{"get pod missing -n clinic", 1, []string{"NotFound"}, nil},
		{"create token default -n clinic", 1, []string{"would issue a token"}, nil},
		{"get --raw /api/v1/nodes/node-1/proxy/pods", 1, []string{"node's own interface"}, nil},
		{"get --raw /metrics", 1, []string{"discovery"}, nil},
	} {
		got := w.run(t, "", strings.Fields(tc.args)...)
		if got.Code != tc.code {
			t.Errorf("kubectl %s: %s", tc.args, got)
			continue
		}
		for _, s := range tc.want {
			if !strings.Contains(got.String(), s) {
				t.Errorf("kubectl %s: no %q in: %s", tc.args, s, got)
			}
		}
		for _, s := range append(tc.absent, canary, password) {
			if strings.Contains(got.String(), s) {
				t.Errorf("kubectl %s: %q is shown: %s", tc.args, s, got)
			}
		}
	}
	w.clean(t, encoded)
}

// clean looks for values in everything that the gateway leaves behind.
func (w *world) clean(t *testing.T, more ...string) {
	t.Helper()
	w.Stop(t)
	for name, b := range w.Traces(t) {
		for _, s := range append(more, canary, password) {
			if strings.Contains(string(b), s) {
				t.Errorf("%s holds %q", name, s)
			}
		}
	}
}

// TestWrites applies, changes and deletes.
func TestWrites(t *testing.T) {
	w := newWorld(t)
	const manifest = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, namespace: clinic, labels: {app: web}}\ndata: {k: v}\n"
	for _, step := range []struct {
		input, args, want string
		code              int
	}{
		{manifest, "apply -f -", "configmap/a created", 0},
		{manifest, "apply -f -", "unchanged", 0},
		{strings.Replace(manifest, "k: v", "k: w", 1), "apply -f -", "configured", 0},
		{manifest, "apply --server-side --force-conflicts -f -", "serverside-applied", 0},
		{manifest, "diff -f -", "", 0},
		{strings.Replace(manifest, "k: v", "k: 'x [SSN]'", 1), "apply -f -", "masks over values, in data.k", 1},
		{"", "label configmap a -n clinic x=y", "labeled", 0},
		{"", "annotate configmap a -n clinic x=y", "annotated", 0},
		{"", `patch configmap a -n clinic --type json -p [{"op":"replace","path":"/data/k","value":"z"}]`, "patched", 0},
		{"", "delete configmap a -n clinic", "deleted", 0},
		{"apiVersion: v1\nkind: Secret\nmetadata: {name: s, namespace: clinic}\ndata: {p: W1NFQ1JFVF0=}\n", "create -f -", "masks over values, in data.p", 1},
		{"apiVersion: v1\nkind: Secret\nmetadata: {name: s, namespace: clinic}\nstringData: {p: " + password + "}\n", "apply -f -", "secret/s created", 0},
		{"apiVersion: v1\nkind: Secret\nmetadata: {name: s, namespace: clinic}\nstringData: {p: " + password + "2}\n", "apply -f -", "secret/s configured", 0},
		{"apiVersion: v1\nkind: Pod\nmetadata: {name: p, namespace: clinic}\nspec: {containers: [{name: c, image: i, envFrom: [{secretRef: {name: s}}]}]}\n", "create -f -", "Forbidden", 1},
	} {
		got := w.run(t, step.input, strings.Fields(step.args)...)
		if got.Code != step.code || !strings.Contains(got.String(), step.want) {
			t.Errorf("kubectl %s: want %q: %s", step.args, step.want, got)
		}
	}
	status, body, err := w.cluster.Do(http.MethodGet, "/api/v1/namespaces/clinic/secrets/s", nil)
	if want := base64.StdEncoding.EncodeToString([]byte(password + "2")); err != nil || status != http.StatusOK || !strings.Contains(body, want) {
		t.Errorf("the secret: %d %s %v", status, body, err)
	}
	w.clean(t)
}

// TestHeld has a namespace deleted, which waits for a person, and an object that has
// a label.
func TestHeld(t *testing.T) {
	w := newWorld(t)
	w.cluster.Namespace("old", nil)
	w.cluster.Create("/api/v1/namespaces/clinic/configmaps", map[string]any{
		"metadata": map[string]any{"name": "kept", "labels": map[string]string{"protected": "true"}}, "data": map[string]string{"a": "b"},
	})
	people := w.HTTPClient(t)
	decided := func(part, how string) func() {
		done := make(chan struct{})
		go func() { defer close(done); w.Decide(t, people, part, how) }()
		return func() { <-done }
	}
	for _, tc := range []struct {
		part, how, args, want string
		code                  int
	}{
		{"delete namespaces/old", "deny", "delete namespace old --wait=false", "denied", 1},
		{"delete namespaces/old", "approve", "delete namespace old --wait=false", "deleted", 0},
		{"delete configmaps/kept", "deny", "delete configmap kept -n clinic", "denied", 1},
		{"patch configmaps/kept", "approve", "label configmap kept -n clinic protected-", "unlabeled", 0},
		{"", "", "delete configmap kept -n clinic", "deleted", 0},
	} {
		wait := func() {}
		if tc.how != "" {
			wait = decided(tc.part, tc.how)
		}
		if got := w.run(t, "", strings.Fields(tc.args)...); got.Code != tc.code || !strings.Contains(got.String(), tc.want) {
			t.Errorf("kubectl %s: %s", tc.args, got)
		}
		wait()
	}
}

// TestLogs follows a log whose lines come in pieces.
func TestLogs(t *testing.T) {
	w := newWorld(t)
	w.cluster.CreatePod(kubepeer.Pod{Namespace: "clinic", Name: "web-1"})
	w.cluster.Log("clinic", "web-1", "main", kubepeer.Piece{Text: "started\npatient 219-0"}, kubepeer.Piece{Text: "9-9999 seen\n"}, kubepeer.Piece{Text: "\x1b[31m219-\x1b[0m09-9999\nlast"})
	w.cluster.EndLog("clinic", "web-1", "main")
	got := w.run(t, "", "logs", "-f", "web-1", "-n", "clinic")
	if got.Code != 0 || !strings.Contains(got.Out, "started\npatient [SSN] seen\n") || !strings.HasSuffix(strings.TrimSpace(got.Out), "last") || strings.Contains(got.Out, "9999") {
		t.Errorf("the log: %s", got)
	}
	w.clean(t)
}

// TestWatch watches pods while one is made.
func TestWatch(t *testing.T) {
	w := newWorld(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := w.kubectl.Command(ctx, t, w.config, "get", "configmaps", "-n", "clinic", "-w", "--output-watch-events")
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	made, seen := false, false
	for lines.Scan() && !seen {
		if !made {
			w.cluster.Create("/api/v1/namespaces/clinic/configmaps", map[string]any{"metadata": map[string]any{"name": "fresh"}})
			made = true
		}
		seen = strings.Contains(lines.Text(), "ADDED") && strings.Contains(lines.Text(), "fresh")
	}
	cancel()
	_ = cmd.Wait()
	if !seen {
		t.Error("nothing is told of what is made")
	}
}
