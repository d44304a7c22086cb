// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package connect

import (
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	sallyport "github.com/sallyport-dev/sallyport"
)

// Rule lets requests to one host through to a resource.
type Rule struct {
	// Host is the exact name, in lower case.
	Host string
	// Paths are what escaped paths begin with, in whole segments: "/storage/v1". "/"
	// is every path.
	Paths []string
	// Methods are those of HTTP; none means those that connectors know.
	Methods []string
	// Endpoint is the gateway's own endpoint for tokens that answers in place of the
	// resource; "" for none. Paths are then whole.
	Endpoint string
}

// Table says for each resource which hosts, paths and methods reach it. What it does
// not have is refused.
type Table map[sallyport.ResourceID][]Rule

// BigQuery are the rules for a resource of that type, whose service is at an address.
func BigQuery(service string) []Rule {
	api := []string{"/bigquery/v2", "/upload/bigquery/v2", "/resumable/upload/bigquery/v2"}
	described := append(slices.Clone(api), "/discovery/v1/apis/bigquery/v2/rest", "/$discovery/rest")
	rules := []Rule{
		{Host: "bigquery.googleapis.com", Paths: described},
		{Host: "www.googleapis.com", Paths: append(slices.Clone(api), "/discovery/v1/apis/bigquery/v2/rest")},
		{Host: "bigquerystorage.googleapis.com", Methods: []string{"POST"}, Paths: []string{
			"/google.cloud.bigquery.storage.v1.BigQueryRead", "/google.cloud.bigquery.storage.v1.BigQueryWrite",
		}},
	}
	return withOwn(rules, service, described)
}

// Storage are the rules for a resource on Cloud Storage, whose service is at an
// address.
func Storage(service string) []Rule {
	rules := []Rule{
		{Host: "storage.googleapis.com", Paths: []string{"/"}},
		{Host: "www.googleapis.com", Paths: []string{
			"/storage/v1", "/upload/storage/v1", "/resumable/upload/storage/v1", "/download/storage/v1", "/batch/storage/v1",
		}},
	}
	return withOwn(rules, service, []string{"/"})
}

// withOwn adds the host of the service's own address, where clients can ask for it,
// and the hosts that clients of Google Cloud get tokens at.
func withOwn(rules []Rule, service string, paths []string) []Rule {
	u, err := url.Parse(service)
	own := func(r Rule) bool { return strings.EqualFold(r.Host, u.Hostname()) }
	if err == nil && u.Scheme == "https" && (u.Port() == "" || u.Port() == "443") && ValidHost(strings.ToLower(u.Hostname())) && !slices.ContainsFunc(rules, own) {
		rules = append(rules, Rule{Host: strings.ToLower(u.Hostname()), Paths: paths})
	}
	post := []string{"POST"}
	return append(rules,
		Rule{Host: "oauth2.googleapis.com", Paths: []string{"/token"}, Methods: post, Endpoint: "/v1/token"},
		Rule{Host: "www.googleapis.com", Paths: []string{"/oauth2/v4/token"}, Methods: post, Endpoint: "/v1/token"},
		Rule{Host: "sts.googleapis.com", Paths: []string{"/v1/token"}, Methods: post, Endpoint: "/v1/token"},
		Rule{Host: "sts.googleapis.com", Paths: []string{"/v1/introspect"}, Methods: post, Endpoint: "/v1/introspect"},
	)
}

// Hosts returns the names of all rules, sorted.
func (t Table) Hosts() []string {
	var hosts []string
	for _, rules := range t {
		for _, r := range rules {
			hosts = append(hosts, r.Host)
		}
	}
	slices.Sort(hosts)
	return slices.Compact(hosts)
}

// Bounds of names (RFC 1035 section 2.3.4).
const (
	maxHost  = 253
	maxLabel = 63
)

