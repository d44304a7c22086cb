// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package catalog

import (
	"errors"
	"strings"
)

// errName is the error of a malformed name; the caller says which.
var errName = errors.New("malformed name")

// part is one part of a dotted name.
type part struct {
	text   string
	quoted bool
}

// splitName splits a dotted name. A part may stand in double quotes, in which
// two of them stand for one; a part without quotes holds neither quote, dot
// nor white space.
func splitName(s string) ([]part, error) {
	var out []part
	for {
		var p part
		if strings.HasPrefix(s, `"`) {
			p.quoted = true
			rest := s[1:]
			for {
				end := strings.IndexByte(rest, '"')
				if end < 0 {
					return nil, errName
				}
				p.text += rest[:end]
				rest = rest[end+1:]
				if !strings.HasPrefix(rest, `"`) {
					break
				}
				p.text += `"`
				rest = rest[1:]
			}
			s = rest
		} else {
			end := strings.IndexByte(s, '.')
			if end < 0 {
				end = len(s)
			}
			p.text, s = s[:end], s[end:]
			if strings.ContainsAny(p.text, "\" \t\r\n") {
				return nil, errName
			}
		}
		if p.text == "" || strings.IndexByte(p.text, 0) >= 0 {
			return nil, errName
		}
		out = append(out, p)
		if s == "" {
			return out, nil
		}
		if s[0] != '.' {
			return nil, errName
		}
		s = s[1:]
	}
}

// quotePart writes a part so that splitName reads it back.
func quotePart(s string) string {
	if s == "" || s == "*" || strings.ContainsAny(s, ".\" \t\r\n") {
		return `"` + strings.ReplaceAll(s, `"`, `""`) + `"`
	}
	return s
}

// parseSignature brings schema.function(type, type) into the form of
// [signature]. Types are written as the server prints them (format_type); a few
// short names are understood.
func parseSignature(s string) (string, error) {
	open := strings.IndexByte(s, '(')
	if open < 0 || !strings.HasSuffix(s, ")") {
		return "", errName
	}
	parts, err := splitName(strings.TrimSpace(s[:open]))
	if err != nil || len(parts) != 2 {
		return "", errName
	}
	var types []string
	if args := strings.TrimSpace(s[open+1 : len(s)-1]); args != "" {
		types = strings.Split(args, ",")
	}
	for i := range types {
		types[i] = typeName(types[i])
		if types[i] == "" {
			return "", errName
		}
	}
	return signature(parts[0].text, parts[1].text, strings.Join(types, ", ")), nil
}

// signature names a function; args is what oidvectortypes prints.
func signature(schema, name, args string) string {
	return quotePart(schema) + "." + quotePart(name) + "(" + args + ")"
}

// typeName returns the name that the server prints for a type.
func typeName(s string) string {
	s = strings.Join(strings.Fields(s), " ")
	base, array := strings.CutSuffix(s, "[]")
	switch base {
	case "int", "int4":
		base = "integer"
	case "int2":
		base = "smallint"
	case "int8":
		base = "bigint"
	case "varchar":
		base = "character varying"
	case "bool":
		base = "boolean"
	case "float8":
		base = "double precision"
	case "float4":
		base = "real"
	case "timestamp":
		base = "timestamp without time zone"
	case "timestamptz":
		base = "timestamp with time zone"
	case "decimal":
		base = "numeric"
	}
	if array {
		base += "[]"
	}
	return base
}
