// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

// Package presidio asks the REST service of Microsoft Presidio's analyzer.
//
// It sends POST {base}/analyze with a list of texts and gets a list of findings
// for each. (A release that takes single texts only answers with an error.) The
// offsets count Unicode code points and are translated into bytes. Types that
// this gateway has no entity for, such as those of a site's own recognizers,
// become scan.Unique.
//
// The analyzer has no authentication and no version of its own in its API. Run
// it on the gateway's host, or behind a proxy that speaks https with a client
// certificate, and name its image and model in Config.Version.
package presidio

import (
	"context"
	"errors"
	"strings"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/detector"
	"github.com/sallyport-dev/sallyport/internal/mask/scan"
)

// Config says which analyzer is asked, and what for.
type Config struct {
	detector.Config
	// URL is the analyzer's base.
	URL string
	// Language is the texts'; "en" where it is empty.
	Language string
	// Entities are the types that are asked for; all where it is empty.
	Entities []string
	// Threshold is the least score of a finding, from 0 to 1.
	Threshold float64
}

// Detector is an analyzer. See [detector.Service] for what it does.
type Detector struct{ *detector.Service }

// New makes a detector. It asks nothing yet. Errors have Kind Invalid and say
// what to change.
func New(c Config) (*Detector, error) {
	if !(c.Threshold >= 0 && c.Threshold <= 1) {
		return nil, sallyport.E(sallyport.Invalid, "detector presidio", "the threshold is not between 0 and 1").
			WithHint("0.35 is usual")
	}
	if c.Language == "" {
		c.Language = "en"
	}
	e, err := detector.NewEndpoint(c.Client, c.URL, "analyze")
	if err != nil {
		return nil, err
	}
	a := &analyzer{c: c, endpoint: e}
	s, err := detector.NewService("presidio", c.Config, a.ask)
	if err != nil {
		return nil, err
	}
	return &Detector{s}, nil
}

type analyzer struct {
	c        Config
	endpoint *detector.Endpoint
}

// request is the body of /analyze.
type request struct {
	Text           []string `json:"text"`
	Language       string   `json:"language"`
	ScoreThreshold float64  `json:"score_threshold"`
	Entities       []string `json:"entities,omitempty"`
}

// result is one finding. What the service adds for people to read is left out.
type result struct {
	Type  string   `json:"entity_type"`
	Start *int     `json:"start"`
	End   *int     `json:"end"`
	Score *float64 `json:"score"`
}

func (a *analyzer) ask(ctx context.Context, texts []string) ([][]scan.Span, error) {
	var answer []*[]result // a pointer tells an empty list from none
	err := a.endpoint.Post(ctx, "", request{texts, a.c.Language, a.c.Threshold, a.c.Entities}, &answer)
	if err != nil {
		return nil, err
	}
	if len(answer) != len(texts) {
		return nil, errors.New("the service did not answer for every text")
	}
	found := make([][]scan.Span, len(texts))
	for i, list := range answer {
		if list == nil {
			return nil, errors.New("the service did not answer for every text")
		}
		points := detector.NewCodePoints(texts[i])
		for _, r := range *list {
			s, err := r.span(points)
			if err != nil {
				return nil, err
			}
			found[i] = append(found[i], s)
		}
	}
	return found, nil
}

func (r result) span(points detector.CodePoints) (scan.Span, error) {
	if r.Type == "" || r.Start == nil || r.End == nil || r.Score == nil {
		return scan.Span{}, errors.New("a finding lacks a field")
	}
	start, ok := points.Byte(*r.Start)
	end, ok2 := points.Byte(*r.End)
	if !ok || !ok2 {
		return scan.Span{}, errors.New("a finding lies outside the text")
	}
	return scan.Span{Start: start, End: end, Entity: entityOf(r.Type)}, nil
}

// entities are the types of the recognizers that come with Presidio.
var entities = map[string]scan.Entity{
	"PERSON": scan.Name, "TITLE": scan.Title, "NRP": scan.Nationality,
	"ORGANIZATION": scan.Org, "ORG": scan.Org,
	"LOCATION": scan.Place, "GPE": scan.Place, "STREET_ADDRESS": scan.Address, "ADDRESS": scan.Address,
	"ZIP_CODE": scan.ZIP, "DATE_TIME": scan.Date, "DATE": scan.Date, "AGE": scan.Age,
	"PHONE_NUMBER": scan.Phone, "EMAIL_ADDRESS": scan.Email,
	"US_SSN": scan.SSN, "US_ITIN": scan.SSN, "US_MBI": scan.HealthPlan, "US_NPI": scan.NPI,
	"MEDICAL_LICENSE": scan.License, "US_DRIVER_LICENSE": scan.License, "US_PASSPORT": scan.License,
	"US_BANK_NUMBER": scan.Account, "ABA_ROUTING_NUMBER": scan.Account, "CREDIT_CARD": scan.Card, "IBAN_CODE": scan.IBAN,
	"URL": scan.URL, "DOMAIN_NAME": scan.URL, "IP_ADDRESS": scan.IP, "MAC_ADDRESS": scan.Device,
	"ID": scan.Unique, "CRYPTO": scan.Unique, "UK_NHS": scan.HealthPlan, "AU_MEDICARE": scan.HealthPlan,
}

// entityOf maps a type. One that is not known is some identifier all the same.
func entityOf(name string) scan.Entity {
	if e, ok := entities[strings.ToUpper(name)]; ok {
		return e
	}
	return scan.Unique
}
