// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package fhir

import (
	"bytes"
	"strings"

	"github.com/sallyport-dev/sallyport/internal/mask/scan"
)

// terminologies are code systems whose codes name things of medicine and
// administration, never a person: with their codes and displays.
var terminologies = []string{
	"http://loinc.org", "http://snomed.info/sct", "http://unitsofmeasure.org",
	"http://www.nlm.nih.gov/research/umls/rxnorm", "http://www.nlm.nih.gov/research/umls/hcpcs",
	"http://www.ama-assn.org/go/cpt", "http://www.whocc.no/atc", "http://fdasis.nlm.nih.gov",
	"http://www.genenames.org", "http://www.ensembl.org", "http://www.ncbi.nlm.nih.gov/clinvar",
	"http://ncimeta.nci.nih.gov", "http://ncit.nci.nih.gov", "http://www.orpha.net", "http://radlex.org",
	"http://dicom.nema.org/resources/ontology/DCM", "http://nucc.org/provider-taxonomy", "http://ada.org/snodent",
	"http://www.ada.org/cdt", "http://www.nubc.org/patient-discharge", "http://human-phenotype-ontology.org",
	"http://hl7.org/fhir/sid/icd-9-cm", "http://hl7.org/fhir/sid/icd-10", "http://hl7.org/fhir/sid/icd-10-cm",
	"http://hl7.org/fhir/sid/icd-10-de", "http://hl7.org/fhir/sid/icd-10-nl", "http://hl7.org/fhir/sid/icd-10-us",
	"http://hl7.org/fhir/sid/icd-o-3", "http://hl7.org/fhir/sid/icpc-1", "http://hl7.org/fhir/sid/icpc-2",
	"http://hl7.org/fhir/sid/cvx", "http://hl7.org/fhir/sid/mvx", "http://hl7.org/fhir/sid/ndc",
	"http://hl7.org/fhir/sid/dsm5", "http://hl7.org/fhir/sid/ex-icd-10-procedures",
	"http://www.cms.gov/Medicare/Coding/ICD10", "http://www.icd10data.com/icd10pcs",
	"urn:ietf:bcp:47", "urn:ietf:bcp:13",
	"urn:iso:std:iso:3166", "urn:iso:std:iso:3166:-2", "urn:iso:std:iso:4217", "urn:iso:std:iso:11073:10101",
	"https://www.usps.com/",
}

// families are prefixes below which HL7 publishes; what follows is one name.
var families = []string{
	"http://terminology.hl7.org/CodeSystem/", "http://terminology.hl7.org/ValueSet/", "http://hl7.org/fhir/",
	"http://terminology.hl7.org/NamingSystem/", "http://hl7.org/fhir/us/",
}

// identifiers are systems of identifiers: the system itself says nothing of a
// person, the values do.
var identifiers = map[string]scan.Entity{
	"http://hl7.org/fhir/sid/us-ssn":                scan.SSN,
	"urn:ietf:rfc:3986":                             scan.Unique,
	"urn:oid:2.16.840.1.113883.4.1":                 scan.SSN,
	"http://hl7.org/fhir/sid/us-npi":                scan.NPI,
	"urn:oid:2.16.840.1.113883.4.6":                 scan.NPI,
	"urn:oid:2.16.840.1.113883.4.814":               scan.DEA,
	"http://hl7.org/fhir/sid/us-mbi":                scan.HealthPlan,
	"http://hl7.org/fhir/sid/us-medicare":           scan.HealthPlan,
	"http://terminology.hl7.org/NamingSystem/usMBI": scan.HealthPlan,
}

// kinds are the codes of identifier types (table HL7 0203) that say more than
// that something is an identifier.
var kinds = map[string]scan.Entity{
	"MR": scan.MRN, "MRT": scan.MRN, "PI": scan.MRN, "SS": scan.SSN, "SB": scan.SSN, "NPI": scan.NPI, "DEA": scan.DEA,
	"DL": scan.License, "MD": scan.License, "LN": scan.License, "PRN": scan.License, "RN": scan.License, "PPN": scan.License,
	"MB": scan.HealthPlan, "MC": scan.HealthPlan, "MA": scan.HealthPlan, "SN": scan.HealthPlan, "PNT": scan.HealthPlan,
	"AN": scan.Account, "ANC": scan.Account, "BA": scan.Account, "CC": scan.Card, "UDI": scan.Device, "SNO": scan.Device,
}

// known reports whether a URI names a code system of which codes may be shown.
func (m *Masker) known(uri []byte) bool {
	if _, ok := m.systems[string(uri)]; ok {
		return true
	}
	return published(uri)
}

// published reports whether a URI is one of HL7's own, and no identifier system.
func published(uri []byte) bool {
	if bar := bytes.IndexByte(uri, '|'); bar >= 0 && versionLike(uri[bar+1:]) {
		uri = uri[:bar]
	}
	for _, f := range families {
		if rest, ok := bytes.CutPrefix(uri, []byte(f)); ok && nameLike(rest) {
			return true
		}
	}
	return false
}

// nameLike reports whether s reads as the name that an author of definitions
// gives: letters, with few digits in a row, and at most two parts.
func nameLike(s []byte) bool {
	if len(s) == 0 || len(s) > 96 || bytes.HasPrefix(s, []byte("sid/")) {
		return false
	}
	run, parts := 0, 1
	for _, c := range s {
		switch {
		case '0' <= c && c <= '9':
			if run++; run > 4 {
				return false
			}
			continue
		case c == '/':
			parts++
		case c|0x20 >= 'a' && c|0x20 <= 'z', c == '-', c == '.', c == '_', c == '#':
		default:
			return false
		}
		run = 0
	}
	return parts <= 2
}

func versionLike(s []byte) bool {
	return len(s) > 0 && len(s) <= 8 && strings.Trim(string(s), "0123456789.") == ""
}

// assigner reports whether a URI may be shown as the system of an identifier: one
// that is known, or an OID, which names an authority.
func (m *Masker) assigner(uri []byte) bool {
	if _, ok := identifiers[string(uri)]; ok {
		return true
	}
	oid, ok := bytes.CutPrefix(uri, []byte("urn:oid:"))
	return ok && len(oid) <= 64 && strings.Trim(string(oid), "0123456789.") == "" || m.known(uri)
}
