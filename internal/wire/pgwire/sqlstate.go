// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package pgwire

import (
	"errors"

	"github.com/sallyport-dev/sallyport"
)

// State is a SQLSTATE: five characters of Appendix A of the manual. As an error
// it stands as the cause of a [sallyport.Error], where the kind alone would say
// too little:
//
//	sallyport.E(sallyport.Invalid, op, msg).Because(pgwire.ProtocolViolation)
type State string

// Error returns "SQLSTATE " and the five characters.
func (s State) Error() string { return "SQLSTATE " + string(s) }

// The states that the gateway itself uses.
const (
	ProtocolViolation       State = "08P01"
	FeatureNotSupported     State = "0A000"
	InvalidParameterValue   State = "22023"
	InvalidAuthorization    State = "28000" // not allowed in at all: no TLS, unknown identity
	InvalidPassword         State = "28P01" // the credential was read and found wrong
	UndefinedDatabase       State = "3D000"
	InsufficientPrivilege   State = "42501"
	UndefinedObject         State = "42704"
	ConfigLimitExceeded     State = "53400"
	ProgramLimitExceeded    State = "54000"
	NotInPrerequisiteState  State = "55000"
	ObjectInUse             State = "55006"
	QueryCanceled           State = "57014"
	AdminShutdown           State = "57P01"
	CannotConnectNow        State = "57P03"
	IdleInTransactionClosed State = "25P03"
	InternalError           State = "XX000"
	DataCorrupted           State = "XX001"
)

// SQLState maps a kind of error to the state that a client is told. It is the
// one table of this edge:
//
//   - Denied is 42501, as PostgreSQL's own missing right: no driver repeats it.
//   - Held is 55000: a prerequisite, the approval, is missing. 40001 or 55P03
//     would fit the words but make frameworks repeat the statement in a loop.
//   - Unauthenticated is 28000; who read a credential and found it wrong names
//     [InvalidPassword].
//   - Invalid is 22023; a message that breaks the protocol names
//     [ProtocolViolation], since class 08 makes pools throw the connection away.
//   - Exhausted is 53400: a configured limit, not one of the program.
//   - Unavailable is 57P03: libpq and pgjdbc then try the next host.
//   - Integrity is XX001.
func SQLState(kind sallyport.Kind) State {
	switch kind {
	case sallyport.Invalid:
		return InvalidParameterValue
	case sallyport.Unauthenticated:
		return InvalidAuthorization
	case sallyport.Denied:
		return InsufficientPrivilege
	case sallyport.Held:
		return NotInPrerequisiteState
	case sallyport.NotFound:
		return UndefinedObject
	case sallyport.Conflict:
		return ObjectInUse
	case sallyport.Exhausted:
		return ConfigLimitExceeded
	case sallyport.Unavailable:
		return CannotConnectNow
	case sallyport.Integrity:
		return DataCorrupted
	}
	return InternalError
}

// StateOf returns the [State] in err's chain, or that of err's kind.
func StateOf(err error) State {
	if s, ok := errors.AsType[State](err); ok {
		return s
	}
	return SQLState(sallyport.KindOf(err))
}
