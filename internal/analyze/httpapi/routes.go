// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package httpapi

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	sallyport "github.com/sallyport-dev/sallyport"
)

// RouteConfig is one route of an API as its operator or an OpenAPI file writes
// it.
type RouteConfig struct {
	// Path is a template: "/patients/{mrn}/notes". A last segment "{rest...}" takes
	// in everything below.
	Path string
	// Operations are the methods that it has and what they do; with none, every
	// method that HTTP gives a meaning.
	Operations map[string]Operation
	// Labels are those of what its answers hold.
	Labels []sallyport.Label
}

// Operation is a method of a route.
type Operation struct {
	Name   string           // as policies see it in context.class; "" for the method
	Effect sallyport.Effect // EffectUnknown for that of the method
}

// Routes are the routes of one API. They do not change and are safe for
// concurrent use.
type Routes struct {
	routes []*Route
	only   bool // what no route takes is refused
	common []sallyport.Label
}

// Route is one of them.
type Route struct {
	words      []string // of the template, parameters in braces
	params     []bool
	rest       bool
	operations map[string]Operation
	labels     []sallyport.Label
}

// Template is the route's path as it is on record: "/patients/{mrn}".
func (r *Route) Template() string { return "/" + strings.Join(r.words, "/") }

const maxRoutes = 5000

// NewRoutes makes routes. only refuses what no route takes; labels hold where a
// route names none. Errors have kind Invalid.
func NewRoutes(configs []RouteConfig, only bool, labels []sallyport.Label) (*Routes, error) {
	if len(configs) > maxRoutes {
		return nil, invalid("an API has at most %d routes", maxRoutes)
	}
	r := &Routes{only: only, common: labels}
	seen := map[string]bool{}
	for _, c := range configs {
		route, err := newRoute(c)
		if err != nil {
			return nil, err
		}
		if shape := route.shape(); seen[shape] {
			return nil, invalid("two routes are the same but for the names of parameters: %s", c.Path)
		} else {
			seen[shape] = true
		}
		r.routes = append(r.routes, route)
	}
	// Of two routes that take a path, the one with the earlier literal word counts.
	slices.SortStableFunc(r.routes, func(a, b *Route) int { return a.compare(b) })
	return r, nil
}

func invalid(format string, args ...any) error {
	return sallyport.E(sallyport.Invalid, "http routes", fmt.Sprintf(format, args...))
}

func newRoute(c RouteConfig) (*Route, error) {
	bad := func(why string) error { return invalid("the route %q %s", c.Path, why) }
	rest, ok := strings.CutPrefix(c.Path, "/")
	if !ok {
		return nil, bad("does not begin with /")
	}
	r := &Route{operations: map[string]Operation{}, labels: c.Labels}
	for method, o := range c.Operations {
		r.operations[strings.ToUpper(method)] = o
	}
	if rest == "" {
		return r, nil
	}
	parts := strings.Split(rest, "/")
	for i, p := range parts {
		name, param := strings.CutPrefix(p, "{")
		name, closed := strings.CutSuffix(name, "}")
		last := i == len(parts)-1
		switch {
		case param != closed:
			return nil, bad("has a brace without its other half")
		case param:
			if name, r.rest = strings.CutSuffix(name, "..."); r.rest && !last {
				return nil, bad("goes on after a part that takes in everything")
			}
			if name == "" || strings.Trim(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") != "" {
				return nil, bad("has a parameter without a plain name")
			}
		case p == "" && !last || strings.ContainsAny(p, "{}*?#%\\;"):
			return nil, bad("has an empty part or one with a character that no template has")
		}
		r.words, r.params = append(r.words, p), append(r.params, param)
	}
	return r, nil
}

// shape is the template without the names of its parameters.
func (r *Route) shape() string {
	out := slices.Clone(r.words)
	for i, param := range r.params {
		if param {
			out[i] = "{}"
		}
	}
	if r.rest {
		out[len(out)-1] = "{...}"
	}
	return strings.Join(out, "/")
}

// compare orders the more literal route first.
func (r *Route) compare(o *Route) int {
	for i := range min(len(r.words), len(o.words)) {
		if r.params[i] != o.params[i] {
			if r.params[i] {
				return 1
			}
			return -1
		}
	}
	if r.rest != o.rest {
		if r.rest {
			return 1
		}
		return -1
	}
	return cmp.Compare(len(o.words), len(r.words))
}

// match finds the route that takes a path.
func (r *Routes) match(segments []string) *Route {
	for _, route := range r.routes {
		if route.takes(segments) {
			return route
		}
	}
	return nil
}

// Literal reports whether a path has nothing in it but words of a template.
func (r *Routes) Literal(path string) bool {
	segments, why := splitPath(path)
	if why != "" {
		return false
	}
	route := r.match(segments)
	return route != nil && !slices.Contains(route.params, true)
}

func (r *Route) takes(segments []string) bool {
	n := len(r.words)
	if len(segments) < n || len(segments) > n && !r.rest {
		return false
	}
	for i, w := range r.words {
		if !r.params[i] && segments[i] != w {
			return false
		}
		if r.params[i] && segments[i] == "" {
			return false
		}
	}
	return true
}

// effect is what a method does on a route; ok is false where there is no such
// operation.
func (r *Routes) effect(route *Route, method string) (e sallyport.Effect, class string, ok bool) {
	e = effectOf(method)
	if route == nil {
		return e, "", !r.only && e != sallyport.EffectUnknown
	}
	if len(route.operations) == 0 {
		return e, "", e != sallyport.EffectUnknown
	}
	o, known := route.operations[method]
	if method == "HEAD" && !known {
		o, known = route.operations["GET"]
	}
	if !known {
		return sallyport.EffectUnknown, "", false
	}
	if o.Effect != sallyport.EffectUnknown {
		e = o.Effect
	}
	return e, o.Name, e != sallyport.EffectUnknown
}

// effectOf is what a method means (RFC 9110, section 9.3). A POST can be
// anything, so that it is the execution of something in the target.
func effectOf(method string) sallyport.Effect {
	switch method {
	case "GET", "HEAD", "OPTIONS":
		return sallyport.Read
	case "PUT", "PATCH":
		return sallyport.Write
	case "DELETE":
		return sallyport.Delete
	case "POST":
		return sallyport.Execute
	}
	return sallyport.EffectUnknown
}

func (r *Routes) labels(route *Route) []sallyport.Label {
	if route != nil && len(route.labels) > 0 {
		return route.labels
	}
	return r.common
}
