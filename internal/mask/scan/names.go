// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package scan

import "github.com/sallyport-dev/sallyport/internal/mask/scan/lexicon"

// judge decides what the i-th word is by itself and by how its neighbours are
// written. The first that applies wins; several words are found at once where
// they belong together.
func (p *pass) judge(i int) {
	w := p.at(i)
	if w.form == formCode {
		return
	}
	if !p.known.Empty() && w.letters >= minKnown {
		if e := p.known.entity(p.sum(w)); e != None {
			p.set(i, e, ruleNameKnown)
			return
		}
	}
	if p.scanner.names == NamesOff {
		return
	}
	if w.form == formLower {
		p.judgeLower(i)
		return
	}
	switch {
	case p.title(i), p.firm(i), p.orgSuffix(i), p.longPlace(i), p.nation(i), p.place(i):
	case w.classes.Has(lexicon.Weekday):
		p.set(i, Weekday, ruleWeekday)
	case p.occupation(i), p.context(i), p.pair(i), p.listed(i):
	case p.scanner.names == NamesUnlisted:
		p.unlisted(i)
	case p.located(i) && w.form == formTitle && w.letters > 3 && !w.safe() && !medicalEnding(p.text[w.start:w.end]):
		p.set(i, Place, rulePlaceContext)
	}
}

// judgeLower judges a word in lower case. Only a name next to another, or behind
// words that can introduce nothing else, is one.
func (p *pass) judgeLower(i int) {
	w := p.at(i)
	if w.letters < 3 || w.safe() && !w.classes.Has(lexicon.Weekday) {
		return
	}
	switch {
	case w.classes.Has(lexicon.Weekday):
		p.set(i, Weekday, ruleWeekday)
	case p.firm(i), p.nation(i), p.orgSuffix(i):
	case p.introduced(i):
		p.set(i, Name, ruleNameContext)
	case p.lowerPair(i):
	case p.scanner.names != NamesUnlisted || w.letters < 4:
	case w.classes.Has(lexicon.First) && w.classes.Has(lexicon.Frequent):
		p.set(i, Name, ruleNameListed)
	case w.classes.Has(lexicon.Place) && p.located(i):
		p.set(i, Place, rulePlaceListed)
	}
}

// lowerPair finds a first name and a surname in lower case, of which one is
// frequent and none is a word.
func (p *pass) lowerPair(i int) bool {
	w, d := p.at(i), 1
	if p.word(i, 1).letters == 1 && p.scanner.names == NamesUnlisted {
		d = 2
	}
	next := p.word(i, d)
	if !w.classes.Has(lexicon.First) || next.form != formLower || next.letters < 3 || next.safe() || !p.beside(i+d) {
		return false
	}
	frequent := (w.classes | next.classes).Has(lexicon.Frequent) && next.nameable()
	if !frequent && (p.scanner.names != NamesUnlisted || !next.nameable() && !next.wide) {
		return false
	}
	for k := 0; k <= d; k++ {
		p.set(i+k, Name, ruleNameListed)
	}
	return true
}

// introduced reports whether the words before the i-th are "name is", "name:",
// "named" or "called", behind which a name stands in whatever form.
func (p *pass) introduced(i int) bool {
	w, prev := p.at(i), p.word(i, -1)
	switch {
	case p.is(prev, "named"), p.is(prev, "called"):
		return w.gap == gapSpace
	case p.is(prev, "name"):
		return w.gap&^(gapSpace|gapColon) == 0 && w.gap&gapColon != 0
	case p.is(prev, "is"):
		return w.gap == gapSpace && p.is(p.word(i, -2), "name")
	}
	return false
}

// is reports whether a word is the given one, in lower case.
func (p *pass) is(w *word, lower string) bool {
	return w.end-w.start == len(lower) && equalFold(p.text[w.start:w.end], lower)
}

