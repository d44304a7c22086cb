// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package bigquery

import (
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

const (
	maxQuery  = 16 << 10 // bytes, as escaped
	maxParams = 100
)

// params are a request's query parameters, after every one was found to be
// known.
type params struct {
	values map[string][]string // the method's own
	fields string
	upload string // uploadType
	id     string // upload_id
	// version is the discovery document's.
	version string
}

func (p *params) get(name string) string {
	if v := p.values[name]; len(v) > 0 {
		return v[0]
	}
	return ""
}

// parseParams checks a query, without the "?", against what a place knows.
func parseParams(query string, p place) (params, error) {
	out := params{values: map[string][]string{}}
	if query == "" {
		return out, nil
	}
	const plain = "send parameters as name=value, joined by &"
	if len(query) > maxQuery || strings.Count(query, "&") >= maxParams {
		return out, invalid("the query has too many parameters, or too long ones", "send at most 100 parameters, 16 KiB in all")
	}
	if strings.ContainsAny(query, ";#") {
		return out, invalid("the query holds a separator that servers read in different ways", plain)
	}
	known := knownParams(p.method)
	seen := map[string]bool{}
	for part := range strings.SplitSeq(query, "&") {
		if part == "" {
			continue
		}
		name, value, _ := strings.Cut(part, "=")
		n, err := url.QueryUnescape(name)
		v, err2 := url.QueryUnescape(value)
		if err != nil || err2 != nil || strings.ContainsRune(n+v, 0) || !utf8.ValidString(n+v) {
			return out, invalid("the query is not encoded as URLs are", plain)
		}
		t, own := known[n]
		if seen[n] && !(own && t.repeated) {
			return out, invalid("the parameter "+shown(n)+" is there more than once", "send it once")
		}
		seen[n] = true
		if t.name == "boolean" { // Python sends True
			v = strings.ToLower(v)
		}
		switch {
		case own && !t.accepts(v):
			return out, invalid("the parameter "+shown(n)+" has no value of its type", "send a value of type "+t.name)
		case own:
			out.values[n] = append(out.values[n], v)
		default:
			if err := out.common(n, v, p); err != nil {
				return out, err
			}
		}
	}
	return out, nil
}

// common takes a parameter that is not the method's own.
func (p *params) common(name, value string, at place) error {
	switch name {
	case "access_token", "oauth_token", "key", "bearer_token":
		return invalid("the query holds the parameter "+name, "send the token in the Authorization header")
	case "callback", "$.xgafv":
		return invalid("the query holds the parameter "+name, "leave it out; answers and errors are JSON")
	case "alt":
		if value != "json" {
			return invalid("no answer of this interface has another form than JSON", "send alt=json or leave it out")
		}
	case "prettyPrint", "quotaUser":
		// They change nothing of what is asked for, and are not sent on.
	case "projection":
		// The library for Python sends it where only lists have it. It is not sent on.
		if at.method == nil || at.method.ID != "bigquery.jobs.get" && at.method.ID != "bigquery.jobs.cancel" {
			return unknownParam(name)
		}
	case "fields":
		p.fields = value
	case "uploadType":
		if !at.upload {
			return invalid("uploadType is a parameter of uploads", "send files to /upload/bigquery/v2/")
		}
		p.upload = value
	case "upload_id":
		if !at.upload {
			return invalid("upload_id is a parameter of uploads", "send files to /upload/bigquery/v2/")
		}
		p.id = value
	case "version":
		if !at.discovery {
			return unknownParam(name)
		}
		p.version = value
	default:
		return unknownParam(name)
	}
	return nil
}

func unknownParam(name string) error {
	return invalid("the query holds the parameter "+shown(name)+", which the method does not have", "leave it out")
}

// paramType is the type of a query parameter, in the words of discovery
// documents.
type paramType struct {
	name     string
	repeated bool
}

func (t paramType) accepts(v string) bool {
	switch t.name {
	case "boolean":
		return v == "true" || v == "false"
	case "int32":
		_, err := strconv.ParseInt(v, 10, 32)
		return err == nil
	case "uint32":
		_, err := strconv.ParseUint(v, 10, 32)
		return err == nil
	case "uint64":
		_, err := strconv.ParseUint(v, 10, 64)
		return err == nil
	}
	return true
}

// knownParams are a method's query parameters.
func knownParams(m *Method) map[string]paramType {
	out := map[string]paramType{}
	if m == nil {
		return out
	}
	for _, w := range strings.Fields(m.Params) {
		name, t, ok := strings.Cut(w, "=")
		if !ok {
			t = "string"
		}
		t, repeated := strings.CutSuffix(t, "*")
		out[name] = paramType{name: t, repeated: repeated}
	}
	return out
}

// encode writes the method's own parameters in one order, with what every
// request to the target says.
func (p *params) encode(extra map[string]string) string {
	all := maps.Clone(p.values)
	if all == nil {
		all = map[string][]string{}
	}
	all["alt"], all["prettyPrint"] = []string{"json"}, []string{"false"}
	for k, v := range extra {
		if v != "" {
			all[k] = []string{v}
		} else {
			delete(all, k)
		}
	}
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(all)) {
		for _, v := range all[name] {
			if b.Len() > 0 {
				b.WriteByte('&')
			}
			b.WriteString(url.QueryEscape(name) + "=" + url.QueryEscape(v))
		}
	}
	return b.String()
}
