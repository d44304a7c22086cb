// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package pgwire_test

import (
	"bytes"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/sallyport-dev/sallyport/internal/wire/pgwire"
)

func contains(s, sub string) bool { return strings.Contains(s, sub) }

// decoders are all decoders of bodies, by name.
func decoders() map[string]func([]byte) error {
	drop := func(f any) func([]byte) error {
		return func(b []byte) (err error) {
			switch f := f.(type) {
			case func([]byte) ([]byte, error):
				_, err = f(b)
			case func([]byte) (pgwire.Parse, error):
				_, err = f(b)
			case func([]byte) (pgwire.Bind, error):
				_, err = f(b)
			case func([]byte) (pgwire.Target, error):
				_, err = f(b)
			case func([]byte) (pgwire.Execute, error):
				_, err = f(b)
			case func([]byte) (pgwire.FunctionCall, error):
				_, err = f(b)
			case func([]byte) (pgwire.SASLInitialResponse, error):
				_, err = f(b)
			case func([]byte) (pgwire.Values, error):
				_, err = f(b)
			case func([]byte) (pgwire.Diagnostic, error):
				_, err = f(b)
			case func([]byte) (pgwire.CancelKey, error):
				_, err = f(b)
			case func([]byte) (pgwire.CommandTag, error):
				_, err = f(b)
			case func([]byte) (pgwire.Notification, error):
				_, err = f(b)
			case func([]byte) (pgwire.CopyResponse, error):
				_, err = f(b)
			case func([]byte) (pgwire.OIDs, error):
				_, err = f(b)
			case func([]byte) (pgwire.Authentication, error):
				_, err = f(b)
			case func([]byte) (pgwire.Negotiation, error):
				_, err = f(b)
			case func([]byte) (pgwire.Startup, error):
				_, err = f(b)
			case func([]byte) (byte, error):
				_, err = f(b)
			case func([]byte) error:
				err = f(b)
			default:
				panic("a decoder's type is missing here")
			}
			return err
		}
	}
	return map[string]func([]byte) error{
		"Query": drop(pgwire.DecodeQuery), "Parse": drop(pgwire.DecodeParse), "Bind": drop(pgwire.DecodeBind),
		"Describe": drop(pgwire.DecodeDescribe), "Close": drop(pgwire.DecodeClose), "Execute": drop(pgwire.DecodeExecute),
		"CopyFail": drop(pgwire.DecodeCopyFail), "FunctionCall": drop(pgwire.DecodeFunctionCall),
		"Password": drop(pgwire.DecodePassword), "SASLInitialResponse": drop(pgwire.DecodeSASLInitialResponse),
		"RowDescription": func(b []byte) error { _, err := pgwire.DecodeRowDescription(b, nil); return err },
		"DataRow":        drop(pgwire.DecodeDataRow), "Diagnostic": drop(pgwire.DecodeDiagnostic),
		"ParameterStatus": func(b []byte) error { _, _, err := pgwire.DecodeParameterStatus(b); return err },
		// The canary of eleven bytes would be a key; a byte less than the least is not.
		"BackendKeyData": func(b []byte) error { _, err := pgwire.DecodeBackendKeyData(b[:min(7, len(b))]); return err },
		"ReadyForQuery":  drop(pgwire.DecodeReadyForQuery), "CommandComplete": drop(pgwire.DecodeCommandComplete),
		"Notification": drop(pgwire.DecodeNotification), "CopyResponse": drop(pgwire.DecodeCopyResponse),
		"ParameterDescription": drop(pgwire.DecodeParameterDescription), "FunctionCallResponse": drop(pgwire.DecodeFunctionCallResponse),
		"Authentication": func(b []byte) error {
			_, err := pgwire.DecodeAuthentication(append([]byte{0, 0, 0, 0}, b...))
			return err
		},
		"Negotiation": drop(pgwire.DecodeNegotiation), "Empty": drop(pgwire.DecodeEmpty), "Startup": drop(pgwire.DecodeStartup),
	}
}

// encoder is a message of the oracle.
type encoder interface {
	Encode(dst []byte) ([]byte, error)
}

func body(t testing.TB, m encoder) []byte {
	t.Helper()
	b, err := m.Encode(nil)
	if err != nil {
		t.Fatal(err)
	}
	return b[pgwire.HeaderLen:]
}

