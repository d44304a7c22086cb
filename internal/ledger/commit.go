// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"context"
	"fmt"
	"runtime"
	"time"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/evidence"
)

const (
	// postDelay is how long a posted leaf waits for company.
	postDelay = 5 * time.Millisecond
	// maxPending bounds what is durable but not yet in the Merkle log, in bytes.
	maxPending = 32 << 20
	// wakePending is how much the integrator lets gather before it is woken
	// ahead of its time: it is kept off the processor while writers wait.
	wakePending = 256 << 10
)

// gathering is the part of the log that its mutex guards.
type gathering struct {
	next   batch   // takes new leaves
	flying *ticket // of the write in flight; nil when there is none
	// claimed is true while somebody is about to elect a writer of the next batch,
	// and from the election until the batch is taken: who comes meanwhile joins it
	// instead of writing at once.
	claimed bool
	spare   [][]byte // aligned buffers
	room    chan struct{}
	size    uint64 // index that the next leaf gets
	stored  uint64 // leaves that are durable
	closed  bool

	pending      []byte // durable records for the integrator
	pendingCount int
	segments     []segmentInfo
	flushes      histogram
	bytes        uint64 // written, with padding
	method       string // how
}

// batch is a frame that gathers. Its buffer begins with frameHeader bytes of
// space.
type batch struct {
	buf   []byte
	first uint64
	count uint32
	t     *ticket
}

// ticket is what the waiters of one batch wait for. A value received from wake
// elects the receiver to write the batch; the close of wake says that err holds
// the result.
type ticket struct {
	wake    chan struct{}
	err     error
	waiters int // guarded by the log's mutex
}

func newTicket() *ticket { return &ticket{wake: make(chan struct{}, 1)} }

const opAppend = "ledger append"

// Append adds leaves, which get consecutive indexes from first, and returns when
// they are durable. It does not keep the slices. Errors: Invalid for a leaf that
// is empty or larger than evidence.MaxLeaf; Unavailable when the log is
// poisoned or closed, or when ctx ended first: then the leaves may or may not
// be recorded, and the caller must not act on them.
func (l *Log) Append(ctx context.Context, leaves ...[]byte) (first uint64, err error) {
	need, err := l.checkLeaves(leaves)
	if err != nil {
		return 0, err
	}
	l.mu.Lock()
	if err := l.reserve(need, ctx.Done()); err != nil {
		l.mu.Unlock()
		return 0, err
	}
	first = l.put(leaves)
	t := l.next.t
	t.waiters++
	if l.flying == nil && !l.claimed {
		b := l.take()
		l.mu.Unlock()
		l.flush(b)
		return first, t.err
	}
	l.mu.Unlock()
	return first, l.await(ctx, t)
}

// Post adds a leaf to the next write without waiting for it. If no write comes
// by within a few milliseconds, one is made for it. Post blocks while the log's
// buffers are full and drops nothing; it fails when the log is poisoned or
// closed. A leaf whose Post succeeded is lost only together with the process or
// the log, never alone: later leaves have higher indexes.
func (l *Log) Post(leaf []byte) error {
	need, err := l.checkLeaves([][]byte{leaf})
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.reserve(need, nil); err != nil {
		return err
	}
	l.put([][]byte{leaf})
	if l.flying == nil && l.next.count == 1 {
		signal(l.kick)
	}
	return nil
}

// Sync returns when everything posted or appended before the call is durable.
func (l *Log) Sync(ctx context.Context) error {
	l.mu.Lock()
	if err := l.poison.get(); err != nil {
		l.mu.Unlock()
		return err
	}
	t := l.flying
	if l.next.count > 0 {
		t = l.next.t
	}
	if t == nil {
		l.mu.Unlock()
		return nil
	}
	t.waiters++
	if l.flying == nil && !l.claimed {
		b := l.take()
		l.mu.Unlock()
		l.flush(b)
		return t.err
	}
	l.mu.Unlock()
	return l.await(ctx, t)
}

// Size returns how many leaves are durable.
func (l *Log) Size() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.stored
}

func (l *Log) checkLeaves(leaves [][]byte) (need int, err error) {
	if len(leaves) == 0 {
		return 0, sallyport.E(sallyport.Invalid, opAppend, "no leaf was given")
	}
	for _, leaf := range leaves {
		if len(leaf) == 0 || len(leaf) > evidence.MaxLeaf {
			return 0, sallyport.E(sallyport.Invalid, opAppend, fmt.Sprintf("a leaf of %d bytes is outside 1 to %d", len(leaf), evidence.MaxLeaf))
		}
		need += recordSize(leaf)
	}
	if need > l.maxBatch()-frameHeader {
		return 0, sallyport.E(sallyport.Invalid, opAppend, "the leaves do not fit in one write").WithHint("append fewer at once")
	}
	return need, nil
}

// maxBatch is the capacity of a batch in bytes, without the frame's trailer.
func (l *Log) maxBatch() int { return int(min(MaxBatch, l.opt.SegmentSize)) - frameTrailer }

// reserve returns with room for need bytes in l.next, or an error, also when
// done is closed first. l.mu is held on entry and on return.
func (l *Log) reserve(need int, done <-chan struct{}) error {
	for {
		if err := l.poison.get(); err != nil {
			return err
		}
		if l.closed {
			return sallyport.E(sallyport.Unavailable, opAppend, "the ledger is closed")
		}
		full := len(l.next.buf)+need > l.maxBatch()
		if !full && len(l.pending) < maxPending {
			return nil
		}
		if full && l.flying == nil {
			b := l.take() // nobody else may be about to
			l.mu.Unlock()
			l.flush(b)
			l.mu.Lock()
			continue
		}
		if len(l.pending) >= maxPending {
			signal(l.wake)
		}
		if l.room == nil {
			l.room = make(chan struct{})
		}
		room := l.room
		l.mu.Unlock()
		var err error
		select {
		case <-room:
		case <-l.poison.ch:
		case <-done:
			err = sallyport.E(sallyport.Unavailable, opAppend, "the call was given up before the ledger had room")
		}
		l.mu.Lock()
		if err != nil {
			return err
		}
	}
}

