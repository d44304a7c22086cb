// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package scan

// A clue is what a word says about the number that follows it.
type clue uint8

const (
	clueNone   clue = iota
	clueFiller      // says nothing and does not part a clue from its number: "number", "is"
	clueNumber      // "number": a weak clue for a phone
	cluePhone
	clueFax
	clueSSN
	clueMRN
	cluePlan
	clueAccount
	clueRouting
	clueCard
	clueIBAN
	clueNPI
	clueDEA
	clueLicense
	cluePassport
	clueVIN
	cluePlate
	clueDevice
	clueIMEI
	clueUnique
	cluePerson
	clueZIP
	clueDate
	clueOther // an order, a code, a version: what follows is no identifier
)

// clueOf classifies a word in lower case.
func clueOf(w []byte) clue {
	switch string(w) {
	case "is", "was", "no", "nr", "num", "id", "ids", "s", "my", "the", "his", "her", "its", "it", "of", "to", "at", "on", "are", "this",
		"as", "new", "following", "a", "an", "and", "or", "be", "with", "digits", "ending", "code", "codes", "by", "under", "for", "us", "value":
		return clueFiller
	case "number", "numbers", "nbr":
		return clueNumber
	case "phone", "phones", "tel", "tele", "telephone", "telefon", "mobile", "mob", "cell", "cellphone", "cellular", "ph", "pager", "beeper", "landline",
		"hotline", "helpline", "call", "calls", "calling", "called", "dial", "dialed", "ring", "reach", "reached", "reachable", "contact", "contacted",
		"whatsapp", "sms", "text", "texted", "answering", "answer", "messages", "message", "voicemail", "desk", "office", "callback", "handphone",
		"phonenumber", "ext", "extension", "direct", "registered", "viber", "signal", "handy", "telefono", "phoned", "rang":
		return cluePhone
	case "fax", "faxed", "facsimile", "telefax", "faxnumber":
		return clueFax
	case "ssn", "ssns", "social", "socialsecurity", "socialsecuritynumber", "itin", "tin", "sin":
		return clueSSN
	case "mrn", "mrns", "chart", "record", "records", "emr", "ehr", "mpi", "empi", "medrec", "hospitalnumber", "medicalrecordnumber":
		return clueMRN
	case "member", "memberid", "subscriber", "subscriberid", "policy", "policyholder", "beneficiary", "medicare", "medicaid", "hicn", "mbi", "hic", "group", "insurance", "enrollee", "insured", "hmo", "payer":
		return cluePlan
	case "account", "accounts", "acct", "accountnumber", "acc", "guarantor", "iban", "bank", "checking", "savings":
		if string(w) == "iban" {
			return clueIBAN
		}
		return clueAccount
	case "routing", "aba", "rtn":
		return clueRouting
	case "card", "cards", "cc", "credit", "debit", "visa", "mastercard", "amex", "discover", "creditcard", "maestro", "pan":
		return clueCard
	case "npi":
		return clueNPI
	case "dea":
		return clueDEA
	}
	return clueOfRare(w)
}

func clueOfRare(w []byte) clue {
	switch string(w) {
	case "license", "licence", "licenses", "driver", "drivers", "dl", "certificate", "cert", "lic":
		return clueLicense
	case "passport", "passports":
		return cluePassport
	case "vin", "chassis":
		return clueVIN
	case "plate", "plates", "tag", "registration":
		return cluePlate
	case "serial", "serialnumber", "lot", "device", "implant", "implanted", "pacemaker", "udi", "sn", "icd", "pump", "stent":
		if string(w) == "icd" {
			return clueOther
		}
		return clueDevice
	case "imei", "meid", "imsi", "iccid":
		return clueIMEI
	case "claim", "claims", "encounter", "accession", "specimen", "employee", "student", "badge", "prescription", "visit", "admission", "fin", "csn":
		return clueUnique
	case "patient", "patients", "pt", "person", "subject", "patientid", "client":
		return cluePerson
	case "zip", "zipcode", "zips", "postal", "postcode", "postalcode", "plz", "eircode", "pincode", "cep":
		return clueZIP
	case "dob", "born", "birth", "birthdate", "birthday", "date", "dated", "dates", "since", "died", "death", "admitted", "discharged", "seen", "dos", "expires", "expiry", "exp",
		"scheduled", "until", "till", "before", "after", "due", "admit", "discharge":
		return clueDate
	case "order", "orders", "ndc", "loinc", "cpt", "hcpcs", "snomed", "sct", "rxnorm", "rxcui", "isbn", "issn", "tracking", "version", "ver", "release", "build",
		"room", "rm", "bed", "page", "pages", "pp", "ref", "reference", "po", "model", "ticket", "invoice", "sku", "upc", "ean", "gtin", "catalog", "part", "item",
		"protocol", "section", "chapter", "volume", "vol", "issue", "barcode", "fedex", "usps", "ups", "dhl", "shipment", "job", "batch", "grant", "nct",
		"pmid", "doi", "oid", "hash", "digest", "checksum", "firmware", "revision", "rev", "ward", "unit", "floor", "bay", "commit", "concept", "hgnc", "cas", "drg":
		return clueOther
	}
	return clueNone
}

