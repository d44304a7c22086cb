// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package asciicast

import (
	"bytes"
	"cmp"
	"encoding/json"
	"io"
	"strconv"
	"time"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/record"
)

// Format is a version of asciicast.
type Format uint8

// The formats.
const (
	V2 Format = 2
	V3 Format = 3
)

// ParseFormat reads "asciicast-v2" or "asciicast-v3".
func ParseFormat(s string) (Format, error) {
	switch s {
	case "asciicast-v2":
		return V2, nil
	case "asciicast-v3":
		return V3, nil
	}
	return 0, sallyport.E(sallyport.Invalid, "asciicast", "there is no such format").WithHint("formats are asciicast-v2 and asciicast-v3")
}

// The size of a terminal where none is on record.
const (
	defaultColumns = 80
	defaultRows    = 24
)

// Writer writes the frames of one statement as a cast.
type Writer struct {
	w     io.Writer
	f     Format
	d     Decoder
	wrote bool
	last  time.Duration // of the latest event
}

// NewWriter returns a writer of a cast. What it writes comes in whole lines.
func NewWriter(w io.Writer, f Format) *Writer { return &Writer{w: w, f: f} }

// Frame adds a frame, as [Decoder.Frame] takes it.
func (w *Writer) Frame(f record.Frame) error {
	events, err := w.d.Frame(f)
	if err != nil {
		return err
	}
	if w.d.Start() != nil && !w.wrote {
		if err := w.header(w.d.Start()); err != nil {
			return err
		}
	}
	return w.events(events)
}

// Lost notes that a stretch of the recording cannot be shown.
func (w *Writer) Lost(why string) error {
	if !w.wrote {
		return nil
	}
	return w.events(w.d.event(Mark, why))
}

// Exit adds an exit status that is known otherwise, where the recording has none.
func (w *Writer) Exit(code int) error {
	if !w.wrote || w.d.Ended() {
		return nil
	}
	return w.events(append(w.d.Close(), w.d.exit(Exit{Code: code})...))
}

// Close writes what was held back. It reports false when no frame was of a program,
// and nothing was written.
func (w *Writer) Close() (bool, error) { return w.wrote, w.events(w.d.Close()) }

// header writes the first line.
func (w *Writer) header(s *Start) error {
	w.wrote = true
	columns, rows := cmp.Or(s.Columns, defaultColumns), cmp.Or(s.Rows, defaultRows)
	if w.f == V2 {
		return w.line(struct {
			Version   int    `json:"version"`
			Width     uint16 `json:"width"`
			Height    uint16 `json:"height"`
			Timestamp int64  `json:"timestamp"`
			Title     string `json:"title,omitempty"`
		}{2, columns, rows, s.At, s.Title})
	}
	type term struct {
		Columns uint16 `json:"cols"`
		Rows    uint16 `json:"rows"`
	}
	return w.line(struct {
		Version   int    `json:"version"`
		Term      term   `json:"term"`
		Timestamp int64  `json:"timestamp"`
		Title     string `json:"title,omitempty"`
	}{3, term{columns, rows}, s.At, s.Title})
}

// events writes events in the format's words. Version 2 has no exit status, and gets
// it as a mark.
func (w *Writer) events(es []Event) error {
	for _, e := range es {
		at := e.At
		if w.f == V3 {
			at -= w.last
			w.last = e.At
		}
		code, text := e.Code, e.Text
		switch {
		case code == Errors:
			code = Out
		case code == Exited && w.f == V2:
			code, text = Mark, "exit "+text
		}
		if err := w.line([]any{seconds(at), code, text}); err != nil {
			return err
		}
	}
	return nil
}

// seconds writes a time with six digits behind the point.
func seconds(d time.Duration) json.RawMessage {
	return strconv.AppendFloat(nil, float64(d.Microseconds())/1e6, 'f', 6, 64)
}

func (w *Writer) line(v any) error {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return sallyport.E(sallyport.Internal, "asciicast", "an event cannot be written").Because(err)
	}
	_, err := w.w.Write(b.Bytes())
	return err
}
