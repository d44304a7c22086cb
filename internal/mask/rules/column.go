// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package rules

import (
	"strings"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/mask"
	"github.com/sallyport-dev/sallyport/internal/mask/operator"
	"github.com/sallyport-dev/sallyport/internal/mask/scan"
)

// nameLabel is the label of columns whose values are names of people. What they
// hold is looked for in the scanned columns of the same row.
const nameLabel = "phi.name"

// Column completes a column of an answer. out says where its values come from; m
// is the verdict's obligation to mask it, or nil where it is shown.
//
// An operator that keeps part of a value applies to columns as they are. An
// expression over one, whose client could turn the part into the whole, becomes
// the constant of its type, and so does what is of unknown lineage.
func (s *Set) Column(c mask.PGColumn, out sallyport.Output, m *sallyport.Mask) mask.PGColumn {
	if out.Direct && !out.Unknown {
		c.Row = out.Row
		c.Patient = s.patient != "" && labelled(out, s.patient)
		if labelled(out, nameLabel) {
			c.Known = scan.Name
		}
	}
	if m == nil {
		return c
	}
	c.Mask, c.Labels, c.Reason, c.ProfileVersion = true, m.Labels, m.Reason, s.profile.Version()
	if !out.Direct || out.Unknown {
		return c
	}
	c.Operator = s.profile.Label(m.Labels)
	if m.Scan {
		c.Text, c.Format, c.Operator = s.text, s.formatOf(c.TypeOID), nil
		c.Detector = s.detectorOf(m.Labels)
	}
	return c
}

// BQColumn completes a column of an answer of BigQuery, or a field of one of which
// the lineage is known by itself, as Column does.
func (s *Set) BQColumn(c mask.BQColumn, out sallyport.Output, m *sallyport.Mask) mask.BQColumn {
	p := s.Column(mask.PGColumn{}, out, m)
	c.Row, c.Patient, c.Known = p.Row, p.Patient, p.Known
	if m == nil {
		return c
	}
	c.Mask, c.Labels, c.Reason, c.ProfileVersion = true, p.Labels, p.Reason, p.ProfileVersion
	if c.Operator, c.Text, c.Detector = p.Operator, p.Text, p.Detector; c.Text != nil {
		c.Format = s.json
	}
	return c
}

// Partial reports whether a column with the given labels may be shown in part: by
// an operator of which the result depends on the value. A text that is scanned is
// the policy's choice and no part of this.
func (s *Set) Partial(labels []sallyport.Label) bool {
	if len(labels) == 0 {
		labels = []sallyport.Label{sallyport.Unclassified}
	}
	for _, l := range labels {
		if k := s.profile.Label([]sallyport.Label{l}).Kind(); k.Reveals() && k != operator.Keep {
			return true
		}
	}
	return false
}

// labelled reports whether one of an output's labels is l or lies under it.
func labelled(out sallyport.Output, l sallyport.Label) bool {
	for _, c := range out.Sources {
		for _, got := range c.Labels {
			if got == l || strings.HasPrefix(string(got), string(l)+".") {
				return true
			}
		}
	}
	return false
}

// detectorOf returns the detector that one of the labels asks for, or nil.
func (s *Set) detectorOf(labels []sallyport.Label) mask.Detector {
	for _, l := range labels {
		for l != "" {
			if d, ok := s.detectors[l]; ok {
				return d
			}
			l = l[:max(strings.LastIndexByte(string(l), '.'), 0)]
		}
	}
	return nil
}

// OIDs of the types whose values are documents (pg_type.dat).
const (
	oidJSON  = 114
	oidJSONB = 3802
)

// formatOf returns the mask of documents of a type, or nil.
func (s *Set) formatOf(oid uint32) mask.Format {
	if oid == oidJSON || oid == oidJSONB {
		return s.json
	}
	return nil
}
