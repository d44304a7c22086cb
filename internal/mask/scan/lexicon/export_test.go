// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package lexicon

// Parse reads unpacked lists.
var Parse = parse
