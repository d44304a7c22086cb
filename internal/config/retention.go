// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package config

import (
	"errors"
	"fmt"
	"strings"
	"time"

	sallyport "github.com/sallyport-dev/sallyport"
)

// Retention says how long the gateway keeps what sessions seal: exact statement
// texts and recordings.
type Retention struct {
	// Classes by name; the class "default" is there also when it is not listed.
	Classes []RetentionClass `yaml:"classes"`
	// Sweep is the time between looks for what has expired.
	Sweep time.Duration `yaml:"sweep"`
}

// RetentionClass is a period that resources refer to.
type RetentionClass struct {
	Name string `yaml:"name"`
	// Period is of the calendar: "6 years 1 month".
	Period sallyport.Period `yaml:"period"`
}

// Period returns how long a class is kept; false for an unknown class. The empty
// name is the default class.
func (r Retention) Period(class string) (sallyport.Period, bool) {
	if class == "" {
		class = sallyport.DefaultClass
	}
	for _, c := range r.Classes {
		if c.Name == class {
			return c.Period, true
		}
	}
	return sallyport.DefaultPeriod(), class == sallyport.DefaultClass
}

const (
	minSweep = time.Minute
	maxSweep = 7 * 24 * time.Hour
)

func (c *Config) validateRetention(f *findings) {
	seen := map[string]bool{}
	for i, class := range c.Retention.Classes {
		key := fmt.Sprintf("retention.classes[%d]", i)
		checkName(f, key+".name", class.Name)
		if seen[class.Name] {
			f.add(key+".name", "%q is there already", clip(class.Name))
		}
		seen[class.Name] = true
		if class.Period == (sallyport.Period{}) {
			f.add(key+".period", `is missing; want a period such as "6 years 1 month"`)
		}
	}
	if s := c.Retention.Sweep; s < minSweep || s > maxSweep {
		f.add("retention.sweep", "is %v; want %v to %v", s, minSweep, maxSweep)
	}
	for i, r := range c.Resources {
		if _, ok := c.Retention.Period(r.Retention); !ok {
			f.add(fmt.Sprintf("resources[%d].retention", i), "there is no retention class %q", clip(r.Retention))
		}
	}
}

// MasterRef says where the vault's master key is: "file:PATH", "env:NAME", or
// the URI of a key in a key management service.
type MasterRef string

// UnmarshalText accepts a reference and nothing else. Its errors never repeat
// the text, which may be a key that somebody wrote into the file.
func (r *MasterRef) UnmarshalText(text []byte) error {
	if isKMS(string(text)) {
		*r = MasterRef(text)
		return nil
	}
	var s SecretRef
	if err := s.UnmarshalText(text); err != nil {
		return err
	}
	if s.Scheme() == "vault" {
		return errors.New(`want "file:PATH", "env:NAME" or the URI of a key in a KMS: the vault cannot hold its own key`)
	}
	*r = MasterRef(s)
	return nil
}

// in resolves the path of a "file:" reference against a directory.
func (r MasterRef) in(dir string) MasterRef {
	if !strings.HasPrefix(string(r), "file:") {
		return r
	}
	return MasterRef(SecretRef(r).in(dir))
}

// isKMS reports whether a reference is the URI of a key in a key management
// service, such as "gcp-kms://...". Whether a client for it is built in shows
// when the vault is opened.
func isKMS(s string) bool {
	scheme, rest, ok := strings.Cut(s, "://")
	return ok && rest != "" && scheme != "file" && scheme != "env" && scheme != "vault" &&
		scheme != "" && strings.Trim(scheme, "abcdefghijklmnopqrstuvwxyz-") == ""
}
