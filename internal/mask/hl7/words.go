// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package hl7

import (
	"strings"

	"github.com/sallyport-dev/sallyport/internal/mask/element"
)

// words are those of the tables of HL7, and of those that sites make for them, which
// have them in full, whatever the case.
const words = `
ABNORMAL ACTIVE ASAP ASCII CASH CORRECTED DRUG EMERGENCY FEMALE FINAL FOOD HIGH HOME HOSP INACTIVE INPATIENT MALE MARRIED
MILD MODERATE NEGATIVE NONE NORMAL OUTPATIENT PENDING POSITIVE PRELIMINARY REACTIVE ROUTINE SELF SEVERE SINGLE SPOUSE STAT
UNICODE UNKNOWN URGENT
`

// systems are the published coding systems by what their codes look like, with their names
// in table 0396 or others that senders use for them. Their texts are the register's, so
// they say nothing of a patient. A system of the sender's own may say anything.
var systems = [...]string{
	element.AnyForm: `
ACR ANS+ ATC C4 C5 CAS CD2 CDCA CDCM CDCPHINVS CDCREC CDS CDT2 CPT CPT4 CPTM EUC FDDC FDDX FDK HCPCS HCPT HPC I10P I10PCS
I9 I9C I9CDX I9CP IC2 ICD10PCS ICD9 ICD-9 ICD9CM ICDO ICDO2 ICDO3 ICS ICSD ISO+ ISO639 ISO639-1 ISO639-2 ISO3166 ISO3166_1
MCD MEDR MVX NANDA NCIT NDA NDFRT NIC NOC NUBC NUCC PHINVS SDM SNM SNM3 SNT UB04 UCUM UMD UML UMLS UNII USPS
`,
	element.LOINC:   "LN LOINC",
	element.SNOMED:  "SCT SCT2 SNOMED SNOMED-CT SNOMEDCT",
	element.Numeric: "RXN RXNORM CVX",
	element.ICD:     "I10 I10C I10CM ICD10 ICD-10 ICD10CM ICD-10-CM",
	element.NDC:     "NDC",
}

// vocabulary finds the words and the systems.
var vocabulary = newDictionary()

// dictionary finds words of up to 16 bytes by their capital letters.
type dictionary struct {
	slots [512]entry // most of them free; an entry stands in the one of its hash or behind it
}

// entry is a word, whatever its case, or the name of a system in capital letters.
type entry struct {
	key    spelling // without what tells small letters from capital ones; nothing where it is free
	name   spelling // of the system
	form   element.Form
	isWord bool
}

// spelling is a word of up to 16 bytes, in two halves.
type spelling struct{ low, high element.Word }

const maxWord = 16

func spellingOf(v []byte) spelling { return spelling{element.Load(v, 0), element.Load(v, 8)} }

// capitals leaves the case of letters out.
func (s spelling) capitals() spelling {
	const small = 0x2020202020202020
	return spelling{s.low &^ small, s.high &^ small}
}

func newDictionary() *dictionary {
	d := new(dictionary)
	for w := range strings.FieldsSeq(words) {
		d.add(w).isWord = true
	}
	for form, names := range systems {
		for name := range strings.FieldsSeq(names) {
			e := d.add(name)
			e.name, e.form = spellingOf([]byte(name)), element.Form(form)
		}
	}
	return d
}

func (d *dictionary) add(word string) *entry {
	key := spellingOf([]byte(word)).capitals()
	e := d.slot(key)
	e.key = key
	return e
}

// slot returns the entry with a key, or the free one where it is to stand.
func (d *dictionary) slot(key spelling) *entry {
	const spread = 0x9e3779b97f4a7c15
	for i := (key.low ^ key.high>>3) * spread >> 40; ; i++ {
		if e := &d.slots[i%element.Word(len(d.slots))]; e.key == key || e.key == (spelling{}) {
			return e
		}
	}
}

// find returns what v is: a word, the name of a system, both or neither.
func (d *dictionary) find(v []byte) (isWord, isSystem bool, form element.Form) {
	if len(v) == 0 || len(v) > maxWord {
		return false, false, element.AnyForm
	}
	s := spellingOf(v)
	e := d.slot(s.capitals())
	return e.isWord, e.name == s, e.form
}

// isKnown reports whether v is a word of the tables or the name of a system.
func isKnown(v []byte) bool {
	isWord, isSystem, _ := vocabulary.find(v)
	return isWord || isSystem || isTable(v)
}

// systemOf reports whether v names a published system, and returns what its codes look
// like.
func systemOf(v []byte) (element.Form, bool) {
	_, isSystem, form := vocabulary.find(v)
	return form, isSystem || isTable(v)
}

// isTable reports whether v names a table of HL7, or one of the CDC's immunization
// programme.
func isTable(v []byte) bool {
	const most = len("HL70000")
	if len(v) <= len("HL7") || len(v) > most || string(v[:3]) != "HL7" && string(v[:3]) != "NIP" {
		return false
	}
	for _, b := range v[3:] {
		if b < '0' || b > '9' {
			return false
		}
	}
	return true
}
