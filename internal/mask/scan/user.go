// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package scan

import (
	"regexp"
	"regexp/syntax"
	"strings"
)

// Bounds of the site's own rules.
const (
	maxUserRules = 64
	maxPattern   = 1024
)

// userRule is a site's rule, ready to run.
type userRule struct {
	name    string
	entity  Entity
	literal []byte // in lower case
	re      *regexp.Regexp
	context []string // in lower case
}

// compileRule checks and compiles a rule.
func compileRule(r UserRule) (userRule, error) {
	var u userRule
	switch {
	case r.Name == "" || len(r.Name) > 64:
		return u, invalid("a rule of the site has no name, or one of more than 64 bytes").WithHint("give each rule a short name")
	case r.Entity == None || r.Entity >= entityCount:
		return u, invalid("rule " + r.Name + " says no entity").WithHint("use a name such as MRN or ID")
	case len(r.Pattern) > maxPattern:
		return u, invalid("rule " + r.Name + " has a pattern of more than 1024 bytes").WithHint("split it into several rules")
	case len(r.Prefilter) < 2 || !isASCII(r.Prefilter):
		return u, invalid("rule " + r.Name + " has no prefilter").WithHint("give a literal of at least two ASCII characters that is in every match")
	}
	tree, err := syntax.Parse(r.Pattern, syntax.Perl)
	if err != nil {
		return u, invalid("rule " + r.Name + " has a pattern that does not compile").WithHint("use the syntax of RE2").Because(err)
	}
	literal := strings.ToLower(r.Prefilter)
	if anchored(tree) {
		return u, invalid("rule " + r.Name + " ties its pattern to the beginning or the end of the text").WithHint("use \\b: a text may be scanned in pieces")
	}
	if !requires(tree, literal) {
		return u, invalid("rule " + r.Name + ": nothing shows that the prefilter is in every match").WithHint("write the prefilter into the pattern as one literal, outside of optional parts")
	}
	re, err := regexp.Compile(r.Pattern)
	if err != nil {
		return u, invalid("rule " + r.Name + " has a pattern that does not compile").WithHint("use the syntax of RE2").Because(err)
	}
	u = userRule{name: "user." + r.Name, entity: r.Entity, literal: []byte(literal), re: re}
	for _, w := range r.Context {
		if w == "" || len(w) > 64 {
			return u, invalid("rule " + r.Name + " has an empty or overlong context word").WithHint("leave it out")
		}
		u.context = append(u.context, strings.ToLower(w))
	}
	return u, nil
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}

// anchored reports whether an expression asks where the text or a line begins or
// ends.
func anchored(re *syntax.Regexp) bool {
	switch re.Op {
	case syntax.OpBeginLine, syntax.OpEndLine, syntax.OpBeginText, syntax.OpEndText:
		return true
	}
	for _, sub := range re.Sub {
		if anchored(sub) {
			return true
		}
	}
	return false
}

// requires reports whether literal, in lower case, is certain to be in every
// match of an expression.
func requires(re *syntax.Regexp, literal string) bool {
	switch re.Op {
	case syntax.OpLiteral:
		return strings.Contains(strings.ToLower(string(re.Rune)), literal)
	case syntax.OpCapture, syntax.OpPlus:
		return requires(re.Sub[0], literal)
	case syntax.OpRepeat:
		return re.Min > 0 && requires(re.Sub[0], literal)
	case syntax.OpConcat:
		for _, sub := range re.Sub {
			if requires(sub, literal) {
				return true
			}
		}
	case syntax.OpAlternate:
		for _, sub := range re.Sub {
			if !requires(sub, literal) {
				return false
			}
		}
		return len(re.Sub) > 0
	}
	return false
}

// userRules appends what the site's rules find, in order and without overlap: of
// two that overlap the one that begins first stays, and of those the longer.
func (s *Scanner) userRules(dst []Span, text []byte) []Span {
	base := len(dst)
	for n := range s.user {
		u := &s.user[n]
		for i := indexFold(text, u.literal, 0); i >= 0; {
			span, ok := u.around(text, i)
			next := i + 1
			if ok && !s.ignore.Has(u.entity) {
				span.Rule = firstUserRule + Rule(n)
				dst = insert(dst, base, span)
				next = max(next, span.End)
			}
			i = indexFold(text, u.literal, next)
		}
	}
	return dst
}

// around finds the match that holds the prefilter at i, in a window of [Left]
// and [Right] bytes around it.
func (u *userRule) around(text []byte, i int) (Span, bool) {
	low, high := max(0, i-Left), min(len(text), i+Right)
	for from := low; from <= i; {
		m := u.re.FindIndex(text[from:high])
		if m == nil || from+m[0] > i {
			return Span{}, false
		}
		start, end := from+m[0], from+m[1]
		if start <= i && end >= i+len(u.literal) {
			return Span{Start: start, End: end, Entity: u.entity}, u.told(text, start)
		}
		from = max(end, from+1)
	}
	return Span{}, false
}

// told reports whether one of the rule's context words stands before start.
func (u *userRule) told(text []byte, start int) bool {
	if len(u.context) == 0 {
		return true
	}
	low := max(0, start-Left)
	left := text[low:start]
	for _, w := range u.context {
		for i := indexFold(left, []byte(w), 0); i >= 0; i = indexFold(left, []byte(w), i+1) {
			if !isWord(at(left, i-1)) && !isWord(at(left, i+len(w))) {
				return true
			}
		}
	}
	return false
}

// indexFold returns where w, in lower case, occurs in text[i:] in any case, or
// -1.
func indexFold(text, w []byte, i int) int {
	first := w[0]
	for ; i+len(w) <= len(text); i++ {
		if lower(text[i]) != first {
			continue
		}
		k := 1
		for k < len(w) && lower(text[i+k]) == w[k] {
			k++
		}
		if k == len(w) {
			return i
		}
	}
	return -1
}

func lower(c byte) byte {
	if isUpper(c) {
		return c | 0x20
	}
	return c
}

// insert puts s into dst[base:], which is in order, unless one that begins
// before it overlaps it; those that it overlaps itself make room.
func insert(dst []Span, base int, s Span) []Span {
	k := len(dst)
	for k > base && (dst[k-1].Start > s.Start || dst[k-1].Start == s.Start && dst[k-1].End < s.End) {
		k--
	}
	if k > base && dst[k-1].End > s.Start {
		return dst
	}
	h := k
	for h < len(dst) && dst[h].Start < s.End {
		h++
	}
	if h == k {
		dst = append(dst, Span{})
		copy(dst[k+1:], dst[k:])
	} else {
		dst = append(dst[:k+1], dst[h:]...)
	}
	dst[k] = s
	return dst
}
