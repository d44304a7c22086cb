// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package mask_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-dev/sallyport/internal/mask"
	"github.com/sallyport-dev/sallyport/internal/mask/operator"
)

// TestCopyHeld covers copies whose rows are held: escapes both ways, limits, and
// the null marker.
func TestCopyHeld(t *testing.T) {
	t.Parallel()
	note := scanned(t)
	long := strings.Repeat("long ", 1<<20/5+1)
	half := strings.Repeat("x", 900<<10)
	wide := strings.Repeat("y", 5<<20)
	csv := mask.CopyFormat{Kind: mask.CopyCSV}
	keep := opColumn(oidInt4, -1, 0, compiled(t, operator.Spec{Kind: operator.Keep}))
	ten := []mask.PGColumn{note, clear(), note, note, note, note, note, keep, masked(), note}
	for _, tc := range []struct {
		name     string
		format   mask.CopyFormat
		cols     []mask.PGColumn
		in, want string
	}{
		{"escapes", mask.CopyFormat{}, []mask.PGColumn{note, clear()}, `a\tb\\c\n` + canary + "\t\\\\x\n", `a\tb\\c\n[SSN]` + "\t\\\\x\n"},
		{"value across an escape", mask.CopyFormat{Delimiter: '-'}, []mask.PGColumn{note, clear()}, `987\-65\-4320-x` + "\n", "[SSN]-x\n"},
		{"escape that no server writes", mask.CopyFormat{}, []mask.PGColumn{note}, `\q` + canary + "\n", "[phi.note]\n"},
		{"null", mask.CopyFormat{}, []mask.PGColumn{note, note}, "\\N\t\n", "\\N\t\n"},
		{"own null", mask.CopyFormat{Null: canary, NullSet: true}, []mask.PGColumn{note, note}, canary + "\tx\n", "[phi.note]\tx\n"},
		{"one column", mask.CopyFormat{}, []mask.PGColumn{note}, "\n" + canary + "\n", "\n[SSN]\n"},
		{"csv", csv, []mask.PGColumn{note, clear()}, "\"a,\"\"" + canary + "\"\"\n\",\"c\"\n,\n\"\",x\n", "\"a,\"\"[SSN]\"\"\n\",\"c\"\n,\n\"\",x\n"},
		{"csv escape", mask.CopyFormat{Kind: mask.CopyCSV, Escape: '\\'}, []mask.PGColumn{note}, `"a\"` + canary + `\\"` + "\n", `"a\"[SSN]\\"` + "\n"},
		{"csv header", mask.CopyFormat{Kind: mask.CopyCSV, Header: true}, []mask.PGColumn{note, clear()}, "note,x\n" + canary + ",1\n", "note,x\n[SSN],1\n"},
		{"large field", mask.CopyFormat{}, []mask.PGColumn{clear(), note, note}, long + "\t" + long + "\t" + canary + "\n" + canary + "\t" + canary + "\tx\n", long + "\t[phi.note]\t[SSN]\n" + canary + "\t[SSN]\tx\n"},
		{"large csv field", csv, []mask.PGColumn{note, note}, `"` + long + `",` + canary + "\n", "[phi.note],[SSN]\n"},
		{
			"large row",
			mask.CopyFormat{},
			ten,
			strings.Join([]string{half, "a", half, half, half, half, "b", "7", canary, canary}, "\t") + "\nb\tc\td\te\tf\tg\th\t8\t\\N\ti\n",
			"[phi.note]\ta\t[phi.note]\t[phi.note]\t[phi.note]\t[phi.note]\t[phi.note]\t7\t[phi.ssn]\t[phi.note]\nb\tc\td\te\tf\tg\th\t8\t\\N\ti\n",
		},
		{"very large field", mask.CopyFormat{}, []mask.PGColumn{note, note}, wide + "\t" + canary + "\n", "[phi.note]\t[SSN]\n"},
		{"very large binary field", mask.CopyFormat{Kind: mask.CopyBinary}, []mask.PGColumn{note, note}, copyFile(dataRow(wide, canary)), copyFile(dataRow("[phi.note]", "[SSN]"))},
		{"large clear field", mask.CopyFormat{}, []mask.PGColumn{note, clear(), note}, "\\N\t" + wide + "\t" + canary + "\nx\ty\t" + canary + "\n", "\\N\t" + wide + "\t[phi.note]\nx\ty\t[SSN]\n"},
		{
			"binary",
			mask.CopyFormat{Kind: mask.CopyBinary},
			[]mask.PGColumn{note, clear(), masked()},
			copyFile(dataRow("a "+canary, canary, "x"), dataRow(null, null, null), dataRow(long, wide[:100], "x"), dataRow("b", wide, "x"), dataRow("", "", "")),
			copyFile(dataRow("a [SSN]", canary, "[phi.ssn]"), dataRow(null, null, null), dataRow("[phi.note]", wide[:100], "[phi.ssn]"), dataRow("[phi.note]", wide, "[phi.ssn]"), dataRow("", "", "[phi.ssn]")),
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			whole, counts, err := copyChunks(t, tc.cols, tc.format, []byte(tc.in))
			if err != nil {
				t.Fatal(err)
			}
			if string(whole) != tc.want {
				t.Fatalf("masked copy of %d bytes %.200q, want %d bytes %.200q", len(whole), whole, len(tc.want), tc.want)
			}
			var uneven [][]byte
			for b, n := []byte(tc.in), 1; len(b) > 0; n = n*3%65521 + 1 {
				n = min(n, len(b))
				uneven = append(uneven, b[:n])
				b = b[n:]
			}
			got, cutCounts, err := copyChunks(t, tc.cols, tc.format, uneven...)
			if err != nil || !bytes.Equal(got, whole) {
				t.Fatalf("in %d pieces: %.200q, %v", len(uneven), got, err)
			}
			if diff := cmp.Diff(counts, cutCounts); diff != "" {
				t.Errorf("counts (-whole +cut):\n%s", diff)
			}
			for at := 0; at < len(tc.in) && len(tc.in) < 1000; at++ {
				got, _, err := copyChunks(t, tc.cols, tc.format, []byte(tc.in[:at]), []byte(tc.in[at:]))
				if err != nil || !bytes.Equal(got, whole) {
					t.Fatalf("cut at %d: %.200q, %v", at, got, err)
				}
			}
			for _, c := range counts {
				if c.Hits == 0 && c.Seen != c.Nulls+c.Masked && c.Operator != mask.OpScan && c.Operator != "keep" {
					t.Errorf("the count does not add up: %+v", c)
				}
			}
		})
	}
}
