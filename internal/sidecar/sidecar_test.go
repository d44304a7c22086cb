// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package sidecar_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/identity"
	"github.com/sallyport-dev/sallyport/internal/sidecar"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const account = "claims-etl@clinic.sallyport"

// gateway gives numbered tokens of 15 minutes, or an error.
type gateway struct {
	mu    sync.Mutex
	now   time.Time
	asked int
	err   error
	// looked counts questions about tokens; revoked is the one that is not good.
	looked  int
	revoked string
	lost    bool // such questions find no answer
}

func (g *gateway) Now() time.Time {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.now
}

func (g *gateway) fetch(context.Context) (sidecar.Token, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.asked++
	if g.err != nil {
		return sidecar.Token{}, g.err
	}
	return sidecar.Token{Text: fmt.Sprintf("spt_%d", g.asked), Life: 15 * time.Minute}, nil
}

func (g *gateway) active(_ context.Context, token string) (bool, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.looked++
	if g.lost {
		return false, sallyport.E(sallyport.Unavailable, "gateway", "the gateway cannot be reached")
	}
	return token != g.revoked, nil
}

// after moves the clock and says what the gateway answers from then on.
func (g *gateway) after(d time.Duration, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.now, g.err = g.now.Add(d), err
}

func (g *gateway) times() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.asked
}

