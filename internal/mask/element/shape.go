// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package element

// Class is what a byte means for the shape of a code.
type Class uint8

// The classes. Delimiters are the format's own and are set by its mask.
const (
	Letter Class = iota // letters and the punctuation of codes
	Digit
	Joint     // between the groups of a date or a number: "-", "/"
	Delimiter // ends one value and begins the next
	End       // ends the last value
	Foreign   // has no place in a code
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
	' ': true, '_': true, '.': true, ',': true, '+': true, '*': true, '%': true, ':': true, ';': true, '=': true,
	'<': true, '>': true, '(': true, ')': true, '#': true, '!': true, '"': true, '\'': true, '?': true, '^': true, '~': true, '&': true, '{': true, '}': true,
	'[': true, ']': true,
}

// Limits of what passes as a code.
const (
	codeBytes     = 64
	codeDigits    = 6
	measureDigits = 8
)

// Shape is the verdict on a value that ought to be a code.
type Shape uint8

// The shapes, from the harmless to the doubtful.
const (
	Code   Shape = iota
	Text         // too long, or of other characters than codes
	Number       // so many digits, or in such groups, that it may be a date, a telephone or an identifier
)

// Shaper looks at a value byte by byte. The zero value is ready.
type Shaper struct {
	bytes, digits, joints, points int
	foreign                       bool
	lead                          [8]byte // the first digits
}

// Add takes the next byte.
func (s *Shaper) Add(b byte, c Class) {
	s.bytes++
	switch c {
	case Digit:
		s.lead[s.digits&7] = b
		s.digits++
	case Joint:
		s.joints++
	case Foreign:
		s.foreign = true
	case Letter:
		if b == '.' {
			s.points++
		}
	case Delimiter, End:
	}
}

// Shape returns the verdict on the bytes added, of a code that may have a number
// of digits more than usual.
func (s *Shaper) Shape(more int) Shape {
	switch {
	case s.digits > codeDigits+more || s.digits >= 5 && s.joints >= 2 || s.dated() || s.dotted():
		return Number
	case s.foreign || s.bytes > codeBytes:
		return Text
	}
	return Code
}

// dotted reports whether the value is written as an address of IPv4.
func (s *Shaper) dotted() bool { return s.points == 3 && s.digits >= 4 && s.bytes == s.digits+s.points }

// dated reports whether the digits read as a year and a month, or a whole day.
func (s *Shaper) dated() bool {
	if s.digits != 6 && s.digits != 8 {
		return false
	}
	century := s.lead[0] == '1' && (s.lead[1] == '8' || s.lead[1] == '9') || s.lead[0] == '2' && s.lead[1] == '0'
	month := (s.lead[4]-'0')*10 + s.lead[5] - '0'
	return century && month >= 1 && month <= 12
}

// ShapeOf is the shape of one value without delimiters.
func (c *Classes) ShapeOf(v []byte) Shape {
	var s Shaper
	for _, b := range v {
		s.Add(b, c[b])
	}
	return s.Shape(0)
}

// IsOID reports whether v is an object identifier, which names a register and
// nobody in it: at least six arcs of digits.
func IsOID(v []byte) bool {
	if len(v) < 11 || len(v) > codeBytes || v[0] < '0' || v[0] > '2' || v[1] != '.' || v[len(v)-1] == '.' {
		return false
	}
	points := 0
	for i, b := range v {
		switch {
		case b == '.':
			if v[i-1] == '.' {
				return false
			}
			points++
		case b < '0' || b > '9':
			return false
		}
	}
	return points >= 5
}

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
	if digits == 8 && points == 0 {
		_, _, dated := ParseDay(v)
		return !dated
	}
	return digits > 0 && digits <= measureDigits && points <= 1
}
