// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package export

import (
	"bytes"
	"context"
	"io"
	"time"

	"github.com/sallyport-dev/sallyport/evidence"
)

// Derive goes through the log of size leaves as an export of all of it would,
// and returns what one table says as JSON, and whether the time that scope
// bounds is whole. table is "" for none. It is the gateway's own word; a bundle
// says the same with proofs.
func Derive(ctx context.Context, src Source, size uint64, scope evidence.Scope, table string) ([]byte, evidence.Completeness, error) {
	limit, err := until(ctx, src, scope.AsOf, size)
	if err != nil {
		return nil, evidence.Completeness{}, err
	}
	var out bytes.Buffer
	d, err := evidence.NewDeriver(scope, func(name string) (io.WriteCloser, error) {
		switch name {
		case table + ".json":
			return keep{&out}, nil
		case table + ".csv":
			return keep{io.Discard}, nil
		}
		return nil, nil
	})
	if err != nil {
		return nil, evidence.Completeness{}, err
	}
	if err := scan(ctx, src, limit, func(index uint64, raw []byte, _ parsedLeaf) error { return d.Add(index, raw) }); err != nil {
		return nil, evidence.Completeness{}, err
	}
	if err := d.Close(); err != nil {
		return nil, evidence.Completeness{}, err
	}
	return out.Bytes(), d.Completeness(), nil
}

// EndOfDay is the last instant of a day in UTC.
func EndOfDay(day time.Time) time.Time {
	y, m, d := day.UTC().Date()
	return time.Date(y, m, d+1, 0, 0, 0, -1, time.UTC)
}

// keep is a writer that needs no closing.
type keep struct{ io.Writer }

// Close implements [io.Closer].
func (keep) Close() error { return nil }
