// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/evidence"
	"golang.org/x/mod/sumdb/tlog"
)

// scan is what reading the write-ahead log found.
type scan struct {
	segments []segmentInfo
	unused   []uint64 // segments of zeros after the last one in use
	frames   int
	next     uint64 // index after the last leaf
	last     place  // of the last frame; only if frames > 0
	tail     place  // where the next frame goes
	prev     [32]byte
	cut      int64 // bytes from tail on that a torn write left
}

// place is a position in a segment.
type place struct {
	no  uint64
	off int64
}

// recover brings the log to the state that its files prove. It reads and checks
// everything before it changes anything.
func (l *Log) recover(ctx context.Context) error {
	l.merkle = newMerkle(l.opt)
	dir := walOf(l.opt.Dir)
	numbers, err := listSegments(l.opt.FS, dir)
	if err != nil {
		return err
	}
	signed, cp, err := l.loadCheckpoint(len(numbers) > 0)
	if err != nil {
		return err
	}
	h, err := l.openHead(signed, cp)
	if err != nil {
		return err
	}
	l.merkle.last = h.signed
	if signed == nil {
		// A crash may have left the head of an empty log and not yet its checkpoint.
		if _, err := l.merkle.checkpoint(); err != nil {
			return notPublished(opOpen, err)
		}
	}
	r := walReader{fs: l.opt.FS, dir: dir, numbers: numbers, size: l.opt.SegmentSize}
	mark := max(cp.Size, h.cp.Size)
	found, err := r.scan(ctx, l.opt.Origin, mark, l.crossCheck(cp))
	if err != nil {
		return err
	}
	switch {
	case found.next < cp.Size:
		return broken(opOpen, "the write-ahead log ends at leaf %d, the checkpoint covers %d", found.next, cp.Size)
	case found.next < h.cp.Size:
		return rolledBack("the write-ahead log ends at leaf %d, the ledger's head names %d", found.next, h.cp.Size)
	}
	l.recovered = Recovered{
		Leaves:   found.next,
		Replayed: found.next - cp.Size,
		CutBytes: found.cut,
		Clean:    found.cut == 0 && found.next == cp.Size,
	}
	if err := l.openWAL(dir, found, found.next > cp.Size); err != nil {
		return cannot(opOpen, err)
	}
	err = r.replay(ctx, found, cp.Size, func(leaf []byte) error {
		if err := l.merkle.add(leaf); err != nil {
			return err
		}
		return h.passHead(l.merkle.edge.size, l.merkle.edge.root)
	})
	if err != nil {
		return errors.Join(err, l.wal.close())
	}
	l.gathering = gathering{
		next:     batch{buf: l.buffer(), first: found.next, t: newTicket()},
		size:     found.next,
		stored:   found.next,
		segments: found.segments,
		method:   l.wal.seg.Method(),
	}
	l.published.Store(cp.Size)
	if err := l.publishChanges(); err != nil {
		return errors.Join(notPublished(opOpen, err), l.wal.close())
	}
	return nil
}

// loadCheckpoint reads the checkpoint and the right edge of the tree. A log that
// has none yet, for which it returns nil, is new, and then it must not have a
// write-ahead log either.
func (l *Log) loadCheckpoint(haveWAL bool) (signed []byte, cp evidence.Checkpoint, err error) {
	signed, err = l.opt.FS.ReadFile(path.Join(l.merkle.dir, checkpointName))
	if errors.Is(err, fs.ErrNotExist) {
		if haveWAL {
			return nil, cp, broken(opOpen, "the checkpoint is missing, but there is a write-ahead log")
		}
		return nil, evidence.Checkpoint{Origin: l.opt.Origin, Root: l.merkle.edge.root()}, nil
	}
	if err != nil {
		return nil, cp, cannot(opOpen, err)
	}
	if cp, err = openCheckpoint(signed, l.opt.Origin, l.opt.Verifiers); err != nil {
		return nil, cp, broken(opOpen, "the checkpoint does not verify").Because(err)
	}
	if err := l.merkle.load(cp); err != nil {
		return nil, cp, err
	}
	if cp.Size > 0 && !haveWAL {
		return nil, cp, broken(opOpen, "the write-ahead log is missing, but the checkpoint covers %d leaves", cp.Size)
	}
	return signed, cp, nil
}

