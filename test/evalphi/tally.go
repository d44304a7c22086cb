// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"

	"github.com/sallyport-dev/sallyport/internal/mask/scan"
)

// enough is the share of a span's bytes that must be covered.
const enough = 0.9

// count is what is counted for one label. Findings count for the label whose
// type theirs is, for the first of them in the order of labels.
type count struct {
	gold, found, typed, predicted, right, typedRight int
}

// tally adds up the findings of a scanner.
type tally struct {
	scanner *scan.Scanner
	out     io.Writer
	misses  bool
	counts  map[string]*count
	spans   []scan.Span
}

func newTally(s *scan.Scanner, out io.Writer, misses bool) *tally {
	t := &tally{scanner: s, out: out, misses: misses, counts: map[string]*count{"other": {}}}
	for label := range types {
		t.counts[label] = &count{}
	}
	return t
}

// add scans a sentence and compares.
func (t *tally) add(c labelled) {
	t.spans = t.scanner.Scan(t.spans[:0], c.text, nil)
	for _, g := range c.gold {
		n := t.counts[g.label]
		n.gold++
		if share(c.text, g.start, g.end, t.covering(scan.Set(0))) >= enough {
			n.found++
		} else if t.misses {
			fmt.Fprintf(t.out, "missed %s %q in %q\n", g.label, c.text[g.start:g.end], around(c.text, g.start, g.end))
		}
		if share(c.text, g.start, g.end, t.covering(types[g.label])) >= enough {
			n.typed++
		}
	}
	for _, f := range t.spans {
		n := t.counts[labelOf(f.Entity)]
		n.predicted++
		if share(c.text, f.Start, f.End, inGold(c.gold, None)) >= enough {
			n.right++
		} else if t.misses {
			fmt.Fprintf(t.out, "wrong %v %s %q in %q\n", f.Entity, t.scanner.Rule(f.Rule), c.text[f.Start:f.End], around(c.text, f.Start, f.End))
		}
		if share(c.text, f.Start, f.End, inGold(c.gold, f.Entity)) >= enough {
			n.typedRight++
		}
	}
}

// None asks inGold for spans of any type.
const None = scan.None

// covering returns a function that reports whether a finding of one of the
// entities, or of any when there are none, covers a byte.
func (t *tally) covering(entities scan.Set) func(i int) bool {
	return func(i int) bool {
		for _, f := range t.spans {
			if f.Start <= i && i < f.End && (entities == 0 || entities.Has(f.Entity)) {
				return true
			}
		}
		return false
	}
}

// inGold returns a function that reports whether a labelled span covers a byte,
// for which e is right when it is not [None].
func inGold(spans []gold, e scan.Entity) func(i int) bool {
	return func(i int) bool {
		for _, g := range spans {
			if g.start <= i && i < g.end && (e == None || types[g.label].Has(e)) {
				return true
			}
		}
		return false
	}
}

// share returns the share of the bytes from start to end that are no space and
// for which covered holds.
func share(text []byte, start, end int, covered func(i int) bool) float64 {
	n, in := 0, 0
	for i := start; i < end; i++ {
		if text[i] == ' ' || text[i] == '\n' {
			continue
		}
		n++
		if covered(i) {
			in++
		}
	}
	if n == 0 {
		return 1
	}
	return float64(in) / float64(n)
}

func labelOf(e scan.Entity) string {
	for _, label := range slices.Sorted(maps.Keys(types)) {
		if types[label].Has(e) && (e != scan.Place && e != scan.ZIP || label != "STREET_ADDRESS") {
			return label
		}
	}
	return "other"
}

func around(text []byte, start, end int) []byte {
	return text[max(0, start-40):min(len(text), end+40)]
}

// score is a JSON line.
type score struct {
	Mode           string  `json:"mode"`
	Entity         string  `json:"entity"`
	Gold           int     `json:"gold"`
	Found          int     `json:"found"`
	Recall         float64 `json:"recall"`
	TypedRecall    float64 `json:"typed_recall"`
	Predicted      int     `json:"predicted"`
	Precision      float64 `json:"precision"`
	TypedPrecision float64 `json:"typed_precision"`
}

