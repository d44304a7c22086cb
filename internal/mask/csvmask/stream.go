// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package csvmask

import (
	"bytes"

	"github.com/sallyport-dev/sallyport/internal/mask/text"
)

// maxRecord bounds a record of a stream in bytes, its line ends within quotes
// included.
const maxRecord = 64 << 20

// Stream masks a file that comes in pieces, record by record. It is used by one
// goroutine, for one file.
type Stream struct {
	m       *Masker
	w       *text.Work
	p       parser
	table   *Table
	buf     []byte
	looked  int  // bytes of buf that were searched for ends of records
	quoted  bool // whether buf[looked] is within quotes
	started bool
}

// Stream returns the mask of one file.
func (m *Masker) Stream(w *text.Work) *Stream {
	return &Stream{m: m, w: w, p: parser{delimiter: m.delimiter}}
}

// Append takes a piece of the file and appends the masked form of the records that
// are whole now to dst. After an error, which has Kind Integrity, nothing of the file
// may pass.
func (s *Stream) Append(dst, piece []byte) ([]byte, error) {
	s.buf = append(s.buf, piece...)
	// A quote within a field without quotes is refused, so that every quote opens or
	// closes, or is one of two that do both. A record ends at a line feed outside; one
	// that ends with a carriage return alone comes with the next.
	end := 0
	for s.looked < len(s.buf) {
		i := bytes.IndexAny(s.buf[s.looked:], "\"\n")
		if i < 0 {
			s.looked = len(s.buf)
			break
		}
		s.looked += i + 1
		if s.buf[s.looked-1] == '"' {
			s.quoted = !s.quoted
		} else if !s.quoted {
			end = s.looked
		}
	}
	if end == 0 {
		if len(s.buf) > maxRecord {
			return dst, refuse("a record is too long")
		}
		return dst, nil
	}
	out, err := s.records(dst, s.buf[:end])
	if err != nil {
		return dst, err
	}
	s.buf = append(s.buf[:0], s.buf[end:]...)
	s.looked -= end
	return out, nil
}

// Flush ends the file.
func (s *Stream) Flush(dst []byte) ([]byte, error) {
	out, err := s.records(dst, s.buf)
	if err != nil {
		return dst, err
	}
	s.buf, s.looked = nil, 0
	return out, nil
}

func (s *Stream) records(dst, src []byte) ([]byte, error) {
	if !s.started {
		s.started = true
		if bytes.HasPrefix(src, byteOrderMark) {
			dst, src = append(dst, byteOrderMark...), src[len(byteOrderMark):]
		}
		if bytes.HasPrefix(src, []byte("\xff\xfe")) || bytes.HasPrefix(src, []byte("\xfe\xff")) {
			return dst, refuse("the file is in UTF-16")
		}
	}
	s.p.src = src
	var err error
	dst, s.table, err = s.m.records(dst, &s.p, s.table, s.w)
	return dst, err
}
