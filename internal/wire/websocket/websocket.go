// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

// Package websocket is the framing of WebSocket (RFC 6455), without extensions and
// without I/O of its own but that of a reader: a [Reader] gives messages in pieces,
// so that no length that a peer names is ever held, and [Append] writes a frame.
package websocket

import (
	"bufio"
	"crypto/sha1" //nolint:gosec // the handshake has it, and rests nothing on it
	"encoding/base64"
	"encoding/binary"
	"errors"
	"io"
)

// Op is what a frame is.
type Op uint8

// The kinds of frames. A message goes on in frames of Continuation.
const (
	Continuation Op = 0
	Text         Op = 1
	Binary       Op = 2
	Close        Op = 8
	Ping         Op = 9
	Pong         Op = 10
)

func (o Op) control() bool { return o >= Close }

// Reasons to close (RFC 6455, section 7.4.1).
const (
	Normal        = 1000
	GoingAway     = 1001
	ProtocolError = 1002
)

const (
	// pieceLen is how much of a message is given at a time.
	pieceLen = 32 << 10
	// maxControl is the longest payload of a frame that is no message's.
	maxControl = 125
)

// ErrProtocol says that what came is no WebSocket.
var ErrProtocol = errors.New("the peer breaks the rules of WebSocket")

// Piece is a part of a message, or a whole frame of control.
type Piece struct {
	Op          Op   // of the message; never Continuation
	First, Last bool // of the message's pieces
	Data        []byte
}

// Reader reads frames. It is used by one goroutine.
type Reader struct {
	r      *bufio.Reader
	masked bool // whether frames have to be masked, which those of clients are
	buf    []byte

	left   uint64 // of the frame's payload
	key    [4]byte
	at     int // in the key
	final  bool
	in     bool // within a frame of a message
	opened bool // a message has begun and not ended
	first  bool
	op     Op
}

// NewReader returns a reader of what a client sends, or else of what a server does.
func NewReader(r *bufio.Reader, fromClient bool) *Reader {
	return &Reader{r: r, masked: fromClient, buf: make([]byte, pieceLen)}
}

// Next returns the next piece, whose data is good until the next call. After an error
// nothing more comes: io.EOF between frames, [ErrProtocol], or what the reader gave.
func (r *Reader) Next() (Piece, error) {
	for {
		if r.in {
			return r.piece()
		}
		op, err := r.head()
		if err != nil {
			return Piece{}, err
		}
		if op.control() {
			data := r.buf[:r.left]
			if _, err := io.ReadFull(r.r, data); err != nil {
				return Piece{}, cut(err)
			}
			r.unmask(data)
			return Piece{Op: op, First: true, Last: true, Data: data}, nil
		}
		r.in = true
	}
}

// piece reads of the payload of a message's frame.
func (r *Reader) piece() (Piece, error) {
	data := r.buf[:min(r.left, uint64(len(r.buf)))]
	n, err := 0, error(nil)
	if len(data) > 0 { // what is there already, and not as much as there will be
		n, err = r.r.Read(data)
	}
	if err != nil {
		return Piece{}, cut(err)
	}
	data = data[:n]
	r.unmask(data)
	r.left -= uint64(n)
	p := Piece{Op: r.op, First: r.first, Data: data}
	r.first = false
	if r.left == 0 {
		r.in = false
		p.Last = r.final
		r.opened = !r.final
	}
	return p, nil
}

// head reads the head of a frame.
func (r *Reader) head() (Op, error) {
	var h [2]byte
	if _, err := io.ReadFull(r.r, h[:]); err != nil {
		return 0, err
	}
	op, final, masked := Op(h[0]&0x0f), h[0]&0x80 != 0, h[1]&0x80 != 0
	r.left = uint64(h[1] & 0x7f)
	if h[0]&0x70 != 0 || masked != r.masked {
		return 0, ErrProtocol
	}
	switch {
	case op.control():
		if op > Pong || !final || r.left > maxControl {
			return 0, ErrProtocol
		}
	case op == Continuation:
		if !r.opened {
			return 0, ErrProtocol
		}
		r.final = final
	case op > Binary || r.opened:
		return 0, ErrProtocol
	default:
		r.op, r.final, r.opened, r.first = op, final, true, true
	}
	if err := r.length(); err != nil {
		return 0, err
	}
	r.at = 0
	if masked {
		if _, err := io.ReadFull(r.r, r.key[:]); err != nil {
			return 0, cut(err)
		}
	}
	return op, nil
}

// length reads a longer form of the payload's length, where there is one.
func (r *Reader) length() error {
	var b [8]byte
	switch r.left {
	case 126:
		if _, err := io.ReadFull(r.r, b[:2]); err != nil {
			return cut(err)
		}
		r.left = uint64(binary.BigEndian.Uint16(b[:2]))
	case 127:
		if _, err := io.ReadFull(r.r, b[:]); err != nil {
			return cut(err)
		}
		if r.left = binary.BigEndian.Uint64(b[:]); r.left>>63 != 0 {
			return ErrProtocol
		}
	}
	return nil
}

func (r *Reader) unmask(b []byte) {
	if !r.masked {
		return
	}
	for i := range b {
		b[i] ^= r.key[r.at&3]
		r.at++
	}
}

// cut says that a frame ended before its end.
func cut(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// Append appends a final frame with a payload. A client's frames are masked with a
// key, which is nil for a server's.
func Append(dst []byte, op Op, key *[4]byte, payload ...[]byte) []byte {
	n := 0
	for _, p := range payload {
		n += len(p)
	}
	bit := byte(0)
	if key != nil {
		bit = 0x80
	}
	dst = append(dst, 0x80|byte(op))
	switch {
	case n < 126:
		dst = append(dst, bit|byte(n))
	case n < 1<<16:
		dst = binary.BigEndian.AppendUint16(append(dst, bit|126), uint16(n)) //nolint:gosec // it is checked
	default:
		dst = binary.BigEndian.AppendUint64(append(dst, bit|127), uint64(n))
	}
	if key != nil {
		dst = append(dst, key[:]...)
	}
	start := len(dst)
	for _, p := range payload {
		dst = append(dst, p...)
	}
	if key != nil {
		for i := range dst[start:] {
			dst[start+i] ^= key[i&3]
		}
	}
	return dst
}

// Reason is the payload of a frame of Close: a code, and a text, which is cut to what
// a frame can hold.
func Reason(code uint16, text string) []byte {
	b := binary.BigEndian.AppendUint16(nil, code)
	room := maxControl - len(b)
	if len(text) > room {
		end := 0
		for i := range text { // at beginnings of characters only
			if i <= room {
				end = i
			}
		}
		text = text[:end]
	}
	return append(b, text...)
}

// AcceptKey answers a client's key in the handshake.
func AcceptKey(key string) string {
	h := sha1.New() //nolint:gosec // as above
	_, _ = io.WriteString(h, key+"258EAFA5-E914-47DA-95CA-C5AB0DC85B11")
	return base64.StdEncoding.EncodeToString(h.Sum(nil))
}
