// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package googleapi_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/wire/googleapi"
)

// TestFailures are in Google's form, and end the repetitions of clients unless
// the caller lets them go on.
func TestFailures(t *testing.T) {
	t.Parallel()
	for k := sallyport.Internal; k <= sallyport.Integrity; k++ {
		for _, repeat := range []bool{false, true} {
			err := sallyport.E(k, "test", "it did not work").WithHint("do another thing").Because(errors.New("secret"))
			f := googleapi.Fail(err, repeat)
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
		if f := googleapi.Fail(sallyport.E(k, "test", "x"), false); !strings.Contains(string(f.Body), `"reason":"`+reason+`"`) {
			t.Errorf("%s: %s", k, f.Body)
		}
	}
	if f := googleapi.Fail(errors.New("secret"), false); strings.Contains(string(f.Body), "secret") || f.Status != 403 {
		t.Errorf("%s", f.Body)
	}
}
