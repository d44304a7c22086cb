// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package ledger

import "golang.org/x/mod/sumdb/tlog"

// AlignedBytes is alignedBytes, for benchmarks of bare writes.
func AlignedBytes(n int) []byte { return alignedBytes(n) }

// HashReader gives the hashes of a log's tiles to package tlog.
func HashReader(l *Log) tlog.HashReader { return l.merkle.tiles.reader(l.published.Load()) }
