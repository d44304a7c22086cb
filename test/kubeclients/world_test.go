// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

// Package kubeclients_test has clients of Kubernetes work through a whole gateway
// before a real API server: kubectl of three times, and what Helm and other programs
// in Go do.
package kubeclients_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/sallyport-dev/sallyport/test/gatewaytest"
	"github.com/sallyport-dev/sallyport/test/kubepeer"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// Canaries: values that nobody may see who may not see them raw.
const (
	canarySSN  = "856-45-6789"
	canaryMail = "johanna.beispiel@clinic.example"
)

const policy = `
permit(principal, action == Action::"connect", resource == Resource::"prod");

// What operators of the cluster do: everything in the namespace clinic, and reading what
// has no namespace.
permit(principal in Role::"ops", action in [Action::"read", Action::"write", Action::"delete", Action::"define", Action::"execute"], resource in Path::"prod/clinic");
permit(principal in Role::"ops", action == Action::"read", resource in Resource::"prod");
permit(principal in Role::"ops", action in [Action::"destroy", Action::"define"], resource in Path::"prod/-/namespaces");
permit(principal in Role::"ops", action == Action::"readScanned", resource);
permit(principal in Role::"ops", action == Action::"readRaw", resource in Label::"open");

// Who debugs attaches to the container that was added.
permit(principal in Role::"ops", action == Action::"execute", resource == Command::"prod/attach");

@hold("group:privacy-officers") @expires("15m")
forbid(principal, action == Action::"destroy", resource) unless { context has approval };

// Who deploys reads back what Helm keeps of a release in Secrets, with their labels.
permit(principal in Role::"deploy", action in [Action::"read", Action::"write", Action::"delete"], resource in Path::"prod/clinic");
permit(principal in Role::"deploy", action == Action::"read", resource in Resource::"prod");
permit(principal in Role::"deploy", action == Action::"readScanned", resource);
permit(principal in Role::"deploy", action == Action::"readRaw", resource) when { resource in Label::"secret" || resource in Label::"cluster" };

@id("no-ssh-port")
forbid(principal, action == Action::"execute", resource == Path::"prod/clinic/pods/open/portforward/22");
`

// world is a cluster behind a gateway.
type world struct {
	*gatewaytest.Gateway
	cluster *kubepeer.Cluster
	config  string // kubectl's
	caller  gatewaytest.Caller
}

func start(t *testing.T) *world {
	t.Helper()
	c := kubepeer.Start(t)
	c.Namespace("clinic", map[string]string{"team": "claims"})
	// The gateway's policy is the boundary that is tested, so the cluster permits all.
	c.Allow("Group", "sallyport:ops", "", kubepeer.Everything())
	c.Allow("Group", "sallyport:deploy", "", kubepeer.Everything())
	g := gatewaytest.Start(t,
		gatewaytest.Policy(policy),
		gatewaytest.Waits(0, 30*time.Second),
		gatewaytest.File("cluster.token", c.GatewayToken),
		gatewaytest.Resource("prod", "ops", fmt.Sprintf(`  - name: prod
    type: kubernetes
    tls: {mode: verify-full, ca: %s}
    credential: {password: "file:cluster.token"}
    kubernetes:
      url: %s
      labels: [cluster]
      objects:
        - {resources: [pods], names: [open], labels: [open]}
`, c.CAFile, c.URL)),
		gatewaytest.Resource("prod", "deploy", ""))
	caller := g.Caller(t, "prod", "ops")
	w := &world{Gateway: g, cluster: c, caller: caller}
	w.config = kubepeer.Kubeconfig(t, "https://"+g.HTTPAddress()+"/k8s/prod", g.CA, caller.Token)
	return w
}

// write puts a file into a directory of its own and returns its path.
func write(t *testing.T, name, text string) string {
	t.Helper()
	p := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(p, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return p
}

// onRecord waits until the ledger has what a pattern says.
func (w *world) onRecord(t *testing.T, pattern string) {
	t.Helper()
	re := regexp.MustCompile(pattern)
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		for name, b := range w.Traces(t) {
			if strings.Contains(name, "/ledger/") && re.Match(b) {
				return
			}
		}
	}
	t.Errorf("the ledger has nothing like %s", pattern)
}

// clean holds that canaries are in no answer.
func (w *world) clean(t *testing.T, got ...kubepeer.Result) {
	t.Helper()
	for _, r := range got {
		for _, canary := range []string{canarySSN, canaryMail} {
			if strings.Contains(r.Out+r.Err, canary) {
				t.Errorf("a canary is at the client: %v", r)
			}
		}
	}
}

// traceless holds that canaries are in nothing that the gateway wrote.
func (w *world) traceless(t *testing.T) {
	t.Helper()
	w.Stop(t)
	for name, b := range w.Traces(t) {
		for _, canary := range []string{canarySSN, canaryMail} {
			if strings.Contains(string(b), canary) {
				t.Errorf("a canary is in %s", name)
			}
		}
	}
}
