// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package bigquery_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/analyze/bigquery"
)

// TestFailures are in Google's form, and end the repetitions of clients unless
// the caller lets them go on.
func TestFailures(t *testing.T) {
	t.Parallel()
	for k := sallyport.Internal; k <= sallyport.Integrity; k++ {
		for _, repeat := range []bool{false, true} {
			err := sallyport.E(k, "test", "it did not work").WithHint("do another thing").Because(errors.New("secret"))
			f := bigquery.Fail(err, repeat)
			var got struct {
				Error struct {
					Code    int
					Message string
					Status  string
					Errors  []struct{ Message, Domain, Reason string }
				}
			}
			if err := json.Unmarshal(f.Body, &got); err != nil {
				t.Fatal(err)
			}
			e := got.Error
			if e.Code != f.Status || e.Message != "it did not work (to do: do another thing)" || e.Status == "" || len(e.Errors) != 1 ||
				e.Errors[0].Domain != "global" || e.Errors[0].Message != e.Message || strings.Contains(string(f.Body), "secret") {
				t.Errorf("%s: %s", k, f.Body)
			}
			// What the Go client repeats until its context ends (bigquery v1.77).
			reason := e.Errors[0].Reason
			repeated := f.Status >= 500 || reason == "backendError" || reason == "internalError" || strings.HasSuffix(strings.ToLower(reason), "ratelimitexceeded")
			if repeated != (repeat && (k == sallyport.Unavailable || k == sallyport.Exhausted)) {
				t.Errorf("%s, repeat %v: %d %s", k, repeat, f.Status, reason)
			}
		}
	}
	want := map[sallyport.Kind]string{
		sallyport.Invalid: "invalid", sallyport.Unauthenticated: "authError", sallyport.Denied: "accessDenied", sallyport.Held: "accessDenied",
		sallyport.NotFound: "notFound", sallyport.Conflict: "duplicate", sallyport.Exhausted: "quotaExceeded", sallyport.Unavailable: "blocked", sallyport.Internal: "blocked",
	}
	for k, reason := range want {
		if f := bigquery.Fail(sallyport.E(k, "test", "x"), false); !strings.Contains(string(f.Body), `"reason":"`+reason+`"`) {
			t.Errorf("%s: %s", k, f.Body)
		}
	}
	if f := bigquery.Fail(errors.New("secret"), false); strings.Contains(string(f.Body), "secret") || f.Status != 403 {
		t.Errorf("%s", f.Body)
	}
}

// TestRewrite holds that what the gateway has no say in goes on as it came.
func TestRewrite(t *testing.T) {
	t.Parallel()
	a := analyser(t)
	c := analyse(t, a, query, `{`+selects+`,"formatOptions":{"useInt64Timestamp":true},"labels":{"team":"a","other":"b"},"maxResults":5,"kind":"bigquery#queryRequest",
		"queryParameters":[{"name":"x","parameterType":{"type":"ARRAY","arrayType":{"type":"INT64"}},"parameterValue":{"arrayValues":[{"value":"1"}]}}],"timeoutMs":"10","dryRun":null}`)
	f, err := c.Rewrite(bigquery.Own{})
	if err != nil || f.Method != "POST" || f.Path != p+"/queries" {
		t.Fatalf("%+v %v", f, err)
	}
	for _, part := range []string{
		`"formatOptions":{"useInt64Timestamp":true}`, `"labels":{"team":"a","other":"b"}`, `"maxResults":5`, `"timeoutMs":"10"`, `"dryRun":null`,
		`"arrayValues":[{"value":"1"}]`, `"useLegacySql":false`,
	} {
		if !strings.Contains(string(f.Body), part) {
			t.Errorf("%s lacks %s", f.Body, part)
		}
	}
	// The same call can be written twice, and fields that are the service's alone
	// are not sent.
	c = analyse(t, a, job, `{"id":"x","etag":"y","status":{"state":"DONE"},"configuration":{"jobType":"QUERY","labels":{"a":"b"},"query":{`+selects+`}}}`)
	one, err1 := c.Rewrite(bigquery.Own{Job: "sp_1"})
	two, err2 := c.Rewrite(bigquery.Own{Job: "sp_2", Location: "EU"})
	const want = `{"configuration":{"labels":{"a":"b"},"query":{"query":"SELECT ssn FROM clinic.patients","useLegacySql":false}},"jobReference":{"jobId":"sp_J","projectId":"clinic-test"}}`
	if err1 != nil || err2 != nil || string(one.Body) != strings.Replace(want, "sp_J", "sp_1", 1) || string(two.Body) != strings.Replace(want, "sp_J", "sp_2", 1) {
		t.Errorf("%s\n%s", one.Body, two.Body)
	}
	c = analyse(t, a, "GET "+p+"/queries/j?location=US&timeoutMs=5", "")
	if f, err := c.Rewrite(bigquery.Own{Job: "sp_j", Location: "EU"}); err != nil || f.Query != "alt=json&location=EU&prettyPrint=false&timeoutMs=5" || f.Path != p+"/queries/sp_j" {
		t.Errorf("%+v %v", f, err)
	}
	c = analyse(t, a, "PATCH "+p+"/datasets/clinic/tables/v", `{"view":{`+selects+`},"schema":null}`)
	if f, err := c.Rewrite(bigquery.Own{}); err != nil || string(f.Body) != `{"view":{`+selects+`}}` || f.Method != "PATCH" {
		t.Errorf("%+v %v", f, err)
	}
}
