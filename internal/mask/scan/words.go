// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package scan

import "github.com/sallyport-dev/sallyport/internal/mask/scan/lexicon"

const (
	// window is how many words the pass holds at once.
	window = 32
	// ahead and behind are how many words a word looks at on each side; lag is
	// how far judging must be ahead of joining.
	ahead  = 8
	behind = 5
	lag    = 3
	// spare is how many more words the pass reads before it looks at those that are due.
	spare = 8
	// nearLeft and nearRight bound the same in bytes. A word can be joined to one
	// nearLeft before it, which was found with one nearRight before that, which
	// looked at another nearLeft before: together no more than Left.
	nearLeft  = 32
	nearRight = 62
	// never is the index of a word that there is not.
	never = 1<<63 - 1
)

// none stands for a word outside of the text.
var none = word{form: formCode, gap: gapLine | gapStop}

// pass is one run of the word pass. It holds a window of words that moves over
// the text: first a word is judged by its neighbours as they are written (found),
// then beside those that were found (joined). No judgement rests on a joined
// one, so that all of them are local. Only words that are awake are judged, and only
// those near a found one are joined: of all others it is certain that nothing is found
// (words_wake.go).
type pass struct {
	scanner    *Scanner
	known      *Known
	text       []byte
	words      *[window]word // the n-th at n%window
	pos        int           // where the last word that was read ends
	n          int           // words read
	ended      bool
	block      int    // where the block begins that skim looks at,
	letters    uint64 // which of its bytes are letters of words to come,
	ascii      bool   // and whether all of it is ASCII
	introduces bool   // the last word can introduce a name
	awake      uint64 // a bit for each word in the window that is to be judged
	first      int    // of those, the first; or never
	due        int    // how many words are read until some are looked at
	joined     int    // words that are joined, or that nothing can join
	newest     int    // the last word that was found, or less than all
	org        int    // the last word that can end an organisation's name
	head       int    // the last word that can begin a place's name of several words
	alone      int    // the last word that can begin an occupation
	upper      int    // the last word in capitals
}

// words appends what the word pass finds in the whole text: names, titles,
// places, organisations.
func (s *Scanner) words(dst []Span, text []byte, known *Known) []Span {
	var words [window]word
	p := pass{scanner: s, known: known, text: text, words: &words}
	p.reset()
	base := len(dst)
	for !p.ended {
		p.read()
		dst = p.decide(dst, base)
	}
	return dst
}

// reset makes a pass that has read nothing.
func (p *pass) reset() {
	p.block, p.first, p.due = -block, never, never
	p.newest, p.org, p.head, p.alone, p.upper = -window, -window, -window, -window, -window
}

// decide judges and joins the words that enough others have been read behind, and says
// how many are to be read until there is more to do.
func (p *pass) decide(dst []Span, base int) []Span {
	last, joined := p.n-ahead, p.n-ahead-lag
	if p.ended {
		last, joined = p.n, p.n
	}
	p.judgeAwake(last)
	for ; p.joined < joined && p.joined <= p.newest+behind; p.joined++ {
		if p.mayJoin(p.joined) {
			p.join(p.joined)
		}
		dst = p.emit(dst, base, p.joined)
	}
	p.due = never
	if p.first < never {
		p.due = p.first + ahead + spare
	}
	if p.joined <= p.newest+behind {
		p.due = min(p.due, p.joined+ahead+lag+spare)
	}
	return dst
}

// wake has the words from the i-th to the j-th judged, of which none has been passed by
// judgeAwake.
func (p *pass) wake(i, j int) {
	i = max(i, 0)
	p.first = min(p.first, i)
	p.due = min(p.due, p.first+ahead+spare)
	for ; i <= j; i++ {
		p.awake |= 1 << (uint(i) % window)
	}
}

// judgeAwake judges the words before the last-th that are awake.
func (p *pass) judgeAwake(last int) {
	for p.first < last {
		i := p.first
		if p.joined > p.newest+behind { // nothing is found near the words between
			p.joined = max(p.joined, i-behind)
		}
		p.awake &^= 1 << (uint(i) % window)
		p.judge(i)
		for i++; p.awake != 0 && p.awake>>(uint(i)%window)&1 == 0; i++ {
		}
		if p.first = i; p.awake == 0 {
			p.first = never
		}
	}
}

