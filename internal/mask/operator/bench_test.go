// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package operator_test

import (
	"testing"

	"github.com/sallyport-dev/sallyport/internal/mask/operator"
)

// BenchmarkText masks one usual value by each operator; keep is the copy that the
// others are compared with.
func BenchmarkText(b *testing.B) {
	values := map[operator.Kind]string{
		operator.Keep: "900-12-3456", operator.Partial: "900-12-3456", operator.EmailDomain: "ada.quenby@clinic.example", operator.PhoneRegion: "(212) 555-0123",
		operator.IPPrefix: "192.0.2.77", operator.Hash: "900-12-3456", operator.Token: "900-12-3456", operator.FPE: "900-12-3456",
		operator.DateYear: "2020-05-17", operator.DateTrunc: "2020-05-17", operator.DateShift: "2020-05-17", operator.ZIP3: "02139-4307",
		operator.Age90: "92 y/o", operator.Bucket: "57.25", operator.Round: "57.25", operator.Noise: "57.25", operator.Surrogate: "Ada Quenby",
	}
	row := &operator.Row{Patient: []byte("M-0012345")}
	for k := operator.Redact; k <= operator.Keep; k++ {
		v, ok := values[k]
		if !ok {
			continue
		}
		o := compile(b, operator.Spec{Kind: k, Last: 4, Domain: "bench"})
		b.Run(k.String(), func(b *testing.B) {
			b.ReportAllocs()
			dst, in := make([]byte, 0, 128), []byte(v)
			for b.Loop() {
				if _, ok := o.Text(dst, in, row); !ok {
					b.Fatal("no answer")
				}
			}
		})
	}
}
