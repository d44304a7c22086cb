// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package kube

import (
	sallyport "github.com/sallyport-dev/sallyport"
)

// opinion is what a call does, or why it can never pass.
type opinion struct {
	effect    sallyport.Effect
	why, hint string
}

func does(e sallyport.Effect) opinion { return opinion{effect: e} }

func never(why, hint string) opinion { return opinion{why: why, hint: hint} }

// judge says what a call for a resource does.
func (c *Call) judge() opinion {
	if o, ok := c.malformed(); ok {
		return o
	}
	if c.Subresource != "" {
		return c.below()
	}
	switch c.Verb {
	case "get", "list", "watch":
		return does(sallyport.Read)
	case "create":
		return c.creates()
	case "update", "patch":
		if c.administers() || ClusterScoped(c.Group, c.Resource) {
			return does(c.defines(sallyport.Administer))
		}
		return does(sallyport.Write)
	case "delete":
		return c.deletes()
	case "deletecollection":
		return does(sallyport.Destroy)
	}
	return never("the API has no such verb", "send GET, POST, PUT, PATCH or DELETE as the API has them")
}

// malformed finds calls whose method and path do not go together.
func (c *Call) malformed() (opinion, bool) {
	named := c.Name != ""
	switch {
	case c.Resource == "":
		return never("the path names no resource", "use a path of the API, as clients of it do"), true
	case c.Method == "HEAD" || c.Method == "OPTIONS":
		return never("the API takes no "+c.Method+" for resources", "send GET"), true
	case c.Verb == "proxy" || c.Verb == "watch" && c.Method != "GET":
		return never("the path has a verb of an old form of the API", "use the subresource proxy, or ?watch=true"), true
	case c.Verb == "create" && named && c.Subresource == "", (c.Verb == "update" || c.Verb == "patch") && !named:
		return never("the method does not go with the path", "POST goes to a collection; PUT and PATCH to an object in it"), true
	case len(c.Tail) > 0 && c.Subresource != "proxy":
		return never("the path goes on behind its subresource", "use a path of the API, as clients of it do"), true
	}
	return opinion{}, false
}

// creates is the effect of making an object.
func (c *Call) creates() opinion {
	switch c.Group {
	case "authorization.k8s.io": // a question in the form of an object
		switch c.Resource {
		case "selfsubjectaccessreviews", "selfsubjectrulesreviews":
			return does(sallyport.Control)
		}
		return does(sallyport.Read)
	case "authentication.k8s.io":
		if c.Resource == "selfsubjectreviews" {
			return does(sallyport.Control)
		}
		return does(sallyport.Administer) // tells whose any token is
	}
	switch {
	case c.Group == "" && c.Resource == "namespaces":
		return does(sallyport.Define)
	case c.administers() || ClusterScoped(c.Group, c.Resource):
		return does(c.defines(sallyport.Administer))
	}
	return does(sallyport.Write)
}

// defines is e, or for what defines kinds of objects, define.
func (c *Call) defines(e sallyport.Effect) sallyport.Effect {
	if c.Group == "apiextensions.k8s.io" && c.Resource == "customresourcedefinitions" {
		return sallyport.Define
	}
	return e
}

// deletes is the effect of removing one object.
func (c *Call) deletes() opinion {
	switch {
	case c.Group == "" && (c.Resource == "namespaces" || c.Resource == "persistentvolumes" || c.Resource == "persistentvolumeclaims"),
		c.Group == "apiextensions.k8s.io":
		return does(sallyport.Destroy) // data goes with it
	case c.administers() || ClusterScoped(c.Group, c.Resource):
		return does(sallyport.Administer)
	}
	return does(sallyport.Delete)
}

// administers reports whether objects of a kind are rights, credentials or settings
// of the cluster.
func (c *Call) administers() bool {
	switch c.Group {
	case "rbac.authorization.k8s.io", "certificates.k8s.io", "admissionregistration.k8s.io", "apiregistration.k8s.io", "apiextensions.k8s.io",
		"flowcontrol.apiserver.k8s.io", "internal.apiserver.k8s.io", "authentication.k8s.io":
		return true
	case "":
		return c.Resource == "bindings" || c.Resource == "nodes" || c.Resource == "persistentvolumes"
	}
	return false
}

// below is the effect of a call for a subresource.
func (c *Call) below() opinion {
	reads := c.Verb == "get" || c.Verb == "list" || c.Verb == "watch"
	changes := c.Verb == "update" || c.Verb == "patch"
	if c.Group == "" {
		if o, ok := c.core(reads, changes); ok {
			return o
		}
	}
	switch {
	case c.Subresource == "approval" && c.Group == "certificates.k8s.io" && (reads || changes):
		return does(sallyport.Administer)
	case c.Subresource != "status" && c.Subresource != "scale":
	case reads:
		return does(sallyport.Read)
	case changes && (c.administers() || ClusterScoped(c.Group, c.Resource)):
		return does(sallyport.Administer)
	case changes:
		return does(sallyport.Write)
	}
	return never("the subresource is not known, or not with this verb", "ask the gateway's operator; what is not known is not passed on")
}

// core is below for the subresources of the core group.
func (c *Call) core(reads, changes bool) (opinion, bool) {
	switch c.Resource + "/" + c.Subresource {
	case "pods/exec", "pods/attach", "pods/portforward":
		return does(sallyport.Execute), true // by whatever method: a WebSocket is opened by GET
	case "pods/proxy", "services/proxy":
		return never("the cluster's proxy is not passed on, since nobody knows what answers it", "make the service a resource of type http of its own"), true
	case "pods/ephemeralcontainers":
		if reads {
			return does(sallyport.Read), true
		}
		return does(sallyport.Execute), changes
	case "pods/log":
		return does(sallyport.Read), c.Verb == "get"
	case "pods/eviction":
		return does(sallyport.Delete), c.Verb == "create"
	case "pods/binding":
		return does(sallyport.Administer), c.Verb == "create"
	case "serviceaccounts/token":
		return never("the cluster would issue a token, with which its holder goes past the gateway", "use the gateway's own token; what runs in a pod gets one of its service account's from the cluster"), true
	case "pods/resize":
		return does(sallyport.Write), changes
	case "namespaces/finalize":
		return does(sallyport.Destroy), c.Verb == "update"
	case "nodes/status":
		return opinion{}, false
	}
	if c.Resource == "nodes" {
		return never("a node's own interface is not passed on: it runs commands in every pod of the node", "use logs and exec of the pod"), true
	}
	return opinion{}, false
}
