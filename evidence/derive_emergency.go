// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package evidence

import (
	"slices"
	"strings"

	sallyport "github.com/sallyport-dev/sallyport"
)

// There is no way around approval. What an operator calls emergency access is a
// grant like any other, under a rule that the policy marks with @breakglass, or
// asked for with those words.

// emergencyWord returns how a reason names an emergency, or "".
func emergencyWord(reason string) string {
	reason = strings.ToLower(reason)
	for _, word := range []string{"break-glass", "break glass", "breakglass", "emergency"} {
		if strings.Contains(reason, word) {
			return word
		}
	}
	return ""
}

// breakglassRules finds the rules of a policy's text that are annotated with
// @breakglass and have an @id.
func breakglassRules(text string) (rules []sallyport.RuleID) {
	id, marked := "", false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case strings.HasPrefix(text[i:], "//"):
			if end := strings.IndexByte(text[i:], '\n'); end >= 0 {
				i += end
			} else {
				i = len(text)
			}
		case c == '"':
			i = endOfString(text, i)
		case c == ';':
			if marked && id != "" {
				rules = append(rules, sallyport.RuleID(id))
			}
			id, marked = "", false
		case strings.HasPrefix(text[i:], "@breakglass"):
			marked = true
		case strings.HasPrefix(text[i:], `@id("`):
			end := endOfString(text, i+4)
			id = text[i+5 : max(i+5, end)]
			i = end
		}
	}
	return rules
}

// endOfString returns the place of the quote that ends the string that begins at
// i, or of the text's end.
func endOfString(text string, i int) int {
	for i++; i < len(text) && text[i] != '"'; i++ {
		if text[i] == '\\' {
			i++
		}
	}
	return min(i, len(text))
}

// writeEmergency writes the grants that are marked as emergency access, and who
// approved what.
func (d *Deriver) writeEmergency() error {
	marked := map[sallyport.PolicyDigest][]sallyport.RuleID{}
	w := d.tables[tableEmergency]
	for _, id := range sortedBy(d.grants, func(g *grantState) uint64 { return g.index }) {
		g := d.grants[id]
		r := d.requests[g.body.Request]
		if r == nil {
			continue
		}
		if _, known := marked[r.body.Policy]; !known {
			marked[r.body.Policy] = breakglassRules(d.policies.text(r.body.Policy))
		}
		by := emergencyWord(r.body.Reason)
		if by != "" {
			by = "reason: " + by
		}
		for _, rule := range r.body.Rules {
			if slices.Contains(marked[r.body.Policy], rule) {
				by = "rule: " + string(rule)
			}
		}
		if by == "" {
			continue
		}
		var decision Decision
		if r.decision != nil {
			decision = *r.decision
		}
		b := g.body
		w.text(string(b.ID)).text(string(b.Request)).text(string(b.Principal)).text(string(b.Resource)).text(string(b.Role)).
			text(by).text(r.body.Reason).time(b.NotBefore).time(b.NotAfter).text(g.state).time(g.ended).
			text(string(decision.Approver)).time(r.decided).text(decision.Rationale)
		if err := w.number(g.index).end(); err != nil {
			return err
		}
	}
	return d.writeApprovers()
}

// writeApprovers counts, for each group that requests were put to, what its
// members decided.
func (d *Deriver) writeApprovers() error {
	type counts struct {
		requests, approved, denied uint64
		people                     set
	}
	all := map[[2]string]*counts{}
	for _, r := range d.requests {
		key := [2]string{r.body.Approvers, r.body.Kind}
		c := all[key]
		if c == nil {
			c = &counts{people: set{}}
			all[key] = c
		}
		c.requests++
		if r.decision == nil {
			continue
		}
		c.people.add(string(r.decision.Approver))
		if r.decision.Decision == "approved" {
			c.approved++
		} else {
			c.denied++
		}
	}
	keys := make([][2]string, 0, len(all))
	for k := range all {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, func(a, b [2]string) int { return slices.Compare(a[:], b[:]) })
	w := d.tables[tableApprovers]
	for _, k := range keys {
		c := all[k]
		w.text(k[0]).text(k[1]).number(c.requests).number(c.approved).number(c.denied).number(c.requests - c.approved - c.denied)
		if err := texts(w, c.people.sorted()).end(); err != nil {
			return err
		}
	}
	return nil
}

// hold writes a request for the release of a statement.
func (d *Deriver) writeHold(r *requestState) error {
	b, decision, state := r.body, Decision{}, r.state
	if r.decision != nil {
		decision = *r.decision
		if state == "open" {
			state = decision.Decision
		}
	}
	w := d.tables[tableHolds]
	w.text(string(b.ID)).text(string(b.Session)).number(b.Stmt).time(r.opened).text(string(b.Principal)).text(string(b.Resource)).text(b.Readable)
	texts(texts(texts(w, b.Effects), b.Objects), b.Rules).text(b.Approvers).text(decision.Decision).time(r.decided).
		text(string(decision.Approver)).text(decision.Rationale).text(state).number(r.index)
	return w.end()
}
