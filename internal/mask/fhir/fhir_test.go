// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package fhir_test

import (
	"encoding/json"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/mask/fhir"
	"github.com/sallyport-dev/sallyport/internal/mask/operator"
	"github.com/sallyport-dev/sallyport/internal/mask/profile"
	"github.com/sallyport-dev/sallyport/internal/mask/scan"
	"github.com/sallyport-dev/sallyport/internal/mask/text"
)

const absent = `{"extension":[{"url":"http://hl7.org/fhir/StructureDefinition/data-absent-reason","valueCode":"masked"}]}`

// TestElements masks members of a resource, given without the resource around
// them.
func TestElements(t *testing.T) {
	m := masker(t, profile.SafeHarbor)
	const loinc = `{"system":"http://loinc.org","code":"718-7","display":"Hemoglobin"}`
	for _, tt := range []struct{ name, resource, in, want string }{
		{"a birth date and what hides beside it", "Patient", `"birthDate":"1974-12-25","_birthDate":{"extension":[{"url":"http://x","valueDateTime":"1974-12-25T14:35:45-05:00"}]}`, `"birthDate":"1974"`},
		{"a birth date of more than ninety years ago", "Patient", `"birthDate":"1921-01-02"`, `"birthDate":"1936"`},
		{"a date that is none", "Patient", `"birthDate":"Christmas 1974","active":true`, `"active":true`},
		{"extensions", "Patient", `"extension":[{"url":"http://x","valueString":"x"}],"modifierExtension":[],"active":true`, `"active":true`},
		{"elements of no definition", "Patient", `"active":true,"ssn":"900551234","nested":{"a":[1,{"b":"c"}]}`, `"active":true`},
		{"a list that becomes shorter", "Patient", `"telecom":[{"extension":[]},{"use":"home","rank":1},{}],"active":true`, `"telecom":[{"use":"home","rank":1}],"active":true`},
		{"a list that becomes empty", "Patient", `"telecom":[{"extension":[]},{}],"active":true`, `"active":true`},
		{"nulls beside extensions of primitives", "Patient", `"name":[{"given":["Otto",null,"Line"],"_given":[null,{"id":"x"}]}]`, `"name":[{"given":["[NAME]","[NAME]"]}]`},
		{"values of another JSON type", "Patient", `"active":"Otto","gender":7,"birthDate":{"a":"b"},"name":"Otto","maritalStatus":[["x"]],"multipleBirthInteger":2`, `"multipleBirthInteger":2`},
		{"a name in escapes", "Patient", `"n\u0061me":[{"f\u0061mily":"Qu\u0069ll"}]`, `"n\u0061me":[{"f\u0061mily":"[NAME]"}]`},
		{"a code that FHIR does not define", "Patient", `"gender":"Ottoline","active":false`, `"active":false`},
		{"an address", "Patient", `"address":[{"use":"home","line":["7 Wharf"],"city":"Saltmarsh","state":"MA","postalCode":"02134-1234","country":"USA"}]`, `"address":[{"use":"home","line":["[ADDRESS]"],"city":"[PLACE]","state":"MA","postalCode":"02100","country":"USA"}]`},
		{"a state that is none", "Patient", `"address":[{"state":"7 Wharf","country":"US"}]`, `"address":[{"country":"US"}]`},
		{"identifiers by system and type", "Patient", `"identifier":[{"value":"1","system":"http://hl7.org/fhir/sid/us-ssn"},{"type":{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/v2-0203","code":"MR"}]},"value":"2"},{"system":"https://x.example/ids","value":"3"},{"system":"urn:oid:1.2.3","value":"4"}]`, `"identifier":[{"value":"[SSN]","system":"http://hl7.org/fhir/sid/us-ssn"},{"type":{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/v2-0203","code":"MR"}]},"value":"[MRN]"},{"value":"[ID]"},{"system":"urn:oid:1.2.3","value":"[ID]"}]`},
		{"an identifier of a type that cannot be shown", "Patient", `"identifier":[{"type":{"coding":[{"system":"https://x.example","code":"MR"}]},"value":"2"}]`, `"identifier":[{"value":"[MRN]"}]`},
		{"telecom by system", "Patient", `"telecom":[{"value":"1","system":"fax"},{"system":"email","value":"2"},{"value":"3"}]`, `"telecom":[{"value":"[FAX]","system":"fax"},{"system":"email","value":"[EMAIL]"},{"value":"[PHONE]"}]`},
		{"a photo", "Patient", `"photo":[{"contentType":"image/png","data":"AAAA"}],"active":true`, `"active":true`},
		{"a narrative", "Patient", `"text":{"status":"generated","div":"<div>Otto</div>"}`, `"text":{"status":"generated","div":"<div xmlns=\"http://www.w3.org/1999/xhtml\">[TEXT]</div>"}`},
		{"contained resources and what points to them", "Patient", `"contained":[{"resourceType":"Organization","id":"acme","name":"Acme"}],"managingOrganization":{"reference":"#acme","display":"Acme"}`, `"contained":[{"resourceType":"Organization","id":"r1","name":"[ORG]"}],"managingOrganization":{"reference":"#r1","display":"[NAME]"}`},
		{"references", "Observation", `"id":"o","hasMember":[{"reference":"Observation/o"},{"reference":"https://x.example/fhir/Observation/p/_history/3"},{"reference":"Observation/p"},{"reference":"urn:uuid:6f1a2c3e-1111-4222-8333-944455566677"},{"reference":"#"},{"reference":"Observation?identifier=900551234"}]`, `"id":"r1","hasMember":[{"reference":"Observation/r1"},{"reference":"http://masked.invalid/fhir/Observation/r2"},{"reference":"Observation/r2"},{"reference":"urn:uuid:00000000-0000-4000-8000-000000000003"},{"reference":"#"},{"reference":"urn:uuid:00000000-0000-4000-8000-000000000004"}]`},
		{"codes of a known terminology", "Observation", `"code":{"coding":[` + loinc + `],"text":"Otto's hemoglobin"}`, `"code":{"coding":[` + loinc + `],"text":"[TEXT]"}`},
		{"system after code", "Observation", `"code":{"coding":[{"code":"718-7","system":"http://loinc.org"}]}`, `"code":{"coding":[{"code":"718-7","system":"http://loinc.org"}]}`},
		{"codes of any other", "Observation", `"code":{"coding":[{"system":"https://x.example/mrn","version":"1","code":"0077412","display":"Otto","userSelected":true}]}`, `"code":{"coding":[{"display":"[TEXT]","userSelected":true}]}`},
		{"identifier systems are no terminologies", "Observation", `"code":{"coding":[{"system":"http://hl7.org/fhir/sid/us-ssn","code":"900551234"},` + loinc + `]}`, `"code":{"coding":[` + loinc + `]}`},
		{"an identifier in a display", "Observation", `"code":{"coding":[{"system":"http://loinc.org","code":"1-8","display":"of otto@saltmarsh.example"}]}`, `"code":{"coding":[{"system":"http://loinc.org","code":"1-8","display":"of [EMAIL]"}]}`},
		{"what is required", "Observation", `"status":"Otto","code":{"extension":[]}`, `"_status":` + absent + `,"code":` + absent},
		{"what is required, without a value", "Observation", `"_status":{"extension":[{"url":"http://x","valueCode":"y"}]}`, `"_status":` + absent},
		{"what is required, of many", "Composition", `"author":[{"extension":[]}]`, `"author":[` + absent + `]`},
		{"an instant", "Observation", `"issued":"2013-04-03T15:30:10.123+01:00","effectiveDateTime":"2013-04-03T15:30:10+01:00"`, `"issued":"2013-01-01T00:00:00Z","effectiveDateTime":"2013"`},
		{"quantities", "Observation", `"valueQuantity":{"value":6.3,"unit":"mmol/l","system":"http://unitsofmeasure.org","code":"mmol/L"}`, `"valueQuantity":{"value":6.3,"unit":"mmol/l","system":"http://unitsofmeasure.org","code":"mmol/L"}`},
		{"an age above 89", "Observation", `"valueQuantity":{"value":97,"system":"http://unitsofmeasure.org","code":"a"}`, `"valueQuantity":{"value":90,"system":"http://unitsofmeasure.org","code":"a"}`},
		{"what is no age", "Observation", `"valueQuantity":{"value":97,"system":"http://unitsofmeasure.org","code":"kg"}`, `"valueQuantity":{"value":97,"system":"http://unitsofmeasure.org","code":"kg"}`},
		{"an age by its type", "Condition", `"onsetAge":{"value":97}`, `"onsetAge":{"value":90}`},
		{"numbers long enough to identify", "Observation", `"valueInteger":900551234,"valueQuantity":{"value":9.00551234e8},"status":"final"`, `"status":"final"`},
		{"a sampled signal", "Observation", `"valueSampledData":{"origin":{"value":0},"period":10,"dimensions":1,"data":"1 2 3"}`, `"valueSampledData":{"origin":{"value":0},"period":10,"dimensions":1,"data":"E"}`},
		{"meta", "Observation", `"meta":{"versionId":"7","lastUpdated":"2013-04-03T15:30:10Z","source":"http://x.example","profile":["http://hl7.org/fhir/StructureDefinition/vitalsigns","https://x.example/p"],"tag":[{"system":"https://x.example","code":"otto"}]}`, `"meta":{"lastUpdated":"2013-01-01T00:00:00Z","profile":["http://hl7.org/fhir/StructureDefinition/vitalsigns"]}`},
		{"R5 alone", "Encounter", `"class":[{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/v3-ActCode","code":"AMB"}]}],"actualPeriod":{"start":"2024-02-03"}`, `"class":[{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/v3-ActCode","code":"AMB"}]}],"actualPeriod":{"start":"2024"}`},
		{"R4 alone", "Encounter", `"class":{"system":"http://terminology.hl7.org/CodeSystem/v3-ActCode","code":"AMB"},"period":{"start":"2024-02-03"}`, `"class":{"system":"http://terminology.hl7.org/CodeSystem/v3-ActCode","code":"AMB"},"period":{"start":"2024"}`},
		{"an integer64", "DocumentReference", `"content":[{"attachment":{"contentType":"text/plain","size":"1234","url":"https://x.example/otto","title":"Otto"}}]`, `"content":[{"attachment":{"contentType":"text/plain","size":"1234","title":"[TEXT]"}}]`},
		{"a place on the map", "Location", `"name":"Wharf","position":{"longitude":-83.6,"latitude":42.2},"status":"active"`, `"name":"[ORG]","status":"active"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			whole := func(members string) string { return `{"resourceType":"` + tt.resource + `",` + members + `}` }
			var w text.Work
			got, err := m.Append([]byte("before:"), []byte(whole(tt.in)), &w)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff("before:"+whole(tt.want), string(got)); diff != "" {
				t.Errorf("masked (-want +got):\n%s", diff)
			}
			again, err := m.Append(nil, []byte(whole(tt.want)), &w)
			if err != nil || string(again) != whole(tt.want) {
				t.Errorf("masked twice: %s, %v", again, err)
			}
		})
	}
}

func TestProfiles(t *testing.T) {
	const in = `{"resourceType":"Patient","id":"p","birthDate":"1974-05-06","deceasedDateTime":"2020-02-03T10:11:12Z","address":[{"city":"Saltmarsh","postalCode":"02134","line":["7 Wharf"]}],"name":[{"family":"Quill"}]}`
	for _, tt := range []struct {
		name string
		spec profile.Spec
		want string
	}{
		{"limited data set", profile.Spec{Name: profile.LimitedDataSet}, `{"resourceType":"Patient","id":"r1","birthDate":"1974-05-06","deceasedDateTime":"2020-02-03T10:11:12Z","address":[{"city":"Saltmarsh","postalCode":"02134","line":["[ADDRESS]"]}],"name":[{"family":"[NAME]"}]}`},
		{"months", profile.Spec{Name: profile.LimitedDataSet, Entities: map[scan.Entity]operator.Spec{scan.Date: {Kind: operator.DateTrunc}}}, `{"resourceType":"Patient","id":"r1","birthDate":"1974-05","deceasedDateTime":"2020-02","address":[{"city":"Saltmarsh","postalCode":"02134","line":["[ADDRESS]"]}],"name":[{"family":"[NAME]"}]}`},
		{"need to know, with ids", profile.Spec{Name: profile.NeedToKnow, Entities: map[scan.Entity]operator.Spec{scan.Unique: {Kind: operator.Keep}, scan.Name: {Kind: operator.Null}}}, `{"resourceType":"Patient","id":"p","address":[{"city":"[PLACE]","postalCode":"[ZIP]","line":["[ADDRESS]"]}]}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var w text.Work
			got, err := maskerOf(t, tt.spec).Append(nil, []byte(in), &w)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, string(got)); diff != "" {
				t.Errorf("masked (-want +got):\n%s", diff)
			}
		})
	}
}

