// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package fhir

import "github.com/sallyport-dev/sallyport/internal/mask/scan"

// treat says what happens to a JSON string in an element's place.
type treat uint8

const (
	drop       treat = iota
	mask             // by the operator of the rule's entity
	scanned          // only what the scanner finds is masked
	code             // kept if FHIR defines a code of that name
	language         // kept if it reads as a language tag
	mime             // kept if it reads as a media type
	currency         // kept if it reads as a currency
	word             // kept if it reads as a name for something that a program has names for, and the scanner finds nothing
	number           // kept if it is a number: integer64 is a string in JSON
	date             // date or dateTime, by the operator of dates
	instant          // as date; stays an instant
	clock            // a time of day: kept
	uri              // kept if HL7 publishes there
	system           // of a Coding or Quantity: kept if the terminology is known
	symbol           // code of a Coding or Quantity: kept if the terminology is known
	display          // of a Coding: scanned if the terminology is known, else masked
	unit             // of a Quantity: scanned if short, else masked
	assigner         // system of an Identifier
	identifier       // value of an Identifier
	contact          // value of a ContactPoint
	region           // a state or country
	link             // a reference or URL of a resource
	ident            // id of a resource
	samples          // SampledData.data
	div              // a narrative
)

// rule is what is done with an element.
type rule struct {
	treat  treat
	entity scan.Entity
}

// primitives are what is done with an element that no rule names, by its type.
var primitives = map[string]rule{
	"string": {mask, scan.None}, "markdown": {mask, scan.None},
	"code": {code, scan.None}, "code:free": {code, scan.None},
	"date": {date, scan.Date}, "dateTime": {date, scan.Date}, "instant": {instant, scan.Date}, "time": {clock, scan.None},
	"uri": {uri, scan.URL}, "url": {uri, scan.URL}, "canonical": {uri, scan.URL},
	"oid": {drop, scan.Unique}, "uuid": {drop, scan.Unique}, "id": {drop, scan.Unique},
	"base64Binary": {drop, scan.Photo}, "xhtml": {div, scan.None}, "integer64": {number, scan.None},
	"boolean": {}, "integer": {}, "decimal": {}, "positiveInt": {}, "unsignedInt": {},
}

// rules are elements of which more is known than their type. "TYPE.*" stands for
// the texts of a type, "*.NAME" for an element of any type; the more exact wins.
var rules = map[string]rule{
	"HumanName.*":             {mask, scan.Name},
	"ContactDetail.name":      {mask, scan.Name},
	"Contributor.name":        {mask, scan.Name},
	"Reference.display":       {mask, scan.Name},
	"Annotation.authorString": {mask, scan.Name},
	"Organization.name":       {mask, scan.Org},
	"Organization.alias":      {mask, scan.Org},
	"Location.name":           {mask, scan.Org},
	"Location.alias":          {mask, scan.Org},
	"HealthcareService.name":  {mask, scan.Org},
	"*.manufacturer":          {mask, scan.Org},
	"*.publisher":             {mask, scan.Org},

	"Address.*":          {mask, scan.Address},
	"Address.city":       {mask, scan.Place},
	"Address.district":   {mask, scan.Place},
	"Address.postalCode": {mask, scan.ZIP},
	"Address.state":      {region, scan.Place},
	"Address.country":    {region, scan.Place},
	"Location.position":  {drop, scan.Coordinates},

	"ContactPoint.value": {contact, scan.Phone},

	"Identifier.system": {assigner, scan.URL},
	"Identifier.value":  {identifier, scan.Unique},
	"*.preAuthRef":      {mask, scan.Unique},

	"Coverage.subscriberId": {mask, scan.HealthPlan},
	"Coverage.dependent":    {mask, scan.HealthPlan},
	"Coverage.class.value":  {mask, scan.HealthPlan},
	"Coverage.network":      {mask, scan.HealthPlan},

	"*.serialNumber":     {mask, scan.Device},
	"*.lotNumber":        {mask, scan.Device},
	"*.deviceIdentifier": {mask, scan.Device},
	"*.carrierHRF":       {mask, scan.Device},
	"*.carrierAIDC":      {drop, scan.Device},

	"AuditEvent.agent.network.address": {mask, scan.IP},
	"AuditEvent.agent.networkString":   {mask, scan.IP},

	"Coding.system":    {system, scan.URL},
	"Coding.code":      {symbol, scan.None},
	"Coding.display":   {display, scan.None},
	"Coding.version":   {drop, scan.None},
	"Quantity.system":  {system, scan.URL},
	"Quantity.code":    {symbol, scan.None},
	"Quantity.unit":    {unit, scan.None},
	"Age.system":       {system, scan.URL},
	"Age.code":         {symbol, scan.None},
	"Age.unit":         {unit, scan.None},
	"Count.system":     {system, scan.URL},
	"Count.code":       {symbol, scan.None},
	"Count.unit":       {unit, scan.None},
	"Distance.system":  {system, scan.URL},
	"Distance.code":    {symbol, scan.None},
	"Distance.unit":    {unit, scan.None},
	"Duration.system":  {system, scan.URL},
	"Duration.code":    {symbol, scan.None},
	"Duration.unit":    {unit, scan.None},
	"SampledData.data": {samples, scan.Biometric},

	"Reference.reference":            {link, scan.Unique},
	"Reference.type":                 {code, scan.None},
	"Bundle.entry.fullUrl":           {link, scan.Unique},
	"Bundle.entry.request.url":       {link, scan.Unique},
	"Bundle.entry.response.location": {link, scan.Unique},
	"Bundle.entry.response.status":   {word, scan.None},
	"Bundle.link":                    {drop, scan.URL},
	"Bundle.entry.link":              {drop, scan.URL},

	"*.photo":                {drop, scan.Photo},
	"Attachment.hash":        {drop, scan.Unique},
	"Attachment.contentType": {mime, scan.None},
	"Binary.contentType":     {mime, scan.None},
	"Signature.sigFormat":    {mime, scan.None},
	"Signature.targetFormat": {mime, scan.None},
	"Money.currency":         {currency, scan.None},
	"*.language":             {language, scan.None},

	"Questionnaire.item.linkId":              {word, scan.None},
	"Questionnaire.item.enableWhen.question": {word, scan.None},
	"QuestionnaireResponse.item.linkId":      {word, scan.None},
	"Parameters.parameter.name":              {word, scan.None},
}
