// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package pgwire_test

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/sallyport-dev/sallyport/internal/wire/pgwire"
)

// TestBuildersAgreeWithOracle compares every builder with pgproto3's encoding
// of the same message, byte for byte.
func TestBuildersAgreeWithOracle(t *testing.T) {
	t.Parallel()
	must := func(b []byte, err error) []byte {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	fields := []pgwire.Field{{Name: []byte("a"), TableOID: 16384, Attnum: 3, TypeOID: 25, TypeSize: -1, TypeMod: -1, Format: 1}, {}}
	tests := []struct {
		name string
		ours []byte
		want encoder
	}{
		{"Query", pgwire.AppendQuery(nil, "select 1"), &pgproto3.Query{String: "select 1"}},
		{"Parse", must(pgwire.AppendParse(nil, "s", "select $1", []uint32{25})), &pgproto3.Parse{Name: "s", Query: "select $1", ParameterOIDs: []uint32{25}}},
		{
			"Bind", must(pgwire.AppendBind(nil, "p", "s", []int16{1}, [][]byte{nil, {}, []byte("v")}, []int16{0, 1})),
			&pgproto3.Bind{DestinationPortal: "p", PreparedStatement: "s", ParameterFormatCodes: []int16{1}, Parameters: [][]byte{nil, {}, []byte("v")}, ResultFormatCodes: []int16{0, 1}},
		},
		{"Describe", pgwire.AppendDescribe(nil, 'S', "s"), &pgproto3.Describe{ObjectType: 'S', Name: "s"}},
		{"Close", pgwire.AppendClose(nil, 'P', []byte("p")), &pgproto3.Close{ObjectType: 'P', Name: "p"}},
		{"Execute", pgwire.AppendExecute(nil, "p", 9), &pgproto3.Execute{Portal: "p", MaxRows: 9}},
		{"Sync", pgwire.AppendSync(nil), &pgproto3.Sync{}},
		{"Flush", pgwire.AppendFlush(nil), &pgproto3.Flush{}},
		{"Terminate", pgwire.AppendTerminate(nil), &pgproto3.Terminate{}},
		{"CopyDone", pgwire.AppendEmpty(nil, pgwire.ClientCopyDone), &pgproto3.CopyDone{}},
		{"CopyFail", pgwire.AppendCopyFail(nil, "no"), &pgproto3.CopyFail{Message: "no"}},
		{"CopyData", pgwire.AppendMessage(nil, pgwire.ServerCopyData, []byte("a\tb\n")), &pgproto3.CopyData{Data: []byte("a\tb\n")}},
		{"Password", pgwire.AppendPassword(nil, "synthetic"), &pgproto3.PasswordMessage{Password: "synthetic"}},
		{"CancelRequest", pgwire.AppendCancelRequest(nil, pgwire.CancelKey{PID: 7, Secret: []byte("12345678")}), &pgproto3.CancelRequest{ProcessID: 7, SecretKey: []byte("12345678")}},
		{"SSLRequest", pgwire.AppendSSLRequest(nil), &pgproto3.SSLRequest{}},
		{"GSSENCRequest", pgwire.AppendGSSENCRequest(nil), &pgproto3.GSSEncRequest{}},
		{"Startup", pgwire.AppendStartup(nil, pgwire.Version30, "user", "u"), &pgproto3.StartupMessage{ProtocolVersion: pgproto3.ProtocolVersion30, Parameters: map[string]string{"user": "u"}}},

		{
			"ErrorResponse", pgwire.AppendError(nil, pgwire.SeverityFatal, "28000", "m", "d", "h"),
			&pgproto3.ErrorResponse{Severity: "FATAL", SeverityUnlocalized: "FATAL", Code: "28000", Message: "m", Detail: "d", Hint: "h"},
		},
		{
			"NoticeResponse", pgwire.AppendNotice(nil, pgwire.SeverityNotice, "00000", "m", "", ""),
			&pgproto3.NoticeResponse{Severity: "NOTICE", SeverityUnlocalized: "NOTICE", Code: "00000", Message: "m"},
		},
		{"ReadyForQuery", pgwire.AppendReadyForQuery(nil, 'E'), &pgproto3.ReadyForQuery{TxStatus: 'E'}},
		{"ParameterStatus", pgwire.AppendParameterStatus(nil, "n", "v"), &pgproto3.ParameterStatus{Name: "n", Value: "v"}},
		{"BackendKeyData", pgwire.AppendBackendKeyData(nil, pgwire.CancelKey{PID: 7, Secret: []byte("1234")}), &pgproto3.BackendKeyData{ProcessID: 7, SecretKey: []byte("1234")}},
		{"AuthenticationOk", pgwire.AppendAuthOK(nil), &pgproto3.AuthenticationOk{}},
		{"AuthenticationCleartextPassword", pgwire.AppendAuthCleartext(nil), &pgproto3.AuthenticationCleartextPassword{}},
		{"AuthenticationSASL", pgwire.AppendAuthSASL(nil, "A", "B"), &pgproto3.AuthenticationSASL{AuthMechanisms: []string{"A", "B"}}},
		{
			"NegotiateProtocolVersion", pgwire.AppendNegotiateProtocolVersion(nil, pgwire.Version32, []string{"_pq_.x"}),
			&pgproto3.NegotiateProtocolVersion{NewestMinorProtocol: pgwire.Version32, UnrecognizedOptions: []string{"_pq_.x"}},
		},
		{"CommandComplete", pgwire.AppendCommandComplete(nil, "SELECT 1"), &pgproto3.CommandComplete{CommandTag: []byte("SELECT 1")}},
		{"RowDescription", pgwire.AppendRowDescription(nil, fields), &pgproto3.RowDescription{Fields: []pgproto3.FieldDescription{
			{Name: []byte("a"), TableOID: 16384, TableAttributeNumber: 3, DataTypeOID: 25, DataTypeSize: -1, TypeModifier: -1, Format: 1}, {},
		}}},
		{"DataRow", pgwire.AppendDataRow(nil, [][]byte{nil, {}, []byte("v")}), &pgproto3.DataRow{Values: [][]byte{nil, {}, []byte("v")}}},
		{"ParameterDescription", pgwire.AppendParameterDescription(nil, []uint32{23, 25}), &pgproto3.ParameterDescription{ParameterOIDs: []uint32{23, 25}}},
		{"NotificationResponse", pgwire.AppendNotification(nil, 7, "c", "p"), &pgproto3.NotificationResponse{PID: 7, Channel: "c", Payload: "p"}},
		{"CopyInResponse", pgwire.AppendCopyResponse(nil, pgwire.ServerCopyInResponse, 1, []int16{1, 1}), &pgproto3.CopyInResponse{OverallFormat: 1, ColumnFormatCodes: []uint16{1, 1}}},
	}
	for _, tt := range tests {
		want, err := tt.want.Encode(nil)
		if err != nil {
			t.Fatalf("%s: %v", tt.name, err)
		}
		if diff := cmp.Diff(want, tt.ours); diff != "" {
			t.Errorf("%s (-oracle +ours):\n%s", tt.name, diff)
		}
	}
}

// TestBuildersLeaveDstAlone checks that builders append.
func TestBuildersLeaveDstAlone(t *testing.T) {
	t.Parallel()
	dst := pgwire.AppendSync([]byte("before"))
	dst = pgwire.AppendQuery(dst, "x")
	if want := "beforeS\x00\x00\x00\x04Q\x00\x00\x00\x06x\x00"; string(dst) != want {
		t.Errorf("%q, want %q", dst, want)
	}
	if _, err := pgwire.AppendParse([]byte("x"), "", "", make([]uint32, 1<<16)); err == nil {
		t.Error("65536 parameter types fit into 16 bits")
	}
	if _, err := pgwire.AppendBind([]byte("x"), "", "", nil, make([][]byte, 1<<16), nil); err == nil {
		t.Error("65536 parameters fit into 16 bits")
	}
}

// TestStringsEndAtZero is the builders' side of the zero byte: a name that
// holds one cannot open fields of its own.
func TestStringsEndAtZero(t *testing.T) {
	t.Parallel()
	b := pgwire.AppendError(nil, pgwire.SeverityError, "42501", "no\x00Hforged\x00", "", "")
	d, err := pgwire.DecodeDiagnostic(b[pgwire.HeaderLen:])
	if err != nil {
		t.Fatal(err)
	}
	if got := string(d.Get('M')); got != "no" || d.Get('H') != nil {
		t.Errorf("message %q, hint %q", got, d.Get('H'))
	}
}

func TestDiagnosticFields(t *testing.T) {
	t.Parallel()
	in := body(t, &pgproto3.ErrorResponse{
		Severity: "ERROR", SeverityUnlocalized: "ERROR", Code: "23505",
		Message: "duplicate key", Detail: "Key (ssn)=(synthetic) already exists.", ConstraintName: "patients_ssn_key",
	})
	d, err := pgwire.DecodeDiagnostic(in)
	if err != nil {
		t.Fatal(err)
	}
	out := pgwire.AppendDiagnosticFields(nil, pgwire.ServerErrorResponse, d, func(code byte, value []byte) ([]byte, bool) {
		switch code {
		case pgwire.FieldMessage:
			return []byte("unique violation"), true
		case pgwire.FieldDetail:
			return nil, false
		}
		return value, true
	})
	got, err := pgwire.DecodeDiagnostic(out[pgwire.HeaderLen:])
	if err != nil {
		t.Fatal(err)
	}
	var codes []byte
	for code := range got.All() {
		codes = append(codes, code)
	}
	if string(codes) != "SVCMn" || string(got.Get('M')) != "unique violation" {
		t.Errorf("fields %q, message %q", codes, got.Get('M'))
	}
}

// TestServerDecodersAgreeWithOracle reads what the oracle wrote.
func TestServerDecodersAgreeWithOracle(t *testing.T) {
	t.Parallel()
	n, err := pgwire.DecodeNegotiation(body(t, &pgproto3.NegotiateProtocolVersion{NewestMinorProtocol: 2, UnrecognizedOptions: []string{"_pq_.a", "_pq_.b"}}))
	if err != nil || n.Version != 2 || !n.Unknown.Has("_pq_.b") || n.Unknown.Has("_pq_.c") {
		t.Errorf("negotiation %+v, %v", n, err)
	}
	a, err := pgwire.DecodeAuthentication(body(t, &pgproto3.AuthenticationSASL{AuthMechanisms: []string{"SCRAM-SHA-256", "OAUTHBEARER"}}))
	if err != nil || a.Code != pgwire.AuthSASL || !a.Mechanisms().Has("OAUTHBEARER") || a.Mechanisms().Has("PLAIN") {
		t.Errorf("authentication %+v, %v", a, err)
	}
	md5, err := pgwire.DecodeAuthentication(body(t, &pgproto3.AuthenticationMD5Password{Salt: [4]byte{1, 2, 3, 4}}))
	if err != nil || !slices.Equal(md5.Data, []byte{1, 2, 3, 4}) || md5.Mechanisms().Has("") {
		t.Errorf("authentication %+v, %v", md5, err)
	}
	key, err := pgwire.DecodeBackendKeyData(body(t, &pgproto3.BackendKeyData{ProcessID: 5, SecretKey: make([]byte, 256)}))
	if err != nil || key.PID != 5 || len(key.Secret) != 256 {
		t.Errorf("key %+v, %v", key, err)
	}
	for _, size := range []int{0, 3, 257} {
		if _, err := pgwire.DecodeBackendKeyData(make([]byte, 4+size)); err == nil {
			t.Errorf("a key of %d bytes is taken", size)
		}
	}
	c, err := pgwire.DecodeCopyResponse(body(t, &pgproto3.CopyOutResponse{OverallFormat: 1, ColumnFormatCodes: []uint16{1, 0}}))
	if err != nil || c.Format != 1 || c.Columns.Len() != 2 || c.Columns.At(0) != 1 {
		t.Errorf("copy %+v, %v", c, err)
	}
	f, err := pgwire.DecodeFunctionCall(body(t, &pgproto3.FunctionCall{Function: 764, ArgFormatCodes: []uint16{1}, Arguments: [][]byte{[]byte("abcd"), nil}, ResultFormatCode: 1}))
	if err != nil || f.OID != 764 || f.Args.Len() != 2 || f.Args.Size() != 4 || f.ResultFormat != 1 {
		t.Errorf("function call %+v, %v", f, err)
	}
	s, err := pgwire.DecodeSASLInitialResponse(body(t, &pgproto3.SASLInitialResponse{AuthMechanism: "OAUTHBEARER"}))
	if err != nil || string(s.Mechanism) != "OAUTHBEARER" || len(s.Data) != 0 {
		t.Errorf("SASL %+v, %v", s, err)
	}
	name, value, err := pgwire.DecodeParameterStatus(body(t, &pgproto3.ParameterStatus{Name: "n", Value: "v"}))
	if err != nil || string(name) != "n" || string(value) != "v" {
		t.Errorf("parameter status %q %q %v", name, value, err)
	}
	no, err := pgwire.DecodeNotification(body(t, &pgproto3.NotificationResponse{PID: 3, Channel: "c", Payload: "p"}))
	if err != nil || no.PID != 3 || string(no.Channel) != "c" || string(no.Payload) != "p" {
		t.Errorf("notification %+v, %v", no, err)
	}
	o, err := pgwire.DecodeParameterDescription(body(t, &pgproto3.ParameterDescription{ParameterOIDs: []uint32{23, 25}}))
	if err != nil || o.Len() != 2 || o.At(1) != 25 {
		t.Errorf("parameter description %+v, %v", o, err)
	}
	v, err := pgwire.DecodeFunctionCallResponse(body(t, &pgproto3.FunctionCallResponse{Result: nil}))
	if err != nil || v != nil {
		t.Errorf("function result %q, %v", v, err)
	}
}
