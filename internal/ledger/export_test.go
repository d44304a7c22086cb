// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package ledger

// AlignedBytes is alignedBytes, for benchmarks of bare writes.
func AlignedBytes(n int) []byte { return alignedBytes(n) }
