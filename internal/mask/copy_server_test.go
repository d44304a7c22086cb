// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package mask_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/mask"
	"github.com/sallyport-dev/sallyport/test/pgtest"
)

const copySchema = `
create temp table src (id int, ssn varchar(11), born date, code int, doc jsonb, note text);
insert into src values
 (1, '987-65-4320', '1974-12-25', 42, '{"a": "987-65-4320"}', E'plain, with comma'),
 (2, null, null, null, null, null),
 (3, '', '1974-12-25', 0, '[]', ''),
 (4, E'a\tb\\c"d', 'infinity', -1, '"x"', E'line one\nline two\rthree "quoted", \\. and \\N'),
 (5, E'\n', '0044-03-15 BC', 7, 'null', '\.'),
 (6, '\N', '2000-02-29', 7, '{"q\"": [1, 2]}', E'\u00e4\u4e16\U0001f600');
insert into src select i, '987-65-4320', '1974-12-25', i, '{}', repeat('long ', 3000) from generate_series(7, 40) i;
create temp table dst (like src);`

// copyOptions are statements' options and what they mean to the mask.
func copyOptions() map[string]mask.CopyFormat {
	return map[string]mask.CopyFormat{
		"format text":                           {},
		"format csv":                            {Kind: mask.CopyCSV},
		"format binary":                         {Kind: mask.CopyBinary},
		`format text, delimiter '|', null '\N'`: {Delimiter: '|'},
		`format csv, header, delimiter ';', quote '''', escape E'\\'`:     {Kind: mask.CopyCSV, Header: true, Delimiter: ';', Quote: '\'', Escape: '\\'},
		`format csv, null '[phi.ssn]'`:                                    {Kind: mask.CopyCSV, Null: "[phi.ssn]", NullSet: true},
		`format csv, header, null 'nil'`:                                  {Kind: mask.CopyCSV, Header: true, Null: "nil", NullSet: true},
		`format csv, escape '|', delimiter E'\t'`:                         {Kind: mask.CopyCSV, Escape: '|', Delimiter: '\t'},
		`format text, delimiter ','`:                                      {Delimiter: ','},
		`format csv, delimiter '[', quote '.', escape ']', null 'phi,ss'`: {Kind: mask.CopyCSV, Delimiter: '[', Quote: '.', Escape: ']', Null: "phi,ss", NullSet: true},
	}
}

// TestCopyServer copies a table out of a real server through the mask, cut at
// random, and the result back in with the same options: the server accepts it,
// the masked columns hold masks, the others what they held.
func TestCopyServer(t *testing.T) {
	t.Parallel()
	for _, major := range []int{15, pgtest.Newest} {
		for options, format := range copyOptions() {
			t.Run(fmt.Sprintf("%d/%s", major, options), func(t *testing.T) {
				t.Parallel()
				srv := pgtest.Shared(t, major)
				conn := srv.Connect(t, "postgres")
				if _, err := conn.Exec(t.Context(), copySchema); err != nil {
					t.Fatal(err)
				}
				copyThrough(t, conn, options, format)
			})
		}
	}
}

func copyThrough(t *testing.T, conn *pgx.Conn, options string, format mask.CopyFormat) {
	t.Helper()
	ctx := t.Context()
	res := conn.PgConn().ExecParams(ctx, "select * from src", nil, nil, nil, nil).Read()
	if res.Err != nil {
		t.Fatal(res.Err)
	}
	var cols []mask.PGColumn
	for i, fd := range res.FieldDescriptions {
		cols = append(cols, mask.PGColumn{
			TypeOID: fd.DataTypeOID, Typmod: fd.TypeModifier, Mask: i >= 1 && i <= 4, Labels: []sallyport.Label{"phi.ssn"},
		})
	}
	var raw bytes.Buffer
	if _, err := conn.PgConn().CopyTo(ctx, &raw, "copy (select * from src order by id) to stdout ("+options+")"); err != nil {
		t.Fatal(err)
	}
	rnd := rand.New(rand.NewPCG(1, 2))
	var chunks [][]byte
	for b := raw.Bytes(); len(b) > 0; {
		n := min(len(b), 1+rnd.IntN(200))
		chunks = append(chunks, b[:n])
		b = b[n:]
	}
	out, counts, err := copyChunks(t, cols, format, chunks...)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(out, []byte(canary)) || bytes.Contains(out, []byte("1974")) {
		t.Error("a value survived the mask")
	}
	if len(counts) != 4 || counts[0].Seen != 40 || counts[0].Nulls != 1 || counts[2].Masked != 39 {
		t.Errorf("counts are %+v", counts)
	}
	if _, err := conn.PgConn().CopyFrom(ctx, bytes.NewReader(out), "copy dst from stdin ("+options+")"); err != nil {
		t.Fatalf("the server does not take the masked copy: %v", err)
	}
	const want = `select id, case when ssn is not null then '[phi.ssn]' end, case when born is not null then '1970-01-01' end,
		case when code is not null then 0 end, case when doc is not null then 'null' end, note from src order by id`
	if diff := cmp.Diff(readAll(t, conn, want), readAll(t, conn, "select * from dst order by id")); diff != "" {
		t.Errorf("the masked table (-want +got):\n%s", diff)
	}
}

// readAll returns an answer in text.
func readAll(t *testing.T, conn *pgx.Conn, sql string) [][]string {
	t.Helper()
	res := conn.PgConn().ExecParams(t.Context(), sql, nil, nil, nil, nil).Read()
	if res.Err != nil {
		t.Fatal(res.Err)
	}
	var out [][]string
	for _, row := range res.Rows {
		var fields []string
		for _, f := range row {
			if f == nil {
				fields = append(fields, null)
			} else {
				fields = append(fields, string(f))
			}
		}
		out = append(out, fields)
	}
	return out
}
