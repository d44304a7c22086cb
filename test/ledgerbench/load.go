// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// window is what one run of a subject came to.
type window struct {
	rate     float64 // durable records a second
	p50, p99 time.Duration
	batch    float64       // records per durable write; zero when the subject does not tell
	cpu      time.Duration // of the process per record, the writers' own included
}

// phases of a run.
const (
	warming int32 = iota
	measuring
	ending
)

// samples bounds what one writer remembers: two seconds of one that never waits.
const samples = 4 << 20

// load lets writers append in a closed loop: each waits until its record is
// durable before it makes the next one. It ends by the clock.
func load(ctx context.Context, s settings, st store, writers int) (window, error) {
	var phase atomic.Int32
	var failed atomic.Pointer[error]
	took := make([][]uint32, writers)
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			rec := record(s.record, w)
			kept := make([]uint32, 0, 4096)
			for i := uint64(0); ; i++ {
				now := phase.Load()
				if now == ending {
					break
				}
				stamp(rec, i)
				start := time.Now()
				if err := st.append(rec); err != nil {
					failed.CompareAndSwap(nil, &err)
					break
				}
				if now == measuring && phase.Load() == measuring && len(kept) < samples {
					kept = append(kept, uint32(min(time.Since(start), 4*time.Second)))
				}
			}
			took[w] = kept
		})
	}
	pause(ctx, s.warm)
	flushes, cpu, start := st.writes(), processCPU(), time.Now()
	phase.Store(measuring)
	pause(ctx, s.window)
	phase.Store(ending)
	passed := time.Since(start)
	flushes, cpu = st.writes()-flushes, processCPU()-cpu
	wg.Wait()
	if err := failed.Load(); err != nil {
		return window{}, *err
	}
	all := slices.Concat(took...)
	if len(all) < 100 {
		return window{}, fmt.Errorf("only %d records in %s", len(all), passed)
	}
	slices.Sort(all)
	w := window{
		rate: float64(len(all)) / passed.Seconds(),
		p50:  time.Duration(all[len(all)/2]),
		p99:  time.Duration(all[len(all)*99/100]),
		cpu:  cpu / time.Duration(len(all)),
	}
	if flushes > 0 {
		w.batch = float64(len(all)) / float64(flushes)
	}
	return w, ctx.Err()
}

// pause waits, or returns early when the run is called off.
func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

const stampAt = len(`{"v":1,"t":"intent","seq":"`)

// record is a synthetic event of a size: what an intent is like.
func record(size, writer int) []byte {
	head := fmt.Sprintf(`{"v":1,"t":"intent","seq":"0000000000000000","session":"s_%08d","class":"read","pad":"`, writer)
	return []byte(head + strings.Repeat("x", max(size-len(head)-2, 0)) + `"}`)
}

// stamp puts a number into a record, so that no two are the same.
func stamp(rec []byte, n uint64) {
	const digits = "0123456789abcdef"
	for i := range 16 {
		rec[stampAt+i] = digits[n>>(60-4*i)&15]
	}
}
