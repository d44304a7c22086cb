// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package evidence

import (
	"strconv"

	sallyport "github.com/sallyport-dev/sallyport"
)

// AppendAAD appends the additional data of a [Sealed] thing to dst: the
// session, the number of the statement (for a chunk of a recording, the chunk's
// number) in decimal, and the purpose of the key, joined by "/".
func AppendAAD(dst []byte, session sallyport.SessionID, n uint64, purpose string) []byte {
	dst = append(dst, session...)
	dst = append(dst, '/')
	dst = strconv.AppendUint(dst, n, 10)
	dst = append(dst, '/')
	return append(dst, purpose...)
}
