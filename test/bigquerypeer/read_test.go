// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package bigquerypeer_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-dev/sallyport/test/bigquerypeer"
	"github.com/sallyport-dev/sallyport/test/googleclients"
)

const readAPI = "google.cloud.bigquery.storage.v1.BigQueryRead."

// The Go client reads results and tables by Arrow when its Storage Read client is
// enabled, and gets the same as by REST.
func TestStorageReadClient(t *testing.T) {
	t.Parallel()
	s := bigquerypeer.Start(t, bigquerypeer.WithClinic(), bigquerypeer.WithRead())
	got := googleclients.Go(t, service(s),
		googleclients.Call{Name: "query", SQL: "SELECT * FROM clinic.patients ORDER BY mrn LIMIT 1"},
		googleclients.Call{Name: "rows", Dataset: "clinic", Table: "visits"},
		googleclients.Call{Name: "query", SQL: "SELECT n, CONCAT('row ', CAST(n AS STRING)) AS t FROM UNNEST(GENERATE_ARRAY(1, 50000)) AS n ORDER BY n"},
		googleclients.Call{Name: "query", SQL: "SELECT zip FROM clinic.patients WHERE FALSE"},
	)
	googleclients.Check(t, "query", rows(ada()), got[0])
	byID(got[1])
	googleclients.Check(t, "rows", rows(visit(), without()), got[1])
	if got[2].Error != nil {
		t.Errorf("many rows: %+v", got[2].Error)
	} else if many := got[2].Value.(object)["rows"].(array); len(many) != 50000 || !cmp.Equal(many[49999], any(object{"n": 50000.0, "t": "row 50000"})) {
		t.Errorf("many rows: %d", len(many))
	}
	googleclients.Check(t, "no rows", rows(), got[3])
	calls := make(map[string]int)
	for _, r := range s.Requests() {
		if r.Token != bigquerypeer.TokenExpected {
			t.Errorf("%s came with token %q", r.Path, r.Token)
		}
		calls[strings.TrimPrefix(r.ID, readAPI)]++
	}
	if calls["CreateReadSession"] < 2 || calls["ReadRows"] < 2 {
		t.Errorf("the client did not use the Storage Read API: %v", calls)
	}
}

// byID orders rows of a table, whose order the service leaves open.
func byID(r googleclients.Result) {
	if v, ok := r.Value.(object); ok {
		slices.SortFunc(v["rows"].(array), func(a, b any) int { return int(a.(object)["id"].(float64) - b.(object)["id"].(float64)) })
	}
}

// streams are the names in a result of the call "session".
func streams(t *testing.T, r googleclients.Result) []string {
	t.Helper()
	if r.Error != nil {
		t.Fatalf("session: %+v", *r.Error)
	}
	var names []string
	for _, n := range r.Value.(object)["streams"].(array) {
		names = append(names, n.(string))
	}
	return names
}

func TestReadSessions(t *testing.T) {
	t.Parallel()
	const other = "token-of-the-reader"
	const reader = "reader@clinic-test.iam.gserviceaccount.com"
	s := bigquerypeer.Start(t, bigquerypeer.WithClinic(), bigquerypeer.WithIdentity(other, reader), bigquerypeer.WithRead())
	s.Mask(reader, "clinic.patients", map[string]string{"ssn": "'masked'"})
	svc := service(s)
	masked := svc
	masked.Token = other
	session := googleclients.Call{Name: "session", Dataset: "clinic", Table: "patients", Fields: []string{"ssn", "mrn"}, Restriction: "mrn > 1001 AND birth IS NOT NULL", Streams: 1}

	made := googleclients.Go(t, svc, session)[0]
	if diff := cmp.Diff(any(array{"mrn int64", "ssn utf8"}), made.Value.(object)["columns"]); diff != "" {
		t.Errorf("columns: (-want +got)\n%s", diff)
	}
	name := streams(t, made)[0]
	whole := array{object{"mrn": 1002.0, "ssn": "219-09-9992"}, object{"mrn": 1003.0, "ssn": "219-09-9993"}}
	got := googleclients.Go(t, svc,
		googleclients.Call{Name: "stream", Object: name}, googleclients.Call{Name: "stream", Object: name, Offset: 1},
		googleclients.Call{Name: "stream", Object: name, Offset: 3}, googleclients.Call{Name: "split", Object: name, Fraction: 0.5},
	)
	for i, want := range []array{whole, whole[1:]} {
		if diff := cmp.Diff(any(want), got[i].Value.(object)["rows"]); diff != "" {
			t.Errorf("stream %d: (-want +got)\n%s", i, diff)
		}
	}
	googleclients.Check(t, "beyond the end", &googleclients.Error{Reason: "OutOfRange"}, got[2])
	halves := got[3].Value.(object)
	for i, half := range []string{"primary", "remainder"} {
		r := googleclients.Go(t, svc, googleclients.Call{Name: "stream", Object: halves[half].(string)}, googleclients.Call{Name: "split", Object: halves[half].(string)})
		if diff := cmp.Diff(any(whole[i:i+1]), r[0].Value.(object)["rows"]); diff != "" {
			t.Errorf("%s: (-want +got)\n%s", half, diff)
		}
		googleclients.Check(t, "one batch is not split", object{"primary": "", "remainder": ""}, r[1])
	}

	// Another identity gets no stream of this one's, and reads masked.
	got = googleclients.Go(t, masked, googleclients.Call{Name: "stream", Object: name}, googleclients.Call{Name: "split", Object: name}, session)
	googleclients.Check(t, "another's stream", &googleclients.Error{Reason: "PermissionDenied"}, got[0])
	googleclients.Check(t, "another's split", &googleclients.Error{Reason: "PermissionDenied"}, got[1])
	r := googleclients.Go(t, masked, googleclients.Call{Name: "stream", Object: streams(t, got[2])[0]})[0]
	if diff := cmp.Diff(any(array{object{"mrn": 1002.0, "ssn": "masked"}, object{"mrn": 1003.0, "ssn": "masked"}}), r.Value.(object)["rows"]); diff != "" {
		t.Errorf("masked: (-want +got)\n%s", diff)
	}
	masked.Token = "a-stranger's"
	googleclients.Check(t, "stranger", &googleclients.Error{Reason: "Unauthenticated"}, googleclients.Go(t, masked, session)[0])
}

