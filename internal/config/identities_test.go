// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package config_test

import (
	"strings"
	"testing"
	"time"

	"github.com/sallyport-dev/sallyport/internal/config"
)

func TestIdentities(t *testing.T) {
	t.Parallel()
	c := mustParse(t, "gw.yaml", []byte(minimal+`
identities:
  - {principal: "ci:acme/*", owner: claims team, purpose: nightly, ticket: SEC-7, reviewed: 2026-01-31}
  - {principal: svc:x, owner: dana, review_every: 24h}
`))
	x := c.Identities[0]
	if x.ReviewEvery != 90*24*time.Hour || !x.Reviewed.Time().Equal(time.Date(2026, 1, 31, 0, 0, 0, 0, time.UTC)) || x.Ticket != "SEC-7" {
		t.Errorf("got %+v", x)
	}
	if y := c.Identities[1]; y.ReviewEvery != 24*time.Hour || !y.Reviewed.Time().IsZero() {
		t.Errorf("got %+v", y)
	}
	_, err := config.Parse("gw.yaml", []byte(minimal+`
identities:
  - {owner: nobody}
  - {principal: "**", owner: everybody}
  - {principal: svc:x, review_every: 0s}
  - {principal: svc:x, owner: `+strings.Repeat("x", 501)+`, reviewed: 31.1.2026}
`))
	if err == nil {
		t.Fatal("it is accepted")
	}
	for _, want := range []string{
		"identities[0].principal: is missing", "identities[1].principal: would be every", "identities[2].owner: is missing", "identities[2].review_every: is 0s",
		"identities[3].principal: \"svc:x\" is there already", "identities[3].owner: is longer", "identities[3].reviewed: want a day",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("no problem %q in:\n%v", want, err)
		}
	}
}
