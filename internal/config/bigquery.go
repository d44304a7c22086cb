// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package config

import (
	"fmt"
	"slices"
	"strings"
	"time"

	sallyport "github.com/sallyport-dev/sallyport"
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
	// Mode is "lineage", or "native": the service masks what a role may not see.
	Mode string `yaml:"mode"`
	// Native is of the mode "native".
	Native BigQueryNative `yaml:"native"`
	// SecondOpinion says when a dry run of the service's must agree with what the
	// gateway has found out: "off", "held" (of statements that wait for a human) or "always".
	SecondOpinion string `yaml:"second_opinion"`
}

// BigQueryNative says as whom each role reaches the service, and by what is proven
// that the service masks for it.
type BigQueryNative struct {
	Roles    []NativeRole   `yaml:"roles"`
	Canaries []NativeCanary `yaml:"canaries"`
	// Every is how long a proof is good for.
	Every time.Duration `yaml:"every"`
	// IAM is where the IAM Credentials API is; empty means Google's.
	IAM string `yaml:"iam"`
}

// NativeRole is a role with the service account of its own.
type NativeRole struct {
	Role        sallyport.RoleID `yaml:"role"`
	Impersonate string           `yaml:"impersonate"`
}

// NativeCanary is a row of nobody's: in the row of Table whose Key is Row, Column
// holds Value.
type NativeCanary struct {
	// Table is "dataset.table".
	Table  string `yaml:"table"`
	Column string `yaml:"column"`
	Key    string `yaml:"key"`
	Row    string `yaml:"row"`
	Value  string `yaml:"value"`
}

func (b *BigQuery) setDefaults() {
	b.URL, b.Timeout = "https://bigquery.googleapis.com", 5*time.Minute
	b.Mode, b.Native.Every, b.SecondOpinion = "lineage", 5*time.Minute, "held"
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
	oneOf(f, key+".mode", b.Mode, "lineage", "native")
	oneOf(f, key+".second_opinion", b.SecondOpinion, "off", "held", "always")
	if b.Mode == "native" {
		b.validateNative(key, f)
	} else if len(b.Native.Roles) > 0 || len(b.Native.Canaries) > 0 {
		f.add(key+".native", "means something with bigquery.mode native only")
	}
}

// maxCanaries bounds the questions that one proof takes.
const maxCanaries = 100

func (b *BigQuery) validateNative(key string, f *findings) {
	n := &b.Native
	if b.Auth.Mode != "google" {
		f.add(key+".auth.mode", "native mode logs in as other service accounts; want google")
	}
	key += ".native"
	if len(n.Roles) == 0 {
		f.add(key+".roles", "is missing; nothing passes for a role without a service account of its own")
	}
	seen := map[sallyport.RoleID]bool{}
	for i, r := range n.Roles {
		key := fmt.Sprintf("%s.roles[%d]", key, i)
		checkName(f, key+".role", string(r.Role))
		if seen[r.Role] {
			f.add(key+".role", "%q is there already", clip(string(r.Role)))
		}
		seen[r.Role] = true
		switch at := strings.Index(r.Impersonate, "@"); {
		case r.Impersonate != "" && r.Impersonate == b.Auth.Impersonate:
			f.add(key+".impersonate", "is the resource's own account, which reads what is not masked")
		case at < 1 || strings.ContainsAny(r.Impersonate, " /:?#"):
			f.add(key+".impersonate", "is not the address of a service account")
		}
	}
	if len(n.Canaries) == 0 || len(n.Canaries) > maxCanaries {
		f.add(key+".canaries", "are %d; want 1 to %d: without one nothing proves that the service masks", len(n.Canaries), maxCanaries)
	}
	for i, c := range n.Canaries {
		c.validate(fmt.Sprintf("%s.canaries[%d]", key, i), f)
	}
	if n.Every < 10*time.Second || n.Every > time.Hour {
		f.add(key+".every", "is %v; want 10s to 1h", n.Every)
	}
	if n.IAM != "" {
		validateURL(key+".iam", n.IAM, f)
	}
}

func (c *NativeCanary) validate(key string, f *findings) {
	if parts := strings.Split(c.Table, "."); len(parts) != 2 || slices.ContainsFunc(parts, noName) {
		f.add(key+".table", "is not of the form dataset.table")
	}
	if slices.ContainsFunc(strings.Split(c.Column, "."), noName) {
		f.add(key+".column", "is not the name of a column, or record.field")
	}
	if noName(c.Key) {
		f.add(key+".key", "is not the name of a column")
	}
	if c.Key == c.Column {
		f.add(key+".key", "is the masked column, by which the row is not found")
	}
	if c.Row == "" {
		f.add(key+".row", "is missing")
	}
	if c.Value == "" {
		f.add(key+".value", "is missing; write what no real row holds")
	}
}

// noName reports whether s is no plain name of a table or a column.
func noName(s string) bool {
	return s == "" || len(s) > 300 || strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") != ""
}
