// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"fmt"
	"slices"
	"strings"
	"time"

	sallyport "github.com/sallyport-dev/sallyport"
	"go.yaml.in/yaml/v4"
)

// The form of a file of cases.
type (
	caseFileYAML struct {
		Cases []yaml.Node `yaml:"cases"`
	}
	caseYAML struct {
		Name          string         `yaml:"name"`
		Principal     principalYAML  `yaml:"principal"`
		Roles         []string       `yaml:"roles"`
		Resource      string         `yaml:"resource"`
		At            time.Time      `yaml:"at"`
		InTransaction bool           `yaml:"in_transaction"`
		Grant         *grantYAML     `yaml:"grant"`
		Approval      *approvalYAML  `yaml:"approval"`
		Statement     *statementYAML `yaml:"statement"`
		Want          wantYAML       `yaml:"want"`
	}
	principalYAML struct {
		ID         string            `yaml:"id"`
		Kind       string            `yaml:"kind"`
		Groups     []string          `yaml:"groups"`
		Attributes map[string]string `yaml:"attributes"`
	}
	grantYAML struct {
		ID      string `yaml:"id"`
		Request string `yaml:"request"`
		Role    string `yaml:"role"`
	}
	approvalYAML struct {
		Request  string `yaml:"request"`
		Approver string `yaml:"approver"`
	}
	statementYAML struct {
		Class      string       `yaml:"class"`
		Effects    []string     `yaml:"effects"` // default: those of the accesses
		Accesses   []accessYAML `yaml:"accesses"`
		Outputs    []outputYAML `yaml:"outputs"`
		Predicates []columnYAML `yaml:"predicates"`
		Flows      []flowYAML   `yaml:"flows"`
		Refused    string       `yaml:"refused"`
		Kubernetes *kubeYAML    `yaml:"kubernetes"`
	}
	kubeYAML struct {
		Verb        string    `yaml:"verb"`
		Group       string    `yaml:"group"`
		Resource    string    `yaml:"resource"`
		Subresource string    `yaml:"subresource"`
		Namespace   string    `yaml:"namespace"`
		Name        string    `yaml:"name"`
		Labels      *[]string `yaml:"labels"` // default: not known
	}
	accessYAML struct {
		Effect  string       `yaml:"effect"`
		Object  string       `yaml:"object"`
		Kind    string       `yaml:"kind"` // default: table
		Columns []columnYAML `yaml:"columns"`
	}
	columnYAML struct {
		Name   string   `yaml:"name"`
		Kind   string   `yaml:"kind"` // default: column
		Labels []string `yaml:"labels"`
	}
	outputYAML struct {
		Sources []columnYAML `yaml:"sources"`
		Derived bool         `yaml:"derived"` // an expression over its one source
		Unknown bool         `yaml:"unknown"`
	}
	flowYAML struct {
		Target  columnYAML   `yaml:"target"`
		Sources []columnYAML `yaml:"sources"`
		Derived bool         `yaml:"derived"` // an expression over its one source
		Partial bool         `yaml:"partial"` // the target is shown in part
		Unknown bool         `yaml:"unknown"`
	}
	wantYAML struct {
		Outcome   string   `yaml:"outcome"`
		Masks     []int    `yaml:"masks"`
		Scans     []int    `yaml:"scans"`
		Rules     []string `yaml:"rules"`
		Approvers string   `yaml:"approvers"`
	}
)

// ParseCases reads a YAML file of test cases. Unknown keys are refused, and
// every problem is reported with its line; cases without a problem are
// returned.
func ParseCases(f File) ([]Case, Diagnostics) {
	var diags Diagnostics
	report := func(line int, msg string) {
		diags = append(diags, Diagnostic{File: f.Name, Line: line, Severity: SeverityError, Message: msg})
	}
	if len(f.Text) > maxFile {
		report(0, fmt.Sprintf("the file has %d bytes, more than the limit of %d", len(f.Text), maxFile))
		return nil, diags
	}
	var file caseFileYAML
	if err := yaml.Load([]byte(f.Text), &file, yaml.WithKnownFields()); err != nil {
		report(0, err.Error())
		return nil, diags
	}
	var out []Case
	seen := map[string]int{}
	for i := range file.Cases {
		n := &file.Cases[i]
		var y caseYAML
		if err := n.Load(&y, yaml.WithKnownFields()); err != nil {
			report(n.Line, err.Error())
			continue
		}
		c, err := y.build()
		if err != nil {
			report(n.Line, err.Error())
			continue
		}
		if at, dup := seen[c.Name]; dup {
			report(n.Line, fmt.Sprintf("the name %q is already used in line %d", c.Name, at))
			continue
		}
		seen[c.Name] = n.Line
		c.File, c.Line = f.Name, n.Line
		out = append(out, c)
	}
	return out, diags
}

