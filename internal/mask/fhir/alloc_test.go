// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

//go:build !race

package fhir_test

import (
	"testing"

	"github.com/sallyport-dev/sallyport/internal/mask/profile"
	"github.com/sallyport-dev/sallyport/internal/mask/text"
)

// Under the race detector a sync.Pool forgets things at random, so that this
// would say nothing there.
func TestAllocations(t *testing.T) {
	m := masker(t, profile.SafeHarbor)
	for _, e := range examples(t) {
		var w text.Work
		var dst []byte
		got := testing.AllocsPerRun(10, func() {
			var err error
			if dst, err = m.Append(dst[:0], e.doc, &w); err != nil {
				t.Fatal(err)
			}
		})
		if got >= 2 {
			t.Errorf("%s: %v allocations a document", e.name, got)
		}
	}
}