// crossCheck returns a function that compares a leaf of the write-ahead log with
// the tiles, as far as the checkpoint covers it.
func (l *Log) crossCheck(cp evidence.Checkpoint) func(index uint64, leaf []byte) error {
	var hashes []tlog.Hash
	at := ^uint64(0)
	return func(index uint64, leaf []byte) (err error) {
		if index >= cp.Size {
			return nil
		}
		if n := index >> tileHeight; n != at {
			if hashes, err = l.merkle.hashes(0, n, cp.Size); err != nil {
				return broken(opOpen, "a tile that the checkpoint covers cannot be read").Because(err)
			}
			at = n
		}
		if tlog.RecordHash(leaf) != hashes[index%tileWidth] {
			return broken(opOpen, "leaf %d differs between the write-ahead log and the tiles", index)
		}
		return nil
	}
}

// openWAL makes the write-ahead log ready for the next frame: it clears a torn
// write, removes unused segments, and writes the last frame again if no
// checkpoint covers it. That last step is for a process that died of a failed
// write: the frame may have been read from the page cache although it never
// reached the disk.
func (l *Log) openWAL(dir string, found scan, harden bool) (err error) {
	w := &wal{fs: l.opt.FS, dir: dir, size: l.opt.SegmentSize, prepared: make(chan Segment), dead: l.poison.ch, stop: l.stop, keys: l.opt.Ratchet, no: found.tail.no, off: found.tail.off, prev: found.prev}
	l.wal = w
	for _, no := range slices.Backward(found.unused) {
		if err := removeSegment(w.fs, dir, no); err != nil {
			return err
		}
	}
	if len(found.segments) == 0 && found.cut == 0 {
		w.seg, err = w.fs.CreateSegment(segmentName(dir, w.no), w.size)
		w.end = w.size
		return err
	}
	if w.seg, err = w.fs.OpenSegment(segmentName(dir, w.no)); err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, w.seg.Close())
		}
	}()
	size, err := w.seg.Size()
	if err != nil {
		return err
	}
	w.end = size / BlockSize * BlockSize
	if found.cut > 0 {
		if _, err := w.seg.WriteAt(alignedBytes(padded(int(found.cut))), w.off); err != nil {
			return err
		}
	}
	if !harden || found.frames == 0 || found.last.no != w.no {
		return nil
	}
	again := alignedBytes(int(found.tail.off - found.last.off))
	if _, err := w.seg.ReadAt(again, found.last.off); err != nil {
		return err
	}
	_, err = w.seg.WriteAt(again, found.last.off)
	return err
}

// listSegments returns the numbers of the segments, which must follow each
// other.
func listSegments(files Files, dir string) ([]uint64, error) {
	names, err := files.List(dir)
	if err != nil {
		return nil, cannot(opOpen, err)
	}
	var numbers []uint64
	for _, name := range names {
		if !strings.HasSuffix(name, walSuffix) {
			continue // such as lost+found, where the directory is a file system of its own
		}
		no, ok := parseSegmentName(name)
		if !ok {
			return nil, broken(opOpen, "a segment of the write-ahead log has a name that was never given")
		}
		numbers = append(numbers, no)
	}
	slices.Sort(numbers)
	for i := 1; i < len(numbers); i++ {
		if numbers[i] != numbers[i-1]+1 {
			return nil, broken(opOpen, "segment %d of the write-ahead log is missing", numbers[i-1]+1)
		}
	}
	return numbers, nil
}

// walReader reads segments.
type walReader struct {
	fs      Segments
	dir     string
	numbers []uint64
	size    int64 // of a segment
	buf     []byte
	each    func(frame) error // called with each frame, if there is one
}

// load reads a whole segment; what is missing of a short one reads as zeros. The
// result is valid until the next call.
func (r *walReader) load(no uint64) (data []byte, err error) {
	seg, err := r.fs.OpenSegment(segmentName(r.dir, no))
	if err != nil {
		return nil, cannot(opOpen, err)
	}
	defer func() { err = errors.Join(err, seg.Close()) }()
	size, err := seg.Size()
	if err != nil {
		return nil, cannot(opOpen, err)
	}
	whole := max(size, r.size)
	if int64(cap(r.buf)) < whole {
		r.buf = make([]byte, whole)
	}
	r.buf = r.buf[:whole]
	clear(r.buf[size:])
	if n, err := seg.ReadAt(r.buf[:size], 0); err != nil && !(errors.Is(err, io.EOF) && int64(n) == size) {
		return nil, cannot(opOpen, fmt.Errorf("segment %d: %w", no, err))
	}
	return r.buf, nil
}

