// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package spdywire_test

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"testing"

	"github.com/moby/spdystream/spdy"

	"github.com/sallyport-dev/sallyport/internal/wire/spdywire"
)

// read returns what all frames of b hold: those of control, and the data by stream.
func read(t testing.TB, b []byte) (control int, data map[spdy.StreamId][]byte, ends int, err error) {
	t.Helper()
	f, err := spdywire.New(bufio.NewReader(bytes.NewReader(b)), io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	data = map[spdy.StreamId][]byte{}
	for {
		frame, d, err := f.Next()
		if err != nil {
			return control, data, ends, err
		}
		if frame != nil {
			control++
			continue
		}
		if len(d.Bytes) > spdywire.MaxPiece {
			t.Fatalf("a piece of %d bytes", len(d.Bytes))
		}
		data[d.Of] = append(data[d.Of], d.Bytes...)
		if d.End {
			ends++
		}
	}
}

// wire is what a peer sends.
func wire(t testing.TB, frames ...spdy.Frame) []byte {
	t.Helper()
	var b bytes.Buffer
	f, err := spdywire.New(bufio.NewReader(&b), &b)
	if err == nil {
		err = f.Write(frames...)
	}
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestFrames(t *testing.T) {
	t.Parallel()
	long := bytes.Repeat([]byte("0123456789"), 20_000)
	b := wire(t, &spdy.PingFrame{Id: 1}, &spdy.DataFrame{StreamId: 3, Data: long}, &spdy.DataFrame{StreamId: 1, Data: []byte("a")},
		&spdy.DataFrame{StreamId: 3, Data: []byte("b"), Flags: spdy.DataFlagFin}, &spdy.DataFrame{StreamId: 1, Flags: spdy.DataFlagFin}, &spdy.GoAwayFrame{})
	control, data, ends, err := read(t, b)
	if control != 2 || ends != 2 || !errors.Is(err, io.EOF) || string(data[1]) != "a" || string(data[3]) != string(long)+"b" {
		t.Errorf("%d frames of control, %d ends, %d and %d bytes, %v", control, ends, len(data[1]), len(data[3]), err)
	}
}

func TestBroken(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		b    string
		want error
	}{
		"data of no stream":        {"\x00\x00\x00\x00\x00\x00\x00\x01a", spdywire.ErrProtocol},
		"half a head":              {"\x80\x03\x00", io.ErrUnexpectedEOF},
		"half of data":             {"\x00\x00\x00\x01\x00\x00\x00\x09abc", io.ErrUnexpectedEOF},
		"a head without headers":   {"\x80\x03\x00\x01\x00\x00\x00\x02\x00\x00", spdywire.ErrProtocol},
		"a frame of sixteen MiB":   {"\x80\x03\x00\x04\x00\xff\xff\xff", spdywire.ErrProtocol},
		"a kind that is not known": {"\x80\x03\x00\x63\x00\x00\x00\x00", spdywire.ErrProtocol},
	} {
		if _, _, _, err := read(t, []byte(tc.b)); !errors.Is(err, tc.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// FuzzNext holds that whatever a peer sends ends, and that no more comes out of it than
// it has sent.
func FuzzNext(f *testing.F) {
	f.Add(wire(f, &spdy.SynStreamFrame{StreamId: 1, Headers: map[string][]string{"streamType": {"data"}}}, &spdy.DataFrame{StreamId: 1, Data: []byte("abc"), Flags: spdy.DataFlagFin}))
	f.Add(wire(f, &spdy.RstStreamFrame{StreamId: 1, Status: spdy.Cancel}, &spdy.SettingsFrame{FlagIdValues: []spdy.SettingsFlagIdValue{{Id: 1, Value: 2}}}))
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) > 1<<16 {
			return
		}
		control, data, _, err := read(t, b)
		n := 0
		for _, d := range data {
			n += len(d)
		}
		if err == nil || n+8*control > len(b) {
			t.Errorf("%d frames of control and %d bytes of data of %d, %v", control, n, len(b), err)
		}
	})
}
