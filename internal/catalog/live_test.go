// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package catalog_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sallyport-dev/sallyport/internal/catalog"
)

func TestLiveSharesLoads(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var loads, running atomic.Int64
		release := make(chan struct{})
		live := catalog.NewLive(func(context.Context) (*catalog.Catalog, error) {
			if running.Add(1) != 1 {
				t.Error("two loads at a time")
			}
			defer running.Add(-1)
			loads.Add(1)
			<-release
			return &catalog.Catalog{}, nil
		}, 0, time.Now)
		if live.Current() != nil {
			t.Error("there is a snapshot before the first load")
		}
		var wg sync.WaitGroup
		refresh := func() {
			wg.Go(func() {
				if c, err := live.Refresh(t.Context()); c == nil || err != nil {
					t.Errorf("refresh: %v, %v", c, err)
				}
			})
		}
		refresh()
		synctest.Wait()
		// The first load runs. Whoever asks now needs a later one, and one for all.
		for range 20 {
			refresh()
		}
		synctest.Wait()
		close(release)
		wg.Wait()
		if n := loads.Load(); n != 2 {
			t.Errorf("%d loads, want 2", n)
		}
		if live.Current() == nil {
			t.Error("no current snapshot")
		}
	})
}

func TestLiveErrors(t *testing.T) {
	t.Parallel()
	fail := errors.New("target gone")
	var err error
	good := &catalog.Catalog{}
	live := catalog.NewLive(func(ctx context.Context) (*catalog.Catalog, error) {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if err != nil {
			return nil, err
		}
		return good, nil
	}, 0, time.Now)
	if c, err := live.Refresh(t.Context()); c != good || err != nil {
		t.Fatalf("%v, %v", c, err)
	}
	err = fail
	if c, got := live.Refresh(t.Context()); c != nil || !errors.Is(got, fail) || live.Current() != good {
		t.Errorf("a failed load: %v, %v; current %v", c, got, live.Current())
	}
	err = nil
	if c, err := live.Refresh(t.Context()); c != good || err != nil {
		t.Errorf("after a failure: %v, %v", c, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := live.Refresh(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("a cancelled caller: %v", err)
	}
}

// TestLivePace: a second load waits for its time, and a caller may give up.
func TestLivePace(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var began []time.Time
		live := catalog.NewLive(func(context.Context) (*catalog.Catalog, error) {
			began = append(began, time.Now())
			return &catalog.Catalog{}, nil
		}, time.Hour, time.Now)
		if _, err := live.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if _, err := live.Refresh(ctx); !errors.Is(err, context.DeadlineExceeded) || len(began) != 1 {
			t.Errorf("within the hour: %v, %d loads", err, len(began))
		}
		if _, err := live.Refresh(t.Context()); err != nil || len(began) != 2 || began[1].Sub(began[0]) != time.Hour {
			t.Errorf("the second load: %v, loads at %v", err, began)
		}
	})
}
