// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package evidence_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/evidence"
)

// usualLeaves are leaves that the short way of reading is for.
func usualLeaves(t testing.TB) (raws [][]byte) {
	t.Helper()
	add := func(b []byte, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		raws = append(raws, b)
	}
	in := fullIntent()
	in.Approval = nil
	in.Readable, in.Masks = "SELECT a FROM t WHERE x = '?'", []evidence.MaskPlan{in.Masks[0], in.Masks[2]}
	add(evidence.Marshal(leaf(evidence.TypeIntent, in)))
	in.Of, in.Class, in.Readable, in.Objects, in.Effects, in.Masks, in.Grant, in.Params, in.Sealed = 0, "", "", nil, nil, nil, "", "", nil
	add(evidence.Marshal(leaf(evidence.TypeIntent, in)))
	add(evidence.Marshal(leaf(evidence.TypeOutcome, evidence.Outcome{Stmt: 1, Status: "ok", Code: "00000", Tag: "SELECT 3", Rows: 3, Bytes: 99, Micros: 4})))
	add(evidence.Marshal(leaf(evidence.TypeOutcome, evidence.Outcome{Status: "cut"})))
	l := leaf(evidence.TypeMasking, evidence.Masking{
		Stmt: 1, Output: 2, Columns: []string{"c/t/a", "c/t/b"}, Labels: []sallyport.Label{"phi.ssn"}, Reason: "label", Operator: "redact",
		Profile: "text", Version: "1", Seen: 3, Masked: 2, Nulls: 1,
	})
	add(evidence.Marshal(l))
	l.Session, l.Seq, l.Prev = "", 0, ""
	l.Body.Columns, l.Body.Labels, l.Body.Version = nil, nil, ""
	add(evidence.Marshal(l))
	return raws
}

// TestUsualLeaves checks that the short way is taken, and that it reads what the
// long way does.
func TestUsualLeaves(t *testing.T) {
	t.Parallel()
	for i, raw := range usualLeaves(t) {
		quick, whole, short, err := evidence.ReadBothWays(raw)
		if err != nil || !short {
			t.Errorf("leaf %d: short %v, %v: %s", i, short, err, raw)
			continue
		}
		if diff := cmp.Diff(whole, quick); diff != "" {
			t.Errorf("leaf %d (-whole +quick):\n%s", i, diff)
		}
	}
}

// FuzzUsualLeaves holds the short way to the long one.
func FuzzUsualLeaves(f *testing.F) {
	for _, raw := range usualLeaves(f) {
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		quick, whole, short, err := evidence.ReadBothWays(raw)
		if !short {
			return
		}
		if err != nil {
			t.Fatalf("only the short way reads it: %v", err)
		}
		if diff := cmp.Diff(whole, quick); diff != "" {
			t.Fatalf("(-whole +quick):\n%s", diff)
		}
	})
}
