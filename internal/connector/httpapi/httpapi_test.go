// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package httpapi_test

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/sallyport-dev/sallyport/test/gatewaytest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const canary = "219-09-9999"

const policy = `
@id("connect") permit(principal in Role::"records", action == Action::"connect", resource == Resource::"records");
@id("read") permit(principal in Role::"records", action == Action::"read", resource in Path::"records/patients");
@id("notes") permit(principal in Role::"records", action == Action::"read", resource in Path::"records/notes");
@id("scanned") permit(principal in Role::"records", action == Action::"readScanned", resource in Path::"records/notes");
@id("raw") permit(principal in Role::"records", action == Action::"readRaw", resource in Path::"records/public");
@id("public") permit(principal in Role::"records", action == Action::"read", resource in Path::"records/public");
@id("search") permit(principal in Role::"records", action == Action::"read", resource == Path::"records/search");
@id("write") permit(principal in Role::"records", action in [Action::"write", Action::"delete", Action::"execute"], resource in Path::"records/patients");
@id("ask-first") @hold("group:privacy-officers") @expires("15m")
forbid(principal, action == Action::"delete", resource) unless { context has approval };
`

const resource = `  - name: records
    type: http
    credential: {password: "file:api.token"}
    http:
      url: %s/base
      auth: {mode: bearer}
      headers: [X-Tenant]
      max_request: 64KiB
      labels: [phi]
      routes:
        - path: /patients
        - path: /payroll
        - {path: "/patients/{mrn}", operations: [{method: GET}, {method: PUT}, {method: DELETE}]}
        - path: /notes/{id}
        - path: /public/{rest...}
        - {path: /search, operations: [{method: POST, effect: read, name: search}]}
`

// api is a target that answers with synthetic patients and remembers what it was
// asked.
type api struct {
	*httptest.Server
	mu    sync.Mutex
	asked []*http.Request
	body  []string
	hold  chan struct{} // not nil: answers of events wait for it between two events
	// slow ends the answers that end by nothing else, and slowly counts them.
	slow   chan struct{}
	slowly atomic.Int64
}

func newAPI(t *testing.T) *api {
	t.Helper()
	a := &api{}
	a.Server = httptest.NewServer(a)
	t.Cleanup(a.Close)
	return a
}

func (a *api) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	b, _ := io.ReadAll(r.Body)
	a.mu.Lock()
	a.asked = append(a.asked, r)
	a.body = append(a.body, string(b))
	a.mu.Unlock()
	patient := `{"mrn":"MRN0012345","name":"Otto Quill","ssn":"` + canary + `","active":true}`
	h := w.Header()
	h.Set("Set-Cookie", "session=upstream")
	h.Set("X-Patient", canary)
	h.Set("ETag", `"`+canary+`"`)
	switch r.URL.Path {
	case "/base/patients/1", "/base/notes/json", "/base/public/patients/1", "/base/search":
		h.Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, patient)
	case "/base/public/echo", "/base/notes/echo":
		h.Set("Content-Type", "text/plain")
		_, _ = fmt.Fprintf(w, "%s you sent %v", strings.Repeat("x", 100<<10), r.Header)
	case "/base/patients/gzip":
		h.Set("Content-Type", "application/json")
		h.Set("Content-Encoding", "gzip")
		z := gzip.NewWriter(w)
		_, _ = io.WriteString(z, patient)
		_ = z.Close()
	case "/base/patients/image":
		h.Set("Content-Type", "image/png")
		_, _ = io.WriteString(w, "\x89PNG"+canary)
	case "/base/patients/text":
		h.Set("Content-Type", "text/plain")
		_, _ = io.WriteString(w, "SSN "+canary)
	case "/base/notes/1":
		h.Set("Content-Type", "text/plain")
		_, _ = io.WriteString(w, "The patient's SSN is "+canary+", call back on Monday.")
	case "/base/patients/events", "/base/notes/events":
		h.Set("Content-Type", "text/event-stream")
		for i := range 2 {
			_, _ = fmt.Fprintf(w, "event: patient\nid: %s\ndata: {\"n\":%d,\"ssn\":\"%s\"}\n\n", canary, i, canary)
			_ = http.NewResponseController(w).Flush()
			if a.hold != nil && i == 0 {
				<-a.hold
			}
		}
	case "/base/patients/slow":
		slowly(r, &a.slowly, a.slow)
	case "/base/patients/huge":
		huge(w)
	case "/base/patients/elsewhere":
		http.Redirect(w, r, "https://elsewhere.example/"+canary, http.StatusFound)
	case "/base/patients/cut":
		h.Set("Content-Type", "application/json")
		h.Set("Content-Length", "1000")
		_, _ = io.WriteString(w, patient)
	case "/base/patients/broken":
		h.Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusInternalServerError)
		_, _ = io.WriteString(w, `{"error":"no record for `+canary+`","code":17}`)
	default:
		h.Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusCreated)
		_, _ = io.WriteString(w, `{"ok":true}`)
	}
}

