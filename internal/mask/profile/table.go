// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package profile

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/mask/operator"
	"github.com/sallyport-dev/sallyport/internal/mask/scan"
)

// release numbers the built-in tables. A change of what they do raises it.
const release = "1"

// secret is the label of passwords and keys, which no profile shows.
const secret sallyport.Label = "secret"

// table is what a profile does where it does not redact.
type table struct {
	labels   map[sallyport.Label]operator.Spec
	entities map[scan.Entity]operator.Spec
}

// builtin returns the table of a profile.
func builtin(name string) (table, bool) {
	keep := operator.Spec{Kind: operator.Keep}
	year := operator.Spec{Kind: operator.DateYear}
	zip3 := operator.Spec{Kind: operator.ZIP3}
	age90 := operator.Spec{Kind: operator.Age90}
	month := operator.Spec{Kind: operator.DateTrunc}
	switch name {
	case SafeHarbor:
		return table{
			labels: map[sallyport.Label]operator.Spec{
				"phi.dob": year, "phi.birth_date": year, "phi.death": year, "phi.date": year, "phi.year": year,
				"phi.zip": zip3, "phi.age": age90,
			},
			entities: map[scan.Entity]operator.Spec{
				scan.Title: keep, scan.ZIP: zip3, scan.Date: year, scan.Year: year, scan.Age: age90,
			},
		}, true
	case LimitedDataSet:
		return table{
			labels: map[sallyport.Label]operator.Spec{
				"phi.dob": month, "phi.birth_date": month, "phi.death": month, "phi.date": month, "phi.year": year,
				"phi.zip": zip3, "phi.age": age90,
			},
			entities: map[scan.Entity]operator.Spec{
				scan.Title: keep, scan.Place: keep, scan.ZIP: keep, scan.Date: keep, scan.Year: keep, scan.Weekday: keep, scan.Age: keep,
			},
		}, true
	case NeedToKnow:
		return table{
			entities: map[scan.Entity]operator.Spec{scan.Title: keep, scan.Year: keep, scan.Weekday: keep},
		}, true
	}
	return table{}, false
}

// version returns the release and the digest of what a site overrides.
func version(s Spec) string {
	if len(s.Labels)+len(s.Entities) == 0 {
		return release
	}
	h := sha256.New()
	write := func(what, name string, o operator.Spec) {
		fmt.Fprintf(h, "%s %q %s %q %d %d %d %d %q %d %g %g %q %q %q %q\n", what, name, o.Kind, o.Value, o.First, o.Last, o.Bits4, o.Bits6,
			o.Unit, o.Days, o.Width, o.Scale, o.Domain, o.Alphabet, o.Check, o.Placeholder)
	}
	for _, l := range slices.Sorted(maps.Keys(s.Labels)) {
		write("label", string(l), s.Labels[l])
	}
	for _, e := range slices.Sorted(maps.Keys(s.Entities)) {
		write("entity", e.String(), s.Entities[e])
	}
	return release + "+" + hex.EncodeToString(h.Sum(nil)[:4])
}

// kinds is a set of operators.
type kinds uint32

func setOf(ks ...operator.Kind) kinds {
	var s kinds
	for _, k := range ks {
		s |= 1 << k
	}
	return s
}

func (s kinds) has(k operator.Kind) bool { return s&(1<<k) != 0 }

// The operators that show nothing of a value, that show a coarser one, and all.
var (
	hiding       = setOf(operator.Redact, operator.Null, operator.Default, operator.Const, operator.Drop)
	generalising = setOf(operator.DateYear, operator.ZIP3, operator.Age90, operator.Bucket, operator.Round)
	all          = ^kinds(0)
)

