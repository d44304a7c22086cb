// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package ship

import (
	"bytes"
	"strconv"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/sallyport-dev/sallyport/evidence"
)

// checkpointOf reads what a signed checkpoint of the gateway's own ledger says,
// which has verified it; nil when it says nothing.
func checkpointOf(signed []byte) *evidence.Checkpoint {
	lines := bytes.SplitN(signed, []byte("\n"), 4)
	if len(lines) < 4 {
		return nil
	}
	size, err := strconv.ParseUint(string(lines[1]), 10, 63)
	if err != nil {
		return nil
	}
	root, err := tlog.ParseHash(string(lines[2]))
	if err != nil {
		return nil
	}
	return &evidence.Checkpoint{Origin: string(lines[0]), Size: size, Root: root}
}