// TestEveryCutIsRefused cuts a valid body at every place and lengthens it: no
// decoder may take a part for the whole.
func TestEveryCutIsRefused(t *testing.T) {
	t.Parallel()
	whole := map[string]encoder{
		"Query":                &pgproto3.Query{String: "select 1"},
		"Parse":                &pgproto3.Parse{Name: "s", Query: "select $1", ParameterOIDs: []uint32{25, 0}},
		"Bind":                 &pgproto3.Bind{DestinationPortal: "p", PreparedStatement: "s", ParameterFormatCodes: []int16{1}, Parameters: [][]byte{[]byte("v"), nil}, ResultFormatCodes: []int16{0, 1}},
		"Describe":             &pgproto3.Describe{ObjectType: 'S', Name: "s"},
		"Close":                &pgproto3.Close{ObjectType: 'P', Name: "p"},
		"Execute":              &pgproto3.Execute{Portal: "p", MaxRows: 3},
		"CopyFail":             &pgproto3.CopyFail{Message: "no"},
		"FunctionCall":         &pgproto3.FunctionCall{Function: 42, ArgFormatCodes: []uint16{1}, Arguments: [][]byte{[]byte("a")}, ResultFormatCode: 1},
		"Password":             &pgproto3.PasswordMessage{Password: "synthetic"},
		"SASLInitialResponse":  &pgproto3.SASLInitialResponse{AuthMechanism: "M", Data: []byte("d")},
		"RowDescription":       &pgproto3.RowDescription{Fields: []pgproto3.FieldDescription{{Name: []byte("c"), DataTypeOID: 25}}},
		"DataRow":              &pgproto3.DataRow{Values: [][]byte{[]byte("x"), nil, {}}},
		"Diagnostic":           &pgproto3.ErrorResponse{Severity: "ERROR", Code: "42501", Message: "no"},
		"ParameterStatus":      &pgproto3.ParameterStatus{Name: "a", Value: "b"},
		"ReadyForQuery":        &pgproto3.ReadyForQuery{TxStatus: 'T'},
		"CommandComplete":      &pgproto3.CommandComplete{CommandTag: []byte("SELECT 1")},
		"Notification":         &pgproto3.NotificationResponse{PID: 1, Channel: "c", Payload: "p"},
		"CopyResponse":         &pgproto3.CopyOutResponse{OverallFormat: 1, ColumnFormatCodes: []uint16{1, 1}},
		"ParameterDescription": &pgproto3.ParameterDescription{ParameterOIDs: []uint32{23}},
		"FunctionCallResponse": &pgproto3.FunctionCallResponse{Result: []byte("r")},
		"Negotiation":          &pgproto3.NegotiateProtocolVersion{NewestMinorProtocol: pgwire.Version32, UnrecognizedOptions: []string{"_pq_.x"}},
	}
	all := decoders()
	for name, m := range whole {
		decode, b := all[name], body(t, m)
		if err := decode(b); err != nil {
			t.Errorf("%s: the whole is refused: %v", name, err)
		}
		for i := range b {
			if decode(b[:i:i]) == nil {
				t.Errorf("%s: cut at %d of %d is taken", name, i, len(b))
			}
		}
		if decode(append(bytes.Clone(b), 0)) == nil {
			t.Errorf("%s: a byte too many is taken", name)
		}
	}
}

func TestDecodeRefuses(t *testing.T) {
	t.Parallel()
	all := decoders()
	tests := []struct{ name, decoder, body string }{
		{"bind: two formats for three parameters", "Bind", "\x00\x00\x00\x02\x00\x00\x00\x00\x00\x03\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x00\x00"},
		{"bind: format 2", "Bind", "\x00\x00\x00\x01\x00\x02\x00\x00\x00\x00"},
		{"bind: parameter of length -2", "Bind", "\x00\x00\x00\x00\x00\x01\xff\xff\xff\xfe\x00\x00"},
		{"bind: 65535 parameters in nothing", "Bind", "\x00\x00\x00\x00\xff\xff"},
		{"bind: parameter of 2 GB", "Bind", "\x00\x00\x00\x00\x00\x01\x7f\xff\xff\xff\x00\x00"},
		{"parse: 65535 types in nothing", "Parse", "\x00\x00\xff\xff"},
		{"describe: neither statement nor portal", "Describe", "Xs\x00"},
		{"row description: 65535 columns", "RowDescription", "\xff\xff"},
		{"row description: 1665 columns", "RowDescription", "\x06\x81" + strings.Repeat("\x00"+strings.Repeat("\x00", 18), 1665)},
		{"row description: format 7", "RowDescription", "\x00\x01a\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x07"},
		{"data row: 1665 columns", "DataRow", "\x06\x81" + strings.Repeat("\xff\xff\xff\xff", 1665)},
		{"ready: state X", "ReadyForQuery", "X"},
		{"error: no end", "Diagnostic", "Mtext\x00"},
		{"error: fields behind the end", "Diagnostic", "Mtext\x00\x00Dmore\x00\x00"},
		{"parameter status: two zero bytes", "ParameterStatus", "a\x00b\x00\x00"},
		{"copy: format 2", "CopyResponse", "\x02\x00\x00"},
		{"negotiate: more names than bytes", "Negotiation", "\x00\x03\x00\x02\xff\xff\xff\xff"},
	}
	for _, tt := range tests {
		err := all[tt.decoder]([]byte(tt.body))
		if err == nil {
			t.Errorf("%s is taken", tt.name)
		} else if pgwire.StateOf(err) != pgwire.ProtocolViolation {
			t.Errorf("%s: SQLSTATE %s", tt.name, pgwire.StateOf(err))
		}
	}
	for _, b := range []string{"\x00\x00\x00\x05abc", "\x00\x00\x00\x0aSCRAM", "\x00\x00\x00\x0aA\x00\x00x", "\x00\x00\x00\x03x"} {
		if _, err := pgwire.DecodeAuthentication([]byte(b)); err == nil {
			t.Errorf("authentication %q is taken", b)
		}
	}
}

