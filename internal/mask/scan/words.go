// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package scan

import "github.com/sallyport-dev/sallyport/internal/mask/scan/lexicon"

const (
	// batch is how many words the pass holds at once.
	batch = 32
	// ahead and behind are how many words a word looks at on each side; lag is
	// how far judging must be ahead of joining.
	ahead  = 8
	behind = 5
	lag    = 3
	// nearLeft and nearRight bound the same in bytes. A word can be joined to one
	// nearLeft before it, which was found with one nearRight before that, which
	// looked at another nearLeft before: together no more than Left.
	nearLeft  = 32
	nearRight = 62
)

// none stands for a word outside of the text.
var none = word{form: formCode, gap: gapLine | gapStop}

// pass is one run of the word pass. It holds a window of words that moves over
// the text: first a word is judged by its neighbours as they are written (found),
// then beside those that were found (joined). No judgement rests on a joined
// one, so that all of them are local.
type pass struct {
	scanner *Scanner
	known   *Known
	text    []byte
	tokens  tokenizer
	words   [batch]word
	n       int
	ended   bool
	newest  int // index of the last word that was found, or less than all
	org     int // index of the last word that can end an organisation's name
}

// words appends what the word pass finds in the whole text: names, titles,
// places, organisations.
func (s *Scanner) words(dst []Span, text []byte, known *Known) []Span {
	p := pass{scanner: s, known: known, text: text, tokens: tokenizer{text: text}, newest: -batch, org: -batch}
	base := len(dst)
	judged, begin := 0, 0
	for !p.ended || begin < p.n {
		p.fill()
		last, joined := p.n-ahead, p.n-ahead-lag
		if p.ended {
			last, joined = p.n, p.n
		}
		for ; judged < last; judged++ {
			p.judge(judged)
		}
		for ; begin < joined; begin++ {
			if p.newest >= begin-behind {
				p.join(begin)
				dst = p.emit(dst, base, begin)
			}
		}
		if !p.ended {
			drop := begin - behind
			copy(p.words[:], p.words[drop:p.n])
			p.n, judged, begin, p.newest = p.n-drop, judged-drop, begin-drop, p.newest-drop
			p.org -= drop
		}
	}
	return dst
}

// fill reads words until the window is full or the text ends.
func (p *pass) fill() {
	for p.n < batch {
		w := &p.words[p.n]
		if !p.tokens.next(w) {
			p.ended = true
			return
		}
		if w.form != formCode && p.scanner.lexicon != nil {
			w.classes = p.scanner.lexicon.Lookup(w.sum)
			if w.wide {
				w.classes &^= lexicon.Common | lexicon.Basic | lexicon.Medical // "Åsa" is not "ASA"
			}
			if w.classes.Has(lexicon.Org) {
				p.org = p.n
			}
		}
		p.n++
	}
}

// word returns the word d words after the i-th, or none when it is not near.
func (p *pass) word(i, d int) *word {
	j := i + d
	if j < 0 || j >= p.n {
		return &none
	}
	w := &p.words[j]
	if d < 0 && p.words[i].start-w.start > nearLeft || d > 0 && w.end-p.words[i].start > nearRight {
		return &none
	}
	return w
}

// set makes the i-th word a finding, unless a word before it made it one. What
// is found at a word never depends on what was found before, or a judgement
// could rest on words that are arbitrarily far away.
func (p *pass) set(i int, e Entity, r Rule) {
	if w := &p.words[i]; w.found == None {
		w.found, w.rule = e, r
		p.newest = max(p.newest, i)
	}
}

// emit appends the i-th word's span, or lengthens the last one by it.
func (p *pass) emit(dst []Span, base, i int) []Span {
	w := &p.words[i]
	e, r := w.found, w.rule
	if e == None {
		e, r = w.joined, w.by
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
	prev, w := p.word(i, -1), &p.words[i]
	switch {
	case prev.found == None && prev.joined == None:
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
	w := &p.words[i]
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
	w := &p.words[i]
	if w.gap&^(gapSpace|gapHyphen) == 0 {
		return true
	}
	prev := p.word(i, -1)
	return w.gap&^(gapSpace|gapPeriod) == 0 && (prev.letters == 1 || prev.classes.Has(lexicon.Title))
}