// makeRoom wakes those who wait in reserve. l.mu is held.
func (l *Log) makeRoom() {
	if l.room != nil {
		close(l.room)
		l.room = nil
	}
}

// put copies leaves into the next batch. l.mu is held and there is room.
func (l *Log) put(leaves [][]byte) (first uint64) {
	first = l.size
	for _, leaf := range leaves {
		l.next.buf = appendRecord(l.next.buf, leaf)
	}
	l.next.count += uint32(len(leaves))
	l.size += uint64(len(leaves))
	return first
}

// take makes the gathered batch the one in flight; the caller must flush it. l.mu
// is held, nothing is in flight.
func (l *Log) take() batch {
	b := l.next
	l.flying, l.claimed = b.t, false
	l.next = batch{buf: l.buffer(), first: l.size, t: newTicket()}
	l.makeRoom()
	return b
}

// buffer returns an empty aligned buffer for a batch. l.mu is held.
func (l *Log) buffer() []byte {
	if n := len(l.spare); n > 0 {
		buf := l.spare[n-1]
		l.spare = l.spare[:n-1]
		return buf[:frameHeader]
	}
	return alignedBytes(padded(l.maxBatch() + frameTrailer))[:frameHeader]
}

// flush writes a taken batch and wakes its waiters; then it elects one of the
// waiters of what has gathered meanwhile. Between the two it lets those run whom
// it has woken: what they append next is in time for the next batch then.
// Otherwise half of the writers would always be one write behind the other half,
// and twice as many writes be made.
func (l *Log) flush(b batch) {
	start := l.opt.Now()
	n, err := l.wal.write(b.buf, b.first, b.count)
	took := l.opt.Now().Sub(start)

	l.mu.Lock()
	l.flying = nil
	if err != nil {
		l.failLocked(err)
		b.t.err = l.poison.get()
	} else {
		l.flushes.add(took)
		l.bytes += uint64(n)
		l.stored = b.first + uint64(b.count)
		l.pending = append(l.pending, b.buf[frameHeader:]...)
		l.pendingCount += int(b.count)
		l.segments = l.wal.note(l.segments, b.first)
		if len(l.pending) >= wakePending {
			signal(l.wake)
		}
		l.spare = append(l.spare, b.buf)
		l.claimed = true
	}
	company := b.t.waiters > 1
	l.mu.Unlock()
	close(b.t.wake)
	if err != nil {
		return
	}
	if company {
		runtime.Gosched()
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.flying == nil { // or a batch that was full has been taken
		l.claimed = false
		l.electLocked()
	}
}

// electLocked makes sure that somebody writes what has gathered. l.mu is held,
// nothing is in flight.
func (l *Log) electLocked() {
	switch {
	case l.next.count == 0, l.poison.get() != nil:
	case l.next.t.waiters > 0:
		l.claimed = true
		signal(l.next.t.wake)
	default:
		signal(l.kick)
	}
}

// failLocked poisons the log; l.mu is held. Waiters of the batch that gathers
// are woken here, those of the one in flight by its flush.
func (l *Log) failLocked(err error) {
	e, ok := err.(*sallyport.Error) //nolint:errorlint // only the outermost error has the kind that counts
	if !ok {
		e = cannot(opAppend, err)
	}
	l.poison.set(e)
	if t := l.next.t; t != nil && t.err == nil {
		t.err = l.poison.get()
		close(t.wake)
	}
	l.makeRoom()
}

// await waits for a ticket, and writes its batch when elected.
func (l *Log) await(ctx context.Context, t *ticket) error {
	for {
		select {
		case _, elected := <-t.wake:
			if !elected {
				return t.err
			}
			l.lead(t)
		case <-ctx.Done():
			l.leave(t)
			return sallyport.E(sallyport.Unavailable, opAppend, "the call was given up while its record was being written").Because(ctx.Err())
		}
	}
}

// lead writes the batch of t, unless somebody else was faster.
func (l *Log) lead(t *ticket) {
	l.mu.Lock()
	if l.next.t != t || l.flying != nil || l.poison.get() != nil {
		l.mu.Unlock()
		return
	}
	b := l.take()
	l.mu.Unlock()
	l.flush(b)
}

// leave takes one waiter off t. If it was the last, the flusher inherits the
// batch; an election that nobody accepted is void then.
func (l *Log) leave(t *ticket) {
	l.mu.Lock()
	defer l.mu.Unlock()
	t.waiters--
	if l.next.t == t && l.flying == nil && t.waiters == 0 {
		signal(l.kick)
	}
}

// flushPosted writes posted leaves that no Append took along. It is the body of
// a goroutine that the log owns.
func (l *Log) flushPosted() {
	timer := time.NewTimer(postDelay)
	defer timer.Stop()
	for {
		select {
		case <-l.stop:
			return
		case <-l.kick:
		}
		timer.Reset(postDelay)
		select {
		case <-l.stop:
			return
		case <-timer.C:
		}
		l.mu.Lock()
		if l.flying != nil || l.next.count == 0 || l.next.t.waiters > 0 || l.poison.get() != nil {
			l.mu.Unlock() // somebody else writes it
			continue
		}
		b := l.take()
		l.mu.Unlock()
		l.flush(b)
	}
}

// signal leaves a token in a channel of capacity one.
func signal(ch chan struct{}) {
	select {
	case ch <- struct{}{}:
	default:
	}
}
