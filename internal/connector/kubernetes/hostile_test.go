// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package kubernetes_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sallyport-dev/sallyport/test/gatewaytest"
)

// recorder is a cluster that remembers what it was asked.
type recorder struct {
	*httptest.Server
	mu    sync.Mutex
	asked []*http.Request // guarded by mu
	reply http.HandlerFunc
}

// before starts a gateway in front of a cluster that answers with reply, or with an
// empty object; entry is the gateway's for it.
func before(t *testing.T, reply http.HandlerFunc, entry string) (*recorder, gatewaytest.Caller) {
	t.Helper()
	r := &recorder{reply: reply}
	r.Server = httptest.NewServer(r)
	t.Cleanup(r.Close)
	g := gatewaytest.Start(t, gatewaytest.Policy(policy), gatewaytest.File("cluster.token", "upstream-token"),
		gatewaytest.Resource("prod", "ops", fmt.Sprintf(entry, r.URL)))
	return r, g.Caller(t, "prod", "ops")
}

func (r *recorder) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	_, _ = io.Copy(io.Discard, req.Body)
	r.mu.Lock()
	r.asked = append(r.asked, req)
	r.mu.Unlock()
	if r.reply != nil {
		r.reply(w, req)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = io.WriteString(w, `{"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":"a","uid":"1"}}`)
}

func (r *recorder) requests() []*http.Request {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]*http.Request(nil), r.asked...)
}

// TestBeforeRelease has a read sent while its intent is being written, where the resource
// says so, and nothing of the answer leave before it is. A change waits for its intent.
func TestBeforeRelease(t *testing.T) {
	t.Parallel()
	cluster, c := before(t, nil, simple+"    intent: before-release\n")
	const path = "/api/v1/namespaces/clinic/configmaps"
	if got := c.Ask(t, "GET", path+"/a", ""); got.Status != http.StatusOK {
		t.Fatal(got)
	}
	for _, tc := range []struct {
		verb, path, body string
		early            bool
	}{{"GET", path + "/a", "", true}, {"POST", path, `{"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":"b"}}`, false}} {
		before := len(cluster.requests())
		c.Disk.Hold()
		answer := make(chan gatewaytest.Answer, 1)
		go func() { answer <- c.Ask(t, tc.verb, tc.path, tc.body) }()
		for end := time.Now().Add(30 * time.Second); time.Now().Before(end) && (!c.Disk.Waiting() || tc.early && len(cluster.requests()) == before); {
			time.Sleep(10 * time.Millisecond)
		}
		if sent := len(cluster.requests()) > before; sent != tc.early {
			t.Errorf("%s: sent before its intent is durable: %v", tc.verb, sent)
		}
		select {
		case got := <-answer:
			t.Errorf("%s: an answer without an intent on record: %v", tc.verb, got)
			answer <- got
		case <-time.After(200 * time.Millisecond):
		}
		c.Disk.Release()
		if got := <-answer; got.Status != http.StatusOK && got.Status != http.StatusCreated {
			t.Errorf("%s: %v", tc.verb, got)
		}
	}
}

// header sets a header of a request.
func header(name, value string) func(*http.Request) {
	return func(r *http.Request) { r.Header[name] = []string{value} }
}

