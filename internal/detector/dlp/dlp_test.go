// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package dlp_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/detector"
	"github.com/sallyport-dev/sallyport/internal/detector/dlp"
	"github.com/sallyport-dev/sallyport/internal/mask/scan"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func fixed() time.Time { return time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC) }

func token(context.Context) (string, error) { return "synthetic-token", nil }

func config(client *http.Client, url string) dlp.Config {
	return dlp.Config{
		Config: detector.Config{Client: client, Now: fixed, ValueTimeout: time.Minute, BatchTimeout: time.Minute},
		URL:    url, Project: "ward-7", Location: "us-east1", InfoTypes: []string{"PERSON_NAME", "US_SOCIAL_SECURITY_NUMBER", "HOUSE"}, Token: token,
	}
}

func newDetector(t testing.TB, client *http.Client, url string) *dlp.Detector {
	t.Helper()
	d, err := dlp.New(config(client, url))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// offsets writes a range as JSON of protocol buffers does: strings, and no zero.
func offsets(start, end int) map[string]string {
	r := map[string]string{"end": strconv.Itoa(end)}
	if start > 0 {
		r["start"] = strconv.Itoa(start)
	}
	return r
}

var types = map[string]string{
	"PERSON_NAME": `Zed[\p{L}\p{M}]*`, "US_SOCIAL_SECURITY_NUMBER": `9\d\d-\d\d-\d{4}`, "HOUSE": `#\w+`,
}

// inspect is a server that speaks content:inspect for a table of one column.
func inspect(t *testing.T) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/v2/projects/ward-7/locations/us-east1/content:inspect" || r.Header.Get("Authorization") != "Bearer synthetic-token" {
			t.Errorf("%s with %q", r.URL, r.Header.Get("Authorization"))
		}
		var in struct {
			Item struct {
				Table struct {
					Headers []struct{ Name string }
					Rows    []struct {
						Values []struct{ StringValue string }
					}
				}
			}
			InspectConfig struct {
				InfoTypes     []struct{ Name string }
				MinLikelihood string
				IncludeQuote  bool
			}
		}
		dec := json.NewDecoder(r.Body)
		dec.DisallowUnknownFields()
		if err := dec.Decode(&in); err != nil || len(in.Item.Table.Headers) != 1 || in.InspectConfig.MinLikelihood != "POSSIBLE" || in.InspectConfig.IncludeQuote {
			t.Errorf("request %+v: %v", in, err)
		}
		findings := []any{}
		for i, row := range in.Item.Table.Rows {
			text, place := row.Values[0].StringValue, map[string]string{}
			if i > 0 {
				place["rowIndex"] = strconv.Itoa(i)
			}
			for _, ty := range in.InspectConfig.InfoTypes {
				for _, m := range regexp.MustCompile(types[ty.Name]).FindAllStringIndex(text, -1) {
					findings = append(findings, map[string]any{
						"infoType": map[string]any{"name": ty.Name, "sensitivityScore": map[string]string{"score": "SENSITIVITY_MODERATE"}}, "likelihood": "LIKELY",
						"location": map[string]any{
							"byteRange":      offsets(m[0], m[1]),
							"codepointRange": offsets(utf8.RuneCountInString(text[:m[0]]), utf8.RuneCountInString(text[:m[1]])),
							"contentLocations": []any{map[string]any{"recordLocation": map[string]any{
								"fieldId": map[string]string{"name": "text"}, "tableLocation": place,
							}}},
						},
						"createTime": "2026-03-01T00:00:00.000Z",
					})
				}
			}
		}
		result := map[string]any{}
		if len(findings) > 0 {
			result["findings"] = findings
		}
		w.Header().Set("Content-Type", "application/json; charset=UTF-8")
		_ = json.NewEncoder(w).Encode(map[string]any{"result": result})
	}
}

