// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package fhir_test

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"

	"github.com/sallyport-dev/sallyport/internal/mask/profile"
	"github.com/sallyport-dev/sallyport/internal/mask/text"
)

// TestLeaks looks for what the eighteen identifiers occupied in the examples, in
// what is left of them under Safe Harbor. What is an identifier it decides by
// rules of its own, by the shape of objects, which know nothing of the tables
// that the masks go by.
func TestLeaks(t *testing.T) {
	m := masker(t, profile.SafeHarbor)
	looked := 0
	var w text.Work
	for _, e := range examples(t) {
		var doc any
		if err := json.Unmarshal(e.doc, &doc); err != nil {
			t.Fatalf("%s: %v", e.name, err)
		}
		got, err := m.Append(nil, e.doc, &w)
		if err != nil {
			t.Errorf("%s: %v", e.name, err)
			continue
		}
		c := collector{words: make(map[string]bool)}
		c.walk("", nil, doc)
		kept := values(t, got)
		for _, s := range c.found {
			looked++
			for _, k := range kept {
				if !c.words[k] && contains(k, s) {
					t.Errorf("%s: %q survived in %q", e.name, s, k)
				}
			}
		}
	}
	if looked < 40 {
		t.Errorf("only %d identifiers were looked for", looked)
	}
	t.Logf("%d identifiers looked for", looked)
}

// collector gathers the identifiers of a document, and the strings that stand in
// places of terminologies: that a pathologist's report is called "Pathology" does
// not make a leak of the word in a LOINC display.
type collector struct {
	found []string
	words map[string]bool
}

var terminology = regexp.MustCompile(`^(https?://(loinc\.org|snomed\.info|terminology\.hl7\.org|hl7\.org/fhir|unitsofmeasure\.org|www\.nlm\.nih\.gov|dicom\.nema\.org|www\.whocc\.no|www\.ama-assn\.org|www\.genenames\.org)|urn:ietf:|urn:iso:)`)

var fineDate = regexp.MustCompile(`^\d{4}-\d\d(-\d\d(T.*)?)?$`)

// free are names of elements that hold what somebody wrote.
var free = map[string]bool{
	"text": true, "div": true, "comment": true, "description": true, "note": true, "patientInstruction": true, "title": true,
	"valueString": true, "conclusion": true, "summary": true, "authorString": true, "lotNumber": true, "serialNumber": true,
	"subscriberId": true, "dependent": true, "diagnostics": true, "deviceIdentifier": true, "carrierHRF": true, "onsetString": true,
	"performedString": true, "reasonString": true, "alias": true, "instantiatesUri": true, "source": true, "preAuthRef": true, "url": true,
}

// codes are names of elements that hold words of a specification.
var codes = map[string]bool{"contentType": true, "sigFormat": true, "targetFormat": true, "resourceType": true, "category": true}

// walk takes in a value. name is that of the member, parent the object that it
// is a member of.
func (c *collector) walk(name string, parent map[string]any, v any) {
	switch v := v.(type) {
	case []any:
		for _, e := range v {
			c.walk(name, parent, e)
		}
	case map[string]any:
		if name == "extension" || name == "modifierExtension" || strings.HasPrefix(name, "_") || name == "photo" || name == "position" {
			c.all(v)
			return
		}
		for n, e := range v {
			c.walk(n, v, e)
		}
	case string:
		system, _ := parent["system"].(string)
		switch {
		case terminology.MatchString(system) && (name == "system" || name == "code" || name == "display"), codes[name]:
			c.words[v] = true
		case identifying(name, parent, v):
			c.add(v)
		}
	}
}

// all takes in every string below a value but the URLs that say what an
// extension is.
func (c *collector) all(v any) {
	switch v := v.(type) {
	case []any:
		for _, e := range v {
			c.all(e)
		}
	case map[string]any:
		for n, e := range v {
			if n != "url" && n != "system" && n != "code" && n != "display" && n != "unit" && n != "valueCode" {
				c.all(e)
			}
		}
	case string:
		c.add(v)
	}
}

// add takes in an identifier, and for a reference or URL its last part.
func (c *collector) add(s string) {
	if i := strings.LastIndexByte(s, '/'); i >= 0 && !strings.Contains(s, " ") {
		c.add(s[i+1:])
	}
	if len(s) >= 4 && !strings.HasPrefix(s, "http://hl7.org/fhir/") && !strings.HasPrefix(s, "http://terminology.hl7.org/") {
		c.found = append(c.found, strings.TrimPrefix(s, "#"))
	}
}

func has(o map[string]any, names ...string) bool {
	for _, n := range names {
		if _, ok := o[n]; ok {
			return true
		}
	}
	return false
}

func identifying(name string, parent map[string]any, v string) bool {
	switch name {
	case "family", "given", "prefix", "suffix", "line", "city", "district", "postalCode": // HumanName, Address
		return true
	case "reference", "id", "fullUrl", "versionId", "data", "hash":
		return true
	case "value": // ContactPoint, Identifier
		return true
	case "code": // of the sender's own system
		return has(parent, "system")
	case "display": // of a Reference, or a Coding of nobody knows what
		return has(parent, "reference") || !has(parent, "system")
	case "text":
		return true
	case "name":
		return has(parent, "resourceType") // Organization, Location
	}
	return free[name] || fineDate.MatchString(v)
}

// values returns the strings of a document, names of members left out.
func values(t *testing.T, doc []byte) []string {
	t.Helper()
	var out []string
	var walk func(v any)
	walk = func(v any) {
		switch v := v.(type) {
		case []any:
			for _, e := range v {
				walk(e)
			}
		case map[string]any:
			for _, e := range v {
				walk(e)
			}
		case string:
			out = append(out, v)
		}
	}
	var v any
	if err := json.Unmarshal(doc, &v); err != nil {
		t.Fatal(err)
	}
	walk(v)
	return out
}

// contains reports whether s stands in k as a word of its own.
func contains(k, s string) bool {
	for from := 0; ; {
		i := strings.Index(k[from:], s)
		if i < 0 {
			return false
		}
		start, end := from+i, from+i+len(s)
		if !letter(k, start-1) && !letter(k, end) {
			return true
		}
		from = start + 1
	}
}

func letter(s string, i int) bool {
	if i < 0 || i >= len(s) {
		return false
	}
	c := s[i]
	return c-'0' <= 9 || c|0x20 >= 'a' && c|0x20 <= 'z'
}
