// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package stream_test

import (
	"bytes"
	"io"
	"testing"

	"github.com/sallyport-dev/sallyport/internal/mask/scan"
	"github.com/sallyport-dev/sallyport/internal/mask/stream"
	"github.com/sallyport-dev/sallyport/internal/mask/text"
)

func TestEventData(t *testing.T) {
	t.Parallel()
	m := newMasker(t, scan.NamesOff)
	for name, tt := range map[string]struct{ give, want string }{
		"one":          {"data: a 900-12-3456\n\n", "data: a [SSN]\n\n"},
		"over lines":   {"data: a 900-12-3456\ndata:b\n\n", "data: a [SSN]\ndata: b\n\n"},
		"empty data":   {"data\n\n", "data: \n\n"},
		"CRLF":         {"event: update\r\ndata: a\r\n\r\n", "event: update\ndata: a\r\n\r\n"},
		"fields":       {"event: ward.update\nid: 900-12-3456\nretry: 3000\nother: x\ndata: a\n\n", "event: ward.update\nretry: 3000\ndata: a\n\n"},
		"event number": {"event: 900-12-3456\nretry: 900123456\ndata: a\n\n", "data: a\n\n"},
		"comment":      {": 900-12-3456\n\n", ":\n\n"},
		"only an id":   {"id: 900-12-3456\n\n", ":\n\n"},
		"lone return":  {"data: a\rid: 900-12-3456\n\n", "!\n\n"},
		"refused":      {"data: refuse\n\ndata: b\n\n", "!\n\ndata: b\n\n"},
		"last":         {"data: a 900-12-3456", "data: a [SSN]"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			checkChunks(t, []byte(tt.give), []byte(tt.want), func(sink io.Writer) writer {
				return stream.NewRecords(stream.EventData(plain{m}), &text.Work{}, sink, stream.RecordOptions{Framing: stream.Events, Placeholder: []byte("!")})
			})
		})
	}
}

// TestEventDataCannotBreakOut has a format answer with what would be a field.
func TestEventDataCannotBreakOut(t *testing.T) {
	t.Parallel()
	var got bytes.Buffer
	write(t, stream.NewRecords(stream.EventData(plain{newMasker(t, scan.NamesOff)}), &text.Work{}, &got, stream.RecordOptions{Framing: stream.Events}), []byte("data: break\n\n"))
	if want := "data: x\ndata: \ndata: id: 900-12-3456\x1c\r\x0by\n\n"; got.String() != want {
		t.Errorf("got %q, want %q", got.String(), want)
	}
}
