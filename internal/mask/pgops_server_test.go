// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package mask_test

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/sallyport-dev/sallyport/internal/mask"
	"github.com/sallyport-dev/sallyport/internal/mask/operator"
	"github.com/sallyport-dev/sallyport/test/pgtest"
)

// sampleTypes are the types of typeSamples and their arrays, in order. xml is left
// out where the server was built without it.
func sampleTypes(t *testing.T, conn *pgx.Conn) []string {
	t.Helper()
	var types []string
	_, err := conn.Exec(t.Context(), "select '<a/>'::xml")
	for _, typ := range slices.Sorted(maps.Keys(typeSamples())) {
		if typ != "xml" || err == nil {
			types = append(types, typ, typ+"[]")
		}
	}
	return types
}

// samples returns the values of a type, arrays included, as SQL.
func samples(typ string) []string {
	elem, array := strings.CutSuffix(typ, "[]")
	values := typeSamples()[elem]
	if !array {
		return values
	}
	list := strings.Join(values, ", ")
	return []string{
		"'{}'",
		"array[" + list + ", null]",
		fmt.Sprintf("array[[%s, null], [null, %[1]s]]", values[0]),
		fmt.Sprintf("array_fill((%s)::%s, array[2], array[-1])", values[0], elem),
	}
}

// matrix is a table on a server with a column for each type and a row for each
// value, and its columns as the server describes them.
type matrix struct {
	conn   *pgx.Conn
	types  []string
	fields []pgconn.FieldDescription
	rows   map[int16][][][]byte // by format
}

func newMatrix(t *testing.T, major int) *matrix {
	t.Helper()
	m := &matrix{conn: pgtest.Shared(t, major).Connect(t, "postgres"), rows: make(map[int16][][][]byte)}
	m.types = sampleTypes(t, m.conn)
	longest := 0
	var columns []string
	for i, typ := range m.types {
		columns = append(columns, fmt.Sprintf("c%d %s", i, typ))
		longest = max(longest, len(samples(typ)))
	}
	exec := func(sql string) {
		t.Helper()
		if _, err := m.conn.Exec(t.Context(), sql); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	}
	exec("set timezone = 'UTC'")
	exec("create temp table src (n int, " + strings.Join(columns, ", ") + ")")
	exec("create temp table dst (like src)")
	for n := range longest + 1 { // the last row is all NULL
		var values []string
		for _, typ := range m.types {
			v := "null"
			if s := samples(typ); n < len(s) {
				v = "(" + s[n] + ")::" + typ
			}
			values = append(values, v)
		}
		exec(fmt.Sprintf("insert into src values (%d, %s)", n, strings.Join(values, ", ")))
	}
	for _, format := range []int16{0, 1} {
		res := m.conn.PgConn().ExecParams(t.Context(), "select * from src order by n", nil, nil, nil, []int16{format}).Read()
		if res.Err != nil {
			t.Fatal(res.Err)
		}
		m.fields, m.rows[format] = res.FieldDescriptions, res.Rows
	}
	return m
}

// columns gives each column but the first the operator.
func (m *matrix) columns(op *operator.Operator, format int16) []mask.PGColumn {
	cols := make([]mask.PGColumn, len(m.fields))
	for i, fd := range m.fields {
		cols[i] = opColumn(fd.DataTypeOID, fd.TypeModifier, format, op)
	}
	cols[0] = mask.PGColumn{TypeOID: oidInt4, Typmod: -1, Binary: format == 1, Patient: true}
	return cols
}

// dataRows masks the table as an answer in one format, checks that pgx decodes
// each value and that the server takes it back as a value of the column's type,
// and returns what the server prints.
func (m *matrix) dataRows(t *testing.T, op *operator.Operator, format int16) (printed [][]string, cells int) {
	t.Helper()
	plan := mask.NewPGPlan(m.columns(op, format), "test")
	var buf mask.Buffer
	var run []byte
	for _, row := range m.rows[format] {
		var err error
		if run, err = (&pgproto3.DataRow{Values: row}).Encode(run); err != nil {
			t.Fatal(err)
		}
	}
	if err := buf.Rows(plan, mask.FromUpstream(run)); err != nil {
		t.Fatal(err)
	}
	out := bytesOf(t, buf.Take())
	if idempotent(op.Kind()) {
		if err := buf.Rows(plan.Fork(), mask.FromUpstream(out)); err != nil {
			t.Fatal(err)
		}
		if again := bytesOf(t, buf.Take()); !bytes.Equal(again, out) {
			t.Errorf("masked twice in format %d, the rows differ", format)
		}
	}
	casts := make([]string, len(m.types))
	for i, typ := range m.types {
		casts[i] = fmt.Sprintf("$%d::%s", i+1, typ)
	}
	var oids []uint32
	for _, fd := range m.fields[1:] {
		oids = append(oids, fd.DataTypeOID)
	}
	for n, source := range m.rows[format] {
		var row pgproto3.DataRow
		size := int(uint32(out[1])<<24|uint32(out[2])<<16|uint32(out[3])<<8|uint32(out[4])) + 1
		if err := row.Decode(out[5:size]); err != nil {
			t.Fatal(err)
		}
		out = out[size:]
		values := row.Values[1:]
		for i, v := range values {
			fd := m.fields[i+1]
			if source[i+1] == nil && v != nil {
				t.Errorf("row %d: a NULL of type %s became %q", n, m.types[i], v)
			}
			if typ, ok := m.conn.TypeMap().TypeForOID(fd.DataTypeOID); ok && v != nil {
				if _, err := typ.Codec.DecodeValue(m.conn.TypeMap(), fd.DataTypeOID, format, v); err != nil && !pgxCannot(m.types[i], v) {
					t.Errorf("row %d: pgx does not decode %q as %s: %v", n, v, m.types[i], err)
				}
			}
			if v != nil {
				cells++
			}
		}
		formats := make([]int16, len(values))
		for i := range formats {
			formats[i] = format
		}
		printed = append(printed, m.sendBack(t, "select "+strings.Join(casts, ", "), values, oids, formats))
	}
	return printed, cells
}

