// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// OpenSegment implements [Segments]. A direct, synchronous write of pre-written
// blocks is one request and one flush of the disk's cache; file systems that
// refuse direct writes (tmpfs before Linux 6.6, some network ones) get a write
// and an fdatasync.
func (o OS) OpenSegment(name string) (Segment, error) {
	read, err := os.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	if !o.Buffered {
		fd, err := unix.Open(name, unix.O_RDWR|unix.O_DIRECT|unix.O_DSYNC|unix.O_CLOEXEC, 0)
		if err == nil {
			return &osSegment{read: read, write: os.NewFile(uintptr(fd), name), method: "direct+dsync"}, nil
		}
		if !errors.Is(err, unix.EINVAL) {
			return nil, errors.Join(&os.PathError{Op: "open", Path: name, Err: err}, read.Close())
		}
	}
	sync := func() error {
		for {
			err := unix.Fdatasync(int(read.Fd()))
			if !errors.Is(err, unix.EINTR) {
				return err
			}
		}
	}
	return &osSegment{read: read, write: read, method: "write+fdatasync", sync: sync}, nil
}

func takeLock(f *os.File) error {
	return unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
}
