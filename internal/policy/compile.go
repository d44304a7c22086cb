// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/cedar-policy/cedar-go"
	xast "github.com/cedar-policy/cedar-go/x/exp/ast"
	sallyport "github.com/sallyport-dev/sallyport"
)

// File is one policy file. Name is how diagnostics, default rule ids and the
// digest call it; give it relative to the policies' folder.
type File struct {
	Name string
	Text string
}

// Set is a compiled set of policies. It is immutable and safe for concurrent
// use; the nil *Set denies everything.
type Set struct {
	text   string
	digest sallyport.PolicyDigest
	rules  []*rule
	byID   map[cedar.PolicyID]*rule
	index  index
	needs  need // what any condition looks at
}

// scans reports whether some policy permits somebody to have an object scanned.
func (s *Set) scans(o *entity) bool {
	return slices.ContainsFunc(s.rules, func(r *rule) bool {
		return !r.forbid && r.actions.has(actionReadScanned) && r.resource.matches(o.uid, o.ancestors)
	})
}

// Compile parses and checks all files. It returns every problem it finds, in
// the order of file and line; when one of them is an error, the set is nil (and
// so denies everything). The order of files does not matter.
func Compile(files []File) (*Set, Diagnostics) {
	c := compiler{ids: map[sallyport.RuleID]string{}}
	files = slices.Clone(files)
	slices.SortStableFunc(files, func(a, b File) int { return strings.Compare(a.Name, b.Name) })
	for i, f := range files {
		if i > 0 && files[i-1].Name == f.Name {
			c.report(f.Name, 0, 0, SeverityError, "", "a file of this name is given twice")
			continue
		}
		c.file(f)
	}
	if len(c.rules) == 0 && !c.failed {
		c.report("policies", 0, 0, SeverityWarning, "", "no policy is loaded, so everything is denied")
	}
	if len(c.rules) > maxPolicies {
		c.report("policies", 0, 0, SeverityError, "", fmt.Sprintf("%d policies are more than the limit of %d", len(c.rules), maxPolicies))
	}
	c.diags.sort()
	if c.failed {
		return nil, c.diags
	}
	return newSet(canonical(files), c.rules), c.diags
}

func newSet(text string, rules []*rule) *Set {
	sum := sha256.Sum256([]byte(text))
	s := &Set{
		text:   text,
		digest: sallyport.PolicyDigest(hex.EncodeToString(sum[:])),
		rules:  rules,
		byID:   make(map[cedar.PolicyID]*rule, len(rules)),
		index:  newIndex(rules),
	}
	for _, r := range rules {
		s.byID[cedar.PolicyID(r.id)] = r
		s.needs |= r.needs
	}
	return s
}

// canonical joins the files, each under a comment with its name and its length
// in bytes, so that two different lists of files never give the same text.
func canonical(files []File) string {
	var b strings.Builder
	for _, f := range files {
		fmt.Fprintf(&b, "// file: %s (%d bytes)\n%s\n", f.Name, len(f.Text), f.Text)
	}
	return b.String()
}

// Digest returns the SHA-256 of [Set.Text].
func (s *Set) Digest() sallyport.PolicyDigest {
	if s == nil {
		return ""
	}
	return s.digest
}

// Text returns the canonical text: every file in the order of names, exactly as
// it was given, each under a comment line with its name and length. It is itself
// a Cedar document.
func (s *Set) Text() string {
	if s == nil {
		return ""
	}
	return s.text
}

// Len returns the number of policies.
func (s *Set) Len() int {
	if s == nil {
		return 0
	}
	return len(s.rules)
}

// DependsOnTime reports whether a condition looks at the hour, the weekday or
// the time. When none does, a verdict stays true for as long as the rest of its
// query does, so a caller may keep it.
func (s *Set) DependsOnTime() bool { return s != nil && s.needs&needTime != 0 }

// compiler gathers rules and findings.
type compiler struct {
	rules  []*rule
	ids    map[sallyport.RuleID]string // where each was defined
	diags  Diagnostics
	failed bool
}

func (c *compiler) report(file string, line, column int, sev Severity, id sallyport.RuleID, msg string) {
	if sev == SeverityError {
		c.failed = true
	}
	c.diags = append(c.diags, Diagnostic{File: file, Line: line, Column: column, Severity: sev, Rule: string(id), Message: msg})
}

