// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package stream_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/sallyport-dev/sallyport/internal/mask/scan"
	"github.com/sallyport-dev/sallyport/internal/mask/stream"
	"github.com/sallyport-dev/sallyport/internal/mask/text"
)

// plain is a format of records that are text. It refuses what it is told to,
// after it has written a part, and breaks records on demand.
type plain struct{ m *text.Masker }

func (p plain) Append(dst, src []byte, w *text.Work) ([]byte, error) {
	switch {
	case bytes.Contains(src, []byte("refuse")):
		return append(dst, src...), errors.New("refused")
	case bytes.Contains(src, []byte("break")):
		return append(dst, "x\n\nid: 900-12-3456\x1c\r\x0by"...), nil
	}
	return p.m.Append(dst, src, w), nil
}

func TestRecords(t *testing.T) {
	t.Parallel()
	m := newMasker(t, scan.NamesOff)
	long := strings.Repeat("x", 100)
	for name, tt := range map[string]struct {
		framing    stream.Framing
		give, want string
	}{
		"lines":            {stream.Lines, "a 900-12-3456\nb\n", "a [SSN]\nb\n"},
		"CRLF":             {stream.Lines, "a 900-12-3456\r\nb\r\n", "a [SSN]\r\nb\r\n"},
		"blank lines":      {stream.Lines, "\n\r\na\n\n", "\n\r\na\n\n"},
		"no last end":      {stream.Lines, "a\nb 900-12-3456", "a\nb [SSN]"},
		"refused":          {stream.Lines, "a\nrefuse 900-12-3456\nb\n", "a\n{}\nb\n"},
		"refused last":     {stream.Lines, "a\nrefuse 900-12-3456", "a\n{}"},
		"breaks":           {stream.Lines, "a\nbreak\nb\n", "a\n{}\nb\n"},
		"too large":        {stream.Lines, "a\n" + long + "\nb\n", "a\n{}\nb\n"},
		"very large":       {stream.Lines, "a\n" + strings.Repeat(long, 500) + "\r\nb\n", "a\n{}\r\nb\n"},
		"large last":       {stream.Lines, "a\n" + long, "a\n{}"},
		"very large last":  {stream.Lines, "a\n" + strings.Repeat(long, 500), "a\n{}"},
		"at the limit":     {stream.Lines, long[:64] + "\n" + long[:65] + "\n", long[:64] + "\n{}\n"},
		"empty":            {stream.Lines, "", ""},
		"blocks":           {stream.Blocks, "\x0bMSH|1\rPID|900-12-3456\x1c\r\x0bMSH|2\x1c\r", "\x0bMSH|1\rPID|[SSN]\x1c\r\x0bMSH|2\x1c\r"},
		"ends between":     {stream.Blocks, "\x0ba\x1c\r\r\n\x0bb\x1c\r", "\x0ba\x1c\r\x0bb\x1c\r"},
		"not framed":       {stream.Blocks, "900-12-3456\x0ba\x1c\r", "\x0b{}\x1c\r"},
		"not complete":     {stream.Blocks, "\x0ba\x1c\r\x0bb 900-12-3456", "\x0ba\x1c\r{}"},
		"large block":      {stream.Blocks, "\x0b" + long + "\x1c\r\x0bb\x1c\r", "\x0b{}\x1c\r\x0bb\x1c\r"},
		"very large block": {stream.Blocks, "\x0b" + strings.Repeat(long, 500) + "\x1c\r\x0bb\x1c\r", "\x0b{}\x1c\r\x0bb\x1c\r"},
		"breaking block":   {stream.Blocks, "\x0bbreak\x1c\r", "\x0b{}\x1c\r"},
		"lone end byte":    {stream.Blocks, "\x0ba\x1cb\x1c\r", "\x0b{}\x1c\r"},
		"events":           {stream.Events, "data: 900-12-3456\ndata: b\n\ndata: c\n\n", "data: [SSN]\ndata: b\n\ndata: c\n\n"},
		"events CRLF":      {stream.Events, "data: a\r\ndata: b\r\n\r\ndata: c\r\n\r\n", "data: a\r\ndata: b\r\n\r\ndata: c\r\n\r\n"},
		"events blank":     {stream.Events, "\n\r\ndata: a\n\n\n\n", "\n\r\ndata: a\n\n\n\n"},
		"large event":      {stream.Events, long + "\n" + long + "\n\nb\n\n", "{}\n\nb\n\n"},
		"very large event": {stream.Events, strings.Repeat(long+"\n", 500) + "\nb\n\n", "{}\n\nb\n\n"},
		"ends in an event": {stream.Events, strings.Repeat("a\n", 50<<10) + "\nb\n\n", "{}\n\nb\n\n"},
		"breaking event":   {stream.Events, "break\n\n", "{}\n\n"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			newWriter := func(sink io.Writer) writer {
				return stream.NewRecords(plain{m}, &text.Work{}, sink, stream.RecordOptions{Framing: tt.framing, Limit: 64, Placeholder: []byte("{}")})
			}
			if len(tt.give) < 1000 {
				checkChunks(t, []byte(tt.give), []byte(tt.want), newWriter)
				return
			}
			r := rand.New(rand.NewPCG(7, 8))
			for _, most := range []int{1, 2, 3, 100, 20 << 10, 100 << 10} {
				var got bytes.Buffer
				write(t, newWriter(&got), pieces(r, []byte(tt.give), most)...)
				if got.String() != tt.want {
					t.Fatalf("pieces of up to %d bytes: %q, want %q", most, got.String(), tt.want)
				}
			}
		})
	}
}

