// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package config

import (
	"strings"
	"time"
)

// BigQuery says what a resource of type "bigquery" is.
type BigQuery struct {
	// URL is the service's address.
	URL string `yaml:"url"`
	// StorageURL is the address of the Storage APIs, which speak gRPC. Empty means
	// Google's where URL is Google's, and else that of URL where it is https.
	StorageURL string `yaml:"storage_url"`
	// Project is the id of the project, and Number its number, by which some clients
	// name it.
	Project string `yaml:"project"`
	Number  string `yaml:"number"`
	// Auth is how the gateway proves itself, with the resource's credential.
	Auth HTTPAuth `yaml:"auth"`
	// Analyser is the program that traces queries to columns, sallyport-bqanalyzer.
	// Empty means none: the answers of all queries are then of unknown origin.
	Analyser Path `yaml:"analyser"`
	// Timeout is how long the first byte of an answer may take.
	Timeout time.Duration `yaml:"timeout"`
}

func (b *BigQuery) setDefaults() {
	b.URL, b.Timeout = "https://bigquery.googleapis.com", 5*time.Minute
	b.Auth = HTTPAuth{Mode: "google", Scopes: []string{"https://www.googleapis.com/auth/bigquery"}}
}

// Storage is the address of the Storage APIs; empty where there are none.
func (b *BigQuery) Storage() string {
	switch {
	case b.StorageURL != "":
		return b.StorageURL
	case b.URL == "https://bigquery.googleapis.com":
		return "https://bigquerystorage.googleapis.com"
	case strings.HasPrefix(b.URL, "https://"):
		return b.URL
	}
	return "" // gRPC wants HTTP/2, which is spoken over TLS alone
}

func (b *BigQuery) validate(key string, r Resource, f *findings) {
	validateURL(key+".url", b.URL, f)
	if b.StorageURL != "" {
		validateURL(key+".storage_url", b.StorageURL, f)
		if !strings.HasPrefix(b.StorageURL, "https://") {
			f.add(key+".storage_url", "is not https, which HTTP/2 is spoken over")
		}
	}
	if b.Project == "" {
		f.add(key+".project", "is missing")
	}
	if strings.Trim(b.Number, "0123456789") != "" {
		f.add(key+".number", "is no number")
	}
	oneOf(f, key+".auth.mode", b.Auth.Mode, "google", "bearer", "none")
	b.Auth.validate(key, r, f)
	if b.Timeout < time.Second || b.Timeout > time.Hour {
		f.add(key+".timeout", "is %v; want 1s to 1h", b.Timeout)
	}
}
