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

// page is a verifier for browsers: one file that works offline. The digests in
// its Content-Security-Policy are those of its own scripts and style; a test
// says what they must be.
//
//go:embed verify.html
var verifierPage string

// VerifierPage returns the verifier for browsers. An auditor should have it from
// elsewhere than the bundle.
func VerifierPage() []byte { return []byte(verifierPage) }

// StaticFiles returns the files that are the same in every bundle.
func StaticFiles() []File {
	return []File{{ReadmeName, []byte(readme)}, {CheckName, []byte(check)}, {VerifierName, VerifierPage()}}
}
