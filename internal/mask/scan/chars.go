// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package scan

// Classes of bytes. A byte of a letter beyond ASCII counts as a letter, so that
// nothing is found inside of a word in any script.
const (
	classDigit uint16 = 1 << iota
	classUpper
	classLower
	classWide // of a character beyond ASCII
	classHex
	classHost   // in a host's name
	classLocal  // in the local part of an e-mail address
	classURL    // in a URL
	classWord   // in a word: a letter of any script, a digit or "_"
	className   // in a word of a street's name: these, a hyphen or an apostrophe
	classJoint  // can part a group of digits from the next
	classGoesOn // goes on with what a number is part of
	classKey    // can stand between a key and its value
	classBehind // can begin a word that makes something of the number before it
)

var classes = buildClasses()

func buildClasses() (t [256]uint16) {
	for c := range 256 {
		b := byte(c)
		switch {
		case b >= '0' && b <= '9':
			t[c] = classDigit | classHex | classHost | classLocal | classURL
		case b >= 'A' && b <= 'Z':
			t[c] = classUpper | classHost | classLocal | classURL
		case b >= 'a' && b <= 'z':
			t[c] = classLower | classHost | classLocal | classURL
		case b >= 0x80:
			t[c] = classWide | classHost | classLocal | classURL
		}
		if b >= 'A' && b <= 'F' || b >= 'a' && b <= 'f' {
			t[c] |= classHex
		}
	}
	for c := range 256 {
		if t[c] != 0 {
			t[c] |= classWord | className | classGoesOn
		}
	}
	t['_'] |= classWord | className | classGoesOn
	t[')'] |= classGoesOn
	for _, b := range []byte("-./ (") {
		t[b] |= classJoint
	}
	for c := range 256 {
		if b := byte(c); b >= 0x80 || isUpper(b) || isAlpha(b) && b != 'b' && b != 'g' && b != 'k' && b != 'q' && b != 'x' {
			t[c] |= classBehind
		}
	}
	for _, b := range []byte("=:/[") {
		t[b] |= classKey
	}
	t['-'] |= className
	t['\''] |= className
	for _, b := range []byte("!#$%&'+^_`{}~.-") { // without those that, though allowed, stand between things as a rule
		t[b] |= classLocal
	}
	t['-'] |= classHost
	t['.'] |= classHost
	for _, b := range []byte("-._~:/?#[]@!$&'()*+,;=%|\\{}^") {
		t[b] |= classURL
	}
	return t
}

func isDigit(c byte) bool { return c-'0' < 10 }
func isUpper(c byte) bool { return c-'A' < 26 }
func isAlpha(c byte) bool { return (c|0x20)-'a' < 26 }
func isAlnum(c byte) bool { return isDigit(c) || (c|0x20)-'a' < 26 }

// isWord reports whether c can be part of a word: a letter of any script, a
// digit or "_".
func isWord(c byte) bool { return classes[c]&classWord != 0 }

// at returns text[i], or 0 outside of text.
func at(text []byte, i int) byte {
	if uint(i) < uint(len(text)) {
		return text[i]
	}
	return 0
}

// decimal reads up to 9 digits.
func decimal(b []byte) int {
	n := 0
	for _, c := range b {
		n = n*10 + int(c-'0')
	}
	return n
}

// wordBefore returns where the word of ASCII letters that ends at end begins, looking
// back no further than most bytes.
func wordBefore(text []byte, end, most int) int {
	low := max(0, end-most)
	i := end
	for i > low && classes[text[i-1]]&(classUpper|classLower) != 0 {
		i--
	}
	return i
}

// wordAfter returns where the word of ASCII letters that begins at start ends, at most
// that many bytes further.
func wordAfter(text []byte, start, most int) int {
	high := min(len(text), start+most)
	i := start
	for i < high && classes[text[i]]&(classUpper|classLower) != 0 {
		i++
	}
	return i
}

// digitsEnd returns where the digits that begin at i end.
func digitsEnd(text []byte, i int) int {
	for i < len(text) && isDigit(text[i]) {
		i++
	}
	return i
}

// fold writes the lower case of a word of at most 16 ASCII letters into buf.
func fold(buf *[16]byte, w []byte) []byte {
	if len(w) > len(buf) {
		return nil
	}
	for i, c := range w {
		buf[i] = c | 0x20
	}
	return buf[:len(w)]
}
