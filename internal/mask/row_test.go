// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package mask_test

import (
	"bytes"
	"testing"

	"github.com/google/go-cmp/cmp"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/mask"
)

func TestBufferRow(t *testing.T) {
	t.Parallel()
	cols := func(pattern string) []mask.PGColumn {
		var out []mask.PGColumn
		for _, c := range pattern {
			if c == 'm' {
				out = append(out, masked())
			} else {
				out = append(out, clear())
			}
		}
		return out
	}
	for _, tc := range []struct {
		name, pattern string
		in, want      []string
	}{
		{"no columns", "", nil, nil},
		{"none masked", "cc", []string{"1", "b"}, []string{"1", "b"}},
		{"first", "mcc", []string{canary, "a", "b"}, []string{"[phi.ssn]", "a", "b"}},
		{"middle", "cmc", []string{"a", canary, "b"}, []string{"a", "[phi.ssn]", "b"}},
		{"last", "ccm", []string{"a", "b", canary}, []string{"a", "b", "[phi.ssn]"}},
		{"all", "mm", []string{canary, canary}, []string{"[phi.ssn]", "[phi.ssn]"}},
		{"neighbours", "cmmc", []string{"a", canary, canary, "b"}, []string{"a", "[phi.ssn]", "[phi.ssn]", "b"}},
		{"null stays", "mc", []string{null, null}, []string{null, null}},
		{"null between masks", "mmm", []string{canary, null, canary}, []string{"[phi.ssn]", null, "[phi.ssn]"}},
		{"empty is masked", "mc", []string{"", ""}, []string{"[phi.ssn]", ""}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			plan := mask.NewPGPlan(cols(tc.pattern), "test")
			var buf mask.Buffer
			if err := buf.Row(plan, mask.FromUpstream(dataRow(tc.in...))); err != nil {
				t.Fatal(err)
			}
			got := bytesOf(t, buf.Take())
			if diff := cmp.Diff(message('D', dataRow(tc.want...)), got); diff != "" {
				t.Errorf("masked row (-want +got):\n%s", diff)
			}
			// Masking a masked row changes nothing.
			if err := buf.Rows(plan, mask.FromUpstream(got)); err != nil {
				t.Fatal(err)
			}
			if again := bytesOf(t, buf.Take()); !bytes.Equal(again, got) {
				t.Errorf("masking twice gives %q, once %q", again, got)
			}
		})
	}
}

func TestBufferRowRefuses(t *testing.T) {
	t.Parallel()
	whole := dataRow("a", canary)
	huge := bytes.Clone(whole)
	huge[2] = 0x7F // the first column claims two gigabytes
	negative := bytes.Clone(whole)
	negative[2], negative[5] = 0xFF, 0xFE // a length below -1
	bodies := map[string][]byte{
		"nothing":          {},
		"one byte":         {0},
		"too few columns":  dataRow(canary),
		"too many columns": dataRow("a", canary, "b"),
		"trailing byte":    append(bytes.Clone(whole), 'x'),
		"huge length":      huge,
		"negative length":  negative,
	}
	for n := range whole {
		bodies["cut at "+string(rune('a'+n))] = whole[:n]
	}
	for name, body := range bodies {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, plan := range []*mask.PGPlan{
				mask.NewPGPlan([]mask.PGColumn{clear(), masked()}, "test"),
				mask.NewPGPlan([]mask.PGColumn{clear(), clear()}, "test"),
			} {
				var buf mask.Buffer
				buf.Put(mask.Synthetic([]byte("before")))
				wantIntegrity(t, buf.Row(plan, mask.FromUpstream(body)))
				if got := string(bytesOf(t, buf.Take())); got != "before" {
					t.Errorf("after the refusal the buffer holds %q", got)
				}
			}
		})
	}
}