// scan checks the write-ahead log from its first frame to its end. mark is the
// number of leaves that are known to be durable.
func (r *walReader) scan(ctx context.Context, origin string, mark uint64, check func(uint64, []byte) error) (scan, error) {
	s := scan{prev: firstPrev(origin)}
	for i, no := range r.numbers {
		if err := ctx.Err(); err != nil {
			return s, sallyport.E(sallyport.Unavailable, opOpen, "opening was called off").Because(err)
		}
		data, err := r.load(no)
		if err != nil {
			return s, err
		}
		off, cause, err := r.scanSegment(&s, no, data, mark, check)
		if err != nil {
			return s, err
		}
		if errors.Is(cause, errNoFrame) && off > 0 && allZero(data[off:]) && i+1 < len(r.numbers) {
			continue // the next frame did not fit here
		}
		return s, r.judgeTail(&s, i, off, cause, mark)
	}
	return s, nil
}

// scanSegment checks the frames of one segment. It returns where they end, and
// why no frame follows there.
func (r *walReader) scanSegment(s *scan, no uint64, data []byte, mark uint64, check func(uint64, []byte) error) (off int64, cause, err error) {
	for {
		f, cause := parseFrame(data[off:])
		if cause != nil {
			return off, cause, nil
		}
		switch {
		case f.segment != no:
			return 0, nil, broken(opOpen, "segment %d offset %d: the frame belongs to segment %d", no, off, f.segment)
		case s.frames == 0 && f.first > 0 && f.first <= mark:
			// Earlier segments were given up after the tiles held their leaves.
		case f.first != s.next || f.prev != s.prev:
			return 0, nil, broken(opOpen, "segment %d offset %d: the frame does not follow the one before it", no, off)
		}
		err := eachRecord(f.records, int(f.count), func(i int, leaf []byte) error { return check(f.first+uint64(i), leaf) })
		if err != nil {
			return 0, nil, err
		}
		if r.each != nil {
			if err := r.each(f); err != nil {
				return 0, nil, err
			}
		}
		if off == 0 {
			s.segments = append(s.segments, segmentInfo{no: no, first: f.first})
		}
		s.frames++
		s.last = place{no, off}
		s.next = f.first + uint64(f.count)
		s.prev = f.hash
		off += f.size
		s.tail = place{no, off}
	}
}

// judgeTail decides what the bytes after the last frame are: nothing, a torn
// write that may be cut, or damage. They begin at off of the i-th segment.
func (r *walReader) judgeTail(s *scan, i int, off int64, cause error, mark uint64) error {
	at := fmt.Sprintf("segment %d offset %d", r.numbers[i], off)
	if errors.Is(cause, errChanged) {
		return broken(opOpen, "%s: %v", at, cause)
	}
	from := off
	var end int64 // of what is not zero, in the i-th segment
	for j := i; j < len(r.numbers); j++ {
		data, err := r.load(r.numbers[j])
		if err != nil {
			return err
		}
		for b := from; b < int64(len(data)); b += BlockSize {
			if _, err := parseFrame(data[b:]); err == nil {
				return broken(opOpen, "%s: a frame is missing or damaged; there are valid frames after it, at segment %d offset %d", at, r.numbers[j], b)
			}
		}
		rest := bytes.TrimRight(data[from:], "\x00")
		switch {
		case len(rest) > 0 && j > i:
			return broken(opOpen, "%s: segment %d should be unused, but is not", at, r.numbers[j])
		case len(rest) > 0:
			end = int64(len(rest))
		case j > i || off == 0:
			s.unused = append(s.unused, r.numbers[j])
		}
		from = 0
	}
	if end > 0 && s.next < mark {
		return broken(opOpen, "%s: the frame of leaf %d is damaged, and a checkpoint covers it", at, s.next)
	}
	s.cut = end
	s.place(r.numbers[i], off, end)
	return nil
}

// place sets where the next frame goes, which is where the torn write stood, or
// after the last frame.
func (s *scan) place(no uint64, off, cut int64) {
	if cut > 0 || s.frames == 0 {
		s.tail = place{no, off}
	}
}

// replay calls add with each leaf from an index on.
func (r *walReader) replay(ctx context.Context, s scan, from uint64, add func([]byte) error) error {
	for i, info := range s.segments {
		if i+1 < len(s.segments) && s.segments[i+1].first <= from {
			continue
		}
		if err := ctx.Err(); err != nil {
			return sallyport.E(sallyport.Unavailable, opOpen, "opening was called off").Because(err)
		}
		data, err := r.load(info.no)
		if err != nil {
			return err
		}
		for off := int64(0); ; {
			f, err := parseFrame(data[off:])
			if err != nil || f.first >= s.next {
				break
			}
			err = eachRecord(f.records, int(f.count), func(i int, leaf []byte) error {
				if f.first+uint64(i) < from {
					return nil
				}
				return add(leaf)
			})
			if err != nil {
				return cannot(opOpen, err)
			}
			off += f.size
		}
	}
	return nil
}
