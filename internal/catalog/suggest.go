// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package catalog

import (
	"strings"
	"unicode"

	sallyport "github.com/sallyport-dev/sallyport"
)

// facts is what the catalogue says about a column.
type facts struct {
	table, column string
	typ           string // as format_type prints it
	category      string // pg_type.typcategory: 'N' numeric, 'D' date or time, 'S' string, 'B' boolean, ...
	comment       string
	primary       bool   // the whole primary key
	references    string // the table that a foreign key of this column alone points to
}

// rule proposes a label when the words of a name hold one of its words. A rule
// word of several parts, written with a space, needs them in a row; it also
// matches its parts written together, as in "lastname".
type rule struct {
	label sallyport.Label
	what  string
	words []string
}

// rules are tried in order: what says more stands first. They follow the
// eighteen identifiers of 45 CFR 164.514(b)(2), then clinical content.
func rules() []rule {
	return []rule{
		{Secret, "a password or key", []string{"password", "passwd", "pwd", "passphrase", "secret", "api key", "private key", "access key", "token", "credential", "salt"}},
		{"phi.ssn", "a social security number", []string{"ssn", "social security", "soc sec", "social sec", "socsec", "ss num", "ss no", "ss number", "itin", "tax id"}},
		{"phi.dob", "a date of birth", []string{"dob", "birth", "birth date", "birth day", "date of birth", "bday", "born"}},
		{"phi.death", "a date of death", []string{"dod", "death", "deceased", "date of death", "died"}},
		{"phi.email", "an e-mail address", []string{"email", "e mail", "mail address", "email address"}},
		{"phi.fax", "a fax number", []string{"fax"}},
		{"phi.phone", "a telephone number", []string{"phone", "telephone", "tel", "mobile", "cell", "cell phone", "msisdn", "pager"}},
		{"phi.plan-id", "a health plan number", []string{"member id", "member no", "member number", "member num", "subscriber", "beneficiary", "medicaid", "medicare", "mbi", "hicn", "insurance", "insurance id", "policy no", "policy number", "policy num", "policy id", "payer id", "health plan", "group no", "group number"}},
		{"phi.mrn", "a medical record number", []string{"mrn", "medical record", "med rec", "medrec", "emr id", "ehr id", "empi", "mpi", "chart no", "chart number", "chart id", "patient no", "patient number", "patient num", "pat id", "hospital no"}},
		{"phi.license", "a licence number", []string{"npi", "dea", "license", "licence", "dl no", "certificate", "passport"}},
		{"phi.account", "an account number", []string{"account", "acct", "iban", "card no", "card number", "credit card", "invoice no", "guarantor no", "routing"}},
		{"phi.vehicle", "a vehicle", []string{"vin", "plate", "license plate"}},
		{"phi.device", "a device", []string{"serial", "serial no", "udi", "imei", "device id", "mac address", "mac addr", "device"}},
		{"phi.ip", "a network address", []string{"ip", "ip address", "ip addr", "ipaddr", "remote addr", "ipv4", "ipv6"}},
		{"phi.url", "a web address", []string{"url", "website", "homepage"}},
		{"phi.zip", "a postal code", []string{"zip", "zip code", "postal", "postal code", "post code", "zip5", "zip4"}},
		{"phi.geo", "a place on the map", []string{"lat", "lon", "lng", "latitude", "longitude", "geo", "geom", "location", "coordinates"}},
		{"phi.address", "an address", []string{"address", "addr", "street", "city", "town", "county", "address1", "address2", "addr1", "addr2", "addr line", "precinct"}},
		{"phi.biometric", "biometrics", []string{"fingerprint", "voiceprint", "retina", "iris", "biometric", "dna", "genome"}},
		{"phi.photo", "a picture", []string{"photo", "portrait", "picture", "image", "face"}},
		{"phi.name", "a person's name", []string{"first name", "last name", "middle name", "given name", "family name", "full name", "maiden name", "nick name", "preferred name", "patient name", "person name", "display name", "legal name", "surname", "fname", "lname", "mname", "forename", "given", "initials", "next of kin", "alias"}},
		{"phi.note", "free text", []string{"note", "notes", "comment", "comments", "remark", "remarks", "narrative", "free text", "text", "memo", "message", "body", "description", "descr", "history", "summary", "findings", "impression", "report", "letter", "transcript", "complaint", "reason", "instructions"}},
		{"phi.clinical", "clinical data", []string{"icd", "icd9", "icd10", "diagnosis", "diagnoses", "dx", "cpt", "hcpcs", "procedure", "medication", "drug", "rx", "ndc", "prescription", "lab", "result", "loinc", "snomed", "allergy", "allergies", "vital", "symptom", "condition", "dosage", "dose", "bmi", "blood type", "hiv"}},
		{"phi.demographic", "a trait of a person", []string{"age", "sex", "gender", "race", "ethnicity", "religion", "marital status", "language", "nationality"}},
	}
}

