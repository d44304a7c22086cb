// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package postgres_test

import (
	"fmt"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5/pgtype"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/connector/postgres"
	"github.com/sallyport-dev/sallyport/internal/wire/pgwire"
)

// shown renders what was decoded, with NULL for nil.
func shown(r postgres.Replayed) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%q", r.Columns)
	for _, row := range r.Rows {
		for i, v := range row {
			b.WriteString([]string{"|", "\n"}[min(1, max(0, 1-i))])
			if v == nil {
				b.WriteString("NULL")
			} else {
				fmt.Fprintf(&b, "%q", *v)
			}
		}
	}
	fmt.Fprintf(&b, "\n%s;%s;%s;%v", r.Tag, r.Code, r.Message, r.Partial)
	return b.String()
}

func described(format int16, oids ...uint32) []byte {
	fields := make([]pgwire.Field, len(oids))
	for i, oid := range oids {
		fields[i] = pgwire.Field{Name: fmt.Appendf(nil, "c%d", i), TypeOID: oid, Format: format}
	}
	return pgwire.AppendRowDescription(nil, fields)
}

func copied(text ...string) (out []byte) {
	for _, s := range text {
		out = pgwire.AppendMessage(out, pgwire.ServerCopyData, []byte(s))
	}
	return out
}

func join(parts ...[]byte) (out []byte) {
	for _, p := range parts {
		out = append(out, p...)
	}
	return out
}

func TestReplay(t *testing.T) {
	t.Parallel()
	const text = pgtype.TextOID
	rows := pgwire.AppendDataRow(pgwire.AppendDataRow(nil, [][]byte{[]byte("1"), nil}), [][]byte{{}, []byte("b\xff")})
	tests := []struct {
		name   string
		stream []byte
		want   string
	}{
		{"nothing", nil, "[]\n;;;false"},
		{
			"rows, an empty value, a NULL, bytes that are no UTF-8",
			join(described(pgwire.FormatText, text, text), rows, pgwire.AppendCommandComplete(nil, "SELECT 2")),
			"[\"c0\" \"c1\"]\n\"1\"|NULL\n\"\"|\"b\uFFFD\"\nSELECT 2;;;false",
		},
		{"no rows", join(described(pgwire.FormatText, text), pgwire.AppendCommandComplete(nil, "SELECT 0")), "[\"c0\"]\nSELECT 0;;;false"},
		{"rows without a description", rows, "[]\n\"1\"|NULL\n\"\"|\"b\uFFFD\"\n;;;false"},
		{
			"an error after a row",
			join(described(pgwire.FormatText, text), pgwire.AppendDataRow(nil, [][]byte{[]byte("x")}),
				pgwire.AppendError(nil, pgwire.SeverityError, pgwire.QueryCanceled, "canceled", "", "")),
			"[\"c0\"]\n\"x\"\n;57014;canceled;false",
		},
		{
			"a COPY whose lines are spread over messages",
			join(copied("1\ta", "\n2\tb\n3", "\tc\r\n"), pgwire.AppendCommandComplete(nil, "COPY 3")),
			"[]\n\"1\\ta\"\n\"2\\tb\"\n\"3\\tc\"\nCOPY 3;;;false",
		},
		{"a COPY that was cut", copied("1\ta\n2"), "[]\n\"1\\ta\"\n\"2\"\n;;;false"},
		{"a COPY in the binary format", copied("PGCOPY\n\xff\r\n\x00..", "\n\n"), "[]\n\"\\\\x5047434f50590aff0d0a002e2e\"\n\"\\\\x0a0a\"\n;;;false"},
		{"a message that was cut", join(rows, []byte{'C', 0, 0, 0, 13, 'S'}), "[]\n\"1\"|NULL\n\"\"|\"b\uFFFD\"\n;;;true"},
		{"messages that show nothing", join(pgwire.AppendEmpty(nil, pgwire.ServerPortalSuspended), pgwire.AppendEmpty(nil, pgwire.ServerNoData)), "[]\n;;;false"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			// Where one frame ends and the next begins means nothing.
			for size := 1; size <= len(tt.stream)+1; size++ {
				var r postgres.Replayer
				for rest := tt.stream; len(rest) > 0; rest = rest[min(size, len(rest)):] {
					if err := r.DecodeFrame("pg.server", rest[:min(size, len(rest))]); err != nil {
						t.Fatalf("in frames of %d: %v", size, err)
					}
				}
				if diff := cmp.Diff(tt.want, shown(r.Result())); diff != "" {
					t.Fatalf("in frames of %d (-want +got):\n%s", size, diff)
				}
			}
		})
	}
}

