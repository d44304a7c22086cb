// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package mask

// csvState is where in a field a CSV stream is.
type csvState uint8

const (
	csvStart   csvState = iota // before its first byte
	csvPlain                   // in a field without quotes
	csvQuoted                  // inside quotes
	csvEscaped                 // inside quotes, after an escape (which may be the closing quote)
	csvClosed                  // after the closing quote
)

// copyCSV parses the CSV format as the server writes it (manual: COPY, CSV
// Format): a value that holds the delimiter, a quote, a line end or that equals
// the null marker stands in quotes, whole. Anything looser, which a server reads
// but never writes, is refused.
type copyCSV struct {
	copyRow
	state csvState
	plain [256]bool // bytes that end a stretch without quotes
}

func newCopyCSV(f CopyFormat) *copyCSV {
	p := &copyCSV{copyRow: copyRow{header: f.Header}}
	for _, b := range []byte{'\n', '\r', f.Quote, f.Delimiter} {
		p.plain[b] = true
	}
	return p
}

func (p *copyCSV) feed(c *PGCopy, dst, data []byte) ([]byte, error) {
	from := 0 // data[from:i] passes and is not yet copied
	masked := p.masked(c)
	for i := 0; i < len(data); {
		j, boundary, err := p.step(c, data, i)
		if err != nil {
			return nil, err
		}
		if !boundary {
			if j > i {
				if err := p.start(c); err != nil {
					return nil, err
				}
			}
			if masked {
				if p.state == csvPlain {
					p.see(c, data[i:j])
				}
				from = j
			}
			i = j
			continue
		}
		if masked {
			dst = p.endField(c, dst, p.state != csvClosed)
			from = i
		}
		if err := p.boundary(c, data[i]); err != nil {
			return nil, err
		}
		p.state = csvStart
		masked = p.masked(c)
		if i++; masked {
			dst = append(dst, data[from:i]...)
			from = i
		}
	}
	return append(dst, data[from:]...), nil
}

// step consumes bytes of the current field from data[i] on and returns the
// index of the first byte left. boundary says that data[i] is a delimiter or
// line end, which the caller consumes.
func (p *copyCSV) step(c *PGCopy, data []byte, i int) (next int, boundary bool, err error) {
	quote, escape := c.format.Quote, c.format.Escape
	b := data[i]
	switch p.state {
	case csvQuoted:
		for i < len(data) && data[i] != quote && data[i] != escape {
			i++
		}
		if i == len(data) {
			return i, false, nil
		}
		// The escape is looked at first, as the server does: it may be the quote.
		p.state = csvClosed
		if data[i] == escape {
			p.state = csvEscaped
		}
		return i + 1, false, nil
	case csvEscaped:
		if b == quote || b == escape {
			p.state = csvQuoted
			return i + 1, false, nil
		}
		if quote != escape {
			return i, false, refuse(opCopy, msgCopyEscape)
		}
		p.state = csvClosed
		return i, false, nil
	case csvClosed:
		if b != c.format.Delimiter && b != '\n' {
			return i, false, refuse(opCopy, msgCopyQuote)
		}
		return i, true, nil
	}
	// csvStart and csvPlain.
	switch b {
	case quote:
		if p.state == csvPlain {
			return i, false, refuse(opCopy, msgCopyQuote)
		}
		p.state = csvQuoted
		return i + 1, false, nil
	case c.format.Delimiter, '\n', '\r':
		return i, true, nil
	}
	p.state = csvPlain
	for i < len(data) && !p.plain[data[i]] {
		i++
	}
	return i, false, nil
}

func (p *copyCSV) end(*PGCopy) error { return p.close() }
