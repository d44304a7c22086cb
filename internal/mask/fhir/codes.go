// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package fhir

import "github.com/sallyport-dev/sallyport/internal/mask/element"

// formOf returns what the codes of a terminology look like, by its URI.
func formOf(uri []byte) element.Form {
	switch string(uri) {
	case "http://loinc.org":
		return element.LOINC
	case "http://snomed.info/sct":
		return element.SNOMED
	case "http://www.nlm.nih.gov/research/umls/rxnorm", "http://hl7.org/fhir/sid/cvx":
		return element.Numeric
	case "http://hl7.org/fhir/sid/icd-10", "http://hl7.org/fhir/sid/icd-10-cm", "http://hl7.org/fhir/sid/icd-10-de":
		return element.ICD
	case "http://hl7.org/fhir/sid/ndc":
		return element.NDC
	}
	return element.AnyForm
}