// personTables are words of tables whose "name" is a person's.
func personTables() []string {
	return []string{"patient", "person", "people", "member", "subscriber", "customer", "client", "employee", "staff", "provider", "physician", "doctor", "nurse", "practitioner", "contact", "guarantor", "relative", "user", "guardian", "beneficiary", "resident", "donor"}
}

// suggest proposes a label for a column and says why.
func suggest(f facts) (sallyport.Label, string) {
	name := words(f.column)
	if label, what, word := match(name); label != "" {
		return label, what + ": the name holds \"" + word + "\""
	}
	if key, ok := surrogate(f, name); ok {
		return "public", key
	}
	if label, reason := personName(f, name); label != "" {
		return label, reason
	}
	if f.comment != "" {
		if label, what, word := match(words(f.comment)); label != "" {
			return label, what + ": the comment holds \"" + word + "\""
		}
	}
	return byType(f, name)
}

// LabelOf returns the label that the name of a column alone speaks for, or "".
func LabelOf(column string) sallyport.Label {
	label, _, _ := match(words(column))
	return label
}

// surrogate reports whether a column is a row's own number or a reference to
// one, by its type and its key. Such a number is of no use to anybody who has
// only it: the row that it points to is protected by itself.
func surrogate(f facts, name []string) (string, bool) {
	if len(name) == 0 || name[len(name)-1] != "id" {
		return "", false
	}
	if f.typ != "uuid" && f.typ != "integer" && f.typ != "bigint" && f.typ != "smallint" {
		return "", false
	}
	if f.primary {
		return "a row's number: the primary key, " + f.typ, true
	}
	if f.references != "" {
		return "a row's number: refers to " + f.references, true
	}
	return "", false
}

// personName knows the bare "name" of a table of people.
func personName(f facts, name []string) (sallyport.Label, string) {
	last := ""
	if len(name) > 0 {
		last = name[len(name)-1]
	}
	if last != "name" && last != "last" && last != "first" && last != "middle" {
		return "", ""
	}
	for _, w := range words(f.table) {
		for _, p := range personTables() {
			if w == p || w == p+"s" || w == p+"es" {
				return "phi.name", "a person's name: the table's name holds \"" + w + "\""
			}
		}
	}
	return "", ""
}

// byType is what is left when no name says anything.
func byType(f facts, name []string) (sallyport.Label, string) {
	switch {
	case f.category == "I":
		return "phi.ip", "a network address: its type is " + f.typ
	case f.typ == "macaddr" || f.typ == "macaddr8":
		return "phi.device", "a device: its type is " + f.typ
	case f.category == "G":
		return "phi.geo", "a place on the map: its type is " + f.typ
	case f.category == "D" && !bookkeeping(name):
		return "phi.date", "a date that may concern a person: its type is " + f.typ
	case f.category == "D":
		return sallyport.Unclassified, "when the row was written, which may be when somebody was treated"
	case f.typ == "text" || f.typ == "json" || f.typ == "jsonb" || f.typ == "xml" || f.typ == "bytea":
		return sallyport.Unclassified, "free form: its type is " + f.typ + ", and its name says nothing"
	}
	return sallyport.Unclassified, "its name says nothing"
}

// bookkeeping reports whether a date is called like that of a row.
func bookkeeping(name []string) bool {
	for _, w := range name {
		switch w {
		case "created", "updated", "modified", "inserted", "loaded", "deleted", "changed", "imported":
			return true
		}
	}
	return false
}

// match returns the first rule that one of its words meets.
func match(name []string) (label sallyport.Label, what, word string) {
	for _, r := range rules() {
		for _, w := range r.words {
			if holds(name, strings.Fields(w)) {
				return r.label, r.what, w
			}
		}
	}
	return "", "", ""
}

// holds reports whether name has the parts in a row, or as one word.
func holds(name, parts []string) bool {
	joined := strings.Join(parts, "")
	for i := range name {
		if len(parts) > 1 && name[i] == joined {
			return true
		}
		if i+len(parts) > len(name) {
			continue
		}
		same := true
		for j, p := range parts {
			same = same && name[i+j] == p
		}
		if same {
			return true
		}
	}
	return false
}

// words splits a name at everything that is neither letter nor digit, and where
// lower case turns into upper ("birthDate", "SSNLast4" as ssn, last4), and
// returns the words in lower case.
func words(s string) []string {
	var out []string
	var cur []rune
	flush := func() {
		if len(cur) > 0 {
			out = append(out, strings.ToLower(string(cur)))
			cur = cur[:0]
		}
	}
	rs := []rune(s)
	for i, r := range rs {
		if !unicode.IsLetter(r) && !unicode.IsDigit(r) {
			flush()
			continue
		}
		if i > 0 && unicode.IsUpper(r) {
			lowerBefore := unicode.IsLower(rs[i-1]) || unicode.IsDigit(rs[i-1])
			lowerAfter := i+1 < len(rs) && unicode.IsLower(rs[i+1])
			if lowerBefore || unicode.IsUpper(rs[i-1]) && lowerAfter {
				flush()
			}
		}
		cur = append(cur, r)
	}
	flush()
	return out
}
