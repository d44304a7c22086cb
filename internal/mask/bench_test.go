// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package mask_test

import (
	"testing"
	"time"

	"github.com/sallyport-dev/sallyport/internal/mask"
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

// BenchmarkCopy measures COPY in the three formats with one masked column.
func BenchmarkCopy(b *testing.B) {
	for _, format := range []mask.CopyFormat{{Kind: mask.CopyText}, {Kind: mask.CopyCSV}} {
		name, sep := "text", "\t"
		if format.Kind == mask.CopyCSV {
			name, sep = "csv", ","
		}
		b.Run(name, func(b *testing.B) {
			var run []byte
			for len(run) < 64<<10 {
				for i, f := range fields(b, patientRow()) {
					if i == 6 && name == "csv" {
						f = `"` + f + `"`
					}
					if i > 0 {
						run = append(run, sep...)
					}
					if i == 9 && name == "csv" {
						f = "no known allergies"
					}
					run = append(run, f...)
				}
				run = append(run, '\n')
			}
			cols := make([]mask.PGColumn, 10)
			for i := range cols {
				cols[i] = clear()
			}
			cols[5] = masked()
			c, err := mask.NewPGCopy(cols, format, "bench")
			if err != nil {
				b.Fatal(err)
			}
			var buf mask.Buffer
			b.SetBytes(int64(len(run)))
			for b.Loop() {
				if err := buf.Copy(c, mask.FromUpstream(run)); err != nil {
					b.Fatal(err)
				}
				buf.Reuse(buf.Take())
			}
		})
	}
}
