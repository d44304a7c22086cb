// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package pgwire_test

import (
	"encoding/binary"
	"errors"
	"math"
	"testing"

	"github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/wire/pgwire"
)

func header(typ byte, length uint32) []byte {
	return binary.BigEndian.AppendUint32([]byte{typ}, length)
}

func TestNext(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		buf   []byte
		max   int
		total int
		ok    bool
		bad   bool
	}{
		{name: "nothing", max: 100},
		{name: "four bytes", buf: []byte{'Q', 0, 0, 0}, max: 100},
		{name: "empty body", buf: header('S', 4), max: 5, total: 5, ok: true},
		{name: "body still to come", buf: header('Q', 99), max: 100, total: 100, ok: true},
		{name: "one above the limit", buf: header('Q', 100), max: 100, bad: true},
		{name: "length 3", buf: header('Q', 3), max: 100, bad: true},
		{name: "length 0", buf: header('Q', 0), max: 100, bad: true},
		{name: "negative length", buf: header('Q', 0xffffffff), max: 100, bad: true},
		{name: "most negative length", buf: header('Q', 0x80000000), max: 100, bad: true},
		{name: "2 GB", buf: header('d', math.MaxInt32), max: pgwire.MaxServerMessage, bad: true},
		{name: "limit of zero", buf: header('Q', 4), max: 0, bad: true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			typ, total, ok, err := pgwire.Next(tt.buf, tt.max)
			if (err != nil) != tt.bad || ok != tt.ok || total != tt.total {
				t.Fatalf("Next = %q, %d, %v, %v; want total %d, ok %v, error %v", typ, total, ok, err, tt.total, tt.ok, tt.bad)
			}
			if ok && typ != tt.buf[0] {
				t.Errorf("type is %q", typ)
			}
			if tt.bad && pgwire.StateOf(err) != pgwire.ProtocolViolation {
				t.Errorf("SQLSTATE is %s", pgwire.StateOf(err))
			}
		})
	}
}

func TestNextClient(t *testing.T) {
	t.Parallel()
	for typ := range 256 {
		_, total, ok, err := pgwire.NextClient(header(byte(typ), 4), pgwire.MaxClientMessage)
		known := pgwire.ClientTypeName(byte(typ)) != "unknown"
		if ok != known || (err == nil) != known || ok && total != 5 {
			t.Errorf("type %d: total %d, ok %v, error %v; known: %v", typ, total, ok, err, known)
		}
	}
	tests := []struct {
		name   string
		typ    byte
		length uint32
		bad    bool
	}{
		{"Sync with a body", 'S', 5, true},
		{"Flush with a body", 'H', 8, true},
		{"Terminate with a body", 'X', 100, true},
		{"CopyDone with a body", 'c', 5, true},
		{"Describe at its limit", 'D', pgwire.MaxSmallClientMessage - 1, false},
		{"Describe above its limit", 'D', pgwire.MaxSmallClientMessage, true},
		{"Execute of a megabyte", 'E', 1 << 20, true},
		{"CopyFail of a megabyte", 'f', 1 << 20, true},
		{"Query of a megabyte", 'Q', 1 << 20, false},
		{"CopyData of a megabyte", 'd', 1 << 20, false},
		{"Query above the limit", 'Q', pgwire.MaxClientMessage, true},
	}
	for _, tt := range tests {
		_, _, ok, err := pgwire.NextClient(header(tt.typ, tt.length), pgwire.MaxClientMessage)
		if (err != nil) != tt.bad || ok == tt.bad {
			t.Errorf("%s: ok %v, error %v", tt.name, ok, err)
		}
	}
}

// TestErrorsCarryNoBytes feeds decoders a canary that they have to refuse.
func TestErrorsCarryNoBytes(t *testing.T) {
	t.Parallel()
	canary := []byte("123-45-6789")
	for name, decode := range decoders() {
		err := decode(canary)
		if err == nil {
			t.Errorf("%s took the canary for a message", name)
			continue
		}
		var e *sallyport.Error
		if !errors.As(err, &e) || e.Kind != sallyport.Invalid || e.Hint == "" {
			t.Errorf("%s: %#v is no error with kind and hint", name, err)
		}
		for _, digits := range []string{"123", "6789"} {
			if contains(err.Error(), digits) {
				t.Errorf("%s: %q holds the canary", name, err)
			}
		}
	}
}

func TestSQLState(t *testing.T) {
	t.Parallel()
	want := map[sallyport.Kind]pgwire.State{
		sallyport.Internal: "XX000", sallyport.Invalid: "22023", sallyport.Unauthenticated: "28000",
		sallyport.Denied: "42501", sallyport.Held: "55000", sallyport.NotFound: "42704",
		sallyport.Conflict: "55006", sallyport.Exhausted: "53400", sallyport.Unavailable: "57P03",
		sallyport.Integrity: "XX001", 200: "XX000",
	}
	for kind, state := range want {
		if got := pgwire.SQLState(kind); got != state {
			t.Errorf("%v: %s, want %s", kind, got, state)
		}
	}
	e := sallyport.E(sallyport.Denied, "op", "no")
	if got := pgwire.StateOf(e); got != "42501" {
		t.Errorf("StateOf(%v) = %s", e, got)
	}
	if got := pgwire.StateOf(e.Because(pgwire.InvalidPassword)); got != "28P01" {
		t.Errorf("a state in the chain is not found: %s", got)
	}
	if got := pgwire.StateOf(errors.New("x")); got != "XX000" {
		t.Errorf("a foreign error is %s", got)
	}
}
