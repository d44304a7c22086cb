// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package bigquery_test

import (
	"strings"
	"testing"

	"github.com/sallyport-dev/sallyport/internal/analyze/bigquery"
)

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
