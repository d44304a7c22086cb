// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package stream_test

import (
	"bytes"
	"io"
	"testing"

	"github.com/sallyport-dev/sallyport/internal/mask/scan"
	"github.com/sallyport-dev/sallyport/internal/mask/stream"
	"github.com/sallyport-dev/sallyport/internal/mask/text"
)

// BenchmarkWriters compares the writers with the masker that is given the whole:
// what is over that is the price of pieces.
func BenchmarkWriters(b *testing.B) {
	m := newMasker(b, scan.NamesOff)
	whole := bytes.Repeat(notes(b), 100)
	run := func(name string, newWriter func() io.Writer) {
		for _, size := range []int{64, 4 << 10, 64 << 10} {
			b.Run(name+"/"+map[int]string{64: "64", 4 << 10: "4k", 64 << 10: "64k"}[size], func(b *testing.B) {
				b.SetBytes(int64(len(whole)))
				b.ReportAllocs()
				for b.Loop() {
					w := newWriter()
					for p := whole; len(p) > 0; p = p[min(size, len(p)):] {
						if _, err := w.Write(p[:min(size, len(p))]); err != nil {
							b.Fatal(err)
						}
					}
				}
			})
		}
	}
	b.Run("whole", func(b *testing.B) {
		b.SetBytes(int64(len(whole)))
		var dst []byte
		for b.Loop() {
			dst = m.Append(dst[:0], whole, &text.Work{})
		}
	})
	run("Text", func() io.Writer { return stream.NewText(m, &text.Work{}, io.Discard) })
	run("Terminal", func() io.Writer { return stream.NewTerminal(m, &text.Work{}, io.Discard) })
	run("Records", func() io.Writer {
		return stream.NewRecords(plain{m}, &text.Work{}, io.Discard, stream.RecordOptions{})
	})
}

// BenchmarkLog masks lines of a log with names in safe-list mode, as programs print them
// without a terminal and with one.
func BenchmarkLog(b *testing.B) {
	m := newMasker(b, scan.NamesUnlisted)
	line := "2026-01-02T03:04:05Z INFO claims request=7f3a status=200 duration=12ms path=/v1/claims/list ssn 219-09-9991"
	for name, end := range map[string]string{"bulk": "\n", "lines": "\r\n"} {
		whole := bytes.Repeat([]byte(line+end), 300)
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(whole)))
			b.ReportAllocs()
			t := stream.NewTerminal(m, &text.Work{}, io.Discard)
			t.Bulk = name == "bulk"
			for b.Loop() {
				if _, err := t.Write(whole); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
