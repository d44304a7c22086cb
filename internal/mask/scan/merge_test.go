// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package scan_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-dev/sallyport/internal/mask/scan"
)

// TestMerge has findings of patterns meet those of other passes: known words and
// the site's rules.
func TestMerge(t *testing.T) {
	s := scanner(t, scan.Options{Rules: []scan.UserRule{
		{Name: "file", Entity: scan.Unique, Prefilter: "file", Pattern: `file [a-z]+ [\d-]+ [a-z]+`},
		{Name: "year", Entity: scan.MRN, Prefilter: "rec", Pattern: `rec in \d+`},
	}})
	var known scan.Known
	known.Add(scan.Name, []byte("Alder"))
	for _, c := range []struct {
		text string
		want []string
	}{
		{"Alder 900-12-3456", []string{"NAME:Alder", "SSN:900-12-3456"}},
		{"900-12-3456 Alder 617-555-0123", []string{"SSN:900-12-3456", "NAME:Alder", "PHONE:617-555-0123"}},
		{"write to alder@example.org", []string{"EMAIL:alder@example.org"}},
		{"file no 900-12-3456 kept", []string{"ID:file no", "SSN:900-12-3456", "ID:kept"}},
		{"rec in 2014", []string{"MRN:rec in 2014"}},
	} {
		var got []string
		for _, f := range s.Scan(nil, []byte(c.text), &known) {
			got = append(got, f.Entity.String()+":"+c.text[f.Start:f.End])
		}
		if d := cmp.Diff(c.want, got); d != "" {
			t.Errorf("%q (-want +got):\n%s", c.text, d)
		}
	}
}
