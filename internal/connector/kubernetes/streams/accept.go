// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package streams

import (
	"bufio"
	"encoding/base64"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/wire/websocket"
)

// Headers of the handshakes.
const (
	headerProtocol = "X-Stream-Protocol-Version"
	upgradeSPDY    = "SPDY/3.1"
	upgradeWeb     = "websocket"
)

// Offer is how a client offers to carry the streams.
type Offer struct {
	web, fifth bool
	key        string // of WebSocket's handshake
}

// WebSocket reports whether the client offers WebSocket. A client whose offer of it is
// refused asks again over SPDY, whatever the reason was.
func (o *Offer) WebSocket() bool { return o.web }

// Read reads a client's offer. Errors have kind Invalid.
func Read(r *http.Request) (*Offer, error) {
	bad := func(msg, hint string) error { return sallyport.E(sallyport.Invalid, op, msg).WithHint(hint) }
	to := strings.ToLower(r.Header.Get("Upgrade"))
	if !has(r.Header, "Connection", "upgrade") || len(r.Header.Values("Upgrade")) != 1 {
		return nil, bad("the request does not ask for a connection with streams", "send Connection: Upgrade, and Upgrade: websocket or SPDY/3.1")
	}
	if r.ProtoMajor != 1 || r.ContentLength > 0 || len(r.TransferEncoding) > 0 {
		return nil, bad("the request cannot be answered with streams", "send it by HTTP/1.1, and without a body")
	}
	switch {
	case to == upgradeWeb && r.Method == http.MethodGet:
		o := &Offer{web: true, key: r.Header.Get("Sec-Websocket-Key")}
		b, err := base64.StdEncoding.DecodeString(o.key)
		if err != nil || len(b) != 16 || r.Header.Get("Sec-Websocket-Version") != "13" {
			return nil, bad("the handshake of WebSocket is not complete", "send Sec-WebSocket-Version: 13 and a key of 16 bytes")
		}
		o.fifth = has(r.Header, "Sec-Websocket-Protocol", v5)
		if !o.fifth && !has(r.Header, "Sec-Websocket-Protocol", v4) {
			return nil, bad("the client offers no protocol that tells how a program ended", "offer the WebSocket protocol "+v5+" or "+v4)
		}
		return o, nil
	case to == strings.ToLower(upgradeSPDY) && (r.Method == http.MethodPost || r.Method == http.MethodGet):
		if !has(r.Header, headerProtocol, v4) {
			return nil, bad("the client offers no protocol that tells how a program ended", "offer "+v4+" in "+headerProtocol)
		}
		return &Offer{}, nil
	}
	return nil, bad("the connection cannot be given to the protocol that is asked for", "ask for websocket by GET, or for SPDY/3.1 by POST")
}

// has reports whether a header's list has a word.
func has(h http.Header, name, word string) bool {
	return slices.ContainsFunc(h.Values(name), func(line string) bool {
		return slices.ContainsFunc(strings.Split(line, ","), func(w string) bool { return strings.EqualFold(strings.TrimSpace(w), word) })
	})
}

// Accept answers the offer and returns the connection when the client has opened its
// streams. After an error the connection is closed, unless it has kind Invalid: then
// nothing was answered.
func (o *Offer) Accept(w http.ResponseWriter, wish Wish, now func() time.Time) (*Conn, error) {
	conn, rw, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return nil, sallyport.E(sallyport.Invalid, op, "the connection cannot carry streams").WithHint("ask by HTTP/1.1").Because(err)
	}
	c, err := o.take(conn, rw, wish, now)
	if err != nil {
		_ = conn.Close() // it may be closed already
		return nil, err
	}
	return c, nil
}

func (o *Offer) take(conn net.Conn, rw *bufio.ReadWriter, wish Wish, now func() time.Time) (*Conn, error) {
	answer := "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n"
	if o.web {
		protocol := v4
		if o.fifth {
			protocol = v5
		}
		answer += "Upgrade: websocket\r\nSec-WebSocket-Accept: " + websocket.AcceptKey(o.key) + "\r\nSec-WebSocket-Protocol: " + protocol + "\r\n\r\n"
	} else {
		answer += "Upgrade: " + upgradeSPDY + "\r\n" + headerProtocol + ": " + v4 + "\r\n\r\n"
	}
	if _, err := conn.Write([]byte(answer)); err != nil {
		return nil, sallyport.E(sallyport.Unavailable, op, "the client has gone").Because(err)
	}
	if o.web {
		return serve(conn, newWeb(rw.Reader, conn, true, o.fifth, nil), now, wish.of(Stdin, Resize)...), nil
	}
	m, err := newMultiplex(rw.Reader, conn, true, wish)
	if err != nil {
		return nil, err
	}
	c := serve(conn, m, now, wish.of(Stdin, Resize)...)
	if err := c.ready(m.open); err != nil {
		c.Close("")
		return nil, err
	}
	return c, nil
}
