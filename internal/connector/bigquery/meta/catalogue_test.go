// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package meta_test

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	sallyport "github.com/sallyport-dev/sallyport"
	analyze "github.com/sallyport-dev/sallyport/internal/analyze/bigquery"
	"github.com/sallyport-dev/sallyport/internal/connector/bigquery/meta"
	"github.com/sallyport-dev/sallyport/test/bigquerypeer"
)

func TestFacts(t *testing.T) {
	bq := clinic(t)
	c := catalogue(t, target(bq))
	for _, tt := range []struct{ dataset, table, kind, columns string }{
		{"clinic", "patients", "table", "clinic.patients.mrn phi.mrn, clinic.patients.name phi.name, clinic.patients.ssn phi.ssn, clinic.patients.birth public, clinic.patients.note phi.note, clinic.patients.zip public"},
		// A record has the labels of what is in it; a field its own, the record's or none.
		{"clinic", "visits", "table", "clinic.visits.vitals phi.vital public, clinic.visits.vitals.pulse phi.vital, clinic.visits.vitals.unit public, clinic.visits.readings public unclassified, clinic.visits.readings.kind public, clinic.visits.readings.value"},
		{"clinic", "adults", "view", "clinic.adults.mrn, clinic.adults.name, clinic.adults.birth"},
		{"clinic", "none", "", ""},
		{"none", "patients", "", ""},
		{"_hidden", "anon", "", ""},
		{"clinic", "../patients", "", ""},
	} {
		got, err := c.Table(t.Context(), table(tt.dataset, tt.table))
		if err != nil {
			t.Fatal(err)
		}
		if got.Known != (tt.kind != "") || got.Kind != tt.kind || !strings.HasSuffix(columns(got.Columns), tt.columns) {
			t.Errorf("%s.%s: %v, %q, %s", tt.dataset, tt.table, got.Known, got.Kind, columns(got.Columns))
		}
	}
	for _, r := range bq.Requests() {
		if strings.Contains(r.Path, "_hidden") || strings.Contains(r.Path, "..") {
			t.Errorf("%s was asked for", r.Path)
		}
	}
}

// other answers as a target that has the table staff in every dataset.
func other(_ context.Context, path string, _ url.Values) (int, []byte, error) {
	p := strings.Split(path, "/")
	return http.StatusOK, []byte(`{"tableReference":{"projectId":"` + p[4] + `","datasetId":"` + p[6] + `","tableId":"` + p[8] + `"},"type":"TABLE",
		"schema":{"fields":[{"name":"SSN","type":"STRING"}]}}`), nil
}

func TestTablesOfAnotherProject(t *testing.T) {
	t.Parallel()
	c := catalogue(t, other)
	got, err := c.Table(t.Context(), analyze.Table{Dataset: analyze.Dataset{Project: "elsewhere", ID: "clinic"}, ID: "staff"})
	if err != nil || columns(got.Columns) != "elsewhere.clinic.staff.SSN phi.ssn" {
		t.Errorf("%s, %v", columns(got.Columns), err)
	}
	got, err = c.Table(t.Context(), table("clinic", "staff"))
	if err != nil || columns(got.Columns) != "clinic.staff.SSN" {
		t.Errorf("the resource's own: %s, %v", columns(got.Columns), err)
	}
}

func TestWhatWasReadIsKept(t *testing.T) {
	bq := clinic(t)
	clock := &clock{time.Unix(1_800_000_000, 0)}
	c := catalogue(t, target(bq), func(c *meta.Config) { c.Now, c.Entries = clock.Now, 2 })
	read := func(id string, want int) {
		t.Helper()
		bq.Forget()
		if _, err := c.Table(t.Context(), table("clinic", id)); err != nil {
			t.Fatal(err)
		}
		if got := len(bq.Requests()); got != want {
			t.Errorf("%d requests, want %d", got, want)
		}
	}
	read("patients", 1)
	read("patients", 0)
	c.Forget(table("clinic", "patients"))
	read("patients", 1)
	clock.now = clock.now.Add(meta.DefaultTTL - 1)
	read("patients", 0)
	read("visits", 1)
	clock.now = clock.now.Add(1)
	read("patients", 1)
	read("lab_results", 1) // in the place of visits
	read("patients", 0)
	read("visits", 1)
	read("none", 1)
	read("none", 1) // what is not there is not kept
}

