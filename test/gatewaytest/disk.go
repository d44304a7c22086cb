// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package gatewaytest

import (
	"sync"
	"syscall"

	"github.com/sallyport-dev/sallyport/internal/ledger"
)

// Disk is the disk below a gateway's ledger: the real one, whose writes can be
// stopped, and which can be full.
type Disk struct {
	ledger.FS

	mu      sync.Mutex
	free    *sync.Cond
	held    bool // guarded by mu
	full    bool // guarded by mu
	waiting int  // writes that are stopped; guarded by mu
}

func newDisk() *Disk {
	d := &Disk{FS: ledger.OS{}}
	d.free = sync.NewCond(&d.mu)
	return d
}

// Hold stops every write of events from now on.
func (d *Disk) Hold() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.held = true
}

// Waiting reports whether a write is stopped.
func (d *Disk) Waiting() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.waiting > 0
}

// Release lets the writes through again.
func (d *Disk) Release() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.held = false
	d.free.Broadcast()
}

// Fill makes every write fail from now on, also those that are stopped.
func (d *Disk) Fill() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.held, d.full = false, true
	d.free.Broadcast()
}

func (d *Disk) isFull() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.full
}

// write waits its turn and says what becomes of a write.
func (d *Disk) write() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.waiting++
	for d.held {
		d.free.Wait()
	}
	d.waiting--
	if d.full {
		return syscall.ENOSPC
	}
	return nil
}

// CreateSegment implements [ledger.FS].
func (d *Disk) CreateSegment(name string, size int64) (ledger.Segment, error) {
	if err := d.write(); err != nil {
		return nil, err
	}
	return d.wrap(d.FS.CreateSegment(name, size))
}

// OpenSegment implements [ledger.FS].
func (d *Disk) OpenSegment(name string) (ledger.Segment, error) {
	return d.wrap(d.FS.OpenSegment(name))
}

func (d *Disk) wrap(s ledger.Segment, err error) (ledger.Segment, error) {
	if err != nil {
		return nil, err
	}
	return &segment{s, d}, nil
}

// WriteFile implements [ledger.FS].
func (d *Disk) WriteFile(name string, data []byte) error {
	if err := d.write(); err != nil {
		return err
	}
	return d.FS.WriteFile(name, data)
}

// Replace implements [ledger.FS].
func (d *Disk) Replace(name string, data []byte) error {
	if err := d.write(); err != nil {
		return err
	}
	return d.FS.Replace(name, data)
}

type segment struct {
	ledger.Segment
	disk *Disk
}

// WriteAt implements io.WriterAt.
func (s *segment) WriteAt(b []byte, off int64) (int, error) {
	if err := s.disk.write(); err != nil {
		return 0, err
	}
	return s.Segment.WriteAt(b, off)
}
