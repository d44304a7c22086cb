// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"runtime"
	"sync"
	"unsafe"

	"github.com/sallyport-dev/sallyport/internal/ledger"
)

// batchBytes is room for one record of every writer, and for the padding.
const batchBytes = maxWriters*maxRecord + ledger.BlockSize

// group is natural batching and nothing else: the first waiter writes what has
// gathered, and what arrives during the write forms the next batch. It is what
// stands in front of whoever does not batch by himself, and it is the bar.
type group struct {
	write func(b *batch) error
	// gather lets those who were woken append before the next batch is closed, as
	// the ledger does. It makes batches twice as large in a closed loop.
	gather bool

	mu      sync.Mutex
	next    *batch
	spare   *batch
	flying  bool
	claimed bool   // somebody is about to elect, or was elected
	count   uint64 // writes
}

// batch is what one write takes.
type batch struct {
	buf  []byte // room for a header, and the records
	ends []int  // of each record in buf
	wake chan struct{}
	err  error
}

// start prepares a group. buf makes an empty buffer, write makes a batch
// durable; it is called for one batch at a time.
func (g *group) start(buf func() []byte, write func(*batch) error) {
	g.write = write
	g.next = &batch{buf: buf(), wake: make(chan struct{}, 1)}
	g.spare = &batch{buf: buf()}
}

// append returns when rec is durable. A value received from wake makes the
// receiver the one who writes; the close of wake says that err holds the result.
func (g *group) append(rec []byte) error {
	g.mu.Lock()
	b := g.next
	b.buf = append(b.buf, rec...)
	b.ends = append(b.ends, len(b.buf))
	if g.flying || g.claimed {
		g.mu.Unlock()
		if _, elected := <-b.wake; !elected {
			return b.err
		}
		g.mu.Lock()
		if g.flying || g.next != b { // a newcomer was faster
			g.mu.Unlock()
			<-b.wake
			return b.err
		}
	}
	g.flying, g.claimed = true, false
	free := g.spare
	g.next = &batch{buf: free.buf[:0], ends: free.ends[:0], wake: make(chan struct{}, 1)}
	g.mu.Unlock()

	b.err = g.write(b)

	g.mu.Lock()
	g.flying, g.spare = false, &batch{buf: b.buf, ends: b.ends}
	g.count++
	if !g.gather || len(b.ends) == 1 {
		g.elect()
		g.mu.Unlock()
		close(b.wake)
		return b.err
	}
	g.claimed = true
	g.mu.Unlock()
	close(b.wake)
	runtime.Gosched()
	g.mu.Lock()
	g.claimed = false
	g.elect()
	g.mu.Unlock()
	return b.err
}

// elect wakes one who will write what has gathered. g.mu is held, nothing is in
// flight.
func (g *group) elect() {
	if len(g.next.ends) > 0 {
		g.claimed = g.gather
		g.next.wake <- struct{}{}
	}
}

func (g *group) writes() uint64 {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.count
}

// aligned returns an empty buffer that begins where a direct write may.
func aligned() []byte {
	b := make([]byte, batchBytes+ledger.BlockSize)
	skip := -uintptr(unsafe.Pointer(unsafe.SliceData(b))) % ledger.BlockSize
	return b[skip:skip]
}
