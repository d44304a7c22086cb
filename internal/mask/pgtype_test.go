// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package mask_test

import (
	"fmt"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"
	"github.com/jackc/pgx/v5/pgtype"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/mask"
	"github.com/sallyport-dev/sallyport/test/pgtest"
)

// maskedType is a column's type, a value of it, and the text form of the mask.
type maskedType struct{ typ, value, want string }

// maskedTypes lists every type that has a mask other than NULL. The masks are
// written here by themselves, as the server prints them.
func maskedTypes() []maskedType {
	scalars := []maskedType{
		{"text", "'x'", "[phi.test]"},
		{"varchar", "'x'", "[phi.test]"},
		{"varchar(4)", "'x'", "[phi"},
		{"bpchar", "'x'", "[phi.test]"},
		{"name", "'x'", "[phi.test]"},
		{`"char"`, "'x'", "*"},
		{"int2", "7", "0"},
		{"int4", "7", "0"},
		{"int8", "7", "0"},
		{"oid", "7", "0"},
		{"numeric", "7.25", "0"},
		{"numeric(10,2)", "7.25", "0"},
		{"float4", "7.5", "0"},
		{"float8", "7.5", "0"},
		{"bool", "true", "f"},
		{"date", "'1974-12-25'", "1970-01-01"},
		{"time", "'14:35:45'", "00:00:00"},
		{"timetz", "'14:35:45+01'", "00:00:00+00"},
		{"timestamp", "'1974-12-25 14:35:45'", "1970-01-01 00:00:00"},
		{"timestamptz", "'1974-12-25 14:35:45+01'", "1970-01-01 00:00:00+00"},
		{"interval", "'3 days'", "00:00:00"},
		{"uuid", "'7d444840-9dc0-11d1-b245-5ffdce74fad2'", "00000000-0000-0000-0000-000000000000"},
		{"json", `'{"a":1}'`, "null"},
		{"jsonb", `'{"a":1}'`, "null"},
		{"bytea", `'\x01'`, `\x`},
		{"money", "7", "$0.00"},
		{"inet", "'10.1.2.3'", "0.0.0.0"},
		{"cidr", "'10.1.2.0/24'", "0.0.0.0/32"},
		{"macaddr", "'08:00:2b:01:02:03'", "00:00:00:00:00:00"},
		{"macaddr8", "'08:00:2b:01:02:03:04:05'", "00:00:00:00:00:00:00:00"},
	}
	all := append([]maskedType(nil), scalars...)
	for _, s := range scalars {
		all = append(all, maskedType{s.typ + "[]", fmt.Sprintf("array[%s::%s]", s.value, s.typ), "{}"})
	}
	return append(all, maskedType{"int4[]", "array[[1,2],[3,4]]", "{}"})
}

// describe turns what RowDescription says into a masked column.
func describe(fd pgconn.FieldDescription) mask.PGColumn {
	return mask.PGColumn{
		TypeOID: fd.DataTypeOID, Typmod: fd.TypeModifier, Binary: fd.Format == 1,
		Mask: true, Labels: []sallyport.Label{"phi.test"}, Reason: "label",
	}
}

// maskOne runs a query of one value on a real server in the given format and
// masks the answer.
func maskOne(t *testing.T, conn *pgconn.PgConn, sql string, format int16) (oid uint32, value []byte, counts []mask.Count) {
	t.Helper()
	res := conn.ExecParams(t.Context(), sql, nil, nil, nil, []int16{format}).Read()
	if res.Err != nil {
		t.Fatalf("%s: %v", sql, res.Err)
	}
	row, err := (&pgproto3.DataRow{Values: res.Rows[0]}).Encode(nil)
	if err != nil {
		t.Fatal(err)
	}
	plan := mask.NewPGPlan([]mask.PGColumn{describe(res.FieldDescriptions[0])}, "test")
	var buf mask.Buffer
	if err := buf.Rows(plan, mask.FromUpstream(row)); err != nil {
		t.Fatal(err)
	}
	var out pgproto3.DataRow
	if err := out.Decode(bytesOf(t, buf.Take())[5:]); err != nil {
		t.Fatal(err)
	}
	return res.FieldDescriptions[0].DataTypeOID, out.Values[0], plan.TakeCounts()
}

