// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

//go:build !race

package jsonmask_test

import (
	"testing"

	"github.com/sallyport-dev/sallyport/internal/mask/jsonmask"
	"github.com/sallyport-dev/sallyport/internal/mask/text"
)

// Under the race detector a sync.Pool forgets things at random, so that this
// would say nothing there.
func TestAllocations(t *testing.T) {
	m := masker(t, jsonmask.Rules{Paths: map[string]jsonmask.Rule{"$..ssn": {Action: jsonmask.Mask, Label: "phi.ssn"}}})
	in := []byte(`{"a":[{"ssn":"1","note":"` + note + `"}],"n":12345678,"doc":"{\"ssn\":\"1\"}"}`)
	var w text.Work
	var dst []byte
	got := testing.AllocsPerRun(100, func() {
		var err error
		if dst, err = m.Append(dst[:0], in, &w); err != nil {
			t.Fatal(err)
		}
	})
	if got >= 1 {
		t.Errorf("%v allocations a document", got)
	}
}