// start serves a sidecar until the test ends and returns its URL.
func start(t *testing.T, project string, change ...func(*gateway, *sidecar.Options)) (*gateway, string) {
	t.Helper()
	g := &gateway{now: time.Unix(1_700_000_000, 0)}
	o := sidecar.Options{
		Target: identity.Target{Resource: "clinic", Role: "claims-etl"}, Issuer: "https://gw.example", Project: project, Fetch: g.fetch, Now: g.Now,
	}
	for _, f := range change {
		f(g, &o)
	}
	s := sidecar.New(o)
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	ln, err := sidecar.Listen(ctx, "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx, ln) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return g, "http://" + ln.Addr().String()
}

type answer struct {
	status int
	header http.Header
	body   string
}

func get(t *testing.T, url string, change ...func(*http.Request)) answer {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Metadata-Flavor", "Google")
	for _, f := range change {
		f(req)
	}
	res, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(res.Body)
	if err != nil || res.Body.Close() != nil {
		t.Fatal(err)
	}
	if res.Header.Get("Metadata-Flavor") != "Google" {
		t.Errorf("%s: the answer lacks the flavour", url)
	}
	return answer{res.StatusCode, res.Header, string(b)}
}

func TestPaths(t *testing.T) {
	t.Parallel()
	_, url := start(t, "clinic-project")
	for path, want := range map[string]string{
		"/":                                      "computeMetadata/\n",
		"/computeMetadata/v1":                    "instance/\nproject/\nuniverse/\n",
		"/computeMetadata/v1/instance/":          "service-accounts/\n",
		"/computeMetadata/v1/project":            "numeric-project-id\nproject-id\n",
		"/computeMetadata/v1/project/project-id": "clinic-project",
		"/computeMetadata/v1/project/numeric-project-id":                               "0",
		"/computeMetadata/v1/universe":                                                 "universe-domain\n",
		"/computeMetadata/v1/universe/universe-domain":                                 "googleapis.com",
		"/computeMetadata/v1/instance/service-accounts/":                               "default/\n" + account + "/\n",
		"/computeMetadata/v1/instance/service-accounts/default/email":                  account,
		"/computeMetadata/v1/instance/service-accounts/" + account + "/email":          account,
		"/computeMetadata/v1/instance/service-accounts/default/aliases":                "default\n",
		"/computeMetadata/v1/instance/service-accounts/default/scopes":                 "https://www.googleapis.com/auth/cloud-platform\n",
		"/computeMetadata/v1/instance/service-accounts/default/":                       "aliases\nemail\nidentity\nscopes\ntoken\n",
		"/computeMetadata/v1/instance/service-accounts/default/?recursive=true":        `{"aliases":["default"],"email":"` + account + `","scopes":["https://www.googleapis.com/auth/cloud-platform"]}` + "\n",
		"/computeMetadata/v1/instance/service-accounts/default/token":                  `{"access_token":"spt_1","expires_in":900,"token_type":"Bearer"}` + "\n",
		"/computeMetadata/v1/instance/service-accounts/default/token?scopes=a%2Cb":     `{"access_token":"spt_1","expires_in":900,"token_type":"Bearer"}` + "\n",
		"/computeMetadata/v1/instance/service-accounts/" + account + "/token?alt=json": `{"access_token":"spt_1","expires_in":900,"token_type":"Bearer"}` + "\n",
	} {
		if a := get(t, url+path); a.status != http.StatusOK || a.body != want {
			t.Errorf("%s: status %d: %q, want %q", path, a.status, a.body, want)
		}
	}
	for _, path := range []string{
		"/latest/meta-data", "/computeMetadata/v1beta1/instance/", "/computeMetadata/v1/instance/attributes/ssh-keys", "/computeMetadata/v1/instance/service-accountsx",
		"/computeMetadata/v1/instance/service-accounts/other/token", "/computeMetadata/v1/instance/service-accounts/default/key",
	} {
		if a := get(t, url+path); a.status != http.StatusNotFound {
			t.Errorf("%s: status %d", path, a.status)
		}
	}
	_, url = start(t, "")
	if a := get(t, url+"/computeMetadata/v1/project/project-id"); a.status != http.StatusNotFound {
		t.Errorf("without a project: status %d", a.status)
	}
}

func TestIdentity(t *testing.T) {
	t.Parallel()
	_, url := start(t, "")
	const path = "/computeMetadata/v1/instance/service-accounts/default/identity"
	a := get(t, url+path+"?audience=https://fn.example&format=full")
	if parts := strings.Split(a.body, "."); a.status != http.StatusOK || len(parts) != 3 || parts[2] != "spt_1" {
		t.Errorf("status %d: %q", a.status, a.body)
	}
	if a := get(t, url+path); a.status != http.StatusBadRequest {
		t.Errorf("without an audience: status %d", a.status)
	}
}

// TestRefused: what a web page or a proxy could send never gets a token.
func TestRefused(t *testing.T) {
	t.Parallel()
	g, url := start(t, "")
	token := url + "/computeMetadata/v1/instance/service-accounts/default/token"
	for name, tt := range map[string]struct {
		change func(*http.Request)
		status int
	}{
		"no flavour":    {func(r *http.Request) { r.Header.Del("Metadata-Flavor") }, 403},
		"flavour":       {func(r *http.Request) { r.Header.Set("Metadata-Flavor", "Amazon") }, 403},
		"forwarded":     {func(r *http.Request) { r.Header.Set("X-Forwarded-For", "10.0.0.1") }, 403},
		"rebound name":  {func(r *http.Request) { r.Host = "evil.example" }, 403},
		"google's name": {func(r *http.Request) { r.Host = "metadata.google.internal" }, 403},
		"looks local":   {func(r *http.Request) { r.Host = "127.0.0.1.evil.example:80" }, 403},
		"other address": {func(r *http.Request) { r.Host = "169.254.169.254" }, 403},
		"preflight":     {func(r *http.Request) { r.Method = http.MethodOptions }, 405},
		"post":          {func(r *http.Request) { r.Method = http.MethodPost }, 405},
		"watch":         {func(r *http.Request) { r.URL.RawQuery = "wait_for_change=true" }, 400},
	} {
		a := get(t, token, tt.change)
		if a.status != tt.status || strings.Contains(a.body, "spt_") || a.header.Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("%s: status %d: %q", name, a.status, a.body)
		}
	}
	if g.times() != 0 {
		t.Error("a refused request had a token fetched")
	}
	for _, host := range []string{"localhost", "localhost:80", "127.0.0.1", "127.8.8.8:1", "[::1]:80", "[::1]"} {
		if a := get(t, token, func(r *http.Request) { r.Host = host }); a.status != http.StatusOK {
			t.Errorf("%s: status %d: %s", host, a.status, a.body)
		}
	}
}

func TestListen(t *testing.T) {
	t.Parallel()
	for _, address := range []string{"0.0.0.0:0", ":0", "[::]:0", "192.0.2.1:0", "gw.example:0", "127.0.0.1"} {
		if ln, err := sidecar.Listen(t.Context(), address); sallyport.KindOf(err) != sallyport.Invalid {
			t.Errorf("%s: %v", address, err)
			if err == nil {
				_ = ln.Close()
			}
		}
	}
}

