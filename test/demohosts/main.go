// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

// Command demohosts runs what the demonstration's chapters of SSH and Kubernetes are
// told with: OpenSSH's server, and where it was built and etcd is there, a cluster's
// API server with a small node, all on free loopback ports. The product knows nothing
// of it but its path.
//
//	demohosts install    fills the cache with what is small, and says what it does
//	demohosts            runs it
//
// It reads one line of JSON, a [seed], prints one, a [hello], and ends with its
// standard input.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/sallyport-dev/sallyport/test/kubepeer"
	"github.com/sallyport-dev/sallyport/test/peer"
	"github.com/sallyport-dev/sallyport/test/sshpeer"
)

// seed is what the counterparts hold at first.
type seed struct {
	Files      map[string]string `json:"files"` // of the machine, by path below its directory
	Namespaces []string          `json:"namespaces"`
	Pods       []kubepeer.Pod    `json:"pods"`
	Logs       []podLog          `json:"logs"`
	Secrets    []secret          `json:"secrets"`
}

// podLog is what a pod has printed.
type podLog struct {
	Namespace string `json:"namespace"`
	Pod       string `json:"pod"`
	Text      string `json:"text"`
}

// secret is a Secret of a namespace.
type secret struct {
	Namespace string            `json:"namespace"`
	Name      string            `json:"name"`
	Data      map[string]string `json:"data"`
}

// hello says where everything is.
type hello struct {
	SSH        machine `json:"ssh"`
	Kubernetes cluster `json:"kubernetes"`
}

// machine is what is reached by SSH.
type machine struct {
	Address string `json:"address"`
	User    string `json:"user"`
	HostKey string `json:"host_key"`
	Key     string `json:"key"` // the login, in OpenSSH's form
	Dir     string `json:"dir"`
}

// cluster is the API server, or why there is none.
type cluster struct {
	Missing string `json:"missing,omitempty"`
	URL     string `json:"url,omitempty"`
	CA      string `json:"ca,omitempty"`
	Token   string `json:"token,omitempty"` // the gateway's
	Kubectl string `json:"kubectl,omitempty"`
}

func main() { os.Exit(peer.Main("demohosts", install, serve)) }

// install builds the node, where there is an API server for it.
func install(ctx context.Context, w io.Writer) error {
	if missing := kubepeer.Missing(ctx); missing != "" {
		_, _ = fmt.Fprintf(w, "demo: !! the chapter of Kubernetes will be left out: %s\n", missing)
		return nil
	}
	_, _ = fmt.Fprintln(w, "demo: a node of Kubernetes")
	_, err := peer.GoProgram(ctx, "test/kubepeer/kubelet")
	return err
}

// serve runs everything until the end of in.
func serve(t peer.T, in io.Reader, out io.Writer) {
	var with seed
	rest := peer.Seed(t, in, &with)
	if err := json.NewEncoder(out).Encode(hello{startMachine(t, with), startCluster(t, with)}); err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, rest); err != nil {
		t.Fatal(err)
	}
}

func startMachine(t peer.T, with seed) machine {
	s := sshpeer.Start(t, sshpeer.Options{})
	yesterday := time.Now().Add(-24 * time.Hour)
	for name, text := range with.Files {
		path := filepath.Join(s.Dir, filepath.FromSlash(name))
		err := os.MkdirAll(filepath.Dir(path), 0o755)
		if err == nil {
			err = os.WriteFile(path, []byte(text), 0o600)
		}
		if err == nil {
			err = os.Chtimes(path, yesterday, yesterday)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return machine{s.Address, s.User, s.HostKey, string(s.PrivateKey), s.Dir}
}

func startCluster(t peer.T, with seed) cluster {
	if missing := kubepeer.Missing(t.Context()); missing != "" {
		return cluster{Missing: missing}
	}
	c := kubepeer.Start(t)
	// The gateway's policy is the boundary that is shown, so the cluster permits all.
	c.Allow("Group", "system:authenticated", "", kubepeer.Everything())
	for _, n := range with.Namespaces {
		c.Namespace(n, nil)
	}
	for _, p := range with.Pods {
		c.CreatePod(p)
	}
	for _, l := range with.Logs {
		c.Log(l.Namespace, l.Pod, "main", kubepeer.Piece{Text: l.Text})
		c.EndLog(l.Namespace, l.Pod, "main")
	}
	for _, s := range with.Secrets {
		c.Secret(s.Namespace, s.Name, "Opaque", s.Data)
	}
	return cluster{URL: c.URL, CA: c.CAFile, Token: c.GatewayToken, Kubectl: c.Kubectl}
}
