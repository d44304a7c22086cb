// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package mask_test

import (
	"bytes"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/sallyport-dev/sallyport/internal/mask"
	"github.com/sallyport-dev/sallyport/test/pgtest"
)

// diagnostic builds the body of an ErrorResponse from pairs of field and value.
func diagnostic(pairs ...string) []byte {
	var b []byte
	for i := 0; i < len(pairs); i += 2 {
		b = append(append(append(b, pairs[i][0]), pairs[i+1]...), 0)
	}
	return append(b, 0)
}

func TestDiagnostic(t *testing.T) {
	t.Parallel()
	known := func(field byte, name string) bool {
		return field == 't' && name == "patients" || field == 'c' && name == "ssn"
	}
	for _, tc := range []struct {
		name     string
		in, want []string
		known    func(byte, string) bool
		withheld int
	}{
		{
			"unique violation",
			[]string{
				"S", "ERROR", "V", "ERROR", "C", "23505", "M", "duplicate key " + canary, "D", "Key (ssn)=(" + canary + ") already exists.",
				"s", "public", "t", "patients", "n", canary, "F", "nbtinsert.c", "L", "666", "R", "_bt_check_unique",
			},
			[]string{"S", "ERROR", "V", "ERROR", "C", "23505", "M", "unique_violation (detail withheld by Sallyport)", "t", "patients"},
			known, 7,
		},
		{
			"nothing known",
			[]string{"S", "ERROR", "V", "ERROR", "C", "23505", "M", "x", "t", "patients"},
			[]string{"S", "ERROR", "V", "ERROR", "C", "23505", "M", "unique_violation (detail withheld by Sallyport)"},
			nil, 2,
		},
		{
			"all free fields",
			[]string{"S", "ERROR", "V", "ERROR", "C", "22P02", "M", canary, "D", canary, "H", canary, "W", canary, "q", canary, "p", "7", "P", "15", "X", canary},
			[]string{"S", "ERROR", "V", "ERROR", "C", "22P02", "M", "invalid_text_representation (detail withheld by Sallyport)", "P", "15"},
			known, 7,
		},
		{
			"own code",
			[]string{"S", "ERROR", "V", "ERROR", "C", "98765", "M", canary},
			[]string{"S", "ERROR", "V", "ERROR", "C", "P0001", "M", "raise_exception (detail withheld by Sallyport)"},
			known, 2,
		},
		{
			"translated",
			[]string{"S", "FEHLER", "V", "ERROR", "C", "42501", "M", "keine Berechtigung"},
			[]string{"S", "ERROR", "V", "ERROR", "C", "42501", "M", "insufficient_privilege (detail withheld by Sallyport)"},
			known, 2,
		},
		{
			"strange severity",
			[]string{"S", canary, "V", canary, "C", "XX000", "M", "x"},
			[]string{"S", "ERROR", "V", "ERROR", "C", "XX000", "M", "internal_error (detail withheld by Sallyport)"},
			known, 3,
		},
		{
			"old server",
			[]string{"S", "WARNING", "C", "01000", "M", "x"},
			[]string{"S", "WARNING", "V", "WARNING", "C", "01000", "M", "warning (detail withheld by Sallyport)"},
			known, 1,
		},
		{
			"strange position",
			[]string{"S", "ERROR", "V", "ERROR", "C", "42601", "M", "x", "P", canary},
			[]string{"S", "ERROR", "V", "ERROR", "C", "42601", "M", "syntax_error (detail withheld by Sallyport)"},
			known, 2,
		},
		{"empty", nil, []string{"S", "ERROR", "V", "ERROR", "C", "P0001", "M", "raise_exception (detail withheld by Sallyport)"}, known, 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			for _, kind := range []byte{'E', 'N'} {
				m, withheld, err := mask.Diagnostic(kind, mask.FromUpstream(diagnostic(tc.in...)), tc.known)
				if err != nil {
					t.Fatal(err)
				}
				got := bytesOf(t, m)
				if diff := cmp.Diff(string(message(kind, diagnostic(tc.want...))), string(got)); diff != "" {
					t.Errorf("diagnostic (-want +got):\n%s", diff)
				}
				if withheld != tc.withheld {
					t.Errorf("withheld %d fields, want %d", withheld, tc.withheld)
				}
				again, _, err := mask.Diagnostic(kind, mask.FromUpstream(got[5:]), tc.known)
				if err != nil || !bytes.Equal(bytesOf(t, again), got) {
					t.Errorf("masked twice: %q, %v", bytesOf(t, again), err)
				}
			}
		})
	}
}

func TestDiagnosticPassthrough(t *testing.T) {
	t.Parallel()
	in := []string{"S", "ERROR", "V", "ERROR", "C", "42P01", "M", `relation "nope" does not exist`, "H", "hint", "P", "15", "W", "context", "q", "query", "p", "3", "F", "parse_relation.c", "L", "1449", "R", "parserOpenTable"}
	want := []string{"S", "ERROR", "V", "ERROR", "C", "42P01", "M", `relation "nope" does not exist`, "H", "hint", "P", "15"}
	m, withheld, err := mask.DiagnosticPassthrough('E', mask.FromUpstream(diagnostic(in...)))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(message('E', diagnostic(want...))), string(bytesOf(t, m))); diff != "" || withheld != 6 {
		t.Errorf("withheld %d (-want +got):\n%s", withheld, diff)
	}
}

