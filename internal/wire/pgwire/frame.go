// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package pgwire

import "encoding/binary"

// HeaderLen is the length of a message's header: one byte of type and an int32
// that counts itself and the body.
const HeaderLen = 5

// Limits on the length of messages, in bytes, header included.
const (
	// MaxClientMessage is the default limit on what a client may send at once.
	// PostgreSQL itself allows 1 GiB; a gateway has to hold a whole statement
	// before it can decide about it.
	MaxClientMessage = 64 << 20
	// MaxSmallClientMessage is the limit on the types that carry only names
	// (PostgreSQL's PQ_SMALL_MESSAGE_LIMIT).
	MaxSmallClientMessage = 10_000
	// MaxServerMessage is the largest message that the protocol can express and
	// PostgreSQL would send; a DataRow near it has to be streamed.
	MaxServerMessage = 1<<30 + HeaderLen
)

// Next reads the header at the start of buf. ok is false when buf does not hold
// a whole header yet; then typ and total mean nothing. Otherwise total is the
// length of the message with its header, and the message is complete when
// len(buf) >= total. A declared length that is below the minimum, negative or
// makes total exceed max is an error: nothing after it can be understood, so
// the connection has to be cut.
//
// Next does not look at the type; see [NextClient].
func Next(buf []byte, max int) (typ byte, total int, ok bool, err error) {
	if len(buf) < HeaderLen {
		return 0, 0, false, nil
	}
	n := int32(binary.BigEndian.Uint32(buf[1:HeaderLen]))
	if n < HeaderLen-1 {
		return 0, 0, false, malformed("message", "its declared length is too small")
	}
	// The comparison is made before the addition, so that no int overflows on a
	// 32-bit machine.
	if int(n) > max-1 {
		return 0, 0, false, malformed("message", "its declared length exceeds the limit")
	}
	return buf[0], int(n) + 1, true, nil
}

// NextClient is [Next] for what a client sends after the start-up: it also
// refuses unknown types, and lengths that the type cannot need.
func NextClient(buf []byte, max int) (typ byte, total int, ok bool, err error) {
	typ, total, ok, err = Next(buf, max)
	if err != nil || !ok {
		return typ, total, ok, err
	}
	switch typ {
	case ClientFlush, ClientSync, ClientTerminate, ClientCopyDone:
		if total != HeaderLen {
			return 0, 0, false, malformed(ClientTypeName(typ), "it has a body")
		}
	case ClientClose, ClientDescribe, ClientExecute, ClientCopyFail:
		if total > MaxSmallClientMessage {
			return 0, 0, false, malformed(ClientTypeName(typ), "its declared length exceeds the limit")
		}
	case ClientBind, ClientCopyData, ClientFunctionCall, ClientParse, ClientPassword, ClientQuery:
	default:
		return 0, 0, false, malformed("message", "its type is not one that a client sends")
	}
	return typ, total, true, nil
}