func TestBufferRows(t *testing.T) {
	t.Parallel()
	plan := mask.NewPGPlan([]mask.PGColumn{clear(), masked()}, "test")
	var run, want []byte
	for _, row := range [][2]string{{"a", canary}, {"b", null}, {"c", ""}} {
		run = append(run, message('D', dataRow(row[0], row[1]))...)
		if row[1] != null {
			row[1] = "[phi.ssn]"
		}
		want = append(want, message('D', dataRow(row[0], row[1]))...)
	}
	var buf mask.Buffer
	if err := buf.Rows(plan, mask.FromUpstream(run)); err != nil {
		t.Fatal(err)
	}
	if got := bytesOf(t, buf.Take()); !bytes.Equal(got, want) {
		t.Errorf("masked run %q, want %q", got, want)
	}
	for name, bad := range map[string][]byte{
		"another message":  append(bytes.Clone(run), message('C', []byte("SELECT 3\x00"))...),
		"cut":              run[:len(run)-1],
		"cut in a header":  append(bytes.Clone(run), 'D', 0, 0),
		"length below 4":   append(bytes.Clone(run), 'D', 0, 0, 0, 3),
		"a row in another": append(bytes.Clone(run), message('D', dataRow("x", canary)[:8])...),
	} {
		wantIntegrity(t, buf.Rows(plan, mask.FromUpstream(bad)))
		if buf.Len() != 0 {
			t.Errorf("%s: the buffer holds %d bytes after the refusal", name, buf.Len())
		}
	}
}

func TestPass(t *testing.T) { // not parallel: it counts allocations
	plan := mask.NewPGPlan([]mask.PGColumn{clear(), clear()}, "test")
	run := append(message('D', dataRow("a", "b")), message('D', dataRow("c", null))...)
	m, err := plan.Pass(mask.FromUpstream(run))
	if err != nil {
		t.Fatal(err)
	}
	if got := bytesOf(t, m); !bytes.Equal(got, run) || plan.Rows() != 2 {
		t.Errorf("passed %q and %d rows", got, plan.Rows())
	}
	if allocs := testing.AllocsPerRun(10, func() { _, err = plan.Pass(mask.FromUpstream(run)) }); allocs != 0 || err != nil {
		t.Errorf("passing allocates %v times, %v", allocs, err)
	}
	for name, bad := range map[string][]byte{
		"another message": append(bytes.Clone(run), message('N', []byte{0})...),
		"cut":             run[:len(run)-1],
		"column count":    message('D', dataRow("a")),
		"empty body":      message('D', nil),
	} {
		if _, err := plan.Pass(mask.FromUpstream(bad)); err == nil {
			t.Errorf("%s passed", name)
		} else {
			wantIntegrity(t, err)
		}
	}
	masking := mask.NewPGPlan([]mask.PGColumn{clear(), masked()}, "test")
	if m, err := masking.Pass(mask.FromUpstream(run)); err == nil || m.Len() != 0 {
		t.Error("a plan that masks let a run pass")
	}
	if !masking.Masks() || plan.Masks() {
		t.Error("Masks is wrong")
	}
}

func TestCounts(t *testing.T) {
	t.Parallel()
	second := masked()
	second.TypeOID, second.Labels, second.Reason, second.Columns = oidInt4, []sallyport.Label{"phi.age"}, "unclassified", []string{"public.patients.age"}
	third := masked()
	third.TypeOID, third.Labels, third.Reason, third.Columns = 99999, nil, "unknown-lineage", nil
	plan := mask.NewPGPlan([]mask.PGColumn{masked(), clear(), second, third}, "need-to-know")
	fork := plan.Fork()
	var buf mask.Buffer
	for _, row := range [][]byte{dataRow(canary, "a", "70", "x"), dataRow(null, "b", "71", null), dataRow(null, null, null, "y")} {
		if err := buf.Row(plan, mask.FromUpstream(row)); err != nil {
			t.Fatal(err)
		}
	}
	want := []mask.Count{
		{Output: 0, Columns: []string{"public.patients.ssn"}, Labels: []sallyport.Label{"phi.ssn"}, Reason: "label", Operator: "redact", Profile: "need-to-know", Seen: 3, Masked: 1, Nulls: 2},
		{Output: 2, Columns: []string{"public.patients.age"}, Labels: []sallyport.Label{"phi.age"}, Reason: "unclassified", Operator: "default", Profile: "need-to-know", Seen: 3, Masked: 2, Nulls: 1},
		{Output: 3, Reason: "unknown-lineage", Operator: "null", Profile: "need-to-know", Seen: 3, Masked: 2, Nulls: 1},
	}
	if diff := cmp.Diff(want, plan.TakeCounts()); diff != "" {
		t.Errorf("counts (-want +got):\n%s", diff)
	}
	if again := plan.TakeCounts(); again != nil || plan.Rows() != 0 {
		t.Errorf("taken twice: %v", again)
	}
	if other := fork.TakeCounts(); other != nil {
		t.Errorf("a fork counted with its origin: %v", other)
	}
	if err := buf.Row(fork, mask.FromUpstream(dataRow(canary, "a", "70", "x"))); err != nil {
		t.Fatal(err)
	}
	if got := fork.TakeCounts(); len(got) != 3 || got[0].Nulls != 0 || got[0].Masked != 1 {
		t.Errorf("the fork's counts are %v", got)
	}
}

