// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package profile_test

import (
	"bytes"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/mask/operator"
	"github.com/sallyport-dev/sallyport/internal/mask/profile"
	"github.com/sallyport-dev/sallyport/internal/mask/scan"
)

func now() time.Time { return time.Date(2026, 11, 28, 15, 0, 0, 0, time.UTC) }

func keys(t *testing.T) *operator.Keys {
	t.Helper()
	k, err := operator.NewKeys(operator.Key{Version: 1, Secret: bytes.Repeat([]byte{1}, 32)})
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func compile(t *testing.T, s profile.Spec) *profile.Profile {
	t.Helper()
	p, err := profile.Compile(s, keys(t), now)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

var names = []string{profile.SafeHarbor, profile.LimitedDataSet, profile.NeedToKnow}

// TestEntities holds what each profile does with each finding: those that are not
// named are redacted.
func TestEntities(t *testing.T) {
	t.Parallel()
	want := map[string]map[scan.Entity]operator.Kind{
		profile.SafeHarbor: {
			scan.Title: operator.Keep, scan.ZIP: operator.ZIP3, scan.Date: operator.DateYear, scan.Year: operator.DateYear, scan.Age: operator.Age90,
		},
		profile.LimitedDataSet: {
			scan.Title: operator.Keep, scan.Place: operator.Keep, scan.ZIP: operator.Keep, scan.Date: operator.Keep, scan.Year: operator.Keep,
			scan.Weekday: operator.Keep, scan.Age: operator.Keep,
		},
		profile.NeedToKnow: {scan.Title: operator.Keep, scan.Year: operator.Keep, scan.Weekday: operator.Keep},
	}
	for _, name := range names {
		p := compile(t, profile.Spec{Name: name})
		for _, e := range append(scan.Entities(), scan.None, scan.Entity(200)) {
			if got := p.Entity(e).Kind(); got != want[name][e] { // the zero value redacts
				t.Errorf("%s: %v gets %v, want %v", name, e, got, want[name][e])
			}
		}
	}
}

// TestLabels holds what each profile does with columns.
func TestLabels(t *testing.T) {
	t.Parallel()
	const (
		redact, year, zip3, age90, month = operator.Redact, operator.DateYear, operator.ZIP3, operator.Age90, operator.DateTrunc
	)
	for _, tt := range []struct {
		labels                         string
		safeHarbor, limited, needKnown operator.Kind
	}{
		{"", redact, redact, redact},
		{"phi.dob", year, month, redact},
		{"phi.birth_date", year, month, redact},
		{"phi.death", year, month, redact},
		{"phi.date", year, month, redact},
		{"phi.date.admission", year, month, redact},
		{"phi.year", year, year, redact},
		{"phi.zip", zip3, zip3, redact},
		{"phi.age", age90, age90, redact},
		{"phi.zipper", redact, redact, redact},
		{"phi", redact, redact, redact},
		{"phi.ssn", redact, redact, redact},
		{"phi.ssn.last4", redact, redact, redact},
		{"phi.note", redact, redact, redact},
		{"phi.place", redact, redact, redact},
		{"unclassified", redact, redact, redact},
		{"public", redact, redact, redact},
		{"secret", redact, redact, redact},
		{"what.nobody.knows", redact, redact, redact},
		{"phi.dob phi.date", year, month, redact},
		{"phi.dob phi.ssn", redact, redact, redact},
		{"phi.note phi.dob", redact, redact, redact},
		{"phi.dob phi.zip", redact, redact, redact},
		{"phi.zip phi.dob phi.zip", redact, redact, redact},
	} {
		var labels []sallyport.Label
		for _, l := range strings.Fields(tt.labels) {
			labels = append(labels, sallyport.Label(l))
		}
		for i, want := range []operator.Kind{tt.safeHarbor, tt.limited, tt.needKnown} {
			if got := compile(t, profile.Spec{Name: names[i]}).Label(labels).Kind(); got != want {
				t.Errorf("%s: %q gets %v, want %v", names[i], tt.labels, got, want)
			}
		}
	}
}

// TestNoColumnIsKept: what a permit does not open, no built-in profile opens.
func TestNoColumnIsKept(t *testing.T) {
	t.Parallel()
	for _, name := range names {
		p := compile(t, profile.Spec{Name: name})
		for _, e := range scan.Entities() {
			if op := p.Label([]sallyport.Label{e.Label()}); op.Kind() == operator.Keep {
				t.Errorf("%s keeps columns of %v", name, e)
			}
		}
	}
}

// TestStrictest orders the operators of a column's labels.
func TestStrictest(t *testing.T) {
	t.Parallel()
	p := compile(t, profile.Spec{Name: profile.NeedToKnow, Labels: map[sallyport.Label]operator.Spec{
		"drop":    {Kind: operator.Drop},
		"null":    {Kind: operator.Null},
		"redact":  {},
		"ssn":     {Placeholder: "SSN"},
		"default": {Kind: operator.Default},
		"const":   {Kind: operator.Const, Value: "x"},
		"other":   {Kind: operator.Const, Value: "y"},
		"hash":    {Kind: operator.Hash, Domain: "a"},
		"token":   {Kind: operator.Token, Domain: "a"},
		"part":    {Kind: operator.Partial, Last: 2},
		"bucket":  {Kind: operator.Bucket},
		"keep":    {Kind: operator.Keep},
		"keep.no": {Kind: operator.Null},
	}})
	for labels, want := range map[string]operator.Kind{
		"drop null redact default const hash part keep": operator.Drop,
		"null redact default const hash part keep":      operator.Null,
		"redact default const hash part keep":           operator.Redact,
		"ssn redact":                                    operator.Redact,
		"default const hash part keep":                  operator.Default,
		"const hash part keep":                          operator.Const,
		"const hash token":                              operator.Const,
		"const other":                                   operator.Redact,
		"const other null":                              operator.Null,
		"hash part keep":                                operator.Hash,
		"hash hash keep":                                operator.Hash,
		"hash token":                                    operator.Redact,
		"hash token drop":                               operator.Drop,
		"part keep":                                     operator.Partial,
		"part bucket":                                   operator.Redact,
		"keep":                                          operator.Keep,
		"keep.yes":                                      operator.Keep,
		"keep.no":                                       operator.Null,
		"keep.no.really":                                operator.Null,
		"keep unknown":                                  operator.Redact,
	} {
		var in []sallyport.Label
		for _, l := range strings.Fields(labels) {
			in = append(in, sallyport.Label(l))
		}
		for range in { // in every rotation
			if got := p.Label(in).Kind(); got != want {
				t.Errorf("%v: %v, want %v", in, got, want)
			}
			in = append(in[1:], in[0])
		}
	}
}

// TestOverrides allows what a profile allows and refuses the rest.
func TestOverrides(t *testing.T) {
	t.Parallel()
	spec := func(k operator.Kind) operator.Spec {
		return operator.Spec{Kind: k, First: 1, Domain: "d", Value: "x"}
	}
	all := []operator.Kind{}
	for k := operator.Redact; k <= operator.Keep; k++ {
		all = append(all, k)
	}
	hiding := []operator.Kind{operator.Redact, operator.Null, operator.Default, operator.Const, operator.Drop}
	coarse := []operator.Kind{operator.DateYear, operator.ZIP3, operator.Age90, operator.Bucket, operator.Round}
	with := func(more ...operator.Kind) []operator.Kind {
		return append(append([]operator.Kind{}, hiding...), more...)
	}
	without := all[:len(all)-1] // keep is the last
	for _, tt := range []struct {
		label                          sallyport.Label
		safeHarbor, limited, needKnown []operator.Kind
	}{
		{"secret", hiding, hiding, hiding},
		{"secret.api-key", hiding, hiding, hiding},
		{"phi", hiding, without, all},
		{"phi.ssn", hiding, without, all},
		{"phi.ssn.last4", hiding, without, all},
		{"phi.note", hiding, without, all},
		{"phi.address", hiding, without, all},
		{"phi.place", hiding, all, all},
		{"phi.dob", with(operator.DateYear), all, all},
		{"phi.date.admission", with(operator.DateYear), all, all},
		{"phi.zip", with(operator.ZIP3), all, all},
		{"phi.age", with(operator.Age90), all, all},
		{"phi.demographic", with(operator.Age90), all, all},
		{"phi.clinical", with(coarse...), all, all},
		{"phi.unheard-of", hiding, all, all},
		{"lab.glucose", with(coarse...), all, all},
		{"unclassified", hiding, without, all},
	} {
		for i, want := range [][]operator.Kind{tt.safeHarbor, tt.limited, tt.needKnown} {
			got := []operator.Kind{}
			for _, k := range all {
				p, err := profile.Compile(profile.Spec{Name: names[i], Labels: map[sallyport.Label]operator.Spec{tt.label: spec(k)}}, keys(t), now)
				if err != nil {
					wantRefusal(t, p, err, string(tt.label))
					continue
				}
				got = append(got, k)
				if op := p.Label([]sallyport.Label{tt.label}); op.Kind() != k {
					t.Errorf("%s: %s is overridden by %v and gets %v", names[i], tt.label, k, op.Kind())
				}
			}
			if diff := cmp.Diff(asSet(want), asSet(got)); diff != "" {
				t.Errorf("%s: %s (-want +allowed):\n%s", names[i], tt.label, diff)
			}
		}
	}
	for _, tt := range []struct {
		entity                         scan.Entity
		safeHarbor, limited, needKnown []operator.Kind
	}{
		{scan.SSN, hiding, without, all},
		{scan.Org, hiding, without, all},
		{scan.Coordinates, hiding, without, all},
		{scan.Place, hiding, all, all},
		{scan.Weekday, hiding, all, all},
		{scan.Unique, hiding, all, all},
		{scan.Title, with(operator.Keep), all, all},
		{scan.Nationality, with(operator.Keep), all, all},
		{scan.Date, with(operator.DateYear), all, all},
		{scan.Year, with(operator.DateYear), all, all},
		{scan.ZIP, with(operator.ZIP3), all, all},
		{scan.Age, with(operator.Age90), all, all},
	} {
		for i, want := range [][]operator.Kind{tt.safeHarbor, tt.limited, tt.needKnown} {
			got := []operator.Kind{}
			for _, k := range all {
				p, err := profile.Compile(profile.Spec{Name: names[i], Entities: map[scan.Entity]operator.Spec{tt.entity: spec(k)}}, keys(t), now)
				if err != nil {
					wantRefusal(t, p, err, tt.entity.String())
					continue
				}
				got = append(got, k)
				if op := p.Entity(tt.entity); op.Kind() != k {
					t.Errorf("%s: %v is overridden by %v and gets %v", names[i], tt.entity, k, op.Kind())
				}
			}
			if diff := cmp.Diff(asSet(want), asSet(got)); diff != "" {
				t.Errorf("%s: %v (-want +allowed):\n%s", names[i], tt.entity, diff)
			}
		}
	}
}

func wantRefusal(t *testing.T, p *profile.Profile, err error, what string) {
	t.Helper()
	if p != nil || sallyport.KindOf(err) != sallyport.Invalid || !strings.Contains(err.Error(), what) {
		t.Errorf("%s: %v", what, err)
	}
	if _, hint := sallyport.Public(err); hint == "" {
		t.Errorf("%v has no hint", err)
	}
}

func asSet(ks []operator.Kind) map[string]bool {
	m := map[string]bool{}
	for _, k := range ks {
		m[k.String()] = true
	}
	return m
}

// TestSafeHarborShowsNothingDerived goes over everything that safe-harbor can be
// made to do.
func TestSafeHarborShowsNothingDerived(t *testing.T) {
	t.Parallel()
	for k := operator.Redact; k <= operator.Keep; k++ {
		if !k.Derives() {
			continue
		}
		s := operator.Spec{Kind: k, First: 1, Domain: "d"}
		for _, e := range scan.Entities() {
			for _, spec := range []profile.Spec{
				{Name: profile.SafeHarbor, Entities: map[scan.Entity]operator.Spec{e: s}},
				{Name: profile.SafeHarbor, Labels: map[sallyport.Label]operator.Spec{e.Label(): s}},
				{Name: profile.SafeHarbor, Labels: map[sallyport.Label]operator.Spec{"the-site." + e.Label(): s}},
			} {
				if _, err := profile.Compile(spec, keys(t), now); err == nil {
					t.Errorf("safe-harbor allows %v for %v", k, e)
				}
			}
		}
	}
}

// TestErrorsAreJoined reports every problem of a spec.
func TestErrorsAreJoined(t *testing.T) {
	t.Parallel()
	_, err := profile.Compile(profile.Spec{
		Name: profile.SafeHarbor,
		Labels: map[sallyport.Label]operator.Spec{
			"phi.ssn": {Kind: operator.Hash, Domain: "ssn"},
			"Not A":   {},
			"phi.mrn": {Kind: operator.Const, Value: "\xff"},
		},
		Entities: map[scan.Entity]operator.Spec{scan.None: {}, scan.Entity(200): {}, scan.Name: {Kind: operator.Keep}},
	}, keys(t), now)
	if n := strings.Count(err.Error(), "\n") + 1; n != 6 || sallyport.KindOf(err) != sallyport.Invalid {
		t.Errorf("%d problems, want 6:\n%v", n, err)
	}
	for _, name := range []string{"", "safe_harbor", "none"} {
		if p, err := profile.Compile(profile.Spec{Name: name}, nil, now); p != nil || sallyport.KindOf(err) != sallyport.Invalid {
			t.Errorf("profile %q: %v", name, err)
		}
	}
	if _, err := profile.Compile(profile.Spec{
		Name: profile.NeedToKnow, Labels: map[sallyport.Label]operator.Spec{"phi.mrn": {Kind: operator.Hash, Domain: "mrn"}},
	}, nil, now); sallyport.KindOf(err) != sallyport.Invalid {
		t.Errorf("a hash without keys: %v", err)
	}
}

// TestVersion tells overrides apart, in whatever order they are written.
func TestVersion(t *testing.T) {
	t.Parallel()
	for _, name := range names {
		p := compile(t, profile.Spec{Name: name})
		if p.Version() != "1" || p.Name() != name {
			t.Errorf("%s is %s version %s", name, p.Name(), p.Version())
		}
	}
	seen := map[string]bool{}
	for _, s := range []profile.Spec{
		{Labels: map[sallyport.Label]operator.Spec{"a": {}}},
		{Labels: map[sallyport.Label]operator.Spec{"b": {}}},
		{Labels: map[sallyport.Label]operator.Spec{"a": {}, "b": {}}},
		{Labels: map[sallyport.Label]operator.Spec{"a": {Kind: operator.Null}}},
		{Labels: map[sallyport.Label]operator.Spec{"a": {Kind: operator.Bucket}}},
		{Labels: map[sallyport.Label]operator.Spec{"a": {Kind: operator.Bucket, Width: 5}}},
		{Labels: map[sallyport.Label]operator.Spec{"a": {Kind: operator.Hash, Domain: "x"}}},
		{Labels: map[sallyport.Label]operator.Spec{"a": {Kind: operator.Hash, Domain: "y"}}},
		{Entities: map[scan.Entity]operator.Spec{scan.Name: {}}},
		{Entities: map[scan.Entity]operator.Spec{scan.Name: {Placeholder: "X"}}},
	} {
		s.Name = profile.NeedToKnow
		v := compile(t, s).Version()
		if again := compile(t, s).Version(); again != v || !regexp.MustCompile(`^1\+[0-9a-f]{8}$`).MatchString(v) || seen[v] {
			t.Errorf("%v: version %s, then %s", s, v, again)
		}
		seen[v] = true
	}
	// The digest is in evidence, so it stays what it is.
	if got, want := compile(t, profile.Spec{Name: profile.NeedToKnow, Labels: map[sallyport.Label]operator.Spec{"phi.mrn": {Kind: operator.Null}}}).Version(), "1+3c1598e8"; got != want {
		t.Errorf("version %s, want %s", got, want)
	}
}

// TestConcurrent shares a profile.
func TestConcurrent(t *testing.T) {
	t.Parallel()
	p := compile(t, profile.Spec{Name: profile.SafeHarbor})
	for range 4 {
		t.Run("", func(t *testing.T) {
			t.Parallel()
			for range 100 {
				if p.Label([]sallyport.Label{"phi.dob"}).Kind() != operator.DateYear || p.Entity(scan.ZIP).Kind() != operator.ZIP3 {
					t.Error("another operator")
				}
			}
		})
	}
}
