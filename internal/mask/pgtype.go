// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package mask

import (
	"encoding/binary"

	sallyport "github.com/sallyport-dev/sallyport"
)

// OIDs of built-in types (pg_type.dat; they are fixed for all versions).
const (
	oidBool        = 16
	oidBytea       = 17
	oidChar        = 18 // "char", one byte
	oidName        = 19
	oidInt8        = 20
	oidInt2        = 21
	oidInt4        = 23
	oidText        = 25
	oidOID         = 26
	oidJSON        = 114
	oidXML         = 142
	oidCIDR        = 650
	oidFloat4      = 700
	oidFloat8      = 701
	oidUnknown     = 705
	oidMacaddr8    = 774
	oidMoney       = 790
	oidMacaddr     = 829
	oidInet        = 869
	oidBpchar      = 1042
	oidVarchar     = 1043
	oidDate        = 1082
	oidTime        = 1083
	oidTimestamp   = 1114
	oidTimestamptz = 1184
	oidInterval    = 1186
	oidTimetz      = 1266
	oidNumeric     = 1700
	oidUUID        = 2950
	oidJSONB       = 3802
)

// nameLen is the longest value of type name in bytes (NAMEDATALEN - 1).
const nameLen = 63

// varhdr is what the typmod of varchar(n) and bpchar(n) exceeds n by.
const varhdr = 4

// pgMaskValue returns the value that stands for a masked one of column c, in
// the column's format, and the operator that made it. With OpNull there is no
// value.
//
// The constants are those of BigQuery's DEFAULT_MASKING_VALUE where PostgreSQL
// has the type: zero, false, the first day of 1970, the empty array. A text
// becomes its label in brackets, cut to the column's length. json and jsonb
// become the JSON null: it decodes into an object, an array and a scalar alike.
// The text forms of dates and times are ISO, which every DateStyle reads.
func pgMaskValue(c PGColumn) (value []byte, op string) {
	switch c.TypeOID {
	case oidText, oidVarchar, oidBpchar, oidUnknown:
		return cutText(placeholder(c.Labels), c.Typmod), OpRedact
	case oidName:
		return cutBytes(placeholder(c.Labels), nameLen), OpRedact
	}
	if c.Binary {
		value = pgBinaryDefault(c.TypeOID)
	} else {
		value = pgTextDefault(c.TypeOID)
	}
	if value == nil {
		return nil, OpNull
	}
	return value, OpDefault
}

// placeholder is the first label in brackets. A label comes from a reviewed
// file, but it goes to clients as text, so bytes that no label has become "_".
func placeholder(labels []sallyport.Label) []byte {
	label := sallyport.Unclassified
	if len(labels) > 0 && labels[0] != "" {
		label = labels[0]
	}
	out := make([]byte, 0, len(label)+2)
	out = append(out, '[')
	for i := range len(label) {
		b := label[i]
		switch {
		case 'a' <= b && b <= 'z', 'A' <= b && b <= 'Z', '0' <= b && b <= '9', b == '.', b == '-', b == '_':
		default:
			b = '_'
		}
		out = append(out, b)
	}
	return append(out, ']')
}

// cutText cuts an ASCII text to the n characters of a typmod for varchar(n) or
// bpchar(n); any other typmod sets no limit.
func cutText(s []byte, typmod int32) []byte {
	if typmod < varhdr {
		return s
	}
	return cutBytes(s, int(typmod-varhdr))
}

func cutBytes(s []byte, n int) []byte {
	if len(s) > n {
		return s[:n]
	}
	return s
}