// TestRefused sends what can never pass. Nothing of it may reach the cluster.
func TestRefused(t *testing.T) {
	t.Parallel()
	cluster, c := before(t, nil, simple)
	const pods = "/api/v1/namespaces/clinic/pods"
	for _, tc := range []struct {
		verb, path, body string
		code             int
		says             string
		set              []func(*http.Request)
	}{
		{"GET", pods, "", 403, "impersonation", []func(*http.Request){header("Impersonate-User", "admin")}},
		{"GET", pods, "", 403, "impersonation", []func(*http.Request){header("Impersonate-Extra-Scopes", "x")}},
		{"GET", pods, "", 403, "front proxies", []func(*http.Request){header("X-Remote-User", "admin")}},
		{"GET", pods, "", 400, "two methods", []func(*http.Request){header("X-Http-Method-Override", "DELETE")}},
		{"GET", pods, "", 406, "no JSON", []func(*http.Request){header("Accept", "application/vnd.kubernetes.protobuf")}},
		{"GET", pods, "", 406, "no JSON", []func(*http.Request){header("Accept", "application/cbor, application/yaml")}},
		{"GET", pods + "?limit=1&limit=2", "", 400, "twice", nil},
		{"GET", pods + "?watch=false&%77atch=true", "", 400, "twice", nil},
		{"GET", pods + "?fieldSelector=%3D%3D%3D", "", 400, "field selector", nil},
		{"GET", pods + "?limit=many", "", 400, "no number", nil},
		{"GET", pods + "?a=1;b=2", "", 400, "separator", nil},
		{"GET", "/api/v1/namespaces/clinic/../kube-system/secrets", "", 400, "dot segment", nil},
		{"GET", "/api/v1/namespaces/clinic%2Fpods", "", 400, "separator", nil},
		{"GET", "/api/v1//namespaces/clinic/pods", "", 400, "empty", nil},
		{"GET", pods + "/", "", 400, "empty", nil},
		{"GET", pods + "/%00", "", 400, "character", nil},
		{"GET", "/api/v1/watch/namespaces/clinic/pods", "", 403, "old form", nil},
		{"GET", "/api/v1/proxy/namespaces/clinic/pods/web", "", 403, "", nil},
		{"GET", pods + "/web/proxy/secret", "", 403, "proxy", nil},
		{"POST", "/api/v1/namespaces/clinic/services/web/proxy", "", 403, "proxy", nil},
		{"GET", "/api/v1/nodes/n1/proxy/run", "", 403, "node's own", nil},
		{"GET", "/api/v1/nodes/n1/stats", "", 403, "node's own", nil},
		{"GET", pods + "/web/log/more", "", 403, "behind its subresource", nil},
		{"GET", pods + "/web/unheard", "", 403, "subresource", nil},
		{"POST", pods + "/web", "{}", 403, "does not go with", nil},
		{"PUT", pods, "{}", 403, "does not go with", nil},
		{"OPTIONS", pods, "", 403, "OPTIONS", nil},
		{"GET", "/metrics", "", 403, "discovery", nil},
		{"GET", "/logs/kube-apiserver.log", "", 403, "discovery", nil},
		{"POST", "/version", "", 403, "discovery", nil},
		{"GET", pods, "{}", 400, "body", nil},
		{"POST", "/api/v1/namespaces/clinic/configmaps", `{"a":1,"a":2}`, 400, "twice", nil},
		{"POST", "/api/v1/namespaces/clinic/configmaps", `{"a":1}{"b":2}`, 400, "one document", nil},
		{"POST", "/api/v1/namespaces/clinic/configmaps", "{}", 415, "packed", []func(*http.Request){header("Content-Encoding", "gzip")}},
		{"POST", "/api/v1/namespaces/clinic/configmaps", "\xd9\xd9\xf7\xa0", 415, "form", []func(*http.Request){header("Content-Type", "application/cbor")}},
		{"POST", "/api/v1/namespaces/clinic/configmaps", "k8s\x00\x0a\x02v1", 415, "form", []func(*http.Request){header("Content-Type", "application/vnd.kubernetes.protobuf")}},
		{"POST", "/api/v1/namespaces/clinic/configmaps", "a: 1\na: 2\n", 400, "YAML", []func(*http.Request){header("Content-Type", "application/yaml")}},
		{"POST", "/api/v1/namespaces/clinic/configmaps", `{"a":"` + strings.Repeat("x", 70<<10) + `"}`, 413, "larger", nil},
		{"POST", "/api/v1/namespaces/clinic/configmaps", `{"data":{"note":"seen by [NAME]"}}`, 422, "data.note", nil},
		{"POST", "/api/v1/namespaces/clinic/secrets", `{"data":{"900112233":"W1NFQ1JFVF0="}}`, 422, "data.*", nil},
		{"POST", "/api/v1/namespaces/clinic/serviceaccounts/default/token", `{}`, 403, "issue a token", nil},
		{"POST", pods, `{"spec":{"containers":[],"volumes":[{"name":"a","hostPath":{"path":"/"}}]}}`, 403, "administer", nil},
		{
			"PATCH", "/apis/apps/v1/namespaces/clinic/deployments/web", `[{"op":"add","path":"/spec/template/spec/serviceAccountName","value":"admin"}]`, 403, "administer",
			[]func(*http.Request){header("Content-Type", "application/json-patch+json")},
		},
		{"POST", "/api/v1/namespaces/clinic/secrets", `{"type":"kubernetes.io/service-account-token"}`, 403, "administer", nil},
		{"PATCH", pods + "/web/ephemeralcontainers", `{}`, 403, "execute", nil},
		{"GET", pods + "/web/log?insecureSkipTLSVerifyBackend=true", "", 400, "certificate", nil},
	} {
		most := len(cluster.requests())
		got := c.Ask(t, tc.verb, "/k8s/prod"+tc.path, tc.body, tc.set...)
		if got.Status != tc.code || !strings.Contains(got.Body, tc.says) || !strings.Contains(got.Body, "sallyport") {
			t.Errorf("%s %s: %d %s", tc.verb, tc.path, got.Status, got.Body)
		}
		if n := len(cluster.requests()); n > most {
			t.Errorf("%s %s reached the cluster: %v", tc.verb, tc.path, cluster.requests()[n-1].URL)
		}
	}
}

