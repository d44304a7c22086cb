// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package config

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	sallyport "github.com/sallyport-dev/sallyport"
)

// HTTP says what a resource of type "http" is.
type HTTP struct {
	// URL is what the paths of requests are appended to.
	URL string `yaml:"url"`
	// Auth is how the gateway proves itself to the API, with the resource's
	// credential.
	Auth HTTPAuth `yaml:"auth"`
	// OpenAPI is a file that describes the API; its paths are routes.
	OpenAPI Path `yaml:"openapi"`
	// Routes are the API's routes, beside those of the file.
	Routes []HTTPRoute `yaml:"routes"`
	// Unlisted says what becomes of paths that are no route: "refuse" or "judge",
	// which lets policy decide about the resource as a whole.
	Unlisted string `yaml:"unlisted"`
	// Labels are those of answers whose route names none.
	Labels []sallyport.Label `yaml:"labels"`
	// Headers are further headers of requests that reach the API.
	Headers []string `yaml:"headers"`
	// MaxRequest bounds the body of a request.
	MaxRequest Bytes `yaml:"max_request"`
	// Timeout is how long the first byte of an answer may take.
	Timeout time.Duration `yaml:"timeout"`
}

// HTTPAuth is how the gateway proves itself to an API.
type HTTPAuth struct {
	// Mode is "none", "bearer", "basic", "header", "google-id-token" or "google".
	Mode string `yaml:"mode"`
	// Header is the name of the header, for "header".
	Header string `yaml:"header"`
	// Audience is of "google-id-token"; empty means the API's address.
	Audience string `yaml:"audience"`
	// Scopes are of "google".
	Scopes []string `yaml:"scopes"`
	// Impersonate is the service account that Google's tokens are of; empty means
	// the credential's own.
	Impersonate string `yaml:"impersonate"`
	// Machine takes the credential of the machine's metadata server for Google's
	// tokens, in place of one of the resource.
	Machine bool `yaml:"machine"`
}

// HTTPRoute is a route of an API.
type HTTPRoute struct {
	// Path is a template: "/patients/{mrn}".
	Path string `yaml:"path"`
	// Operations are what the route can do; none means every method.
	Operations []HTTPOperation `yaml:"operations"`
	// Labels are those of its answers.
	Labels []sallyport.Label `yaml:"labels"`
}

// HTTPOperation is a method of a route.
type HTTPOperation struct {
	Method string `yaml:"method"`
	// Name is what policies see as context.class; empty means the method.
	Name string `yaml:"name"`
	// Effect is what it does, where that is not what the method means: "read" for a
	// search by POST.
	Effect string `yaml:"effect"`
}

// Bounds and defaults of an API.
const (
	defaultMaxRequest = 8 << 20
	maxMaxRequest     = 256 << 20
	defaultTimeout    = time.Minute
)

func (h *HTTP) setDefaults() {
	h.Unlisted, h.MaxRequest, h.Timeout = "refuse", defaultMaxRequest, defaultTimeout
}

// validateOverHTTP checks a resource whose clients speak HTTP.
func (r Resource) validateOverHTTP(key string, f *findings) {
	for _, x := range []struct {
		name string
		set  bool
	}{
		{"address", r.Address != ""}, {"database", r.Database != ""}, {"analyser", r.Analyser != nil}, {"labels", r.Labels != "" && r.Type != Warehouse}, {"patients", r.Patients != nil},
	} {
		if x.set {
			f.add(key+"."+x.name, "means nothing for a resource of type %s", r.Type)
		}
	}
	switch {
	case r.Type == Warehouse && r.BigQuery == nil:
		f.add(key+".bigquery", "is missing; it says which project it is")
		return
	case r.Type == Warehouse:
		r.BigQuery.validate(key+".bigquery", r, f)
	case r.Type == CloudStorage && r.GCS == nil:
		f.add(key+".gcs", "is missing; it says which buckets there are")
		return
	case r.Type == CloudStorage:
		r.GCS.validate(key+".gcs", r, f)
	case r.Type == Cluster && r.Kubernetes == nil:
		f.add(key+".kubernetes", "is missing; it says where the cluster is")
		return
	case r.Type == Cluster:
		r.Kubernetes.validate(key+".kubernetes", r, f)
	case r.HTTP == nil:
		f.add(key+".http", "is missing; it says where the API is")
		return
	default:
		r.HTTP.validate(key+".http", r, f)
	}
	r.Limits.validate(key+".limits", f)
}

