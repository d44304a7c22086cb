// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

// Package rules reads a site's masking rules and makes of them what the
// connectors use: which operator a column gets, how a text is scanned, and the
// masks of structured payloads. One file serves a resource of the gateway and
// the command `sallyport mask`, so that what was tried is what runs.
package rules

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/mask"
	"github.com/sallyport-dev/sallyport/internal/mask/jsonmask"
	"github.com/sallyport-dev/sallyport/internal/mask/operator"
	"github.com/sallyport-dev/sallyport/internal/mask/profile"
	"github.com/sallyport-dev/sallyport/internal/mask/scan"
	"github.com/sallyport-dev/sallyport/internal/mask/scan/lexicon"
	"github.com/sallyport-dev/sallyport/internal/mask/text"
)

// Deps are what a compilation takes from outside.
type Deps struct {
	// Secret returns the secret that a reference of the file names. It may be nil
	// when the file names none.
	Secret func(ref string) ([]byte, error)
	// Lexicon returns the lists of words; it is called only if names are looked for.
	Lexicon func() (*lexicon.Lexicon, error)
	Now     func() time.Time
	// Detector opens a detector of the file. It may be nil when the file has none.
	Detector func(Detector) (mask.Detector, error)
}

// Set is a compiled rules file. It does not change and is safe for concurrent
// use.
type Set struct {
	file      *File
	profile   *profile.Profile
	text      *text.Masker
	patient   sallyport.Label
	json      *jsonmask.Masker
	strict    *jsonmask.Masker
	detectors map[sallyport.Label]mask.Detector
}

// Compile checks the rules of a file and binds them. The error has kind Invalid,
// holds every problem, and never a secret.
func Compile(f *File, d Deps) (*Set, error) {
	var errs []error
	keys, err := f.keys(d.Secret)
	errs = append(errs, err)
	spec, err := f.profileSpec()
	errs = append(errs, err)
	p, err := profile.Compile(spec, keys, d.Now)
	errs = append(errs, err)
	options, err := f.scanOptions(d.Lexicon)
	errs = append(errs, err)
	s, err := scan.New(options)
	errs = append(errs, err)
	detectors, err := f.detectors(d.Detector)
	errs = append(errs, err)
	set := &Set{file: f, profile: p, text: &text.Masker{Scanner: s, Profile: p}, patient: sallyport.Label(f.Patient), detectors: detectors}
	if p != nil && s != nil {
		set.json, err = jsonmask.Compile(set.text, f.jsonRules(jsonmask.Scan))
		errs = append(errs, err)
		set.strict, err = jsonmask.Compile(set.text, f.jsonRules(jsonmask.Mask))
		errs = append(errs, err)
	}
	if err := errors.Join(errs...); err != nil {
		// As text, so that whoever shows it shows every problem and not the first.
		return nil, sallyport.E(sallyport.Invalid, "masking rules", "the masking rules cannot be used").
			WithHint("docs/reference/masking.md describes every key").Because(errors.New(err.Error()))
	}
	return set, nil
}

// Profile returns the compiled profile.
func (s *Set) Profile() *profile.Profile { return s.profile }

// Text returns the masker of texts.
func (s *Set) Text() *text.Masker { return s.text }

// JSON returns the masker of JSON documents, which scans what no path names.
func (s *Set) JSON() *jsonmask.Masker { return s.json }

// StrictJSON returns the masker of JSON documents that masks what no path names.
func (s *Set) StrictJSON() *jsonmask.Masker { return s.strict }

// JSONPaths returns the rules for places of JSON documents that the file has.
func (s *Set) JSONPaths() map[string]jsonmask.Rule { return s.file.jsonRules(jsonmask.Scan).Paths }

// File returns what the set was compiled from.
func (s *Set) File() *File { return s.file }

func (f *File) keys(secret func(string) ([]byte, error)) (*operator.Keys, error) {
	var keys []operator.Key
	for i, k := range f.Keys {
		if secret == nil {
			return nil, fmt.Errorf("keys[%d]: secrets cannot be read here", i)
		}
		b, err := secret(k.Secret)
		if err != nil {
			return nil, fmt.Errorf("keys[%d]: %w", i, err)
		}
		keys = append(keys, operator.Key{Version: k.Version, Secret: b})
	}
	if len(keys) == 0 {
		return nil, nil
	}
	return operator.NewKeys(keys...)
}