func TestDetect(t *testing.T) {
	t.Parallel()
	srv := httptest.NewServer(inspect(t))
	defer srv.Close()
	texts := [][]byte{
		[]byte("Zedora, 900-12-3456, #room7"),
		[]byte("nothing here"),
		[]byte("😀 Zede\u0301a <900-12-3456>"),
	}
	d := newDetector(t, srv.Client(), srv.URL)
	spans, err := d.Detect(t.Context(), texts)
	if err != nil {
		t.Fatal(err)
	}
	got := make([][]string, len(texts))
	for i, list := range spans {
		for _, s := range list {
			got[i] = append(got[i], fmt.Sprintf("%s:%s", s.Entity, texts[i][s.Start:s.End]))
		}
	}
	want := [][]string{{"NAME:Zedora", "SSN:900-12-3456", "ID:#room7"}, nil, {"NAME:Zede\u0301a", "SSN:900-12-3456"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if spans, err := d.Detect(t.Context(), texts[1:2]); err != nil || len(spans[0]) != 0 {
		t.Errorf("an empty result: %v, %v", spans, err)
	}
}

const here = `"contentLocations":[{"recordLocation":{"fieldId":{"name":"text"},"tableLocation":{"rowIndex":"0"}}}]`

func one(infoType, location string) string {
	return `{"result":{"findings":[{"infoType":{"name":"` + infoType + `"},"location":{` + location + `}}]}}`
}

func TestAnswers(t *testing.T) {
	t.Parallel()
	const text = "é😀 Zedora"
	for name, tt := range map[string]struct {
		body string
		want []scan.Span // nil for an error
	}{
		"bytes":             {one("PERSON_NAME", `"byteRange":{"start":"7","end":"13"},`+here), []scan.Span{{Start: 7, End: 13, Entity: scan.Name}}},
		"code points":       {one("PERSON_NAME", `"codepointRange":{"start":"3","end":"9"},`+here), []scan.Span{{Start: 7, End: 13, Entity: scan.Name}}},
		"they disagree":     {one("PERSON_NAME", `"byteRange":{"start":"7","end":"13"},"codepointRange":{"start":"7","end":"13"},`+here), nil},
		"cuts a character":  {one("PERSON_NAME", `"byteRange":{"start":"3","end":"6"},`+here), nil},
		"behind the end":    {one("PERSON_NAME", `"byteRange":{"start":"7","end":"14"},`+here), nil},
		"points behind":     {one("PERSON_NAME", `"codepointRange":{"start":"7","end":"13"},`+here), nil},
		"no range":          {one("PERSON_NAME", here), nil},
		"no type":           {one("", `"byteRange":{"start":"7","end":"13"},`+here), nil},
		"numbers":           {one("PERSON_NAME", `"byteRange":{"start":7,"end":13},`+here), nil},
		"no place":          {one("PERSON_NAME", `"byteRange":{"start":"7","end":"13"}`), nil},
		"no table":          {one("PERSON_NAME", `"byteRange":{"start":"7","end":"13"},"contentLocations":[{"recordLocation":{}}]`), nil},
		"another row":       {one("PERSON_NAME", `"byteRange":{"start":"7","end":"13"},`+strings.Replace(here, `"0"`, `"1"`, 1)), nil},
		"row before":        {one("PERSON_NAME", `"byteRange":{"start":"7","end":"13"},`+strings.Replace(here, `"0"`, `"-1"`, 1)), nil},
		"too many findings": {`{"result":{"findings":[],"findingsTruncated":true}}`, nil},
		"no result":         {`{}`, nil},
		"an error":          {`{"error":{"code":403,"message":"Zedora"}}`, nil},
		"breaks off":        {`{"result":{"findings":[`, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", "application/json")
				_, _ = io.WriteString(w, tt.body)
			}))
			defer srv.Close()
			got, err := newDetector(t, srv.Client(), srv.URL).Detect(t.Context(), [][]byte{[]byte(text)})
			if tt.want == nil {
				if err == nil || strings.Contains(err.Error(), "Zedora") {
					t.Errorf("got %v and %v", got, err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff([][]scan.Span{tt.want}, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestNoTokenNoRequest(t *testing.T) {
	t.Parallel()
	srv := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("a request without a token") }))
	defer srv.Close()
	for name, source := range map[string]func(context.Context) (string, error){
		"error": func(context.Context) (string, error) { return "", errors.New("no credentials") },
		"empty": func(context.Context) (string, error) { return "", nil },
	} {
		c := config(srv.Client(), srv.URL)
		c.Token = source
		d, err := dlp.New(c)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := d.Detect(t.Context(), [][]byte{[]byte("a")}); sallyport.KindOf(err) != sallyport.Unavailable {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestConfig(t *testing.T) {
	t.Parallel()
	c := config(http.DefaultClient, "")
	c.InfoTypes = nil
	if d, err := dlp.New(c); err != nil || d.Name() != "dlp" {
		t.Errorf("got %v, %v", d, err)
	}
	for name, change := range map[string]func(*dlp.Config){
		"project":    func(c *dlp.Config) { c.Project = "a/../b" },
		"location":   func(c *dlp.Config) { c.Location = "" },
		"likelihood": func(c *dlp.Config) { c.MinLikelihood = "SOMETIMES" },
		"token":      func(c *dlp.Config) { c.Token = nil },
		"http":       func(c *dlp.Config) { c.URL = "http://phi.example.org" },
		"clock":      func(c *dlp.Config) { c.Now = nil },
	} {
		c := config(http.DefaultClient, "")
		change(&c)
		if _, err := dlp.New(c); sallyport.KindOf(err) != sallyport.Invalid {
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
	f.Add("é😀 Zedora", one("PERSON_NAME", `"byteRange":{"start":"7","end":"13"},"codepointRange":{"start":"3","end":"9"},`+here))
	f.Add("a", `{"result":{}}`)
	f.Fuzz(func(t *testing.T, text, body string) {
		got, err := newDetector(t, &http.Client{Transport: answer(body)}, "https://phi.example.org").Detect(t.Context(), [][]byte{[]byte(text)})
		if err != nil {
			return
		}
		end := 0
		for _, s := range got[0] {
			if s.Start < end || s.End <= s.Start || !utf8.ValidString(text[s.Start:s.End]) {
				t.Fatalf("finding %v of %v", s, got[0])
			}
			end = s.End
		}
	})
}
