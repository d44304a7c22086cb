// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package pgwire

import (
	"encoding/binary"

	"github.com/sallyport-dev/sallyport"
)

// text is what a builder takes for a string of the protocol. A zero byte would
// end the string early and turn the rest into other fields, so everything from
// the first zero byte on is left out.
type text interface{ ~string | ~[]byte }

func appendString[T text](dst []byte, s T) []byte {
	start := len(dst)
	dst = append(dst, s...)
	for i := start; i < len(dst); i++ {
		if dst[i] == 0 {
			return dst[:i+1]
		}
	}
	return append(dst, 0)
}

// appendValue appends a length-prefixed value; nil stands for NULL.
func appendValue(dst, v []byte) []byte {
	if v == nil {
		return binary.BigEndian.AppendUint32(dst, 1<<32-1)
	}
	dst = binary.BigEndian.AppendUint32(dst, uint32(len(v)))
	return append(dst, v...)
}

// Begin appends the header of a message of type typ with its length left open
// and returns where the message starts; [End] closes it.
func Begin(dst []byte, typ byte) (grown []byte, start int) {
	return append(dst, typ, 0, 0, 0, 0), len(dst)
}

// End writes the length of the message that starts at start and ends with dst.
func End(dst []byte, start int) []byte {
	binary.BigEndian.PutUint32(dst[start+1:], uint32(len(dst)-start-1))
	return dst
}

// AppendMessage appends a message with the body given.
func AppendMessage(dst []byte, typ byte, body []byte) []byte {
	dst, at := Begin(dst, typ)
	return End(append(dst, body...), at)
}

// AppendEmpty appends a message without a body: the Complete messages, NoData,
// EmptyQueryResponse, PortalSuspended, CopyDone, Sync, Flush, Terminate.
func AppendEmpty(dst []byte, typ byte) []byte { return append(dst, typ, 0, 0, 0, 4) }

// Severity is the severity of an ErrorResponse or NoticeResponse.
type Severity string

// The severities. A client treats a connection as closed after FATAL.
const (
	SeverityError   Severity = "ERROR"
	SeverityFatal   Severity = "FATAL"
	SeverityWarning Severity = "WARNING"
	SeverityNotice  Severity = "NOTICE"
)

// AppendError appends an ErrorResponse. An empty detail or hint is left out.
func AppendError(dst []byte, severity Severity, state State, msg, detail, hint string) []byte {
	return appendDiagnostic(dst, ServerErrorResponse, severity, state, msg, detail, hint)
}

// AppendNotice appends a NoticeResponse. An empty detail or hint is left out.
func AppendNotice(dst []byte, severity Severity, state State, msg, detail, hint string) []byte {
	return appendDiagnostic(dst, ServerNoticeResponse, severity, state, msg, detail, hint)
}

// AppendErrorFrom appends an ErrorResponse with what a client may see of err:
// [StateOf] and [sallyport.Public].
func AppendErrorFrom(dst []byte, severity Severity, err error) []byte {
	msg, hint := sallyport.Public(err)
	return AppendError(dst, severity, StateOf(err), msg, "", hint)
}

func appendDiagnostic(dst []byte, typ byte, severity Severity, state State, msg, detail, hint string) []byte {
	dst, at := Begin(dst, typ)
	dst = appendString(append(dst, FieldSeverity), severity)
	dst = appendString(append(dst, FieldSeverityEnglish), severity)
	dst = appendString(append(dst, FieldSQLState), state)
	dst = appendString(append(dst, FieldMessage), msg)
	if detail != "" {
		dst = appendString(append(dst, FieldDetail), detail)
	}
	if hint != "" {
		dst = appendString(append(dst, FieldHint), hint)
	}
	return End(append(dst, 0), at)
}

// AppendDiagnosticFields appends an ErrorResponse or NoticeResponse made of the
// fields that keep yields true for, in their order, with the value it returns.
// It is the way to pass on a target's diagnostic in part.
func AppendDiagnosticFields(dst []byte, typ byte, d Diagnostic, keep func(code byte, value []byte) ([]byte, bool)) []byte {
	dst, at := Begin(dst, typ)
	for code, value := range d.All() {
		if v, ok := keep(code, value); ok {
			dst = appendString(append(dst, code), v)
		}
	}
	return End(append(dst, 0), at)
}

// AppendReadyForQuery appends a ReadyForQuery with a transaction state:
// [TxIdle], [TxInTransaction] or [TxFailed].
func AppendReadyForQuery(dst []byte, status byte) []byte {
	return append(dst, ServerReadyForQuery, 0, 0, 0, 5, status)
}

// AppendParameterStatus appends a ParameterStatus.
func AppendParameterStatus(dst []byte, name, value string) []byte {
	dst, at := Begin(dst, ServerParameterStatus)
	return End(appendString(appendString(dst, name), value), at)
}

