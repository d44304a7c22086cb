// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

// Package kubepeer runs a cluster of Kubernetes in a test: the real API server with
// the distribution's etcd, and a small node that runs the commands of its pods as
// programs of this machine. Everything listens on free ports of 127.0.0.1 and ends
// with the test.
//
// There is no controller and no scheduler: a pod is bound and running soon after it
// was made, a namespace that is deleted goes at once, and nothing else happens by
// itself. Roles that aggregate others (view, edit) are empty; see [Cluster.Allow].
package kubepeer

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/sallyport-dev/sallyport/internal/demo/pgcluster"
	"github.com/sallyport-dev/sallyport/test/peer"
	"github.com/sallyport-dev/sallyport/test/pgtest"
)

const (
	installTimeout = 40 * time.Minute
	readyTimeout   = 2 * time.Minute
	etcdProgram    = "etcd"
)

// GatewayUser is who the gateway is to the cluster. It may impersonate every user,
// group, service account and extra, and nothing else.
const GatewayUser = "gateway"

// NodeName is the name of the only node.
const NodeName = "node-1"

// Cluster is a running cluster.
type Cluster struct {
	URL          string // of the API server; its service-account tokens have it as issuer
	CAFile       string // the authority of its certificate
	AdminToken   string
	GatewayToken string
	Kubectl      string        // the program of the cluster's own release
	Said         func() string // what the API server has printed

	t       peer.T
	dir     string
	http    *http.Client
	control peer.Control
}

// Programs returns the API server and kubectl, which test/scripts/install-kubernetes
// builds once.
func Programs(t peer.T) (apiserver, kubectl string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), installTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, filepath.Join(pgtest.Root(), "test", "scripts", "install-kubernetes"))
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("install-kubernetes: %v\n%s", err, stderr.String())
	}
	paths := strings.Fields(string(out))
	if len(paths) != 2 {
		t.Fatalf("install-kubernetes printed %q", out)
	}
	return paths[0], paths[1]
}

// Missing says what a cluster lacks on this machine, and how to get it; "" when
// nothing has to be built or installed. It builds nothing.
func Missing(ctx context.Context) string {
	const do = "run: make demo-kubernetes (it compiles the API server and kubectl, once, in some minutes)"
	if _, err := exec.LookPath(etcdProgram); err != nil {
		return "there is no etcd (Debian: etcd-server); " + do
	}
	if err := exec.CommandContext(ctx, filepath.Join(pgtest.Root(), "test", "scripts", "install-kubernetes"), "--there").Run(); err != nil {
		return "the API server of Kubernetes has not been built; " + do
	}
	return ""
}

// Option changes how a cluster is set up.
type Option func(*options)

type options struct{ flags []string }

// Flags adds flags of the API server.
func Flags(flags ...string) Option { return func(o *options) { o.flags = append(o.flags, flags...) } }

// Start runs a cluster until the test's clean-up.
func Start(t peer.T, opts ...Option) *Cluster {
	t.Helper()
	var o options
	for _, f := range opts {
		f(&o)
	}
	if _, err := exec.LookPath(etcdProgram); err != nil {
		t.Fatal("there is no etcd (Debian: etcd-server); run: make test-deps")
	}
	apiserver, kubectl := Programs(t)
	kubelet, err := peer.GoProgram(t.Context(), "test/kubepeer/kubelet")
	if err != nil {
		t.Fatal(err)
	}
	c := &Cluster{t: t, dir: t.TempDir(), Kubectl: kubectl, AdminToken: secret(t), GatewayToken: secret(t)}
	c.certificates()
	c.put("tokens.csv", fmt.Sprintf("%s,admin,1,\"system:masters\"\n%s,%s,2,\n", c.AdminToken, c.GatewayToken, GatewayUser))
	ports := freePorts(t, 3)
	etcd := c.startEtcd(ports[0], ports[1])
	c.URL = "https://" + address(ports[2])
	server := peer.Run(t, apiserver, append(c.flags(etcd, ports[2]), o.flags...)...)
	c.Said = server.Said
	c.connect()
	c.ready(server)
	c.startNode(kubelet)
	c.permitGateway()
	return c
}

