// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package evidence

import (
	"io"

	sallyport "github.com/sallyport-dev/sallyport"
)

// SearchBundle verifies a bundle and, if it does verify, gives its leaves to a
// search. A search in a bundle that does not verify has no result: the error has
// the kind Integrity then, and the report says what is wrong.
func SearchBundle(r io.ReaderAt, size int64, opt Options, s *Search) (*Report, error) {
	v, err := newVerifier(r, size, opt)
	if err != nil {
		return nil, err
	}
	report, err := v.finish()
	if err != nil {
		return nil, err
	}
	if !report.OK() {
		return report, sallyport.E(sallyport.Integrity, "bundle search", "the bundle does not verify, so that nothing is said from it").
			WithHint("sallyport evidence verify lists what is wrong")
	}
	for _, l := range v.leaves {
		if err := s.Leaf(l.Index, l.Raw); err != nil {
			return report, err
		}
	}
	return report, nil
}
