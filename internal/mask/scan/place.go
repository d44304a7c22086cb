// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package scan

import "github.com/sallyport-dev/sallyport/internal/mask/scan/lexicon"

// maxPlace is the number of words of the longest place looked for.
const maxPlace = 4

// longPlace finds a listed place of several words.
func (p *pass) longPlace(i int) bool {
	if !p.at(i).classes.Has(lexicon.PlaceHead) {
		return false
	}
	n := p.placeWords(i)
	if n == 0 || p.eponym(i+n-1) {
		return false
	}
	for k := range n {
		p.set(i+k, Place, rulePlaceListed)
	}
	return true
}

// place finds a listed place of one word.
func (p *pass) place(i int) bool {
	w := p.at(i)
	if !w.classes.Has(lexicon.Place) || w.letters < 3 && (w.form != formUpper || !w.classes.Has(lexicon.Frequent)) || w.classes.Has(lexicon.Medical) || p.eponym(i) {
		return false
	}
	if w.safe() && (!w.classes.Has(lexicon.Frequent) || p.opens(i)) {
		return false
	}
	if !w.classes.Has(lexicon.Frequent) && (w.letters < 4 || w.form == formUpper && w.letters < 5) {
		return false
	}
	if w.nameable() && (w.classes.Has(lexicon.First) || !w.classes.Has(lexicon.Frequent)) && !p.located(i) {
		return false // a name as often as a place
	}
	p.set(i, Place, rulePlaceListed)
	return true
}

// placeWords returns how many words from the i-th on are a listed place of
// several words, or 0.
func (p *pass) placeWords(i int) int {
	sum := p.sum(p.at(i))
	longest := 0
	for k := 1; k < maxPlace; k++ {
		w := p.word(i, k)
		if w.form == formCode || w.gap&^(gapSpace|gapHyphen|gapPeriod) != 0 {
			break
		}
		sum = lexicon.Join(sum, p.sum(w))
		if w.capital() && p.scanner.lexicon.Lookup(sum).Has(lexicon.Place) {
			longest = k + 1
		}
	}
	return longest
}

// located reports whether the word before the i-th says that a place follows.
func (p *pass) located(i int) bool {
	w, prev := p.at(i), p.word(i, -1)
	if w.gap != gapSpace {
		return false
	}
	switch {
	case p.is(prev, "in"), p.is(prev, "near"), p.is(prev, "to"), p.is(prev, "from"), p.is(prev, "visit"), p.is(prev, "visiting"):
		return true
	}
	return false
}

// nation finds a nationality, a religion or a political group.
func (p *pass) nation(i int) bool {
	w := p.at(i)
	if !w.classes.Has(lexicon.Nation) || w.gap&gapDigit != 0 && !isDigit(at(p.text, w.start-4)) || p.eponym(i) {
		return false // "14 French" but not "2005 French", "German measles"
	}
	if w.classes.Has(lexicon.Common) && (w.form == formLower || p.opens(i)) {
		return false // "polish"
	}
	p.set(i, Nationality, ruleNation)
	return true
}

// strongSuffix reports whether a word can only be the end of a firm's name.
func (p *pass) strongSuffix(w *word) bool {
	if !w.classes.Has(lexicon.Org) || w.letters > 5 {
		return false
	}
	for _, s := range [...]string{"inc", "llc", "llp", "ltd", "corp", "gmbh", "plc", "kft", "pty"} {
		if p.is(w, s) {
			return true
		}
	}
	return false
}

// orgSuffix finds an organisation whose name begins with the i-th word and ends
// with a word for one: "Inc", "Hospital".
func (p *pass) orgSuffix(i int) bool {
	if p.org <= i {
		return false
	}
	w := p.at(i)
	if w.safe() && w.form == formLower || p.is(w, "the") || p.is(w, "our") || p.is(w, "a") {
		return false
	}
	own := !w.safe() || w.wellKnown()
	for k := 1; k <= 5; k++ {
		n := p.word(i, k)
		if n.form == formCode || n.gap&^(gapSpace|gapHyphen|gapComma|gapAnd|gapPeriod|gapOwn) != 0 || n.gap&gapPeriod != 0 && !p.beside(i+k) {
			return false
		}
		strong := p.strongSuffix(n)
		if n.classes.Has(lexicon.Eponymous) && !strong {
			return false // "New York Heart Association class II"
		}
		if strong || n.gap&gapComma == 0 && n.classes.Has(lexicon.Org) && own && w.capital() && n.capital() {
			if !strong && p.word(i, k+1).classes.Has(lexicon.Org) && p.word(i, k+1).capital() && p.beside(i+k+1) {
				k++
			}
			for d := 0; d <= k; d++ {
				p.set(i+d, Org, ruleOrgSuffix)
			}
			return true
		}
		if n.gap&gapComma != 0 && !p.is(p.word(i, k+1), "and") && !p.strongSuffix(p.word(i, k+1)) {
			return false
		}
		if !n.capital() && (w.capital() || n.safe()) && !p.is(n, "and") && !p.is(n, "of") {
			return false
		}
		own = own || !n.safe() || n.wellKnown()
	}
	return false
}

