// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package meta

import (
	"encoding/json"
	"strings"
	"unicode/utf8"

	sallyport "github.com/sallyport-dev/sallyport"
)

// The limits of what a target says of a table or an answer.
const (
	maxBody   = 16 << 20 // bytes of JSON
	maxFields = 10_000   // of a table, those of records included
	maxDepth  = 15       // records in records
	maxName   = 1024     // bytes
)

const op = "bigquery catalogue"

// field is a column, or a field of one, as a schema has it.
type field struct {
	Name   string  `json:"name"`
	Type   string  `json:"type"`
	Mode   string  `json:"mode"`
	Fields []field `json:"fields"`
}

func (f *field) record() bool {
	return strings.EqualFold(f.Type, "RECORD") || strings.EqualFold(f.Type, "STRUCT")
}

func (f *field) repeated() bool { return strings.EqualFold(f.Mode, "REPEATED") }

// schema is the member of that name of a table or an answer.
type schema struct {
	Fields []field `json:"fields"`
}

// check refuses schemas beyond the limits, and those that contradict themselves.
func (s *schema) check() error {
	total := 0
	var walk func(fields []field, depth int) bool
	walk = func(fields []field, depth int) bool {
		if total += len(fields); total > maxFields || depth > maxDepth {
			return false
		}
		for i := range fields {
			f := &fields[i]
			if f.Name == "" || len(f.Name) > maxName || !utf8.ValidString(f.Name) || f.Type == "" ||
				f.record() != (len(f.Fields) > 0) || !walk(f.Fields, depth+1) {
				return false
			}
		}
		return true
	}
	if !walk(s.Fields, 0) {
		return unreadable()
	}
	return nil
}

// resource is what is read of a table's description.
type resource struct {
	Reference struct {
		Project string `json:"projectId"`
		Dataset string `json:"datasetId"`
		Table   string `json:"tableId"`
	} `json:"tableReference"`
	Type   string `json:"type"`
	Schema schema `json:"schema"`
	View   *struct {
		Query string `json:"query"`
		// Legacy is the service's own default where it is not said.
		Legacy *bool `json:"useLegacySql"`
	} `json:"view"`
	Materialised *struct {
		Query string `json:"query"`
	} `json:"materializedView"`
	Created  string `json:"creationTime"`
	Modified string `json:"lastModifiedTime"`
}

// parseResource reads a table's description.
func parseResource(body []byte) (*resource, error) {
	var r resource
	if err := decode(body, &r); err != nil {
		return nil, err
	}
	return &r, r.Schema.check()
}

// parseSchema reads the schema of an answer. One that is not there has no columns.
func parseSchema(body []byte) (*schema, error) {
	var s schema
	if len(body) == 0 {
		return &s, nil
	}
	if err := decode(body, &s); err != nil {
		return nil, err
	}
	return &s, s.check()
}

// decode reads JSON of the target. What is wrong with it is not said: the cause
// could repeat it.
func decode(body []byte, v any) error {
	if len(body) > maxBody || json.Unmarshal(body, v) != nil {
		return unreadable()
	}
	return nil
}

func unreadable() error {
	return sallyport.E(sallyport.Unavailable, op, "the target describes a table in a way that is not understood").
		WithHint("try again; if it stays, ask the gateway's operator")
}
