// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package scan

// Looks returns what a text looks like in ASCII, as detectors read it.
func Looks(text string) string {
	if l, ok := likenessOf([]byte(text)); ok {
		return string(l.text)
	}
	return text
}
