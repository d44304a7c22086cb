// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

// Package kube finds out what a request to the API of a Kubernetes cluster does:
// which effects its verb has on which object, and how what it answers is labelled.
//
// It is told what the API server itself reads in a request, so that verb, resource
// and name mean here what they mean there. A request that opens a way into a
// container, a node or a service has the effect execute, whatever its method; one
// that gives rights, mints credentials or changes the cluster itself has the effect
// administer.
package kube

import (
	"strings"

	sallyport "github.com/sallyport-dev/sallyport"
)

// Protocol is the analyser's name in statements.
const Protocol = "kubernetes"

// Kinds of objects.
const (
	KindPath = "path" // an object of the cluster, or all of a kind in a namespace
	KindBody = "body" // what it holds
)

// Call is a request as the API server reads it.
type Call struct {
	// IsResource is false for discovery and the like, of which Path is all there is.
	IsResource bool
	Path       string
	Method     string
	// Verb is the API's: "get", "list", "watch", "create", "update", "patch",
	// "delete", "deletecollection"; the method in lower case where IsResource is false.
	Verb        string
	Group       string
	Version     string
	Namespace   string
	Resource    string
	Subresource string
	Name        string
	// Tail is what the path has behind the subresource.
	Tail []string
	// Labels are those of the object that is changed or removed, as "key=value"; they
	// are good where LabelsKnown is true.
	Labels      []string
	LabelsKnown bool
	// Risks are what a body asks for beyond its object: see [Risks].
	Risks []string
}

// Kind names a call's resource with its group: "pods", "deployments.apps".
func (c *Call) Kind() string {
	if c.Group == "" {
		return c.Resource
	}
	return c.Resource + "." + c.Group
}

// Object is what a call acts on: the resource of the gateway, the namespace ("-" for
// what has none, "*" for all of them), the kind, the name and the subresource.
func (c *Call) Object(resource sallyport.ResourceID) sallyport.Object {
	path := []string{string(resource), c.namespace(), c.Kind()}
	switch {
	case c.Name != "":
		path = append(path, c.Name)
		if c.Subresource != "" {
			path = append(path, c.Subresource)
		}
	case c.Subresource != "":
		path = append(path, "*", c.Subresource)
	}
	return sallyport.Object{Kind: KindPath, Path: path}
}

// namespace is the namespace as objects and policies have it.
func (c *Call) namespace() string {
	switch {
	case c.Resource == "namespaces" && c.Group == "":
		return "-" // a namespace is in none, though its requests have its name in that place
	case c.Namespace != "":
		return c.Namespace
	case ClusterScoped(c.Group, c.Resource):
		return "-"
	case c.Verb == "list" || c.Verb == "watch" || c.Verb == "deletecollection":
		return "*" // also where a field selector names one object
	}
	return "-"
}

// Readable is the call in words that may stand on record.
func (c *Call) Readable() string {
	if !c.IsResource {
		return c.Method + " " + c.Path
	}
	var b strings.Builder
	b.WriteString(c.Verb + " " + c.Kind())
	if c.Name != "" {
		b.WriteString("/" + c.Name)
	}
	if c.Subresource != "" {
		b.WriteString("/" + c.Subresource)
	}
	if ns := c.namespace(); ns != "-" {
		b.WriteString(" in " + strings.Replace(ns, "*", "all namespaces", 1))
	}
	return b.String()
}

// Streams reports whether a call opens streams into a container: what answers it is
// no document.
func (c *Call) Streams() bool {
	return c.IsResource && c.Group == "" && c.Resource == "pods" && len(c.Tail) == 0 && (c.Subresource == "exec" || c.Subresource == "attach" || c.Subresource == "portforward")
}
