// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package evidence

import _ "embed"

// readme explains to an auditor what the bundle holds and how to check it by
// hand.
//
//go:embed bundle_readme.md
var readme string

// check is an independent verifier in Python that needs nothing but Python and
// openssl.
//
//go:embed bundle_check.py
var check string

// StaticFiles returns the files that are the same in every bundle.
func StaticFiles() []File {
	return []File{{ReadmeName, []byte(readme)}, {CheckName, []byte(check)}}
}
