// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

//go:build race

package ledger_test

// stride is how far the exhaustive tests go from one case to the next. The race
// detector looks for other faults than they do, and makes them many times
// slower.
const stride = 13
