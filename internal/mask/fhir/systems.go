// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package fhir

import (
	"bytes"

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

// families are prefixes below which HL7 publishes; what follows is one name, or
// one below a kind of definition.
var families = []string{"http://terminology.hl7.org/", "http://hl7.org/fhir/"}

// branches are what HL7 publishes definitions below: their kinds, and the tables of
// versions 2 and 3.
var branches = map[string]bool{
	"CapabilityStatement": true, "CodeSystem": true, "CompartmentDefinition": true, "ConceptMap": true, "GraphDefinition": true,
	"ImplementationGuide": true, "MessageDefinition": true, "NamingSystem": true, "OperationDefinition": true, "SearchParameter": true,
	"StructureDefinition": true, "StructureMap": true, "ValueSet": true, "v2": true, "v3": true,
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
		if rest, ok := bytes.CutPrefix(uri, []byte(f)); ok && definitionLike(rest) {
			return true
		}
	}
	return false
}

// definitionLike reports whether a path reads as that of a definition: NAME or
// KIND/NAME or KIND/NAME/VERSION, below a guide of one realm ("us/core/") or not.
func definitionLike(path []byte) bool {
	if realm, rest, ok := bytes.Cut(path, []byte{'/'}); ok && (string(realm) == "us" || string(realm) == "uv") {
		guide, rest, ok := bytes.Cut(rest, []byte{'/'})
		if !ok || !nameLike(guide) {
			return false
		}
		path = rest
	}
	if branch, name, ok := bytes.Cut(path, []byte{'/'}); ok {
		if name, version, ok := bytes.Cut(name, []byte{'/'}); ok {
			return branches[string(branch)] && nameLike(name) && versionLike(version)
		}
		return branches[string(branch)] && nameLike(name)
	}
	return nameLike(path)
}

// nameLike reports whether s reads as the name that an author of definitions
// gives: letters, and fewer digits than a date or an identifier has.
func nameLike(s []byte) bool {
	const most = 5 // "iso21090"
	digits := 0
	for _, c := range s {
		switch {
		case c-'0' <= 9:
			digits++
		case c|0x20 >= 'a' && c|0x20 <= 'z', c == '-', c == '_', c == '#':
		default:
			return false
		}
	}
	return len(s) > 0 && len(s) <= 96 && digits <= most
}

// versionLike: 4.0.1, 2019.1; with fewer digits than a date.
func versionLike(s []byte) bool {
	const most = 5
	digits := 0
	for _, c := range s {
		if c-'0' <= 9 {
			digits++
		} else if c != '.' {
			return false
		}
	}
	return digits > 0 && digits <= most && len(s) <= 2*most
}

// assigner reports whether a URI may be shown as the system of an identifier: one
// that is known, or an OID, which names an authority.
func (m *Masker) assigner(uri []byte) bool {
	if _, ok := identifiers[string(uri)]; ok {
		return true
	}
	oid, ok := bytes.CutPrefix(uri, []byte("urn:oid:"))
	return ok && oidLike(oid) || m.known(uri)
}

// oidLike reports whether v is an object identifier without an arc that is long
// enough to number people.
func oidLike(v []byte) bool {
	const longest = 7
	arc := 0
	for _, c := range v {
		switch {
		case c == '.' && arc > 0:
			arc = 0
		case c-'0' <= 9 && arc < longest:
			arc++
		default:
			return false
		}
	}
	return arc > 0 && len(v) <= 64
}
