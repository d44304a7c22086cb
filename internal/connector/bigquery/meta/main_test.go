// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package meta_test

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	sallyport "github.com/sallyport-dev/sallyport"
	analyze "github.com/sallyport-dev/sallyport/internal/analyze/bigquery"
	"github.com/sallyport-dev/sallyport/internal/analyze/googlesql/lineage"
	"github.com/sallyport-dev/sallyport/internal/catalog"
	"github.com/sallyport-dev/sallyport/internal/connector/bigquery/meta"
	"github.com/sallyport-dev/sallyport/internal/mask/rules"
	"github.com/sallyport-dev/sallyport/internal/mask/scan/lexicon"
	"github.com/sallyport-dev/sallyport/test/bigquerypeer"
	"github.com/sallyport-dev/sallyport/test/bqanalyzer"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// labels are those of the counterpart's clinic. The case of names of columns is not
// that of the tables.
const labels = `
version: 1
columns:
  clinic.patients.*: public
  clinic.patients.MRN: phi.mrn
  clinic.patients.name: phi.name
  clinic.patients.ssn: phi.ssn
  clinic.patients.Note: phi.note
  clinic.visits.id: public
  clinic.visits.vitals: phi.vital
  clinic.visits."Vitals.Unit": public
  clinic.visits."readings.kind": public
  shards.events_a.id: public
  shards.events_b.id: public
  shards.events_b.ssn: phi.ssn
  '"elsewhere.clinic".staff.ssn': phi.ssn
`

// clock is a clock that stands until it is moved.
type clock struct{ now time.Time }

func (c *clock) Now() time.Time { return c.now }

// target asks a counterpart.
func target(bq *bigquerypeer.Server) meta.Fetch {
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	return func(ctx context.Context, path string, query url.Values) (int, []byte, error) {
		return ask(ctx, client, bq, http.MethodGet, path+"?"+query.Encode(), "")
	}
}

func ask(ctx context.Context, client *http.Client, bq *bigquerypeer.Server, method, path, body string) (int, []byte, error) {
	req, err := http.NewRequestWithContext(ctx, method, bq.URL+path, strings.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	req.Header.Set("Authorization", "Bearer "+bq.Token)
	req.Header.Set("Content-Type", "application/json")
	resp, err := client.Do(req)
	if err != nil {
		return 0, nil, err
	}
	b, err := io.ReadAll(resp.Body)
	if cerr := resp.Body.Close(); err == nil {
		err = cerr
	}
	return resp.StatusCode, b, err
}

// clinic starts a counterpart with what the tests need beyond its own clinic.
func clinic(t *testing.T) *bigquerypeer.Server {
	t.Helper()
	return bigquerypeer.Start(t, bigquerypeer.WithClinic(), bigquerypeer.WithSeed(`
		CREATE SCHEMA shards;
		CREATE TABLE shards.events_a (id BIGINT);
		CREATE TABLE shards.events_b (id BIGINT, ssn VARCHAR);
		CREATE TABLE shards.other (id BIGINT);`))
}

func parse(t testing.TB, text string) *catalog.Labels {
	t.Helper()
	l, err := catalog.ParseLabels("labels.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func catalogue(t testing.TB, fetch meta.Fetch, change ...func(*meta.Config)) *meta.Catalogue {
	t.Helper()
	c := meta.Config{
		Fetch: fetch, Resource: "wh", Project: bigquerypeer.Project, Labels: parse(t, labels),
		Now: (&clock{time.Unix(1_800_000_000, 0)}).Now,
	}
	for _, f := range change {
		f(&c)
	}
	out, err := meta.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func table(dataset, id string) analyze.Table {
	return analyze.Table{Dataset: analyze.Dataset{Project: bigquerypeer.Project, ID: dataset}, ID: id}
}

func analyser(t *testing.T) *lineage.Analyser {
	t.Helper()
	a, err := lineage.Start(t.Context(), lineage.Config{Path: bqanalyzer.Binary(t), Timeout: time.Minute, Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := a.Close(); err != nil {
			t.Error(err)
		}
	})
	return a
}

func masking(t testing.TB) *rules.Set {
	t.Helper()
	s, err := rules.Compile(rules.Default(), rules.Deps{Lexicon: lexicon.Load, Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// verdict masks what is not known and what has another label than public, as a
// policy without readRaw for these does.
func verdict(st *sallyport.Statement) []sallyport.Mask {
	var out []sallyport.Mask
	for i, o := range st.Outputs {
		m := sallyport.Mask{Output: i, Reason: "label"}
		for _, s := range o.Sources {
			if len(s.Labels) == 0 {
				s.Labels = []sallyport.Label{sallyport.Unclassified}
			}
			for _, l := range s.Labels {
				if l != "public" && !slices.Contains(m.Labels, l) {
					m.Labels = append(m.Labels, l)
				}
			}
		}
		if o.Unknown {
			m.Reason = "unknown-lineage"
		}
		if o.Unknown || len(m.Labels) > 0 {
			out = append(out, m)
		}
	}
	return out
}

// columns writes columns in one line: the path below the resource and the labels.
func columns(in []sallyport.Column) string {
	var out []string
	for _, c := range in {
		s := strings.Join(c.Object.Path[1:], ".")
		for _, l := range c.Labels {
			s += " " + string(l)
		}
		out = append(out, s)
	}
	return strings.Join(out, ", ")
}
