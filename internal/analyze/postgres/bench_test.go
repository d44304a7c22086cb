// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package postgres_test

import (
	"os"
	"testing"

	"github.com/sallyport-dev/sallyport/internal/analyze/postgres"
)

const benchText = "SELECT abalance, filler FROM pgbench_accounts a WHERE a.aid = 1234567 AND a.bid IN ('x', 'y') LIMIT 10"

func BenchmarkGate(b *testing.B) {
	b.SetBytes(int64(len(benchText)))
	for b.Loop() {
		if _, err := postgres.Gate(benchText); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkAppendKey(b *testing.B) {
	text, dst := []byte(benchText), make([]byte, 0, 1024)
	b.ReportAllocs()
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		dst = postgres.AppendKey(dst[:0], text)
	}
}

func BenchmarkReadable(b *testing.B) {
	b.SetBytes(int64(len(benchText)))
	for b.Loop() {
		_ = postgres.Readable(benchText)
	}
}

func BenchmarkAppendTreeKey(b *testing.B) {
	tree, err := os.ReadFile("testdata/trees/15-3.tree")
	if err != nil {
		b.Fatal(err)
	}
	dst := make([]byte, 0, len(tree))
	b.ReportAllocs()
	b.SetBytes(int64(len(tree)))
	for b.Loop() {
		if dst, _ = postgres.AppendTreeKey(dst[:0], tree); len(dst) == 0 {
			b.Fatal("no key")
		}
	}
}

func BenchmarkLineage(b *testing.B) {
	tree, err := os.ReadFile("testdata/trees/15-3.tree")
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	b.SetBytes(int64(len(tree)))
	for b.Loop() {
		if _, err := postgres.Lineage(string(tree), empty{}); err != nil {
			b.Fatal(err)
		}
	}
}

// empty is a catalog that knows nothing.
type empty struct{}

func (empty) Relation(uint32) (postgres.Relation, bool) { return postgres.Relation{}, false }

func (empty) Function(uint32) (postgres.Function, bool) { return postgres.Function{}, false }