// at returns the i-th word, which is in the window.
func (p *pass) at(i int) *word {
	w := &p.words[uint(i)%window]
	if w.form == formUnread {
		p.complete(i)
	}
	return w
}

// word returns the word d words after the i-th, or none when it is not near.
func (p *pass) word(i, d int) *word {
	j := i + d
	if j < 0 || j >= p.n {
		return &none
	}
	w, from := p.at(j), p.words[uint(i)%window].start
	if d < 0 && from-w.start > nearLeft || d > 0 && w.end-from > nearRight {
		return &none
	}
	return w
}

// set makes the i-th word a finding, unless a word before it made it one. What
// is found at a word never depends on what was found before, or a judgement
// could rest on words that are arbitrarily far away.
func (p *pass) set(i int, e Entity, r Rule) {
	if w := &p.words[uint(i)%window]; w.found == None {
		w.found, w.rule = e, r
		p.newest = max(p.newest, i)
	}
}

// emit appends the i-th word's span, or lengthens the last one by it.
func (p *pass) emit(dst []Span, base, i int) []Span {
	w := &p.words[uint(i)%window]
	e, r := w.found, w.rule
	if e == None && w.joined {
		e, r = Name, ruleNameBeside
	}
	if e == None || p.scanner.ignore.Has(e) {
		return dst
	}
	end := w.end
	if at(p.text, end) == '.' && (e == Title && w.letters <= 4 || e == Name && w.letters == 1) {
		end++
	}
	if n := len(dst); n > base && i > 0 && dst[n-1].Entity == e && w.start-dst[n-1].End <= 3 && p.together(i) {
		dst[n-1].End = end
		return dst
	}
	return append(dst, Span{Start: w.start, End: end, Entity: e, Rule: r})
}

// together reports whether the i-th word and the one before it belong to one
// finding.
func (p *pass) together(i int) bool {
	prev, w := p.word(i, -1), p.at(i)
	switch {
	case prev.found == None && !prev.joined:
		return false
	case w.rule == ruleOccupation || w.rule == ruleOrgFirm:
		return prev.rule == w.rule && w.gap&gapLine == 0
	case w.found == Title:
		return false
	}
	if w.gap&^(gapSpace|gapHyphen|gapAnd) == 0 {
		return true
	}
	return w.gap&^(gapSpace|gapPeriod) == 0 && prev.letters == 1
}

// capital reports whether the word begins with a capital letter.
func (w *word) capital() bool { return w.form == formTitle || w.form == formUpper }

const (
	safeWords = lexicon.Common | lexicon.Basic | lexicon.Medical | lexicon.Cue | lexicon.Title | lexicon.Weekday |
		lexicon.Eponymous | lexicon.Occupation | lexicon.Org
	nameWords = lexicon.First | lexicon.Surname
)

// safe reports whether the word is known to be a word that is no name, which
// does not say that it is none here.
func (w *word) safe() bool { return w.classes.Has(safeWords) }

// nameable reports whether the word is in a list of names.
func (w *word) nameable() bool { return w.classes.Has(nameWords) }

// wellKnown reports whether the word is rather a name than anything else.
func (w *word) wellKnown() bool {
	return w.nameable() && w.classes.Has(lexicon.Frequent) && !w.classes.Has(lexicon.Medical)
}

// opens reports whether the i-th word begins a sentence or a line, where a
// capital letter says nothing.
func (p *pass) opens(i int) bool {
	w := p.at(i)
	if w.gap&(gapLine|gapStop|gapColon|gapQuote|gapDigit|gapOther) != 0 {
		return true
	}
	if w.gap&gapPeriod == 0 {
		return false
	}
	prev := p.word(i, -1)
	return prev.letters > 1 && !prev.classes.Has(lexicon.Title)
}

// beside reports whether only spaces, a hyphen, or the period of an initial or a
// title stand before the i-th word.
func (p *pass) beside(i int) bool {
	w := p.at(i)
	if w.gap&^(gapSpace|gapHyphen) == 0 {
		return true
	}
	prev := p.word(i, -1)
	return w.gap&^(gapSpace|gapPeriod) == 0 && (prev.letters == 1 || prev.classes.Has(lexicon.Title))
}
