// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"

	sallyport "github.com/sallyport-dev/sallyport"
	"golang.org/x/mod/sumdb/tlog"
)

// Pruning follows C2SP tlog-tiles: the minimum index is a lower bound on what
// the log gives out. Entry bundles and tiles of level 0 that end at or below it
// are removed; every other tile stays, so that there are still proofs of each
// leaf from the minimum on in every tree, and consistency proofs between trees
// that are at least as large as the minimum.
//
// The minimum is durable in a file of its own before anything is removed:
//
//	<minimum> <removed>\n
//
// in decimal, where removed is the minimum below which everything is gone for
// certain. [Open] goes on from there after a crash.
const minimumName = "minimum"

const opPrune = "ledger prune"

// pruned is what the file says.
type pruned struct{ minimum, removed uint64 }

func readMinimum(files Files, dir string) (p pruned, err error) {
	b, err := files.ReadFile(path.Join(dir, minimumName))
	if errors.Is(err, fs.ErrNotExist) {
		return pruned{}, nil
	}
	if err != nil {
		return p, cannot(opPrune, err)
	}
	if _, err := fmt.Sscanf(string(b), "%d %d\n", &p.minimum, &p.removed); err != nil || string(b) != p.text() || p.removed > p.minimum {
		return p, broken(opPrune, "the file that says how far the log is pruned is damaged")
	}
	return p, nil
}

func (p pruned) text() string { return fmt.Sprintf("%d %d\n", p.minimum, p.removed) }

// loadMinimum reads how far the log is pruned and removes what a crash left.
func (l *Log) loadMinimum(ctx context.Context) error {
	p, err := readMinimum(l.opt.FS, l.opt.Dir)
	if err != nil {
		return err
	}
	if p.minimum > l.published.Load() {
		return broken(opPrune, "the log is pruned up to leaf %d and has only %d", p.minimum, l.published.Load())
	}
	l.minimum.Store(p.minimum)
	return l.remove(ctx, p)
}

// Minimum returns the lowest index that is kept; zero when nothing was pruned.
func (l *Log) Minimum() uint64 { return l.minimum.Load() }

// Prunable returns the highest index that [Log.Prune] takes: what the
// write-ahead log still holds cannot be given up.
func (l *Log) Prunable() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.segments) == 0 {
		return 0
	}
	return min(l.segments[0].first, l.published.Load())
}

// Prune gives up the leaves below minimum. Reading them then fails with
// NotFound. A minimum that is not higher than the one in force changes nothing.
// Errors: Conflict for one above [Log.Prunable]. The caller puts it on record
// first, and does not call Prune from two goroutines at once.
func (l *Log) Prune(ctx context.Context, minimum uint64) error {
	p, err := readMinimum(l.opt.FS, l.opt.Dir)
	if err != nil || minimum <= p.minimum {
		return err
	}
	if most := l.Prunable(); minimum > most {
		return sallyport.E(sallyport.Conflict, opPrune, fmt.Sprintf("the write-ahead log still holds leaf %d", most)).
			WithHint("prune up to that index; the write-ahead log gives up its segments as the ledger grows")
	}
	p.minimum = minimum
	if err := l.opt.FS.Replace(path.Join(l.opt.Dir, minimumName), []byte(p.text())); err != nil {
		return cannot(opPrune, err)
	}
	l.minimum.Store(minimum)
	return l.remove(ctx, p)
}

// remove removes the bundles and tiles wholly below the minimum.
func (l *Log) remove(ctx context.Context, p pruned) error {
	first, end := p.removed>>tileHeight, p.minimum>>tileHeight
	for n := first; n < end; n++ {
		if err := ctx.Err(); err != nil {
			return sallyport.E(sallyport.Unavailable, opPrune, "pruning was called off").
				WithHint("it goes on at the next start").Because(err)
		}
		for _, level := range []int{bundleLevel, 0} {
			err := l.opt.FS.Remove(path.Join(l.merkle.dir, tilePath(level, n, tileWidth)))
			if err != nil && !errors.Is(err, fs.ErrNotExist) {
				return cannot(opPrune, err)
			}
		}
	}
	if p.removed == p.minimum {
		return nil
	}
	for n := first; n < end; n++ { // the names' removal is durable before removed says so
		if n > first && n%1000 != 0 {
			continue // of the same directories as the one before
		}
		for _, level := range []int{bundleLevel, 0} {
			dir := path.Dir(path.Join(l.merkle.dir, tilePath(level, n, tileWidth)))
			if err := l.opt.FS.SyncDir(dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return cannot(opPrune, err)
			}
		}
	}
	p.removed = p.minimum
	if err := l.opt.FS.Replace(path.Join(l.opt.Dir, minimumName), []byte(p.text())); err != nil {
		return cannot(opPrune, err)
	}
	return nil
}

// kept refuses an index below the minimum.
func (l *Log) kept(op string, index uint64) error {
	if least := l.minimum.Load(); index < least {
		return sallyport.E(sallyport.NotFound, op, fmt.Sprintf("leaf %d was pruned; the lowest index that is kept is %d", index, least)).
			WithHint("its retention was over; the log-pruned event in the ledger says when and by whom it was given up")
	}
	return nil
}

// skip adds the hash of a whole tile of level 0 whose leaves were pruned, as the
// level above holds it.
func (t *tree) skip(tiles tiles, n, size uint64) error {
	hashes, err := tiles.hashes(1, n>>tileHeight, size)
	if err != nil {
		name := tilePath(1, n>>tileHeight, tileSize(1, n>>tileHeight, size))
		return broken("ledger verify", "%s cannot be read", name).Because(err)
	}
	t.size += tileWidth - 1 // and the one that addAt counts
	return t.addAt(1, hashes[n%tileWidth])
}

// addAt appends a hash to a level of tiles; add does so with a leaf's to the
// lowest.
func (t *tree) addAt(level int, h tlog.Hash) error {
	n := t.size >> (tileHeight * level)
	t.size++
	for ; ; level++ {
		for len(t.levels) <= level {
			t.levels = append(t.levels, make([]tlog.Hash, 0, tileWidth))
		}
		t.levels[level] = append(t.levels[level], h)
		if len(t.levels[level]) < tileWidth {
			return nil
		}
		n >>= tileHeight
		if err := t.full(level, n, t.levels[level]); err != nil {
			return err
		}
		h = subtree(t.levels[level])
		t.levels[level] = t.levels[level][:0]
	}
}
