// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"context"
	"errors"
	"io"
	"path"
	"sync"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/evidence"
)

// Ratchet holds the keys that one epoch authenticates frames and seals with,
// each for as long as it is needed and no longer: a frame's key is replaced by
// its hash when the frame has been made, an interval's when it has been sealed.
// Whoever reads the process's memory finds the keys of what is still to come.
type Ratchet struct {
	mu     sync.Mutex
	seal   evidence.SealKey  // guarded by mu
	frame  evidence.FrameKey // guarded by mu
	frames uint32            // in this interval; guarded by mu
}

// NewRatchet draws the first key of an epoch and returns it beside the ratchet,
// for the caller to seal to the auditors and to clear.
func NewRatchet(rand io.Reader) (*Ratchet, []byte, error) {
	first := make([]byte, evidence.SealKeySize)
	if _, err := io.ReadFull(rand, first); err != nil {
		return nil, nil, sallyport.E(sallyport.Internal, "ledger keys", "no randomness for the ledger's keys").Because(err)
	}
	r := &Ratchet{seal: evidence.NewSealKey([evidence.SealKeySize]byte(first))}
	r.frame = r.seal.FrameKey()
	return r, first, nil
}

// ID names the epoch's keys, as [evidence.Seal] carries it.
func (r *Ratchet) ID() string { return r.seal.ID() }

// stamp says which key authenticates a frame.
type stamp struct {
	key      [8]byte // SealKey.IDBytes; zeros when there is none
	interval uint64
	number   uint32 // of the frame in the interval, from 0
}

// take gives out the key of the next frame and forgets it. Without a ratchet the
// stamp is zero.
func (r *Ratchet) take() (s stamp, key evidence.FrameKey) {
	if r == nil {
		return s, key
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	s = stamp{key: r.seal.IDBytes(), interval: r.seal.Interval(), number: r.frames}
	key = r.frame
	r.frame.Next()
	r.frames++
	return s, key
}

// end seals an interval and begins the next one.
func (r *Ratchet) end(cp evidence.Checkpoint) evidence.Seal {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.seal.Seal(cp.Origin, cp.Size, cp.Root)
	r.seal.Next()
	r.frame, r.frames = r.seal.FrameKey(), 0
	return s
}

// Seal publishes what is durable and seals it; the caller puts the result on
// record. Nil without a ratchet.
func (l *Log) Seal(ctx context.Context) (*evidence.Seal, error) {
	if l.opt.Ratchet == nil {
		return nil, nil
	}
	signed, err := l.Publish(ctx)
	if err != nil {
		return nil, err
	}
	cp, err := openCheckpoint(signed, l.opt.Origin, l.opt.Verifiers)
	if err != nil {
		return nil, broken("ledger seal", "the checkpoint does not verify").Because(err)
	}
	s := l.opt.Ratchet.end(cp)
	return &s, nil
}

// FrameReport is what VerifyFrames found.
type FrameReport struct {
	Frames   uint64 // in the segments that are still there
	Verified uint64 // of them, made with the key
}

// VerifyFrames checks the frames of the write-ahead log of a ledger that nobody
// has open, as it lies in dir, against the first key of an epoch: that each was
// written while the gateway still had its key. Frames of other epochs are
// counted only. Errors have the kind Integrity.
func VerifyFrames(ctx context.Context, opt Options, key evidence.SealKey) (FrameReport, error) {
	const op = "ledger frames"
	var report FrameReport
	if err := opt.complete(); err != nil {
		return report, err
	}
	signed, err := opt.FS.ReadFile(path.Join(opt.Dir, tilesDir, checkpointName))
	if err != nil {
		return report, broken(op, "the checkpoint cannot be read").Because(err)
	}
	cp, err := openCheckpoint(signed, opt.Origin, opt.Verifiers)
	if err != nil {
		return report, broken(op, "the checkpoint does not verify").Because(err)
	}
	numbers, err := listSegments(opt.FS, walOf(opt.Dir))
	if err != nil {
		return report, err
	}
	c := frameCheck{key: key, frame: key.FrameKey()}
	r := walReader{fs: opt.FS, dir: walOf(opt.Dir), numbers: numbers, size: opt.SegmentSize, each: func(f frame) error {
		report.Frames++
		if f.stamp.key != key.IDBytes() {
			return nil
		}
		if err := c.check(f); err != nil {
			return broken(op, "the frame of leaf %d: %v", f.first, err)
		}
		report.Verified++
		return nil
	}}
	_, err = r.scan(ctx, opt.Origin, cp.Size, func(uint64, []byte) error { return nil })
	return report, err
}

// frameCheck follows the keys of an epoch's frames.
type frameCheck struct {
	key   evidence.SealKey
	frame evidence.FrameKey
	next  uint32 // number of the frame that frame is the key of
	begun bool
}

// maxSkipped bounds how many keys a frame may be ahead of the one before it.
const maxSkipped = 1 << 30

func (c *frameCheck) check(f frame) error {
	s, at := f.stamp, c.key.Interval()
	same := s.interval == at && (s.number == c.next || !c.begun && s.number > c.next)
	later := s.interval > at && s.interval-at < maxSkipped && (s.number == 0 || !c.begun)
	whole := c.begun || f.first > 0 || s.interval == 0 && s.number == 0 // a log begins with its first key
	if !same && !later || !whole || s.number > maxSkipped {
		return errors.New("it is out of the order of its keys")
	}
	c.begun = true
	for c.key.Interval() < s.interval {
		c.key.Next()
		c.frame, c.next = c.key.FrameKey(), 0
	}
	for ; c.next < s.number; c.next++ {
		c.frame.Next()
	}
	if c.frame.MAC(f.hash) != f.mac {
		return errors.New("its key did not make it")
	}
	c.frame.Next()
	c.next++
	return nil
}
