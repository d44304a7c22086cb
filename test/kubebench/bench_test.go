// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

//go:build bench

package kubebench_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sallyport-dev/sallyport/internal/connector/kubernetes/streams"
	"github.com/sallyport-dev/sallyport/test/figures"
	"github.com/sallyport-dev/sallyport/test/gatewaytest"
	"github.com/sallyport-dev/sallyport/test/kubepeer"
)

const (
	pods     = 1000
	lists    = 20
	gets     = 200
	commands = 200
	events   = 200
	logs     = 5
	logBytes = 32 << 20
)

const policy = `
@id("connect") permit(principal, action == Action::"connect", resource == Resource::"prod");
@id("use") permit(principal, action in [Action::"read", Action::"execute"], resource in Resource::"prod");
@id("scanned") permit(principal, action == Action::"readScanned", resource in Label::"unclassified");
@id("raw") permit(principal, action == Action::"readRaw", resource in Label::"public");
`

const entry = `  - name: prod
    type: kubernetes
    credential: {password: "file:cluster.token"}
    tls: {ca: %s}
    kubernetes:
      url: %s
      objects:
        - {resources: [pods], names: [open], labels: [public]}
      commands:
        - {name: nothing, words: ["true"], labels: [public]}
`

// out is where lines of JSON go. What the test runner says goes elsewhere.
var out io.Writer

func TestMain(m *testing.M) {
	out, os.Stdout = os.Stdout, os.Stderr
	os.Exit(m.Run())
}

// side is where a client asks: the API server, or the gateway.
type side struct {
	http        *http.Client
	root, token string
	as          string // whom to impersonate
}

// world is a cluster and both ways to it.
type world struct {
	sheet   figures.Sheet
	cluster *kubepeer.Cluster
	sides   [2]side
	ca      [2]string // files with the authorities of the sides
}

// start starts both; more are further lines of the gateway's resource.
func start(t *testing.T, more ...string) *world {
	t.Helper()
	c := kubepeer.Start(t)
	g := gatewaytest.Start(t, gatewaytest.Policy(policy), gatewaytest.File("cluster.token", c.GatewayToken),
		gatewaytest.Resource("prod", "ops", fmt.Sprintf(entry, c.CAFile, c.URL)+strings.Join(more, "")))
	c.Allow("Group", "sallyport:ops", "", kubepeer.Everything())
	c.Namespace("clinic", nil)
	token := g.Exchange(t, g.HTTPClient(t), "prod", "ops")
	return &world{figures.Sheet{Bench: "kubernetes", Peer: "kube-apiserver", Out: out}, c, [2]side{
		{client(t, c.CAFile), c.URL, c.AdminToken, ""}, {client(t, g.CA), "https://" + g.HTTPAddress() + "/k8s/prod", token, ""},
	}, [2]string{c.CAFile, g.CA}}
}

// client speaks HTTP/2 and compresses nothing, as clients on the same network do.
func client(t *testing.T, caFile string) *http.Client {
	t.Helper()
	return &http.Client{Transport: transport(t, caFile, "h2", "http/1.1")}
}

func transport(t *testing.T, caFile string, protocols ...string) *http.Transport {
	t.Helper()
	pem, err := os.ReadFile(caFile)
	must(t, err)
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(pem)
	tr := &http.Transport{
		TLSClientConfig:   &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12, NextProtos: protocols},
		ForceAttemptHTTP2: len(protocols) > 1, DisableCompression: true,
	}
	t.Cleanup(tr.CloseIdleConnections)
	return tr
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (s side) ask(ctx context.Context, path string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.root+path, http.NoBody)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer "+s.token)
	req.Header.Set("Accept", "application/json")
	if s.as != "" {
		req.Header["Impersonate-User"], req.Header["Impersonate-Group"] = []string{s.as}, []string{"sallyport:ops"}
		req.Header["Impersonate-Extra-Sallyport-Session"] = []string{"bench"}
	}
	res, err := s.http.Do(req)
	if err == nil && res.StatusCode != http.StatusOK {
		b, _ := io.ReadAll(res.Body)
		_ = res.Body.Close()
		return nil, fmt.Errorf("GET %s: %d %s", path, res.StatusCode, b)
	}
	return res, err
}

