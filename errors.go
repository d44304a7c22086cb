// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package sallyport

import (
	"errors"
	"strings"
)

// Kind is what programs branch on. Kinds are append-only and mapped once per
// edge: to a SQLSTATE, an HTTP status, an exit code.
type Kind uint8

// The kinds of error.
const (
	Internal Kind = iota
	Invalid
	Unauthenticated
	Denied
	Held // waiting for a human's decision
	NotFound
	Conflict
	Exhausted // a limit was reached
	Unavailable
	Integrity // evidence does not verify, or a stored thing is not what was stored
)

var kindNames = [...]string{"internal", "invalid", "unauthenticated", "denied", "held", "not found", "conflict", "exhausted", "unavailable", "integrity"}

// String returns the kind's name in lower case.
func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return "internal"
}

// Error is the one error type of the product. Msg and Hint are safe to show to
// a client and never hold a statement's values, a row or a secret; Err is the
// cause, for the operator's log, and keeps to the same rule.
type Error struct {
	Kind Kind
	Op   string // what was being done: "ledger append"
	Msg  string // one sentence for the client
	Hint string // what to do about it
	Err  error
}

// Error renders the operation, the message and the cause.
func (e *Error) Error() string {
	var b strings.Builder
	for _, s := range []string{e.Op, e.Msg} {
		if s == "" {
			continue
		}
		if b.Len() > 0 {
			b.WriteString(": ")
		}
		b.WriteString(s)
	}
	if e.Err != nil {
		if b.Len() > 0 {
			b.WriteString(": ")
		}
		b.WriteString(e.Err.Error())
	}
	if b.Len() == 0 {
		return e.Kind.String()
	}
	return b.String()
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// E makes an error of kind k with a message for the client.
func E(k Kind, op, msg string) *Error { return &Error{Kind: k, Op: op, Msg: msg} }

// WithHint returns e with a hint that says what to do.
func (e *Error) WithHint(hint string) *Error { c := *e; c.Hint = hint; return &c }

// Because returns e with a cause.
func (e *Error) Because(err error) *Error { c := *e; c.Err = err; return &c }

// KindOf returns the kind of the first [Error] in err's chain, or Internal.
func KindOf(err error) Kind {
	var e *Error
	if errors.As(err, &e) {
		return e.Kind
	}
	return Internal
}

// Public returns what a client may see of err: message and hint of the first
// [Error] in the chain that has a message, or a general sentence.
func Public(err error) (msg, hint string) {
	for err != nil {
		var e *Error
		if !errors.As(err, &e) {
			break
		}
		if e.Msg != "" {
			return e.Msg, e.Hint
		}
		err = e.Err
	}
	return "the gateway met an internal error and refused to go on", "see the gateway's log"
}