func (y *principalYAML) principal() sallyport.Principal {
	return sallyport.Principal{
		ID: sallyport.PrincipalID(y.ID), Kind: sallyport.PrincipalKind(y.Kind),
		Groups: y.Groups, Attributes: y.Attributes,
	}
}

// statement builds the root type. A column's name is its path, or a bare name
// for a column that an access lists or that lies in the only object accessed.
// Labels need to be given once for each column.
func (y *statementYAML) statement() (*sallyport.Statement, error) {
	b := columnBuilder{labels: map[string][]sallyport.Label{}}
	st := &sallyport.Statement{Protocol: "test", Class: y.Class, Refused: y.Refused, Kubernetes: y.Kubernetes.call()}
	for _, name := range y.Effects {
		e, err := parseEffect(name)
		if err != nil {
			return nil, err
		}
		st.Effects = append(st.Effects, e)
	}
	for _, a := range y.Accesses {
		e, err := parseEffect(a.Effect)
		if err != nil {
			return nil, err
		}
		acc := sallyport.Access{Effect: e, Object: sallyport.Object{Kind: a.Kind, Path: strings.Split(a.Object, "/")}}
		if a.Kind == "" {
			acc.Object.Kind = "table"
		}
		if a.Object == "" {
			return nil, fmt.Errorf("an access names no object")
		}
		b.object = acc.Object.Path
		acc.Columns = b.columns(a.Columns)
		st.Accesses = append(st.Accesses, acc)
		if len(y.Effects) == 0 && !slices.Contains(st.Effects, e) {
			st.Effects = append(st.Effects, e)
		}
	}
	if len(y.Accesses) != 1 {
		b.object = nil
	}
	for _, o := range y.Outputs {
		st.Outputs = append(st.Outputs, sallyport.Output{
			Sources: b.columns(o.Sources), Direct: len(o.Sources) == 1 && !o.Derived && !o.Unknown, Unknown: o.Unknown,
		})
	}
	st.Predicates = b.columns(y.Predicates)
	for _, f := range y.Flows {
		st.Flows = append(st.Flows, sallyport.Flow{
			Target: b.column(f.Target), Sources: b.columns(f.Sources), Unknown: f.Unknown,
			Altered: len(f.Sources) != 1 || f.Derived || f.Unknown, Partial: f.Partial,
		})
	}
	return st, b.err
}

func (y *kubeYAML) call() *sallyport.Kubernetes {
	if y == nil {
		return nil
	}
	k := &sallyport.Kubernetes{Verb: y.Verb, Group: y.Group, Resource: y.Resource, Subresource: y.Subresource, Namespace: y.Namespace, Name: y.Name}
	if y.Labels != nil {
		k.Labels, k.LabelsKnown = *y.Labels, true
	}
	return k
}

// columnBuilder resolves the names of columns and remembers their labels.
type columnBuilder struct {
	object []string // for bare names
	labels map[string][]sallyport.Label
	names  []string // full names of all columns so far
	err    error    // the first
}

func (b *columnBuilder) columns(ys []columnYAML) []sallyport.Column {
	var out []sallyport.Column
	for _, y := range ys {
		out = append(out, b.column(y))
	}
	return out
}

func (b *columnBuilder) column(y columnYAML) sallyport.Column {
	full := b.resolve(y.Name)
	if _, known := b.labels[full]; !known {
		b.names = append(b.names, full)
		b.labels[full] = nil
	}
	for _, l := range y.Labels {
		if !slices.Contains(b.labels[full], sallyport.Label(l)) {
			b.labels[full] = append(b.labels[full], sallyport.Label(l))
		}
	}
	kind := y.Kind
	if kind == "" {
		kind = "column"
	}
	return sallyport.Column{Object: sallyport.Object{Kind: kind, Path: strings.Split(full, "/")}, Labels: slices.Clone(b.labels[full])}
}

// resolve returns a column's full name.
func (b *columnBuilder) resolve(name string) string {
	if strings.Contains(name, "/") {
		return name
	}
	if b.object != nil && name != "" {
		return strings.Join(b.object, "/") + "/" + name
	}
	found := ""
	for _, n := range b.names {
		if strings.HasSuffix(n, "/"+name) {
			if found != "" && b.err == nil {
				b.err = fmt.Errorf("column %q is ambiguous: write %s or %s", name, found, n)
			}
			found = n
		}
	}
	if found == "" && b.err == nil {
		b.err = fmt.Errorf("column %q is not listed in an access: write its whole path", name)
	}
	return found
}

func parseEffect(name string) (sallyport.Effect, error) {
	for e := sallyport.Read; e <= sallyport.Control; e++ {
		if e.String() == name {
			return e, nil
		}
	}
	if name == "unknown" {
		return sallyport.EffectUnknown, nil
	}
	return sallyport.EffectUnknown, fmt.Errorf("effect %q is not known; the effects are read, write, delete, define, destroy, execute, administer, control and unknown", name)
}
