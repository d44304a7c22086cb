// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package connect_test

import (
	"bufio"
	"io"
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

// TestSlowBody: a body for an endpoint of tokens that does not come ends the request,
// as it does at the API.
func TestSlowBody(t *testing.T) {
	t.Parallel()
	w := start(t, false)
	c, err := w.inside(t, "sts.googleapis.com", "sts.googleapis.com")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(c, "POST /v1/token HTTP/1.1\r\nHost: sts.googleapis.com\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 100\r\n\r\na"); err != nil {
		t.Fatal(err)
	}
	if status, _, body := answer(t, bufio.NewReader(c), http.MethodPost); status < 400 || status >= 500 {
		t.Errorf("%d %s", status, body)
	}
}
