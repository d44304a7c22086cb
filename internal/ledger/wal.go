// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"crypto/sha256"
	"fmt"
	"path"
	"strconv"
	"strings"
)

const (
	walDir    = "wal"
	walSuffix = ".wal"
	// keepSegments is how many segments stay although the Merkle log holds all
	// of their leaves.
	keepSegments = 2
)

// segmentInfo says which leaves a segment begins with.
type segmentInfo struct {
	no    uint64
	first uint64
}

// wal writes frames to segments. Except for prepare, its methods are called by
// whoever has taken the batch in flight, one at a time.
type wal struct {
	fs       FS
	dir      string
	size     int64
	prepared chan Segment    // from prepare, in order
	dead     <-chan struct{} // closed when the log is poisoned
	stop     <-chan struct{} // closed when it ends
	keys     *Ratchet        // authenticates frames; may be nil

	seg  Segment
	no   uint64
	off  int64
	end  int64
	prev [sha256.Size]byte // hash of the last frame
}

// walOf is the directory of a log's segments.
func walOf(dir string) string { return path.Join(dir, walDir) }

// segmentName is the name of a segment: its number in 16 hexadecimal digits.
func segmentName(dir string, no uint64) string {
	return path.Join(dir, fmt.Sprintf("%016x%s", no, walSuffix))
}

// parseSegmentName is the inverse of segmentName for the last element.
func parseSegmentName(name string) (no uint64, ok bool) {
	digits, found := strings.CutSuffix(name, walSuffix)
	if !found || len(digits) != 16 {
		return 0, false
	}
	no, err := strconv.ParseUint(digits, 16, 64)
	return no, err == nil && segmentName("", no) == name
}

// write seals buf into a frame and returns when it is durable; n is its size on
// disk. After an error the wal must not be used again.
func (w *wal) write(buf []byte, first uint64, count uint32) (n int, err error) {
	if w.off+int64(padded(len(buf)+frameTrailer)) > w.end {
		if err := w.roll(); err != nil {
			return 0, err
		}
	}
	out, hash := sealFrame(buf, frame{first: first, count: count, segment: w.no, prev: w.prev}, w.keys)
	if _, err := w.seg.WriteAt(out, w.off); err != nil {
		return 0, fmt.Errorf("segment %d offset %d: %w", w.no, w.off, err)
	}
	w.off += int64(len(out))
	w.prev = hash
	return len(out), nil
}

// roll goes on to the next segment, which is normally there already.
func (w *wal) roll() error {
	select {
	case next := <-w.prepared:
		if err := w.seg.Close(); err != nil {
			return fmt.Errorf("close of segment %d: %w", w.no, err)
		}
		w.seg, w.no, w.off = next, w.no+1, 0
		w.end = w.size
		return nil
	case <-w.dead:
	case <-w.stop:
	}
	return fmt.Errorf("segment %d was not prepared in time", w.no+1)
}

// note adds the current segment to infos, if it is new there.
func (w *wal) note(infos []segmentInfo, first uint64) []segmentInfo {
	if n := len(infos); n > 0 && infos[n-1].no == w.no {
		return infos
	}
	return append(infos, segmentInfo{no: w.no, first: first})
}

// prepare keeps the next segment ready, ahead of its use. It is the body of a
// goroutine that the log owns; from is the number of the first segment to make.
func (w *wal) prepare(from uint64, fail func(error)) {
	for no := from; ; no++ {
		seg, err := w.fs.CreateSegment(segmentName(w.dir, no), w.size)
		if err != nil {
			fail(cannot("ledger segment", err))
			return
		}
		select {
		case w.prepared <- seg:
		case <-w.stop:
			if err := seg.Close(); err != nil {
				fail(cannot("ledger segment", err))
			}
			return
		}
	}
}

func (w *wal) close() error { return w.seg.Close() }