// jsonRules returns what the paths mean, and what happens to what no path names.
func (f *File) jsonRules(unnamed jsonmask.Action) jsonmask.Rules {
	r := jsonmask.Rules{Paths: map[string]jsonmask.Rule{}, Default: jsonmask.Rule{Action: unnamed}}
	for path, word := range f.Paths {
		switch word {
		case wordScan:
			r.Paths[path] = jsonmask.Rule{Action: jsonmask.Scan}
		case wordDrop:
			r.Paths[path] = jsonmask.Rule{Action: jsonmask.Drop}
		case wordPublic:
			r.Paths[path] = jsonmask.Rule{Action: jsonmask.Keep}
		default:
			r.Paths[path] = jsonmask.Rule{Action: jsonmask.Mask, Label: sallyport.Label(word)}
		}
	}
	return r
}

func (f *File) detectors(open func(Detector) (mask.Detector, error)) (map[sallyport.Label]mask.Detector, error) {
	out := map[sallyport.Label]mask.Detector{}
	var errs []error
	for i, d := range f.Detectors {
		if open == nil {
			return nil, fmt.Errorf("detectors[%d]: detectors cannot be used here", i)
		}
		opened, err := open(d)
		if err != nil {
			errs = append(errs, fmt.Errorf("detectors[%d]: %w", i, err))
			continue
		}
		for _, l := range d.Labels {
			if out[sallyport.Label(l)] != nil {
				errs = append(errs, fmt.Errorf("detectors[%d].labels: %q has a detector already", i, clip(l)))
			}
			out[sallyport.Label(l)] = opened
		}
	}
	return out, errors.Join(errs...)
}

func (f *File) profileSpec() (profile.Spec, error) {
	spec := profile.Spec{
		Name: f.Profile, Labels: map[sallyport.Label]operator.Spec{}, Entities: map[scan.Entity]operator.Spec{},
	}
	var errs []error
	for _, l := range slices.Sorted(maps.Keys(f.Labels)) {
		op, err := f.Labels[l].spec()
		if err != nil {
			errs = append(errs, fmt.Errorf("labels.%s: %w", clip(l), err))
		}
		spec.Labels[sallyport.Label(l)] = op
	}
	for _, name := range slices.Sorted(maps.Keys(f.Entities)) {
		e, ok := scan.ParseEntity(name)
		if !ok {
			errs = append(errs, fmt.Errorf("entities: there is no entity %q", clip(name)))
			continue
		}
		op, err := f.Entities[name].spec()
		if err != nil {
			errs = append(errs, fmt.Errorf("entities.%s: %w", name, err))
		}
		spec.Entities[e] = op
	}
	return spec, errors.Join(errs...)
}

func (f *File) scanOptions(load func() (*lexicon.Lexicon, error)) (scan.Options, error) {
	o := scan.Options{MRN: f.MRN, DayFirst: f.DayFirst}
	o.Names, _ = nameMode(f.Names) // checked when the file was read
	var errs []error
	if o.Names != scan.NamesOff {
		var err error
		if o.Lexicon, err = load(); err != nil {
			errs = append(errs, err)
		}
	}
	for i, name := range f.Ignore {
		e, ok := scan.ParseEntity(name)
		if !ok {
			errs = append(errs, fmt.Errorf("ignore[%d]: there is no entity %q", i, clip(name)))
			continue
		}
		o.Ignore |= scan.SetOf(e)
	}
	for i, r := range f.Rules {
		e, ok := scan.ParseEntity(r.Entity)
		if !ok {
			errs = append(errs, fmt.Errorf("rules[%d].entity: there is no entity %q", i, clip(r.Entity)))
			continue
		}
		o.Rules = append(o.Rules, scan.UserRule{Name: r.Name, Entity: e, Prefilter: r.Prefilter, Pattern: r.Pattern, Context: r.Context})
	}
	return o, errors.Join(errs...)
}
