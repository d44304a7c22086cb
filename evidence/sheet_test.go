// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package evidence_test

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/evidence"
	"github.com/xuri/excelize/v2"
)

// sink keeps what is written to a file.
type sink struct{ bytes.Buffer }

// Close implements io.Closer.
func (*sink) Close() error { return nil }

// TestLongSheet wants a table that is longer than a sheet to say so in its last
// row, and to be whole as CSV.
func TestLongSheet(t *testing.T) {
	t.Parallel()
	all := map[string]*sink{}
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	d, err := evidence.NewDeriver(evidence.Scope{Created: at}, func(name string) (io.WriteCloser, error) {
		all[name] = &sink{}
		return all[name], nil
	})
	if err != nil {
		t.Fatal(err)
	}
	const more = 3
	long := strings.Repeat("é", 20_000)
	for i := range evidence.MaxSheetRows + more {
		raw, err := evidence.Marshal(evidence.Leaf[evidence.Export]{
			V: evidence.LeafVersion, Type: evidence.TypeExport, Origin: "o", Time: at, Body: evidence.Export{By: "human:eve", Purpose: fmt.Sprintf("=%d", i) + long[:(i%2)*(i/2%2)*len(long)/(1+i)]},
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := d.Add(uint64(i), raw); err != nil {
			t.Fatal(err)
		}
	}
	raw, err := evidence.Marshal(evidence.Leaf[evidence.Review]{
		V: evidence.LeafVersion, Type: evidence.TypeReview, Origin: "o", Time: at, Body: evidence.Review{Kind: "activity", By: "human:eve", Note: long},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Add(evidence.MaxSheetRows+more, raw); err != nil {
		t.Fatal(err)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	if n := bytes.Count(all["09-activity-review/evidence-access.csv"].Bytes(), []byte("\n")); n != evidence.MaxSheetRows+more+1 {
		t.Errorf("the CSV has %d lines", n)
	}
	book, err := excelize.OpenReader(&all[evidence.WorkbookName].Buffer)
	if err != nil {
		t.Fatal(err)
	}
	rows, err := book.GetRows("09 evidence-access")
	if err != nil {
		t.Fatal(err)
	}
	if n := len(rows); n != evidence.MaxSheetRows+2 || rows[n-1][0] != "3 more rows are in the CSV and JSON files only" || rows[n-2][1] != "evidence exported" {
		t.Errorf("%d rows, the last ones %v", n, rows[max(0, n-2):])
	}
	notes, err := book.GetRows("09 reviews")
	if err != nil || len(notes) != 2 || !strings.HasSuffix(notes[1][6], "é ... (cut; the CSV has all of it)") {
		t.Errorf("a long cell: %d rows, %v", len(notes), err)
	}
	if err := book.Close(); err != nil {
		t.Error(err)
	}
}

func TestPatterns(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		pattern, text string
		fits          bool
	}{
		{"ci:*", "ci:acme/claims", true},
		{"ci:*", "svc:ci:x", false},
		{"ci:acme/*", "ci:acme/", true},
		{"*:night", "svc:night", true},
		{"*:night", "svc:nightly", false},
		{"ci:*/claims-*", "ci:acme/claims-eu", true},
		{"ci:*/claims-*", "ci:acme/reports", false},
		{"a*a", "a", false},
		{"svc:x", "svc:x", true},
		{"svc:x", "svc:xy", false},
	} {
		if got := evidence.FitsPattern(tc.pattern, tc.text); got != tc.fits {
			t.Errorf("%q and %q: %v", tc.pattern, tc.text, got)
		}
	}
}

const marked = `@id("jit") @breakglass("on call") @grant("group:x")
forbid(principal, action, resource) unless { context has grant }; // @breakglass ; @id("no")
@id("a \" ; @breakglass") permit(principal, action, resource) when { principal == User::"@breakglass" };
@breakglass("without a name") forbid(principal, action, resource);
@breakglass("x") @id("last") permit(principal, action, resource);`

func TestBreakglassRules(t *testing.T) {
	t.Parallel()
	if diff := cmp.Diff([]sallyport.RuleID{"jit", "last"}, evidence.BreakglassRules(marked)); diff != "" {
		t.Errorf("rules (-want +got):\n%s", diff)
	}
}

// FuzzBreakglassRules wants no text to make it fail, and every rule to be in the
// text.
func FuzzBreakglassRules(f *testing.F) {
	f.Add(marked)
	f.Add(`@breakglass @id("`)
	f.Add(`@id("x\`)
	f.Fuzz(func(t *testing.T, text string) {
		for _, id := range evidence.BreakglassRules(text) {
			if !strings.Contains(text, string(id)) || slices.Contains([]byte(id), 0) && !strings.Contains(text, "\x00") {
				t.Errorf("%q is not in the text", id)
			}
		}
	})
}
