// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package x12_test

import (
	"bytes"
	"testing"
	"time"

	"github.com/sallyport-dev/sallyport/internal/mask/operator"
	"github.com/sallyport-dev/sallyport/internal/mask/profile"
	"github.com/sallyport-dev/sallyport/internal/mask/scan"
	"github.com/sallyport-dev/sallyport/internal/mask/text"
	"github.com/sallyport-dev/sallyport/internal/mask/x12"
)

// masker returns a masker under a profile, on a day in 2026.
func masker(tb testing.TB, s profile.Spec, o x12.Options) *x12.Masker {
	tb.Helper()
	now := func() time.Time { return time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC) }
	keys, err := operator.NewKeys(operator.Key{Version: 1, Secret: bytes.Repeat([]byte{7}, 32)})
	if err != nil {
		tb.Fatal(err)
	}
	p, err := profile.Compile(s, keys, now)
	if err != nil {
		tb.Fatal(err)
	}
	sc, err := scan.New(scan.Options{})
	if err != nil {
		tb.Fatal(err)
	}
	m, err := x12.Compile(&text.Masker{Scanner: sc, Profile: p}, o)
	if err != nil {
		tb.Fatal(err)
	}
	return m
}

// mask returns src masked by a fresh stream.
func mask(t *testing.T, m *x12.Masker, src string) string {
	t.Helper()
	out, err := m.Append(nil, []byte(src), &text.Work{})
	if err != nil {
		t.Fatalf("refused: %v", err)
	}
	return string(out)
}
