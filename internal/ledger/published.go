// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"context"

	sallyport "github.com/sallyport-dev/sallyport"
)

// Published returns how many leaves are under the last published checkpoint.
func (l *Log) Published() uint64 { return l.published.Load() }

// ScanPublished is [Log.Scan] up to the last published checkpoint. It asks for
// no new one, so that somebody who only follows the log adds nothing to the work
// of those who wait for it.
func (l *Log) ScanPublished(ctx context.Context, from uint64, fn func(index uint64, leaf []byte) error) error {
	end := l.published.Load()
	for n := from >> tileHeight; n<<tileHeight < end; n++ {
		if err := ctx.Err(); err != nil {
			return sallyport.E(sallyport.Unavailable, "ledger scan", "the scan was called off").Because(err)
		}
		leaves, err := l.bundleAt(n)
		if err != nil {
			return err
		}
		for i, leaf := range leaves {
			index := n<<tileHeight + uint64(i)
			if index < from || index >= end {
				continue
			}
			if err := fn(index, leaf); err != nil {
				return err
			}
		}
	}
	return nil
}