func (c *Cluster) startEtcd(client, peers int) string {
	url := "http://" + address(client)
	peer.Run(c.t, etcdProgram, "--data-dir", c.t.TempDir(), "--listen-client-urls", url, "--advertise-client-urls", url,
		"--listen-peer-urls", "http://"+address(peers), "--initial-advertise-peer-urls", "http://"+address(peers),
		"--initial-cluster", "default=http://"+address(peers), "--logger", "zap", "--log-level", "warn")
	return url
}

func (c *Cluster) flags(etcd string, port int) []string {
	return []string{
		"--etcd-servers=" + etcd, "--bind-address=127.0.0.1", "--advertise-address=127.0.0.1", fmt.Sprint("--secure-port=", port),
		"--cert-dir=" + c.dir, "--tls-cert-file=" + c.path("server.crt"), "--tls-private-key-file=" + c.path("server.key"),
		"--service-account-issuer=" + c.URL, "--service-account-key-file=" + c.path("sa.key"), "--service-account-signing-key-file=" + c.path("sa.key"),
		"--token-auth-file=" + c.path("tokens.csv"), "--authorization-mode=RBAC", "--disable-admission-plugins=ServiceAccount",
		"--kubelet-preferred-address-types=InternalIP", "--service-cluster-ip-range=10.96.0.0/16",
		"--endpoint-reconciler-type=none", "--allow-privileged=true", "--profiling=false",
	}
}

// ready waits for the API server, whose roles are made after it answers.
func (c *Cluster) ready(server *peer.Child) {
	c.t.Helper()
	for end := time.Now().Add(readyTimeout); ; time.Sleep(100 * time.Millisecond) {
		select {
		case <-server.Ended():
			c.t.Fatalf("the API server has ended:\n%s", server.Said())
		default:
		}
		status, body, err := c.Do(http.MethodGet, "/readyz?verbose", nil)
		if err == nil && status == http.StatusOK {
			return
		}
		if time.Now().After(end) {
			c.t.Fatalf("the API server is not ready: %v %d %s\n%s", err, status, body, server.Said())
		}
	}
}

func (c *Cluster) startNode(kubelet string) {
	var hello struct {
		Port    int
		Control string
	}
	peer.Start(c.t, &hello, c.dir, kubelet, c.t.TempDir(), c.URL, c.CAFile, c.AdminToken, c.path("server.crt"), c.path("server.key"))
	c.control = peer.NewControl(c.t, hello.Control)
	c.Wait("the node", func() bool {
		status, body, err := c.Do(http.MethodGet, "/api/v1/nodes/"+NodeName, nil)
		return err == nil && status == http.StatusOK && strings.Contains(body, "InternalIP")
	})
}

// permitGateway lets the gateway act for others.
func (c *Cluster) permitGateway() {
	c.Allow("User", GatewayUser, "",
		Rule{APIGroups: []string{""}, Resources: []string{"users", "groups", "serviceaccounts"}, Verbs: []string{"impersonate"}},
		// Every extra is a resource of its own (userextras/KEY), and rules know no pattern for them but this.
		Rule{APIGroups: []string{"authentication.k8s.io"}, Resources: []string{"*"}, Verbs: []string{"impersonate"}})
}

// certificates makes the server's certificate and the key that signs service-account
// tokens.
func (c *Cluster) certificates() {
	certs, err := pgcluster.NewCertificates(rand.Reader, time.Now())
	c.must(err)
	c.CAFile = c.put("ca.crt", string(certs.CA))
	c.put("server.crt", string(certs.Cert))
	c.put("server.key", string(certs.Key))
	signer, err := rsa.GenerateKey(rand.Reader, 2048)
	c.must(err)
	c.put("sa.key", string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(signer)})))
}

func (c *Cluster) path(name string) string { return filepath.Join(c.dir, name) }

func (c *Cluster) put(name, text string) string {
	c.must(os.WriteFile(c.path(name), []byte(text), 0o600))
	return c.path(name)
}

func (c *Cluster) must(err error) {
	c.t.Helper()
	if err != nil {
		c.t.Fatal(err)
	}
}

func secret(t peer.T) string {
	b := make([]byte, 16)
	if _, err := rand.Read(b); err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%x", b)
}

func address(port int) string { return fmt.Sprint("127.0.0.1:", port) }

// freePorts returns ports that nobody listened on a moment ago.
func freePorts(t peer.T, n int) []int {
	var ports []int
	for range n {
		l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close() //nolint:errcheck // nothing was written
		ports = append(ports, l.Addr().(*net.TCPAddr).Port)
	}
	return ports
}
