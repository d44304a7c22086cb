// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

// Package clinic is a synthetic clinic's database for demonstrations and tests:
// its schema, its data, the labels of its columns and policies over them, and over
// copies of them in Google Cloud, on a machine and in a cluster. Nobody
// in it exists; the SSNs are of ranges that are never issued.
package clinic

import (
	"embed"
	"fmt"
)

//go:embed clinic.sql roles.sql labels.yaml policy.cedar warehouse.yaml google.cedar hosts.cedar
var files embed.FS

// Schema returns the statements that make and fill the clinic.
func Schema() string { return read("clinic.sql") }

// Roles returns the statements that make the gateway's roles on the target, with
// the given passwords: "gateway", which may use the clinic, and
// "gateway_analyser", which may only have statements analysed. Passwords are
// alphanumeric.
func Roles(gateway, analyser string) string {
	return fmt.Sprintf(read("roles.sql"), gateway, analyser)
}

// Labels returns the labels file of the clinic.
func Labels() string { return read("labels.yaml") }

// Policy returns the clinic's policies.
func Policy() string { return read("policy.cedar") }

// Warehouse returns the labels file of the clinic's tables in BigQuery.
func Warehouse() string { return read("warehouse.yaml") }

// Google returns the policies over the clinic's exports in Cloud Storage and its
// warehouse in BigQuery, to be used beside [Policy].
func Google() string { return read("google.cedar") }

// Hosts returns the policies over the clinic's machine for nightly runs and its
// cluster of Kubernetes, to be used beside [Policy].
func Hosts() string { return read("hosts.cedar") }

// read returns one of the embedded files; it cannot be missing, because it is
// part of the binary.
func read(name string) string {
	b, _ := files.ReadFile(name)
	return string(b)
}
