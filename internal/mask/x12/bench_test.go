// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package x12_test

import (
	"strings"
	"testing"

	"github.com/sallyport-dev/sallyport/internal/mask/profile"
	"github.com/sallyport-dev/sallyport/internal/mask/text"
	"github.com/sallyport-dev/sallyport/internal/mask/x12"
)

// BenchmarkAppend masks fifty claims in one call, beside a copy of the same
// bytes.
func BenchmarkAppend(b *testing.B) {
	src := []byte(strings.Repeat(interchanges(b)["claim_837p"], 50))
	m := masker(b, profile.Spec{Name: profile.SafeHarbor}, x12.Options{})
	b.Run("claims", func(b *testing.B) {
		var w text.Work
		dst, err := m.Append(nil, src, &w)
		if err != nil {
			b.Fatal(err)
		}
		b.SetBytes(int64(len(src)))
		b.ReportAllocs()
		for b.Loop() {
			if dst, err = m.Append(dst[:0], src, &w); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("copy", func(b *testing.B) {
		var dst []byte
		b.SetBytes(int64(len(src)))
		for b.Loop() {
			dst = append(dst[:0], src...)
		}
	})
}
