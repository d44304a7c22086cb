// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"github.com/cedar-policy/cedar-go/types"
	xast "github.com/cedar-policy/cedar-go/x/exp/ast"
)

// conditions walks the when and unless clauses: it finds out what they look at,
// and refuses names that do not exist.
func (k *checker) conditions() {
	w := walker{k: k, read: map[attribute]bool{}, guarded: map[attribute]bool{}}
	for _, c := range k.ast.Conditions {
		xast.Inspect(xast.NewNode(c.Body), w.visit)
	}
	if w.whole > 0 {
		w.needs |= needObjectLabels
	}
	k.r.needs = w.needs
	for a := range w.read {
		if !w.guarded[a] && a.optional() {
			k.warnf("%s.%s may be absent, and then this policy cannot be evaluated (a forbid then denies): write `%s has %s && ...`", a.of, a.name, a.of, a.name)
		}
	}
}

// attribute is one attribute of a variable.
type attribute struct{ of, name string }

// optional reports whether an attribute may be absent from a request.
func (a attribute) optional() bool {
	switch a.of {
	case "context":
		return a.name == "approval" || a.name == "grant" || a.name == "kubernetes"
	case "context.kubernetes":
		return a.name == "labels"
	case "principal":
		return a.name != "id" && a.name != "kind"
	}
	return false
}

// walker gathers what the nodes of a condition look at.
type walker struct {
	k             *checker
	needs         need
	read, guarded map[attribute]bool
	whole         int // how often context.kubernetes is looked at beyond one of its attributes
}

func (w *walker) visit(n xast.IsNode) bool {
	switch n := n.(type) {
	case xast.NodeTypeAccess:
		if n.Value == "kubernetes" && isVariable(n.Arg, "context") {
			w.whole++ // an attribute of it takes that back
		}
		return w.attribute(n.Arg, string(n.Value), w.read)
	case xast.NodeTypeHas:
		return w.attribute(n.Arg, string(n.Value), w.guarded)
	case xast.NodeTypeVariable:
		if n.Name == "context" { // not as part of context.x: the whole of it
			w.needs |= needContext
		}
	case xast.NodeTypeIs:
		w.k.entityType(n.EntityType)
	case xast.NodeTypeIsIn:
		w.k.entityType(n.EntityType)
	case xast.NodeValue:
		w.value(n.Value)
	case xast.NodeTypeGetTag, xast.NodeTypeHasTag:
		w.k.errorf("entities have no tags; use attributes")
	}
	return true
}

func (w *walker) value(v types.Value) {
	switch v := v.(type) {
	case types.EntityUID:
		w.k.entity(v)
	case types.Set:
		for e := range v.All() {
			w.value(e)
		}
	case types.Record:
		for e := range v.Values() {
			w.value(e)
		}
	}
}

// attribute handles arg.name and `arg has name`. It returns whether to go on
// into arg.
func (w *walker) attribute(arg xast.IsNode, name string, seen map[attribute]bool) bool {
	v, ok := arg.(xast.NodeTypeVariable)
	if !ok {
		w.nested(arg, name, seen)
		return true
	}
	seen[attribute{string(v.Name), name}] = true
	switch v.Name {
	case "context":
		bit, ok := needOf(name)
		if !ok {
			w.k.errorf("context has no %q; it has %s", name, contextKeys)
		}
		w.needs |= bit
	case "principal":
		w.needs |= needAttributes
	case "resource":
		w.needs |= needAttributes
		if name != "kind" && name != "name" {
			w.k.errorf("resource has no %q; it has kind and name", name)
		}
	case "action":
		w.k.errorf("an action has no attributes")
	}
	return false
}

// nested handles an attribute of something that is not a variable.
func (w *walker) nested(arg xast.IsNode, name string, seen map[attribute]bool) {
	of, ok := arg.(xast.NodeTypeAccess)
	if !ok || !isVariable(of.Arg, "context") {
		w.needs |= needAttributes // of whatever entity arg may turn out to be
		return
	}
	switch of.Value {
	case "kubernetes":
		w.whole--
		if name == "labels" {
			w.needs |= needObjectLabels
		}
		seen[attribute{"context.kubernetes", name}] = true
		switch name {
		case "verb", "group", "resource", "subresource", "namespace", "name", "labels":
		default:
			w.k.errorf("context.kubernetes has no %q; it has verb, group, resource, subresource, namespace, name and labels", name)
		}
	case "approval":
		switch name {
		case "request", "approver", "method", "at":
		default:
			w.k.errorf("context.approval has no %q; it has request, approver, method and at", name)
		}
	case "grant":
		switch name {
		case "id", "request", "role":
		default:
			w.k.errorf("context.grant has no %q; it has id, request and role", name)
		}
	}
}
