// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package kube

import (
	"slices"

	sallyport "github.com/sallyport-dev/sallyport"
)

// Objects is what is known of some objects of a cluster.
type Objects struct {
	// Namespaces, Resources ("pods", "deployments.apps") and Names; none means all.
	Namespaces, Resources, Names []string
	Labels                       []sallyport.Label
}

// Layout is what is known of what a cluster holds. It does not change.
type Layout struct {
	labels  []sallyport.Label
	objects []Objects
	secret  sallyport.Label
}

// NewLayout returns a layout: the labels of what nothing more is known of, what is
// known of some objects, of which the last that fits counts, and the label of what
// Secrets hold.
func NewLayout(labels []sallyport.Label, objects []Objects, secret sallyport.Label) *Layout {
	return &Layout{labels: labels, objects: objects, secret: secret}
}

// Labels returns those of what a call is answered with, and whether an entry of the
// layout has some of them. An answer about many objects has the labels of each.
func (l *Layout) Labels(c *Call) (labels []sallyport.Label, listed bool) {
	for _, o := range slices.Backward(l.objects) {
		namespace, resource, name := among(o.Namespaces, c.namespace()), among(o.Resources, c.Kind()), among(o.Names, c.Name)
		if namespace == none || resource == none || name == none {
			continue
		}
		labels, listed = union(labels, o.Labels), true
		if namespace == all && resource == all && name == all {
			return labels, true
		}
	}
	if len(l.labels) == 0 {
		return union(labels, []sallyport.Label{sallyport.Unclassified}), listed
	}
	return union(labels, l.labels), listed
}

// part is how much of what a call is about a list takes in.
type part uint8

const (
	none part = iota
	some
	all
)

// among says how much of what name stands for is in a list; an empty list has
// everything, and an empty name or "*" stands for everything.
func among(list []string, name string) part {
	switch {
	case len(list) == 0, slices.Contains(list, name):
		return all
	case name == "" || name == "*":
		return some
	}
	return none
}

func union(a, b []sallyport.Label) []sallyport.Label {
	out := slices.Clone(a)
	for _, l := range b {
		if !slices.Contains(out, l) {
			out = append(out, l)
		}
	}
	return out
}

// Fields are what of a document's objects is data, beyond the document as a whole.
type Fields uint8

// The fields.
const (
	NoFields       Fields = iota
	SecretData            // of Secrets
	ConfigMapData         // of ConfigMaps that an entry of the layout labels
	CredentialData        // of reviews of tokens, and of requests for certificates
)

// Outputs of statements, by number.
const (
	OutputBody = 0 // the document
	OutputData = 1 // its fields, where it has some
)

// Fields says what of a call's answer is data by itself.
func (l *Layout) Fields(c *Call) Fields {
	if c.Group == "authentication.k8s.io" || c.Group == "certificates.k8s.io" {
		return CredentialData
	}
	if c.Group != "" || c.Subresource != "" {
		return NoFields
	}
	switch c.Resource {
	case "secrets":
		return SecretData
	case "configmaps":
		if _, ok := l.Labels(c); ok {
			return ConfigMapData
		}
	}
	return NoFields
}

// Statement judges a call on a resource. One that can never pass is Refused, with a
// hint.
func (l *Layout) Statement(resource sallyport.ResourceID, c *Call) *sallyport.Statement {
	st := &sallyport.Statement{Protocol: Protocol, Class: c.class(), Readable: c.Readable()}
	if !c.IsResource {
		if !discovery(c.Path) || c.Method != "GET" && c.Method != "HEAD" {
			st.Readable = c.Method + " (a path outside the API)"
			st.Refused, st.Hint = "the path is neither of a resource nor of discovery", "ask for resources of the API"
			return st
		}
		st.Effects = []sallyport.Effect{sallyport.Control}
		return st
	}
	st.Kubernetes = &sallyport.Kubernetes{
		Verb: c.Verb, Group: c.Group, Resource: c.Resource, Subresource: c.Subresource, Namespace: c.Namespace, Name: c.Name,
		Labels: c.Labels, LabelsKnown: c.LabelsKnown,
	}
	o := c.judge()
	if o.why != "" {
		st.Refused, st.Hint = o.why, o.hint
		return st
	}
	object := c.Object(resource)
	st.Effects = []sallyport.Effect{o.effect}
	if o.effect == sallyport.Control {
		return st
	}
	st.Accesses = []sallyport.Access{{Effect: o.effect, Object: object}}
	if len(c.Risks) > 0 && o.effect != sallyport.Administer {
		st.Effects = append(st.Effects, sallyport.Administer)
		st.Accesses = append(st.Accesses, sallyport.Access{Effect: sallyport.Administer, Object: object})
	}
	st.Outputs = l.outputs(c, object)
	return st
}

// outputs are the document that answers a call, and what of it is data by itself.
func (l *Layout) outputs(c *Call, object sallyport.Object) []sallyport.Output {
	labels, _ := l.Labels(c)
	body := func(labels []sallyport.Label, more ...string) sallyport.Output {
		return sallyport.Output{Direct: true, Sources: []sallyport.Column{{
			Object: sallyport.Object{Kind: KindBody, Path: append(slices.Clone(object.Path), more...)}, Labels: labels,
		}}}
	}
	switch l.Fields(c) {
	case SecretData, CredentialData:
		return []sallyport.Output{body(labels, "body"), body([]sallyport.Label{l.secret}, "body", "data")}
	case ConfigMapData:
		return []sallyport.Output{body(l.labels, "body"), body(labels, "body", "data")}
	}
	return []sallyport.Output{body(labels, "body")}
}

// class is the API's own word for a call.
func (c *Call) class() string {
	switch c.Subresource {
	case "exec", "attach", "portforward", "proxy", "ephemeralcontainers", "log", "eviction", "token", "finalize":
		return c.Subresource
	}
	return c.Verb
}

// discovery reports whether a path tells what an API server has, and nothing of what
// is in it.
func discovery(path string) bool {
	switch first, rest := cutSegment(path); first {
	case "api", "apis":
		return true // no resource: the caller looked
	case "openapi":
		return rest != ""
	case "version", "":
		return rest == ""
	case "healthz", "livez", "readyz":
		return true
	case ".well-known":
		return rest == "openid-configuration"
	case "openid":
		return rest == "v1/jwks"
	}
	return false
}

// cutSegment takes a path's first segment off.
func cutSegment(path string) (first, rest string) {
	for i := 1; i < len(path); i++ {
		if path[i] == '/' {
			return path[1:i], path[i+1:]
		}
	}
	if path == "" {
		return "", ""
	}
	return path[1:], ""
}