func TestRecordsCount(t *testing.T) {
	t.Parallel()
	w := &text.Work{Locus: "export"}
	write(t, stream.NewRecords(plain{newMasker(t, scan.NamesOff)}, w, io.Discard, stream.RecordOptions{Limit: 64}),
		[]byte("refuse\nrefuse\n"+strings.Repeat("x", 65)+"\nfine\n"))
	got := make(map[string]uint64)
	for _, c := range w.Tally.Take() {
		got[c.Locus+" "+c.Rule] += c.N
	}
	if got["export stream.failed"] != 2 || got["export stream.oversized"] != 1 || len(got) != 2 {
		t.Errorf("counted %v", got)
	}
}

func TestRecordsHoldLittle(t *testing.T) {
	t.Parallel()
	w := stream.NewRecords(plain{newMasker(t, scan.NamesOff)}, &text.Work{}, io.Discard, stream.RecordOptions{Limit: 32 << 10})
	for range 50 {
		if _, err := w.Write(bytes.Repeat([]byte("0123456789abcdef "), 10<<10)); err != nil {
			t.Fatal(err)
		}
	}
	if n := w.HeldForTest(); n > 200<<10 {
		t.Errorf("holds %d bytes", n)
	}
}

// lines is a format that wants JSON.
type lines struct{ m *text.Masker }

func (l lines) Append(dst, src []byte, w *text.Work) ([]byte, error) {
	var s string
	if err := json.Unmarshal(src, &s); err != nil {
		return dst, err
	}
	b, err := json.Marshal(string(l.m.Append(nil, []byte(s), w)))
	return append(dst, b...), err
}

func FuzzRecords(f *testing.F) {
	f.Add([]byte("\"a 900-12-3456\"\nb\n"), uint8(0), uint64(1), uint8(3))
	f.Add([]byte("\x0b\"a\"\x1c\r\x0b\"b\"\x1c\r"), uint8(1), uint64(1), uint8(3))
	f.Add([]byte("\"a\"\n\n\r\n\"b\"\r\n\r\n"), uint8(2), uint64(1), uint8(3))
	m := newMasker(f, scan.NamesOff)
	f.Fuzz(func(t *testing.T, whole []byte, framing uint8, seed uint64, most uint8) {
		o := stream.RecordOptions{Framing: stream.Framing(framing % 3), Limit: 64, Placeholder: []byte("null")}
		var want, got bytes.Buffer
		write(t, stream.NewRecords(lines{m}, &text.Work{}, &want, o), whole)
		write(t, stream.NewRecords(lines{m}, &text.Work{}, &got, o), pieces(rand.New(rand.NewPCG(seed, 0)), whole, 1+int(most))...)
		if !bytes.Equal(want.Bytes(), got.Bytes()) {
			t.Fatalf("%q in pieces gives %q, whole %q", whole, got.Bytes(), want.Bytes())
		}
		if o.Framing != stream.Lines {
			return
		}
		for line := range bytes.Lines(got.Bytes()) {
			if line = bytes.TrimRight(line, "\r\n"); len(line) > 0 && !json.Valid(line) {
				t.Fatalf("%q gives the line %q", whole, line)
			}
		}
	})
}
