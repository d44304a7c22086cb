// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package fhir_test

import (
	"testing"

	"github.com/sallyport-dev/sallyport/internal/mask/text"
)

// BenchmarkAppend masks the examples under Safe Harbor; BenchmarkCopy copies them,
// for the ratio. The one example that is nearly all base64 is left out: it is
// skipped at the speed of memory.
func BenchmarkAppend(b *testing.B) {
	m := masker(b, "safe-harbor")
	docs, size := small(b)
	var w text.Work
	var dst []byte
	b.SetBytes(int64(size))
	b.ReportAllocs()
	for b.Loop() {
		for _, d := range docs {
			var err error
			if dst, err = m.Append(dst[:0], d, &w); err != nil {
				b.Fatal(err)
			}
		}
	}
}

func BenchmarkCopy(b *testing.B) {
	docs, size := small(b)
	var dst []byte
	b.SetBytes(int64(size))
	for b.Loop() {
		for _, d := range docs {
			dst = append(dst[:0], d...)
		}
	}
}

func small(b *testing.B) (docs [][]byte, size int) {
	for _, e := range examples(b) {
		if len(e.doc) < 100_000 {
			docs = append(docs, e.doc)
			size += len(e.doc)
		}
	}
	return docs, size
}
