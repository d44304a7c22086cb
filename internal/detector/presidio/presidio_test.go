// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package presidio_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/detector"
	"github.com/sallyport-dev/sallyport/internal/detector/presidio"
	"github.com/sallyport-dev/sallyport/internal/mask/scan"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func fixed() time.Time { return time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC) }

var types = []struct{ name, pattern string }{
	{"PERSON", `Zed[\p{L}\p{M}]*( Qu[\p{L}\p{M}]*)?`},
	{"US_SSN", `9\d\d-\d\d-\d{4}`},
	{"HOUSE_RULE", `#\w+`},
}

// analyze is a server that speaks the analyzer's API: a list of texts in, a list
// of findings for each out, counted in code points.
func analyze(t *testing.T) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var in map[string]json.RawMessage
		if err := json.NewDecoder(r.Body).Decode(&in); err != nil || r.Method != http.MethodPost || r.URL.Path != "/analyze" {
			t.Errorf("%s %s: %v", r.Method, r.URL, err)
		}
		want := map[string]string{"language": `"en"`, "score_threshold": "0.35", "entities": `["PERSON","US_SSN","HOUSE_RULE"]`}
		for k, v := range want {
			if string(in[k]) != v {
				t.Errorf("%s is %s, want %s", k, in[k], v)
			}
		}
		var texts []string
		if err := json.Unmarshal(in["text"], &texts); err != nil {
			t.Error(err)
		}
		out := make([][]map[string]any, len(texts))
		for i, text := range texts {
			out[i] = []map[string]any{}
			for _, ty := range types {
				for _, m := range regexp.MustCompile(ty.pattern).FindAllStringIndex(text, -1) {
					out[i] = append(out[i], map[string]any{
						"analysis_explanation": nil, "entity_type": ty.name, "score": 0.85,
						"start": utf8.RuneCountInString(text[:m[0]]), "end": utf8.RuneCountInString(text[:m[1]]),
					})
				}
			}
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(out)
	}
}

func newDetector(t testing.TB, client *http.Client, url string) *presidio.Detector {
	t.Helper()
	d, err := presidio.New(presidio.Config{
		Config: detector.Config{Client: client, Now: fixed, ValueTimeout: time.Minute, BatchTimeout: time.Minute},
		URL:    url, Threshold: 0.35, Entities: []string{"PERSON", "US_SSN", "HOUSE_RULE"},
	})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// found writes findings as "ENTITY:text".
func found(texts [][]byte, spans [][]scan.Span) [][]string {
	out := make([][]string, len(spans))
	for i, list := range spans {
		for _, s := range list {
			out[i] = append(out[i], fmt.Sprintf("%s:%s", s.Entity, texts[i][s.Start:s.End]))
		}
	}
	return out
}

func TestDetect(t *testing.T) {
	t.Parallel()
	srv := httptest.NewServer(analyze(t))
	defer srv.Close()
	texts := [][]byte{
		[]byte("Zedora Quill, 900-12-3456, #room7"),
		[]byte("nothing here"),
		nil,
		[]byte("😀😀 Zedora 👩\u200d⚕️ Zede\u0301a Quo\u0308n 900-12-3456 <&> \u2028"),
	}
	got, err := newDetector(t, srv.Client(), srv.URL).Detect(t.Context(), texts)
	if err != nil {
		t.Fatal(err)
	}
	want := [][]string{
		{"NAME:Zedora Quill", "SSN:900-12-3456", "ID:#room7"},
		nil,
		nil,
		{"NAME:Zedora", "NAME:Zede\u0301a Quo\u0308n", "SSN:900-12-3456"},
	}
	if diff := cmp.Diff(want, found(texts, got)); diff != "" {
		t.Error(diff)
	}
}

func TestWrongAnswers(t *testing.T) {
	t.Parallel()
	const text = "Zedora 😀"
	for name, body := range map[string]string{
		"one list for two texts": `[[]]`,
		"three for two":          `[[],[],[]]`,
		"not in lists":           `[{"entity_type":"PERSON","start":0,"end":6,"score":1}]`,
		"null list":              `[[],null]`,
		"null":                   `null`,
		"an error":               `{"error":"Zedora"}`,
		"behind the end":         `[[{"entity_type":"PERSON","start":0,"end":9,"score":1}],[]]`,
		"offsets of bytes":       `[[{"entity_type":"PERSON","start":7,"end":11,"score":1}],[]]`,
		"negative":               `[[{"entity_type":"PERSON","start":-1,"end":6,"score":1}],[]]`,
		"empty":                  `[[{"entity_type":"PERSON","start":6,"end":6,"score":1}],[]]`,
		"no start":               `[[{"entity_type":"PERSON","end":6,"score":1}],[]]`,
		"no end":                 `[[{"entity_type":"PERSON","start":0,"score":1}],[]]`,
		"no type":                `[[{"start":0,"end":6,"score":1}],[]]`,
		"no score":               `[[{"entity_type":"PERSON","start":0,"end":6}],[]]`,
		"half a number":          `[[{"entity_type":"PERSON","start":0.5,"end":6,"score":1}],[]]`,
		"a string":               `[[{"entity_type":"PERSON","start":"0","end":6,"score":1}],[]]`,
		"breaks off":             `[[{"entity_type":"PERSON","start":0,"en`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", "application/json")
				_, _ = io.WriteString(w, body)
			}))
			defer srv.Close()
			got, err := newDetector(t, srv.Client(), srv.URL).Detect(t.Context(), [][]byte{[]byte(text), []byte("b")})
			if err == nil {
				t.Fatalf("got %v", got)
			}
			if strings.Contains(err.Error(), "Zedora") {
				t.Errorf("the error holds data: %v", err)
			}
		})
	}
}

