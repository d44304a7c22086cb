// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package phigen_test

import (
	"bytes"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-dev/sallyport/internal/mask/scan"
	"github.com/sallyport-dev/sallyport/test/phigen"
)

func TestSameArgumentsGiveTheSameBytes(t *testing.T) {
	if d := cmp.Diff(phigen.DenseText(5000), phigen.DenseText(5000)); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff(phigen.DenseColumns(50), phigen.DenseColumns(50)); d != "" {
		t.Error(d)
	}
}

func TestDensity(t *testing.T) {
	s, err := scan.New(scan.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		text     []byte
		low, top int // findings in each kilobyte
	}{
		"clean text":    {phigen.CleanText(20000), 0, 0},
		"clean columns": {bytes.Join(phigen.CleanColumns(500), []byte("\n\n")), 0, 0},
		"dense text":    {phigen.DenseText(20000), 7, 15},
		"dense columns": {bytes.Join(phigen.DenseColumns(500), []byte("\n\n")), 7, 17},
	} {
		n := len(s.Scan(nil, c.text, nil))
		if per := n * 1000 / len(c.text); per < c.low || per > c.top || c.top == 0 && n > 0 {
			t.Errorf("%s: %d findings in %d bytes, want %d to %d in each kilobyte", name, n, len(c.text), c.low, c.top)
		}
	}
}
