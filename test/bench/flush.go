// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"github.com/sallyport-dev/sallyport/internal/ledger"
)

// flushSegment is the size of the file that flushes are measured in; whole
// blocks, each written once, as the ledger does.
const flushSegment = 8 << 20

// measureFlush times durable writes of one block with the ledger's own method, on
// the disk that the gateway's ledger is on.
func (b *bench) measureFlush(rep *report) (err error) {
	if b.settings.flushes == 0 {
		return nil
	}
	seg, err := ledger.OS{}.CreateSegment(filepath.Join(b.gateway.dir, "flush"), flushSegment)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, seg.Close()) }()
	// Direct writes need aligned memory, and pages are.
	block, err := syscall.Mmap(-1, 0, ledger.BlockSize, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, syscall.Munmap(block)) }()
	took := make([]time.Duration, min(b.settings.flushes, flushSegment/ledger.BlockSize))
	for i := range took {
		copy(block, fmt.Sprintf("block %d", i))
		start := time.Now()
		if _, err := seg.WriteAt(block, int64(i)*ledger.BlockSize); err != nil {
			return err
		}
		took[i] = time.Since(start)
	}
	slices.Sort(took)
	return rep.flush(seg.Method(), fileSystem(b.gateway.dir), took)
}
