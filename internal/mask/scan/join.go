// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package scan

import (
	"strings"

	"github.com/sallyport-dev/sallyport/internal/mask/scan/lexicon"
)

// particles has a bit for the second letter of particles, by the first; or for 0 where
// there is no second one. Whether a word is a particle the lexicon says.
var particles = buildParticles()

// maxParticle is the length in bytes of the longest particle.
const maxParticle = 5

func buildParticles() (t [32]uint32) {
	for _, s := range strings.Fields("ab af al av ba be bi da de di do du e el he i ib la le op st te va vo y zu") {
		second := byte(0)
		if len(s) > 1 {
			second = s[1] & foldMask
		}
		t[s[0]&foldMask] |= 1 << second
	}
	return t
}

// perhapsParticle reports whether a word of ASCII letters may be a particle.
func perhapsParticle(word []byte) bool {
	second := byte(0)
	if len(word) > 1 {
		second = word[1] & foldMask
	}
	return len(word) <= maxParticle && particles[word[0]&foldMask]>>second&1 != 0
}

// mayJoin reports whether join has to be asked about the i-th word. One in lower case
// joins a name that ends right before it, or is a particle.
func (p *pass) mayJoin(i int) bool {
	w := &p.words[uint(i)%window]
	switch w.form {
	case formCode:
		return false
	case formLower:
		if w.classes.Has(lexicon.Particle) {
			return true
		}
	case formUnread:
		if word := p.text[w.start:w.end]; isUpper(word[0]) || perhapsParticle(word) {
			return true
		}
	default:
		return true
	}
	return i > 0 && p.words[uint(i-1)%window].found != None
}

// join decides whether the i-th word belongs to a name beside it.
func (p *pass) join(i int) {
	w := p.at(i)
	if w.found != None || w.form == formCode || p.scanner.names == NamesOff {
		return
	}
	prev, next := p.word(i, -1), p.word(i, 1)
	before := (prev.found == Name || prev.rule == ruleOrgContext) && p.beside(i)
	after := next.found == Name && p.beside(i+1)
	joins := false
	switch {
	case before && w.gap == gapHyphen && w.form == formLower: // "Hauta-aho"
		joins = !w.safe() || w.nameable() && !w.classes.Has(lexicon.Common)
	case w.letters == 1 && w.capital():
		joins = !p.is(w, "i") && (after || before && w.gap == gapSpace) || before && after
	case w.classes.Has(lexicon.Particle) && (w.form == formLower || w.letters < 4):
		joins = p.bridged(i) && p.bridges(i) || after && w.form == formLower && !w.safe() ||
			p.followed(i) && (next.found != Name || p.beside(i) && prev.classes.Has(lexicon.Particle))
	case !w.capital():
		joins = before && prev.form == formLower && p.scanner.names == NamesUnlisted && !w.safe() && w.letters > 2
	case w.classes.Has(lexicon.Medical):
	case before:
		joins = (w.nameable() || !w.safe() || p.scanner.names == NamesUnlisted) && w.letters > 1 && next.gap&gapColon == 0 &&
			!w.classes.Has(lexicon.Occupation|lexicon.Weekday)
	case p.bridged(i), p.trails(i):
		joins = true
	case !after && p.followed(i):
		joins = w.classes.Has(lexicon.First) || !w.safe()
	case after:
		joins = !w.classes.Has(lexicon.Cue) && w.classes.Has(lexicon.First) && (!w.classes.Has(lexicon.Basic) || w.wellKnown()) ||
			w.nameable() && !p.opens(i) && !w.classes.Has(lexicon.Basic)
	}
	if joins {
		w.joined = true
	}
}

// maxBridge bounds the initials and particles between two parts of a name, as in
// "van der".
const maxBridge = 3

// bridge reports whether a word is an initial or a particle.
func (w *word) bridge() bool {
	return w.letters == 1 && w.capital() || w.classes.Has(lexicon.Particle)
}

// bridged reports whether a name stands before the i-th word, with nothing but
// initials and particles between.
func (p *pass) bridged(i int) bool {
	for d := 1; d <= maxBridge+1; d++ {
		if p.word(i, -d).form == formCode || !p.beside(i-d+1) {
			return false
		}
		if w := p.word(i, -d); w.found == Name {
			return true
		} else if !w.bridge() {
			return false
		}
	}
	return false
}

// trails reports whether the i-th word follows, in capitalised words, on one that
// is in no list: "Xyltharn Public Data Explorer".
func (p *pass) trails(i int) bool {
	if p.scanner.names != NamesUnlisted || p.at(i).form != formTitle {
		return false
	}
	for d := 1; d <= maxBridge; d++ {
		w := p.word(i, -d)
		if w.form != formTitle || p.word(i, 1-d).gap != gapSpace {
			return false
		}
		if w.rule == ruleNameUnlisted || w.rule == ruleOrgContext {
			return true
		}
	}
	return false
}

// followed reports whether a found name stands behind the i-th word, with nothing
// but initials and particles between.
func (p *pass) followed(i int) bool {
	for d := 1; d <= maxBridge; d++ {
		w := p.word(i, d)
		if w.form == formCode || !p.beside(i+d) {
			return false
		}
		if w.found == Name {
			return true
		}
		if !w.bridge() {
			return false
		}
	}
	return false
}

// bridges reports whether a capitalised word stands behind the i-th, with
// nothing but particles between.
func (p *pass) bridges(i int) bool {
	for d := 1; d <= maxBridge; d++ {
		w := p.word(i, d)
		if w.form == formCode || !p.beside(i+d) {
			return false
		}
		if w.capital() {
			return true
		}
		if !w.bridge() {
			return false
		}
	}
	return false
}
