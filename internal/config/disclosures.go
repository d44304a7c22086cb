// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package config

import (
	"fmt"
	"regexp"

	sallyport "github.com/sallyport-dev/sallyport"
)

// Disclosures says how patients are blinded in the record of whose rows answers
// are made of.
type Disclosures struct {
	// Keys are the versions of the privacy key. The highest blinds what is recorded
	// from now on; the others keep older records answerable.
	Keys []PrivacyKey `yaml:"keys"`
}

// PrivacyKey is one version of the privacy key.
type PrivacyKey struct {
	Version int `yaml:"version"`
	// Key refers to the secret, of at least 32 bytes.
	Key SecretRef `yaml:"key"`
}

// Patients says which columns of a resource hold keys of patients.
type Patients struct {
	// Label is the label of these columns, in the labels file.
	Label sallyport.Label `yaml:"label"`
	// Namespace is what the keys are unique in; empty means the resource's name. The
	// same key in two resources of one namespace is the same patient.
	Namespace string `yaml:"namespace"`
}

// Of returns the namespace of the patients of a resource.
func (p *Patients) Of(r sallyport.ResourceID) string {
	if p.Namespace == "" {
		return string(r)
	}
	return p.Namespace
}

// labelForm is the form of a label.
var labelForm = regexp.MustCompile(`^[a-z0-9][a-z0-9_.-]{0,63}$`)

func (c *Config) validateDisclosures(f *findings) {
	seen := map[int]bool{}
	for i, k := range c.Disclosures.Keys {
		key := fmt.Sprintf("disclosures.keys[%d]", i)
		if k.Version < 1 {
			f.add(key+".version", "is %d; number the versions from 1", k.Version)
		} else if seen[k.Version] {
			f.add(key+".version", "%d is there already", k.Version)
		}
		seen[k.Version] = true
		if k.Key == "" {
			f.add(key+".key", `is missing; refer to it by "vault:NAME", "env:NAME" or "file:PATH"`)
		} else if string(k.Key) == string(c.Vault.Key) {
			f.add(key+".key", "is the vault's master key; the privacy key lies apart from the gateway's other keys")
		}
	}
	for i, r := range c.Resources {
		if r.Patients == nil {
			continue
		}
		key := fmt.Sprintf("resources[%d].patients", i)
		switch label := string(r.Patients.Label); {
		case label == "":
			f.add(key+".label", "is missing; name the label of the columns that hold the patient's key")
		case !labelForm.MatchString(label):
			f.add(key+".label", "%q is not a label", clip(label))
		case r.Labels == "":
			f.add(key+".label", "means nothing without a labels file")
		}
		if ns := r.Patients.Namespace; ns != "" {
			checkName(f, key+".namespace", ns)
		}
		if len(c.Disclosures.Keys) == 0 {
			f.add(key, "needs a privacy key in disclosures.keys")
		}
	}
}
