// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package config

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// Identity is a machine identity, or a pattern of several, as its owner registers
// it. It gives no access; it says who answers for the access that there is.
type Identity struct {
	// Principal is the principal's id; "*" in it stands for any text.
	Principal string `yaml:"principal"`
	// Owner is the person or the team that answers for it.
	Owner string `yaml:"owner"`
	// Purpose says what it is for, Ticket where that was agreed.
	Purpose string `yaml:"purpose"`
	Ticket  string `yaml:"ticket"`
	// Reviewed is the day of the last review of its access; later reviews are
	// attested with "sallyport identity review".
	Reviewed Date `yaml:"reviewed"`
	// ReviewEvery is the longest time between two reviews.
	ReviewEvery time.Duration `yaml:"review_every"`
}

func (i *Identity) setDefaults() { i.ReviewEvery = 90 * 24 * time.Hour }

// Date is a day, as "2006-01-02"; empty for none.
type Date string

// UnmarshalText accepts a day.
func (d *Date) UnmarshalText(text []byte) error {
	if _, err := time.Parse(time.DateOnly, string(text)); err != nil {
		return errors.New("want a day such as 2026-01-31")
	}
	*d = Date(text)
	return nil
}

// Time returns the beginning of the day in UTC, and the zero time for none.
func (d Date) Time() time.Time {
	t, err := time.Parse(time.DateOnly, string(d))
	if err != nil {
		return time.Time{}
	}
	return t
}

// maxIdentityText bounds each text of an identity, in bytes.
const maxIdentityText = 500

func (c *Config) validateIdentities(f *findings) {
	seen := map[string]bool{}
	for i, x := range c.Identities {
		key := fmt.Sprintf("identities[%d]", i)
		switch {
		case x.Principal == "":
			f.add(key+".principal", "is missing")
		case strings.Trim(x.Principal, "*") == "":
			f.add(key+".principal", "would be every principal, so that nobody would be without an owner")
		case seen[x.Principal]:
			f.add(key+".principal", "%q is there already", clip(x.Principal))
		}
		seen[x.Principal] = true
		if x.Owner == "" {
			f.add(key+".owner", "is missing; name the person or the team that answers for it")
		}
		for name, text := range map[string]string{"principal": x.Principal, "owner": x.Owner, "purpose": x.Purpose, "ticket": x.Ticket} {
			if len(text) > maxIdentityText {
				f.add(key+"."+name, "is longer than %d bytes", maxIdentityText)
			}
		}
		if x.ReviewEvery <= 0 {
			f.add(key+".review_every", "is %v; want a time such as 2160h (90 days)", x.ReviewEvery)
		}
	}
}