// entityKinds returns the operators that a profile lets a site choose for an
// entity.
func entityKinds(name string, e scan.Entity) kinds {
	switch name {
	case SafeHarbor:
		switch e {
		case scan.Date, scan.Year:
			return hiding | setOf(operator.DateYear)
		case scan.ZIP:
			return hiding | setOf(operator.ZIP3)
		case scan.Age:
			return hiding | setOf(operator.Age90)
		case scan.Title, scan.Nationality: // none of the eighteen
			return hiding | setOf(operator.Keep)
		}
		return hiding
	case LimitedDataSet:
		switch e {
		case scan.Title, scan.Nationality, scan.Place, scan.ZIP, scan.Date, scan.Year, scan.Weekday, scan.Age, scan.Unique:
			return all
		}
		return all &^ setOf(operator.Keep)
	}
	return all
}

// labelKinds returns the operators that a profile lets a site choose for a label.
func labelKinds(name string, l sallyport.Label) kinds {
	switch {
	case below(l, secret):
		return hiding
	case name == SafeHarbor:
		return safeHarborKinds(l)
	case name == LimitedDataSet && direct(l):
		return all &^ setOf(operator.Keep)
	}
	return all
}

// safeHarborKinds goes by what a label says a value is. A label of which nothing
// is known below "phi", or that stands for everything, gets what an identifier
// gets; one of the site's own elsewhere may be made coarser.
func safeHarborKinds(l sallyport.Label) kinds {
	switch {
	case below(l, "phi.dob", "phi.birth_date", "phi.death", "phi.date", "phi.year"):
		return hiding | setOf(operator.DateYear)
	case below(l, "phi.zip"):
		return hiding | setOf(operator.ZIP3)
	case below(l, "phi.age", "phi.demographic"): // which holds ages too
		return hiding | setOf(operator.Age90)
	case below(l, "phi.clinical"):
		return hiding | generalising
	case below(l, "phi", "pii", sallyport.Unclassified):
		return hiding
	}
	return hiding | generalising
}

// direct reports whether a label is of what 164.514(e)(2) takes out of a limited
// data set, or may hold some of it.
func direct(l sallyport.Label) bool {
	if l == "phi" || l == "pii" || below(l, "phi.note", sallyport.Unclassified) {
		return true
	}
	for _, e := range scan.Entities() {
		if !entityKinds(LimitedDataSet, e).has(operator.Keep) && below(l, e.Label()) {
			return true
		}
	}
	return false
}

// below reports whether l is one of the labels or under one.
func below(l sallyport.Label, tops ...sallyport.Label) bool {
	return slices.ContainsFunc(tops, func(top sallyport.Label) bool {
		return l == top || strings.HasPrefix(string(l), string(top)+".")
	})
}

// checkLabel refuses an override that the profile does not allow.
func checkLabel(name string, l sallyport.Label, o operator.Spec) error {
	if !validLabel(string(l)) {
		return sallyport.E(sallyport.Invalid, "masking profile "+name, "a label that gets an operator has no valid name").
			WithHint("labels are words of a-z, 0-9, \"-\" and \"_\", joined by dots")
	}
	if labelKinds(name, l).has(o.Kind) {
		return nil
	}
	return refused(name, "label "+string(l), o.Kind)
}

func checkEntity(name string, e scan.Entity, o operator.Spec) error {
	if e == scan.None || e.Label() == "" {
		return sallyport.E(sallyport.Invalid, "masking profile "+name, "an operator is given for an entity that there is not").
			WithHint("see docs/reference/masking.md for the entities")
	}
	if entityKinds(name, e).has(o.Kind) {
		return nil
	}
	return refused(name, "entity "+e.String(), o.Kind)
}

func refused(name, what string, k operator.Kind) error {
	hint := "use redact, or what docs/reference/masking.md lists for it"
	if name == SafeHarbor && k.Derives() {
		hint = "under " + SafeHarbor + " nothing may be derived from an identifier; use redact, or the profile " + LimitedDataSet + " or " + NeedToKnow
	}
	return sallyport.E(sallyport.Invalid, "masking profile "+name, "the operator "+k.String()+" is not allowed for the "+what).WithHint(hint)
}

// validLabel takes what a catalogue takes for a label.
func validLabel(s string) bool {
	const longest = 64
	if len(s) > longest {
		return false
	}
	for word := range strings.SplitSeq(s, ".") {
		if word == "" || strings.Trim(word, "abcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
			return false
		}
	}
	return true
}