// title finds "Dr." and what it stands before.
func (p *pass) title(i int) bool {
	w := p.at(i)
	next := p.word(i, 1)
	if !w.classes.Has(lexicon.Title) || !next.capital() || next.gap&^(gapSpace|gapPeriod) != 0 || next.gap&gapSpace == 0 && next.gap != gapPeriod {
		return false
	}
	if w.classes.Has(lexicon.Common) && (next.gap&gapPeriod == 0 || w.letters > 4) || w.form == formUpper && w.letters < 3 && next.form != formUpper {
		// A word of its own: "General Hospital", "Miss Universe".
		if next.gap&gapPeriod != 0 || !next.nameable() || next.safe() && !next.wellKnown() {
			return false
		}
	}
	p.set(i, Title, ruleTitle)
	for k := 1; k <= 4; k++ {
		n := p.word(i, k)
		if n.form == formCode || k > 1 && !p.beside(i+k) {
			break
		}
		if !n.capital() && !(n.classes.Has(lexicon.Particle) && p.word(i, k+1).capital()) {
			break
		}
		if k > 1 && n.safe() && !n.nameable() && n.classes.Has(safeWords&^lexicon.Common) {
			break
		}
		if n.classes.Has(lexicon.Title) && n.letters <= 4 && p.word(i, k+1).capital() {
			continue
		}
		p.set(i+k, Name, ruleNameTitle)
	}
	return true
}

// context finds a name that the words before it announce.
func (p *pass) context(i int) bool {
	w, prev := p.at(i), p.word(i, -1)
	if w.letters < 2 || w.classes.Has(lexicon.Medical) {
		return false
	}
	could := !w.safe() || w.wellKnown()
	switch {
	case p.introduced(i):
		could = could || w.nameable()
	case prev.classes.Has(lexicon.Cue) && w.gap&^(gapSpace|gapComma|gapColon) == 0 && w.gap != 0:
		could = could && (w.nameable() || w.form == formTitle && w.gap&gapComma == 0 && !p.eponym(i))
		if p.is(prev, "dear") || p.is(prev, "hi") || p.is(prev, "hello") {
			could = could || w.nameable() && !w.classes.Has(lexicon.Basic|lexicon.Occupation|lexicon.Title)
		}
	default:
		return false
	}
	if could {
		p.set(i, Name, ruleNameContext)
	}
	return could
}

// eponym reports whether the i-th word names a disease, a sign or a drug's kind.
func (p *pass) eponym(i int) bool {
	for d := 1; d <= 2; d++ {
		n := p.word(i, d)
		if n.gap&^(gapSpace|gapHyphen|gapOwn|gapQuote) != 0 {
			return false
		}
		if n.classes.Has(lexicon.Eponymous) {
			return true
		}
		if !n.capital() && !n.nameable() {
			return false
		}
	}
	return false
}

// pair finds a first name and a surname side by side, or the other way round
// with a comma.
func (p *pass) pair(i int) bool {
	w := p.at(i)
	d := 1
	next := p.word(i, 1)
	if next.letters == 1 && next.capital() && next.gap == gapSpace {
		d, next = 2, p.word(i, 2)
	}
	if !w.nameable() || !next.nameable() || !next.capital() || w.letters < 2 || next.letters < 2 ||
		next.classes.Has(lexicon.Medical|lexicon.Eponymous) || w.classes.Has(lexicon.Medical|lexicon.Cue) || p.eponym(i+d) {
		return false
	}
	comma := d == 1 && next.gap == gapComma|gapSpace
	if !comma && !p.beside(i+d) {
		return false
	}
	first, last := w, next
	if comma {
		first, last = next, w
	}
	if !first.classes.Has(lexicon.First) || !last.classes.Has(lexicon.Surname) {
		return false
	}
	sure := func(w *word) bool { return !w.safe() || w.wellKnown() }
	if !sure(first) || !sure(last) && (comma || p.scanner.names == NamesListed && !first.classes.Has(lexicon.Frequent)) {
		return false
	}
	for k := 0; k <= d; k++ {
		p.set(i+k, Name, ruleNameListed)
	}
	return true
}

