// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package mask_test

import (
	"testing"

	"github.com/sallyport-dev/sallyport/internal/mask"
)

func TestQuick(t *testing.T) {
	p, err := mask.NewBQPlan([]mask.BQColumn{{Name: "id", Type: "INTEGER"}, {Name: "ssn", Type: "STRING", Mask: true}, {Name: "r", Type: "RECORD", Repeated: true, Fields: []mask.BQColumn{{Name: "a", Type: "INT64", Mask: true}, {Name: "b", Type: "TIMESTAMP", Mask: true}}}}, "x")
	if err != nil {
		t.Fatal(err)
	}
	m, err := p.MaskRows(mask.FromUpstream([]byte(`{"kind":"x", "etag" : 5, "rows":[{"f":[{"v":"1"},{"v":"987-65-4320"},{"v":[{"v":{"f":[{"v":"3"},{"v":"1.5E9"}]}}]}]} ,{"f":[{"v":"1"},{"v":null},{"v":[]}]}],"pageToken":"z"}`)), []mask.BQMember{{Name: "kind", Do: mask.BQKeep}, {Name: "rows", Do: mask.BQRows}})
	t.Log(string(bytesOf(t, m)), err, p.TakeCounts())
}
