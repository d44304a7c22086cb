// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package hl7_test

import (
	"testing"

	"github.com/sallyport-dev/sallyport/internal/mask/hl7"
	"github.com/sallyport-dev/sallyport/internal/mask/profile"
	"github.com/sallyport-dev/sallyport/internal/mask/text"
	"github.com/sallyport-dev/sallyport/test/masktest"
)

// masker returns a masker under a profile, on a day in 2026.
func masker(tb testing.TB, s profile.Spec, o hl7.Options) *hl7.Masker {
	tb.Helper()
	m, err := hl7.Compile(masktest.Masker(tb, s), o)
	if err != nil {
		tb.Fatal(err)
	}
	return m
}

// mask returns src masked under a profile by a fresh stream.
func mask(t *testing.T, m *hl7.Masker, src string) string {
	t.Helper()
	out, err := m.Append(nil, []byte(src), &text.Work{})
	if err != nil {
		t.Fatalf("refused: %v", err)
	}
	return string(out)
}
