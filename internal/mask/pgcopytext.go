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

// copySyntax is what tells the two text formats apart.
type copySyntax interface {
	// step consumes bytes of a field from data[i] on and returns the index of the
	// first byte left. boundary says that this byte is a delimiter or a line end, or
	// a stray carriage return, which the caller consumes.
	step(data []byte, i int) (next int, boundary bool, err error)
	// quoted reports whether the field that the last byte belongs to is in quotes.
	quoted() bool
	// next says that a field begins.
	next()
}

// copyMode is what happens to the bytes of the current field.
type copyMode uint8

const (
	copyPass  copyMode = iota // they go as they are
	copyWatch                 // the same, but NULLs are counted
	copyDrop                  // they are replaced by a constant
	copyHold                  // they are held until the row is whole
)

// copyLines parses the two text formats: where in a row the stream is, and
// whether the field that passes is the null marker.
type copyLines struct {
	syntax copySyntax
	field  int
	begun  bool // a byte of the current row has been seen
	// header is true until the header line has passed.
	header bool
	over   bool // the row is too large to be held; its masked fields are constants
	n      int  // bytes of the field seen
	differ bool // they differ from the null marker
}

// mode returns what happens to the current field.
func (r *copyLines) mode(c *PGCopy) copyMode {
	switch {
	case r.header || r.field >= len(c.fields):
		return copyPass
	case c.held != nil && !r.over:
		return copyHold
	case c.fields[r.field].act == actPass:
		return copyPass
	case c.fields[r.field].act == actKeep:
		return copyWatch
	}
	return copyDrop
}

// overflow lets go of a row that is too large to be held, inside a field.
func (r *copyLines) overflow(c *PGCopy, dst []byte) []byte {
	r.over = true
	c.unreadableKey()
	dst = c.separate(c.appendFields(dst), r.field)
	if r.mode(c) != copyDrop {
		dst = append(dst, c.held.raw[c.held.start:]...)
	}
	c.held.reset()
	return dst
}

func (r *copyLines) feed(c *PGCopy, dst, data []byte) ([]byte, error) {
	from := 0 // data[from:i] passes and is not yet copied
	mode := r.mode(c)
	for i := 0; i < len(data); {
		j, boundary, err := r.syntax.step(data, i)
		if err != nil {
			return nil, err
		}
		if j > i {
			if err := r.start(c); err != nil {
				return nil, err
			}
			if mode != copyPass && !r.syntax.quoted() {
				r.see(c, data[i:j])
			}
			switch mode {
			case copyDrop:
				from = j
			case copyHold:
				from = j
				if !c.held.add(&c.fields[r.field], data[i:j]) {
					dst = r.overflow(c, dst)
					mode = r.mode(c)
				}
			}
			i = j
		}
		if !boundary {
			continue
		}
		end := data[i]
		switch mode {
		case copyWatch:
			if r.isNull(c) {
				c.nulls[r.field]++
			}
		case copyDrop:
			dst, from = c.appendConstant(dst, r.field, r.isNull(c)), i
		case copyHold:
			c.held.end(r.isNull(c), r.syntax.quoted())
			from = i + 1 // a held row writes its delimiters itself
		}
		if err := r.boundary(c, end); err != nil {
			return nil, err
		}
		if mode == copyHold && end == '\n' {
			dst = append(c.flush(dst), '\n')
		}
		mode = r.mode(c)
		if i++; mode == copyDrop || mode == copyHold {
			dst = append(dst, data[from:i]...)
			from = i
		}
	}
	return append(dst, data[from:]...), nil
}

// see compares further bytes of a field with the null marker.
func (r *copyLines) see(c *PGCopy, b []byte) {
	null := c.format.Null
	if r.differ || len(b) > len(null)-r.n || string(b) != null[r.n:r.n+len(b)] {
		r.differ = true
		return
	}
	r.n += len(b)
}

// isNull reports whether the field that ends is the null marker, without quotes,
// and forgets it.
func (r *copyLines) isNull(c *PGCopy) bool {
	null := !r.syntax.quoted() && !r.differ && r.n == len(c.format.Null)
	r.n, r.differ = 0, false
	return null
}

// boundary moves on over the byte that ended a field.
func (r *copyLines) boundary(c *PGCopy, b byte) error {
	switch b {
	case '\n':
		return r.endRow(c)
	case '\r':
		return refuse(opCopy, msgCopyCR)
	}
	if err := r.start(c); err != nil {
		return err
	}
	r.field++
	if r.field >= len(c.fields) {
		return refuse(opCopy, msgCopyColumns)
	}
	r.syntax.next()
	return nil
}

// endRow moves on after a line end.
func (r *copyLines) endRow(c *PGCopy) error {
	if r.field != max(len(c.fields)-1, 0) {
		return refuse(opCopy, msgCopyColumns)
	}
	if !r.header {
		c.rows++
	}
	r.field, r.begun, r.header, r.over = 0, false, false, false
	r.syntax.next()
	return nil
}

// start notes that the row has a byte other than its line end.
func (r *copyLines) start(c *PGCopy) error {
	r.begun = true
	if len(c.fields) == 0 {
		return refuse(opCopy, msgCopyColumns)
	}
	return nil
}

// end checks that the stream ended between two rows.
func (r *copyLines) end(*PGCopy) error {
	if r.begun {
		return refuse(opCopy, msgCopyShort)
	}
	return nil
}

// textSyntax is the text format (manual: COPY, Text Format): fields end with the
// delimiter, rows with a newline, and a backslash escapes the byte after it, so
// that neither occurs inside a value.
type textSyntax struct {
	escaped bool      // the byte before was a backslash
	stop    [256]bool // bytes that end a plain stretch
}

func newTextSyntax(f CopyFormat) *textSyntax {
	p := &textSyntax{}
	for _, b := range []byte{'\n', '\r', '\\', f.Delimiter} {
		p.stop[b] = true
	}
	return p
}

func (p *textSyntax) step(data []byte, i int) (next int, boundary bool, err error) {
	j := i
	if p.escaped {
		if data[j] == '\n' || data[j] == '\r' {
			return i, false, refuse(opCopy, msgCopyEscape)
		}
		p.escaped = false
		j++
	}
	for j < len(data) && !p.stop[data[j]] {
		j++
	}
	if j < len(data) && data[j] == '\\' {
		p.escaped = true
		return j + 1, false, nil
	}
	return j, j < len(data), nil
}

func (p *textSyntax) quoted() bool { return false }

func (p *textSyntax) next() {}