func (a *api) last() (*http.Request, string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.asked) == 0 {
		return nil, ""
	}
	return a.asked[len(a.asked)-1], a.body[len(a.body)-1]
}

func (a *api) count() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.asked)
}

// caller speaks to the gateway as a CI job.
type caller struct {
	t     *testing.T
	g     *gatewaytest.Gateway
	token string
	http  *http.Client
}

func start(t *testing.T) (*api, *caller) {
	t.Helper()
	a := newAPI(t)
	g := gatewaytest.Start(t, gatewaytest.Policy(policy), gatewaytest.File("api.token", "upstream-token"),
		gatewaytest.Resource("records", "records", fmt.Sprintf(resource, a.URL)))
	return a, newCaller(t, g)
}

func newCaller(t *testing.T, g *gatewaytest.Gateway) *caller {
	t.Helper()
	return &caller{t: t, g: g, token: g.CIToken(t), http: g.HTTPClient(t)}
}

type answer struct {
	status int
	header http.Header
	body   string
	err    error
}

func (c *caller) ask(method, path, body string, set ...func(*http.Request)) answer {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), 30*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, "https://"+c.g.HTTPAddress()+"/r/records/records"+path, strings.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+c.token)
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	for _, f := range set {
		f(req)
	}
	res, err := c.http.Do(req)
	if err != nil {
		return answer{err: err}
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	return answer{res.StatusCode, res.Header, string(b), err}
}

// TestAnswersAreMasked asks for what policy lets be read, in every kind.
func TestAnswersAreMasked(t *testing.T) {
	t.Parallel()
	a, c := start(t)
	for _, x := range []struct {
		path   string
		status int
		words  []string
	}{
		{"/patients/1", 200, []string{`"active":`}},
		{"/patients/1?expand=all&mrn=MRN0012345", 200, []string{`"active":`}},
		{"/patients/gzip", 200, []string{`"active":`}},
		{"/notes/json", 200, []string{`"active":true`}},
		{"/patients/image", 403, []string{"cannot be masked"}},
		{"/patients/text", 403, []string{"free text"}},
		{"/notes/1", 200, []string{"call back on Monday", "The patient's SSN is"}},
		{"/patients/events", 200, []string{"event: patient", `"n":`}},
		{"/patients/broken", 500, []string{`"code":`}},
		{"/patients/elsewhere", 403, []string{"free text"}},
	} {
		got := c.ask("GET", x.path, "")
		if got.status != x.status || got.err != nil {
			t.Errorf("%s: %d %v %s", x.path, got.status, got.err, got.body)
		}
		for _, w := range x.words {
			if !strings.Contains(got.body, w) {
				t.Errorf("%s: no %q in %s", x.path, w, got.body)
			}
		}
		if strings.HasPrefix(x.path, "/patients") && strings.Contains(got.body, "true") {
			t.Errorf("%s shows what nobody labelled: %s", x.path, got.body)
		}
		if head := fmt.Sprint(got.header); strings.Contains(got.body+head, canary) || strings.Contains(head, "upstream") || strings.Contains(head, "elsewhere") {
			t.Errorf("%s leaks: %v %s", x.path, got.header, got.body)
		}
		if r, _ := a.last(); r.Header.Get("Authorization") != "Bearer upstream-token" || strings.Contains(fmt.Sprint(r.Header), c.token) {
			t.Errorf("%s: the target was sent %v", x.path, r.Header)
		}
	}
	if got := c.ask("GET", "/public/patients/1", ""); !strings.Contains(got.body, canary) {
		t.Errorf("what may be read raw is masked: %s", got.body)
	}
	for _, path := range []string{"/public/echo", "/notes/echo"} {
		if got := c.ask("GET", path, ""); strings.Contains(got.body, "upstream-token") || got.err == nil && got.status == http.StatusOK {
			t.Errorf("%s shows the gateway's credential, or looks whole: %d %v", path, got.status, got.err)
		}
	}
	if got := c.ask("POST", "/search", `{"ssn":"`+canary+`"}`); got.status != 200 || strings.Contains(got.body, canary) {
		t.Errorf("a search: %d %s", got.status, got.body)
	}
	if got := c.ask("GET", "/patients/cut", ""); got.err == nil && got.status == 200 {
		t.Errorf("half an answer looks whole: %d %s", got.status, got.body)
	}
	for name, b := range c.g.Traces(t) {
		if bytes.Contains(b, []byte(canary)) || bytes.Contains(b, []byte("MRN0012345")) || bytes.Contains(b, []byte(c.token)) {
			t.Errorf("%s holds a value or the token", name)
		}
	}
}

