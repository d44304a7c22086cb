// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package ocsf_test

import (
	"testing"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/export/ocsf"
)

func BenchmarkMap(b *testing.B) {
	leaves := samples(b, sallyport.CIJob, "postgres")
	m := ocsf.New(ocsf.Options{Origin: origin, Product: "v1"})
	for i, leaf := range leaves[:15] {
		m.Follow(uint64(i), leaf)
	}
	b.ReportAllocs()
	for b.Loop() {
		e := m.Map(15, leaves[15], nil, nil)
		b.SetBytes(int64(len(e.JSON)))
	}
}
