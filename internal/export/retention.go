// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package export

import (
	"context"

	"github.com/sallyport-dev/sallyport/evidence"
)

// cut reports whether a leaf is of a session whose beginning was pruned. Its
// retention was over; what is left of it proves nothing by itself.
func (b *builder) cut(leaf parsedLeaf) bool {
	return leaf.Session != "" && leaf.Seq > 1 && b.sessions[leaf.Session] == nil && b.src.Minimum != nil && b.src.Minimum() > 0
}

// halves writes the halves of keys where the bundle is to have them.
func (b *builder) halves(ctx context.Context) error {
	if b.src.Halves == nil {
		return nil
	}
	halves, err := b.src.Halves(ctx, b.opened)
	if err != nil {
		return err
	}
	var lines []byte
	for _, h := range halves {
		if lines, err = evidence.AppendHalfLine(lines, h); err != nil {
			return err
		}
	}
	return b.out.Add(evidence.HalvesName, lines)
}
