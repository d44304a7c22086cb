// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package scan

import sallyport "github.com/sallyport-dev/sallyport"

// Entity is a kind of identifier. The zero value is none.
type Entity uint8

// The entities, in the order of the eighteen identifiers of 45 CFR
// 164.514(b)(2)(i). The letter is that of notes and docs: A names to R any other
// unique code.
const (
	None        Entity = iota
	Name               // A: a person's name, or a word that nothing knows to be none
	Title              // A: "Mr.", "Dr.", an occupation before a name
	Nationality        // A: nationality, religious or political group
	Org                // A: an employer or another organisation
	Address            // B: street, house, apartment, box
	Place              // B: city, county, country
	ZIP                // B: a postal code
	Coordinates        // B: latitude and longitude
	Date               // C: a date with more than its year
	Year               // C: a year alone; Safe Harbor keeps it
	Weekday            // C: a day of the week
	Age                // C: an age; Safe Harbor keeps those up to 89
	Phone              // D
	Fax                // E
	Email              // F
	SSN                // G
	MRN                // H: a medical record number
	HealthPlan         // I: MBI, HICN, member and subscriber numbers
	Account            // J: a bank or billing account
	Card               // J: a payment card
	IBAN               // J
	NPI                // K
	DEA                // K
	License            // K: any other licence or certificate
	VIN                // L
	Plate              // L
	Device             // M: UDI, IMEI, serial number, MAC address
	URL                // N
	IP                 // O
	Biometric          // P
	Photo              // Q
	Unique             // R: any other unique number or code
	entityCount
)

// entities gives each entity its name, as reports and configurations write it,
// and the label that a column holding nothing else would carry.
var entities = [entityCount]struct {
	name  string
	label sallyport.Label
}{
	None:        {"NONE", ""},
	Name:        {"NAME", "phi.name"},
	Title:       {"TITLE", "phi.title"},
	Nationality: {"NATIONALITY", "phi.demographic"},
	Org:         {"ORG", "phi.org"},
	Address:     {"ADDRESS", "phi.address"},
	Place:       {"PLACE", "phi.place"},
	ZIP:         {"ZIP", "phi.zip"},
	Coordinates: {"COORDINATES", "phi.geo"},
	Date:        {"DATE", "phi.date"},
	Year:        {"YEAR", "phi.year"},
	Weekday:     {"WEEKDAY", "phi.weekday"},
	Age:         {"AGE", "phi.age"},
	Phone:       {"PHONE", "phi.phone"},
	Fax:         {"FAX", "phi.fax"},
	Email:       {"EMAIL", "phi.email"},
	SSN:         {"SSN", "phi.ssn"},
	MRN:         {"MRN", "phi.mrn"},
	HealthPlan:  {"PLAN", "phi.plan-id"},
	Account:     {"ACCOUNT", "phi.account"},
	Card:        {"CARD", "phi.card"},
	IBAN:        {"IBAN", "phi.iban"},
	NPI:         {"NPI", "phi.npi"},
	DEA:         {"DEA", "phi.dea"},
	License:     {"LICENSE", "phi.license"},
	VIN:         {"VIN", "phi.vehicle"},
	Plate:       {"PLATE", "phi.vehicle"},
	Device:      {"DEVICE", "phi.device"},
	URL:         {"URL", "phi.url"},
	IP:          {"IP", "phi.ip"},
	Biometric:   {"BIOMETRIC", "phi.biometric"},
	Photo:       {"PHOTO", "phi.photo"},
	Unique:      {"ID", "phi.id"},
}

// String returns the entity's name, such as "SSN".
func (e Entity) String() string {
	if e < entityCount {
		return entities[e].name
	}
	return entities[None].name
}

// Label returns the label of a column that holds such values, or "" for None.
func (e Entity) Label() sallyport.Label {
	if e < entityCount {
		return entities[e].label
	}
	return ""
}

// ParseEntity returns the entity with a name.
func ParseEntity(name string) (Entity, bool) {
	for e := None + 1; e < entityCount; e++ {
		if entities[e].name == name {
			return e, true
		}
	}
	return None, false
}

// Entities returns all entities in order, without None.
func Entities() []Entity {
	out := make([]Entity, 0, entityCount-1)
	for e := None + 1; e < entityCount; e++ {
		out = append(out, e)
	}
	return out
}

// Set is a set of entities.
type Set uint64

// SetOf returns the set of the given entities.
func SetOf(es ...Entity) Set {
	var s Set
	for _, e := range es {
		s |= 1 << e
	}
	return s
}

// Has reports whether e is in the set.
func (s Set) Has(e Entity) bool { return s&(1<<e) != 0 }