// checkType proves that a masked value is a value of its type: pgx decodes it,
// and the server takes it back and prints the expected mask.
func checkType(t *testing.T, conn *pgconn.PgConn, types *pgtype.Map, mt maskedType, format int16) {
	t.Helper()
	sql := fmt.Sprintf("select (%s)::%s", mt.value, mt.typ)
	oid, value, _ := maskOne(t, conn, sql, format)
	if value == nil {
		t.Fatalf("the mask is NULL")
	}
	if typ, ok := types.TypeForOID(oid); ok {
		if _, err := typ.Codec.DecodeValue(types, oid, format, value); err != nil {
			t.Errorf("pgx does not decode %q: %v", value, err)
		}
	} else if !unknownToPgx(mt.typ) {
		t.Errorf("pgx has no type for OID %d", oid)
	}
	res := conn.ExecParams(t.Context(), "select $1", [][]byte{value}, []uint32{oid}, []int16{format}, []int16{0}).Read()
	if res.Err != nil {
		t.Fatalf("the server does not take %q: %v", value, res.Err)
	}
	if got := string(res.Rows[0][0]); got != mt.want {
		t.Errorf("the server prints %q, want %q", got, mt.want)
	}
	if format == 0 && string(value) != mt.want {
		t.Errorf("the mask is %q, want %q", value, mt.want)
	}
}

// unknownToPgx names the types that pgx has no codec for, so that nobody takes
// its silence for a proof.
func unknownToPgx(typ string) bool {
	switch typ {
	case "money", "money[]", "timetz", "timetz[]", "macaddr8[]":
		return true
	}
	return false
}

func TestMasksAreValuesOfTheirType(t *testing.T) {
	t.Parallel()
	for _, major := range []int{pgtest.Oldest, 15, pgtest.Newest} {
		t.Run(fmt.Sprint(major), func(t *testing.T) {
			t.Parallel()
			srv := pgtest.Shared(t, major)
			conn := srv.Connect(t, "postgres")
			if _, err := conn.Exec(t.Context(), "set timezone = 'UTC'"); err != nil {
				t.Fatal(err)
			}
			for _, mt := range maskedTypes() {
				for _, format := range []int16{0, 1} {
					t.Run(fmt.Sprintf("%s/%d", mt.typ, format), func(t *testing.T) {
						checkType(t, conn.PgConn(), conn.TypeMap(), mt, format)
					})
				}
			}
		})
	}
}

// TestMaskXML is apart: a server may have been built without XML.
func TestMaskXML(t *testing.T) {
	t.Parallel()
	conn := pgtest.Shared(t, 15).Connect(t, "postgres")
	for _, mt := range []maskedType{{"xml", "'<a/>'", "<masked/>"}, {"xml[]", "array['<a/>'::xml]", "{}"}} {
		for _, format := range []int16{0, 1} {
			t.Run(fmt.Sprintf("%s/%d", mt.typ, format), func(t *testing.T) {
				checkType(t, conn.PgConn(), conn.TypeMap(), mt, format)
				_, value, _ := maskOne(t, conn.PgConn(), fmt.Sprintf("select (%s)::%s", mt.value, mt.typ), 0)
				if mt.typ == "xml" {
					var doc bool
					if err := conn.QueryRow(t.Context(), "select $1::text::xml is document", string(value)).Scan(&doc); err != nil || !doc {
						t.Errorf("the mask is not a document: %v", err)
					}
				}
			})
		}
	}
}

// TestUnknownTypesBecomeNull covers types that nobody gave a mask: enums,
// composites, ranges, geometry, and whatever an extension brings.
func TestUnknownTypesBecomeNull(t *testing.T) {
	t.Parallel()
	srv := pgtest.Shared(t, 15)
	db := srv.NewDatabase(t, `create type mood as enum ('low', '`+canary+`');
		create type pair as (a int, b text);
		create domain ssn as text check (value like '___-__-____');`)
	conn := srv.Connect(t, db)
	for _, sql := range []string{
		"'" + canary + "'::mood", "array['" + canary + "'::mood]", "row(1, '" + canary + "')::pair", "row(1, '" + canary + "')",
		"int4range(1, 9)", "point(1, 2)", "B'101'", "tsvector '" + canary + "'", "'pg_class'::regclass", "'(1,2)'::tid",
	} {
		for _, format := range []int16{0, 1} {
			_, value, counts := maskOne(t, conn.PgConn(), "select "+sql, format)
			if value != nil || len(counts) != 1 || counts[0].Operator != mask.OpNull || counts[0].Masked != 1 {
				t.Errorf("%s in format %d becomes %q, %+v", sql, format, value, counts)
			}
		}
	}
	// A domain is described by its base type.
	if _, value, _ := maskOne(t, conn.PgConn(), "select '"+canary+"'::ssn", 0); string(value) != "[phi.test]" {
		t.Errorf("a domain over text becomes %q", value)
	}
}

// TestNullsStay proves that the NULL of every type passes and is counted so.
func TestNullsStay(t *testing.T) {
	t.Parallel()
	conn := pgtest.Shared(t, 15).Connect(t, "postgres")
	for _, mt := range maskedTypes() {
		for _, format := range []int16{0, 1} {
			_, value, counts := maskOne(t, conn.PgConn(), "select null::"+mt.typ, format)
			if value != nil || len(counts) != 1 || counts[0].Nulls != 1 || counts[0].Masked != 0 {
				t.Errorf("%s in format %d: NULL becomes %q, %+v", mt.typ, format, value, counts)
			}
		}
	}
}
