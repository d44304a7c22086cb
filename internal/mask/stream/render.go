// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package stream

import "strconv"

// cell is a character on the screen: where it stands in the line, its length
// there, and where the first one stands that was shown in its place; or a
// character that is not in the line.
type cell struct {
	off, n, first int
	fill          byte
}

// screen is one line of a terminal. A movement to another line begins a new row
// behind the last one: what the terminal shows elsewhere is not known.
type screen struct {
	cells    []cell
	row, cur int // where the row begins, where the cursor is
	filled   int // cells that nothing was written to
}

const (
	// maxColumn is how far from the beginning of a row the cursor goes.
	maxColumn = 1024
	// maxFilled bounds the cells of a line that nothing was written to. Behind that,
	// and behind maxColumn, gaps are narrower than on the screen.
	maxFilled = 16 << 10
	// gap is how wide a gap that stays is for the scanner: how wide it is on the
	// screen says nothing.
	gap = 2
)

// render makes the view of the line as the screen shows it.
func (t *Terminal) render(v *view) {
	s := screen{cells: t.cells[:0]}
	end := t.lineEnd()
	for i := 0; i < len(t.line); {
		n, k := t.unit(i, end)
		switch k {
		case character:
			if t.line[i] == '\n' {
				s.cur = len(s.cells)
			}
			s.put(cell{off: i, n: n, first: i})
		case movement:
			s.move(t.line[i : i+n])
		}
		i += n
	}
	t.cells = s.cells
	v.reset(t.context)
	v.first = append(v.first, v.off...)
	empty := 0
	for _, c := range s.cells {
		switch {
		case c.n > 0:
			v.add(t.line, c.off, c.off+c.n)
			empty = 0
		case c.fill == '\n':
			v.fill(c.fill)
			empty = 0
		case empty < gap:
			v.fill(c.fill)
			empty++
		}
		for len(v.first) < len(v.off) {
			v.first = append(v.first, c.first)
		}
	}
}

func (s *screen) put(c cell) {
	for len(s.cells) < s.cur {
		s.cells = append(s.cells, cell{fill: ' '})
		s.filled++
	}
	if s.cur < len(s.cells) {
		if old := s.cells[s.cur]; old.n > 0 {
			c.first = old.first
		}
		s.cells[s.cur] = c
	} else {
		s.cells = append(s.cells, c)
	}
	s.cur++
}

// move does what a movement does, if it stays in the row.
func (s *screen) move(seq []byte) {
	switch {
	case seq[0] == '\b':
		s.to(s.cur - 1)
	case seq[0] == '\r':
		s.to(s.row)
	case len(seq) < 3 || seq[1] != '[':
		s.newRow()
	default:
		s.control(seq[len(seq)-1], seq[2:len(seq)-1])
	}
}

// control does what a control sequence does.
func (s *screen) control(final byte, parameters []byte) {
	n := 1
	if len(parameters) > 0 {
		var err error
		if n, err = strconv.Atoi(string(parameters)); err != nil {
			s.newRow()
			return
		}
	}
	switch final {
	case 'C':
		s.to(s.cur + max(1, n))
	case 'D':
		s.to(s.cur - max(1, n))
	case 'G':
		s.to(s.row + max(1, n) - 1)
	case 'K':
		if len(parameters) == 0 || n == 0 {
			s.cells = s.cells[:min(s.cur, len(s.cells))]
		}
	case 'P', 'X', '@': // the cursor stays; what is shifted is found without the sequence
	default:
		s.newRow()
	}
}

// to moves the cursor within the row, or behind it: what is written there may be what
// something before it goes on with.
func (s *screen) to(cur int) {
	cur = max(cur, s.row)
	if cur-s.row > maxColumn || s.filled+cur-len(s.cells) > maxFilled {
		cur = min(cur, len(s.cells)+gap)
	}
	s.cur = cur
}

func (s *screen) newRow() {
	s.cells = append(s.cells, cell{fill: '\n'})
	s.row, s.cur = len(s.cells), len(s.cells)
}
