// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package hl7

import "github.com/sallyport-dev/sallyport/internal/mask/element"

// isPublished reports whether v names a published coding system, by its name in
// table 0396 or another that senders use for it. Its texts are the register's, so
// they say nothing of a patient. A system of the sender's own may say anything.
func isPublished(v []byte) bool {
	switch string(v) {
	case "ACR", "ANS+", "ATC", "C4", "C5", "CAS", "CD2", "CDCA", "CDCM", "CDCPHINVS", "CDCREC", "CDS", "CDT2", "CPT", "CPT4",
		"CPTM", "CVX", "EUC", "FDDC", "FDDX", "FDK", "HCPCS", "HCPT", "HPC", "I10", "I10C", "I10CM", "I10P", "I10PCS", "I9",
		"I9C", "I9CDX", "I9CP", "IC2", "ICD10", "ICD-10", "ICD10CM", "ICD-10-CM", "ICD10PCS", "ICD9", "ICD-9", "ICD9CM",
		"ICDO", "ICDO2", "ICDO3", "ICS", "ICSD", "ISO+", "ISO639", "ISO639-1", "ISO639-2", "ISO3166", "ISO3166_1", "LN",
		"LOINC", "MCD", "MEDR", "MVX", "NANDA", "NCIT", "NDA", "NDC", "NDFRT", "NIC", "NOC", "NUBC", "NUCC", "PHINVS", "RXN",
		"RXNORM", "SCT", "SCT2", "SDM", "SNM", "SNM3", "SNOMED", "SNOMED-CT", "SNOMEDCT", "SNT", "UB04", "UCUM", "UMD", "UML",
		"UMLS", "UNII", "USPS":
		return true
	}
	return false
}

// maxSystem bounds the name of a system.
const maxSystem = 16

// isSystem reports whether v names a published coding system: one of the list, a
// table of HL7 or one of the CDC's immunization programme.
func isSystem(v []byte) bool {
	if len(v) == 0 || len(v) > maxSystem {
		return false
	}
	if len(v) <= 3 || string(v[:3]) != "HL7" && string(v[:3]) != "NIP" {
		return isPublished(v)
	}
	for _, b := range v[3:] {
		if b < '0' || b > '9' {
			return false
		}
	}
	return len(v) <= 7
}

// formOf returns what the codes of a published system look like.
func formOf(system []byte) element.Form {
	switch string(system) {
	case "LN", "LOINC":
		return element.LOINC
	case "SCT", "SCT2", "SNOMED", "SNOMED-CT", "SNOMEDCT":
		return element.SNOMED
	case "RXN", "RXNORM", "CVX":
		return element.Numeric
	case "I10", "I10C", "I10CM", "ICD10", "ICD-10", "ICD10CM", "ICD-10-CM":
		return element.ICD
	case "NDC":
		return element.NDC
	}
	return element.AnyForm
}