func TestOptions(t *testing.T) {
	const in = `{"resourceType":"Observation","extension":[{"url":"http://x","valueString":"x"}],"subject":{"display":"Ottoline Quill"},"note":[{"text":"ask otto@saltmarsh.example","authorString":"Pettibone"}],"code":{"coding":[{"system":"https://x.example/lab","code":"L7","display":"iron"}],"text":"iron"},"component":[{"code":{"text":"copper"}}]}`
	for _, tt := range []struct {
		name string
		o    fhir.Options
		want string
	}{
		{"none", fhir.Options{}, `{"resourceType":"Observation","subject":{"display":"[NAME]"},"note":[{"text":"[TEXT]","authorString":"[NAME]"}],"code":{"coding":[{"display":"[TEXT]"}],"text":"[TEXT]"},"component":[{"code":{"text":"[TEXT]"}}]}`},
		{"a text scanned", fhir.Options{Scan: []string{"Observation.note.text"}}, `{"resourceType":"Observation","subject":{"display":"[NAME]"},"note":[{"text":"ask [EMAIL]","authorString":"[NAME]"}],"code":{"coding":[{"display":"[TEXT]"}],"text":"[TEXT]"},"component":[{"code":{"text":"[TEXT]"}}]}`},
		{"a text kept on one path of two", fhir.Options{Keep: []string{"Observation.code.text", "Observation.extension"}}, `{"resourceType":"Observation","extension":[{"url":"http://x","valueString":"x"}],"subject":{"display":"[NAME]"},"note":[{"text":"[TEXT]","authorString":"[NAME]"}],"code":{"coding":[{"display":"[TEXT]"}],"text":"iron"},"component":[{"code":{"text":"[TEXT]"}}]}`},
		{"a type's text, everywhere", fhir.Options{Keep: []string{"CodeableConcept.text"}}, `{"resourceType":"Observation","subject":{"display":"[NAME]"},"note":[{"text":"[TEXT]","authorString":"[NAME]"}],"code":{"coding":[{"display":"[TEXT]"}],"text":"iron"},"component":[{"code":{"text":"copper"}}]}`},
		{"all texts scanned, a system known", fhir.Options{Scan: []string{"*"}, Systems: []string{"https://x.example/lab"}}, `{"resourceType":"Observation","subject":{"display":"[NAME]"},"note":[{"text":"ask [EMAIL]","authorString":"[NAME]"}],"code":{"coding":[{"system":"https://x.example/lab","code":"L7","display":"iron"}],"text":"iron"},"component":[{"code":{"text":"copper"}}]}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var w text.Work
			got, err := masker(t, profile.SafeHarbor, tt.o).Append(nil, []byte(in), &w)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, string(got)); diff != "" {
				t.Errorf("masked (-want +got):\n%s", diff)
			}
		})
	}
}

func TestCompileRefuses(t *testing.T) {
	p, err := profile.Compile(profile.Spec{Name: profile.SafeHarbor}, nil, now)
	if err != nil {
		t.Fatal(err)
	}
	s, err := scan.New(scan.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range []fhir.Options{
		{Keep: []string{""}},
		{Keep: []string{"Observation"}},
		{Keep: []string{"Nothing.text"}},
		{Keep: []string{"Observation.nothing"}},
		{Keep: []string{"Observation.status.text"}},
		{Scan: []string{"Observation.code"}},
		{Scan: []string{"Observation.valueBoolean"}},
		{Scan: []string{"Narrative.div"}},
	} {
		if _, err := fhir.Compile(&text.Masker{Scanner: s, Profile: p}, o); sallyport.KindOf(err) != sallyport.Invalid {
			t.Errorf("%+v gave %v", o, err)
		}
	}
}

// TestKnown: a name that structure gives away is found in texts that are scanned.
func TestKnown(t *testing.T) {
	m := masker(t, profile.SafeHarbor, fhir.Options{Scan: []string{"*"}})
	const in = `{"resourceType":"Bundle","entry":[{"resource":{"resourceType":"Observation","note":[{"text":"quillfeather refused, Ottoline agreed"}]}},{"resource":{"resourceType":"Patient","name":[{"family":"Quillfeather","given":["Ottoline"]}]}}]}`
	var w text.Work
	got, err := m.Append(nil, []byte(in), &w)
	if err != nil {
		t.Fatal(err)
	}
	if s := strings.ToLower(string(got)); strings.Contains(s, "quillfeather") || strings.Contains(s, "ottoline") || !strings.Contains(s, "refused") {
		t.Errorf("got %s", got)
	}
	other, err := m.Append(nil, []byte(`{"resourceType":"Basic","subject":{"display":"x"},"code":{"text":"quillfeather"}}`), &w)
	if err != nil || !strings.Contains(string(other), "quillfeather") {
		t.Errorf("the name is known in the next document: %s, %v", other, err)
	}
}

func TestRefuses(t *testing.T) {
	m := masker(t, profile.SafeHarbor)
	nested := strings.Repeat(`{"resourceType":"Bundle","entry":[{"resource":`, 20) + `{"resourceType":"Patient"}` + strings.Repeat(`}]}`, 20)
	for name, in := range map[string]string{
		"nothing": ``, "no object": `[{"resourceType":"Patient"}]`, "no type": `{"id":"x"}`, "a type that is none": `{"resourceType":"Ottoline"}`,
		"a type that is a data type": `{"resourceType":"HumanName"}`, "an inner type that is none": `{"resourceType":"Bundle","entry":[{"resource":{"resourceType":"X"}}]}`,
		"two types": `{"resourceType":"Patient","resourceType":"Basic"}`, "two systems": `{"resourceType":"Observation","code":{"coding":[{"system":"http://loinc.org","code":"x","system":"https://x.example"}]}}`,
		"a system in escapes": `{"resourceType":"Observation","code":{"coding":[{"\u0073ystem":"http://loinc.org","code":"x"}]}}`,
		"no JSON":             `{"resourceType":"Patient",}`, "no JSON where nobody looks": `{"resourceType":"Patient","x":[01]}`, "two documents": `{"resourceType":"Patient"} {}`,
		"no UTF-8": "{\"resourceType\":\"Patient\",\"x\":\"\xff\"}", "half a surrogate": `{"resourceType":"Patient","x":"\ud800"}`, "resources too deep": nested,
		"elements too deep": `{"resourceType":"Questionnaire","item":` + strings.Repeat(`[{"item":`, 100) + `[]` + strings.Repeat(`}]`, 100) + `}`,
	} {
		t.Run(name, func(t *testing.T) {
			var w text.Work
			got, err := m.Append([]byte("before"), []byte(in), &w)
			if sallyport.KindOf(err) != sallyport.Integrity || string(got) != "before" {
				t.Errorf("got %q, %v", got, err)
			}
			if err != nil && strings.Contains(err.Error(), "Ottoline") {
				t.Errorf("the error shows the document: %v", err)
			}
		})
	}
}

func TestAppendLines(t *testing.T) {
	m := masker(t, profile.SafeHarbor)
	var w text.Work
	got, refused := m.AppendLines(nil, []byte("{\"resourceType\":\"Patient\",\"id\":\"a\"}\n\n{\"resourceType\":\"Patient\",\"name\":\"Otto\n{\"resourceType\":\"Patient\",\"id\":\"b\"}"), &w)
	want := "{\"resourceType\":\"Patient\",\"id\":\"r1\"}\n\n{\"resourceType\":\"OperationOutcome\",\"issue\":[{\"severity\":\"error\",\"code\":\"suppressed\"}]}\n{\"resourceType\":\"Patient\",\"id\":\"r1\"}"
	if string(got) != want || refused != 1 {
		t.Errorf("%d refused, got\n%s", refused, got)
	}
	if again, refused := m.AppendLines(nil, []byte(want), &w); string(again) != want || refused != 0 {
		t.Errorf("masked twice: %s", again)
	}
}

func TestCounts(t *testing.T) {
	m := masker(t, profile.SafeHarbor)
	w := text.Work{Locus: "the column"}
	const in = `{"resourceType":"Patient","name":[{"family":"Quill","given":["Otto","Line"]}],"birthDate":"1974-05-06","photo":[{"data":"AAAA"}]}`
	if _, err := m.Append(nil, []byte(in), &w); err != nil {
		t.Fatal(err)
	}
	want := []text.Count{
		{Key: text.Key{Rule: "element", Entity: scan.Name, Operator: operator.Redact, Locus: "HumanName.family"}, N: 1},
		{Key: text.Key{Rule: "element", Entity: scan.Name, Operator: operator.Redact, Locus: "HumanName.given"}, N: 2},
		{Key: text.Key{Rule: "element", Entity: scan.Date, Operator: operator.DateYear, Locus: "Patient.birthDate"}, N: 1},
		{Key: text.Key{Rule: "element", Entity: scan.Photo, Operator: operator.Drop, Locus: "Patient.photo"}, N: 1},
	}
	if diff := cmp.Diff(want, w.Tally.Take()); diff != "" {
		t.Errorf("counts (-want +got):\n%s", diff)
	}
	if w.Locus != "the column" {
		t.Errorf("the caller's locus became %q", w.Locus)
	}
}

// TestConcurrent: one masker, many documents at once, each as if it were alone.
func TestConcurrent(t *testing.T) {
	m := masker(t, profile.SafeHarbor)
	docs := examples(t)
	var w text.Work
	want := make([]string, len(docs))
	for i, e := range docs {
		got, err := m.Append(nil, e.doc, &w)
		if err != nil {
			t.Fatal(err)
		}
		want[i] = string(got)
	}
	var users sync.WaitGroup
	for range 4 {
		users.Go(func() {
			var w text.Work
			for i, e := range docs {
				if got, err := m.Append(nil, e.doc, &w); err != nil || string(got) != want[i] {
					t.Errorf("%s: differs beside others: %v", e.name, err)
				}
			}
		})
	}
	users.Wait()
}

func FuzzAppend(f *testing.F) {
	const canary = "Zebulonia-Canary"
	m := masker(f, profile.SafeHarbor)
	for _, e := range examples(f) {
		if len(e.doc) < 3000 {
			f.Add(e.doc)
		}
	}
	f.Fuzz(func(t *testing.T, doc []byte) {
		var w text.Work
		once, err := m.Append(nil, doc, &w)
		if err != nil {
			if len(once) > 0 {
				t.Fatalf("%q came out with an error", once)
			}
			return
		}
		if !json.Valid(once) {
			t.Fatalf("%q became %q", doc, once)
		}
		twice, err := m.Append(nil, once, &w)
		if err != nil || string(twice) != string(once) {
			t.Fatalf("%q became %q, and that %q (%v)", doc, once, twice, err)
		}
		in := `{"resourceType":"Bundle","` + canary + `":1,"entry":[{"resource":{"resourceType":"Patient","name":[{"text":"` + canary + `"}],"x":"` + canary + `"}},{"resource":` + string(doc) + `}]}`
		held, err := m.Append(nil, []byte(in), &w)
		if err == nil && strings.Contains(string(held), canary) && !strings.Contains(string(doc), "anary") {
			t.Fatalf("the canary survived in %q", held)
		}
	})
}
