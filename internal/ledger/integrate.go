// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"context"
	"errors"
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
	origin  string
	signers []note.Signer
	head    Head
	last    []byte // the checkpoint that the head has

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
		tiles:   tiles{fs: opt.FS, dir: path.Join(opt.Dir, tilesDir)},
		origin:  opt.Origin,
		signers: opt.Signers,
		head:    opt.Head,
		made:    map[string]bool{},
		dirty:   map[string]bool{},
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

// signError is a failure to sign, after which the log is as it was: the next
// checkpoint covers more.
type signError struct{ cause error }

func (e *signError) Error() string { return "signature of a checkpoint: " + e.cause.Error() }
func (e *signError) Unwrap() error { return e.cause }

// checkpoint signs a checkpoint of everything added so far, and releases it: the
// tiles first, then the head, then the checkpoint for readers. Each step is
// durable before the next. The write-ahead log holds the leaves before all of
// them, so that a crash in between is made up for at the next start.
func (m *merkle) checkpoint() (signed []byte, err error) {
	cp := evidence.Checkpoint{Origin: m.origin, Size: m.edge.size, Root: m.edge.root()}
	signed, err = note.Sign(&note.Note{Text: cp.Text()}, m.signers...)
	if err != nil {
		return nil, &signError{err}
	}
	partials, err := m.stage()
	if err != nil {
		return nil, err
	}
	if m.head != nil {
		if err := m.head.Swap(m.last, signed); err != nil {
			return nil, err
		}
	}
	m.last = signed
	if err := m.fs.Replace(path.Join(m.dir, checkpointName), signed); err != nil {
		return nil, err
	}
	old := m.before
	m.before, m.partials = m.partials, partials
	return signed, m.drop(old)
}

// stage makes everything added so far durable in the tiles. It returns the names
// of the partial ones.
func (m *merkle) stage() (partials []string, err error) {
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
	return partials, nil
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
		err = l.judge(err)
		if answer != nil {
			answer <- err
		}
	}
}

// notPublished is the error for a checkpoint that could not be made.
func notPublished(op string, err error) *sallyport.Error {
	var unsigned *signError
	if !errors.As(err, &unsigned) {
		return cannot(op, err)
	}
	return sallyport.E(sallyport.Unavailable, op, "the checkpoint cannot be signed").
		WithHint("look after the key or its agent; what is durable stays so, and is signed when the key is there").Because(unsigned.cause)
}

// judge poisons the log with an error of integrating, but for one of signing:
// the next tick tries again.
func (l *Log) judge(err error) error {
	var unsigned *signError
	l.unsigned.Store(errors.As(err, &unsigned))
	switch {
	case unsigned != nil:
		return notPublished("ledger publish", err)
	case err != nil:
		l.fail(cannot("ledger integrate", err))
	}
	return l.poison.get()
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
