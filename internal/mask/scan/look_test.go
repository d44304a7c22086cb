// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package scan_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-dev/sallyport/internal/mask/scan"
)

// TestLooks writes identifiers in characters that people read as the usual ones.
func TestLooks(t *testing.T) {
	t.Parallel()
	s := scanner(t, scan.Options{})
	var known scan.Known
	known.Add(scan.Name, []byte("Osric Thimblewood"))
	for text, want := range map[string][]string{
		"ssn 900\u200b-11-2233 a":            {"SSN 900\u200b-11-2233"},
		"ssn 9\u00ad00-11\u2060-22\ufeff33.": {"SSN 9\u00ad00-11\u2060-22\ufeff33"},
		"\ufeff900-11-2233":                  {"SSN 900-11-2233"},
		"\u200f900-11-2233\u200e":            {"SSN 900-11-2233"},
		"a\u2028900-11-2233":                 {"SSN 900-11-2233"},
		"\uff19\uff10\uff10\uff0d\uff11\uff11\uff0d\uff12\uff12\uff13\uff13": {"SSN \uff19\uff10\uff10\uff0d\uff11\uff11\uff0d\uff12\uff12\uff13\uff13"},
		"\u0669\u0660\u0660-\u0661\u0661-\u0662\u0662\u0663\u0663":           {"SSN \u0669\u0660\u0660-\u0661\u0661-\u0662\u0662\u0663\u0663"},
		"900\u221211\u22122233":                 {"SSN 900\u221211\u22122233"},
		"call (212)\u2011555\u20110101 now":     {"PHONE (212)\u2011555\u20110101"},
		"call 212\u00a0555\u00a00101":           {"PHONE 212\u00a0555\u00a00101"},
		"on 12\u204431\u20441999":               {"DATE 12\u204431\u20441999"},
		"mail adela\uff20clinic\uff0eexample":   {"EMAIL adela\uff20clinic\uff0eexample"},
		"Thimble\u200bwood came":                {"NAME Thimble\u200bwood"},
		"Th\u00adimblewood came":                {"NAME Th\u00adimblewood"},
		"café \u2019tis 7\u00a0% \u2013 stable": nil,
		"\u200b\u200b\u200b":                    nil,
	} {
		var got []string
		for _, sp := range s.Scan(nil, []byte(text), &known) {
			got = append(got, sp.Entity.String()+" "+text[sp.Start:sp.End])
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%q (-want +got):\n%s", text, diff)
		}
	}
	long := strings.Repeat("é ", 1000) + "900\u200b-11-2233"
	if got := s.Scan(nil, []byte(long), nil); len(got) != 1 || got[0].End != len(long) {
		t.Errorf("in a long text: %v", got)
	}
}