// whole is a GET whose answer has at least so many bytes.
func (s side) whole(t *testing.T, path string, least int64) figures.Way {
	t.Helper()
	return func() (int64, error) {
		res, err := s.ask(t.Context(), path)
		if err != nil {
			return 0, err
		}
		defer res.Body.Close()
		n, err := io.Copy(io.Discard, res.Body)
		if err == nil && n < least {
			err = fmt.Errorf("%d bytes, not %d", n, least)
		}
		return n, err
	}
}

// pod is one as clusters have them, with a note that names somebody.
func pod(i int) map[string]any {
	env := []any{}
	for k := range 12 {
		env = append(env, map[string]any{"name": fmt.Sprintf("SETTING_%d", k), "value": fmt.Sprintf("value-%d-of-the-claims-service", k)})
	}
	return map[string]any{
		"apiVersion": "v1", "kind": "Pod",
		"metadata": map[string]any{
			"name": fmt.Sprintf("claims-%04d", i), "labels": map[string]string{"app": "claims", "team": "billing"},
			"annotations": map[string]string{"note": "ask about SSN 219-09-9991 of a test person", "checksum/config": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"},
		},
		"spec": map[string]any{"containers": []any{map[string]any{"name": "main", "image": "registry.example/claims:1.2.3", "env": env}}},
	}
}

func (w *world) fill(t *testing.T) {
	t.Helper()
	var wg sync.WaitGroup
	for k := range 8 {
		wg.Go(func() {
			for i := k; i < pods; i += 8 {
				w.cluster.Create("/api/v1/namespaces/clinic/pods", pod(i))
			}
		})
	}
	wg.Wait()
}

func TestObjects(t *testing.T) {
	w := start(t)
	w.fill(t)
	const all = "/api/v1/namespaces/clinic/pods"
	pair := func(path string, least int64) (direct, gateway figures.Way) {
		return w.sides[0].whole(t, path, least), w.sides[1].whole(t, path, least)
	}
	d, g := pair(all+"/claims-0001", 1000)
	must(t, w.sheet.Times("get-pod", gets, d, g))
	// The same question as the gateway asks it, for somebody else: what is left of the
	// difference is the gateway's own.
	same := w.sides[0]
	same.token, same.as = w.cluster.GatewayToken, "ann"
	asked := w.sheet
	asked.Peer = "kube-apiserver, with impersonation"
	must(t, asked.Times("get-pod", gets, same.whole(t, all+"/claims-0001", 1000), g))
	d, g = pair(all, pods*1000)
	must(t, w.sheet.Rates("list-1000-pods", lists, d, g))
	d, g = pair(all+"?limit=500", pods*500)
	must(t, w.sheet.Rates("list-500-of-1000-pods", lists, d, g))
}

// TestEarly has what is read sent while its intent is being written.
func TestEarly(t *testing.T) {
	w := start(t, "    intent: before-release\n")
	w.cluster.Create("/api/v1/namespaces/clinic/pods", pod(1))
	const path = "/api/v1/namespaces/clinic/pods/claims-0001"
	must(t, w.sheet.Times("get-pod-before-release", gets, w.sides[0].whole(t, path, 1000), w.sides[1].whole(t, path, 1000)))
}

// TestLogs follows nothing: the logs are there and come as fast as they can. Every line
// has an identifier, which one pod's log may show.
func TestLogs(t *testing.T) {
	w := start(t)
	const line = "2026-01-02T03:04:05Z INFO claims request=7f3a status=200 duration=12ms path=/v1/claims/list ssn 219-09-9991\n"
	piece := strings.Repeat(line, 32<<10/len(line))
	pieces := slices.Repeat([]kubepeer.Piece{{Text: piece}}, 256)
	for _, x := range []struct{ pod, name string }{{"open", "log-raw"}, {"web-1", "log-masked"}} {
		w.cluster.CreatePod(kubepeer.Pod{Namespace: "clinic", Name: x.pod})
		for n := 0; n < logBytes; n += len(piece) * len(pieces) {
			w.cluster.Log("clinic", x.pod, "main", pieces...)
		}
		w.cluster.EndLog("clinic", x.pod, "main")
		path := "/api/v1/namespaces/clinic/pods/" + x.pod + "/log"
		must(t, w.sheet.Rates(x.name, logs, w.sides[0].whole(t, path, logBytes/2), w.sides[1].whole(t, path, logBytes/2)))
	}
}

// exec runs a command that does nothing, over a connection of its own as the protocol
// wants it.
func (s side) exec(t *testing.T, caFile string) figures.Way {
	t.Helper()
	tr := transport(t, caFile, "http/1.1")
	dialer := streams.Dialer{Random: rand.Reader, Now: time.Now}
	ask := func(verb string, h http.Header) (*http.Response, error) {
		req, err := http.NewRequestWithContext(t.Context(), verb, s.root+"/api/v1/namespaces/clinic/pods/web-1/exec?command=true&stdout=true&stderr=true", http.NoBody)
		if err != nil {
			return nil, err
		}
		req.Header = h
		req.Header.Set("Authorization", "Bearer "+s.token)
		return tr.RoundTrip(req)
	}
	return func() (int64, error) {
		conn, res, err := dialer.Dial(ask, streams.Wish{Stdout: true, Stderr: true})
		if err != nil || res != nil {
			return 0, fmt.Errorf("exec: %v %w", res, err)
		}
		defer conn.Close("")
		b, err := io.ReadAll(conn.Reader(streams.Status))
		if err == nil && !bytes.Contains(b, []byte(`"Success"`)) {
			err = fmt.Errorf("exec: %s", b)
		}
		return 0, err
	}
}

func TestExec(t *testing.T) {
	w := start(t)
	w.cluster.CreatePod(kubepeer.Pod{Namespace: "clinic", Name: "web-1"})
	must(t, w.sheet.Times("exec", commands, w.sides[0].exec(t, w.ca[0]), w.sides[1].exec(t, w.ca[1])))
}

// watcher follows pods, and hands on when each event came.
type watcher struct {
	body io.ReadCloser
	came chan arrival
}

type arrival struct {
	name string
	at   time.Time
}

func (s side) watch(t *testing.T) *watcher {
	t.Helper()
	res, err := s.ask(t.Context(), "/api/v1/namespaces/clinic/pods?watch=true&resourceVersion=0")
	must(t, err)
	w := &watcher{res.Body, make(chan arrival, 16)}
	go func() {
		defer close(w.came)
		lines := bufio.NewReaderSize(res.Body, 1<<20)
		for {
			line, err := lines.ReadBytes('\n')
			if err != nil {
				return
			}
			at := time.Now()
			var e struct {
				Object struct{ Metadata struct{ Name string } }
			}
			if json.Unmarshal(line, &e) == nil && e.Object.Metadata.Name != "" {
				w.came <- arrival{e.Object.Metadata.Name, at}
			}
		}
	}()
	return w
}

// next waits for the first event about an object.
func (w *watcher) next(t *testing.T, name string) time.Time {
	t.Helper()
	for end := time.After(30 * time.Second); ; {
		select {
		case a := <-w.came:
			if a.name == name {
				return a.at
			}
		case <-end:
			t.Fatalf("no event about %s", name)
		}
	}
}

// TestWatch measures from before an object is made until the event is there, for both
// ways at once.
func TestWatch(t *testing.T) {
	w := start(t)
	both := [2]*watcher{w.sides[0].watch(t), w.sides[1].watch(t)}
	var took [2][]time.Duration
	for i := range events + 1 {
		name := fmt.Sprintf("claims-%04d", i)
		begin := time.Now()
		w.cluster.Create("/api/v1/namespaces/clinic/pods", pod(i))
		for k, follows := range both {
			if d := follows.next(t, name).Sub(begin); i > 0 {
				took[k] = append(took[k], d)
			}
		}
	}
	must(t, w.sheet.Print("watch-event", took))
	for _, follows := range both {
		must(t, follows.body.Close())
	}
}
