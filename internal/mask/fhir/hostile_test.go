// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package fhir_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/mask/profile"
	"github.com/sallyport-dev/sallyport/internal/mask/text"
)

// TestSmuggled has identifiers in elements that are kept when they hold what they
// ought to.
func TestSmuggled(t *testing.T) {
	m := masker(t, profile.SafeHarbor)
	code := func(members string) string { return `"code":{"coding":[{` + members + `}]}` }
	for _, tt := range []struct{ name, resource, in, want string }{
		{"a name as a code", "Observation", code(`"system":"http://loinc.org","code":"Ottoline Quill"`), code(`"system":"http://loinc.org"`)},
		{"a number as a code of LOINC", "Observation", code(`"system":"http://loinc.org","code":"900-11-2233"`), code(`"system":"http://loinc.org"`)},
		{"a code of LOINC with a wrong check digit", "Observation", code(`"system":"http://loinc.org","code":"718-8"`), code(`"system":"http://loinc.org"`)},
		{"an answer of LOINC", "Observation", code(`"system":"http://loinc.org","code":"LA25391-6"`), code(`"system":"http://loinc.org","code":"LA25391-6"`)},
		{"a number as a code of SNOMED", "Observation", code(`"system":"http://snomed.info/sct","code":"900112233"`), code(`"system":"http://snomed.info/sct"`)},
		{"codes of SNOMED", "Observation", `"code":{"coding":[{"system":"http://snomed.info/sct","code":"271649006"},{"system":"http://snomed.info/sct","code":"71341001:272741003=7771000"}]}`, `"code":{"coding":[{"system":"http://snomed.info/sct","code":"271649006"},{"system":"http://snomed.info/sct","code":"71341001:272741003=7771000"}]}`},
		{"a telephone as a drug", "Observation", code(`"system":"http://hl7.org/fhir/sid/ndc","code":"2125550142"`), code(`"system":"http://hl7.org/fhir/sid/ndc"`)},
		{"drugs", "Observation", `"code":{"coding":[{"system":"http://hl7.org/fhir/sid/ndc","code":"00456042001"},{"system":"http://hl7.org/fhir/sid/ndc","code":"0456-0420-01"}]}`, `"code":{"coding":[{"system":"http://hl7.org/fhir/sid/ndc","code":"00456042001"},{"system":"http://hl7.org/fhir/sid/ndc","code":"0456-0420-01"}]}`},
		{"a date as a code of words", "Observation", code(`"system":"http://terminology.hl7.org/CodeSystem/observation-category","code":"1974-05-06"`), code(`"system":"http://terminology.hl7.org/CodeSystem/observation-category"`)},
		{"a mail address as a code", "Observation", code(`"system":"http://terminology.hl7.org/CodeSystem/observation-category","code":"otto@saltmarsh.example"`), code(`"system":"http://terminology.hl7.org/CodeSystem/observation-category"`)},
		{"a diagnosis", "Observation", code(`"system":"http://hl7.org/fhir/sid/icd-10-cm","code":"S72.001A"`), code(`"system":"http://hl7.org/fhir/sid/icd-10-cm","code":"S72.001A"`)},
		{"a name as a diagnosis", "Observation", code(`"system":"http://hl7.org/fhir/sid/icd-10-cm","code":"QUILL"`), code(`"system":"http://hl7.org/fhir/sid/icd-10-cm"`)},
		{"a number as a drug of RxNorm", "Observation", code(`"system":"http://www.nlm.nih.gov/research/umls/rxnorm","code":"900112233"`), code(`"system":"http://www.nlm.nih.gov/research/umls/rxnorm"`)},
		{"a display without a code", "Observation", code(`"system":"http://loinc.org","display":"Ottoline Quill"`), code(`"system":"http://loinc.org","display":"[TEXT]"`)},
		{"a display of a code that is none", "Observation", code(`"display":"Ottoline Quill","system":"http://loinc.org","code":"x"`), code(`"display":"[TEXT]","system":"http://loinc.org"`)},
		{"URLs that HL7 does not publish", "Patient", `"meta":{"profile":["http://hl7.org/fhir/Patient/quillfeather","http://hl7.org/fhir/Ottoline.Quill","http://terminology.hl7.org/CodeSystem/1974-05-06","http://hl7.org/fhir/900-11-2233","http://hl7.org/fhir/us/900-11-2233","http://hl7.org/fhir/StructureDefinition/x|19740506"]},"active":true`, `"active":true`},
		{"URLs that it does", "Patient", `"meta":{"profile":["http://hl7.org/fhir/us/core/StructureDefinition/us-core-patient|6.1.0","http://hl7.org/fhir/StructureDefinition/vitalsigns"]}`, `"meta":{"profile":["http://hl7.org/fhir/us/core/StructureDefinition/us-core-patient|6.1.0","http://hl7.org/fhir/StructureDefinition/vitalsigns"]}`},
		{"a table of version 2, with its version", "Observation", code(`"system":"http://terminology.hl7.org/CodeSystem/v2-0360/2.7","code":"BS"`), code(`"system":"http://terminology.hl7.org/CodeSystem/v2-0360/2.7","code":"BS"`)},
		{"a number within an OID", "Patient", `"identifier":[{"system":"urn:oid:1.2.3.900112233","value":"1"},{"system":"urn:oid:1.2..3","value":"1"}]`, `"identifier":[{"value":"[ID]"},{"value":"[ID]"}]`},
		{"a city as a state", "Patient", `"address":[{"state":"Springfield","country":"Saltmarsh"},{"state":"New York","country":"Germany"},{"state":"MA","country":"USA"}]`, `"address":[{"state":"New York","country":"Germany"},{"state":"MA","country":"USA"}]`},
		{"a name as a link id", "QuestionnaireResponse", `"item":[{"linkId":"Ottoline Quill","answer":[{"valueBoolean":true}]},{"linkId":"1974-05-06"}]`, `"item":[{"linkId":"[TEXT]","answer":[{"valueBoolean":true}]},{"linkId":"[TEXT]"}]`},
		{"a name as a status", "Bundle", `"entry":[{"response":{"status":"Ottoline Quill"}},{"response":{"status":"201 Created"}}]`, `"entry":[{"response":{"status":"[TEXT]"}},{"response":{"status":"201 Created"}}]`},
		{"a name as a currency", "Claim", `"total":{"value":12.5,"currency":"Ott"}`, `"total":{"value":12.5}`},
		{"a day as a number", "Observation", `"valueInteger":19740506,"component":[{"valueInteger":19740000},{"valueInteger":12345678}]`, `"component":[{"valueInteger":19740000},{"valueInteger":12345678}]`},
		{"words for years", "Observation", `"component":[{"valueQuantity":{"value":97,"unit":"Years old"}},{"valueQuantity":{"value":97,"unit":"y.o."}},{"valueQuantity":{"unit":"{\u0079ears}","value":97}},{"valueQuantity":{"value":1164,"unit":"mos"}},{"valueQuantity":{"value":850000,"unit":"h"}}]`, `"component":[{"valueQuantity":{"value":90,"unit":"Years old"}},{"valueQuantity":{"value":90,"unit":"y.o."}},{"valueQuantity":{"unit":"{\u0079ears}","value":90}},{"valueQuantity":{"value":90,"unit":"mos"}},{"valueQuantity":{"value":90,"unit":"h"}}]`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			whole := func(members string) string { return `{"resourceType":"` + tt.resource + `",` + members + `}` }
			var w text.Work
			got, err := m.Append(nil, []byte(whole(tt.in)), &w)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(whole(tt.want), string(got)); diff != "" {
				t.Errorf("masked (-want +got):\n%s", diff)
			}
		})
	}
}

// TestTwice: a reader that takes the last of two members sees another quantity
// than one that takes the first.
func TestTwice(t *testing.T) {
	m := masker(t, profile.SafeHarbor)
	for _, quantity := range []string{
		`{"value":1,"value":97,"unit":"years"}`, `{"value":97,"unit":"kg","unit":"years"}`, `{"v\u0061lue":97,"unit":"years"}`,
		`{"value":97,"u\u006eit":"years"}`, `{"value":97,"code":"kg","code":"a"}`,
	} {
		var w text.Work
		got, err := m.Append(nil, []byte(`{"resourceType":"Observation","valueQuantity":`+quantity+`}`), &w)
		if sallyport.KindOf(err) != sallyport.Integrity || len(got) > 0 {
			t.Errorf("%s became %q, %v", quantity, got, err)
		}
	}
}
