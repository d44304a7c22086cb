// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package pglogin

import "net"

// Gate puts a gate before conn.
func Gate(conn net.Conn) net.Conn { return &gate{Conn: conn} }

// Sources returns the number of sources whose rate k remembers.
func Sources(k *Keys) int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return len(k.sources)
}
