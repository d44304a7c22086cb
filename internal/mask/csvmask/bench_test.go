// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package csvmask_test

import (
	"strings"
	"testing"

	"github.com/sallyport-dev/sallyport/internal/mask/csvmask"
	"github.com/sallyport-dev/sallyport/internal/mask/profile"
	"github.com/sallyport-dev/sallyport/internal/mask/text"
)

// BenchmarkAppend masks a file of a thousand patients, beside a copy of the same
// bytes.
func BenchmarkAppend(b *testing.B) {
	record := "55120443,Ottilie,Zimmerwald,1931-07-04,97405,541-555-0142,\"seen for follow up, glucose stable on the current dose\",OR,98\n"
	src := []byte("mrn,first_name,last_name,dob,zip,phone,note,state,glucose\n" + strings.Repeat(record, 1000))
	m := masker(b, profile.Spec{Name: profile.SafeHarbor}, csvmask.Options{Header: true, Guess: guess})
	b.Run("patients", func(b *testing.B) {
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
