// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"context"
	"fmt"
	"path"
	"runtime"
	"slices"
	"time"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/evidence"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// merkle writes the tiles. Only the integrator uses it once the log is open.
type merkle struct {
	tiles
	origin string
	signer note.Signer

	edge    tree
	bundle  []byte // the entry bundle that is not full yet
	entries int

	made  map[string]bool // directories known to exist
	dirty map[string]bool // directories with names that are not durable yet
	// written are files whose content is not durable yet. They wait for the next
	// checkpoint: syncing each on its own makes the file system commit as often,
	// and the statements' writes next to it wait for each commit. Until then the
	// write-ahead log holds what they hold.
	written []string
	// partial tiles of the last checkpoint, and of the one before, whose readers
	// may still be at work.
	partials, before []string
}

func newMerkle(opt Options) *merkle {
	m := &merkle{
		tiles:  tiles{fs: opt.FS, dir: path.Join(opt.Dir, tilesDir)},
		origin: opt.Origin,
		signer: opt.Signer,
		made:   map[string]bool{},
		dirty:  map[string]bool{},
	}
	m.edge.full = func(level int, n uint64, hashes []tlog.Hash) error {
		return m.put(tilePath(level, n, tileWidth), joinHashes(hashes))
	}
	return m
}

// load takes the right edge of the tree from the files that a checkpoint covers
// and checks it against the checkpoint's root.
func (m *merkle) load(cp evidence.Checkpoint) error {
	m.edge.size = cp.Size
	for level := 0; cp.Size>>(tileHeight*level) > 0; level++ {
		n := cp.Size >> (tileHeight * (level + 1))
		edge := make([]tlog.Hash, 0, tileWidth)
		if w := tileSize(level, n, cp.Size); w > 0 {
			hashes, err := m.hashes(level, n, cp.Size)
			if err != nil {
				return broken(opOpen, "%s cannot be read", tilePath(level, n, w)).Because(err)
			}
			edge = append(edge, hashes...)
			m.partials = append(m.partials, tilePath(level, n, w))
		}
		m.edge.levels = append(m.edge.levels, edge)
	}
	if root := m.edge.root(); root != cp.Root {
		return broken(opOpen, "the tiles do not give the checkpoint's root")
	}
	n := cp.Size >> tileHeight
	w := tileSize(0, n, cp.Size)
	if w == 0 {
		return nil
	}
	leaves, err := m.tiles.bundle(n, cp.Size)
	if err != nil {
		return broken(opOpen, "%s cannot be read", tilePath(bundleLevel, n, w)).Because(err)
	}
	for i, leaf := range leaves {
		if tlog.RecordHash(leaf) != m.edge.levels[0][i] {
			return broken(opOpen, "leaf %d in the tiles is not what was hashed", n<<tileHeight+uint64(i))
		}
		m.bundle = appendEntry(m.bundle, leaf)
	}
	m.entries = w
	m.partials = append(m.partials, tilePath(bundleLevel, n, w))
	return nil
}

// add integrates the next leaf.
func (m *merkle) add(leaf []byte) error {
	m.bundle = appendEntry(m.bundle, leaf)
	m.entries++
	if m.entries == tileWidth {
		if err := m.put(tilePath(bundleLevel, m.edge.size>>tileHeight, tileWidth), m.bundle); err != nil {
			return err
		}
		m.bundle, m.entries = m.bundle[:0], 0
	}
	return m.edge.add(tlog.RecordHash(leaf))
}

// put writes a tile or an entry bundle. The name says what the content is, so
// that writing it again after a crash changes nothing.
func (m *merkle) put(name string, data []byte) error {
	full := path.Join(m.dir, name)
	dir := path.Dir(full)
	if !m.made[dir] {
		if err := m.fs.MkdirAll(dir); err != nil {
			return err
		}
		m.made[dir] = true
	}
	m.dirty[dir] = true
	m.written = append(m.written, full)
	return m.fs.WriteFile(full, data)
}

// checkpoint makes everything added so far durable in the tiles and then signs
// and publishes a checkpoint of it.
func (m *merkle) checkpoint() (signed []byte, err error) {
	var partials []string
	put := func(level int, w int, data []byte) error {
		name := tilePath(level, m.edge.size>>(tileHeight*(max(level, 0)+1)), w)
		partials = append(partials, name)
		if slices.Contains(m.partials, name) {
			return nil // the last checkpoint covers it; it is never touched again
		}
		return m.put(name, data)
	}
	for level, hashes := range m.edge.levels {
		if len(hashes) == 0 {
			continue
		}
		if err := put(level, len(hashes), joinHashes(hashes)); err != nil {
			return nil, err
		}
	}
	if m.entries > 0 {
		if err := put(bundleLevel, m.entries, m.bundle); err != nil {
			return nil, err
		}
	}
	for _, name := range m.written {
		if err := m.fs.SyncFile(name); err != nil {
			return nil, err
		}
	}
	m.written = m.written[:0]
	for dir := range m.dirty {
		if err := m.fs.SyncDir(dir); err != nil {
			return nil, err
		}
		delete(m.dirty, dir)
	}
	cp := evidence.Checkpoint{Origin: m.origin, Size: m.edge.size, Root: m.edge.root()}
	signed, err = note.Sign(&note.Note{Text: cp.Text()}, m.signer)
	if err != nil {
		return nil, fmt.Errorf("signature of a checkpoint: %w", err)
	}
	if err := m.fs.Replace(path.Join(m.dir, checkpointName), signed); err != nil {
		return nil, err
	}
	old := m.before
	m.before, m.partials = m.partials, partials
	return signed, m.drop(old)
}