// TestEventsLeaveAsTheyCome wants the first of two events before the second
// exists.
func TestEventsLeaveAsTheyCome(t *testing.T) {
	t.Parallel()
	a, c := start(t)
	a.hold = make(chan struct{})
	req, err := http.NewRequestWithContext(t.Context(), "GET", "https://"+c.g.HTTPAddress()+"/r/records/records/notes/events", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+c.token)
	res, err := c.http.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	lines := bufio.NewScanner(res.Body)
	seen := 0
	for lines.Scan() {
		if strings.Contains(lines.Text(), canary) {
			t.Errorf("a line holds the value: %s", lines.Text())
		}
		if strings.HasPrefix(lines.Text(), "data:") {
			if seen++; seen == 1 {
				close(a.hold)
			}
		}
	}
	if seen != 2 {
		t.Errorf("%d events", seen)
	}
}

// TestNotForwarded sends what must not reach the target.
func TestNotForwarded(t *testing.T) {
	t.Parallel()
	a, c := start(t)
	set := func(name, value string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set(name, value) }
	}
	opaque := func(path string) func(*http.Request) {
		return func(r *http.Request) { r.URL.Opaque = "//" + r.URL.Host + path }
	}
	for what, got := range map[string]answer{
		"another route":        c.ask("GET", "/admin", ""),
		"another method":       c.ask("POST", "/patients/1", "{}"),
		"an override":          c.ask("GET", "/patients/1", "", set("X-HTTP-Method-Override", "DELETE")),
		"a token in the query": c.ask("GET", "/patients/1?access_token=x", ""),
		"a dot segment":        c.ask("GET", "", "", opaque("/r/records/records/public/../patients/1")),
		"an encoded slash":     c.ask("GET", "", "", opaque("/r/records/records/patients%2F1")),
		"an encoded dot":       c.ask("GET", "", "", opaque("/r/records/records/public/%2e%2e/patients")),
		"a double slash":       c.ask("GET", "", "", opaque("/r/records/records//patients/1")),
		"a packed body":        c.ask("PUT", "/patients/1", "x", set("Content-Encoding", "gzip")),
		"a large body":         c.ask("PUT", "/patients/1", strings.Repeat("x", 65<<10)),
		"a websocket":          c.ask("GET", "/patients/1", "", set("Upgrade", "websocket"), set("Connection", "Upgrade")),
		"no token":             c.ask("GET", "/patients/1", "", func(r *http.Request) { r.Header.Del("Authorization") }),
		"a wrong token":        c.ask("GET", "/patients/1", "", set("Authorization", "Bearer x.y.z")),
		"another resource":     c.ask("GET", "", "", opaque("/r/clinic/claims-etl/patients/1")),
	} {
		if what == "a websocket" && got.err != nil {
			continue // HTTP/2 has no such header
		}
		if got.status < 400 || got.status > 499 || !strings.Contains(got.body, `"detail"`) {
			t.Errorf("%s: %d %v %s", what, got.status, got.err, got.body)
		}
	}
	if n := a.count(); n != 0 {
		r, _ := a.last()
		t.Errorf("the target was asked %d times, at last %s %s", n, r.Method, r.URL)
	}
	c.ask("GET", "/patients/1", "", set("X-Tenant", "7"), set("Cookie", "a=b"), set("X-Forwarded-For", "192.0.2.1"), set("X-Secret", "s"))
	if r, _ := a.last(); r.Header.Get("X-Tenant") != "7" || r.Header.Get("Cookie")+r.Header.Get("X-Forwarded-For")+r.Header.Get("X-Secret") != "" {
		t.Errorf("headers: %v", r.Header)
	}
}

