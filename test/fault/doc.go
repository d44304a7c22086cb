// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

// Package fault is the harness of "make fault": it injects every fault that the
// ledger and its evidence have to survive or to find, proves that each one really
// happened, and ends with a table of how often it did and of what was lost or
// went unnoticed, which has to be nothing.
//
// It is all tests. "go test ./test/fault" runs a shorter form; the flag -full, of
// the compiled test, goes through every step. docs/reference/faults.md says what
// each fault is and what is left out.
package fault
