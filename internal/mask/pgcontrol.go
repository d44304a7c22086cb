// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package mask

import (
	"bytes"
	"encoding/binary"
)

const opControl = "mask control message"

// Control lets a message of the target pass that holds no data of rows. kind is
// its type byte and body the message without type and length. It checks the
// shape of each message, so that none of them can carry more than it should.
//
// The kinds are: '1' ParseComplete, '2' BindComplete, '3' CloseComplete, 'n'
// NoData, 's' PortalSuspended, 'I' EmptyQueryResponse, 'c' CopyDone, 'Z'
// ReadyForQuery, 'C' CommandComplete, 't' ParameterDescription, 'T'
// RowDescription, 'G' CopyInResponse and 'H' CopyOutResponse. Any other kind is
// refused: rows, copied data, diagnostics, parameter reports and notifications
// have functions of their own, and what is left (function call results,
// replication, authentication) never passes.
func Control(kind byte, body Raw) (Masked, error) {
	b := body.b
	ok := false
	switch kind {
	case '1', '2', '3', 'n', 's', 'I', 'c':
		ok = len(b) == 0
	case 'Z':
		ok = len(b) == 1 && (b[0] == 'I' || b[0] == 'T' || b[0] == 'E')
	case 'C':
		ok = isTag(b)
	case 't':
		ok = len(b) >= 2 && len(b)-2 == 4*int(binary.BigEndian.Uint16(b))
	case 'G', 'H':
		ok = isCopyResponse(b)
	case 'T':
		ok = isRowDescription(b)
	default:
		return Masked{}, refuse(opControl, "the target sent a message of a kind that may not pass")
	}
	if !ok {
		return Masked{}, refuse(opControl, "a message of the target has not the shape of its kind")
	}
	return pgMessage(kind, b), nil
}

// pgMessage frames a message.
func pgMessage(kind byte, parts ...[]byte) Masked {
	b := []byte{kind, 0, 0, 0, 0}
	for _, p := range parts {
		b = append(b, p...)
	}
	binary.BigEndian.PutUint32(b[1:], uint32(len(b)-1))
	return Masked{b: b}
}

// isTag reports whether b is a command tag: words in capitals and numbers, as
// in "INSERT 0 5", at most 64 bytes with the final zero.
func isTag(b []byte) bool {
	if len(b) < 2 || len(b) > 64 || b[len(b)-1] != 0 {
		return false
	}
	for _, c := range b[:len(b)-1] {
		if c != ' ' && (c < 'A' || c > 'Z') && (c < '0' || c > '9') {
			return false
		}
	}
	return true
}

// isCopyResponse: overall format, number of columns, a format code for each.
func isCopyResponse(b []byte) bool {
	if len(b) < 3 || b[0] > 1 || len(b)-3 != 2*int(binary.BigEndian.Uint16(b[1:])) {
		return false
	}
	for c := b[3:]; len(c) > 0; c = c[2:] {
		if binary.BigEndian.Uint16(c) > 1 {
			return false
		}
	}
	return true
}

// isRowDescription: a number of fields, each a C string and 18 bytes. The names
// are the client's own words or names of the catalogue.
func isRowDescription(b []byte) bool {
	if len(b) < 2 {
		return false
	}
	n := int(binary.BigEndian.Uint16(b))
	for b = b[2:]; n > 0; n-- {
		end := bytes.IndexByte(b, 0)
		if end < 0 || len(b)-end-1 < 18 {
			return false
		}
		b = b[end+19:]
	}
	return len(b) == 0
}

// Notification makes the NotificationResponse that a client may see: who sent
// it and on which channel, without the payload, which may hold anything. A nil
// known, or one that does not know the channel's name, withholds the message:
// then the result is empty. The count is the number of fields withheld.
func Notification(body Raw, known func(channel string) bool) (Masked, int, error) {
	const op = "mask notification"
	if len(body.b) < 4 {
		return Masked{}, 0, refuse(op, "a notification is cut short")
	}
	parts := bytes.SplitN(body.b[4:], []byte{0}, 3)
	if len(parts) != 3 || len(parts[2]) != 0 {
		return Masked{}, 0, refuse(op, "a notification is cut short")
	}
	if known == nil || !known(string(parts[0])) {
		return Masked{}, 2, nil
	}
	withheld := 0
	if len(parts[1]) > 0 {
		withheld = 1
	}
	return pgMessage('A', body.b[:4], parts[0], []byte{0, 0}), withheld, nil
}

// ParameterStatus makes the ParameterStatus that a client may see. A setting is
// a way out for data (set_config takes a value from a query), so that a value
// passes only when it has one of the forms that the setting's own grammar leaves
// no room in, or when chosen says that the session itself asked for exactly
// this value; a nil chosen says so of none. Any other value becomes empty, and
// withheld is true.
func ParameterStatus(body Raw, chosen func(name, value string) bool) (m Masked, withheld bool, err error) {
	parts := bytes.SplitN(body.b, []byte{0}, 3)
	if len(parts) != 3 || len(parts[2]) != 0 || len(parts[0]) == 0 {
		return Masked{}, false, refuse("mask parameter status", "a parameter report is cut short")
	}
	name, value := string(parts[0]), string(parts[1])
	if !parameterName(name) {
		return Masked{}, true, nil
	}
	if value != "" && !parameterValue(name, value) && (chosen == nil || !chosen(name, value)) {
		return pgMessage('S', parts[0], []byte{0, 0}), true, nil
	}
	return pgMessage('S', body.b), false, nil
}

// parameterName reports whether name is one of the settings that servers of the
// versions 14 to 18 report (manual: Asynchronous Operations). An unknown name is
// an extension's, and its report is withheld whole.
func parameterName(name string) bool {
	switch name {
	case "application_name", "client_encoding", "DateStyle", "default_transaction_read_only",
		"in_hot_standby", "integer_datetimes", "IntervalStyle", "is_superuser", "scram_iterations",
		"search_path", "server_encoding", "server_version", "session_authorization",
		"standard_conforming_strings", "TimeZone":
		return true
	}
	return false
}

// parameterValue reports whether a value can be nothing but one of the few
// that its setting takes. A time zone's name is looked up by the server, but the
// POSIX form takes any letters and digits, so that only names pass.
func parameterValue(name, value string) bool {
	switch name {
	case "default_transaction_read_only", "in_hot_standby", "integer_datetimes", "is_superuser",
		"standard_conforming_strings":
		return value == "on" || value == "off"
	case "client_encoding", "server_encoding":
		return value == "UTF8" || value == "SQL_ASCII"
	case "IntervalStyle":
		return value == "postgres" || value == "postgres_verbose" || value == "sql_standard" || value == "iso_8601"
	case "DateStyle":
		switch value {
		case "ISO, MDY", "ISO, DMY", "ISO, YMD", "Postgres, MDY", "Postgres, DMY", "Postgres, YMD",
			"SQL, MDY", "SQL, DMY", "SQL, YMD", "German, MDY", "German, DMY", "German, YMD":
			return true
		}
	case "TimeZone":
		switch value {
		case "UTC", "Etc/UTC", "GMT", "Etc/GMT":
			return true
		}
	}
	return false
}