// drop removes partial tiles that no reader can still want.
func (m *merkle) drop(names []string) error {
	for _, name := range names {
		if slices.Contains(m.partials, name) || slices.Contains(m.before, name) {
			continue
		}
		if err := m.fs.Remove(path.Join(m.dir, name)); err != nil {
			return err
		}
		dir := path.Dir(path.Join(m.dir, name))
		if left, err := m.fs.List(dir); err == nil && len(left) == 0 {
			if err := m.fs.Remove(dir); err != nil {
				return err
			}
			delete(m.made, dir)
		}
	}
	return nil
}

// integrate is the body of the goroutine that owns the Merkle log.
//
// It keeps a thread of its own. The scheduler of the operating system counts by
// threads who has had the processor: on one that has just hashed for a while, a
// writer that comes back from the disk would wait for its turn behind others,
// several milliseconds where processors are few.
func (l *Log) integrate() {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	tick := time.NewTicker(l.opt.CheckpointEvery)
	defer tick.Stop()
	var batch []byte
	for {
		var answer chan error
		publish := true
		select {
		case <-l.stop:
			return
		case <-l.poison.ch:
			return // ensurePublished sees the poison as well
		case <-l.wake:
			publish = false
		case <-tick.C:
		case answer = <-l.publish:
		}
		var err error
		batch, err = l.drain(batch)
		if err == nil && publish {
			err = l.publishChanges()
		}
		if err != nil {
			l.fail(cannot("ledger integrate", err))
		}
		if answer != nil {
			answer <- l.poison.get()
		}
	}
}

// drain integrates the durable records that have gathered. It gives back the
// buffer for the next turn.
func (l *Log) drain(empty []byte) ([]byte, error) {
	l.mu.Lock()
	batch, count := l.pending, l.pendingCount
	l.pending, l.pendingCount = empty[:0], 0
	l.makeRoom()
	l.mu.Unlock()
	err := eachRecord(batch, count, func(_ int, leaf []byte) error { return l.merkle.add(leaf) })
	return batch, err
}

// publishChanges writes a checkpoint if there is anything new, and then gives up
// segments that are no longer needed.
func (l *Log) publishChanges() error {
	if l.merkle.edge.size == l.published.Load() && l.signed.Load() != nil {
		return nil
	}
	signed, err := l.merkle.checkpoint()
	if err != nil {
		return err
	}
	l.signed.Store(&signed)
	l.published.Store(l.merkle.edge.size)
	return l.trim()
}

// trim removes segments whose leaves are all in the Merkle log, after reading
// them back from there.
func (l *Log) trim() error {
	l.mu.Lock()
	segments := slices.Clone(l.segments)
	l.mu.Unlock()
	published := l.published.Load()
	gone := 0
	for i := 0; i+keepSegments < len(segments) && segments[i+1].first <= published; i++ {
		if err := l.merkle.readBack(segments[i].first, segments[i+1].first, published); err != nil {
			return err
		}
		if err := removeSegment(l.opt.FS, l.wal.dir, segments[i].no); err != nil {
			return err
		}
		gone++
	}
	l.mu.Lock()
	l.segments = slices.Delete(l.segments, 0, gone)
	l.mu.Unlock()
	return nil
}

// removeSegment removes a segment durably before it returns, so that a crash
// never leaves a hole in the row of segments.
func removeSegment(files Files, dir string, no uint64) error {
	if err := files.Remove(segmentName(dir, no)); err != nil {
		return err
	}
	return files.SyncDir(dir)
}

// readBack checks on disk that the leaves from first up to end are in the entry
// bundles and hashed in the tiles of a log of size leaves.
func (m *merkle) readBack(first, end, size uint64) error {
	for n := first >> tileHeight; n<<tileHeight < end; n++ {
		leaves, err := m.tiles.bundle(n, size)
		if err != nil {
			return err
		}
		hashes, err := m.hashes(0, n, size)
		if err != nil {
			return err
		}
		for i, leaf := range leaves {
			if tlog.RecordHash(leaf) != hashes[i] {
				return broken("ledger integrate", "leaf %d in the tiles is not what was hashed", n<<tileHeight+uint64(i))
			}
		}
	}
	return nil
}

// publishNow returns when everything that is durable now is under a checkpoint.
func (l *Log) publishNow(ctx context.Context) error {
	const op = "ledger publish"
	answer := make(chan error, 1)
	select {
	case l.publish <- answer:
	case <-l.poison.ch:
		return l.poison.get()
	case <-l.stop:
		return sallyport.E(sallyport.Unavailable, op, "the ledger is closed")
	case <-ctx.Done():
		return sallyport.E(sallyport.Unavailable, op, "the call was given up").Because(ctx.Err())
	}
	select {
	case err := <-answer:
		return err
	case <-ctx.Done():
		return sallyport.E(sallyport.Unavailable, op, "the call was given up").Because(ctx.Err())
	}
}
