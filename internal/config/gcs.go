// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package config

import (
	"fmt"
	"time"

	sallyport "github.com/sallyport-dev/sallyport"
)

// GCS says what a resource of type "gcs" holds.
type GCS struct {
	// URL is the service's address.
	URL string `yaml:"url"`
	// Auth is how the gateway proves itself, with the resource's credential.
	Auth HTTPAuth `yaml:"auth"`
	// Buckets are those that the resource is made of.
	Buckets []GCSBucket `yaml:"buckets"`
	// Unlisted says what becomes of other buckets: "refuse" or "judge", which lets
	// policy decide about them as unclassified.
	Unlisted string `yaml:"unlisted"`
	// MaxObject is the largest object that is masked.
	MaxObject Bytes `yaml:"max_object"`
	// Timeout is how long the first byte of an answer may take.
	Timeout time.Duration `yaml:"timeout"`
}

// GCSBucket is what is known of a bucket.
type GCSBucket struct {
	Name string `yaml:"name"`
	// Labels are those of what its objects hold.
	Labels []sallyport.Label `yaml:"labels"`
	// PlainNames says that names of objects hold no data, so that they may stand on
	// record and in policies.
	PlainNames bool `yaml:"plain_names"`
	// Prefixes say otherwise for objects whose names begin so.
	Prefixes []GCSPrefix `yaml:"prefixes"`
}

// GCSPrefix is what is known of objects whose names begin alike.
type GCSPrefix struct {
	Prefix string `yaml:"prefix"`
	// Labels in place of the bucket's; none means the bucket's.
	Labels     []sallyport.Label `yaml:"labels"`
	PlainNames bool              `yaml:"plain_names"`
}

func (g *GCS) setDefaults() {
	g.URL, g.Unlisted, g.MaxObject, g.Timeout = "https://storage.googleapis.com", "refuse", 10<<30, defaultTimeout
	g.Auth = HTTPAuth{Mode: "google", Scopes: []string{"https://www.googleapis.com/auth/devstorage.full_control"}}
}

func (g *GCS) validate(key string, r Resource, f *findings) {
	validateURL(key+".url", g.URL, f)
	oneOf(f, key+".auth.mode", g.Auth.Mode, "google", "bearer", "none")
	g.Auth.validate(key, r, f)
	oneOf(f, key+".unlisted", g.Unlisted, "refuse", "judge")
	if g.Unlisted == "refuse" && len(g.Buckets) == 0 {
		f.add(key+".buckets", "is missing; with unlisted: refuse there would be nothing")
	}
	for i, b := range g.Buckets {
		if b.Name == "" {
			f.add(fmt.Sprintf("%s.buckets[%d].name", key, i), "is missing")
		}
		for j, p := range b.Prefixes {
			if p.Prefix == "" {
				f.add(fmt.Sprintf("%s.buckets[%d].prefixes[%d].prefix", key, i, j), "is missing")
			}
		}
	}
	if g.MaxObject < 1 {
		f.add(key+".max_object", "is %v; want at least 1", g.MaxObject)
	}
	if g.Timeout < time.Second || g.Timeout > time.Hour {
		f.add(key+".timeout", "is %v; want 1s to 1h", g.Timeout)
	}
}
