// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package hl7_test

import (
	"bytes"
	"os"
	"testing"

	"github.com/sallyport-dev/sallyport/internal/mask/hl7"
	"github.com/sallyport-dev/sallyport/internal/mask/profile"
	"github.com/sallyport-dev/sallyport/internal/mask/text"
)

// BenchmarkAppend masks an admission and a laboratory report, as one message per
// call and as a hundred, beside a copy of the same bytes.
func BenchmarkAppend(b *testing.B) {
	var one []byte
	for _, name := range []string{"testdata/adt_a01.hl7", "testdata/oru_r01.hl7"} {
		src, err := os.ReadFile(name)
		if err != nil {
			b.Fatal(err)
		}
		one = append(one, src...)
	}
	m := masker(b, profile.Spec{Name: profile.SafeHarbor}, hl7.Options{})
	for _, c := range []struct {
		name string
		src  []byte
	}{{"message", one}, {"batch", bytes.Repeat(one, 50)}} {
		b.Run(c.name, func(b *testing.B) {
			var w text.Work
			dst, err := m.Append(nil, c.src, &w)
			if err != nil {
				b.Fatal(err)
			}
			b.SetBytes(int64(len(c.src)))
			b.ReportAllocs()
			for b.Loop() {
				if dst, err = m.Append(dst[:0], c.src, &w); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	b.Run("copy", func(b *testing.B) {
		src := bytes.Repeat(one, 50)
		var dst []byte
		b.SetBytes(int64(len(src)))
		for b.Loop() {
			dst = append(dst[:0], src...)
		}
	})
}
