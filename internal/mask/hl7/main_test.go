// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package hl7_test

import (
	"bytes"
	"testing"
	"time"

	"github.com/sallyport-dev/sallyport/internal/mask/hl7"
	"github.com/sallyport-dev/sallyport/internal/mask/operator"
	"github.com/sallyport-dev/sallyport/internal/mask/profile"
	"github.com/sallyport-dev/sallyport/internal/mask/scan"
	"github.com/sallyport-dev/sallyport/internal/mask/text"
)

// masker returns a masker under a profile, on a day in 2026.
func masker(tb testing.TB, s profile.Spec, o hl7.Options) *hl7.Masker {
	tb.Helper()
	sc, err := scan.New(scan.Options{})
	if err != nil {
		tb.Fatal(err)
	}
	m, err := hl7.Compile(&text.Masker{Scanner: sc, Profile: compiledAs(tb, s)}, o)
	if err != nil {
		tb.Fatal(err)
	}
	return m
}

func compiled(tb testing.TB) *profile.Profile {
	return compiledAs(tb, profile.Spec{Name: profile.SafeHarbor})
}

func compiledAs(tb testing.TB, s profile.Spec) *profile.Profile {
	tb.Helper()
	now := func() time.Time { return time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC) }
	key, err := operator.NewKeys(operator.Key{Version: 1, Secret: bytes.Repeat([]byte{7}, 32)})
	if err != nil {
		tb.Fatal(err)
	}
	p, err := profile.Compile(s, key, now)
	if err != nil {
		tb.Fatal(err)
	}
	return p
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
