// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package bigquerypeer_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-dev/sallyport/test/bigquerypeer"
	"github.com/sallyport-dev/sallyport/test/googleclients"
)

// The real bq, when the machine has it.
func TestBQ(t *testing.T) {
	t.Parallel()
	s, svc := clinic(t)
	csv := filepath.Join(t.TempDir(), "people.csv")
	if err := os.WriteFile(csv, []byte("2,Ivo Stand-In\n3,Joy Phantom\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, one := range []struct {
		name   string
		args   []string
		status int
		// want is JSON that standard output begins with, a text that it contains, or nothing.
		want any
	}{
		{
			"query",
			[]string{"query", "--nouse_legacy_sql", "SELECT name, birth, SUBSTR(ssn, 8) AS last FROM clinic.patients WHERE mrn = 1001"},
			0,
			array{object{"name": "Ada Example", "birth": "1961-04-02", "last": "9991"}},
		},
		{"dry run", []string{"query", "--nouse_legacy_sql", "--dry_run", "SELECT name FROM clinic.patients"}, 0, `"totalBytesProcessed":"243"`},
		{"ls", []string{"ls"}, 0, `"datasetId":"clinic"`},
		{"ls of a dataset", []string{"ls", "clinic"}, 0, `"tableId":"lab_results"`},
		{"show", []string{"show", "clinic.patients"}, 0, `"numRows":"3"`},
		{"head", []string{"head", "-n", "1", "clinic.lab_results"}, 0, `"test":"HbA1c"`},
		{"mk", []string{"mk", "--dataset", "made"}, 0, "successfully created"},
		{"mk of a table", []string{"mk", "--table", "made.t", "id:INTEGER,name:STRING"}, 0, "successfully created"},
		{"insert", []string{"query", "--nouse_legacy_sql", "INSERT made.t (id, name) VALUES (1, 'Gil Fiction')"}, 0, nil},
		{"load of a file", []string{"load", "made.t", csv}, 0, nil}, // a resumable upload
		{"what was loaded", []string{"head", "made.t"}, 0, "Joy Phantom"},
		{"cp", []string{"cp", "made.t", "made.u"}, 0, "successfully copied"},
		{"rm", []string{"rm", "-f", "-t", "made.t"}, 0, nil},
		{"rm of a dataset", []string{"rm", "-f", "-r", "-d", "made"}, 0, nil},
		{"show of nothing", []string{"show", "clinic.nobody"}, 2, "Not found: Table clinic-test:clinic.nobody"},
	} {
		got, ok := googleclients.BQ(t, svc, one.args...)
		if !ok {
			return
		}
		if got.Status != one.status {
			t.Errorf("%s: exit status %d, not %d: %s", one.name, got.Status, one.status, got.Out)
			continue
		}
		switch want := one.want.(type) {
		case string:
			if !strings.Contains(got.Out, want) {
				t.Errorf("%s: %q is not in: %s", one.name, want, got.Out)
			}
		case nil:
		default:
			var value any
			if err := json.NewDecoder(strings.NewReader(got.Out[max(strings.IndexAny(got.Out, "[{"), 0):])).Decode(&value); err != nil {
				t.Errorf("%s: %v: %s", one.name, err, got.Out)
			}
			if diff := cmp.Diff(want, value); diff != "" {
				t.Errorf("%s: (-want +got)\n%s", one.name, diff)
			}
		}
	}
	resumable := false
	for _, r := range s.Requests() {
		resumable = resumable || strings.Contains(r.Path, "uploadType=resumable")
		if !strings.Contains(r.Path, "discovery") && r.Token != bigquerypeer.TokenExpected {
			t.Errorf("%s came with token %q", r.Path, r.Token)
		}
	}
	if !resumable {
		t.Error("the upload was not resumable")
	}
}