// TestRenewal: a token is kept to its last third, an outage does not end it, a
// refusal does and is repeated for a while.
func TestRenewal(t *testing.T) {
	t.Parallel()
	g, url := start(t, "")
	token := url + "/computeMetadata/v1/instance/service-accounts/default/token"
	down := sallyport.E(sallyport.Unavailable, "gateway", "the gateway cannot be reached").WithHint("is it running?")
	no := sallyport.E(sallyport.Denied, "gateway", "no policy permits it").WithHint("ask for another role")
	for i, step := range []struct {
		wait   time.Duration
		err    error
		status int
		text   string // of the token, or in the refusal
		left   float64
		asked  int
	}{
		{0, down, 503, "cannot be reached; is it running?", 0, 1},
		{0, nil, 200, "spt_2", 900, 2},
		{9 * time.Minute, nil, 200, "spt_2", 360, 2},
		{time.Minute, nil, 200, "spt_3", 900, 3},
		{11 * time.Minute, down, 200, "spt_3", 240, 4},
		{5 * time.Minute, down, 503, "cannot be reached", 0, 5},
		{0, nil, 200, "spt_6", 900, 6},
		{11 * time.Minute, no, 403, "no policy permits it; ask for another role", 0, 7},
		{4 * time.Second, nil, 403, "no policy permits it", 0, 7}, // not asked again at once
		{time.Second, down, 503, "cannot be reached", 0, 8},
		{0, nil, 200, "spt_9", 900, 9},
	} {
		g.after(step.wait, step.err)
		a := get(t, token)
		if a.status != step.status || !strings.Contains(a.body, step.text) || g.times() != step.asked {
			t.Fatalf("step %d: status %d: %s (asked %d times)", i, a.status, a.body, g.times())
		}
		var got map[string]any
		if a.status == http.StatusOK && (json.Unmarshal([]byte(a.body), &got) != nil || got["expires_in"] != step.left) {
			t.Errorf("step %d: %v", i, got)
		}
	}
}

// TestRevoked: a token that the gateway no longer takes is not handed out, and the
// gateway is asked now and then, not each time.
func TestRevoked(t *testing.T) {
	t.Parallel()
	g, url := start(t, "", func(g *gateway, o *sidecar.Options) { o.Active = g.active })
	token := url + "/computeMetadata/v1/instance/service-accounts/default/token"
	no := sallyport.E(sallyport.Held, "gateway", "a request waits for approval")
	down := sallyport.E(sallyport.Unavailable, "gateway", "the gateway cannot be reached")
	for i, step := range []struct {
		wait    time.Duration
		err     error
		revoked string
		lost    bool
		status  int
		text    string
		looked  int
	}{
		{0, nil, "", false, 200, "spt_1", 0},
		{4 * time.Second, nil, "spt_1", false, 200, "spt_1", 0},
		{time.Second, nil, "spt_1", false, 200, "spt_2", 1},
		{time.Minute, nil, "", false, 200, "spt_2", 2},
		{time.Minute, down, "spt_2", true, 200, "spt_2", 3},
		{time.Second, down, "spt_2", true, 200, "spt_2", 3},
		{time.Minute, no, "spt_2", false, 403, "waits for approval", 4},
		{time.Minute, nil, "", false, 200, "spt_4", 4},
		{11 * time.Minute, down, "spt_4", false, 503, "cannot be reached", 5}, // nothing is left to hand out
	} {
		g.after(step.wait, step.err)
		g.mu.Lock()
		g.revoked, g.lost = step.revoked, step.lost
		g.mu.Unlock()
		a := get(t, token)
		g.mu.Lock()
		looked := g.looked
		g.mu.Unlock()
		if a.status != step.status || !strings.Contains(a.body, step.text) || looked != step.looked {
			t.Fatalf("step %d: status %d: %s (looked %d times)", i, a.status, a.body, looked)
		}
	}
}

// TestOneFetch: many requests at once share one exchange.
func TestOneFetch(t *testing.T) {
	t.Parallel()
	g, url := start(t, "")
	var wg sync.WaitGroup
	bodies := make([]string, 16)
	for i := range bodies {
		wg.Go(func() { bodies[i] = get(t, url+"/computeMetadata/v1/instance/service-accounts/default/token").body })
	}
	wg.Wait()
	want := make([]string, len(bodies))
	for i := range want {
		want[i] = bodies[0]
	}
	if d := cmp.Diff(want, bodies); d != "" || g.times() != 1 {
		t.Errorf("asked %d times (-want +got):\n%s", g.times(), d)
	}
}