func TestDiagnosticRefuses(t *testing.T) {
	t.Parallel()
	for name, body := range map[string][]byte{
		"nothing":           {},
		"no end":            []byte("SERROR\x00"),
		"cut in a field":    []byte("SERR"),
		"a field twice":     diagnostic("M", canary, "M", canary),
		"behind the end":    append(diagnostic("M", canary), 'x'),
		"longer than a MiB": diagnostic("M", string(make([]byte, 1<<20))),
	} {
		_, _, err := mask.Diagnostic('E', mask.FromUpstream(body), nil)
		if wantIntegrity(t, err); t.Failed() {
			t.Fatal(name)
		}
		_, _, err = mask.DiagnosticPassthrough('N', mask.FromUpstream(body))
		wantIntegrity(t, err)
	}
	_, _, err := mask.Diagnostic('D', mask.FromUpstream(diagnostic("M", "x")), nil)
	wantIntegrity(t, err)
}

// TestDiagnosticServer provokes errors of a real server that print values, and
// proves that a client reads the redacted ones and sees none.
func TestDiagnosticServer(t *testing.T) {
	t.Parallel()
	srv := pgtest.Shared(t, 15)
	conn := srv.Connect(t, srv.NewDatabase(t, `create table patients (id int primary key, ssn text unique check (ssn <> ''), born date not null);
		insert into patients values (1, '`+canary+`', '1974-12-25');
		create function leak() returns text language plpgsql as $$ begin raise exception using message = (select ssn from patients), errcode = '98765', hint = (select ssn from patients), detail = (select ssn from patients), table = (select ssn from patients); end $$;`))
	for sql, code := range map[string]string{
		"insert into patients values (2, '" + canary + "', '2000-01-01')": "23505",
		"select ssn::int from patients":                                   "22P02",
		"update patients set born = null":                                 "23502",
		"update patients set ssn = ''":                                    "23514",
		"select leak()":                                                   "P0001",
		"select 1 / (id - 1) from patients":                               "22012",
	} {
		var pgErr *pgconn.PgError
		if _, err := conn.Exec(t.Context(), sql); !errors.As(err, &pgErr) {
			t.Fatalf("%s: %v", sql, err)
		}
		raw, err := (&pgproto3.ErrorResponse{
			Severity: pgErr.Severity, SeverityUnlocalized: pgErr.SeverityUnlocalized, Code: pgErr.Code, Message: pgErr.Message, Detail: pgErr.Detail,
			Hint: pgErr.Hint, Where: pgErr.Where, SchemaName: pgErr.SchemaName, TableName: pgErr.TableName, ColumnName: pgErr.ColumnName,
			DataTypeName: pgErr.DataTypeName, ConstraintName: pgErr.ConstraintName, File: pgErr.File, Line: pgErr.Line, Routine: pgErr.Routine,
		}).Encode(nil)
		if err != nil {
			t.Fatal(err)
		}
		m, _, err := mask.Diagnostic('E', mask.FromUpstream(raw[5:]), func(_ byte, name string) bool { return name == "patients" })
		if err != nil {
			t.Fatal(err)
		}
		out := bytesOf(t, m)
		var shown pgproto3.ErrorResponse
		if err := shown.Decode(out[5:]); err != nil || shown.Code != code || bytes.Contains(out, []byte(canary)) || bytes.Contains(out, []byte("1974")) {
			t.Errorf("%s: the client sees %+v, %v", sql, shown, err)
		}
		if shown.TableName != pgErr.TableName && pgErr.TableName == "patients" {
			t.Errorf("%s: the table's name was withheld", sql)
		}
	}
}

func FuzzDiagnostic(f *testing.F) {
	f.Add(diagnostic("S", "ERROR", "V", "ERROR", "C", "23505", "M", canary, "P", "7", "t", "patients"))
	f.Add([]byte("M\x00\x00"))
	f.Fuzz(func(t *testing.T, body []byte) {
		m, withheld, err := mask.Diagnostic('E', mask.FromUpstream(body), nil)
		if err != nil {
			wantIntegrity(t, err)
			return
		}
		out := bytesOf(t, m)
		var e pgproto3.ErrorResponse
		if err := e.Decode(out[5:]); err != nil || withheld < 0 {
			t.Fatalf("%q: %v, withheld %d", out, err, withheld)
		}
		if len(out) > 200 || bytes.Contains(out, []byte(canary)) {
			t.Fatalf("too much came out: %q", out)
		}
		if _, _, err := mask.DiagnosticPassthrough('N', mask.FromUpstream(body)); err != nil {
			t.Fatal(err)
		}
	})
}
