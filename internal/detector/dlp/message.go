// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package dlp

import (
	"errors"
	"maps"
	"slices"

	"github.com/sallyport-dev/sallyport/internal/detector"
	"github.com/sallyport-dev/sallyport/internal/mask/scan"
)

type named struct {
	Name string `json:"name"`
}

type request struct {
	Item struct {
		Table table `json:"table"`
	} `json:"item"`
	Inspect inspectConfig `json:"inspectConfig"`
}

type table struct {
	Headers []named `json:"headers"`
	Rows    []row   `json:"rows"`
}

type row struct {
	Values []value `json:"values"`
}

type value struct {
	String string `json:"stringValue"`
}

type inspectConfig struct {
	InfoTypes     []named `json:"infoTypes"`
	MinLikelihood string  `json:"minLikelihood"`
	IncludeQuote  bool    `json:"includeQuote"`
}

func (i *inspector) request(texts []string) request {
	var r request
	r.Item.Table.Headers = []named{{"text"}}
	for _, t := range texts {
		r.Item.Table.Rows = append(r.Item.Table.Rows, row{[]value{{t}}})
	}
	for _, t := range i.c.InfoTypes {
		r.Inspect.InfoTypes = append(r.Inspect.InfoTypes, named{t})
	}
	r.Inspect.MinLikelihood = i.c.MinLikelihood
	return r
}

// response is the answer. Numbers of 64 bits are strings in JSON, and those that
// are zero are left out.
type response struct {
	Result *struct {
		Findings  []finding `json:"findings"`
		Truncated bool      `json:"findingsTruncated"`
	} `json:"result"`
}

type finding struct {
	InfoType named `json:"infoType"`
	Location struct {
		Bytes    *span      `json:"byteRange"`
		Points   *span      `json:"codepointRange"`
		Contents []location `json:"contentLocations"`
	} `json:"location"`
}

type location struct {
	Record *struct {
		Table *struct {
			Row int `json:"rowIndex,string"`
		} `json:"tableLocation"`
	} `json:"recordLocation"`
}

type span struct {
	Start int `json:"start,string"`
	End   int `json:"end,string"`
}

// row returns which of the texts the finding lies in.
func (f *finding) row(texts int) (int, error) {
	if len(f.Location.Contents) != 1 || f.Location.Contents[0].Record == nil || f.Location.Contents[0].Record.Table == nil {
		return 0, errors.New("a finding does not say where it lies")
	}
	row := f.Location.Contents[0].Record.Table.Row
	if row < 0 || row >= texts {
		return 0, errors.New("a finding lies in no text")
	}
	return row, nil
}

// span returns the finding's place in its text. Whether the bytes lie in the text
// is checked by the service around this one.
func (f *finding) span(points detector.CodePoints) (scan.Span, error) {
	b, p := f.Location.Bytes, f.Location.Points
	if f.InfoType.Name == "" || b == nil && p == nil {
		return scan.Span{}, errors.New("a finding lacks a field")
	}
	if p != nil {
		start, ok := points.Byte(p.Start)
		end, ok2 := points.Byte(p.End)
		if !ok || !ok2 || b != nil && (b.Start != start || b.End != end) {
			return scan.Span{}, errors.New("a finding's offsets do not fit the text")
		}
		b = &span{start, end}
	}
	e, ok := entities[f.InfoType.Name]
	if !ok {
		e = scan.Unique
	}
	return scan.Span{Start: b.Start, End: b.End, Entity: e}, nil
}

// entities are the built-in types that are asked for.
var entities = map[string]scan.Entity{
	"PERSON_NAME": scan.Name, "ETHNIC_GROUP": scan.Nationality, "ORGANIZATION_NAME": scan.Org,
	"STREET_ADDRESS": scan.Address, "LOCATION": scan.Place, "LOCATION_COORDINATES": scan.Coordinates,
	"DATE": scan.Date, "DATE_OF_BIRTH": scan.Date, "AGE": scan.Age,
	"PHONE_NUMBER": scan.Phone, "EMAIL_ADDRESS": scan.Email,
	"US_SOCIAL_SECURITY_NUMBER": scan.SSN, "US_INDIVIDUAL_TAXPAYER_IDENTIFICATION_NUMBER": scan.SSN,
	"MEDICAL_RECORD_NUMBER": scan.MRN, "US_MEDICARE_BENEFICIARY_ID_NUMBER": scan.HealthPlan,
	"US_BANK_ROUTING_MICR": scan.Account, "FINANCIAL_ACCOUNT_NUMBER": scan.Account,
	"CREDIT_CARD_NUMBER": scan.Card, "IBAN_CODE": scan.IBAN,
	"US_HEALTHCARE_NPI": scan.NPI, "US_DEA_NUMBER": scan.DEA,
	"US_DRIVERS_LICENSE_NUMBER": scan.License, "US_PASSPORT": scan.License,
	"VEHICLE_IDENTIFICATION_NUMBER": scan.VIN,
	"IMEI_HARDWARE_ID":              scan.Device, "MAC_ADDRESS": scan.Device,
	"URL": scan.URL, "DOMAIN_NAME": scan.URL, "IP_ADDRESS": scan.IP, "GENERIC_ID": scan.Unique,
}

func defaultTypes() []string { return slices.Sorted(maps.Keys(entities)) }
