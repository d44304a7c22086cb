// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package kubeclients_test

import (
	"bufio"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-dev/sallyport/test/kubepeer"
)

// document is a workload that is applied, with canaries in places where people put
// such things.
const document = `apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
  annotations: {note: "ask %[2]s"}
spec:
  replicas: %[3]d
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
        - name: main
          image: synthetic
          args: ["--patient", "SSN %[1]s"]
          env: [{name: CONTACT, value: "%[2]s"}]
---
apiVersion: v1
kind: Secret
metadata: {name: login}
type: Opaque
stringData: {password: "%[1]s"}
`

// wantOf is what a run of kubectl has to say, and with which code.
type wantOf struct {
	args string
	code int
	says string
}

// check runs kubectl for each, and returns the results.
func (w *world) check(t *testing.T, k kubepeer.Client, list ...wantOf) {
	t.Helper()
	for _, x := range list {
		got := k.Run(t, w.config, "", strings.Fields(x.args)...)
		if got.Code != x.code || !strings.Contains(got.Out+got.Err, x.says) {
			t.Errorf("kubectl %s: want %q and the code %d: %v", x.args, x.says, x.code, got)
		}
		w.clean(t, got)
		if encoded := base64.StdEncoding.EncodeToString([]byte(canarySSN)); strings.Contains(got.Out, encoded) {
			t.Errorf("kubectl %s shows a Secret: %v", x.args, got)
		}
	}
}

// TestKubectlOfEachTime has clients of three times do what people do with them.
func TestKubectlOfEachTime(t *testing.T) {
	w := start(t)
	w.cluster.CreatePod(kubepeer.Pod{Namespace: "clinic", Name: "web-1", Labels: map[string]string{"app": "web"}})
	for _, k := range w.cluster.Clients() {
		t.Run(k.Name, func(t *testing.T) {
			first := write(t, "web.yaml", fmt.Sprintf(document, canarySSN, canaryMail, 1))
			second := write(t, "web.yaml", fmt.Sprintf(document, canarySSN, canaryMail, 2))
			w.check(t, k,
				wantOf{"version", 0, "v1.36.3"},
				wantOf{"get pods -n clinic", 0, "web-1"},
				wantOf{"get pods -n clinic -l app=web -o name", 0, "pod/web-1"},
				wantOf{"describe pod web-1 -n clinic", 0, "node-1"},
				wantOf{"get pod web-1 -n clinic -o jsonpath={.status.containerStatuses[0].restartCount}", 0, "0"},
				wantOf{"get pod web-1 -n clinic -o yaml --show-managed-fields", 0, "f:restartPolicy"},
				wantOf{"auth can-i create deployments -n clinic", 0, "yes"},
				wantOf{"apply -n clinic -f " + first, 0, "deployment.apps/web created"},
				wantOf{"get deployment web -n clinic -o yaml", 0, "replicas: 1"},
				wantOf{"describe deployment web -n clinic", 0, "synthetic"},
				wantOf{"get secret login -n clinic -o yaml", 0, "name: login"},
				wantOf{"diff -n clinic -f " + first, 0, ""},
				wantOf{"apply -n clinic -f " + second, 0, "deployment.apps/web configured"},
				wantOf{"apply --server-side --force-conflicts -n clinic -f " + second, 0, "serverside-applied"},
				wantOf{"scale deployment web -n clinic --replicas=0", 0, "scaled"},
				wantOf{"delete -n clinic -f " + second, 0, `"web" deleted`},
				wantOf{"get deployment web -n clinic", 1, "NotFound"},
				wantOf{"get secrets -n other", 0, "No resources found"},
				wantOf{"apply -n other -f " + first, 1, "orbidden"},
				wantOf{"get pods -n clinic --as admin", 1, "mpersonat"},
			)
			// The cluster has what was meant, not what was shown.
			var left struct{ Items []any }
			w.cluster.Get("/apis/apps/v1/namespaces/clinic/deployments", &left)
			if len(left.Items) != 0 {
				t.Errorf("%d deployments are left", len(left.Items))
			}
		})
	}
	w.traceless(t)
}

