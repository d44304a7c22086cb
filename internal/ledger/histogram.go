// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"math/bits"
	"time"
)

// histogram counts durations in buckets of a quarter of a power of two of
// microseconds.
type histogram struct {
	count   uint64
	buckets [160]uint64
}

func (h *histogram) add(d time.Duration) {
	h.count++
	h.buckets[bucketOf(max(d.Microseconds(), 0))]++
}

// bucketOf gives 0 to 7 their own buckets and four to each octave after that.
func bucketOf(us int64) int {
	if us < 8 {
		return int(us)
	}
	octave := bits.Len64(uint64(us)) - 3 // 8..15 is octave 1
	quarter := int(us>>octave) & 3
	return min(4+octave*4+quarter, len(histogram{}.buckets)-1)
}

// limitOf is the largest number of microseconds in a bucket.
func limitOf(bucket int) int64 {
	if bucket < 8 {
		return int64(bucket)
	}
	octave, quarter := (bucket-4)/4, (bucket-4)%4
	return (int64(4+quarter)+1)<<octave - 1
}

// quantile returns an upper bound of the q-quantile in microseconds.
func (h *histogram) quantile(q float64) int64 {
	if h.count == 0 {
		return 0
	}
	rank := uint64(q*float64(h.count-1)) + 1
	var seen uint64
	for i, n := range h.buckets {
		if seen += n; seen >= rank {
			return limitOf(i)
		}
	}
	return limitOf(len(h.buckets) - 1)
}
