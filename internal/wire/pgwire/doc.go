// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

// Package pgwire is the codec of PostgreSQL's frontend/backend protocol,
// version 3 (PostgreSQL manual, chapter 55 "Frontend/Backend Protocol"). It
// knows bytes only: no connection, no clock, no goroutine.
//
// A relay walks a buffer with [Next] or [NextClient], which look at the five
// bytes of a header and nothing else, and decodes only the messages that it has
// to understand:
//
//	typ, total, ok, err := pgwire.NextClient(buf, pgwire.MaxClientMessage)
//	if err != nil { ... }          // cut the connection
//	if !ok || len(buf) < total { ... } // read more
//	body := buf[pgwire.HeaderLen:total]
//
// Decoders take a message's body (what follows the header). Every slice that
// they return is a view into that body, is valid as long as the body is, and
// has no spare capacity, so that appending to it never writes into the buffer.
// Each decoder checks the whole body: a count that the bytes do not bear out, a
// length below its minimum, a string without its zero byte or bytes left over
// are errors. Accessors of a decoded value therefore cannot fail. Decoding
// allocates nothing, except for an error.
//
// Builders append one whole message to a caller's slice and return it.
//
// Errors are *[sallyport.Error] of kind Invalid that carry a [State] as their
// cause; [StateOf] finds the SQLSTATE that a client is to be told. No error
// contains a byte of the message that caused it.
package pgwire