// AppendBackendKeyData appends a BackendKeyData.
func AppendBackendKeyData(dst []byte, key CancelKey) []byte {
	dst, at := Begin(dst, ServerBackendKeyData)
	dst = binary.BigEndian.AppendUint32(dst, key.PID)
	return End(append(dst, key.Secret...), at)
}

// AppendAuthOK appends an AuthenticationOk.
func AppendAuthOK(dst []byte) []byte { return AppendAuthentication(dst, AuthOK, nil) }

// AppendAuthCleartext appends an AuthenticationCleartextPassword.
func AppendAuthCleartext(dst []byte) []byte {
	return AppendAuthentication(dst, AuthCleartextPassword, nil)
}

// AppendAuthSASL appends an AuthenticationSASL that offers mechanisms in the
// order of preference.
func AppendAuthSASL(dst []byte, mechanisms ...string) []byte {
	dst, at := Begin(dst, ServerAuthentication)
	dst = binary.BigEndian.AppendUint32(dst, AuthSASL)
	for _, m := range mechanisms {
		dst = appendString(dst, m)
	}
	return End(append(dst, 0), at)
}

// AppendAuthentication appends an Authentication message with the data of its
// method.
func AppendAuthentication(dst []byte, code uint32, data []byte) []byte {
	dst, at := Begin(dst, ServerAuthentication)
	dst = binary.BigEndian.AppendUint32(dst, code)
	return End(append(dst, data...), at)
}

// AppendNegotiateProtocolVersion appends a NegotiateProtocolVersion; see
// [Negotiation] for version.
func AppendNegotiateProtocolVersion(dst []byte, version uint32, unknown []string) []byte {
	dst, at := Begin(dst, ServerNegotiateProtocolVersion)
	dst = binary.BigEndian.AppendUint32(dst, version)
	dst = binary.BigEndian.AppendUint32(dst, uint32(len(unknown)))
	for _, name := range unknown {
		dst = appendString(dst, name)
	}
	return End(dst, at)
}

// AppendCommandComplete appends a CommandComplete.
func AppendCommandComplete(dst []byte, tag string) []byte {
	dst, at := Begin(dst, ServerCommandComplete)
	return End(appendString(dst, tag), at)
}

// AppendRowDescription appends a RowDescription; at most [MaxColumns] fields
// can be read back.
func AppendRowDescription(dst []byte, fields []Field) []byte {
	dst, at := Begin(dst, ServerRowDescription)
	dst = binary.BigEndian.AppendUint16(dst, uint16(len(fields)))
	for _, f := range fields {
		dst = appendString(dst, f.Name)
		dst = binary.BigEndian.AppendUint32(dst, f.TableOID)
		dst = binary.BigEndian.AppendUint16(dst, uint16(f.Attnum))
		dst = binary.BigEndian.AppendUint32(dst, f.TypeOID)
		dst = binary.BigEndian.AppendUint16(dst, uint16(f.TypeSize))
		dst = binary.BigEndian.AppendUint32(dst, uint32(f.TypeMod))
		dst = binary.BigEndian.AppendUint16(dst, uint16(f.Format))
	}
	return End(dst, at)
}

// AppendDataRow appends a DataRow; a nil value is NULL. At most [MaxColumns]
// values can be read back.
func AppendDataRow(dst []byte, values [][]byte) []byte {
	dst, at := Begin(dst, ServerDataRow)
	dst = binary.BigEndian.AppendUint16(dst, uint16(len(values)))
	for _, v := range values {
		dst = appendValue(dst, v)
	}
	return End(dst, at)
}

// AppendParameterDescription appends a ParameterDescription.
func AppendParameterDescription(dst []byte, oids []uint32) []byte {
	dst, at := Begin(dst, ServerParameterDescription)
	return End(appendOIDs(dst, oids), at)
}

// AppendNotification appends a NotificationResponse.
func AppendNotification(dst []byte, pid uint32, channel, payload string) []byte {
	dst, at := Begin(dst, ServerNotificationResponse)
	dst = binary.BigEndian.AppendUint32(dst, pid)
	return End(appendString(appendString(dst, channel), payload), at)
}

// AppendCopyResponse appends a CopyInResponse, CopyOutResponse or
// CopyBothResponse.
func AppendCopyResponse(dst []byte, typ byte, format int16, columns []int16) []byte {
	dst, at := Begin(dst, typ)
	return End(appendFormats(append(dst, byte(format)), columns), at)
}

func appendOIDs(dst []byte, oids []uint32) []byte {
	dst = binary.BigEndian.AppendUint16(dst, uint16(len(oids)))
	for _, o := range oids {
		dst = binary.BigEndian.AppendUint32(dst, o)
	}
	return dst
}

func appendFormats(dst []byte, formats []int16) []byte {
	dst = binary.BigEndian.AppendUint16(dst, uint16(len(formats)))
	for _, f := range formats {
		dst = binary.BigEndian.AppendUint16(dst, uint16(f))
	}
	return dst
}
