// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package session

import (
	"context"

	"github.com/sallyport-dev/sallyport/evidence"
)

// Shipping records how a destination keeps up with the ledger.
func (e *Events) Shipping(ctx context.Context, b evidence.Shipping) error {
	return write(ctx, e, evidence.TypeShipping, b)
}
