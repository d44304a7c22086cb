// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

// Package corpus holds statements with what the gateway must find out about
// each: ways to launder, infer or leak labelled data, and plain statements that
// must pass unmasked. The analysis and the connector run the same list, the
// first on trees, the second through a whole gateway.
package corpus

import (
	"bytes"
	_ "embed"
	"fmt"

	"go.yaml.in/yaml/v4"
)

//go:embed testdata/redteam.yaml
var redteam []byte

// Outputs as a case expects them.
const (
	Masked  = "masked"  // derives from a labelled column
	Clean   = "clean"   // does not
	Unknown = "unknown" // its sources cannot be proved
)

// Set is the whole corpus.
type Set struct {
	Version int    `yaml:"version"`
	Schema  string `yaml:"schema"` // SQL that makes the database
	// Labels is the label of each labelled column, "schema.table.column". Every
	// other column of the schemas hc and evil is public.
	Labels map[string]string `yaml:"labels"`
	Pure   []string          `yaml:"pure"` // functions listed as pure, "schema.name"
	Cases  []Case            `yaml:"cases"`
}

// Case is one statement.
type Case struct {
	ID    string   `yaml:"id"`
	Setup []string `yaml:"setup"` // statements run before, in the same transaction
	SQL   string   `yaml:"sql"`
	From  int      `yaml:"from"` // the first PostgreSQL major with the case; 0 = all
	// Outputs says Masked, Clean or Unknown for each output column.
	Outputs []string `yaml:"outputs"`
	// Predicates are the labelled columns that decide rows, sorted.
	Predicates []string `yaml:"predicates"`
	// Flows are the writes of labelled data, "target <- source", sorted.
	Flows []string `yaml:"flows"`
	// Effects, where given, are all effects of the statement in their own order.
	Effects []string `yaml:"effects"`
	// Refused is "gate", "tree" or empty.
	Refused string `yaml:"refused"`
	// ServerError is true when PostgreSQL itself refuses the statement.
	ServerError bool `yaml:"server_error"`
}

// Load reads the corpus.
func Load() (*Set, error) {
	d, err := yaml.NewLoader(bytes.NewReader(redteam), yaml.WithKnownFields())
	if err != nil {
		return nil, fmt.Errorf("corpus: %w", err)
	}
	s := &Set{}
	if err := d.Load(s); err != nil {
		return nil, fmt.Errorf("corpus: %w", err)
	}
	if s.Version != 1 || len(s.Cases) == 0 {
		return nil, fmt.Errorf("corpus: version %d with %d cases is not known", s.Version, len(s.Cases))
	}
	return s, nil
}