// TestHeld has a human decide about a request.
func TestHeld(t *testing.T) {
	t.Parallel()
	a, c := start(t)
	got := make(chan answer, 1)
	go func() { got <- c.ask("DELETE", "/patients/1", "") }()
	c.g.Decide(t, c.http, "DELETE /patients/{mrn}", "approve")
	if x := <-got; x.status != http.StatusOK && x.status != http.StatusCreated {
		t.Errorf("approved: %d %v %s", x.status, x.err, x.body)
	}
	go func() { got <- c.ask("DELETE", "/patients/2", "") }()
	c.g.Decide(t, c.http, "DELETE /patients/{mrn}", "deny")
	if x := <-got; x.status != http.StatusForbidden || !strings.Contains(x.body, "denied") {
		t.Errorf("denied: %d %v %s", x.status, x.err, x.body)
	}
	if n := a.count(); n != 1 {
		t.Errorf("the target was asked %d times", n)
	}
}

// TestSessions has a gateway token choose the resource, and ends its session.
func TestSessions(t *testing.T) {
	t.Parallel()
	a, c := start(t)
	token := c.g.Exchange(t, c.http, "records", "records")
	bare := func() answer {
		return c.ask("GET", "", "", func(r *http.Request) {
			r.URL.Path = "/patients/1"
			r.Header.Set("Authorization", "Bearer "+token)
		})
	}
	for range 3 {
		if got := bare(); got.status != 200 || strings.Contains(got.body, canary) {
			t.Fatalf("%d %v %s", got.status, got.err, got.body)
		}
	}
	if got := c.ask("GET", "", "", func(r *http.Request) { r.URL.Path = "/patients/1" }); got.status != http.StatusForbidden && got.status != http.StatusNotFound {
		t.Errorf("a token that is bound to no resource, without the names of one: %d %s", got.status, got.body)
	}
	if got := c.ask("GET", "/patients/1", "", func(r *http.Request) {
		r.URL.Path = "/r/clinic/claims-etl/patients/1"
		r.Header.Set("Authorization", "Bearer "+token)
	}); got.status < 400 {
		t.Errorf("a token of another resource: %d", got.status)
	}
	before := a.count()
	var out struct {
		Sessions []struct {
			ID         string `json:"id"`
			Resource   string `json:"resource"`
			Statements uint64 `json:"statements"`
		} `json:"sessions"`
	}
	c.g.Call(t, c.http, "auditors", "GET", "/v1/sessions", nil, &out)
	if len(out.Sessions) != 1 || out.Sessions[0].Resource != "records" {
		t.Fatalf("three requests with one token are %+v", out.Sessions)
	}
	form := "token=" + token
	res, err := c.http.Post("https://"+c.g.APIAddress()+"/v1/token/revoke", "application/x-www-form-urlencoded", strings.NewReader(form))
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	if got := bare(); got.status != http.StatusUnauthorized || got.header.Get("WWW-Authenticate") == "" || a.count() != before {
		t.Errorf("a token that was given back: %d %s, %d requests", got.status, got.body, a.count()-before)
	}
}