func TestBufferReuse(t *testing.T) { // not parallel: it counts allocations
	plan := mask.NewPGPlan([]mask.PGColumn{masked(), clear()}, "test")
	row := dataRow(canary, "some text that stays")
	var buf mask.Buffer
	if err := buf.Row(plan, mask.FromUpstream(row)); err != nil {
		t.Fatal(err)
	}
	m := buf.Take()
	kept := bytesOf(t, m)
	// What was taken is not touched by what comes after.
	if err := buf.Row(plan, mask.FromUpstream(dataRow(canary, "another"))); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(bytesOf(t, m), kept) {
		t.Error("a taken result changed")
	}
	buf.Take()
	buf.Reuse(m)
	if allocs := testing.AllocsPerRun(100, func() {
		for range 10 {
			if err := buf.Row(plan, mask.FromUpstream(row)); err != nil {
				t.Error(err)
			}
		}
		buf.Reuse(buf.Take())
	}); allocs > 0 {
		t.Errorf("masking rows allocates %v times", allocs)
	}
}

func TestPlaceholder(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name   string
		typ    uint32
		typmod int32
		labels []sallyport.Label
		want   string
	}{
		{"label", oidText, -1, []sallyport.Label{"phi.note", "phi.ssn"}, "[phi.note]"},
		{"no label", oidText, -1, nil, "[unclassified]"},
		{"empty label", oidText, -1, []sallyport.Label{""}, "[unclassified]"},
		{"strange label", oidText, -1, []sallyport.Label{"a\x00b'\n\u00e9"}, "[a_b____]"},
		{"varchar(5)", 1043, 9, []sallyport.Label{"phi.ssn"}, "[phi."},
		{"varchar(9)", 1043, 13, []sallyport.Label{"phi.ssn"}, "[phi.ssn]"},
		{"bpchar(1)", 1042, 5, []sallyport.Label{"phi.sex"}, "["},
		{"varchar", 1043, -1, []sallyport.Label{"phi.ssn"}, "[phi.ssn]"},
		{"name", 19, -1, []sallyport.Label{"phi.aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"}, "[phi.aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			for _, bin := range []bool{false, true} {
				plan := mask.NewPGPlan([]mask.PGColumn{{TypeOID: tc.typ, Typmod: tc.typmod, Binary: bin, Mask: true, Labels: tc.labels}}, "test")
				var buf mask.Buffer
				if err := buf.Row(plan, mask.FromUpstream(dataRow(canary))); err != nil {
					t.Fatal(err)
				}
				if got, want := bytesOf(t, buf.Take()), message('D', dataRow(tc.want)); !bytes.Equal(got, want) {
					t.Errorf("binary %v: %q, want %q", bin, got, want)
				}
			}
		})
	}
}

func FuzzRow(f *testing.F) {
	f.Add(dataRow("a", canary, "b"), uint8(2))
	f.Add(dataRow(null, canary, null), uint8(7))
	f.Add(dataRow("", "", ""), uint8(0))
	f.Add([]byte{0, 3, 0, 0, 0, 1}, uint8(2))
	f.Fuzz(func(t *testing.T, body []byte, which uint8) {
		cols := []mask.PGColumn{clear(), clear(), clear()}
		for i := range cols {
			if which>>i&1 == 1 {
				cols[i] = masked()
			}
		}
		plan := mask.NewPGPlan(cols, "test")
		var buf mask.Buffer
		if err := buf.Row(plan, mask.FromUpstream(body)); err != nil {
			wantIntegrity(t, err)
			return
		}
		out := bytesOf(t, buf.Take())
		in, got := fields(t, body), fields(t, out[5:])
		for i, field := range in {
			want := field
			if cols[i].Mask && field != null {
				want = "[phi.ssn]"
			}
			if got[i] != want {
				t.Fatalf("column %d is %q, want %q", i, got[i], want)
			}
		}
		if err := buf.Rows(plan, mask.FromUpstream(out)); err != nil {
			t.Fatal(err)
		}
		if again := bytesOf(t, buf.Take()); !bytes.Equal(again, out) {
			t.Fatal("masking is not idempotent")
		}
	})
}