func (c *compiler) file(f File) {
	switch {
	case f.Name == "" || strings.ContainsFunc(f.Name, func(r rune) bool { return r < ' ' || r == 0x7f || r == utf8.RuneError }):
		c.report(strconv.Quote(f.Name), 0, 0, SeverityError, "", "the name of a policy file is empty or holds a control character")
		return
	case len(f.Text) > maxFile:
		c.report(f.Name, 0, 0, SeverityError, "", fmt.Sprintf("the file has %d bytes, more than the limit of %d", len(f.Text), maxFile))
		return
	case !utf8.ValidString(f.Text):
		c.report(f.Name, 1+strings.Count(f.Text[:invalidAt(f.Text)], "\n"), 0, SeverityError, "", "the text is not valid UTF-8")
		return
	}
	for i, seg := range split(f.Text) {
		c.policy(f.Name, i+1, seg)
	}
}

// invalidAt returns the offset of the first byte that is not UTF-8.
func invalidAt(s string) int {
	for i, r := range s {
		if r == utf8.RuneError {
			if _, n := utf8.DecodeRuneInString(s[i:]); n == 1 {
				return i
			}
		}
	}
	return len(s)
}

// policy compiles one segment, the ordinal-th of its file.
func (c *compiler) policy(file string, ordinal int, seg segment) {
	switch {
	case len(seg.text) > maxText:
		c.report(file, seg.line, seg.column, SeverityError, "", fmt.Sprintf("the policy has %d bytes, more than the limit of %d", len(seg.text), maxText))
		return
	case seg.nesting > maxNesting:
		c.report(file, seg.line, seg.column, SeverityError, "", fmt.Sprintf("the policy nests brackets deeper than %d", maxNesting))
		return
	case seg.dots > maxDots:
		c.report(file, seg.line, seg.column, SeverityError, "", fmt.Sprintf("the policy has more than %d attribute accesses", maxDots))
		return
	}
	list, err := cedar.NewPolicyListFromBytes(file, []byte(seg.text))
	if err != nil {
		line, column, msg := locate(err.Error(), seg)
		c.report(file, line, column, SeverityError, "", msg)
		return
	}
	if len(list) != 1 {
		// The splitter and Cedar's parser disagree; no policy may get lost by that.
		c.report(file, seg.line, seg.column, SeverityError, "", fmt.Sprintf("expected one policy before \";\", found %d", len(list)))
		return
	}
	r := &rule{file: file, line: seg.line, text: seg.text, policy: list[0], forbid: list[0].Effect() == cedar.Forbid}
	ast := (*xast.Policy)(list[0].AST())
	ck := checker{c: c, r: r, ast: ast, seg: seg}
	ck.check(ordinal)
	if where, dup := c.ids[r.id]; dup {
		ck.errorf("the id %q is already used at %s", r.id, where)
		return
	}
	c.ids[r.id] = fmt.Sprintf("%s:%d", file, seg.line)
	if len(ast.Conditions) > 0 {
		// Scopes are matched exactly by the index, so Cedar is given the
		// conditions alone.
		bare := *ast
		bare.Principal, bare.Action, bare.Resource = xast.ScopeTypeAll{}, xast.ScopeTypeAll{}, xast.ScopeTypeAll{}
		r.conditions = conditionsOnly(&bare)
	}
	c.rules = append(c.rules, r)
}

// locate turns a parser's message, whose position counts from the segment's
// start, into a position in the file and the message without it. Where there is
// no position it returns the segment's own.
func locate(msg string, seg segment) (line, column int, rest string) {
	const mark = "<input>:"
	at := strings.Index(msg, mark)
	if at < 0 {
		return seg.line, seg.column, "parse error: " + msg
	}
	tail := msg[at+len(mark):]
	l, tail, ok1 := cutInt(tail)
	col, tail, ok2 := cutInt(strings.TrimPrefix(tail, ":"))
	if !ok1 || !ok2 || l < 1 {
		return seg.line, seg.column, "parse error"
	}
	if l == 1 {
		col += seg.column - 1
	}
	tail = strings.TrimPrefix(strings.TrimSpace(tail), ": ")
	return seg.line + l - 1, col, "parse error: " + strings.TrimPrefix(tail, ":")
}

func cutInt(s string) (n int, rest string, ok bool) {
	end := 0
	for end < len(s) && s[end] >= '0' && s[end] <= '9' {
		end++
	}
	n, err := strconv.Atoi(s[:end])
	return n, s[end:], err == nil
}

// window parses an annotation's duration; "" gives the default.
func window(s string, preset time.Duration) (time.Duration, error) {
	if s == "" {
		return preset, nil
	}
	d, err := time.ParseDuration(s)
	if err != nil || d < time.Second {
		return 0, fmt.Errorf("%q is not a duration of at least 1s, such as \"15m\"", s)
	}
	return d, nil
}
