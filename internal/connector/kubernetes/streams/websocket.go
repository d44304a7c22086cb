// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package streams

import (
	"bufio"
	"io"
	"sync"

	"github.com/sallyport-dev/sallyport/internal/wire/websocket"
)

// The protocols over WebSocket. The fifth can say that a stream has ended.
const (
	v4 = "v4.channel.k8s.io"
	v5 = "v5.channel.k8s.io"
)

// endOf is the channel that tells of a stream's end.
const endOf = 255

// web is a connection over WebSocket.
type web struct {
	r      *websocket.Reader
	server bool      // whether this side is the server
	fifth  bool      // the protocol's version
	random io.Reader // of a client's masks

	within  bool // a message has said which stream it is of
	channel byte

	mu  sync.Mutex
	w   io.Writer // guarded by mu
	buf []byte    // guarded by mu
	bid bool      // goodbye was said; guarded by mu
}

func newWeb(r *bufio.Reader, w io.Writer, server, fifth bool, random io.Reader) *web {
	return &web{r: websocket.NewReader(r, server), w: w, server: server, fifth: fifth, random: random}
}

// next implements link.
func (l *web) next() (event, error) {
	for {
		p, err := l.r.Next()
		if err != nil {
			return event{}, err
		}
		switch p.Op {
		case websocket.Binary:
			e, ok, err := l.message(p)
			if err != nil {
				return event{}, err
			}
			if ok {
				return e, nil
			}
		case websocket.Ping:
			if err := l.frame(websocket.Pong, p.Data); err != nil {
				return event{}, err
			}
		case websocket.Pong:
		case websocket.Close:
			_ = l.bye("") // the peer may have gone
			return event{}, io.EOF
		default:
			return event{}, errProtocol
		}
	}
}

// message takes in a piece of a message. Its first byte says which stream it is of.
func (l *web) message(p websocket.Piece) (e event, ok bool, err error) {
	data := p.Data
	if p.First {
		l.within = false
	}
	if !l.within {
		if len(data) == 0 {
			if p.Last {
				return event{}, false, errProtocol
			}
			return event{}, false, nil
		}
		l.within, l.channel, data = true, data[0], data[1:]
		if !l.known() {
			return event{}, false, errProtocol
		}
	}
	if l.channel != endOf {
		return event{stream: Stream(l.channel), data: data}, true, nil
	}
	if len(data) == 0 && !p.Last {
		return event{}, false, nil
	}
	// A stream's end is told in one byte, which comes in one piece.
	if len(data) != 1 || data[0] >= byte(count) {
		return event{}, false, errProtocol
	}
	return event{stream: Stream(data[0]), end: true}, true, nil
}

// known reports whether the peer may use the channel.
func (l *web) known() bool {
	switch {
	case l.channel == endOf:
		return l.fifth
	case l.server:
		return l.channel == byte(Stdin) || l.channel == byte(Resize)
	}
	return l.channel == byte(Stdout) || l.channel == byte(Stderr) || l.channel == byte(Status)
}

// send implements link.
func (l *web) send(s Stream, p []byte) error {
	return l.frame(websocket.Binary, []byte{byte(s)}, p)
}

// end implements link.
func (l *web) end(s Stream) error {
	if !l.fifth {
		return nil // it cannot be said
	}
	return l.frame(websocket.Binary, []byte{endOf, byte(s)})
}

// ping implements link.
func (l *web) ping() error { return l.frame(websocket.Ping) }

// bye implements link.
func (l *web) bye(reason string) error {
	return l.frame(websocket.Close, websocket.Reason(websocket.Normal, reason))
}

// frame writes a frame. After the last there are no more.
func (l *web) frame(o websocket.Op, payload ...[]byte) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.bid {
		return io.ErrClosedPipe
	}
	l.bid = o == websocket.Close
	var key *[4]byte
	if !l.server {
		key = new([4]byte)
		if _, err := io.ReadFull(l.random, key[:]); err != nil {
			return err
		}
	}
	l.buf = websocket.Append(l.buf[:0], o, key, payload...)
	_, err := l.w.Write(l.buf)
	return err
}