// scores returns a line for each label and one for all together.
func (t *tally) scores(mode string) []score {
	var out []score
	var all count
	for _, label := range slices.Sorted(maps.Keys(t.counts)) {
		n := t.counts[label]
		all.gold += n.gold
		all.found += n.found
		all.typed += n.typed
		all.predicted += n.predicted
		all.right += n.right
		all.typedRight += n.typedRight
		if n.gold+n.predicted > 0 {
			out = append(out, n.score(mode, label))
		}
	}
	return append(out, all.score(mode, "overall"))
}

func (n count) score(mode, entity string) score {
	ratio := func(a, b int) float64 {
		if b == 0 {
			return 1
		}
		return float64(a*1000/b) / 1000
	}
	return score{
		Mode: mode, Entity: entity, Gold: n.gold, Found: n.found, Predicted: n.predicted,
		Recall: ratio(n.found, n.gold), TypedRecall: ratio(n.typed, n.gold),
		Precision: ratio(n.right, n.predicted), TypedPrecision: ratio(n.typedRight, n.predicted),
	}
}

// writeNegatives scans lines without identifiers and writes what was found.
func writeNegatives(w io.Writer, s *scan.Scanner, mode string, lines []negative) error {
	var hits int
	var spans []scan.Span
	for _, l := range lines {
		spans = s.Scan(spans[:0], []byte(l.text), nil)
		for _, f := range spans {
			hits++
			fmt.Fprintf(w, "false %s %v %s %q in %q\n", l.kind, f.Entity, s.Rule(f.Rule), l.text[f.Start:f.End], l.text)
		}
	}
	return json.NewEncoder(w).Encode(struct {
		Bench string `json:"bench"`
		Mode  string `json:"mode"`
		Lines int    `json:"lines"`
		Hits  int    `json:"false_hits"`
	}{"hard-negatives", mode, len(lines), hits})
}

// targets are what the measure "recall" of the mode safe-list must reach for each
// label that the data has.
var targets = map[string]float64{
	"STREET_ADDRESS": 0.80, "PERSON": 0.85, "overall": 0.80,
	"CREDIT_CARD": 0.95, "PHONE_NUMBER": 0.95, "DATE_TIME": 0.95, "EMAIL_ADDRESS": 0.95, "ZIP_CODE": 0.95,
	"DOMAIN_NAME": 0.95, "IBAN_CODE": 0.95, "US_SSN": 0.95, "IP_ADDRESS": 0.95,
}

// precisionTarget is for all labels together.
const precisionTarget = 0.80

// verdict is the last JSON line.
type verdict struct {
	Bench     string             `json:"bench"`
	Targets   map[string]float64 `json:"targets"`
	Precision float64            `json:"precision"`
	Missed    []string           `json:"missed"`
	Met       bool               `json:"met"`
}

// judge compares the scores of the mode safe-list with the targets.
func judge(scores []score) verdict {
	v := verdict{Bench: "eval-phi", Targets: targets, Precision: precisionTarget, Missed: []string{}}
	seen := false
	for _, s := range scores {
		if s.Mode != "safe-list" {
			continue
		}
		seen = true
		if t, ok := targets[s.Entity]; ok && s.Gold > 0 && s.Recall < t {
			v.Missed = append(v.Missed, s.Entity)
		}
		if s.Entity == "overall" && s.Precision < precisionTarget {
			v.Missed = append(v.Missed, "precision")
		}
	}
	v.Met = seen && len(v.Missed) == 0
	return v
}

func writeTable(w io.Writer, scores []score) {
	fmt.Fprintf(w, "%-9s %-18s %5s %6s %6s %6s %6s %6s\n", "mode", "label", "gold", "recall", "typed", "found", "prec.", "typed")
	for _, s := range scores {
		fmt.Fprintf(w, "%-9s %-18s %5d %6.3f %6.3f %6d %6.3f %6.3f\n", s.Mode, s.Entity, s.Gold, s.Recall, s.TypedRecall, s.Predicted, s.Precision, s.TypedPrecision)
	}
}
