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

// csvSyntax is the CSV format as the server writes it (manual: COPY, CSV Format):
// a value that holds the delimiter, a quote, a line end or that equals the null
// marker stands in quotes, whole. Anything looser, which a server reads but never
// writes, is refused.
type csvSyntax struct {
	state                    csvState
	delimiter, quote, escape byte
	plain                    [256]bool // bytes that end a stretch without quotes
}

func newCSVSyntax(f CopyFormat) *csvSyntax {
	p := &csvSyntax{delimiter: f.Delimiter, quote: f.Quote, escape: f.Escape}
	for _, b := range []byte{'\n', '\r', f.Quote, f.Delimiter} {
		p.plain[b] = true
	}
	return p
}

func (p *csvSyntax) quoted() bool { return p.state != csvStart && p.state != csvPlain }

func (p *csvSyntax) next() { p.state = csvStart }

func (p *csvSyntax) step(data []byte, i int) (next int, boundary bool, err error) {
	quote, escape := p.quote, p.escape
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
		if b != p.delimiter && b != '\n' {
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
	case p.delimiter, '\n', '\r':
		return i, true, nil
	}
	p.state = csvPlain
	for i < len(data) && !p.plain[data[i]] {
		i++
	}
	return i, i < len(data) && data[i] != quote, nil
}
