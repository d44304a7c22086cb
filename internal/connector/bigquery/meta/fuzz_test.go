// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package meta_test

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"testing"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/connector/bigquery/meta"
	"github.com/sallyport-dev/sallyport/internal/mask"
)

// FuzzSchema looks for descriptions of tables that end the process, or by which a
// column of an answer is not masked although nothing is known of it.
func FuzzSchema(f *testing.F) {
	f.Add([]byte(`{"fields":[{"name":"a","type":"STRING"},{"name":"r","type":"RECORD","mode":"REPEATED","fields":[{"name":"b","type":"INTEGER","mode":"REQUIRED"}]}]}`))
	f.Add([]byte(`{"tableReference":{"projectId":"clinic-test","datasetId":"clinic","tableId":"patients"},"type":"VIEW","view":{"query":"SELECT 1","useLegacySql":false},"schema":{"fields":[{"name":"ssn","type":"STRING"}]}}`))
	set := masking(f)
	f.Fuzz(func(t *testing.T, in []byte) {
		cols, err := meta.Columns(set, in, &sallyport.Statement{}, nil)
		if err != nil && sallyport.KindOf(err) != sallyport.Unavailable {
			t.Error(err)
		}
		for _, c := range cols {
			if !c.Mask {
				t.Errorf("%s is not masked", c.Name)
			}
		}
		// A type that is not known and may not be NULL has no mask; the rest has one.
		if _, err := mask.NewBQPlan(cols, "p"); err != nil && !strings.Contains(err.Error(), "no value is known") {
			t.Errorf("no plan: %v", err)
		}
		c := catalogue(t, func(context.Context, string, url.Values) (int, []byte, error) { return http.StatusOK, in, nil })
		got, err := c.Table(t.Context(), table("clinic", "patients"))
		if kind := sallyport.KindOf(err); err != nil && kind != sallyport.Unavailable && kind != sallyport.Invalid {
			t.Error(err)
		}
		if err == nil && !got.Known {
			t.Error("a table that was described is not known")
		}
	})
}
