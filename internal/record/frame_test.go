// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package record_test

import (
	"encoding/binary"
	"math"
	"testing"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/record"
)

// frame renders a frame by hand, as the format's description says.
func frame(stmt, at uint64, kind string, data []byte) []byte {
	b := binary.AppendUvarint(nil, stmt)
	b = binary.AppendUvarint(b, at)
	b = binary.AppendUvarint(b, uint64(len(kind)))
	b = append(b, kind...)
	b = binary.AppendUvarint(b, uint64(len(data)))
	return append(b, data...)
}

func chunk(frames ...[]byte) []byte {
	b := []byte("spr1")
	for _, f := range frames {
		b = append(b, f...)
	}
	return b
}

func TestMalformedFrames(t *testing.T) {
	t.Parallel()
	good := frame(1, 2, "pg.server", []byte("row"))
	tests := []struct {
		name  string
		chunk []byte
		sound int // frames before the error
	}{
		{"empty", nil, 0},
		{"another format", append([]byte("spr2"), good...), 0},
		{"cut", chunk(good, good[:len(good)-1]), 1},
		{"no data", chunk(good, good[:3]), 1},
		{"endless number", chunk([]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}), 0},
		{"time beyond time", chunk(frame(1, math.MaxUint64, "x", nil)), 0},
		{"no kind", chunk(frame(1, 2, "", nil)), 0},
		{"long kind", chunk(frame(1, 2, "abcdefghijklmnopqrstuvwxyzabcdefg", nil)), 0},
		{"printing kind", chunk(frame(1, 2, "a\x1b[2J", nil)), 0},
		{"a gap written down", chunk(frame(1, 2, "gap", nil)), 0},
		{"data longer than the chunk", chunk(append(frame(1, 2, "x", nil)[:4], 0xff, 0xff, 0xff, 0x7f)), 0},
		{"no count", chunk(frame(1, 2, "truncated", nil)), 0},
		{"more than a count", chunk(frame(1, 2, "truncated", []byte{1, 1})), 0},
	}
	for _, tt := range tests {
		n := 0
		var last error
		for _, err := range record.Frames(tt.chunk) {
			if last = err; err == nil {
				n++
			}
		}
		if sallyport.KindOf(last) != sallyport.Integrity || n != tt.sound {
			t.Errorf("%s: %d frames, then %v; want %d and an integrity error", tt.name, n, last, tt.sound)
		}
	}
	n := 0
	for f, err := range record.Frames(chunk(good, frame(3, 0, "truncated", []byte{0x80, 0x01}))) {
		if err != nil {
			t.Fatal(err)
		}
		if n++; n == 2 && (f.Omitted != 128 || f.Data != nil) {
			t.Errorf("truncation: %+v", f)
		}
	}
	if n != 2 {
		t.Errorf("%d frames", n)
	}
}

// FuzzFrames reads arbitrary bytes: no panic, nothing beyond the input, and what
// was read renders to frames that read the same.
func FuzzFrames(f *testing.F) {
	good := frame(1, 2, "pg.server", []byte("row"))
	f.Add(chunk(good, frame(300, 1<<40, "truncated", []byte{0x80, 0x01}), good))
	f.Add(chunk(good[:5]))
	f.Add([]byte("spr1"))
	f.Add([]byte("spr1\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"))
	f.Fuzz(func(t *testing.T, b []byte) {
		again := []byte("spr1")
		var frames []record.Frame
		size := 0
		for fr, err := range record.Frames(b) {
			if err != nil {
				if sallyport.KindOf(err) != sallyport.Integrity {
					t.Fatalf("error %v is no integrity error", err)
				}
				break
			}
			frames = append(frames, fr)
			size += len(fr.Data)
			data := fr.Data
			if fr.Kind == record.KindTruncated {
				data = binary.AppendUvarint(nil, fr.Omitted)
			}
			again = append(again, frame(fr.Stmt, uint64(fr.At.Microseconds()), fr.Kind, data)...)
		}
		if size > len(b) {
			t.Fatalf("%d bytes came out of %d", size, len(b))
		}
		i := 0
		for fr, err := range record.Frames(again) {
			if err != nil {
				t.Fatalf("rendered anew: %v", err)
			}
			if w := frames[i]; fr.Stmt != w.Stmt || fr.At != w.At || fr.Kind != w.Kind || string(fr.Data) != string(w.Data) || fr.Omitted != w.Omitted {
				t.Fatalf("frame %d: %+v, then %+v", i, w, fr)
			}
			i++
		}
		if i != len(frames) {
			t.Fatalf("%d frames, then %d", len(frames), i)
		}
	})
}
