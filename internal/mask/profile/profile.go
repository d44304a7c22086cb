// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

// Package profile says which operator applies to what: to a column by its
// labels, to a finding in a text by its entity, to an element of a structured
// payload by either.
//
// There are three: safe-harbor (45 CFR 164.514(b)(2); it refuses every operator
// that derives from the value), limited-data-set (164.514(e)) and need-to-know
// (minimum necessary, 164.502(b)). docs/reference/masking.md holds the table of
// the eighteen identifiers for each.
//
// A column comes here because no permit to read it was found. So a built-in
// profile never keeps a column as it is, even where it keeps the same thing in a
// text: that is for a permit to say, or for a site's own table.
package profile

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/mask/operator"
	"github.com/sallyport-dev/sallyport/internal/mask/scan"
)

// The names of the profiles.
const (
	SafeHarbor     = "safe-harbor"
	LimitedDataSet = "limited-data-set"
	NeedToKnow     = "need-to-know"
)

// Spec is a profile as a configuration writes it: one of the three, with
// operators of the site's own for labels and entities.
type Spec struct {
	Name string
	// Labels overrides the operator for a label and those below it, so that
	// "phi" stands for "phi.ssn" where there is nothing nearer. On the same label
	// the site's operator wins over the built-in one.
	Labels map[sallyport.Label]operator.Spec
	// Entities overrides the operator for findings in text.
	Entities map[scan.Entity]operator.Spec
}

// Profile is a compiled Spec. It does not change and is safe for concurrent use.
type Profile struct {
	name     string
	version  string
	redact   *operator.Operator
	labels   map[sallyport.Label]*operator.Operator
	entities []*operator.Operator // by entity
}

// Compile checks a spec. Under safe-harbor an operator that derives from the
// value is refused. Errors have Kind Invalid and say what to change; several
// are joined.
func Compile(s Spec, keys *operator.Keys, now func() time.Time) (*Profile, error) {
	b, ok := builtin(s.Name)
	if !ok {
		return nil, sallyport.E(sallyport.Invalid, "masking profile", "there is no profile of this name").
			WithHint("the profiles are " + SafeHarbor + ", " + LimitedDataSet + " and " + NeedToKnow)
	}
	var errs []error
	compile := func(what string, o operator.Spec) *operator.Operator {
		op, err := operator.Compile(o, keys, now)
		if err != nil {
			errs = append(errs, sallyport.E(sallyport.KindOf(err), what, "").Because(err))
		}
		return op
	}
	p := &Profile{
		name: s.Name, version: version(s), redact: compile("masking profile", operator.Spec{}),
		labels: make(map[sallyport.Label]*operator.Operator), entities: make([]*operator.Operator, len(scan.Entities())+1),
	}
	for l, o := range b.labels {
		p.labels[l] = compile("label "+string(l), o)
	}
	for e, o := range b.entities {
		p.entities[e] = compile("entity "+e.String(), o)
	}
	for _, l := range slices.Sorted(maps.Keys(s.Labels)) {
		if err := checkLabel(s.Name, l, s.Labels[l]); err != nil {
			errs = append(errs, err)
			continue
		}
		p.labels[l] = compile("label "+string(l), s.Labels[l])
	}
	for _, e := range slices.Sorted(maps.Keys(s.Entities)) {
		if err := checkEntity(s.Name, e, s.Entities[e]); err != nil {
			errs = append(errs, err)
			continue
		}
		p.entities[e] = compile("entity "+e.String(), s.Entities[e])
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return p, nil
}

// Name returns the profile's name.
func (p *Profile) Name() string { return p.name }

// Version identifies what the profile does: the release of the built-in table
// and, where a site overrides it, eight hex digits of the overrides' digest, as
// in "1" or "1+0f3a9c21".
func (p *Profile) Version() string { return p.version }

// Label returns the operator for a value with these labels: the strictest of
// what its labels ask for. Never nil.
//
// From the strictest: drop, null, redact, default, const; then what needs a key;
// then what generalises or keeps a part; then keep. Where two labels ask for
// different operators of one of these classes, neither is stricter and the value
// is redacted.
func (p *Profile) Label(labels []sallyport.Label) *operator.Operator {
	if len(labels) == 0 {
		return p.redact
	}
	strictest, torn := p.nearest(labels[0]), false
	for _, l := range labels[1:] {
		op := p.nearest(l)
		switch a, b := strictness(op.Kind()), strictness(strictest.Kind()); {
		case a > b:
			strictest, torn = op, false
		case a == b && op.Spec() != strictest.Spec():
			torn = true
		}
	}
	if torn && strictness(strictest.Kind()) < strictness(operator.Redact) {
		return p.redact
	}
	return strictest
}

// nearest returns the operator of a label or of the nearest above it.
func (p *Profile) nearest(l sallyport.Label) *operator.Operator {
	for {
		if op := p.labels[l]; op != nil {
			return op
		}
		i := strings.LastIndexByte(string(l), '.')
		if i < 0 {
			return p.redact
		}
		l = l[:i]
	}
}

// Entity returns the operator for a finding. Never nil.
func (p *Profile) Entity(e scan.Entity) *operator.Operator {
	if int(e) < len(p.entities) && p.entities[e] != nil {
		return p.entities[e]
	}
	return p.redact
}

// strictness orders kinds by how little they show.
func strictness(k operator.Kind) int {
	switch k {
	case operator.Drop:
		return 7
	case operator.Null:
		return 6
	case operator.Redact:
		return 5
	case operator.Default:
		return 4
	case operator.Const:
		return 3
	case operator.Hash, operator.Token, operator.FPE, operator.DateShift, operator.Noise, operator.Surrogate:
		return 2
	case operator.Keep:
		return 0
	}
	return 1
}
