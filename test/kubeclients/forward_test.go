// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package kubeclients_test

import (
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sallyport-dev/sallyport/test/kubepeer"
)

// served answers at a free port, which is a port of every pod of the cluster.
func served(t *testing.T) (port string) {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		_, _ = io.WriteString(w, "through "+strconv.Itoa(len(b)))
	})}
	var all sync.WaitGroup
	all.Go(func() { _ = server.Serve(l) })
	t.Cleanup(func() {
		_ = server.Close()
		all.Wait()
	})
	return strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
}

// post sends bytes to a forwarded port.
func post(t *testing.T, local, body string) (string, error) {
	t.Helper()
	c := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: time.Minute}
	res, err := c.Post("http://"+local, "text/plain", strings.NewReader(body)) //nolint:noctx // it has a timeout
	if err != nil {
		return "", err
	}
	defer res.Body.Close() //nolint:errcheck // it was read
	b, err := io.ReadAll(res.Body)
	return string(b), err
}

func TestPortForward(t *testing.T) {
	w := start(t)
	w.cluster.CreatePod(kubepeer.Pod{Namespace: "clinic", Name: "open"})
	w.cluster.CreatePod(kubepeer.Pod{Namespace: "clinic", Name: "records"})
	port := served(t)
	for _, k := range w.cluster.Clients() {
		t.Run(k.Name, func(t *testing.T) {
			local := kubepeer.Forwarded(t, k.Command(t.Context(), t, w.config, "-n", "clinic", "port-forward", "open", ":"+port))
			var all sync.WaitGroup
			for range 4 {
				all.Go(func() {
					if got, err := post(t, local, strings.Repeat("x", 300_000)); got != "through 300000" || err != nil {
						t.Errorf("%q %v", got, err)
					}
				})
			}
			all.Wait()
			for _, tc := range []struct{ name, pod, want string }{
				{"what the pod holds may not be seen raw", "records", "may not see it as it is"},
				{"no such pod", "none", "not found"},
			} {
				got := k.Run(t, w.config, "", "-n", "clinic", "port-forward", tc.pod, ":"+port)
				if got.Code == 0 || !strings.Contains(got.Err, tc.want) {
					t.Errorf("%s: %v", tc.name, got)
				}
			}
		})
	}
}

// TestPortForwardByPort has a policy forbid one port of a pod: it is refused when it is
// asked for, and nothing is asked of the cluster.
func TestPortForwardByPort(t *testing.T) {
	w := start(t)
	w.cluster.CreatePod(kubepeer.Pod{Namespace: "clinic", Name: "open"})
	k := w.cluster.Clients()[0]
	cmd := k.Command(t.Context(), t, w.config, "-n", "clinic", "port-forward", "open", ":22")
	var said strings.Builder
	local, ended := kubepeer.ForwardedUntil(t, cmd, &said)
	if got, err := post(t, local, "x"); err == nil {
		t.Errorf("the port answers %q", got)
	}
	<-ended
	if !strings.Contains(said.String(), "no-ssh-port") && !strings.Contains(said.String(), "policy") {
		t.Errorf("kubectl said: %s", said.String())
	}
}