// listed finds a name that is in a list and nothing else.
func (p *pass) listed(i int) bool {
	w := p.at(i)
	if w.letters < 3 || w.safe() || !w.nameable() || w.classes.Has(lexicon.Nation) || p.eponym(i) {
		return false
	}
	sure := w.classes.Has(lexicon.First) && w.letters > 3 || w.classes.Has(lexicon.Frequent)
	if !sure && (w.form == formUpper || w.letters < 5) {
		return false
	}
	if w.form == formUpper && !w.classes.Has(lexicon.Frequent) && (w.letters < 5 || p.scanner.names == NamesListed) {
		return false
	}
	p.set(i, Name, ruleNameListed)
	return true
}

// unlisted finds a capitalised word that is in no list of words, or stands where
// only a name is capitalised.
func (p *pass) unlisted(i int) {
	w := p.at(i)
	if w.letters < 2 || w.classes.Has(lexicon.Medical) || medicalEnding(p.text[w.start:w.end]) || p.eponym(i) {
		return
	}
	prev, next := p.word(i, -1), p.word(i, 1)
	if w.safe() && !p.raised(i) {
		return
	}
	if w.form == formUpper && w.letters < 5 && !w.nameable() && !(prev.form == formUpper && p.beside(i)) &&
		!(next.form == formUpper && p.beside(i+1)) {
		return
	}
	switch {
	case p.located(i):
		p.set(i, Place, rulePlaceContext)
	case p.organised(i):
		p.set(i, Org, ruleOrgContext)
	default:
		p.set(i, Name, ruleNameUnlisted)
	}
}

// raised reports whether the i-th word, which is safe, is capitalised among words
// in lower case, where only its being a name explains that.
func (p *pass) raised(i int) bool {
	if !p.raisable(i) {
		return false
	}
	w, next := p.at(i), p.word(i, 1)
	if next.capital() && next.gap == gapSpace {
		return p.organised(i)
	}
	if p.located(i) && monthOf(p.text[w.start:w.end]) != 0 {
		return false // "in June"
	}
	return w.wellKnown() || p.organised(i) || !w.classes.Has(lexicon.Basic|lexicon.Occupation) && w.classes.Has(lexicon.Common) && w.nameable()
}

// raisable reports whether the i-th word is capitalised behind a word in lower case,
// with nothing but a space or a comma between.
func (p *pass) raisable(i int) bool {
	w := p.at(i)
	return w.form == formTitle && w.gap&^(gapSpace|gapComma|gapContract) == 0 && w.gap&gapSpace != 0 &&
		(p.word(i, -1).form == formLower || w.gap&gapContract != 0)
}

// medicalEndings are endings of terms of medicine and of the names of drugs that
// names of people and places do not have.
var medicalEndings = [...]string{
	"itis", "osis", "emia", "tomy", "pathy", "scopy", "logy", "algia", "uria", "noma", "plasty", "plegia", "pnea",
	"umab", "imab", "omab", "tinib", "ciclib", "olol", "pril", "sartan", "statin", "gliptin", "gliflozin", "glutide", "prazole", "conazole",
	"idazole", "cillin", "mycin", "floxacin", "cycline", "ciclovir", "tegravir", "navir", "buvir", "triptan", "setron", "azepam", "zolam",
	"tidine", "lukast", "parin", "xaban", "grelor", "solone",
}

// medicalEnds has a bit for the last letter of each of them, by the last but one.
var medicalEnds = buildMedicalEnds()

func buildMedicalEnds() (t [32]uint32) {
	for _, e := range medicalEndings {
		t[e[len(e)-2]&31] |= 1 << (e[len(e)-1] & 31)
	}
	return t
}

// medicalEnding reports whether a word ends in one of them.
func medicalEnding(w []byte) bool {
	if len(w) < 6 || medicalEnds[w[len(w)-2]&31]>>(w[len(w)-1]&31)&1 == 0 {
		return false
	}
	for _, e := range medicalEndings {
		if len(w) > len(e)+1 && equalFold(w[len(w)-len(e):], e) {
			return true
		}
	}
	return false
}
