// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

// Package dlp asks Google Cloud's Sensitive Data Protection (the DLP API, v2).
//
// It sends POST projects/{p}/locations/{l}/content:inspect with the texts as the
// rows of a table of one column, so that one request carries a batch and each
// finding says which row it lies in. The service's byte offsets count bytes of
// UTF-8 within the cell; where it gives offsets of code points too, both must say
// the same. An answer that was cut off because there are too many findings is an
// error. Quotes of what was found are never asked for.
package dlp

import (
	"context"
	"errors"
	"regexp"
	"slices"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/detector"
	"github.com/sallyport-dev/sallyport/internal/mask/scan"
)

// Config says which project asks, and what for.
type Config struct {
	detector.Config
	// URL is the API's base; "https://dlp.googleapis.com" where it is empty.
	URL string
	// Project and Location say where the request is processed: "global", a region
	// or a multi-region.
	Project, Location string
	// InfoTypes are what is asked for; the built-in ones that stand for an entity of
	// this gateway where it is empty. One that the service does not know makes every
	// call fail.
	InfoTypes []string
	// MinLikelihood is the least likelihood of a finding; "POSSIBLE" where it is
	// empty.
	MinLikelihood string
	// Token returns a bearer token for the scope cloud-platform.
	Token func(ctx context.Context) (string, error)
}

// Detector is the service. See [detector.Service] for what it does.
type Detector struct{ *detector.Service }

var (
	likelihoods = []string{"VERY_UNLIKELY", "UNLIKELY", "POSSIBLE", "LIKELY", "VERY_LIKELY"}
	segment     = regexp.MustCompile(`^[a-z][a-z0-9:.-]{0,99}$`)
)

// New makes a detector. It asks nothing yet. Errors have Kind Invalid and say
// what to change.
func New(c Config) (*Detector, error) {
	bad := func(msg, hint string) (*Detector, error) {
		return nil, sallyport.E(sallyport.Invalid, "detector dlp", msg).WithHint(hint)
	}
	if c.URL == "" {
		c.URL = "https://dlp.googleapis.com"
	}
	if c.MinLikelihood == "" {
		c.MinLikelihood = "POSSIBLE"
	}
	if len(c.InfoTypes) == 0 {
		c.InfoTypes = defaultTypes()
	}
	switch {
	case !segment.MatchString(c.Project) || !segment.MatchString(c.Location):
		return bad("the project or the location is not a name of one", `give the project's id and a location such as "global"`)
	case !slices.Contains(likelihoods, c.MinLikelihood):
		return bad("the likelihood is none", `use one of VERY_UNLIKELY to VERY_LIKELY`)
	case c.Token == nil:
		return bad("there is no source of tokens", "give one for the gateway's service account")
	}
	e, err := detector.NewEndpoint(c.Client, c.URL, "v2/projects", c.Project, "locations", c.Location, "content:inspect")
	if err != nil {
		return nil, err
	}
	i := &inspector{c: c, endpoint: e}
	s, err := detector.NewService("dlp", c.Config, i.ask)
	if err != nil {
		return nil, err
	}
	return &Detector{s}, nil
}

type inspector struct {
	c        Config
	endpoint *detector.Endpoint
}

func (i *inspector) ask(ctx context.Context, texts []string) ([][]scan.Span, error) {
	token, err := i.c.Token(ctx)
	if err != nil {
		return nil, err
	}
	if token == "" {
		return nil, errors.New("there is no token")
	}
	var answer response
	if err := i.endpoint.Post(ctx, token, i.request(texts), &answer); err != nil {
		return nil, err
	}
	switch {
	case answer.Result == nil:
		return nil, errors.New("the answer has no result")
	case answer.Result.Truncated:
		return nil, errors.New("the answer leaves findings out")
	}
	found := make([][]scan.Span, len(texts))
	points := make([]*detector.CodePoints, len(texts))
	for _, f := range answer.Result.Findings {
		row, err := f.row(len(texts))
		if err != nil {
			return nil, err
		}
		if points[row] == nil {
			p := detector.NewCodePoints(texts[row])
			points[row] = &p
		}
		s, err := f.span(*points[row])
		if err != nil {
			return nil, err
		}
		found[row] = append(found[row], s)
	}
	return found, nil
}
