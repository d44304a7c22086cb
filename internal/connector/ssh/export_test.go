// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package ssh

import (
	"io"
	"net"
)

// Hear is hear.
func Hear(r io.Reader) (heard, list []byte) { return hear(r) }

// Greeted is a connection on which something was heard, and n bytes were said.
func Greeted(nc net.Conn, heard []byte, n int) net.Conn {
	return &greeted{Conn: nc, heard: heard, said: n}
}
