// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

//go:build !race

package hl7_test

import (
	"bytes"
	"testing"

	"github.com/sallyport-dev/sallyport/internal/mask/hl7"
	"github.com/sallyport-dev/sallyport/internal/mask/profile"
	"github.com/sallyport-dev/sallyport/internal/mask/text"
)

// TestNoAllocation is left out under the race detector, which empties pools on
// purpose.
func TestNoAllocation(t *testing.T) {
	m := masker(t, profile.Spec{Name: profile.SafeHarbor}, hl7.Options{})
	src := []byte(messages(t)["oru_r01"])
	var w text.Work
	dst, err := m.Append(nil, src, &w)
	if err != nil {
		t.Fatal(err)
	}
	if n := testing.AllocsPerRun(50, func() { dst, err = m.Append(dst[:0], src, &w) }); n > 0.5 || err != nil || !bytes.Contains(dst, []byte("[NAME]")) {
		t.Errorf("%v allocations per message, %v", n, err)
	}
}