func TestFailuresAreErrors(t *testing.T) {
	bq := clinic(t)
	c := catalogue(t, target(bq))
	text := func(s string) *string { return &s }
	for name, f := range map[string]bigquerypeer.Fault{
		"unavailable": {Status: 503},
		"forbidden":   {Status: 403},
		"redirected":  {Status: 302},
		"no JSON":     {Status: 200, Body: text("<html>219-09-9991")},
		"no name":     {Status: 200, Body: text(`{"schema":{"fields":[{"name":"","type":"STRING"}]}}`)},
		"no fields":   {Status: 200, Body: text(`{"schema":{"fields":[{"name":"a","type":"RECORD"}]}}`)},
		"deep":        {Status: 200, Body: text(`{"schema":{"fields":` + strings.Repeat(`[{"name":"a","type":"RECORD","fields":`, 17) + `[]` + strings.Repeat(`}]`, 17) + `}}`)},
		"cut":         {Cut: true},
	} {
		f.Next, f.Path = 1, "/tables/patients"
		bq.Fail(f)
		_, err := c.Table(t.Context(), table("clinic", "patients"))
		if sallyport.KindOf(err) != sallyport.Unavailable || strings.Contains(err.Error(), "219-09") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if got, err := c.Table(t.Context(), table("clinic", "patients")); err != nil || !got.Known {
		t.Errorf("after the failures: %v, %v", got, err)
	}
	// In a dataset without regard to case the target answers for another spelling.
	body := `{"tableReference":{"projectId":"clinic-test","datasetId":"clinic","tableId":"patients"},"schema":{"fields":[{"name":"ssn","type":"STRING"}]}}`
	bq.Fail(bigquerypeer.Fault{Next: 1, Path: "/tables/PATIENTS", Status: 200, Body: &body})
	if _, err := c.Table(t.Context(), table("clinic", "PATIENTS")); sallyport.KindOf(err) != sallyport.Invalid {
		t.Errorf("another spelling: %v", err)
	}
}

func TestOneReadsForAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gate, calls := make(chan struct{}), 0
		c := catalogue(t, func(ctx context.Context, path string, query url.Values) (int, []byte, error) {
			calls++
			<-gate
			return other(ctx, path, query)
		})
		var wg sync.WaitGroup
		for range 10 {
			wg.Go(func() {
				if got, err := c.Table(t.Context(), table("clinic", "staff")); err != nil || !got.Known {
					t.Errorf("%v, %v", got, err)
				}
			})
		}
		synctest.Wait()
		close(gate)
		wg.Wait()
		if calls != 1 {
			t.Errorf("%d calls", calls)
		}
	})
}

func TestCancellingOneCancelsNobodyElse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		calls := 0
		c := catalogue(t, func(ctx context.Context, path string, query url.Values) (int, []byte, error) {
			if calls++; calls == 1 {
				<-ctx.Done()
				return 0, nil, ctx.Err()
			}
			return other(ctx, path, query)
		})
		first, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() {
			if _, err := c.Table(first, table("clinic", "staff")); !errors.Is(err, context.Canceled) || sallyport.KindOf(err) != sallyport.Unavailable {
				t.Errorf("the first: %v", err)
			}
		})
		synctest.Wait()
		wg.Go(func() {
			if got, err := c.Table(t.Context(), table("clinic", "staff")); err != nil || !got.Known {
				t.Errorf("the second: %v, %v", got, err)
			}
		})
		wg.Go(func() { // who waits can leave
			ctx, cancel := context.WithTimeout(t.Context(), time.Nanosecond)
			defer cancel()
			if _, err := c.Table(ctx, table("clinic", "staff")); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("the third: %v", err)
			}
		})
		time.Sleep(time.Second)
		cancel()
		wg.Wait()
	})
}

// TestForgettingCountsForWhatIsUnderWay: what was asked before a change is not what
// is known after it.
func TestForgettingCountsForWhatIsUnderWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gate, calls := make(chan struct{}), 0
		c := catalogue(t, func(ctx context.Context, path string, query url.Values) (int, []byte, error) {
			if calls++; calls == 1 {
				<-gate
			}
			return other(ctx, path, query)
		})
		var wg sync.WaitGroup
		read := func() {
			if _, err := c.Table(t.Context(), table("clinic", "staff")); err != nil {
				t.Error(err)
			}
		}
		wg.Go(read)
		synctest.Wait()
		c.Forget(table("clinic", "staff"))
		close(gate)
		wg.Wait()
		read()
		if calls != 2 {
			t.Errorf("%d calls", calls)
		}
	})
}

func TestCatalogueNeedsItsParts(t *testing.T) {
	t.Parallel()
	if _, err := meta.New(meta.Config{}); sallyport.KindOf(err) != sallyport.Invalid {
		t.Error(err)
	}
}
