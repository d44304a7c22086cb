// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	sallyport "github.com/sallyport-dev/sallyport"
	"golang.org/x/mod/sumdb/tlog"
)

// readTries is how often a reader looks again when the partial tile that it was
// about to open has been replaced by a wider one.
const readTries = 5

// Checkpoint returns the last published checkpoint, a signed note.
func (l *Log) Checkpoint() (signed []byte) { return *l.signed.Load() }

// Publish puts every leaf that is durable at the time of the call under a
// checkpoint, and returns the signed checkpoint.
func (l *Log) Publish(ctx context.Context) (signed []byte, err error) {
	if err := l.publishNow(ctx); err != nil {
		return nil, err
	}
	return l.Checkpoint(), nil
}

// Read returns the exact bytes of a leaf. Errors: NotFound for an index that is
// not durable, and for one that was pruned.
func (l *Log) Read(ctx context.Context, index uint64) ([]byte, error) {
	if err := l.kept("ledger read", index); err != nil {
		return nil, err
	}
	if err := l.covers(ctx, "ledger read", index); err != nil {
		return nil, err
	}
	leaves, err := l.bundleAt(index >> tileHeight)
	if err != nil {
		return nil, err
	}
	return leaves[index%tileWidth], nil
}

// ReadEach calls fn with the leaves of ascending indexes, until fn returns an
// error, which ReadEach returns. fn must not keep the slice. Errors: NotFound for
// an index that is not durable.
func (l *Log) ReadEach(ctx context.Context, indexes []uint64, fn func(index uint64, leaf []byte) error) error {
	const op = "ledger read"
	if len(indexes) == 0 {
		return nil
	}
	if err := l.covers(ctx, op, indexes[len(indexes)-1]); err != nil {
		return err
	}
	var leaves [][]byte
	at := ^uint64(0)
	for _, index := range indexes {
		if n := index >> tileHeight; n != at {
			if err := ctx.Err(); err != nil {
				return sallyport.E(sallyport.Unavailable, op, "reading was called off").Because(err)
			}
			var err error
			if leaves, err = l.bundleAt(n); err != nil {
				return err
			}
			at = n
		}
		if index%tileWidth >= uint64(len(leaves)) {
			return sallyport.E(sallyport.NotFound, op, fmt.Sprintf("there is no leaf %d", index))
		}
		if err := fn(index, leaves[index%tileWidth]); err != nil {
			return err
		}
	}
	return nil
}

// Scan calls fn for each leaf from an index up to what is durable at the time of
// the call, in order, until fn returns an error, which Scan returns. fn must not
// keep the slice. Where the log was pruned it begins at [Log.Minimum].
func (l *Log) Scan(ctx context.Context, from uint64, fn func(index uint64, leaf []byte) error) error {
	const op = "ledger scan"
	end := l.Size()
	from = max(from, l.Minimum())
	if from >= end {
		return nil
	}
	if err := l.covers(ctx, op, end-1); err != nil {
		return err
	}
	for n := from >> tileHeight; n<<tileHeight < end; n++ {
		if err := ctx.Err(); err != nil {
			return sallyport.E(sallyport.Unavailable, op, "the scan was called off").Because(err)
		}
		leaves, err := l.bundleAt(n)
		if err != nil {
			return err
		}
		for i, leaf := range leaves {
			index := n<<tileHeight + uint64(i)
			if index < from || index >= end {
				continue
			}
			if err := fn(index, leaf); err != nil {
				return err
			}
		}
	}
	return nil
}

// InclusionProof proves the leaf at index in the tree of the first size leaves,
// in the form of [tlog.CheckRecord]. Errors: Invalid for an index outside the
// tree, NotFound for a size that is not durable and for a leaf that was pruned.
func (l *Log) InclusionProof(ctx context.Context, index, size uint64) (tlog.RecordProof, error) {
	const op = "ledger proof"
	if index >= size {
		return nil, sallyport.E(sallyport.Invalid, op, fmt.Sprintf("leaf %d is not in a tree of %d", index, size))
	}
	if err := l.kept(op, index); err != nil {
		return nil, err
	}
	if err := l.covers(ctx, op, size-1); err != nil {
		return nil, err
	}
	var proof tlog.RecordProof
	err := l.retry(func(published uint64) (err error) {
		proof, err = tlog.ProveRecord(int64(size), int64(index), l.merkle.reader(published))
		return err
	})
	return proof, err
}

