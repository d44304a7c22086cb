// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

// Package evidence defines what Sallyport writes as evidence and how a third
// party checks it without us: the leaves of the ledger, the layout of a bundle,
// and offline verification. It imports the standard library, golang.org/x/mod
// and golang.org/x/crypto only, so that a verifier built from it is small.
package evidence