// lookBack bounds, in bytes, how far before a number its context is read.
const lookBack = 96

// context is the nearest clue before a place, and how many words that say
// nothing of the kind stand between.
type context struct {
	clue clue
	gap  int
}

// is reports whether the clue is c, with at most gap other words between.
func (x context) is(c clue, gap int) bool { return x.clue == c && x.gap <= gap }

// before reads the context of what begins at start, with at most that many other
// words between the clue and it: up to eight words back, in the same sentence and on the same line, or on the line before when that ends
// in a colon. What a mask left behind, "[PHONE]", is no clue.
func before(text []byte, start, most int) context {
	low := max(0, start-lookBack)
	weak := context{}
	gap, i := 0, start
	for n := 0; n < 8 && gap <= most; n++ {
		var sentence, ok bool
		if i, sentence, ok = gapBefore(text, low, i, start); !ok {
			break
		}
		if text[i-1] == ']' {
			if open := placeholder(text, low, i); open >= 0 {
				i = open
				gap++
				continue
			}
			i--
			continue
		}
		if !isAlpha(text[i-1]) { // a number, or a word of another script
			for i > low && isWord(text[i-1]) && !isAlpha(text[i-1]) {
				i--
			}
			if sentence {
				break
			}
			gap++
			continue
		}
		w := wordBefore(text, i, 24)
		var buf [16]byte
		c := clueOf(fold(&buf, text[w:i]))
		if c == clueNone && string(fold(&buf, text[w:i])) == "security" && spaced(text, w, "social") {
			c = clueSSN
		}
		if c == clueNone && i-w == 1 && text[w]|0x20 == 'n' && at(text, w-1) == '/' && at(text, w-2)|0x20 == 's' {
			c = clueDevice // "S/N"
		}
		if sentence && (c == clueNone || i-w > 4) { // "Tel." goes on, "home." ends
			break
		}
		i = w
		switch c {
		case clueNone:
			gap++
		case clueFiller:
		case clueNumber:
			if weak.clue == clueNone {
				weak = context{clueNumber, gap}
			}
		default:
			return context{c, gap}
		}
	}
	return weak
}

// gapBefore walks back over what stands between words. It says whether a
// sentence ended there, and whether a word precedes that may still count.
func gapBefore(text []byte, low, i, start int) (at int, sentence, ok bool) {
	line := false
	for i > low && !isWord(text[i-1]) {
		switch c := text[i-1]; c {
		case '\n':
			if line || len(trimSpace(text[i:start])) > 0 {
				return i, false, false
			}
			line = true
		case '.', '!', '?':
			sentence = sentence || i < len(text) && (text[i] == ' ' || text[i] == '\n')
		case ';':
			return i, false, false
		case ']':
			return i, sentence, true
		case ' ', '\t', '\r':
		default:
			if line && c != ':' {
				return i, false, false
			}
			line = line && c != ':'
		}
		i--
	}
	return i, sentence, i > low && (!line || text[i] == ':')
}

func trimSpace(b []byte) []byte {
	for len(b) > 0 && (b[0] == ' ' || b[0] == '\t' || b[0] == '\r' || b[0] == '\n') {
		b = b[1:]
	}
	return b
}

// placeholder returns where the mask "[NAME]" that ends at end begins, or -1.
func placeholder(text []byte, low, end int) int {
	i := end - 1
	for i > low && (isAlnum(text[i-1]) || text[i-1] == '.' || text[i-1] == '-' || text[i-1] == '_') {
		i--
	}
	if i > low && text[i-1] == '[' && i < end-1 {
		return i - 1
	}
	return -1
}

// spaced reports whether the word w, in lower case, stands right before i.
func spaced(text []byte, i int, w string) bool {
	for i > 0 && (text[i-1] == ' ' || text[i-1] == '-') {
		i--
	}
	j := wordBefore(text, i, 16)
	var buf [16]byte
	return string(fold(&buf, text[j:i])) == w
}

// phoneAfter reads the word behind a number, as in "555-0100 fax".
func phoneAfter(text []byte, end int) clue {
	i := end
	for i < len(text) && i < end+3 && (text[i] == ' ' || text[i] == '-' || text[i] == '(' || text[i] == ',') {
		i++
	}
	e := wordAfter(text, i, 12)
	if i == end || at(text, e) == ':' {
		return clueNone
	}
	var buf [16]byte
	switch string(fold(&buf, text[i:e])) {
	case "fax":
		return clueFax
	case "office", "mobile", "cell", "home", "work", "phone", "tel", "direct", "pager", "desk", "landline":
		return cluePhone
	}
	return clueNone
}
