// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

// Package scan finds identifiers in text where no column says that there are
// any: in notes, in values of JSON, in a terminal's output.
//
// A [Scanner] makes one pass over the bytes that looks for anchors (a digit, an
// "@", a ":"), and hands what stands there to exact validators; there is no
// regular expression on that path. Names need a second pass over words, which
// [Options] turns on.
//
// A number is what form, check digit or context make of it. Numbers that prove
// themselves (a card, a record number of the site, a dashed Social Security number)
// are found anywhere; of those that do not, the words before and behind decide, and
// a word such as "order" or "LOINC" decides against. One file holds one family:
// phone.go, date.go, ident.go, postal.go, net.go, year.go; digits.go gives a number
// to them in order, plain.go passes over the many that are none, and canonical.go takes
// the few forms that most of the others have. vocabulary.go holds the words.
//
// A URL is found as far as its first 480 bytes; what follows is looked at as text.
//
// What a scanner decides about a place depends on at most [Left] bytes before it
// and [Right] bytes after it, so that a stream can be scanned in pieces with the
// same result.
package scan

import (
	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/mask/scan/lexicon"
)

// Left and Right bound, in bytes, what a decision about a place can depend on.
const (
	Left  = 128
	Right = 512
)

// Span is a finding: text[Start:End] is an Entity, found by Rule.
type Span struct {
	Start, End int // bytes
	Entity     Entity
	Rule       Rule
}

// Rule says why something was found; [Scanner.Rule] returns its name.
type Rule uint16

// NameMode says how names of people are looked for.
type NameMode uint8

// The modes of looking for names.
const (
	// NamesOff looks for no names, but for the known ones of the same row.
	NamesOff NameMode = iota
	// NamesListed finds names that dictionary, title or context give away.
	NamesListed
	// NamesUnlisted, the safe-list mode, takes every capitalised word for a name
	// that is not known to be none.
	NamesUnlisted
)

// Options says what a scanner looks for.
type Options struct {
	Names NameMode
	// Lexicon is needed by every mode but NamesOff.
	Lexicon *lexicon.Lexicon
	// Ignore are entities that are not looked for.
	Ignore Set
	// MRN are the site's patterns of record numbers: "#" stands for a digit, "@"
	// for a letter, "*" for one or more digits at the end, anything else for
	// itself.
	MRN []string
	// Rules are the site's own.
	Rules []UserRule
	// DayFirst reads 3/4/2001 as the third of April, for the check of what is a
	// date at all.
	DayFirst bool
}

// UserRule is a site's own rule. The expression runs only on values in which
// Prefilter occurs, so that values of which it says nothing cost nothing.
type UserRule struct {
	Name      string // as in findings: "user.NAME"
	Entity    Entity
	Prefilter string // a literal that is in every match; at least two bytes, compared without case
	Pattern   string // RE2
	// Context words, when given, one of which must stand within [Left] bytes
	// before the match.
	Context []string
}

// Scanner finds identifiers. It does not change and is safe for concurrent use.
type Scanner struct {
	names   NameMode
	lexicon *lexicon.Lexicon
	ignore  Set
	mrn     []recordPattern
	user    []userRule

	dayFirst bool
	more     bool            // there is more to look for than what patterns find
	rousing  *lexicon.Filter // words that the word pass does not pass over; nil without names
}

// New makes a scanner. Errors have Kind Invalid and say what to change.
func New(o Options) (*Scanner, error) {
	if o.Names > NamesUnlisted {
		return nil, invalid("there is no such mode of looking for names").WithHint("use off, listed or unlisted")
	}
	if o.Names != NamesOff && o.Lexicon == nil {
		return nil, invalid("looking for names needs a lexicon").WithHint("load the lexicon, or set names to off")
	}
	s := &Scanner{names: o.Names, lexicon: o.Lexicon, ignore: o.Ignore, dayFirst: o.DayFirst}
	for _, p := range o.MRN {
		r, err := parseRecordPattern(p)
		if err != nil {
			return nil, err
		}
		s.mrn = append(s.mrn, r)
	}
	for _, r := range o.Rules {
		u, err := compileRule(r)
		if err != nil {
			return nil, err
		}
		s.user = append(s.user, u)
	}
	s.more = len(s.user) > 0 || s.names != NamesOff
	if s.names != NamesOff {
		s.rousing = rousingWords(s.lexicon)
	}
	return s, nil
}

func invalid(msg string) *sallyport.Error { return sallyport.E(sallyport.Invalid, "scanner", msg) }

// Scan appends the findings in text to dst, in order and without overlap, and
// returns the result. known may be nil. Bytes that are not UTF-8 are never part
// of a word. It allocates nothing when dst has room, but for a text with
// characters that look like others or like nothing.
func (s *Scanner) Scan(dst []Span, text []byte, known *Known) []Span {
	base := len(dst)
	i, seen := s.idle(text, 0, 0, 0)
	if i < len(text) {
		dst, seen = s.patterns(dst, text, i, seen)
	}
	if seen&highs == 0 && !s.more && known.Empty() {
		return dst
	}
	return s.beyond(dst, base, text, seen, known)
}

// beyond goes on with what patterns found from base on where there may be more to
// find.
func (s *Scanner) beyond(dst []Span, base int, text []byte, seen uint64, known *Known) []Span {
	if seen&highs != 0 {
		if l, ok := likenessOf(text); ok {
			return s.looked(dst[:base], l, known)
		}
	}
	if !s.more && known.Empty() {
		return dst
	}
	return s.rest(dst, base, text, known)
}

// looked is Scan for a text that looks like another one.
func (s *Scanner) looked(dst []Span, l likeness, known *Known) []Span {
	base := len(dst)
	if i, seen := s.idle(l.text, 0, 0, 0); i < len(l.text) {
		dst, _ = s.patterns(dst, l.text, i, seen)
	}
	dst = s.rest(dst, base, l.text, known)
	l.back(dst[base:])
	return dst
}

// rest adds what rules of the site's own and words give away to what patterns
// found from base on.
func (s *Scanner) rest(dst []Span, base int, text []byte, known *Known) []Span {
	if len(s.user) > 0 {
		mid := len(dst)
		if dst = s.userRules(dst, text); len(dst) > mid {
			dst = settle(dst, base, mid, text)
		}
	}
	if s.names != NamesOff || !known.Empty() {
		mid := len(dst)
		if dst = s.words(dst, text, known); len(dst) > mid {
			dst = settle(dst, base, mid, text)
		}
	}
	return dst
}
