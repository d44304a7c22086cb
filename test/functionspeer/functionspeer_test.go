// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package functionspeer_test

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/sallyport-dev/sallyport/test/functionspeer"
)

type answer struct {
	status      int
	contentType string
	location    string
	body        string
	err         error // of reading the body
}

func ask(t *testing.T, s *functionspeer.Server, method, path, token, body string) answer {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, s.URL+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	client := &http.Client{
		Transport:     &http.Transport{DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(resp.Body)
	_ = resp.Body.Close()
	return answer{resp.StatusCode, resp.Header.Get("Content-Type"), resp.Header.Get("Location"), string(text), err}
}

func TestFunctions(t *testing.T) {
	t.Parallel()
	s := functionspeer.Start(t)
	for _, one := range []struct {
		method, path, body string
		status             int
		contentType        string
		contains           []string
	}{
		{"GET", "/patient/1001", "", 200, "application/json; charset=utf-8", []string{`{"mrn":1001,"name":"Ada Example","ssn":"219-09-9991",`}},
		{"GET", "/patient?id=1002", "", 200, "application/json; charset=utf-8", []string{`"Bo Sample"`}},
		{"GET", "/patient/7", "", 404, "application/json; charset=utf-8", []string{`no patient 7`}},
		{"GET", "/fhir/Patient/1001", "", 200, "application/fhir+json; charset=utf-8", []string{`{"resourceType":"Patient","id":"1001","birthDate":"1961-04-02","name":[{"use":"official","family":"Example","given":["Ada"]}]`}},
		{"GET", "/fhir/Patient", "", 200, "application/fhir+json; charset=utf-8", []string{`{"resourceType":"Bundle"`, `"219-09-9992"`}},
		{"GET", "/fhir/Patient/7", "", 404, "application/fhir+json; charset=utf-8", []string{`"OperationOutcome"`}},
		{"POST", "/fhir/Patient", `{"resourceType":"Patient","id":"7"}`, 201, "application/fhir+json; charset=utf-8", []string{`{"resourceType":"Patient","id":"7"}`}},
		{"GET", "/text", "", 200, "text/plain; charset=utf-8", []string{"Called Ada Example at 212-555-0143 about the refill.\nSSN 219-09-9992"}},
		{"GET", "/events?n=2", "", 200, "text/event-stream", []string{"id: 1\nevent: result\ndata: {\"mrn\":1001,", "id: 2\n"}},
		{"GET", "/fail", "", 500, "text/html; charset=utf-8", []string{"no insurance of Ada Example, SSN 219-09-9991"}},
		{"GET", "/fail/json", "", 422, "application/json; charset=utf-8", []string{"219-09-9991", "212-555-0143"}},
		{"GET", "/nothing", "", 404, "text/html; charset=UTF-8", nil},
	} {
		got := ask(t, s, one.method, one.path, s.Token, one.body)
		if got.err != nil || got.status != one.status || got.contentType != one.contentType {
			t.Errorf("%s %s: %+v", one.method, one.path, got)
		}
		for _, text := range one.contains {
			if !strings.Contains(got.body, text) {
				t.Errorf("%s %s: %q is not in %q", one.method, one.path, text, got.body)
			}
		}
	}
	if got := ask(t, s, "GET", "/text?lines=20001", s.Token, ""); strings.Count(got.body, "\n") != 20001 {
		t.Errorf("a long text has %d lines", strings.Count(got.body, "\n"))
	}
	if got := ask(t, s, "GET", "/redirect?to=http://elsewhere.example/x", s.Token, ""); got.status != 302 || got.location != "http://elsewhere.example/x" {
		t.Errorf("redirect: %+v", got)
	}
	if got := ask(t, s, "GET", "/fail/cut", s.Token, ""); got.err == nil || got.body != `{"name":"Ada Exam` {
		t.Errorf("half an answer: %+v", got)
	}
}

// What arrives can be told from outside, by the function and by the log.
func TestRequests(t *testing.T) {
	t.Parallel()
	s := functionspeer.Start(t)
	s.Accept("another")
	got := ask(t, s, "POST", "/echo/a?b=c", "another", `{"ssn":"219-09-9991"}`)
	var echo struct {
		Method, Path, Body string
		Headers            map[string]string
	}
	if err := json.Unmarshal([]byte(got.body), &echo); err != nil {
		t.Fatalf("%v: %s", err, got.body)
	}
	if echo.Method != "POST" || echo.Path != "/a?b=c" || echo.Body != `{"ssn":"219-09-9991"}` || echo.Headers["authorization"] != "Bearer another" {
		t.Errorf("echo: %+v", echo)
	}
	for token, want := range map[string]string{"": functionspeer.TokenNone, "a-stranger's": functionspeer.TokenOther} {
		if got := ask(t, s, "GET", "/patient/1001", token, ""); got.status != http.StatusUnauthorized || strings.Contains(got.body, "Ada") {
			t.Errorf("token %q: %+v", token, got)
		}
		requests := s.Requests()
		if last := requests[len(requests)-1]; last.Token != want || last.Path != "/patient/1001" || last.Status != http.StatusUnauthorized {
			t.Errorf("token %q: %+v", token, last)
		}
	}
	requests := s.Requests()
	if first := requests[0]; first.Path != "/echo/a?b=c" || first.Token != functionspeer.TokenExpected || first.Body != `{"ssn":"219-09-9991"}` || first.Status != http.StatusOK {
		t.Errorf("the log has %+v", first)
	}
	if !s.Saw("219-09-9991") || !s.Saw("a-stranger's") || s.Saw("nowhere") {
		t.Error("Saw does not see")
	}
	s.Forget()
	if r := s.Requests(); len(r) != 0 || s.Saw("another") {
		t.Errorf("the log keeps what was forgotten: %+v", r)
	}
}