func TestViewsCannotGrowIntoTheBuffer(t *testing.T) {
	t.Parallel()
	b := body(t, &pgproto3.Bind{DestinationPortal: "p", PreparedStatement: "s", Parameters: [][]byte{[]byte("v"), {}}})
	before := bytes.Clone(b)
	m, err := pgwire.DecodeBind(b)
	if err != nil {
		t.Fatal(err)
	}
	for _, view := range append([][]byte{m.Portal, m.Statement}, m.Params.Append(nil)...) {
		_ = append(view, 'X')
	}
	if diff := cmp.Diff(before, b); diff != "" {
		t.Errorf("appending to a view changed the buffer:\n%s", diff)
	}
}

func TestFormatsFor(t *testing.T) {
	t.Parallel()
	tests := []struct {
		codes []int16
		want  [3]int16
	}{
		{nil, [3]int16{0, 0, 0}},
		{[]int16{1}, [3]int16{1, 1, 1}},
		{[]int16{0, 1, 0}, [3]int16{0, 1, 0}},
		{[]int16{0, 0}, [3]int16{0, 0, 1}}, // beyond the codes nothing is known
	}
	for _, tt := range tests {
		m, err := pgwire.DecodeBind(body(t, &pgproto3.Bind{ResultFormatCodes: tt.codes}))
		if err != nil {
			t.Fatal(err)
		}
		for i, want := range tt.want {
			if got := m.ResultFormats.For(i); got != want {
				t.Errorf("%v: value %d has format %d, want %d", tt.codes, i, got, want)
			}
		}
	}
}

func TestCommandTagRows(t *testing.T) {
	t.Parallel()
	tests := []struct {
		tag  string
		rows int64
		ok   bool
	}{
		{"SELECT 5", 5, true},
		{"INSERT 0 12", 12, true},
		{"COPY 0", 0, true},
		{"MERGE 3", 3, true},
		{"SELECT 9223372036854775807", math.MaxInt64, true},
		{"SELECT 9223372036854775808", 0, false},
		{"BEGIN", 0, false},
		{"", 0, false},
		{"5", 0, false},
		{"SELECT ", 0, false},
		{"SELECT x5", 0, false},
	}
	for _, tt := range tests {
		if rows, ok := pgwire.CommandTag(tt.tag).Rows(); rows != tt.rows || ok != tt.ok {
			t.Errorf("%q: %d, %v", tt.tag, rows, ok)
		}
	}
}

// TestHotPathsDoNotAllocate pins the decoders that run for every statement and
// the builders into a slice with room.
func TestHotPathsDoNotAllocate(t *testing.T) {
	query := body(t, &pgproto3.Query{String: "select 1"})
	parse := body(t, &pgproto3.Parse{Query: "select $1", ParameterOIDs: []uint32{25}})
	bind := body(t, &pgproto3.Bind{Parameters: [][]byte{[]byte("v"), nil}, ResultFormatCodes: []int16{1}})
	row := body(t, &pgproto3.DataRow{Values: [][]byte{[]byte("x"), nil}})
	desc := body(t, &pgproto3.RowDescription{Fields: []pgproto3.FieldDescription{{Name: []byte("c")}, {Name: []byte("d")}}})
	diag := body(t, &pgproto3.ErrorResponse{Severity: "ERROR", Code: "42501"})
	fields := make([]pgwire.Field, 0, 8)
	values := make([][]byte, 0, 8)
	out := make([]byte, 0, 1024)
	var sum int
	got := testing.AllocsPerRun(100, func() {
		_, total, _, _ := pgwire.NextClient([]byte("S\x00\x00\x00\x04"), 100)
		q, _ := pgwire.DecodeQuery(query)
		p, _ := pgwire.DecodeParse(parse)
		b, _ := pgwire.DecodeBind(bind)
		r, _ := pgwire.DecodeDataRow(row)
		f, _ := pgwire.DecodeRowDescription(desc, fields[:0])
		d, _ := pgwire.DecodeDiagnostic(diag)
		for i, v := range b.Params.All() {
			sum += i + len(v)
		}
		v := r.Append(values[:0])
		o := pgwire.AppendDataRow(out[:0], v)
		o, _ = pgwire.AppendParse(o, "", q, nil)
		o = pgwire.AppendReadyForQuery(o, pgwire.TxIdle)
		sum += total + len(p.Text) + len(f) + len(d.Get('C')) + len(o)
	})
	if got != 0 {
		t.Errorf("%v allocations per statement", got)
	}
}
