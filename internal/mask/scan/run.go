// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package scan

// The largest run that is read as one number. What goes on longer is a list or
// a table, of which only what has no space in it is looked at.
const (
	maxGroups = 10
	maxRun    = 64
)

// Separators of groups that are more than one byte.
const (
	sepClose = 'c' // ") " and ")-", the end of an area code
	sepOpen  = 'o' // " (", the beginning of one
	sepWide  = 'w' // " - "
)

// run is a sequence of groups of digits with single separators between:
// "+46 (0)8 928 571 38". sep[i] stands before group i.
type run struct {
	start int
	n     int
	begin [maxGroups]uint8 // from start; right for runs up to maxRun
	end   [maxGroups]uint8
	sep   [maxGroups]byte
}

// from and to return where group i begins and ends.
func (r *run) from(i int) int { return r.start + int(r.begin[i]) }
func (r *run) to(i int) int   { return r.start + int(r.end[i]) }

// size returns the number of digits in group i.
func (r *run) size(i int) int { return int(r.end[i] - r.begin[i]) }

// tight returns the first group behind g that a space parts from the one before.
func (r *run) tight(g int) int {
	for g++; g < r.n; g++ {
		switch r.sep[g] {
		case ' ', sepOpen, sepWide:
			return g
		}
	}
	return g
}

// read reads the run that begins with the digit at i. spaces says whether a
// space may part groups. It reports false when the run is too long, and then r
// holds the part up to there and stop is where the run ends.
func (r *run) read(text []byte, i int, spaces bool) (stop int, ok bool) {
	start := i
	r.start, r.n = i, 0
	for {
		j := i + 1
		for j < len(text) && isDigit(text[j]) {
			j++
		}
		if r.n < maxGroups {
			r.begin[r.n], r.end[r.n] = uint8(i-start), uint8(j-start)
			r.n++
		} else {
			ok = true // too many
		}
		if j >= len(text) {
			i = j
			break
		}
		sep, n := separator(text, j)
		if sep == 0 || !spaces && (sep == ' ' || sep == sepOpen || sep == sepWide) {
			i = j
			break
		}
		i = j + n
		if r.n < maxGroups {
			r.sep[r.n] = sep
		}
	}
	return i, !ok && i-start <= maxRun
}

// separator reads what stands between two groups at i, or returns 0 when no
// further group follows.
func separator(text []byte, i int) (sep byte, n int) {
	c := text[i]
	d := at(text, i+1)
	switch c {
	case '-', '.', '/':
		if isDigit(d) {
			return c, 1
		}
	case ' ':
		switch {
		case isDigit(d):
			return ' ', 1
		case d == '(' && isDigit(at(text, i+2)):
			return sepOpen, 2
		case d == '-' && at(text, i+2) == ' ' && isDigit(at(text, i+3)):
			return sepWide, 3
		}
	case '(':
		if isDigit(d) {
			return '(', 1
		}
	case ')':
		if isDigit(d) {
			return ')', 1
		}
		if (d == ' ' || d == '-' || d == '.') && isDigit(at(text, i+2)) {
			return sepClose, 2
		}
	case 0xc2: // no-break space
		if d == 0xa0 && isDigit(at(text, i+2)) {
			return ' ', 2
		}
	case 0xe2: // hyphens and dashes that word processors make of "-"
		if d == 0x80 && at(text, i+2)-0x90 <= 3 && isDigit(at(text, i+3)) {
			return '-', 3
		}
	}
	return 0, 0
}

// total returns the number of digits in groups g to h.
func (r *run) total(g, h int) int {
	n := 0
	for ; g < h; g++ {
		n += r.size(g)
	}
	return n
}

// uniform reports whether sep, and nothing else, parts the groups g to h.
func (r *run) uniform(g, h int, sep byte) bool {
	for i := g + 1; i < h; i++ {
		if r.sep[i] != sep {
			return false
		}
	}
	return true
}

// shape packs the sizes of the groups g to h into decimal digits: 324 for a
// dashed SSN. It is good for at most nine groups of at most nine digits.
func (r *run) shape(g, h int) int {
	n := 0
	for ; g < h; g++ {
		n = n*10 + min(r.size(g), 9)
	}
	return n
}