// TestSent looks at what the cluster gets.
func TestSent(t *testing.T) {
	t.Parallel()
	cluster, c := before(t, nil, simple)
	got := c.Ask(t, "GET", "/k8s/prod/api/v1/namespaces/clinic/%70ods?labelSelector=a%3Db&limit=5", "", func(r *http.Request) {
		r.Header.Set("Accept", "application/json;as=Table;v=v1;g=meta.k8s.io,application/vnd.kubernetes.protobuf, application/json;q=0.5")
		r.Header.Set("Cookie", "a=b")
		r.Header.Set("X-Forwarded-For", "10.0.0.1")
	})
	all := cluster.requests()
	if got.Status != http.StatusOK || len(all) != 1 {
		t.Fatalf("%d %s", got.Status, got.Body)
	}
	r := all[0]
	if r.URL.RequestURI() != "/api/v1/namespaces/clinic/pods?labelSelector=a%3Db&limit=5" || r.Header.Get("Authorization") != "Bearer upstream-token" ||
		r.Header.Get("Accept") != "application/json;as=Table;g=meta.k8s.io;v=v1,application/json" || r.Header.Get("Cookie") != "" || r.Header.Get("X-Forwarded-For") != "" {
		t.Errorf("%s %v", r.URL, r.Header)
	}
	if !strings.HasPrefix(r.Header.Get("Impersonate-User"), "sallyport:") || r.Header.Get("Impersonate-Group") != "sallyport:ops" || r.Header.Get("Impersonate-Extra-Sallyport-Session") == "" {
		t.Errorf("impersonation: %v", r.Header)
	}
}

// TestWickedAnswers has the cluster answer with what cannot be masked, or is none.
func TestWickedAnswers(t *testing.T) {
	t.Parallel()
	_, c := before(t, func(w http.ResponseWriter, r *http.Request) {
		switch name := r.URL.Path[strings.LastIndexByte(r.URL.Path, '/')+1:]; name {
		case "protobuf":
			w.Header().Set("Content-Type", "application/vnd.kubernetes.protobuf")
			_, _ = io.WriteString(w, "k8s\x00 "+canary)
		case "yaml":
			w.Header().Set("Content-Type", "application/yaml")
			_, _ = io.WriteString(w, "a: "+canary)
		case "array":
			w.Header().Set("Content-Type", "application/json")
			_, _ = io.WriteString(w, `["`+canary+`"]`)
		case "text":
			w.Header().Set("Content-Type", "text/plain")
			w.WriteHeader(http.StatusInternalServerError)
			_, _ = io.WriteString(w, "patient "+canary)
		case "status":
			w.Header().Set("Content-Type", "application/json")
			w.Header().Set("Warning", `299 - "patient `+canary+`"`)
			w.WriteHeader(http.StatusConflict)
			_, _ = io.WriteString(w, `{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"Conflict","code":409,"message":"patient `+canary+` is there"}`)
		case "elsewhere":
			w.Header().Set("Location", "https://elsewhere.example/"+canary)
			w.WriteHeader(http.StatusFound)
		case "echo":
			w.Header().Set("Content-Type", "application/json")
			_, _ = fmt.Fprintf(w, `{"kind":"Pod","metadata":{"annotations":{"a":%q}}}`, r.Header.Get("Authorization"))
		}
	}, simple)
	for name, want := range map[string]struct {
		code int
		says string
	}{
		"protobuf": {403, "cannot be masked"}, "yaml": {403, "cannot be masked"}, "array": {500, "withheld"}, "text": {500, "Status"},
		"status": {409, "patient [SSN] is there"}, "elsewhere": {503, "elsewhere"}, "echo": {403, "own credential"},
	} {
		got := c.Ask(t, "GET", "/k8s/prod/api/v1/namespaces/clinic/pods/"+name, "")
		if got.Status != want.code || !strings.Contains(got.Body, want.says) {
			t.Errorf("%s: %d %s", name, got.Status, got.Body)
		}
		if all := got.Body + fmt.Sprint(got.Header); strings.Contains(all, canary) || strings.Contains(all, "upstream-token") {
			t.Errorf("%s: a value is shown: %s %v", name, got.Body, got.Header)
		}
	}
}

// TestSlowBody: a body that does not come in time is not waited for, over HTTP/2 as well,
// and what comes in time is.
func TestSlowBody(t *testing.T) {
	t.Parallel()
	cluster, c := before(t, nil, strings.Replace(simple, "max_request", "timeout: 1s, max_request", 1))
	for _, whole := range []bool{false, true} {
		body, feed := io.Pipe()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "https://"+c.HTTPAddress()+"/k8s/prod/api/v1/namespaces/clinic/configmaps", body)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+c.Token)
		req.Header.Set("Content-Type", "application/json")
		fed := make(chan struct{})
		go func() {
			defer close(fed)
			_, _ = io.WriteString(feed, `{"kind":"ConfigMap",`) // the answer tells how it went
			if whole {
				_, _ = io.WriteString(feed, `"metadata":{"name":"a"}}`)
				_ = feed.Close()
			}
		}()
		res, err := c.HTTP.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(res.Body)
		_ = res.Body.Close()
		_ = body.Close()
		<-fed
		if got := res.StatusCode; err != nil || res.ProtoMajor != 2 || whole && got != http.StatusOK || !whole && got != http.StatusRequestTimeout {
			t.Errorf("whole %v: HTTP/%d %d %s %v", whole, res.ProtoMajor, got, b, err)
		}
		if sent := len(cluster.requests()) > 0; sent != whole {
			t.Errorf("whole %v: the cluster was asked: %v", whole, sent)
		}
	}
}
