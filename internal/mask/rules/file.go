// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package rules

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/mask/operator"
	"github.com/sallyport-dev/sallyport/internal/mask/profile"
	"github.com/sallyport-dev/sallyport/internal/mask/scan"
)

// Version is the version of the file's format that this package reads.
const Version = 1

// maxFile bounds a rules file in bytes.
const maxFile = 1 << 20

// File is a rules file. docs/reference/masking.md describes its keys.
type File struct {
	// Version of the format; must be [Version].
	Version int `yaml:"version"`
	// Profile is one of the three of package profile.
	Profile string `yaml:"profile"`
	// Names is how names of people are looked for in texts: "off", "listed" or
	// "safe-list".
	Names string `yaml:"names"`
	// DayFirst reads 3/4/2001 as the third of April.
	DayFirst bool `yaml:"day_first"`
	// Patient is the label of what identifies a patient within the data, so that
	// dates of one patient move together.
	Patient string `yaml:"patient"`
	// Keys are the versions of the secret behind keyed operators.
	Keys []Key `yaml:"keys"`
	// Labels and Entities override the profile's operators.
	Labels   map[string]Operator `yaml:"labels"`
	Entities map[string]Operator `yaml:"entities"`
	// Ignore are entities that texts are not scanned for.
	Ignore []string `yaml:"ignore"`
	// MRN are the site's patterns of record numbers, as scan.Options has them.
	MRN []string `yaml:"mrn"`
	// Rules are the site's own for texts.
	Rules []Rule `yaml:"rules"`
	// Paths gives elements of JSON a label, by templates such as "$.patient.name":
	// the profile has an operator for it. "scan", "drop" and "public" are words of
	// their own.
	Paths map[string]string `yaml:"paths"`
	// Columns gives columns of CSV a label, by their name.
	Columns map[string]string `yaml:"columns"`
	// FHIR elements that are shown or scanned although no definition says that
	// they hold no identifier, as "Observation.note.text".
	FHIR Elements `yaml:"fhir"`
	// HL7 says of fields what the site knows better than the table.
	HL7 Fields `yaml:"hl7"`
	// Detectors are services outside the gateway.
	Detectors []Detector `yaml:"detectors"`
}

// Elements names elements of FHIR resources, and code systems of the site's own
// whose codes and displays are no identifiers.
type Elements struct {
	Keep    []string `yaml:"keep"`
	Scan    []string `yaml:"scan"`
	Systems []string `yaml:"systems"`
}

// Fields names fields of HL7 v2, as "PV1-3": free of identifiers, or masked whole.
type Fields struct {
	Keep []string `yaml:"keep"`
	Mask []string `yaml:"mask"`
}

// Key is one version of the masking secret, by reference.
type Key struct {
	Version int    `yaml:"version"`
	Secret  string `yaml:"secret"` // "vault:NAME", "env:NAME" or "file:PATH"
}

// Rule is a rule of the site's own for texts, as scan.UserRule has it.
type Rule struct {
	Name      string   `yaml:"name"`
	Entity    string   `yaml:"entity"`
	Prefilter string   `yaml:"prefilter"`
	Pattern   string   `yaml:"pattern"`
	Context   []string `yaml:"context"`
}

// Detector is a service that finds identifiers in columns with one of the
// labels.
type Detector struct {
	Name      string        `yaml:"name"`
	Type      string        `yaml:"type"` // "presidio" or "dlp"
	URL       string        `yaml:"url"`
	Labels    []string      `yaml:"labels"`
	Language  string        `yaml:"language"`
	Threshold float64       `yaml:"threshold"`
	Timeout   time.Duration `yaml:"timeout"`  // for one value
	Version   string        `yaml:"version"`  // as it stands in masking events
	Entities  []string      `yaml:"entities"` // the service's own names; all when empty
	Project   string        `yaml:"project"`  // dlp
	Location  string        `yaml:"location"` // dlp
	Token     string        `yaml:"token"`    // dlp: a reference to a bearer token
}

// Operator is an operator in a file: its name alone, or a mapping with its
// parameters.
type Operator struct {
	Name        string  `yaml:"op"`
	Value       string  `yaml:"value"`
	First       int     `yaml:"first"`
	Last        int     `yaml:"last"`
	Bits4       int     `yaml:"bits4"`
	Bits6       int     `yaml:"bits6"`
	Unit        string  `yaml:"unit"`
	Days        int     `yaml:"days"`
	Width       float64 `yaml:"width"`
	Scale       float64 `yaml:"scale"`
	Domain      string  `yaml:"domain"`
	Alphabet    string  `yaml:"alphabet"`
	Check       string  `yaml:"check"`
	Placeholder string  `yaml:"placeholder"`
}

// UnmarshalYAML reads a name or a mapping.
func (o *Operator) UnmarshalYAML(n *yaml.Node) error {
	if n.Kind == yaml.ScalarNode {
		o.Name = n.Value
		return nil
	}
	type plain Operator // without this method
	return n.Load((*plain)(o), yaml.WithKnownFields())
}

