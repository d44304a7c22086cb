// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package session

import (
	"github.com/sallyport-dev/sallyport/evidence"
	"github.com/sallyport-dev/sallyport/internal/disclosure"
)

// Disclosed is what a connector knows of the patients whose rows an answer was
// made of.
type Disclosed struct {
	// Patients has taken the keys that were in the answer; nil when it held none.
	Patients *disclosure.Collector
	// Tables are the names of the tables with keys of patients that were reached.
	Tables []string
	// Unknown says which rows cannot be ascribed to a patient.
	Unknown []evidence.UnknownPatients
	// Outputs counts the outputs that may hold data, and Masked those of them that
	// were masked.
	Outputs, Masked int
}

// patients returns the namespace of the resource's patients, "" where whose rows
// are in an answer is not recorded.
func (s *Session) patients() string {
	if s.engine.deps.Privacy == nil {
		return ""
	}
	return s.resource.Patients
}

// Patients returns what takes the keys of the patients of one answer, or nil where
// they are not recorded.
func (s *Session) Patients() *disclosure.Collector {
	if ns := s.patients(); ns != "" {
		return s.engine.deps.Privacy.Collector(ns)
	}
	return nil
}

// maxTables bounds the tables that a leaf names.
const maxTables = 32

// disclosures makes the leaves that say whose rows an answer was made of.
func (s *Session) disclosures(stmt uint64, r Result) []evidence.Disclosure {
	d := r.Disclosed
	ns := s.patients()
	if ns == "" || d.Patients == nil && len(d.Unknown) == 0 {
		return nil
	}
	c := d.Patients
	if c == nil {
		c = s.engine.deps.Privacy.Collector(ns)
	}
	for i := range d.Unknown {
		d.Unknown[i].Relations = s.few(d.Unknown[i].Relations)
	}
	leaves := c.Leaves(s.id, stmt, s.few(d.Tables), d.Unknown, r.Rows)
	for i := range leaves {
		leaves[i].Shown = d.shown()
	}
	return leaves
}

// few bounds a list of tables: with more of them every table of the resource may be
// concerned.
func (s *Session) few(tables []string) []string {
	size := 0
	for _, t := range tables {
		size += len(t)
	}
	if len(tables) > maxTables || size > maxPlanBytes {
		return []string{string(s.resource.ID) + "/*"}
	}
	return tables
}

func (d Disclosed) shown() string {
	switch {
	case d.Outputs == 0:
		return ""
	case d.Masked == 0:
		return evidence.ShownAll
	case d.Masked < d.Outputs:
		return evidence.ShownPart
	}
	return evidence.ShownMasked
}