// TestAppliedAsMeant holds that what is applied through the gateway arrives as it was
// written, though the client is shown another.
func TestAppliedAsMeant(t *testing.T) {
	w := start(t)
	for _, k := range w.cluster.Clients() {
		t.Run(k.Name, func(t *testing.T) {
			for replicas := 1; replicas <= 2; replicas++ {
				file := write(t, "web.yaml", fmt.Sprintf(document, canarySSN, canaryMail, replicas))
				w.check(t, k, wantOf{"apply -n clinic -f " + file, 0, ""})
				status, body, err := w.cluster.Do(http.MethodGet, "/apis/apps/v1/namespaces/clinic/deployments/web", nil)
				if err != nil || status != http.StatusOK || !strings.Contains(body, "SSN "+canarySSN) || !strings.Contains(body, fmt.Sprintf(`"replicas":%d`, replicas)) ||
					strings.Contains(body, "[SSN]") {
					t.Errorf("the cluster has: %d %s %v", status, body, err)
				}
			}
			w.check(t, k, wantOf{"delete -n clinic deployment/web secret/login", 0, "deleted"})
		})
	}
}

// TestLogsFollowed has a canary in a log that comes in pieces, while a client follows.
func TestLogsFollowed(t *testing.T) {
	w := start(t)
	for i, k := range w.cluster.Clients() {
		t.Run(k.Name, func(t *testing.T) {
			pod := fmt.Sprint("web-", i)
			w.cluster.CreatePod(kubepeer.Pod{Namespace: "clinic", Name: pod})
			w.cluster.Log("clinic", pod, "main", kubepeer.Piece{Text: "begun\n"})
			cmd := k.Command(t.Context(), t, w.config, "-n", "clinic", "logs", "-f", pod)
			pipe, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			out := bufio.NewReader(pipe)
			if line, err := out.ReadString('\n'); line != "begun\n" || err != nil {
				t.Errorf("%q %v", line, err)
			}
			var pieces []kubepeer.Piece
			for _, r := range "patient SSN " + canarySSN + " came, mail " + canaryMail + "\n" { // one byte at a time
				pieces = append(pieces, kubepeer.Piece{Text: string(r), Pause: 2 * time.Millisecond})
			}
			w.cluster.Log("clinic", pod, "main", pieces...)
			line, err := out.ReadString('\n')
			if err != nil || !strings.HasPrefix(line, "patient SSN [SSN] came, mail ") {
				t.Errorf("%q %v", line, err)
			}
			w.clean(t, kubepeer.Result{Out: line})
			w.cluster.EndLog("clinic", pod, "main")
			if rest, err := io.ReadAll(out); err != nil || len(rest) > 0 {
				t.Errorf("%q %v", rest, err)
			}
			if err := cmd.Wait(); err != nil {
				t.Error(err)
			}
		})
	}
	w.traceless(t)
}

// TestNamespaceHeld has the deletion of a namespace wait for a human: nothing happens
// before, nothing when it is denied, and it is gone when it is approved.
func TestNamespaceHeld(t *testing.T) {
	w := start(t)
	client := w.HTTPClient(t)
	for i, k := range w.cluster.Clients() {
		t.Run(k.Name, func(t *testing.T) {
			name := fmt.Sprint("scratch-", i)
			w.cluster.Namespace(name, nil)
			for _, decision := range []struct {
				how  string
				code int
				says string
			}{{"deny", 1, "sallyport"}, {"approve", 0, "deleted"}} {
				done := make(chan kubepeer.Result, 1)
				go func() { done <- k.Run(t, w.config, "", "delete", "namespace", name) }()
				w.Held(t, client, name)
				if !w.exists(name) {
					t.Error("the namespace is gone before anybody decided")
				}
				w.Decide(t, client, name, decision.how)
				got := <-done
				if got.Code != decision.code || !strings.Contains(got.Out+got.Err, decision.says) {
					t.Errorf("%s: %v", decision.how, got)
				}
				if w.exists(name) != (decision.how == "deny") {
					t.Errorf("%s: the namespace exists: %v", decision.how, w.exists(name))
				}
			}
		})
	}
}

func (w *world) exists(namespace string) bool {
	status, _, err := w.cluster.Do(http.MethodGet, "/api/v1/namespaces/"+namespace, nil)
	return err == nil && status == http.StatusOK
}
