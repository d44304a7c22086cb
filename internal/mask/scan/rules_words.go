// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package scan

// The rules of the word pass and of addresses.
const (
	ruleStreet Rule = firstWordRule + iota
	ruleHouse
	ruleUnit
	ruleMilitary
	ruleTitle
	ruleOccupation
	ruleNameTitle
	ruleNameContext
	ruleNameListed
	ruleNameBeside
	ruleNameUnlisted
	ruleNameKnown
	rulePlaceListed
	rulePlaceContext
	ruleOrgSuffix
	ruleOrgContext
	ruleOrgFirm
	ruleNation
	ruleWeekday
)

// wordRules names them, in order from firstWordRule.
var wordRules = [...]string{
	ruleStreet - firstWordRule:       "address.street",
	ruleHouse - firstWordRule:        "address.house",
	ruleUnit - firstWordRule:         "address.unit",
	ruleMilitary - firstWordRule:     "address.military",
	ruleTitle - firstWordRule:        "title.listed",
	ruleOccupation - firstWordRule:   "title.occupation",
	ruleNameTitle - firstWordRule:    "name.title",
	ruleNameContext - firstWordRule:  "name.context",
	ruleNameListed - firstWordRule:   "name.listed",
	ruleNameBeside - firstWordRule:   "name.beside",
	ruleNameUnlisted - firstWordRule: "name.unlisted",
	ruleNameKnown - firstWordRule:    "name.known",
	rulePlaceListed - firstWordRule:  "place.listed",
	rulePlaceContext - firstWordRule: "place.context",
	ruleOrgSuffix - firstWordRule:    "org.suffix",
	ruleOrgContext - firstWordRule:   "org.context",
	ruleOrgFirm - firstWordRule:      "org.firm",
	ruleNation - firstWordRule:       "nationality.listed",
	ruleWeekday - firstWordRule:      "weekday.listed",
}
