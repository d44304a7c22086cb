// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package detector_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/detector"
)

func TestEndpointURL(t *testing.T) {
	t.Parallel()
	for url, ok := range map[string]bool{
		"https://phi.example.org":         true,
		"https://phi.example.org:8443/x":  true,
		"http://127.0.0.1:3000":           true,
		"http://[::1]:3000":               true,
		"http://localhost:3000":           true,
		"http://phi.example.org":          false,
		"http://10.0.0.1":                 false,
		"http://127.0.0.1.example.org":    false,
		"https://name:pw@phi.example.org": false,
		"https://phi.example.org?x=1":     false,
		"ftp://phi.example.org":           false,
		"phi.example.org":                 false,
		"":                                false,
	} {
		_, err := detector.NewEndpoint(http.DefaultClient, url, "analyze")
		if (err == nil) != ok || err != nil && sallyport.KindOf(err) != sallyport.Invalid {
			t.Errorf("%q: got %v", url, err)
		}
	}
	if _, err := detector.NewEndpoint(nil, "https://phi.example.org"); err == nil {
		t.Error("an endpoint without a client")
	}
}

// TestPostTakesWholeAnswersOnly also looks for what was sent and received in the
// errors.
func TestPostTakesWholeAnswersOnly(t *testing.T) {
	t.Parallel()
	const sent, received = "ZZSENTZZ", "ZZRECEIVEDZZ"
	ok := func(body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json; charset=utf-8")
			_, _ = io.WriteString(w, body)
		}
	}
	status := func(code int) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.Header().Set("Location", "/elsewhere")
			w.WriteHeader(code)
			_, _ = io.WriteString(w, `{"a":"`+received+`"}`)
		}
	}
	for name, tt := range map[string]struct {
		handler http.HandlerFunc
		fine    bool
	}{
		"fine":        {ok(`{"a":"b"}`), true},
		"300":         {status(300), false},
		"302":         {status(302), false},
		"307":         {status(307), false},
		"204":         {status(204), false},
		"400":         {status(400), false},
		"500":         {status(500), false},
		"breaks off":  {ok(`{"a":"` + received), false},
		"two answers": {ok(`{"a":"b"}{"a":"` + received + `"}`), false},
		"other shape": {ok(`{"a":[1,"` + received + `"]}`), false},
		"empty":       {ok(""), false},
		"huge":        {ok(`{"a":"` + strings.Repeat(received, 1<<20) + `"}`), false},
		"not JSON":    {func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, received) }, false},
		"wrong length": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.Header().Set("Content-Length", "100")
			_, _ = io.WriteString(w, `{"a":"b"}`)
		}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			requests := 0
			srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				requests++
				if b, _ := io.ReadAll(r.Body); r.Method != http.MethodPost || r.URL.Path != "/base/analyze" || r.Header.Get("Authorization") != "Bearer t" || !strings.Contains(string(b), sent) {
					t.Errorf("%s %s with %q", r.Method, r.URL, b)
				}
				tt.handler(w, r)
			}))
			defer srv.Close()
			e, err := detector.NewEndpoint(srv.Client(), srv.URL+"/base/", "analyze")
			if err != nil {
				t.Fatal(err)
			}
			var out struct{ A string }
			err = e.Post(t.Context(), "t", map[string]string{"text": sent}, &out)
			if (err == nil) != tt.fine {
				t.Fatalf("got %v", err)
			}
			if requests != 1 {
				t.Errorf("%d requests", requests)
			}
			if err != nil && (strings.Contains(err.Error(), sent) || strings.Contains(err.Error(), received)) {
				t.Errorf("the error holds data: %v", err)
			}
		})
	}
}
