// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package mask

const opCopy = "mask copy"

// What the parsers refuse. None of it comes from an intact server.
const (
	msgCopyColumns = "a copied row has another number of columns than its description"
	msgCopyCR      = "a copied row holds a carriage return that the server would have escaped"
	msgCopyEscape  = "a copied row holds an escape that the server does not write"
	msgCopyQuote   = "a copied row holds a quote where the server does not write one"
	msgCopyShort   = "the copy ended inside a row"
)

// copyRow is what the two text formats share: where in a row the stream is, and
// whether the masked field that passes is the null marker.
type copyRow struct {
	field int
	begun bool // a byte of the current row has been seen
	// header is true until the header line has passed.
	header bool
	n      int  // bytes of the masked field seen
	differ bool // they differ from the null marker
}

// masked reports whether the current field is to be masked.
func (r *copyRow) masked(c *PGCopy) bool {
	return !r.header && r.field < len(c.fields) && c.fields[r.field].mask
}

// see compares further bytes of a masked field with the null marker.
func (r *copyRow) see(c *PGCopy, b []byte) {
	null := c.format.Null
	if r.differ || len(b) > len(null)-r.n || string(b) != null[r.n:r.n+len(b)] {
		r.differ = true
		return
	}
	r.n += len(b)
}

// endField appends the mask of the current field, which is masked. plain says
// that the field was written without quotes.
func (r *copyRow) endField(c *PGCopy, dst []byte, plain bool) []byte {
	null := plain && !r.differ && r.n == len(c.format.Null) && c.format.nullIsPlain()
	r.n, r.differ = 0, false
	if null {
		c.nulls[r.field]++
		return append(dst, c.format.Null...)
	}
	return append(dst, c.repl[r.field]...)
}

// nextField moves on after a delimiter.
func (r *copyRow) nextField(c *PGCopy) error {
	r.field++
	if r.field >= len(c.fields) {
		return refuse(opCopy, msgCopyColumns)
	}
	return nil
}

// endRow moves on after a line end.
func (r *copyRow) endRow(c *PGCopy) error {
	if r.field != max(len(c.fields)-1, 0) {
		return refuse(opCopy, msgCopyColumns)
	}
	if !r.header {
		c.rows++
	}
	r.field, r.begun, r.header = 0, false, false
	return nil
}

// start notes that the row has a byte other than its line end.
func (r *copyRow) start(c *PGCopy) error {
	r.begun = true
	if len(c.fields) == 0 {
		return refuse(opCopy, msgCopyColumns)
	}
	return nil
}

// copyText parses the text format (manual: COPY, Text Format): fields end with
// the delimiter, rows with a newline, and a backslash escapes the byte after
// it, so that neither occurs inside a value.
type copyText struct {
	copyRow
	escaped bool      // the byte before was a backslash
	stop    [256]bool // bytes that end a plain stretch
}

func newCopyText(f CopyFormat) *copyText {
	p := &copyText{copyRow: copyRow{header: f.Header}}
	for _, b := range []byte{'\n', '\r', '\\', f.Delimiter} {
		p.stop[b] = true
	}
	return p
}

func (p *copyText) feed(c *PGCopy, dst, data []byte) ([]byte, error) {
	from := 0 // data[from:i] passes and is not yet copied
	masked := p.masked(c)
	stop := &p.stop
	for i := 0; i < len(data); {
		j := i
		if p.escaped {
			if data[j] == '\n' || data[j] == '\r' {
				return nil, refuse(opCopy, msgCopyEscape)
			}
			p.escaped = false
			j++
		}
		for j < len(data) && !stop[data[j]] {
			j++
		}
		if j < len(data) && data[j] == '\\' {
			p.escaped = true
			j++
		}
		if j > i {
			if err := p.start(c); err != nil {
				return nil, err
			}
			if masked {
				p.see(c, data[i:j])
				from = j
			}
			i = j
			continue
		}
		// data[i] is a delimiter, a line end or a stray carriage return.
		if masked {
			dst = p.endField(c, dst, true)
			from = i
		}
		if err := p.boundary(c, data[i]); err != nil {
			return nil, err
		}
		masked = p.masked(c)
		if i++; masked {
			dst = append(dst, data[from:i]...)
			from = i
		}
	}
	return append(dst, data[from:]...), nil
}

// boundary moves on over the byte that ended a field.
func (r *copyRow) boundary(c *PGCopy, b byte) error {
	switch b {
	case '\n':
		return r.endRow(c)
	case '\r':
		return refuse(opCopy, msgCopyCR)
	}
	if err := r.start(c); err != nil {
		return err
	}
	return r.nextField(c)
}

func (p *copyText) end(*PGCopy) error { return p.close() }

// close checks that the stream ended between two rows.
func (r *copyRow) close() error {
	if r.begun {
		return refuse(opCopy, msgCopyShort)
	}
	return nil
}
