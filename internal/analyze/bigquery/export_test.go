// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package bigquery

// Fields are the marks of the fields of each schema.
func Fields() map[string]map[string]string {
	out := map[string]map[string]string{}
	for name, fields := range parseSchemas() {
		out[name] = map[string]string{}
		for field, t := range fields {
			out[name][field] = string(t.mark)
		}
	}
	return out
}
