// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

// Package grant asks humans: it keeps requests, the decisions about them, the
// grants that come of them and the holds that stop a single statement.
//
// The states are a pure machine (state.go), and every transition that it does
// not list is refused:
//
//	request for a grant  open -> approved | denied | expired | withdrawn
//	request of a hold    open -> approved | denied | expired | withdrawn
//	                     approved -> used | expired | withdrawn
//	grant                active -> expired | revoked
//
// [Service] makes the transitions happen: it checks who may decide, writes each
// event into the journal and only when that is durable into the [Store], so
// that nothing takes effect which is not on record. When the journal fails, the
// state stays as it was. When the store fails after the journal, the record
// tells of a decision that had no effect, which errs on the safe side.
//
// Time is the service's own: it never runs backwards, also not across a
// restart, so setting the wall clock back prolongs no grant and no approval.
package grant
