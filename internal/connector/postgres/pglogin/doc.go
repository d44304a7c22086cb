// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

// Package pglogin does the two log-ins of a PostgreSQL session: [Accept] takes
// a client from its first byte to its credential, [Dial] logs in to the target.
// It decides nothing about either: who the client is, and which credential the
// target gets, is for its callers.
//
// Both ends hand over a connection from which not one byte too many was read,
// so that a relay can start on it as it is. [Keys] stands between the two for
// cancel requests, which arrive on connections of their own and prove nothing
// but the knowledge of a key.
//
// A client that is refused gets a native ErrorResponse with a SQLSTATE and a
// hint wherever the protocol has come far enough to carry one.
package pglogin
