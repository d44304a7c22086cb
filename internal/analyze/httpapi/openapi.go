// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package httpapi

import (
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"

	sallyport "github.com/sallyport-dev/sallyport"
)

// maxOpenAPI bounds an OpenAPI file, in bytes.
const maxOpenAPI = 16 << 20

// openAPI is what is read of an OpenAPI document (version 3, in YAML or JSON): its
// paths and the operations that they have. "x-sallyport-effect" of an operation
// says what it does where its method does not, and "x-sallyport-labels" of an
// operation's path what its answers hold.
type openAPI struct {
	Version string               `yaml:"openapi"`
	Paths   map[string]yaml.Node `yaml:"paths"`
}

type openAPIOperation struct {
	ID     string `yaml:"operationId"`
	Effect string `yaml:"x-sallyport-effect"`
}

// ParseOpenAPI returns the routes of an OpenAPI file. Errors have kind Invalid.
func ParseOpenAPI(name string, data []byte) ([]RouteConfig, error) {
	bad := func(format string, args ...any) ([]RouteConfig, error) {
		return nil, invalid("%s: %s", name, fmt.Sprintf(format, args...))
	}
	if len(data) > maxOpenAPI {
		return bad("it is larger than %d bytes", maxOpenAPI)
	}
	var doc openAPI
	if err := yaml.Load(data, &doc, yaml.WithUniqueKeys(true)); err != nil {
		return bad("it cannot be read as YAML or JSON")
	}
	if !strings.HasPrefix(doc.Version, "3.") {
		return bad("it is no OpenAPI document of version 3")
	}
	var out []RouteConfig
	for path, node := range doc.Paths {
		r := RouteConfig{Path: path, Operations: map[string]Operation{}}
		if node.Kind != yaml.MappingNode {
			return bad("the path %q holds no operations", path)
		}
		for i := 0; i+1 < len(node.Content); i += 2 {
			key, value := node.Content[i].Value, node.Content[i+1]
			switch key {
			case "get", "put", "post", "delete", "options", "head", "patch":
				var o openAPIOperation
				if err := value.Decode(&o); err != nil {
					return bad("the operation %s of %q cannot be read", key, path)
				}
				e, ok := ParseEffect(o.Effect)
				if !ok {
					return bad("x-sallyport-effect of %s %q is not an effect", key, path)
				}
				r.Operations[strings.ToUpper(key)] = Operation{Name: o.ID, Effect: e}
			case "x-sallyport-labels":
				if err := value.Decode(&r.Labels); err != nil {
					return bad("x-sallyport-labels of %q is no list", path)
				}
			}
		}
		if len(r.Operations) > 0 {
			out = append(out, r)
		}
	}
	slices.SortFunc(out, func(a, b RouteConfig) int { return strings.Compare(a.Path, b.Path) })
	return out, nil
}

// ParseEffect returns the effect with a name; "" is that of the method.
func ParseEffect(name string) (sallyport.Effect, bool) {
	if name == "" {
		return sallyport.EffectUnknown, true
	}
	for e := sallyport.Read; e <= sallyport.Administer; e++ {
		if e.String() == name {
			return e, true
		}
	}
	return sallyport.EffectUnknown, false
}
