// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package gcspeer

// Object is an object that a server is seeded with.
type Object struct{ Bucket, Name, Type, Content string }

// Clinic is objects about people that do not exist: in the bucket
// clinic-exports, with the values of package bigquerypeer's dataset, and one
// without any in clinic-public.
func Clinic() []Object {
	const bucket = "clinic-exports"
	return []Object{
		{bucket, "2026/patients.csv", "text/csv", "mrn,name,ssn,birth,zip\n" +
			"1001,Ada Example,219-09-9991,1961-04-02,02139\n" +
			"1002,Bo Sample,219-09-9992,1974-11-30,60614\n" +
			"1003,Cy Specimen,219-09-9993,2003-07-19,94110\n"},
		{bucket, "2026/patients.ndjson", "application/x-ndjson", `{"mrn":1001,"name":"Ada Example","ssn":"219-09-9991"}` + "\n" +
			`{"mrn":1002,"name":"Bo Sample","ssn":"219-09-9992"}` + "\n"},
		{bucket, "notes/1001.txt", "text/plain; charset=utf-8", "Called Ada Example at 212-555-0143 about the refill. SSN 219-09-9991.\n"},
		{bucket, "fhir/patient-1001.json", "application/fhir+json", `{"resourceType":"Patient","id":"1001","name":[{"family":"Example","given":["Ada"]}],` +
			`"birthDate":"1961-04-02","identifier":[{"system":"http://hl7.org/fhir/sid/us-ssn","value":"219-09-9991"}],"telecom":[{"system":"phone","value":"212-555-0143"}]}`},
		{bucket, "hl7/adt-1001.hl7", "x-application/hl7-v2+er7", "MSH|^~\\&|CLINIC|A|LAB|B|20260105093000||ADT^A01|1|P|2.5\r" +
			"PID|1||1001^^^CLINIC^MR||Example^Ada||19610402|F|||1 Sample St^^Cambridge^MA^02139||212-555-0143|||||||219-09-9991\r"},
		{"clinic-public", "hours.txt", "text/plain; charset=utf-8", "Open from 8 to 17.\n"},
	}
}