// Subtree returns the hash of the whole subtree of 2^level leaves that begins with
// the leaf index<<level (RFC 6962). Errors: Invalid for one that is not inside
// the tree of the first size leaves, NotFound for a size that is not durable.
func (l *Log) Subtree(ctx context.Context, size uint64, level int, index uint64) (tlog.Hash, error) {
	const op = "ledger subtree"
	if level < 0 || level > 62 || index >= size || (index+1)<<level > size {
		return tlog.Hash{}, sallyport.E(sallyport.Invalid, op, fmt.Sprintf("subtree %d of level %d is not in a tree of %d", index, level, size))
	}
	if err := l.covers(ctx, op, size-1); err != nil {
		return tlog.Hash{}, err
	}
	var hash tlog.Hash
	err := l.retry(func(published uint64) error {
		hashes, err := l.merkle.reader(published).ReadHashes([]int64{tlog.StoredHashIndex(level, int64(index))})
		if err == nil {
			hash = hashes[0]
		}
		return err
	})
	return hash, err
}

// ConsistencyProof proves that the tree of the first size leaves begins with the
// tree of the first old leaves, in the form of [tlog.CheckTree]. It is empty for
// trees of the same size. Errors: Invalid for an old size of zero, of which
// nothing can be proved, or one beyond size; NotFound for a size that is not
// durable.
func (l *Log) ConsistencyProof(ctx context.Context, old, size uint64) (tlog.TreeProof, error) {
	const op = "ledger consistency"
	if old == 0 || old > size {
		return nil, sallyport.E(sallyport.Invalid, op, fmt.Sprintf("a tree of %d does not begin with one of %d", size, old))
	}
	if err := l.covers(ctx, op, size-1); err != nil {
		return nil, err
	}
	var proof tlog.TreeProof
	err := l.retry(func(published uint64) (err error) {
		proof, err = tlog.ProveTree(int64(size), int64(old), l.merkle.reader(published))
		return err
	})
	return proof, err
}

// Verify publishes and then checks the whole Merkle log, as the function of the
// same name does. It returns the number of leaves in the log.
func (l *Log) Verify(ctx context.Context) (uint64, error) {
	if err := l.publishNow(ctx); err != nil {
		return 0, err
	}
	var size uint64
	err := l.retry(func(uint64) (err error) {
		size, err = Verify(ctx, l.opt.FS, l.opt.Dir, l.opt.Origin, l.opt.Verifiers)
		return err
	})
	return size, err
}

// covers makes sure that the leaf at index is under a checkpoint.
func (l *Log) covers(ctx context.Context, op string, index uint64) error {
	if index < l.published.Load() {
		return nil
	}
	if size := l.Size(); index >= size {
		return sallyport.E(sallyport.NotFound, op, fmt.Sprintf("there is no leaf %d in a log of %d", index, size))
	}
	return l.publishNow(ctx)
}

func (l *Log) bundleAt(n uint64) (leaves [][]byte, err error) {
	err = l.retry(func(published uint64) (err error) {
		leaves, err = l.merkle.tiles.bundle(n, published)
		return err
	})
	if err != nil { // perhaps it was pruned under the reader
		if gone := l.kept("ledger read", (n+1)<<tileHeight-1); gone != nil {
			return nil, gone
		}
	}
	return leaves, err
}

// retry calls read with the published size, again while partial tiles vanish
// under it because a wider one took their place.
func (l *Log) retry(read func(published uint64) error) error {
	var err error
	for range readTries {
		if err = read(l.published.Load()); err == nil || !errors.Is(err, fs.ErrNotExist) {
			break
		}
	}
	if err == nil || sallyport.KindOf(err) != sallyport.Internal {
		return err
	}
	if errors.Is(err, fs.ErrNotExist) {
		return sallyport.E(sallyport.Integrity, "ledger read", "a file of the Merkle log is missing").Because(err)
	}
	return sallyport.E(sallyport.Unavailable, "ledger read", "the Merkle log cannot be read").Because(err)
}

// Stats is what a log counts.
type Stats struct {
	Leaves    uint64 // durable
	Published uint64 // under a checkpoint
	Flushes   uint64 // writes since Open
	Bytes     uint64 // written by them, with padding
	// P50Micros and P99Micros are upper bounds of the duration of a write in
	// microseconds, within a fifth.
	P50Micros, P99Micros int64
	Method               string // how a write is made durable
	Unsigned             bool   // the last try to sign a checkpoint failed
}

// Stats returns the counts since Open.
func (l *Log) Stats() Stats {
	l.mu.Lock()
	defer l.mu.Unlock()
	return Stats{
		Leaves:    l.stored,
		Published: l.published.Load(),
		Flushes:   l.flushes.count,
		Bytes:     l.bytes,
		P50Micros: l.flushes.quantile(0.50),
		P99Micros: l.flushes.quantile(0.99),
		Method:    l.method,
		Unsigned:  l.unsigned.Load(),
	}
}