func (h *HTTP) validate(key string, r Resource, f *findings) {
	validateURL(key+".url", h.URL, f)
	h.Auth.validate(key, r, f)
	oneOf(f, key+".unlisted", h.Unlisted, "refuse", "judge")
	if h.Unlisted == "refuse" && h.OpenAPI == "" && len(h.Routes) == 0 {
		f.add(key+".routes", "is missing, and so is openapi; with unlisted: refuse nothing could be called")
	}
	for i, route := range h.Routes {
		at := fmt.Sprintf("%s.routes[%d]", key, i)
		if !strings.HasPrefix(route.Path, "/") {
			f.add(at+".path", "does not begin with /")
		}
		for j, o := range route.Operations {
			at := fmt.Sprintf("%s.operations[%d]", at, j)
			oneOf(f, at+".method", o.Method, "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
			oneOf(f, at+".effect", o.Effect, "", "read", "write", "delete", "define", "destroy", "execute", "administer")
		}
	}
	if h.MaxRequest < 1 || h.MaxRequest > maxMaxRequest {
		f.add(key+".max_request", "is %v; want 1 to %v", h.MaxRequest, Bytes(maxMaxRequest))
	}
	if h.Timeout < time.Second || h.Timeout > time.Hour {
		f.add(key+".timeout", "is %v; want 1s to 1h", h.Timeout)
	}
}

// validateURL checks the address of a target that speaks HTTP.
func validateURL(key, address string, f *findings) {
	u, err := url.Parse(address)
	switch {
	case address == "":
		f.add(key, "is missing")
	case err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" || u.Scheme != "https" && u.Scheme != "http":
		f.add(key, "is not an address such as https://api.example/base")
	case u.Scheme == "http" && !isLoopback(u.Hostname()):
		f.add(key, "plain http is for targets on a loopback address; %q is none", clip(u.Hostname()))
	}
}

func (a HTTPAuth) validate(key string, r Resource, f *findings) {
	oneOf(f, key+".auth.mode", a.Mode, "none", "bearer", "basic", "header", "google-id-token", "google")
	if a.Mode == "header" && a.Header == "" {
		f.add(key+".auth.header", "is missing")
	}
	if a.Mode == "google" && len(a.Scopes) == 0 {
		f.add(key+".auth.scopes", "is missing; name what the tokens are to be good for")
	}
	resource := key[:strings.LastIndexByte(key, '.')]
	google := a.Mode == "google" || a.Mode == "google-id-token"
	if !google && (a.Machine || a.Impersonate != "") {
		f.add(key+".auth", "machine and impersonate are of google and google-id-token")
	}
	if a.Mode == "none" || google && a.Machine {
		if r.Credential.Password != "" {
			f.add(resource+".credential", "means nothing with this auth")
		}
		return
	}
	if r.Credential.Password == "" {
		f.add(resource+".credential.password", `is missing; refer to it by "vault:NAME", "env:NAME" or "file:PATH"`)
	}
	if a.Mode == "basic" && r.Credential.Username == "" && !strings.HasPrefix(string(r.Credential.Password), "vault:") {
		f.add(resource+".credential.username", "is missing")
	}
}

// HasHTTP reports whether a resource speaks HTTP, so that its listener is opened.
func (c *Config) HasHTTP() bool {
	return slices.ContainsFunc(c.Resources, Resource.OverHTTP)
}

// HTTPListener is where HTTP resources are served, with the API's certificate
// where it has none of its own.
func (c *Config) HTTPListener() Listener {
	l := c.Listen.HTTP
	if l.TLS.Cert == "" && l.TLS.Key == "" {
		l.TLS = c.Listen.API.TLS
	}
	return l
}

func (c *Config) validateHTTPListener(f *findings) {
	if !c.HasHTTP() {
		return
	}
	l := c.HTTPListener()
	l.validate("listen.http", f)
	c.distinct(f, "listen.http", l.Address)
}