func TestSlowService(t *testing.T) {
	t.Parallel()
	srv := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		<-r.Context().Done()
	}))
	defer srv.Close()
	d, err := presidio.New(presidio.Config{
		Config: detector.Config{Client: srv.Client(), Now: fixed, ValueTimeout: 10 * time.Millisecond}, URL: srv.URL,
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.Detect(t.Context(), [][]byte{[]byte("a")}); !errors.Is(err, context.DeadlineExceeded) || sallyport.KindOf(err) != sallyport.Unavailable {
		t.Errorf("got %v", err)
	}
}

func TestConfig(t *testing.T) {
	t.Parallel()
	ok := presidio.Config{Config: detector.Config{Client: http.DefaultClient, Now: fixed}, URL: "https://phi.example.org"}
	d, err := presidio.New(ok)
	if err != nil || d.Name() != "presidio" || d.Version() != "unknown" {
		t.Errorf("got %v, %v", d, err)
	}
	for name, change := range map[string]func(*presidio.Config){
		"threshold": func(c *presidio.Config) { c.Threshold = 1.5 },
		"http":      func(c *presidio.Config) { c.URL = "http://phi.example.org" },
		"clock":     func(c *presidio.Config) { c.Now = nil },
		"client":    func(c *presidio.Config) { c.Client = nil },
	} {
		c := ok
		change(&c)
		if _, err := presidio.New(c); sallyport.KindOf(err) != sallyport.Invalid {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

type answer string

func (a answer) RoundTrip(*http.Request) (*http.Response, error) {
	return &http.Response{
		StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(strings.NewReader(string(a))),
	}, nil
}

// FuzzAnswer takes whatever a service may answer: an error, or findings that can
// be cut out of the text.
func FuzzAnswer(f *testing.F) {
	f.Add("Zedora 😀", `[[{"entity_type":"PERSON","start":0,"end":6,"score":0.85}]]`)
	f.Add("é", `[[{"entity_type":"X","start":0,"end":1,"score":1},{"entity_type":"X","start":0,"end":1,"score":1}]]`)
	f.Fuzz(func(t *testing.T, text, body string) {
		got, err := newDetector(t, &http.Client{Transport: answer(body)}, "https://phi.example.org").Detect(t.Context(), [][]byte{[]byte(text)})
		if err != nil {
			return
		}
		if len(got) != 1 || !slices.IsSortedFunc(got[0], func(a, b scan.Span) int { return a.End - b.Start - 1 }) {
			t.Fatalf("findings out of order: %v", got)
		}
		for _, s := range got[0] {
			if !utf8.ValidString(text[s.Start:s.End]) || s.Start == s.End {
				t.Fatalf("finding %v cuts a character", s)
			}
		}
	})
}
