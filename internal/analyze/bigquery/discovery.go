// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package bigquery

import (
	"encoding/json"
	"maps"
	"net/url"
	"slices"
	"strings"

	sallyport "github.com/sallyport-dev/sallyport"
)

// Discovery writes the description of the interface for a gateway at base, as
// "https://gateway.example/bq/", with the methods that allowed has: clients which
// build themselves from it, as bq does, then know no others. Errors have kind
// Invalid.
func Discovery(base string, allowed func(id string) bool) ([]byte, error) {
	at, err := url.Parse(base)
	if err != nil || at.Scheme != "http" && at.Scheme != "https" || at.Host == "" || !strings.HasSuffix(at.Path, "/") || at.RawQuery != "" {
		return nil, sallyport.E(sallyport.Invalid, "bigquery discovery", "the gateway's address is no URL that ends with a slash")
	}
	resources := map[string]*discoveryResource{}
	names := map[string]bool{}
	for i := range table {
		m := &table[i]
		if !allowed(m.ID) {
			continue
		}
		kind, verb, _ := strings.Cut(strings.TrimPrefix(m.ID, "bigquery."), ".")
		if resources[kind] == nil {
			resources[kind] = &discoveryResource{Methods: map[string]discoveryMethod{}}
		}
		resources[kind].Methods[verb] = m.describe(at.Path)
		names[m.Request], names[m.Answer] = true, true
	}
	delete(names, "")
	doc := discoveryDocument{
		Kind: "discovery#restDescription", Discovery: "v1", ID: "bigquery:v2", Name: "bigquery", Canonical: "Bigquery", Version: "v2",
		Title: "BigQuery through Sallyport", Protocol: "rest",
		RootURL: base, BaseURL: base + servicePath, BasePath: at.Path + servicePath, ServicePath: servicePath,
		Parameters: commonParameters(), Schemas: map[string]discoverySchema{}, Resources: resources,
	}
	for _, n := range slices.Sorted(maps.Keys(names)) {
		// The fields are the service's to know; clients send objects as they are.
		doc.Schemas[n] = discoverySchema{ID: n, Type: "object", Extra: &discoveryAny{Type: "any"}}
	}
	return json.Marshal(doc)
}

const servicePath = "bigquery/v2/"

type (
	discoveryDocument struct {
		Kind        string                        `json:"kind"`
		Discovery   string                        `json:"discoveryVersion"`
		ID          string                        `json:"id"`
		Name        string                        `json:"name"`
		Canonical   string                        `json:"canonicalName"`
		Version     string                        `json:"version"`
		Title       string                        `json:"title"`
		Protocol    string                        `json:"protocol"`
		RootURL     string                        `json:"rootUrl"`
		BaseURL     string                        `json:"baseUrl"`
		BasePath    string                        `json:"basePath"`
		ServicePath string                        `json:"servicePath"`
		Parameters  map[string]discoveryParameter `json:"parameters"`
		Schemas     map[string]discoverySchema    `json:"schemas"`
		Resources   map[string]*discoveryResource `json:"resources"`
	}
	discoveryResource struct {
		Methods map[string]discoveryMethod `json:"methods"`
	}
	discoveryMethod struct {
		ID         string                        `json:"id"`
		HTTP       string                        `json:"httpMethod"`
		Path       string                        `json:"path"`
		Order      []string                      `json:"parameterOrder,omitempty"`
		Parameters map[string]discoveryParameter `json:"parameters,omitempty"`
		Request    *discoveryRef                 `json:"request,omitempty"`
		Answer     *discoveryRef                 `json:"response,omitempty"`
		TakesMedia bool                          `json:"supportsMediaUpload,omitempty"`
		Media      *discoveryMedia               `json:"mediaUpload,omitempty"`
	}
	discoveryParameter struct {
		Type     string `json:"type"`
		Format   string `json:"format,omitempty"`
		Location string `json:"location"`
		Required bool   `json:"required,omitempty"`
		Repeated bool   `json:"repeated,omitempty"`
	}
	discoveryRef struct {
		Ref string `json:"$ref"`
	}
	discoveryAny struct {
		Type string `json:"type"`
	}
	discoverySchema struct {
		ID    string        `json:"id"`
		Type  string        `json:"type"`
		Extra *discoveryAny `json:"additionalProperties,omitempty"`
	}
	discoveryMedia struct {
		Accept    []string                     `json:"accept"`
		Protocols map[string]discoveryProtocol `json:"protocols"`
	}
	discoveryProtocol struct {
		Multipart bool   `json:"multipart"`
		Path      string `json:"path"`
	}
)

func commonParameters() map[string]discoveryParameter {
	return map[string]discoveryParameter{
		"alt":         {Type: "string", Location: "query"},
		"fields":      {Type: "string", Location: "query"},
		"prettyPrint": {Type: "boolean", Location: "query"},
		"quotaUser":   {Type: "string", Location: "query"},
		"uploadType":  {Type: "string", Location: "query"},
	}
}

// describe writes a method in the terms of a discovery document. root is the path
// of the gateway's address.
func (m *Method) describe(root string) discoveryMethod {
	d := discoveryMethod{ID: m.ID, HTTP: m.HTTP, Path: m.Path, Parameters: map[string]discoveryParameter{}}
	path, verb, _ := strings.Cut(m.Path, ":")
	if strings.HasSuffix(verb, "IamPolicy") || verb == "testIamPermissions" {
		// Clients name the whole object here.
		d.Path, d.Order = "{+resource}:"+verb, []string{"resource"}
		d.Parameters["resource"] = discoveryParameter{Type: "string", Location: "path", Required: true}
	} else {
		for part := range strings.SplitSeq(path, "/") {
			if name, ok := strings.CutPrefix(part, "{"); ok {
				name = strings.TrimSuffix(name, "}")
				d.Order = append(d.Order, name)
				d.Parameters[name] = discoveryParameter{Type: "string", Location: "path", Required: true}
			}
		}
	}
	for name, t := range knownParams(m) {
		d.Parameters[name] = t.describe()
	}
	if m.Request != "" {
		d.Request = &discoveryRef{m.Request}
	}
	if m.Answer != "" {
		d.Answer = &discoveryRef{m.Answer}
	}
	if m.Media {
		d.TakesMedia = true
		d.Media = &discoveryMedia{Accept: []string{"*/*"}, Protocols: map[string]discoveryProtocol{
			"simple":    {Multipart: true, Path: root + "upload/" + servicePath + m.Path},
			"resumable": {Multipart: true, Path: root + "resumable/upload/" + servicePath + m.Path},
		}}
	}
	return d
}

func (t paramType) describe() discoveryParameter {
	p := discoveryParameter{Type: "string", Location: "query", Repeated: t.repeated}
	switch t.name {
	case "boolean":
		p.Type = t.name
	case "int32", "uint32":
		p.Type, p.Format = "integer", t.name
	case "uint64", "google-fieldmask":
		p.Format = t.name
	}
	return p
}
