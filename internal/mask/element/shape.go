// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package element

// Class is what a byte means for the shape of a code. It is a number with a 1 in
// the lane of the class, so that the sum of the classes of a value counts them
// all; see [Sum].
type Class uint64

// The classes. Delimiters are the format's own and are set by its mask.
const (
	Letter    Class = 0               // letters and the punctuation of codes
	Digit     Class = 1               // 0 to 9
	Joint     Class = 1 << lane       // between the groups of a date or a number: "-", "/"
	Point     Class = 1 << (2 * lane) // "."
	Space     Class = 1 << (3 * lane)
	Foreign   Class = 1 << (4 * lane) // has no place in a code
	Delimiter Class = 1 << (5 * lane) // ends one value and begins the next
)

// A lane counts as many bytes as are summed at once.
const (
	lane     = 10
	laneMask = 1<<lane - 1
)

// Classes gives every byte its class.
type Classes [256]Class

// NewClasses returns the classes of plain bytes, without delimiters.
func NewClasses() *Classes {
	var c Classes
	for i := range c {
		switch b := byte(i); {
		case b >= '0' && b <= '9':
			c[i] = Digit
		case b == '-' || b == '/':
			c[i] = Joint
		case b == '.':
			c[i] = Point
		case b == ' ':
			c[i] = Space
		case b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z', b < 0x80 && plainMarks[b]:
			c[i] = Letter
		default:
			c[i] = Foreign
		}
	}
	return &c
}

// plainMarks are the marks that codes, quantities and units are written with.
var plainMarks = [128]bool{
	'_': true, ',': true, '+': true, '*': true, '%': true, ':': true, ';': true, '=': true,
	'<': true, '>': true, '(': true, ')': true, '#': true, '!': true, '"': true, '\'': true, '?': true, '^': true, '~': true, '&': true, '{': true, '}': true,
	'[': true, ']': true,
}

// Limits of what passes as a code.
const (
	codeBytes     = 64
	codeDigits    = 6
	measureDigits = 8
)

// Sum counts the bytes of a value by their classes, up to some hundreds of each.
type Sum struct{ lanes Class }

// Sum returns the sum of the classes of src[start:end].
func (c *Classes) Sum(src []byte, start, end int) Sum {
	if end-start > laneMask {
		return c.sumLong(src, start, end)
	}
	var s Class
	for ; end-start > 8; start += 8 {
		s += c.ofWord(Load(src, start))
	}
	// The rest of the last word is letters, which do not count.
	const letters Word = 'a' * lowest
	unused := 64 - 8*(end-start)
	w := Load(src, start)<<unused>>unused | letters<<(64-unused)
	return Sum{s + c.ofWord(w)}
}

// ofWord sums the classes of eight bytes. It takes no branch, which costs more than
// a few bytes that are not needed.
func (c *Classes) ofWord(w Word) Class {
	return c[w&0xff] + c[w>>8&0xff] + c[w>>16&0xff] + c[w>>24&0xff] + c[w>>32&0xff] + c[w>>40&0xff] + c[w>>48&0xff] + c[w>>56]
}

// sumLong sums pieces, of which none overflows a lane.
func (c *Classes) sumLong(src []byte, start, end int) Sum {
	const most = laneMask / 2
	var s Sum
	for ; start < end; start += most {
		piece := c.Sum(src, start, min(start+most, end))
		var both Class
		for k := Digit; k <= Delimiter; k <<= lane {
			both += k * Class(min(s.count(k)+piece.count(k), most))
		}
		s.lanes = both
	}
	return s
}

// Has reports whether a byte of a class is among those summed. Several classes are
// given as their sum.
func (s Sum) Has(c Class) bool { return s.lanes&(c*laneMask) != 0 }

func (s Sum) count(c Class) int { return int(s.lanes/c) & laneMask }

// Shape is the verdict on a value that ought to be a code.
type Shape uint8

// The shapes, from the harmless to the doubtful.
const (
	Code   Shape = iota
	Text         // too long, or of other characters than codes
	Number       // so many digits, or in such groups, that it may be a date, a telephone or an identifier
)

// Shape returns the verdict on v, a value without delimiters, of whose classes s
// is the sum. A code may have a number of digits more than usual.
func (s Sum) Shape(v []byte, more int) Shape {
	digits := s.count(Digit)
	switch {
	case digits >= 4 && s.numeric(v, digits, more):
		return Number
	case len(v) > codeBytes || s.Has(Foreign):
		return Text
	}
	return Code
}

// numeric reports whether the digits may be more than a code's.
func (s Sum) numeric(v []byte, digits, more int) bool {
	return digits > codeDigits+more || digits >= 5 && s.count(Joint) >= 2 || Dated(v, digits) ||
		s.count(Point) == 3 && len(v) == digits+3 // an address of IPv4
}

// Dated reports whether the digits of v, of which there are so many, read as a
// year and a month, or a whole day.
func Dated(v []byte, digits int) bool {
	if digits != 6 && digits != 8 {
		return false
	}
	var lead [8]byte
	n := 0
	for _, b := range v {
		if b >= '0' && b <= '9' {
			lead[n&7] = b
			n++
		}
	}
	century := lead[0] == '1' && (lead[1] == '8' || lead[1] == '9') || lead[0] == '2' && lead[1] == '0'
	month := (lead[4]-'0')*10 + lead[5] - '0'
	return century && month >= 1 && month <= 12
}

// ShapeOf is the shape of one value without delimiters.
func (c *Classes) ShapeOf(v []byte) Shape { return c.Sum(v, 0, len(v)).Shape(v, 0) }

// IsOID reports whether v is an object identifier, which names a register and
// nobody in it: at least six arcs of digits.
func IsOID(v []byte) bool {
	if len(v) < 11 || len(v) > codeBytes || v[0] < '0' || v[0] > '2' || v[1] != '.' || v[len(v)-1] == '.' {
		return false
	}
	points, digits := 0, 0
	for i, b := range v {
		switch {
		case b == '.':
			if v[i-1] == '.' {
				return false
			}
			points++
			digits = 0
		case b < '0' || b > '9':
			return false
		default:
			if digits++; digits > arcDigits {
				return false
			}
		}
	}
	return points >= 5
}

// arcDigits is how many digits a number within an object identifier has at most; a
// longer one may be somebody's.
const arcDigits = 7

// Measure reports whether v is a number that a measurement can have: digits with
// at most one sign and point, not so many that it is rather an identifier.
func Measure(v []byte) bool {
	digits, points := 0, 0
	for i, b := range v {
		switch {
		case b >= '0' && b <= '9':
			digits++
		case b == '.':
			points++
		case (b == '-' || b == '+') && i == 0:
		default:
			return false
		}
	}
	if digits >= 8 && points == 0 {
		return false
	}
	return digits > 0 && digits <= measureDigits && points <= 1
}
