// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package x12_test

import (
	"strings"
	"testing"

	"github.com/sallyport-dev/sallyport/internal/mask/profile"
	"github.com/sallyport-dev/sallyport/internal/mask/x12"
	"github.com/sallyport-dev/sallyport/test/masktest"
)

// BenchmarkAppend masks fifty claims in one call, beside a copy of the same
// bytes.
func BenchmarkAppend(b *testing.B) {
	src := []byte(strings.Repeat(interchanges(b)["claim_837p"], 50))
	m := masker(b, profile.Spec{Name: profile.SafeHarbor}, x12.Options{})
	masktest.Bench(b, "claims", src, m.Append)
}
