// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package postgres

// For the tests that compare the lists with the servers' own catalogs.
var (
	Harmless        = harmless
	RefusedFunction = refusedFunction
	EqualOperator   = equalOperator
)
