// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

// Package sidecar is the metadata server of Google Cloud as far as its clients
// take credentials from it, on a loopback address of a workload's machine: what
// it hands out are gateway tokens for one role on one resource.
//
// Whoever reaches it is the workload. So it listens on loopback only, and
// refuses what a web page could be made to send there: a request without the
// header Metadata-Flavor, one that was forwarded, and one whose Host is no name
// of the loopback.
//
// A token is fetched by the request that needs it and kept until its last
// third, or until the gateway says that it was revoked; a workload that asks
// nothing puts no login on record.
package sidecar