// pgTextDefault returns the text form of a type's constant, or nil when the
// type is not known.
func pgTextDefault(oid uint32) []byte {
	if pgElement(oid) != 0 {
		return []byte("{}")
	}
	s := ""
	switch oid {
	case oidInt2, oidInt4, oidInt8, oidOID, oidNumeric, oidFloat4, oidFloat8:
		s = "0"
	case oidBool:
		s = "f"
	case oidChar:
		s = "*"
	case oidDate:
		s = "1970-01-01"
	case oidTime:
		s = "00:00:00"
	case oidTimetz:
		s = "00:00:00+00"
	case oidTimestamp:
		s = "1970-01-01 00:00:00"
	case oidTimestamptz:
		s = "1970-01-01 00:00:00+00"
	case oidInterval:
		s = "00:00:00"
	case oidUUID:
		s = "00000000-0000-0000-0000-000000000000"
	case oidJSON, oidJSONB:
		s = "null"
	case oidBytea:
		s = `\x`
	case oidMoney:
		s = "$0.00"
	case oidXML:
		s = "<masked/>"
	case oidInet:
		s = "0.0.0.0"
	case oidCIDR:
		s = "0.0.0.0/32"
	case oidMacaddr:
		s = "00:00:00:00:00:00"
	case oidMacaddr8:
		s = "00:00:00:00:00:00:00:00"
	default:
		return nil
	}
	return []byte(s)
}

// Days and microseconds from PostgreSQL's epoch, the first day of 2000, to the
// first day of 1970.
const (
	epochDays   = -10957
	epochMicros = epochDays * 86400 * 1000000
)

// pgBinaryDefault returns the binary form of a type's constant, as the type's
// send function writes it, or nil when the type is not known.
func pgBinaryDefault(oid uint32) []byte {
	be := binary.BigEndian
	if elem := pgElement(oid); elem != 0 {
		// array_send: dimensions, flag for NULLs, element type, nothing else.
		return be.AppendUint32(make([]byte, 8), elem)
	}
	zero := func(n int) []byte { return make([]byte, n) }
	days, micros := int32(epochDays), int64(epochMicros)
	switch oid {
	case oidBytea:
		return []byte{}
	case oidBool:
		return zero(1)
	case oidChar:
		return []byte{'*'}
	case oidInt2:
		return zero(2)
	case oidInt4, oidOID, oidFloat4:
		return zero(4)
	case oidInt8, oidFloat8, oidMoney, oidTime, oidMacaddr8:
		return zero(8)
	case oidNumeric: // digits, weight, sign, display scale
		return zero(8)
	case oidDate:
		return be.AppendUint32(nil, uint32(days))
	case oidTimestamp, oidTimestamptz:
		return be.AppendUint64(nil, uint64(micros))
	case oidTimetz: // microseconds, seconds west of Greenwich
		return zero(12)
	case oidInterval: // microseconds, days, months
		return zero(16)
	case oidUUID:
		return zero(16)
	case oidMacaddr:
		return zero(6)
	case oidJSON:
		return []byte("null")
	case oidJSONB:
		return []byte("\x01null")
	case oidXML:
		return []byte("<masked/>")
	case oidInet, oidCIDR: // family IPv4, bits, is it a cidr, length of address, address
		isCIDR := byte(0)
		if oid == oidCIDR {
			isCIDR = 1
		}
		return []byte{2, 32, isCIDR, 4, 0, 0, 0, 0}
	}
	return nil
}

// pgElement returns the element type of a known array type, or 0. The number of
// dimensions is a property of the value, and an empty array has none.
func pgElement(oid uint32) uint32 {
	switch oid {
	case 143:
		return oidXML
	case 199:
		return oidJSON
	case 651:
		return oidCIDR
	case 775:
		return oidMacaddr8
	case 791:
		return oidMoney
	case 1000:
		return oidBool
	case 1001:
		return oidBytea
	case 1002:
		return oidChar
	case 1003:
		return oidName
	case 1005:
		return oidInt2
	case 1007:
		return oidInt4
	case 1009:
		return oidText
	case 1014:
		return oidBpchar
	case 1015:
		return oidVarchar
	case 1016:
		return oidInt8
	case 1021:
		return oidFloat4
	case 1022:
		return oidFloat8
	case 1028:
		return oidOID
	case 1040:
		return oidMacaddr
	case 1041:
		return oidInet
	case 1115:
		return oidTimestamp
	case 1182:
		return oidDate
	case 1183:
		return oidTime
	case 1185:
		return oidTimestamptz
	case 1187:
		return oidInterval
	case 1231:
		return oidNumeric
	case 1270:
		return oidTimetz
	case 2951:
		return oidUUID
	case 3807:
		return oidJSONB
	}
	return 0
}