// firm finds "Hubbard, Fox and Gillespie" and "Garcia-Smith".
func (p *pass) firm(i int) bool {
	w, b := p.at(i), p.word(i, 1)
	if b.gap != gapHyphen && b.gap != gapComma|gapSpace {
		return false
	}
	and, c := p.word(i, 2), p.word(i, 3)
	surname := func(x *word) bool {
		return x.classes.Has(lexicon.Surname) && x.letters > 2 && !x.classes.Has(lexicon.Medical)
	}
	sure := func(x *word) bool { return !x.safe() || x.wellKnown() }
	if w.gap&(gapComma|gapColon) == 0 && surname(w) && surname(b) && surname(c) && p.is(and, "and") && b.gap != gapHyphen && and.gap == gapSpace && c.gap == gapSpace &&
		w.form == b.form && b.form == c.form {
		n := 0
		for _, x := range [...]*word{w, b, c} {
			if sure(x) {
				n++
			}
		}
		if n == 3 || n == 2 && w.form != formUpper {
			for k := range 4 {
				p.set(i+k, Org, ruleOrgFirm)
			}
			return true
		}
	}
	if b.gap == gapHyphen && surname(w) && surname(b) && sure(w) && sure(b) && w.form == b.form &&
		(w.form == formLower || w.classes.Has(lexicon.Surname|lexicon.Frequent) && !w.classes.Has(lexicon.First)) {
		p.set(i, Org, ruleOrgFirm)
		p.set(i+1, Org, ruleOrgFirm)
		return true
	}
	return false
}

// organised reports whether the words before the i-th say that an employer
// follows.
func (p *pass) organised(i int) bool {
	w, prev := p.at(i), p.word(i, -1)
	if w.gap != gapSpace {
		return false
	}
	switch {
	case p.is(prev, "for"), p.is(prev, "at"):
		before := p.word(i, -2)
		return p.is(before, "work") || p.is(before, "works") || p.is(before, "worked") || p.is(before, "working") ||
			p.is(before, "job") || p.is(before, "employed") || p.is(before, "year") || p.is(before, "ceo")
	case p.is(prev, "by"):
		return p.is(p.word(i, -2), "employed")
	}
	if p.is(prev, "joined") {
		return true
	}
	next := p.word(i, 1)
	return (p.is(prev, "at") || p.is(prev, "from")) && w.form == formTitle && next.form == formTitle && next.gap == gapSpace &&
		!next.classes.Has(lexicon.Medical)
}

// occupation finds an occupation that stands on a line of its own, as below a
// signature, or behind "works as".
func (p *pass) occupation(i int) bool {
	w := p.at(i)
	if w.form != formTitle {
		return false
	}
	alone := w.gap&gapLine != 0 && p.word(i, -1).end > 0
	if !alone && !p.is(p.word(i, -1), "as") && !p.is(p.word(i, -1), "the") {
		return false
	}
	for k := 0; k <= 6; k++ {
		n := p.word(i, k)
		if n.form == formCode || k > 0 && n.gap&^(gapSpace|gapComma|gapHyphen|gapOwn|gapQuote) != 0 {
			return false
		}
		if p.is(n, "by") || p.is(n, "to") || p.is(n, "for") || p.is(n, "with") || p.is(n, "the") || p.is(n, "from") || p.is(n, "is") {
			return false // "Referral by physician"
		}
		after := p.word(i, k+1)
		if k == 0 && !alone && p.is(p.word(i, -1), "the") && !after.classes.Has(lexicon.Occupation) && after.gap&gapComma == 0 {
			return false
		}
		if !n.classes.Has(lexicon.Occupation) || !(after.gap&gapLine != 0 || !alone && after.gap&gapComma != 0) {
			continue
		}
		for d := 0; d <= k; d++ {
			p.set(i+d, Title, ruleOccupation)
		}
		return true
	}
	return false
}
