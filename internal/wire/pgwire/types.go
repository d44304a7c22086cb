// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package pgwire

// Types of the messages that a client sends (manual 55.7, marked F).
const (
	ClientBind         byte = 'B'
	ClientClose        byte = 'C'
	ClientCopyData     byte = 'd' // the body is the data itself
	ClientCopyDone     byte = 'c' // empty body
	ClientCopyFail     byte = 'f'
	ClientDescribe     byte = 'D'
	ClientExecute      byte = 'E'
	ClientFlush        byte = 'H' // empty body
	ClientFunctionCall byte = 'F'
	ClientParse        byte = 'P'
	// ClientPassword is also the type of SASLInitialResponse, SASLResponse and
	// GSSResponse: only the state of the authentication tells them apart.
	ClientPassword  byte = 'p'
	ClientQuery     byte = 'Q'
	ClientSync      byte = 'S' // empty body
	ClientTerminate byte = 'X' // empty body
)

// Types of the messages that a server sends (manual 55.7, marked B).
const (
	ServerAuthentication           byte = 'R'
	ServerBackendKeyData           byte = 'K'
	ServerBindComplete             byte = '2' // empty body
	ServerCloseComplete            byte = '3' // empty body
	ServerCommandComplete          byte = 'C'
	ServerCopyBothResponse         byte = 'W'
	ServerCopyData                 byte = 'd' // the body is the data itself
	ServerCopyDone                 byte = 'c' // empty body
	ServerCopyInResponse           byte = 'G'
	ServerCopyOutResponse          byte = 'H'
	ServerDataRow                  byte = 'D'
	ServerEmptyQueryResponse       byte = 'I' // empty body
	ServerErrorResponse            byte = 'E'
	ServerFunctionCallResponse     byte = 'V'
	ServerNegotiateProtocolVersion byte = 'v'
	ServerNoData                   byte = 'n' // empty body
	ServerNoticeResponse           byte = 'N'
	ServerNotificationResponse     byte = 'A'
	ServerParameterDescription     byte = 't'
	ServerParameterStatus          byte = 'S'
	ServerParseComplete            byte = '1' // empty body
	ServerPortalSuspended          byte = 's' // empty body
	ServerReadyForQuery            byte = 'Z'
	ServerRowDescription           byte = 'T'
)

// Transaction states of ReadyForQuery.
const (
	TxIdle          byte = 'I' // outside a transaction block
	TxInTransaction byte = 'T' // inside one
	TxFailed        byte = 'E' // inside one that failed and waits for its end
)

// Format codes of parameters and result columns.
const (
	FormatText   int16 = 0
	FormatBinary int16 = 1
)

// ClientTypeName returns the manual's name of a client's message type, or
// "unknown".
func ClientTypeName(typ byte) string {
	switch typ {
	case ClientBind:
		return "Bind"
	case ClientClose:
		return "Close"
	case ClientCopyData:
		return "CopyData"
	case ClientCopyDone:
		return "CopyDone"
	case ClientCopyFail:
		return "CopyFail"
	case ClientDescribe:
		return "Describe"
	case ClientExecute:
		return "Execute"
	case ClientFlush:
		return "Flush"
	case ClientFunctionCall:
		return "FunctionCall"
	case ClientParse:
		return "Parse"
	case ClientPassword:
		return "PasswordMessage"
	case ClientQuery:
		return "Query"
	case ClientSync:
		return "Sync"
	case ClientTerminate:
		return "Terminate"
	}
	return unknownType
}

// ServerTypeName returns the manual's name of a server's message type, or
// "unknown".
func ServerTypeName(typ byte) string {
	switch typ {
	case ServerAuthentication:
		return "Authentication"
	case ServerBackendKeyData:
		return "BackendKeyData"
	case ServerBindComplete:
		return "BindComplete"
	case ServerCloseComplete:
		return "CloseComplete"
	case ServerCommandComplete:
		return "CommandComplete"
	case ServerCopyBothResponse:
		return "CopyBothResponse"
	case ServerCopyData:
		return "CopyData"
	case ServerCopyDone:
		return "CopyDone"
	case ServerCopyInResponse:
		return "CopyInResponse"
	case ServerCopyOutResponse:
		return "CopyOutResponse"
	case ServerDataRow:
		return "DataRow"
	case ServerEmptyQueryResponse:
		return "EmptyQueryResponse"
	case ServerErrorResponse:
		return "ErrorResponse"
	case ServerFunctionCallResponse:
		return "FunctionCallResponse"
	case ServerNegotiateProtocolVersion:
		return "NegotiateProtocolVersion"
	case ServerNoData:
		return "NoData"
	case ServerNoticeResponse:
		return "NoticeResponse"
	case ServerNotificationResponse:
		return "NotificationResponse"
	case ServerParameterDescription:
		return "ParameterDescription"
	case ServerParameterStatus:
		return "ParameterStatus"
	case ServerParseComplete:
		return "ParseComplete"
	case ServerPortalSuspended:
		return "PortalSuspended"
	case ServerReadyForQuery:
		return "ReadyForQuery"
	case ServerRowDescription:
		return "RowDescription"
	}
	return unknownType
}

const unknownType = "unknown"
