// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package scan

// A clue is what a word says about the number that follows it.
type clue uint8

const (
	clueNone   clue = iota
	clueFiller      // says nothing and does not part a clue from its number: "number", "is"
	clueNumber      // "number": a weak clue for a phone
	cluePhone
	clueFax
	clueSSN
	clueMRN
	cluePlan
	clueAccount
	clueRouting
	clueCard
	clueIBAN
	clueNPI
	clueDEA
	clueLicense
	cluePassport
	clueVIN
	cluePlate
	clueDevice
	clueIMEI
	clueUnique
	cluePerson
	clueZIP
	clueDate
	clueOther // an order, a code, a version: what follows is no identifier
)

// lookBack bounds, in bytes, how far before a number its context is read.
const lookBack = 96

// context is the nearest clue before a place, and how many words that say
// nothing of the kind stand between.
type context struct {
	clue clue
	gap  int
}

// is reports whether the clue is c, with at most gap other words between.
func (x context) is(c clue, gap int) bool { return x.clue == c && x.gap <= gap }

// before reads the context of what begins at start, with at most that many other
// words between the clue and it: up to eight words back, in the same sentence and on the same line, or on the line before when that ends
// in a colon. What a mask left behind, "[PHONE]", is no clue.
func before(text []byte, start, most int) context {
	low := max(0, start-lookBack)
	weak := context{}
	gap, i := 0, start
	for n := 0; n < 8 && gap <= most; n++ {
		var sentence, ok bool
		if i > low+1 && text[i-1] == ' ' && isAlpha(text[i-2]) {
			i--
		} else if i, sentence, ok = gapBefore(text, low, i, start); !ok {
			break
		}
		if text[i-1] == ']' {
			if open := placeholder(text, low, i); open >= 0 {
				i = open
				gap++
				continue
			}
			i--
			continue
		}
		if !isAlpha(text[i-1]) { // a number, or a word of another script
			for i > low && isWord(text[i-1]) && !isAlpha(text[i-1]) {
				i--
			}
			if sentence {
				break
			}
			gap++
			continue
		}
		w := wordBefore(text, i, 24)
		c := termOf(text, w, i).clue
		if c == clueNone && (i-w == 1 || i-w == 8) {
			c = clueBeside(text, w, i)
		}
		if sentence && (c == clueNone || i-w > 4) { // "Tel." goes on, "home." ends
			break
		}
		i = w
		switch c {
		case clueNone:
			gap++
		case clueFiller:
		case clueNumber:
			if weak.clue == clueNone {
				weak = context{clueNumber, gap}
			}
		default:
			return context{c, gap}
		}
	}
	return weak
}

// clueBeside reads the clues that are made of two words: "social security", "S/N".
func clueBeside(text []byte, w, end int) clue {
	switch end - w {
	case 8:
		if equalFold(text[w:end], "security") && spaced(text, w, "social") {
			return clueSSN
		}
	case 1:
		if text[w]|0x20 == 'n' && at(text, w-1) == '/' && at(text, w-2)|0x20 == 's' {
			return clueDevice
		}
	}
	return clueNone
}

// gapBefore walks back over what stands between words. It says whether a
// sentence ended there, and whether a word precedes that may still count.
func gapBefore(text []byte, low, i, start int) (at int, sentence, ok bool) {
	line := false
	for i > low && !isWord(text[i-1]) {
		switch c := text[i-1]; c {
		case '\n':
			if line || len(trimSpace(text[i:start])) > 0 {
				return i, false, false
			}
			line = true
		case '.', '!', '?':
			sentence = sentence || i < len(text) && (text[i] == ' ' || text[i] == '\n')
		case ';':
			return i, false, false
		case ']':
			return i, sentence, true
		case ' ', '\t', '\r':
		default:
			if line && c != ':' {
				return i, false, false
			}
			line = line && c != ':'
		}
		i--
	}
	return i, sentence, i > low && (!line || text[i] == ':')
}

func trimSpace(b []byte) []byte {
	for len(b) > 0 && (b[0] == ' ' || b[0] == '\t' || b[0] == '\r' || b[0] == '\n') {
		b = b[1:]
	}
	return b
}

// placeholder returns where the mask "[NAME]" that ends at end begins, or -1.
func placeholder(text []byte, low, end int) int {
	i := end - 1
	for i > low && (isAlnum(text[i-1]) || text[i-1] == '.' || text[i-1] == '-' || text[i-1] == '_') {
		i--
	}
	if i > low && text[i-1] == '[' && i < end-1 {
		return i - 1
	}
	return -1
}

// spaced reports whether the word w, in lower case, stands right before i.
func spaced(text []byte, i int, w string) bool {
	for i > 0 && (text[i-1] == ' ' || text[i-1] == '-') {
		i--
	}
	j := wordBefore(text, i, 16)
	var buf [16]byte
	return string(fold(&buf, text[j:i])) == w
}

// phoneAfter reads the word behind a number, as in "555-0100 fax".
func phoneAfter(text []byte, end int) clue {
	i := end
	for i < len(text) && i < end+3 && (text[i] == ' ' || text[i] == '-' || text[i] == '(' || text[i] == ',') {
		i++
	}
	e := wordAfter(text, i, 12)
	if i == end || e-i < 3 || at(text, e) == ':' {
		return clueNone
	}
	var buf [16]byte
	switch string(fold(&buf, text[i:e])) {
	case "fax":
		return clueFax
	case "office", "mobile", "cell", "home", "work", "phone", "tel", "direct", "pager", "desk", "landline":
		return cluePhone
	}
	return clueNone
}