// ValidHost reports whether a text is a name in lower case that can be in a table:
// letters, digits and hyphens in at least two labels, and no address.
func ValidHost(host string) bool {
	labels := strings.Split(host, ".")
	if len(host) > maxHost || len(labels) < 2 {
		return false
	}
	for _, l := range labels {
		if l == "" || len(l) > maxLabel || l[0] == '-' || l[len(l)-1] == '-' || strings.Trim(l, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
			return false
		}
	}
	return strings.Trim(labels[len(labels)-1], "0123456789") != "" // no form of an address of IPv4
}

func denied(msg, hint string) error {
	return sallyport.E(sallyport.Denied, "connect", msg).WithHint(hint)
}

// Reach returns the host that a CONNECT asks for, when the table has it for the
// resource. The error's message never repeats what is no name.
func (t Table) Reach(authority string, resource sallyport.ResourceID) (string, error) {
	if len(authority) > maxHost+len(":65535") {
		return "", denied("the CONNECT names no host", "ask for HOST:443")
	}
	name, port, err := net.SplitHostPort(authority)
	if err != nil {
		return "", denied("the CONNECT names no host and port", "ask for HOST:443")
	}
	if port != "443" {
		return "", denied("only port 443 can be reached", "use https, and the services' own port")
	}
	if _, err := netip.ParseAddr(name); err == nil {
		return "", denied("the CONNECT names an address of IP, not a host", "ask for the host by its name")
	}
	host := strings.ToLower(name) // names are equal in either case (RFC 4343)
	if !ValidHost(host) {
		return "", denied("the CONNECT names no host of the form that certificates have", "write the name in ASCII, without a dot at its end")
	}
	if t.has(resource, host) {
		return host, nil
	}
	for other := range t {
		if t.has(other, host) {
			return "", denied(host+" does not belong to "+string(resource), "use a token for the resource that it belongs to")
		}
	}
	return "", denied(host+" is in no table of a resource", "its operator can add it: resources[].hosts of "+string(resource)+", with host: "+host+" and the paths")
}

func (t Table) has(resource sallyport.ResourceID, host string) bool {
	return slices.ContainsFunc(t[resource], func(r Rule) bool { return r.Host == host })
}

// methods are those that connectors know.
func methods() []string { return []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"} }

// maxPath bounds the paths that are looked up.
const maxPath = 16 << 10

// Match returns the rule for a request to a host of the table. path is escaped.
func (t Table) Match(resource sallyport.ResourceID, host, method, path string) (Rule, error) {
	known := false
	if len(path) <= maxPath && strings.HasPrefix(path, "/") {
		for _, r := range t[resource] {
			if r.Host != host || !r.covers(path) {
				continue
			}
			known = true
			if slices.Contains(methods(), method) && (len(r.Methods) == 0 || slices.Contains(r.Methods, method)) {
				return r, nil
			}
		}
	}
	if known {
		return Rule{}, denied("the method cannot be used at this path of "+host, "see the resource's hosts in docs/reference/google-clients.md")
	}
	return Rule{}, denied("this path of "+host+" belongs to no resource", "its operator can add it: resources[].hosts of "+string(resource)+", with host: "+host+" and the path")
}

// covers compares whole segments of a path. Below a prefix there are no segments that
// lead out of it again.
func (r Rule) covers(path string) bool {
	return slices.ContainsFunc(r.Paths, func(prefix string) bool {
		if prefix == "/" || path == prefix {
			return true
		}
		rest, ok := strings.CutPrefix(path, strings.TrimSuffix(prefix, "/")+"/")
		return ok && r.Endpoint == "" && !climbs(rest)
	})
}

// climbs reports whether a path has a segment of one or two dots, or what some take
// for one.
func climbs(path string) bool {
	path = strings.NewReplacer("%2e", ".", "%2f", "/", "%5c", "/", `\`, "/").Replace(strings.ToLower(path))
	for s := range strings.SplitSeq(path, "/") {
		if s == "." || s == ".." {
			return true
		}
	}
	return false
}
