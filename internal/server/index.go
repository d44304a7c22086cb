// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package server

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/sallyport-dev/sallyport/evidence"
	"github.com/sallyport-dev/sallyport/internal/ledger"
	"github.com/sallyport-dev/sallyport/internal/store"
	"github.com/sallyport-dev/sallyport/internal/store/sqlite"
)

// index keeps the store's index over the ledger up to date. It works in the
// background at a slow pace, so that it does not compete with statements, and
// catches up at once when somebody asks.
type index struct {
	log *ledger.Log
	db  sqlite.Index
	out *slog.Logger

	mu sync.Mutex // one goroutine indexes at a time
}

const (
	indexBatch = 1000
	indexPace  = time.Second
	// busy is how many new leaves in one pace leave the machine to statements, and
	// maxLag how far the index may fall behind for that.
	busy   = 2000
	maxLag = 100_000
)

func newIndex(l *ledger.Log, db sqlite.Index, out *slog.Logger) *index {
	return &index{log: l, db: db, out: out}
}

// errEnough stops a scan.
var errEnough = errors.New("enough")

// catchUp indexes everything that is in the ledger now.
func (x *index) catchUp(ctx context.Context) error {
	target := x.log.Size()
	for {
		next, err := x.step(ctx)
		if err != nil {
			return err
		}
		if next >= target {
			return nil
		}
	}
}

// step indexes one batch and returns the index of the leaf that is next.
func (x *index) step(ctx context.Context) (uint64, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	from, err := x.db.Cursor(ctx)
	if err != nil {
		return 0, err
	}
	if least := x.log.Minimum(); from < least { // it is built anew, or was restored from before a pruning
		if err := errors.Join(x.db.Reset(ctx), x.db.StartAt(ctx, least)); err != nil {
			return 0, err
		}
		from = least
	}
	if from >= x.log.Size() {
		return from, nil
	}
	var batch []store.Entry
	err = x.log.Scan(ctx, from, func(i uint64, leaf []byte) error {
		l, err := evidence.ParseLeaf(leaf)
		if err != nil {
			return err
		}
		batch = append(batch, store.Entry{Index: i, Leaf: l})
		if len(batch) == indexBatch {
			return errEnough
		}
		return nil
	})
	if err != nil && !errors.Is(err, errEnough) {
		return 0, err
	}
	return from + uint64(len(batch)), x.db.Put(ctx, batch...)
}

// run follows the ledger until ctx ends.
func (x *index) run(ctx context.Context) {
	tick := time.NewTicker(indexPace)
	defer tick.Stop()
	seen, next := x.log.Size(), uint64(0)
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		size := x.log.Size()
		grown := size - seen
		seen = size
		if grown > busy && size-next < maxLag {
			continue
		}
		n, err := x.step(ctx)
		if err != nil {
			if ctx.Err() == nil {
				x.out.Warn("the index cannot follow the ledger; it is built on when asked", "err", err)
			}
			continue
		}
		next = n
	}
}
