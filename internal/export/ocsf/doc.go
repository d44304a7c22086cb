// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

// Package ocsf turns leaves of the ledger into events of the Open Cybersecurity
// Schema Framework, for receivers outside of the gateway. It is a pure function
// of the leaves: no I/O, no clock, no randomness.
//
// One leaf becomes one event, whatever its type, so that the indexes of the
// events have a gap only where events are missing. A leaf of a type that this
// release does not know becomes a base event with its envelope and without its
// body.
//
// # What an event carries
//
//   - the class of OCSF that fits: Datastore Activity (6005) or API Activity
//     (6003) for statements, Authentication (3002), Authorize Session (3003),
//     Entity Management (3004), Application Lifecycle (6002), else Base Event;
//   - the profiles security_control (the verdict as disposition), ai_operation
//     (ai_agent, where the principal is one) and record_integrity;
//   - in metadata.uid the origin and the index, in metadata.sequence the index;
//   - in unmapped.sallyport the leaf as it is, without ciphertexts, wrapped keys
//     and texts of policies. Their digests stay.
//
// A leaf holds masked text only, so an event does.
//
// # Integrity
//
// attestation_list has two entries. The first is of the ledger: its fingerprint
// is the RFC 6962 hash of the leaf, its prev_event the uid and the hash of the
// leaf before it, its signature refers to the checkpoint under which the leaf
// was when it was shipped. It is not a hash of the event: whoever has the leaf
// (an evidence bundle) or all hashes from 0 to the checkpoint's size checks it.
// The second is of the event: the SHA-256 of its RFC 8785 form, computed as
// OCSF says, without the entry's own fingerprint. An event is written in that
// form.
package ocsf
