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
}

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
	for _, c := range s.cells {
		if c.n == 0 {
			v.fill(c.fill)
		} else {
			v.add(t.line, c.off, c.off+c.n)
		}
		for len(v.first) < len(v.off) {
			v.first = append(v.first, c.first)
		}
	}
}

func (s *screen) put(c cell) {
	for len(s.cells) < s.cur {
		s.cells = append(s.cells, cell{fill: ' '})
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

// to moves the cursor within the row, or to a little behind it: how wide a gap
// is says nothing.
func (s *screen) to(cur int) {
	s.cur = min(max(cur, s.row), len(s.cells)+2)
}

func (s *screen) newRow() {
	s.cells = append(s.cells, cell{fill: '\n'})
	s.row, s.cur = len(s.cells), len(s.cells)
}