// The words that stand beside labels for elements of JSON: mask what the scanner
// finds, leave the element out, show it.
const (
	wordScan   = "scan"
	wordDrop   = "drop"
	wordPublic = "public"
)

// spec returns the operator that the file means.
func (o Operator) spec() (operator.Spec, error) {
	k, ok := operator.ParseKind(o.Name)
	if !ok {
		return operator.Spec{}, fmt.Errorf("there is no operator %q", clip(o.Name))
	}
	return operator.Spec{
		Kind: k, Value: o.Value, First: o.First, Last: o.Last, Bits4: o.Bits4, Bits6: o.Bits6, Unit: o.Unit, Days: o.Days,
		Width: o.Width, Scale: o.Scale, Domain: o.Domain, Alphabet: o.Alphabet, Check: o.Check, Placeholder: o.Placeholder,
	}, nil
}

// Default returns the rules that hold where a resource names no file: need-to-know,
// with the strictest way of looking for names.
func Default() *File {
	return &File{Version: Version, Profile: profile.NeedToKnow, Names: "safe-list"}
}

// Parse reads a rules file strictly. The error has kind Invalid and names every
// problem; name stands in it.
func Parse(name string, data []byte) (*File, error) {
	f := Default()
	f.Version = 0
	problem := func(err error) error {
		return sallyport.E(sallyport.Invalid, "masking rules", name+": the masking rules cannot be used").
			WithHint("docs/reference/masking.md describes every key").Because(err)
	}
	if len(data) > maxFile {
		return nil, problem(fmt.Errorf("the file has %d bytes, more than %d", len(data), maxFile))
	}
	if err := yaml.Load(data, f, yaml.WithKnownFields()); err != nil {
		return nil, problem(err)
	}
	if err := f.validate(); err != nil {
		return nil, problem(err)
	}
	return f, nil
}

// validate checks what the compilers of the parts do not know.
func (f *File) validate() error {
	var errs []error
	add := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if f.Version != Version {
		add("version is %d; this release reads version %d", f.Version, Version)
	}
	if !slices.Contains([]string{profile.SafeHarbor, profile.LimitedDataSet, profile.NeedToKnow}, f.Profile) {
		add("profile %q is not one of %s, %s, %s", clip(f.Profile), profile.SafeHarbor, profile.LimitedDataSet, profile.NeedToKnow)
	}
	if _, ok := nameMode(f.Names); !ok {
		add("names: %q is not one of off, listed, safe-list", clip(f.Names))
	}
	for i, k := range f.Keys {
		if !isReference(k.Secret) {
			add("keys[%d].secret: a secret itself must not stand in the file; refer to it by \"vault:NAME\", \"env:NAME\" or \"file:PATH\"", i)
		}
	}
	for i, d := range f.Detectors {
		for _, msg := range d.problems() {
			add("detectors[%d].%s", i, msg)
		}
	}
	return errors.Join(errs...)
}

func (d Detector) problems() []string {
	var out []string
	add := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }
	if d.Name == "" {
		add("name: is missing")
	}
	if len(d.Labels) == 0 {
		add("labels: is missing; name the labels of the columns that it is asked about")
	}
	if d.Timeout < 0 || d.Timeout > time.Minute {
		add("timeout: is %v; want at most 1m", d.Timeout)
	}
	if d.Token != "" && !isReference(d.Token) {
		add("token: a secret itself must not stand in the file; refer to it by \"vault:NAME\", \"env:NAME\" or \"file:PATH\"")
	}
	switch d.Type {
	case "presidio":
		if d.URL == "" {
			add("url: is missing")
		}
	case "dlp":
		if d.Project == "" || d.Token == "" {
			add("project: a dlp detector needs project and token")
		}
	default:
		add("type: %q is neither presidio nor dlp", clip(d.Type))
	}
	if d.URL != "" && !isSafeURL(d.URL) {
		add("url: want https, or http to a loopback address")
	}
	return out
}

// isSafeURL reports whether texts may be sent there: over TLS, or without
// leaving the machine.
func isSafeURL(s string) bool {
	u, err := url.Parse(s)
	if err != nil || u.Host == "" || u.User != nil {
		return false
	}
	if u.Scheme == "https" {
		return true
	}
	a, err := netip.ParseAddr(u.Hostname())
	return u.Scheme == "http" && (u.Hostname() == "localhost" || err == nil && a.IsLoopback())
}

func isReference(s string) bool {
	scheme, rest, _ := strings.Cut(s, ":")
	return rest != "" && (scheme == "vault" || scheme == "env" || scheme == "file")
}

func nameMode(s string) (scan.NameMode, bool) {
	switch s {
	case "off":
		return scan.NamesOff, true
	case "listed":
		return scan.NamesListed, true
	case "safe-list":
		return scan.NamesUnlisted, true
	}
	return scan.NamesOff, false
}

// clip keeps a piece of the file short enough for a message.
func clip(s string) string {
	const most = 60
	if r := []rune(s); len(r) > most {
		return string(r[:most]) + "..."
	}
	return s
}
