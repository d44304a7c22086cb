// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

// Package googlebench measures the connectors for BigQuery and Cloud Storage
// beside their targets without a gateway, in one run on one machine:
//
//	make bench-google
//
// The targets are counterparts of ours (test/bigquerypeer, test/gcspeer), whose own
// time is part of both figures. Each line of JSON has a ratio, of the gateway's to
// the target's: below 1 where more is better.
package googlebench