// TestReplayBinary wants the text that PostgreSQL would have sent for values in
// the binary format.
func TestReplayBinary(t *testing.T) {
	t.Parallel()
	tests := []struct {
		oid   uint32
		value any
		want  string
	}{
		{pgtype.Int4OID, int32(-7), "-7"},
		{pgtype.Int8OID, int64(1) << 40, "1099511627776"},
		{pgtype.BoolOID, true, "t"},
		{pgtype.TextOID, "größer", "größer"},
		{pgtype.VarcharOID, "", ""},
		{pgtype.ByteaOID, []byte{1, 0xab}, `\x01ab`},
		{pgtype.DateOID, time.Date(1970, 1, 1, 0, 0, 0, 0, time.UTC), "1970-01-01"},
		{pgtype.TimestamptzOID, time.Date(2026, 1, 12, 9, 30, 0, 0, time.UTC), "2026-01-12 09:30:00Z"},
		{pgtype.UUIDOID, [16]byte{0: 0x0a, 15: 0xff}, "0a000000-0000-0000-0000-0000000000ff"},
		{pgtype.Float8OID, 0.25, "0.25"},
		{pgtype.NumericOID, pgtype.Numeric{Int: big.NewInt(12050), Exp: -2, Valid: true}, "120.50"},
		{pgtype.JSONBOID, map[string]any{"a": 1.0}, `{"a":1}`},
		{pgtype.Int4ArrayOID, []int32{1, 2}, "{1,2}"},
	}
	m := pgtype.NewMap()
	for _, tt := range tests {
		v, err := m.Encode(tt.oid, pgwire.FormatBinary, tt.value, []byte{})
		if err != nil {
			t.Fatalf("encode %T: %v", tt.value, err)
		}
		got := value(t, tt.oid, v)
		if got != tt.want {
			t.Errorf("type %d: got %q, want %q", tt.oid, got, tt.want)
		}
	}
	for name, v := range map[string]struct {
		oid         uint32
		bytes, want string
	}{
		"a type of the database":                         {99999, "ok", `\x6f6b`},
		"a value that is none":                           {pgtype.Int4OID, "ok", `\x6f6b`},
		"a numeric of 131,072 digits, which would swell": {pgtype.NumericOID, "\x00\x01\x7f\xff\x00\x00\x00\x00\x00\x01", `\x00017fff000000000001`},
		"an array that declares a thousand million elements": {
			pgtype.Int4ArrayOID, "\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x17\x3f\xff\xff\xff\x00\x00\x00\x01",
			`\x0000000100000000000000173fffffff00000001`,
		},
	} {
		if got := value(t, v.oid, []byte(v.bytes)); got != v.want {
			t.Errorf("%s: got %.60q", name, got)
		}
	}
}

// value returns how one binary value is shown.
func value(t *testing.T, oid uint32, v []byte) string {
	t.Helper()
	var r postgres.Replayer
	if err := r.DecodeFrame("pg.server", join(described(pgwire.FormatBinary, oid), pgwire.AppendDataRow(nil, [][]byte{v}))); err != nil {
		t.Fatal(err)
	}
	rows := r.Result().Rows
	if len(rows) != 1 || len(rows[0]) != 1 || rows[0][0] == nil {
		t.Fatalf("got %v", rows)
	}
	return *rows[0][0]
}

func TestReplayRefuses(t *testing.T) {
	t.Parallel()
	for name, stream := range map[string][]byte{
		"a length that is none":       {'D', 0, 0, 0, 1},
		"a row that ends too early":   pgwire.AppendMessage(nil, pgwire.ServerDataRow, []byte{0, 3}),
		"a description that does too": pgwire.AppendMessage(nil, pgwire.ServerRowDescription, []byte{0, 1, 'a'}),
		"an error that does too":      pgwire.AppendMessage(nil, pgwire.ServerErrorResponse, []byte{'C', 'x'}),
		"a completion without a zero": pgwire.AppendMessage(nil, pgwire.ServerCommandComplete, []byte("SELECT 1")),
	} {
		var r postgres.Replayer
		if err := r.DecodeFrame("pg.server", stream); err == nil || sallyport.KindOf(err) != sallyport.Integrity {
			t.Errorf("%s: got %v, want an error of kind integrity", name, err)
		}
		if err := new(postgres.Replayer).DecodeFrame("ssh.out", stream); err != nil {
			t.Errorf("%s, in a frame of another connector: %v", name, err)
		}
	}
}

func FuzzReplay(f *testing.F) {
	f.Add(uint32(pgtype.Int4OID), []byte{0, 0, 0, 1}, uint8(3))
	f.Add(uint32(pgtype.NumericOID), []byte{0, 1, 0, 0, 0, 0, 0, 0, 0, 1}, uint8(200))
	f.Add(uint32(pgtype.TextArrayOID), []byte("\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x19\x00\x00\x00\x01\x00\x00\x00\x01\x00\x00\x00\x01a"), uint8(5))
	f.Add(uint32(pgtype.InetOID), []byte{2, 32, 0, 4, 127, 0, 0, 1}, uint8(9))
	f.Fuzz(func(t *testing.T, oid uint32, data []byte, size uint8) {
		// The bytes as a value of a type, and as the messages themselves.
		streams := [][]byte{join(described(pgwire.FormatBinary, oid), pgwire.AppendDataRow(nil, [][]byte{data})), data}
		for i, stream := range streams {
			var whole, parts postgres.Replayer
			err := whole.DecodeFrame("pg.server", stream)
			if i == 0 && (err != nil || len(whole.Result().Rows) != 1) {
				t.Fatalf("a well-formed row: %v, %d rows", err, len(whole.Result().Rows))
			}
			if n := len(shown(whole.Result())); n > 4096+64*len(stream) {
				t.Fatalf("%d bytes unfold to %d", len(stream), n)
			}
			if err != nil || size == 0 {
				continue
			}
			for rest := stream; len(rest) > 0; rest = rest[min(int(size), len(rest)):] {
				if err := parts.DecodeFrame("pg.server", rest[:min(int(size), len(rest))]); err != nil {
					t.Fatalf("only in parts: %v", err)
				}
			}
			if a, b := shown(whole.Result()), shown(parts.Result()); a != b {
				t.Fatalf("frames matter:\n%s\n%s", a, b)
			}
		}
	})
}
