// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package websocket_test

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"unicode/utf8"

	"github.com/sallyport-dev/sallyport/internal/wire/websocket"
)

// message is what a peer sent in one go.
type message struct {
	op   websocket.Op
	data string
}

// read gathers messages until the reader ends.
func read(b []byte, fromClient, slow bool) (out []message, err error) {
	var in io.Reader = bytes.NewReader(b)
	if slow {
		in = iotest.OneByteReader(in)
	}
	r := websocket.NewReader(bufio.NewReader(in), fromClient)
	var open []byte
	begun := false
	for {
		p, err := r.Next()
		if err != nil {
			return out, err
		}
		if p.Op >= websocket.Close {
			out = append(out, message{p.Op, string(p.Data)})
			continue
		}
		if p.First == begun {
			return out, errors.New("a piece is not where it says")
		}
		open, begun = append(open, p.Data...), !p.Last
		if p.Last {
			out, open = append(out, message{p.Op, string(open)}), nil
		}
	}
}

func TestFrames(t *testing.T) {
	t.Parallel()
	key := [4]byte{1, 2, 3, 250}
	long := strings.Repeat("0123456789", 20_000)
	for _, k := range []*[4]byte{nil, &key} {
		var b []byte
		want := []message{
			{websocket.Binary, ""},
			{websocket.Binary, "a"},
			{websocket.Ping, "p"},
			{websocket.Text, strings.Repeat("x", 126)},
			{websocket.Binary, long},
			{websocket.Pong, ""},
			{websocket.Close, string(websocket.Reason(websocket.Normal, "over"))},
		}
		for _, m := range want {
			b = websocket.Append(b, m.op, k, []byte(m.data[:len(m.data)/2]), []byte(m.data[len(m.data)/2:]))
		}
		for _, slow := range []bool{false, true} {
			got, err := read(b, k != nil, slow)
			if !errors.Is(err, io.EOF) || len(got) != len(want) {
				t.Fatalf("%d messages, %v", len(got), err)
			}
			for i := range got {
				if got[i] != want[i] {
					t.Errorf("%d: %v, %d bytes", i, got[i].op, len(got[i].data))
				}
			}
			if _, err := read(b, k == nil, slow); !errors.Is(err, websocket.ErrProtocol) {
				t.Errorf("the other side's frames: %v", err)
			}
			if _, err := read(b[:len(b)-1], k != nil, slow); !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Errorf("a frame that is cut: %v", err)
			}
		}
	}
}

// TestFragments has a message in frames with others between them.
func TestFragments(t *testing.T) {
	t.Parallel()
	got, err := read([]byte("\x02\x01a\x89\x01p\x00\x02bc\x80\x01d\x82\x00"), false, true)
	want := []message{{websocket.Ping, "p"}, {websocket.Binary, "abcd"}, {websocket.Binary, ""}}
	if !errors.Is(err, io.EOF) || len(got) != 3 || got[0] != want[0] || got[1] != want[1] || got[2] != want[2] {
		t.Fatalf("%q, %v", got, err)
	}
	for name, b := range map[string]string{
		"goes on with nothing": "\x80\x01a", "begins within another": "\x02\x01a\x82\x01b", "reserved bit": "\xc2\x00", "unknown": "\x83\x00",
		"unknown control": "\x8b\x00", "control in parts": "\x09\x00", "long control": "\x89\x7e\x00\x7e" + strings.Repeat("x", 126),
		"length without end": "\x82\x7f\xff\xff\xff\xff\xff\xff\xff\xff",
	} {
		if _, err := read([]byte(b), false, false); !errors.Is(err, websocket.ErrProtocol) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestGiant has a frame whose length nobody could hold: it is given in pieces.
func TestGiant(t *testing.T) {
	t.Parallel()
	r := websocket.NewReader(bufio.NewReader(io.MultiReader(strings.NewReader("\x82\x7f\x7f\xff\xff\xff\xff\xff\xff\xff"), strings.NewReader(strings.Repeat("x", 1<<20)))), false)
	n := 0
	for {
		p, err := r.Next()
		if err != nil {
			if n != 1<<20 || !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Errorf("%d bytes, %v", n, err)
			}
			return
		}
		n += len(p.Data)
		if len(p.Data) > 32<<10 || p.Last {
			t.Fatalf("a piece of %d bytes, the last: %v", len(p.Data), p.Last)
		}
	}
}

func TestHandshake(t *testing.T) {
	t.Parallel()
	// The example of RFC 6455, section 1.3.
	if got := websocket.AcceptKey("dGhlIHNhbXBsZSBub25jZQ=="); got != "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" {
		t.Error(got)
	}
	for _, text := range []string{"", "over", strings.Repeat("é", 100), strings.Repeat("x", 123), strings.Repeat("x", 124)} {
		b := websocket.Reason(websocket.GoingAway, text)
		if len(b) > 125 || !utf8.Valid(b[2:]) || !strings.HasPrefix(text, string(b[2:])) || len(text) <= 123 && len(b) != 2+len(text) {
			t.Errorf("%q: %q", text, b)
		}
	}
}

// FuzzReader holds that whatever comes ends, in pieces of a bounded size, and that
// what was read is read again when it is written anew.
func FuzzReader(f *testing.F) {
	f.Add([]byte("\x02\x01a\x89\x01p\x00\x02bc\x80\x01d"), false)
	f.Add([]byte("\x82\x81\x01\x02\x03\x04a"), true)
	f.Add([]byte("\x82\x7e\x00\x80"+strings.Repeat("x", 128)), false)
	f.Fuzz(func(t *testing.T, b []byte, fromClient bool) {
		if len(b) > 1<<16 {
			return
		}
		got, _ := read(b, fromClient, false)
		var again []byte
		for _, m := range got {
			again = websocket.Append(again, m.op, nil, []byte(m.data))
		}
		same, err := read(again, false, false)
		if !errors.Is(err, io.EOF) || len(same) != len(got) {
			t.Fatalf("%d messages of %d, %v", len(same), len(got), err)
		}
		for i := range got {
			if got[i] != same[i] {
				t.Fatalf("message %d is another", i)
			}
		}
	})
}
