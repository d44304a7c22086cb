// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package stream

import (
	"bytes"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/mask/text"
)

// EventData makes a format of server-sent events out of one of their data. Of the
// other fields it keeps the event's name, where that is a word without digits,
// and the time to wait before a retry. Ids go, for they are often those of what
// has changed, and comments are emptied. It is used by one goroutine at a time.
func EventData(f Format) Format { return &eventData{f: f} }

type eventData struct {
	f         Format
	data, out []byte
}

func (e *eventData) Append(dst, src []byte, w *text.Work) ([]byte, error) {
	e.data = e.data[:0]
	found, before := false, len(dst)
	for line := range bytes.Lines(src) {
		line = bytes.TrimSuffix(bytes.TrimSuffix(line, []byte("\n")), []byte("\r"))
		if bytes.IndexByte(line, '\r') >= 0 {
			return dst, sallyport.E(sallyport.Invalid, "mask event", "the event has a carriage return that ends no line")
		}
		name, value, _ := bytes.Cut(line, []byte(":"))
		value = bytes.TrimPrefix(value, []byte(" "))
		switch {
		case len(line) > 0 && len(name) == 0:
			dst = append(dst, ":\n"...)
		case string(name) == "data":
			if found {
				e.data = append(e.data, '\n')
			}
			e.data, found = append(e.data, value...), true
		case string(name) == "event" && len(value) <= 64 && only(value, isNameByte),
			string(name) == "retry" && len(value) <= 7 && only(value, isDigit):
			dst = append(append(dst, line...), '\n')
		}
	}
	if found {
		out, err := e.f.Append(e.out[:0], e.data, w)
		if err != nil {
			return dst, err
		}
		e.out = out
		for line := range bytes.SplitSeq(out, []byte("\n")) {
			dst = append(append(append(dst, "data: "...), line...), '\n')
		}
	}
	if len(dst) == before { // an event of nothing but an id is no empty line
		return append(dst, ':'), nil
	}
	return bytes.TrimSuffix(dst, []byte("\n")), nil
}

func only(b []byte, is func(byte) bool) bool {
	for _, c := range b {
		if !is(c) {
			return false
		}
	}
	return len(b) > 0
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

func isNameByte(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || c == '.' || c == '_' || c == '-'
}