// idempotent reports whether the operator changes nothing in what it made.
func idempotent(k operator.Kind) bool {
	switch k {
	case operator.Partial, operator.Hash, operator.Token, operator.FPE, operator.DateShift, operator.Noise, operator.Surrogate:
		return false
	}
	return true
}

// pgxCannot tells values that the server writes and pgx has no form for.
func pgxCannot(typ string, v []byte) bool {
	return strings.HasPrefix(typ, "date") && bytes.Contains(v, []byte("12345-")) || strings.HasPrefix(typ, "json")
}

func (m *matrix) sendBack(t *testing.T, sql string, values [][]byte, oids []uint32, formats []int16) []string {
	t.Helper()
	res := m.conn.PgConn().ExecParams(t.Context(), sql, values, oids, formats, []int16{0}).Read()
	if res.Err != nil {
		t.Fatalf("the server does not take the masked row %q: %v", values, res.Err)
	}
	return printRow(res.Rows[0])
}

func printRow(row [][]byte) []string {
	var out []string
	for _, v := range row {
		if v == nil {
			out = append(out, null)
		} else {
			out = append(out, string(v))
		}
	}
	return out
}

// copied masks the table as a copy in one format, cut into pieces, has the server
// take it back, and returns what the table then holds.
func (m *matrix) copied(t *testing.T, op *operator.Operator, options string, format mask.CopyFormat) [][]string {
	t.Helper()
	ctx := t.Context()
	var raw bytes.Buffer
	if _, err := m.conn.PgConn().CopyTo(ctx, &raw, "copy (select * from src order by n) to stdout ("+options+")"); err != nil {
		t.Fatal(err)
	}
	out, _, err := copyChunks(t, m.columns(op, 0), format, slices.Collect(slices.Chunk(raw.Bytes(), 97))...)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := m.conn.Exec(ctx, "truncate dst"); err != nil {
		t.Fatal(err)
	}
	if _, err := m.conn.PgConn().CopyFrom(ctx, bytes.NewReader(out), "copy dst from stdin ("+options+")"); err != nil {
		t.Fatalf("the server does not take the masked copy: %v", err)
	}
	rows := readAll(t, m.conn, "select * from dst order by n")
	for i := range rows {
		rows[i] = rows[i][1:]
	}
	return rows
}

// TestOperatorsByTypeAndFormat masks values of every type with every operator in
// the five formats. In each, the result is a value of its type to pgx and to the
// server, and the five agree on what it is.
func TestOperatorsByTypeAndFormat(t *testing.T) {
	t.Parallel()
	for _, major := range []int{pgtest.Oldest, pgtest.Newest} {
		t.Run(fmt.Sprint(major), func(t *testing.T) {
			t.Parallel()
			m := newMatrix(t, major)
			ops := allOperators(t)
			cells := 0
			for _, name := range slices.Sorted(maps.Keys(ops)) {
				t.Run(name, func(t *testing.T) { // one after the other: they share a table
					op := ops[name]
					want, n := m.dataRows(t, op, 0)
					cells += 5 * n
					bin, _ := m.dataRows(t, op, 1)
					got := map[string][][]string{
						"binary":      bin,
						"copy text":   m.copied(t, op, "format text", mask.CopyFormat{}),
						"copy csv":    m.copied(t, op, "format csv", mask.CopyFormat{Kind: mask.CopyCSV}),
						"copy binary": m.copied(t, op, "format binary", mask.CopyFormat{Kind: mask.CopyBinary}),
					}
					for format, rows := range got {
						for n := range want {
							for i := range want[n] {
								if diff := cmp.Diff(want[n][i], rows[n][i]); diff != "" {
									t.Errorf("row %d, type %s (-text +%s):\n%s", n, m.types[i], format, diff)
								}
							}
						}
					}
				})
			}
			t.Logf("PostgreSQL %d: %d operators, %d types, 5 formats: %d cells", major, len(ops), len(m.types), cells)
			if cells < 15000 {
				t.Errorf("only %d cells were tried", cells)
			}
		})
	}
}
