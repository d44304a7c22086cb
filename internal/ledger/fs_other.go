// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

//go:build !linux

package ledger

import "os"

// OpenSegment implements [Segments].
func (OS) OpenSegment(name string) (Segment, error) {
	f, err := os.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	return &osSegment{read: f, write: f, method: "write+fsync", sync: f.Sync}, nil
}

// takeLock has no portable form; on systems other than Linux two processes on
// one directory are not kept apart.
func takeLock(*os.File) error { return nil }
