// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package mask_test

import (
	"bytes"
	"context"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-dev/sallyport/internal/mask"
	"github.com/sallyport-dev/sallyport/internal/mask/scan"
)

// finder is a detector that finds a word.
type finder struct {
	word  string
	bad   func(spans [][]scan.Span) ([][]scan.Span, error)
	calls [][]string
}

func (*finder) Name() string    { return "finder" }
func (*finder) Version() string { return "3" }

func (f *finder) Detect(ctx context.Context, batch [][]byte) ([][]scan.Span, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	var texts []string
	out := make([][]scan.Span, len(batch))
	for i, b := range batch {
		texts = append(texts, string(b))
		if at := bytes.Index(b, []byte(f.word)); at >= 0 {
			out[i] = append(out[i], scan.Span{Start: at, End: at + len(f.word), Entity: scan.Name})
		}
	}
	f.calls = append(f.calls, texts)
	if f.bad != nil {
		return f.bad(out)
	}
	return out, nil
}

func TestDetector(t *testing.T) {
	t.Parallel()
	d := &finder{word: "Orrell 987"}
	c := scanned(t)
	c.Detector = d
	plan := mask.NewPGPlan([]mask.PGColumn{clear(), c}, "test")
	plan.SetContext(t.Context())
	got := maskCells(t, plan,
		dataRow("1", "Tamsin Orrell 987-65-4320 came"), dataRow("2", null), dataRow("3", "\xff"), dataRow("4", "Orrell 987 and "+canary), dataRow("5", "x"))
	want := [][]string{{"1", "Tamsin [SSN] came"}, {"2", null}, {"3", "[phi.note]"}, {"4", "[NAME] and [SSN]"}, {"5", "x"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([][]string{{"Tamsin Orrell 987-65-4320 came", "Orrell 987 and " + canary, "x"}}, d.calls); diff != "" {
		t.Errorf("calls (-want +got):\n%s", diff)
	}
	counts := plan.TakeCounts()
	if len(counts) != 3 || counts[0].Detector != "finder" || counts[0].DetectorVersion != "3" || counts[0].Masked != 3 || counts[0].Undecodable != 1 ||
		counts[1].Rule != "detector" || counts[1].Detector != "finder" || counts[2].Entity != "SSN" || counts[2].Hits != 2 || counts[2].Detector != "" {
		t.Errorf("counts are %+v", counts)
	}
}

func TestDetectorFails(t *testing.T) {
	t.Parallel()
	one := func(s scan.Span) func([][]scan.Span) ([][]scan.Span, error) {
		return func(spans [][]scan.Span) ([][]scan.Span, error) { spans[0] = []scan.Span{s}; return spans, nil }
	}
	for name, bad := range map[string]func([][]scan.Span) ([][]scan.Span, error){
		"error":          func(s [][]scan.Span) ([][]scan.Span, error) { return s, errors.New("away") },
		"short":          func(s [][]scan.Span) ([][]scan.Span, error) { return s[:1], nil },
		"long":           func(s [][]scan.Span) ([][]scan.Span, error) { return append(s, nil), nil },
		"nothing":        func([][]scan.Span) ([][]scan.Span, error) { return nil, nil },
		"before":         one(scan.Span{Start: -1, End: 1, Entity: scan.Name}),
		"behind":         one(scan.Span{Start: 0, End: 99, Entity: scan.Name}),
		"empty":          one(scan.Span{Start: 1, End: 1, Entity: scan.Name}),
		"backwards":      one(scan.Span{Start: 2, End: 1, Entity: scan.Name}),
		"in a character": one(scan.Span{Start: 0, End: 1, Entity: scan.Name}),
		"no entity":      one(scan.Span{Start: 0, End: 2}),
		"unknown entity": one(scan.Span{Start: 0, End: 2, Entity: 250}),
	} {
		c := scanned(t)
		c.Detector = &finder{word: "x", bad: bad}
		plan := mask.NewPGPlan([]mask.PGColumn{c}, "test")
		plan.SetContext(t.Context())
		got := maskCells(t, plan, dataRow("\u00e9 "+canary), dataRow("plain"))
		if diff := cmp.Diff([][]string{{"[phi.note]"}, {"[phi.note]"}}, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
		counts := plan.TakeCounts()
		if len(counts) != 2 || counts[0].Seen != 0 || counts[1].Reason != mask.ReasonUnavailable || counts[1].Seen != 2 || counts[1].Masked != 2 {
			t.Errorf("%s: counts are %+v", name, counts)
		}
	}
	// Without a context, without a scanner, and where it cannot look, it is not
	// called.
	d := &finder{word: "x"}
	c := scanned(t)
	c.Detector = d
	array, alone, number := c, c, c
	array.TypeOID, alone.Text, number.TypeOID = 1009, nil, oidInt4
	plan := mask.NewPGPlan([]mask.PGColumn{c, array, alone, number}, "test")
	got := maskCells(t, plan, dataRow("x", "{x}", "x", "5"))
	if diff := cmp.Diff([][]string{{"[phi.note]", "{}", "[phi.note]", "0"}}, got); diff != "" || len(d.calls) > 0 {
		t.Errorf("%d calls, (-want +got):\n%s", len(d.calls), diff)
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	plan.SetContext(gone)
	if got := maskCells(t, plan, dataRow("x", "{x}", "x", "5"))[0][0]; got != "[phi.note]" {
		t.Errorf("with a context that is done: %q", got)
	}
}

func TestCopyDetector(t *testing.T) {
	t.Parallel()
	d := &finder{word: "Orrell"}
	c := scanned(t)
	c.Detector = d
	cp, err := mask.NewPGCopy([]mask.PGColumn{c, clear()}, mask.CopyFormat{}, "test")
	if err != nil {
		t.Fatal(err)
	}
	var buf mask.Buffer
	if err := buf.Copy(cp, mask.FromUpstream([]byte("Orrell\\tx\t1\n\\N\t2\n"))); err != nil {
		t.Fatal(err)
	}
	cp.SetContext(t.Context())
	if err := buf.Copy(cp, mask.FromUpstream([]byte("Orrell\\tx\t3\n"))); err != nil {
		t.Fatal(err)
	}
	if got, want := string(payload(t, bytesOf(t, buf.Take()))), "[phi.note]\t1\n\\N\t2\n[NAME]\\tx\t3\n"; got != want {
		t.Errorf("the copy is %q, want %q", got, want)
	}
	if diff := cmp.Diff([][]string{{"Orrell\tx"}}, d.calls); diff != "" {
		t.Errorf("calls (-want +got):\n%s", diff)
	}
}
