// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package scan

import (
	"strings"

	"github.com/sallyport-dev/sallyport/internal/mask/scan/lexicon"
)

// To judge a word takes a dozen questions, and the answer is nearly always that it is no
// finding. The functions here ask first what each rule of judge needs at least: a class
// of the word, or a word before or behind it. A word that no rule can find stays asleep;
// one that is woken in vain costs time and nothing else. Whoever gives judge a rule says
// here what it needs; TestAsleep compares with a pass in which every word is awake.

const (
	// orgReach and occupationReach are how many words before its last one an
	// organisation's name and an occupation can begin.
	orgReach, occupationReach = 5, 6
)

// rousingWords returns the words that cannot be passed over in lower case.
func rousingWords(l *lexicon.Lexicon) *lexicon.Filter {
	f := l.Filter(func(c lexicon.Class) bool {
		return c.Has(lexicon.Weekday|lexicon.Occupation) || !c.Has(safeWords) && c.Has(nameWords|lexicon.Nation|lexicon.Place)
	})
	for _, w := range strings.Fields("inc llc llp ltd corp gmbh plc kft pty named called name is") { // strongSuffix, introducer
		f.Add(lexicon.Sum([]byte(w)))
	}
	return f
}

// rousesLower reports whether a rule may find the i-th word, which is in lower case, by
// itself or by the words before it.
func (p *pass) rousesLower(i int) bool {
	w := p.at(i)
	c := w.classes
	switch {
	case w.letters < 3 || c.Has(safeWords) && !c.Has(lexicon.Weekday):
		return false
	case c.Has(lexicon.Weekday | lexicon.First | lexicon.Nation):
		return true
	}
	return c.Has(lexicon.Place) && p.located(i) || c.Has(lexicon.Surname) && p.firmGoesOn(w.end) || p.introduced(i)
}

// dullCapital reports whether the next word, which begins with a capital and has n letters,
// wakes nothing, whatever follows: no name is like it, and no organisation, occupation or
// place of several words begins or ends with it.
func (p *pass) dullCapital(sum uint64, n int, upper bool) bool {
	if p.scanner.names == NamesOff {
		return true
	}
	c, i := p.scanner.lexicon.Lookup(sum), p.n
	code := c == 0 && upper && n < 5 // "TCP" is a name only beside another
	if !code && !c.Has(safeWords) || c.Has(nameWords|lexicon.Title|lexicon.Nation|lexicon.Weekday|lexicon.PlaceHead|lexicon.Org|lexicon.Occupation) ||
		c.Has(lexicon.Place) && c.Has(lexicon.Frequent) || p.head > i-maxPlace || upper && p.upper == i-1 {
		return false
	}
	if upper {
		p.upper = i
		return true
	}
	p.alone = i // perhaps
	return i == 0 || !p.employs(&p.words[uint(i-1)%window])
}

// wakeCapital wakes what the i-th word, which has a capital letter, may make something
// of.
func (p *pass) wakeCapital(i int) {
	w := p.at(i)
	if p.head > i-maxPlace {
		p.wake(i-maxPlace+1, i-1)
	}
	if w.classes.Has(lexicon.PlaceHead) {
		p.head = i
	}
	beside := w.form == formUpper && p.upper == i-1
	if w.form == formUpper {
		p.upper = i
	}
	if beside {
		p.wake(i-1, i)
	} else if p.rousesCapital(i) {
		p.wake(i, i)
	}
}

// rousesCapital reports whether a rule may find the i-th word, which has a capital letter,
// by itself or by the words before it. Where the word behind it matters, that one wakes it.
func (p *pass) rousesCapital(i int) bool {
	w := p.at(i)
	c := w.classes
	switch {
	case c.Has(lexicon.Title | lexicon.Nation | lexicon.Weekday):
		return true
	case c == 0 && w.form == formUpper && w.letters < 5: // "TCP" is a name only beside another
		return p.introduced(i)
	case !c.Has(safeWords):
		return w.letters > 1
	case c.Has(nameWords|lexicon.Place) && c.Has(lexicon.Frequent):
		return true
	case c.Has(nameWords):
		return p.raisable(i) || p.firmGoesOn(w.end) || p.word(i, -1).classes.Has(lexicon.Cue) || p.introduced(i)
	}
	return p.employs(p.word(i, -1)) && p.raisable(i)
}

// wakeBefore wakes the words before the i-th that may be an organisation or an occupation
// whose last word it is.
func (p *pass) wakeBefore(i int) {
	w := p.at(i)
	if w.form == formTitle && p.standsAlone(i) {
		p.alone = i
	}
	if w.classes.Has(lexicon.Org) && (w.capital() || p.strongSuffix(w)) {
		p.org = i
		p.wake(i-orgReach, i-1)
	}
	if w.classes.Has(lexicon.Occupation) && p.alone >= i-occupationReach {
		p.wake(i-occupationReach, i)
	}
}

// standsAlone reports whether the i-th word can be the first of an occupation: it begins
// a line, or the word before it is "as" or "the".
func (p *pass) standsAlone(i int) bool {
	if i == 0 {
		return false
	}
	prev := &p.words[uint(i-1)%window]
	return p.at(i).gap&gapLine != 0 || p.is(prev, "as") || p.is(prev, "the")
}

// firmGoesOn reports whether what follows at i can be what stands between the names in
// a firm's: a hyphen, or a comma and a space.
func (p *pass) firmGoesOn(i int) bool {
	c := at(p.text, i)
	if gaps[c] == gapSpace {
		c = at(p.text, i+1)
	}
	return c == '-' || c == ',' || c == ' ' || c == '\t' || c >= 0x80
}

// introducer reports whether a word can introduce a name, by itself or with one before
// it.
func (p *pass) introducer(w *word) bool {
	return p.is(w, "is") || p.is(w, "name") || p.is(w, "named") || p.is(w, "called")
}

// employs reports whether a word can stand before an employer.
func (p *pass) employs(w *word) bool {
	return p.is(w, "for") || p.is(w, "at") || p.is(w, "by") || p.is(w, "joined") || p.is(w, "from")
}
