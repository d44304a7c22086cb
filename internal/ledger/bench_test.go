// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package ledger_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sallyport-dev/sallyport/internal/ledger"
)

// BenchmarkAppend measures durable appends of 300-byte leaves. "ratio" is
// appends per second against the bare durable writes of one block per second
// that the same disk did just before, alone: above one, the gain of writing
// several leaves at once is larger than everything the log adds.
func BenchmarkAppend(b *testing.B) {
	for _, writers := range []int{1, 8, 32} {
		b.Run(fmt.Sprintf("writers=%d", writers), func(b *testing.B) {
			raw := rawWrites(b)
			opt := options(b, b.TempDir(), nil)
			opt.SegmentSize = ledger.DefaultSegmentSize
			opt.CheckpointEvery = time.Second
			l := open(b, opt)
			leaf := bytes.Repeat([]byte("e"), 300)
			var left atomic.Int64
			left.Store(int64(b.N))
			b.ReportAllocs()
			b.ResetTimer()
			var wg sync.WaitGroup
			for range writers {
				wg.Go(func() {
					for left.Add(-1) >= 0 {
						if _, err := l.Append(b.Context(), leaf); err != nil {
							b.Error(err)
							return
						}
					}
				})
			}
			wg.Wait()
			b.StopTimer()
			s := l.Stats()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds()/raw, "ratio")
			b.ReportMetric(float64(s.Leaves)/float64(s.Flushes), "leaves/flush")
			b.ReportMetric(float64(s.P50Micros), "p50-flush-us")
			b.ReportMetric(float64(s.P99Micros), "p99-flush-us")
			closeLog(b, l)
		})
	}
}

// rawWrites returns how many durable writes of one block the disk does in a
// second.
func rawWrites(b *testing.B) float64 {
	b.Helper()
	dir := b.TempDir()
	if err := os.MkdirAll(dir, 0o700); err != nil {
		b.Fatal(err)
	}
	const size, writes = 16 << 20, 1000
	seg, err := ledger.OS{}.CreateSegment(filepath.Join(dir, "raw"), size)
	if err != nil {
		b.Fatal(err)
	}
	block := ledger.AlignedBytes(ledger.BlockSize)
	start := time.Now()
	for i := range int64(writes) {
		if _, err := seg.WriteAt(block, i*ledger.BlockSize); err != nil {
			b.Fatal(err)
		}
	}
	perSecond := writes / time.Since(start).Seconds()
	if err := seg.Close(); err != nil {
		b.Fatal(err)
	}
	return perSecond
}
