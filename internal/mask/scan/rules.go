// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package scan

// Rules of patterns count from 1, those of words from firstWordRule, those of
// the site from firstUserRule, in the order in which they were given.
const (
	firstWordRule Rule = 128
	firstUserRule Rule = 256
)

// The rules of patterns.
const (
	ruleNone Rule = iota
	ruleSSN
	ruleSSNShape
	ruleSSNContext
	ruleITIN
	rulePhoneNANP
	rulePhoneE164
	rulePhoneNational
	rulePhoneContext
	ruleFax
	ruleEmail
	ruleURL
	ruleURLWWW
	ruleIPv4
	ruleIPv6
	ruleMAC
	ruleMRNSite
	ruleMRNContext
	ruleNPI
	ruleNPIContext
	ruleDEA
	ruleDEAContext
	ruleMBI
	ruleHICN
	rulePlanContext
	ruleVIN
	ruleVINContext
	rulePlate
	ruleCard
	ruleCardContext
	ruleIBAN
	ruleIBANContext
	ruleABA
	ruleAccount
	ruleUDI
	ruleHIBCC
	ruleIMEI
	ruleSerial
	ruleLicense
	rulePassport
	ruleDateISO
	ruleDateNumeric
	ruleDateMonth
	ruleDatePartial
	ruleDateHL7
	ruleYear
	ruleAge
	ruleZIP4
	ruleZIPState
	ruleZIPContext
	ruleZIPPlace
	ruleZIPForm
	ruleCoordinates
	ruleUniqueContext
	ruleUUID
)

// patternRules names them, as findings and reports write them.
var patternRules = [...]string{
	ruleNone:          "",
	ruleSSN:           "ssn.dashed",
	ruleSSNShape:      "ssn.shape",
	ruleSSNContext:    "ssn.context",
	ruleITIN:          "ssn.itin",
	rulePhoneNANP:     "phone.nanp",
	rulePhoneE164:     "phone.international",
	rulePhoneNational: "phone.national",
	rulePhoneContext:  "phone.context",
	ruleFax:           "fax.context",
	ruleEmail:         "email",
	ruleURL:           "url.scheme",
	ruleURLWWW:        "url.www",
	ruleIPv4:          "ip.v4",
	ruleIPv6:          "ip.v6",
	ruleMAC:           "device.mac",
	ruleMRNSite:       "mrn.site",
	ruleMRNContext:    "mrn.context",
	ruleNPI:           "npi.checked",
	ruleNPIContext:    "npi.context",
	ruleDEA:           "dea.checked",
	ruleDEAContext:    "dea.context",
	ruleMBI:           "plan.mbi",
	ruleHICN:          "plan.hicn",
	rulePlanContext:   "plan.context",
	ruleVIN:           "vin.checked",
	ruleVINContext:    "vin.context",
	rulePlate:         "plate.context",
	ruleCard:          "card.checked",
	ruleCardContext:   "card.context",
	ruleIBAN:          "iban.checked",
	ruleIBANContext:   "iban.context",
	ruleABA:           "account.aba",
	ruleAccount:       "account.context",
	ruleUDI:           "device.udi",
	ruleHIBCC:         "device.hibcc",
	ruleIMEI:          "device.imei",
	ruleSerial:        "device.context",
	ruleLicense:       "license.context",
	rulePassport:      "license.passport",
	ruleDateISO:       "date.iso",
	ruleDateNumeric:   "date.numeric",
	ruleDateMonth:     "date.month",
	ruleDatePartial:   "date.partial",
	ruleDateHL7:       "date.hl7",
	ruleYear:          "year.context",
	ruleAge:           "age.context",
	ruleZIP4:          "zip.plus4",
	ruleZIPState:      "zip.state",
	ruleZIPContext:    "zip.context",
	ruleZIPPlace:      "zip.place",
	ruleZIPForm:       "zip.form",
	ruleCoordinates:   "coordinates.pair",
	ruleUniqueContext: "id.context",
	ruleUUID:          "id.uuid",
}

// Rule returns the name of a rule, such as "ssn.dashed" or "user.NAME".
func (s *Scanner) Rule(r Rule) string {
	switch {
	case int(r) < len(patternRules):
		return patternRules[r]
	case r >= firstUserRule && int(r-firstUserRule) < len(s.user):
		return s.user[r-firstUserRule].name
	case r >= firstWordRule && int(r-firstWordRule) < len(wordRules):
		return wordRules[r-firstWordRule]
	}
	return ""
}