func TestReadRefusals(t *testing.T) {
	t.Parallel()
	s := bigquerypeer.Start(t, bigquerypeer.WithClinic(), bigquerypeer.WithRead())
	session := func(change func(*googleclients.Call)) googleclients.Call {
		c := googleclients.Call{Name: "session", Dataset: "clinic", Table: "patients"}
		change(&c)
		return c
	}
	var calls []googleclients.Call
	var reasons []string
	for reason, changes := range map[string][]func(*googleclients.Call){
		"InvalidArgument": {
			func(c *googleclients.Call) { c.Table = "adults" },
			func(c *googleclients.Call) { c.Fields = []string{"nickname"} },
			func(c *googleclients.Call) { c.Restriction = "nickname = 'x'" },
			func(c *googleclients.Call) { c.Restriction = "TRUE) UNION ALL (SELECT 1" },
			func(c *googleclients.Call) { c.Restriction = "mrn IN (SELECT mrn FROM clinic.visits)" },
		},
		"NotFound":      {func(c *googleclients.Call) { c.Table = "nobody" }},
		"Unimplemented": {func(c *googleclients.Call) { c.Format = "AVRO" }},
	} {
		for _, change := range changes {
			calls, reasons = append(calls, session(change)), append(reasons, reason)
		}
	}
	for i, got := range googleclients.Go(t, service(s), calls...) {
		googleclients.Check(t, fmt.Sprintf("%+v", calls[i]), &googleclients.Error{Reason: reasons[i]}, got)
	}
}

func TestReadCompression(t *testing.T) {
	t.Parallel()
	s := bigquerypeer.Start(t, bigquerypeer.WithSeed("CREATE SCHEMA s; CREATE TABLE s.t AS SELECT range AS n, repeat('patient ', 10) AS t FROM range(30000)"), bigquerypeer.WithRead())
	sizes := make(map[string]float64)
	for _, codec := range []string{"", "LZ4_FRAME", "ZSTD"} {
		made := googleclients.Go(t, service(s), googleclients.Call{Name: "session", Dataset: "s", Table: "t", Compression: codec})[0]
		var calls []googleclients.Call
		for _, name := range streams(t, made) {
			calls = append(calls, googleclients.Call{Name: "stream", Object: name})
		}
		if len(calls) < 2 {
			t.Errorf("a large table has %d streams", len(calls))
		}
		n := 0
		for _, got := range googleclients.Go(t, service(s), calls...) {
			if got.Error != nil {
				t.Fatalf("%s: %+v", codec, *got.Error)
			}
			v := got.Value.(object)
			n += len(v["rows"].(array))
			sizes[codec] += v["bytes"].(float64)
		}
		if n != 30000 {
			t.Errorf("%q: %d rows", codec, n)
		}
	}
	if sizes["LZ4_FRAME"] > sizes[""]/2 || sizes["ZSTD"] > sizes[""]/2 {
		t.Errorf("nothing is compressed: %v", sizes)
	}
}

func TestReadFaults(t *testing.T) {
	t.Parallel()
	s := bigquerypeer.Start(t, bigquerypeer.WithClinic(), bigquerypeer.WithRead())
	// The client reads on from where a stream broke off.
	s.Fail(bigquerypeer.Fault{Next: 1, Path: "/ReadRows", Cut: true})
	s.Fail(bigquerypeer.Fault{Next: 1, Path: "/ReadRows", Status: http.StatusServiceUnavailable})
	got := googleclients.Go(t, service(s), googleclients.Call{Name: "rows", Dataset: "clinic", Table: "lab_results"})[0]
	byID(got)
	var ids []any
	if v, ok := got.Value.(object); ok {
		for _, r := range v["rows"].(array) {
			ids = append(ids, r.(object)["id"])
		}
	}
	if diff := cmp.Diff([]any{1.0, 2.0, 3.0, 4.0}, ids); diff != "" {
		t.Errorf("after faults: %+v (-want +got)\n%s", got.Error, diff)
	}
	n := 0
	for _, r := range s.Requests() {
		if r.ID == readAPI+"ReadRows" {
			n++
		}
	}
	if n != 4 { // of two streams
		t.Errorf("%d ReadRows, not 4", n)
	}
}
