// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package stream

import (
	"bytes"
	"io"

	"github.com/sallyport-dev/sallyport/internal/mask/operator"
	"github.com/sallyport-dev/sallyport/internal/mask/scan"
	"github.com/sallyport-dev/sallyport/internal/mask/text"
)

// MaxRecord is the limit of a record's size where none is given.
const MaxRecord = 16 << 20

// Framing says where records end.
type Framing uint8

// The framings.
const (
	// Lines ends a record with a line feed, as JSON lines and NDJSON do. The
	// carriage return before it belongs to the end.
	Lines Framing = iota
	// Blocks ends a record with 0x1C 0x0D and begins it with 0x0B, as MLLP does.
	Blocks
	// Events ends a record with an empty line, as server-sent events do.
	Events
)

// The bytes of MLLP's frame.
const (
	blockStart = 0x0B
	blockEnd   = "\x1C\r"
)

// Format masks one record. It appends the masked record to dst; an error means
// that nothing of the record may be shown.
type Format interface {
	Append(dst, src []byte, w *text.Work) ([]byte, error)
}

// RecordOptions says how records are cut and what stands for those that cannot
// be masked.
type RecordOptions struct {
	Framing Framing
	// Limit is how many bytes a record may have; 0 means [MaxRecord].
	Limit int
	// Placeholder stands for a record that is too large, is not framed as it should
	// be, or that the format refuses.
	Placeholder []byte
}

// Records masks a sequence of records. A record that fails never passes; what
// comes after it does.
type Records struct {
	o      RecordOptions
	format Format
	w      *text.Work
	out    output
	buf    []byte
	seen   int  // bytes of buf in which no record ends
	lost   bool // within a record that is too large
	one    []byte
}

// NewRecords returns a writer that hands masked records to sink.
func NewRecords(f Format, w *text.Work, sink io.Writer, o RecordOptions) *Records {
	if o.Limit <= 0 {
		o.Limit = MaxRecord
	}
	return &Records{o: o, format: f, w: w, out: output{w: w, sink: sink}}
}

// Write takes the next piece. It keeps nothing of p.
func (r *Records) Write(p []byte) (int, error) {
	n := len(p)
	// A bounded step bounds the buffer, whatever the size of p.
	for len(p) > 0 && r.out.err == nil {
		k := min(len(p), window)
		r.buf = append(r.buf, p[:k]...)
		p = p[k:]
		r.advance()
		_ = r.out.flush()
	}
	return n - len(p), r.out.err
}

// advance masks the complete records in the buffer.
func (r *Records) advance() {
	at := 0
	for {
		end, next := r.o.Framing.find(r.buf[at:], r.seen)
		if next == 0 {
			break
		}
		r.record(r.buf[at:at+end], r.buf[at+end:at+next])
		at, r.seen = at+next, 0
	}
	r.buf = r.buf[:copy(r.buf, r.buf[at:])]
	r.lost = r.lost || len(r.buf) > r.o.Limit+maxEnd
	if r.lost && len(r.buf) > maxEnd {
		// One byte stands for all that is gone, so that the record is not empty.
		r.buf = r.buf[:1+copy(r.buf[1:], r.buf[len(r.buf)-maxEnd:])]
		r.buf[0] = '.'
	}
	r.seen = max(0, len(r.buf)-maxEnd)
}

// maxEnd is how many bytes before its last one may belong to a record's end.
const maxEnd = 3

// find looks for the end of the record at the beginning of b, of which seen
// bytes hold none. The record is b[:end], the next one begins at next; next is 0
// when more bytes are needed.
func (f Framing) find(b []byte, seen int) (end, next int) {
	if f == Blocks {
		if i := bytes.Index(b[seen:], []byte(blockEnd)); i >= 0 {
			return seen + i, seen + i + len(blockEnd)
		}
		return 0, 0
	}
	for at := seen; ; {
		i := bytes.IndexByte(b[at:], '\n')
		if i < 0 {
			return 0, 0
		}
		at += i + 1
		end = at - 1
		if end > 0 && b[end-1] == '\r' {
			end--
		}
		if f == Lines || end == 0 {
			return end, at
		}
		switch rest := b[at:]; {
		case bytes.HasPrefix(rest, []byte("\n")):
			return end, at + 1
		case bytes.HasPrefix(rest, []byte("\r\n")):
			return end, at + 2
		}
	}
}

// record masks one record and its end.
func (r *Records) record(b, end []byte) {
	lost, framed := r.lost || len(b) > r.o.Limit, true
	r.lost = false
	if r.o.Framing == Blocks {
		r.out.buf = append(r.out.buf, blockStart)
		// Some senders write line ends between blocks.
		b, framed = bytes.CutPrefix(bytes.TrimLeft(b, "\r\n"), []byte{blockStart})
	}
	switch {
	case lost:
		r.refuse(ruleOversized)
	case !framed:
		r.refuse(ruleFailed)
	case len(b) > 0:
		r.mask(b)
	}
	r.out.buf = append(r.out.buf, end...)
}

// mask gives one record to the format. What it makes must be one record again.
func (r *Records) mask(b []byte) {
	out, err := r.format.Append(r.one[:0], b, r.w)
	if err != nil || r.o.Framing.breaks(out) {
		r.refuse(ruleFailed)
		return
	}
	r.one = out
	r.out.buf = append(r.out.buf, out...)
}

// breaks reports whether what is in b would end a record.
func (f Framing) breaks(b []byte) bool {
	switch f {
	case Blocks:
		return bytes.IndexByte(b, blockEnd[0]) >= 0 || bytes.IndexByte(b, blockStart) >= 0
	case Events:
		_, next := f.find(append(b[:len(b):len(b)], '\n'), 0)
		return next > 0
	}
	return bytes.IndexByte(b, '\n') >= 0
}

func (r *Records) refuse(rule string) {
	r.out.buf = append(r.out.buf, r.o.Placeholder...)
	r.w.Tally.Add(text.Key{Rule: rule, Entity: scan.Unique, Operator: operator.Redact, Locus: r.w.Locus}, 1)
}

// Flush masks a last record without its end and ends the stream. Where records
// are framed, one that is not complete is refused.
func (r *Records) Flush() error {
	if r.out.err != nil {
		return r.out.err
	}
	switch {
	case len(r.buf) == 0 && !r.lost:
	case r.lost || len(r.buf) > r.o.Limit:
		r.refuse(ruleOversized)
	case r.o.Framing == Blocks:
		r.refuse(ruleFailed)
	default:
		r.mask(r.buf)
	}
	err := r.out.flush()
	r.Abort()
	return err
}

// Abort drops what is pending and ends the stream.
func (r *Records) Abort() {
	clear(r.buf)
	r.buf = nil
	r.out.end()
}
