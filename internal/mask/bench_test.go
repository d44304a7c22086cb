// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package mask_test

import (
	"strings"
	"testing"
	"time"

	"github.com/sallyport-dev/sallyport/internal/mask"
	"github.com/sallyport-dev/sallyport/internal/mask/operator"
	"github.com/sallyport-dev/sallyport/internal/mask/scan"
)

// patientRow is a row of ten columns of a clinic's table, about 190 bytes.
func patientRow() []byte {
	return dataRow("10492", "MRN0010492", "Testperson", "Synthetic", "1974-12-25", "987-65-4320",
		"12 Example Street, Springfield", "555-0100", "patient@example.org", "no known allergies, follow-up in two weeks")
}

func patientRun() []byte {
	var run []byte
	for len(run) < 64<<10 {
		run = append(run, message('D', patientRow())...)
	}
	return run
}

// BenchmarkRows measures the masking of runs of 64 KiB. The metric "ratio" is
// the rate against a copy of the same bytes in the same run.
func BenchmarkRows(b *testing.B) {
	run := patientRun()
	for _, bc := range []struct {
		name string
		mask []int
	}{
		{"none", nil},
		{"one", []int{5}},
		{"three", []int{1, 5, 9}},
		{"nine", []int{1, 2, 3, 4, 5, 6, 7, 8, 9}},
	} {
		b.Run(bc.name, func(b *testing.B) {
			cols := make([]mask.PGColumn, 10)
			for i := range cols {
				cols[i] = clear()
			}
			for _, i := range bc.mask {
				cols[i] = masked()
			}
			plan := mask.NewPGPlan(cols, "bench")
			var buf mask.Buffer
			b.SetBytes(int64(len(run)))
			b.ReportAllocs()
			for b.Loop() {
				if err := buf.Rows(plan, mask.FromUpstream(run)); err != nil {
					b.Fatal(err)
				}
				buf.Reuse(buf.Take())
			}
			spent := b.Elapsed()
			dst := make([]byte, len(run))
			begin := time.Now()
			for range b.N {
				copy(dst, run)
			}
			b.ReportMetric(float64(time.Since(begin))/float64(spent), "ratio")
		})
	}
}

// BenchmarkValueRows measures runs of 64 KiB with masks that depend on values.
func BenchmarkValueRows(b *testing.B) {
	run := patientRun()
	set := func(cols []mask.PGColumn, s operator.Spec, at ...int) {
		for _, i := range at {
			oid := cols[i].TypeOID
			cols[i] = opColumn(oid, -1, 0, compiled(b, s))
		}
	}
	for _, bc := range []struct {
		name string
		cols func(cols []mask.PGColumn)
	}{
		{"year", func(cols []mask.PGColumn) { set(cols, operator.Spec{Kind: operator.DateYear}, 4) }},
		{"partial", func(cols []mask.PGColumn) { set(cols, operator.Spec{Kind: operator.Partial, Last: 2}, 1, 5, 7) }},
		{"hash", func(cols []mask.PGColumn) { set(cols, operator.Spec{Kind: operator.Hash, Domain: "bench"}, 5) }},
		{"scan note", func(cols []mask.PGColumn) { cols[9] = scanned(b) }},
		{"scan all", func(cols []mask.PGColumn) {
			for i := 1; i < 10; i++ {
				cols[i] = scanned(b)
			}
		}},
		{"known", func(cols []mask.PGColumn) {
			cols[2], cols[3], cols[9] = masked(), masked(), scanned(b)
			cols[2].Known, cols[3].Known = scan.Name, scan.Name
		}},
	} {
		b.Run(bc.name, func(b *testing.B) {
			cols := make([]mask.PGColumn, 10)
			for i := range cols {
				cols[i] = clear()
			}
			cols[4].TypeOID = 1082
			bc.cols(cols)
			plan := mask.NewPGPlan(cols, "bench")
			var buf mask.Buffer
			b.SetBytes(int64(len(run)))
			b.ReportAllocs()
			for b.Loop() {
				if err := buf.Rows(plan, mask.FromUpstream(run)); err != nil {
					b.Fatal(err)
				}
				buf.Reuse(buf.Take())
			}
		})
	}
}

func BenchmarkPass(b *testing.B) {
	run := patientRun()
	cols := make([]mask.PGColumn, 10)
	for i := range cols {
		cols[i] = clear()
	}
	plan := mask.NewPGPlan(cols, "bench")
	b.SetBytes(int64(len(run)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := plan.Pass(mask.FromUpstream(run)); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkCopy measures COPY in the text formats with one masked column: with a
// constant, and with an operator, for which rows are held.
func BenchmarkCopy(b *testing.B) {
	partial := masked()
	partial.Operator = compiled(b, operator.Spec{Kind: operator.Partial, Last: 2})
	for _, bc := range []struct {
		name string
		kind mask.CopyKind
		col  mask.PGColumn
	}{
		{"text", mask.CopyText, masked()},
		{"csv", mask.CopyCSV, masked()},
		{"text held", mask.CopyText, partial},
		{"csv held", mask.CopyCSV, partial},
	} {
		b.Run(bc.name, func(b *testing.B) {
			run := copyRun(b, bc.kind)
			cols := make([]mask.PGColumn, 10)
			for i := range cols {
				cols[i] = clear()
			}
			cols[5] = bc.col
			c, err := mask.NewPGCopy(cols, mask.CopyFormat{Kind: bc.kind}, "bench")
			if err != nil {
				b.Fatal(err)
			}
			var buf mask.Buffer
			b.SetBytes(int64(len(run)))
			b.ReportAllocs()
			for b.Loop() {
				if err := buf.Copy(c, mask.FromUpstream(run)); err != nil {
					b.Fatal(err)
				}
				buf.Reuse(buf.Take())
			}
		})
	}
}

// copyRun is 64 KiB of patientRow as a copy in one of the text formats.
func copyRun(b *testing.B, kind mask.CopyKind) []byte {
	var run []byte
	for len(run) < 64<<10 {
		for i, f := range fields(b, patientRow()) {
			sep := "\t"
			if kind == mask.CopyCSV {
				sep = ","
				if strings.Contains(f, sep) {
					f = `"` + f + `"`
				}
			}
			if i > 0 {
				run = append(run, sep...)
			}
			run = append(run, f...)
		}
		run = append(run, '\n')
	}
	return run
}
