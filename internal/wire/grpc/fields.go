// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package grpc

import (
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"

	sallyport "github.com/sallyport-dev/sallyport"
)

// Field is one field of a message.
type Field struct {
	Number int32
	Type   protowire.Type
	// Uint is the value of a number, and Bytes that of a text, bytes or a message,
	// which belongs to the message.
	Uint  uint64
	Bytes []byte
}

// maxFields bounds the fields of one message.
const maxFields = 100_000

func malformed() error {
	return sallyport.E(sallyport.Invalid, "grpc", "a message cannot be read").WithHint("send it as its definition has it")
}

// Fields calls each for the fields of a message in their order, until one is an
// error. It does not look into messages in it. Groups are refused: no definition
// that is known has any.
func Fields(b []byte, each func(Field) error) error {
	for count := 0; len(b) > 0; count++ {
		num, typ, n := protowire.ConsumeTag(b)
		if n < 0 || count >= maxFields {
			return malformed()
		}
		b = b[n:]
		f := Field{Number: int32(num), Type: typ}
		switch typ {
		case protowire.VarintType:
			f.Uint, n = protowire.ConsumeVarint(b)
		case protowire.Fixed64Type:
			f.Uint, n = protowire.ConsumeFixed64(b)
		case protowire.Fixed32Type:
			var v uint32
			v, n = protowire.ConsumeFixed32(b)
			f.Uint = uint64(v)
		case protowire.BytesType:
			f.Bytes, n = protowire.ConsumeBytes(b)
		default:
			return malformed()
		}
		if n < 0 {
			return malformed()
		}
		b = b[n:]
		if err := each(f); err != nil {
			return err
		}
	}
	return nil
}

// String returns the text of a field.
func (f Field) String() (string, error) {
	if f.Type != protowire.BytesType || !utf8.Valid(f.Bytes) {
		return "", malformed()
	}
	return string(f.Bytes), nil
}

// Message returns the bytes of a field that is bytes or a message.
func (f Field) Message() ([]byte, error) {
	if f.Type != protowire.BytesType {
		return nil, malformed()
	}
	return f.Bytes, nil
}

// Varint returns a number, an enumeration's value or a boolean.
func (f Field) Varint() (uint64, error) {
	if f.Type != protowire.VarintType {
		return 0, malformed()
	}
	return f.Uint, nil
}

// UnknownField is the error of a request with a field that is not known: it could
// mean anything.
func UnknownField(message string) error {
	return sallyport.E(sallyport.Invalid, "grpc", message+" has a field that the gateway does not know").
		WithHint("leave it out: only what the gateway can judge is sent on")
}

// AppendString appends a text, and nothing where it is empty.
func AppendString(b []byte, num int32, s string) []byte {
	if s == "" {
		return b
	}
	return protowire.AppendString(protowire.AppendTag(b, protowire.Number(num), protowire.BytesType), s)
}

// AppendMessage appends bytes or a message, also where it is empty.
func AppendMessage(b []byte, num int32, msg []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(b, protowire.Number(num), protowire.BytesType), msg)
}

// AppendVarint appends a number, and nothing where it is zero.
func AppendVarint(b []byte, num int32, v uint64) []byte {
	if v == 0 {
		return b
	}
	return protowire.AppendVarint(protowire.AppendTag(b, protowire.Number(num), protowire.VarintType), v)
}
