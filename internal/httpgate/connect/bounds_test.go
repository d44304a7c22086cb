// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package connect_test

import (
	"net"
	"net/http"
	"testing"
	"time"
)

// TestTunnelsOfOne: one principal cannot take all connections of the listener.
func TestTunnelsOfOne(t *testing.T) {
	t.Parallel()
	w := start(t, false)
	open := func() (net.Conn, int) {
		t.Helper()
		c, r := w.dial(t, "CONNECT "+service+":443 HTTP/1.1\r\nHost: "+service+":443\r\n"+basic(w.Token)+"\r\n")
		status, _, _ := answer(t, r, http.MethodConnect)
		if err := c.SetDeadline(time.Time{}); err != nil {
			t.Fatal(err)
		}
		return c, status
	}
	var tunnels []net.Conn
	for range 257 {
		c, status := open()
		if status != http.StatusOK {
			break
		}
		tunnels = append(tunnels, c)
	}
	if len(tunnels) != 256 {
		t.Fatalf("one principal has %d tunnels", len(tunnels))
	}
	// A tunnel that ended leaves its place.
	if err := tunnels[0].Close(); err != nil {
		t.Fatal(err)
	}
	for {
		if _, status := open(); status == http.StatusOK {
			break
		}
		select {
		case <-t.Context().Done():
			t.Fatal("a closed tunnel still counts")
		case <-time.After(20 * time.Millisecond):
		}
	}
}
