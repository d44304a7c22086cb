// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

// Package identity turns a presented credential into a [sallyport.Principal].
//
// Two credentials exist. A workload's own JSON Web Token, as its issuer signed
// it, is checked by the [Verifier]: the issuer is named exactly in the
// configuration, its keys come from that issuer alone, and an ordered list of
// rules with exact conditions maps claims to a principal. A gateway token, made
// by [Tokens] in exchange for such a login (RFC 8693), is opaque, short-lived,
// bound to one resource and one role, and revocable at once.
//
// What is refused is refused for one stated reason, and every answer, accepted
// or refused, is written to a [Journal] before it takes effect. A login that
// cannot be written down does not happen.
//
// Nothing here runs in the background. An issuer's keys are fetched by the
// login that needs them, at most one fetch at a time per issuer, and are kept
// through an outage of the issuer until they are too old to be trusted; see
// [Keys].
//
// No error, log line or journal entry of this package holds a token or a part
// of one. Claims are shown only after the signature over them has been checked.
package identity
