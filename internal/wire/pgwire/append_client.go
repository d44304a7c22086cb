// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package pgwire

import (
	"encoding/binary"

	"github.com/sallyport-dev/sallyport"
)

// maxCount is the largest number of elements that the protocol's 16-bit counts
// can express.
const maxCount = 1<<16 - 1

func tooMany(message string) error {
	return sallyport.E(sallyport.Exhausted, "postgres protocol", "a "+message+" cannot carry more than 65535 elements").
		Because(ProgramLimitExceeded)
}

// AppendQuery appends a Query.
func AppendQuery[T text](dst []byte, sql T) []byte {
	dst, at := Begin(dst, ClientQuery)
	return End(appendString(dst, sql), at)
}

// AppendParse appends a Parse. An error means that there are more parameter
// types than the protocol can express; dst is then unchanged.
func AppendParse[N, T text](dst []byte, name N, sql T, paramOIDs []uint32) ([]byte, error) {
	if len(paramOIDs) > maxCount {
		return dst, tooMany("Parse")
	}
	dst, at := Begin(dst, ClientParse)
	dst = appendString(appendString(dst, name), sql)
	return End(appendOIDs(dst, paramOIDs), at), nil
}

// AppendBind appends a Bind; a nil parameter is NULL. An error means that there
// are more elements than the protocol can express; dst is then unchanged.
func AppendBind[N text](dst []byte, portal, statement N, paramFormats []int16, params [][]byte, resultFormats []int16) ([]byte, error) {
	if len(paramFormats) > maxCount || len(params) > maxCount || len(resultFormats) > maxCount {
		return dst, tooMany("Bind")
	}
	dst, at := Begin(dst, ClientBind)
	dst = appendString(appendString(dst, portal), statement)
	dst = appendFormats(dst, paramFormats)
	dst = binary.BigEndian.AppendUint16(dst, uint16(len(params)))
	for _, p := range params {
		dst = appendValue(dst, p)
	}
	return End(appendFormats(dst, resultFormats), at), nil
}

// AppendDescribe appends a Describe; kind is [TargetStatement] or
// [TargetPortal].
func AppendDescribe[N text](dst []byte, kind byte, name N) []byte {
	dst, at := Begin(dst, ClientDescribe)
	return End(appendString(append(dst, kind), name), at)
}

// AppendClose appends a Close; kind is [TargetStatement] or [TargetPortal].
func AppendClose[N text](dst []byte, kind byte, name N) []byte {
	dst, at := Begin(dst, ClientClose)
	return End(appendString(append(dst, kind), name), at)
}

// AppendExecute appends an Execute; maxRows 0 means all rows.
func AppendExecute[N text](dst []byte, portal N, maxRows int32) []byte {
	dst, at := Begin(dst, ClientExecute)
	return End(binary.BigEndian.AppendUint32(appendString(dst, portal), uint32(maxRows)), at)
}

// AppendSync appends a Sync.
func AppendSync(dst []byte) []byte { return AppendEmpty(dst, ClientSync) }

// AppendFlush appends a Flush.
func AppendFlush(dst []byte) []byte { return AppendEmpty(dst, ClientFlush) }

// AppendTerminate appends a Terminate.
func AppendTerminate(dst []byte) []byte { return AppendEmpty(dst, ClientTerminate) }

// AppendCopyFail appends a CopyFail; the target repeats the reason in its
// error.
func AppendCopyFail(dst []byte, reason string) []byte {
	dst, at := Begin(dst, ClientCopyFail)
	return End(appendString(dst, reason), at)
}

// AppendPassword appends a PasswordMessage.
func AppendPassword[T text](dst []byte, password T) []byte {
	dst, at := Begin(dst, ClientPassword)
	return End(appendString(dst, password), at)
}

// AppendCancelRequest appends a CancelRequest, which is a start-up packet of
// its own connection and has no type.
func AppendCancelRequest(dst []byte, key CancelKey) []byte {
	dst = binary.BigEndian.AppendUint32(dst, uint32(12+len(key.Secret)))
	dst = binary.BigEndian.AppendUint32(dst, codeCancel)
	dst = binary.BigEndian.AppendUint32(dst, key.PID)
	return append(dst, key.Secret...)
}

// AppendSSLRequest appends an SSLRequest, which is a start-up packet.
func AppendSSLRequest(dst []byte) []byte {
	return binary.BigEndian.AppendUint32(append(dst, 0, 0, 0, 8), codeSSL)
}

// AppendGSSENCRequest appends a GSSENCRequest, which is a start-up packet.
func AppendGSSENCRequest(dst []byte) []byte {
	return binary.BigEndian.AppendUint32(append(dst, 0, 0, 0, 8), codeGSSENC)
}

// AppendStartup appends a StartupMessage with parameters as name, value, name,
// value.
func AppendStartup(dst []byte, version uint32, params ...string) []byte {
	start := len(dst)
	dst = binary.BigEndian.AppendUint32(append(dst, 0, 0, 0, 0), version)
	for _, p := range params {
		dst = appendString(dst, p)
	}
	dst = append(dst, 0)
	binary.BigEndian.PutUint32(dst[start:], uint32(len(dst)-start))
	return dst
}
