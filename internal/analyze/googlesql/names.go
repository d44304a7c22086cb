// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package googlesql

import (
	"strings"

	"github.com/sqlc-dev/zetajones/ast"
)

// parts takes a written name apart. Quotes can hold several parts.
func parts(path *ast.PathExpression) []string {
	if path == nil {
		return nil
	}
	var out []string
	for _, id := range path.Names {
		name := id.Name
		// A project may belong to a domain: "example.com:project".
		if i := strings.IndexByte(name, ':'); i >= 0 && len(out) == 0 {
			if j := strings.IndexByte(name[i:], '.'); j >= 0 {
				out = append(out, name[:i+j])
				name = name[i+j+1:]
			} else {
				out = append(out, name)
				continue
			}
		}
		out = append(out, strings.Split(name, ".")...)
	}
	return out
}

// tableUse makes a use of a written table name: decorators are cut off, wildcards
// and views of INFORMATION_SCHEMA are seen.
func tableUse(path *ast.PathExpression) (u TableUse, ok bool) {
	u = TableUse{Parts: parts(path), Kind: "table"}
	for _, p := range u.Parts {
		if p == "" {
			return u, false
		}
	}
	if len(u.Parts) == 0 || len(u.Parts) > 5 {
		return u, false
	}
	for i, p := range u.Parts[:len(u.Parts)-1] {
		if strings.EqualFold(p, "INFORMATION_SCHEMA") {
			u.Parts[i] = "INFORMATION_SCHEMA"
			u.Parts[i+1] = strings.ToUpper(u.Parts[i+1])
			u.System, u.Kind = true, "view"
			return u, i+2 == len(u.Parts)
		}
	}
	if len(u.Parts) > 3 {
		return u, false
	}
	last := &u.Parts[len(u.Parts)-1]
	if i := strings.IndexAny(*last, "$@"); i >= 0 {
		*last, u.TimeTravel = (*last)[:i], true
	}
	if i := strings.IndexByte(*last, '*'); i >= 0 {
		if i != len(*last)-1 {
			return u, false
		}
		u.Wildcard = true
	}
	return u, *last != ""
}

// families are the prefixes of BigQuery's own functions that compute from their
// arguments alone.
func family(prefix string) bool {
	switch strings.ToUpper(prefix) {
	case "SAFE", "NET", "HLL_COUNT", "KLL_QUANTILES", "KEYS", "AEAD", "DETERMINISTIC_ENCRYPT", "APPROX", "BIT":
		return true
	}
	return false
}

// reaching reports whether a function of BigQuery's own reaches beyond its
// arguments: models, connections, older states of tables.
func reaching(name []string) bool {
	if len(name) == 2 {
		switch strings.ToUpper(name[0]) {
		case "ML", "AI", "OBJ", "BQ", "GAP_FILL", "VECTOR_INDEX":
			return true
		}
		return false
	}
	if len(name) != 1 {
		return false
	}
	switch strings.ToUpper(name[0]) {
	case "EXTERNAL_QUERY", "VECTOR_SEARCH", "APPENDS", "CHANGES", "EXTERNAL_OBJECT_TRANSFORM", "GAP_FILL", "RANGE_SESSIONIZE",
		"SESSIONIZE", "TUMBLE", "HOP", "SESSION":
		return true
	}
	return false
}
