// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package catalog_test

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/catalog"
	"github.com/sallyport-dev/sallyport/internal/mask/scan"
)

var update = flag.Bool("update", false, "write testdata anew")

// scanSchema has names in many spellings. Its rows must never be read: the role
// of the test may not.
const scanSchema = `
create schema clinic;
create table clinic.patients (
	id bigint primary key, "SSN" text, "ssnLast4" text, social_security_no text, mrn varchar(12), "medRecNo" text,
	first_name text, "LastName" text, maidenname text, name text, dob date, "birthDate" date, born_on date, date_of_death date,
	email text, "eMail" text, home_phone text, tel text, fax_number text, addr1 text, "streetAddress" text, city text, zip char(5), postal_code text,
	"memberId" text, insurance_id text, acct_no text, npi text, license_plate text, device_serial text, website text,
	last_ip inet, origin text, mac macaddr, place point, photo bytea, fingerprint_hash text, password_hash text,
	sex char(1), age int, created_at timestamptz, seen_on date, flags jsonb, x int, q text);
comment on column clinic.patients.origin is E'Holds the patient''s e-mail address, say a@example.org\nversion: 2';
create table clinic.departments (id int primary key, name text, code varchar(8));
create table clinic.visits (visit_id uuid primary key, patient_id bigint references clinic.patients, member_id bigint references clinic.patients, ext_id text, "Notes" text, diagnosis_code text) ;
create table clinic."Odd.T: x" ("a ""b"" # c" text, "*" text, "ünï" text);
create table clinic.parts (id int, ssn text) partition by list (id);
create table clinic.parts_1 partition of clinic.parts default;
create view clinic.v as select * from clinic.patients;
create materialized view clinic.m as select id, "SSN" from clinic.patients;`

func TestScan(t *testing.T) {
	t.Parallel()
	conn := database(t, scanSchema)
	exec(t, conn, "create temp table scratch (ssn text)")
	p, err := catalog.Scan(t.Context(), conn)
	if err != nil {
		t.Fatal(err)
	}
	got := p.YAML()
	golden := filepath.Join("testdata", "proposal.yaml")
	if *update {
		if err := os.WriteFile(golden, got, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("proposal (-%s +got):\n%s", golden, diff)
	}
	if bytes.Contains(got, []byte("example.org")) {
		t.Error("the proposal holds a comment's text")
	}
	again, err := catalog.Scan(t.Context(), conn)
	if err != nil || !bytes.Equal(again.YAML(), got) {
		t.Errorf("a second scan differs: %v", err)
	}
	// What is proposed is a labels file of which every line meets its column.
	l, err := catalog.ParseLabels("proposal", got)
	if err != nil {
		t.Fatal(err)
	}
	c := load(t, conn, catalog.Config{Labels: l})
	for _, s := range p.Suggestions {
		if got := labelsOf(t, c, s.Schema, s.Table, s.Column); got != string(s.Label) {
			t.Errorf("%s.%s.%s has %q, want %q", s.Schema, s.Table, s.Column, got, s.Label)
		}
	}
	wantWarnings(t, c)
}

func TestScanEmpty(t *testing.T) {
	t.Parallel()
	conn := database(t, "")
	p, err := catalog.Scan(t.Context(), conn)
	if err != nil || len(p.Suggestions) != 0 {
		t.Fatalf("%+v, %v", p, err)
	}
	if _, err := catalog.ParseLabels("proposal", p.YAML()); err != nil {
		t.Error(err)
	}
	_, err = catalog.Scan(t.Context(), &failing{err: os.ErrClosed})
	wantKind(t, err, sallyport.Unavailable)
}

// sampleSchema has columns whose names say nothing.
const sampleSchema = `
create schema clinic;
create table clinic.t (id int primary key, a text, b text, c text, d text, "E e" text, ssn text, n int, gone text);
alter table clinic.t drop column gone;
create table clinic.empty (x text);
insert into clinic.t select i, '900-11-22' || (10 + i), 'seen on 2026-02-0' || i || ', call 212-555-0' || (100 + i), 'ward ' || i, null,
	'adela' || i || '@clinic.example', 'x', i from generate_series(1, 9) i;`

func TestSample(t *testing.T) {
	t.Parallel()
	conn := database(t, sampleSchema)
	s, err := scan.New(scan.Options{})
	if err != nil {
		t.Fatal(err)
	}
	p, err := catalog.Scan(t.Context(), conn)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Sample(t.Context(), conn, 5, s); err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, s := range p.Suggestions {
		got[s.Table+"."+s.Column] = string(s.Label) + ": " + s.Reason
	}
	want := map[string]string{
		"t.id": "public: a row's number: the primary key, integer",
		"t.a":  "phi.ssn: 5 of 5 sampled values are SSN", "t.b": "phi.note: text in which 5 of 5 sampled values hold DATE, PHONE",
		"t.c": "unclassified: free form: its type is text, and its name says nothing", "t.d": "unclassified: free form: its type is text, and its name says nothing",
		"t.E e": "phi.email: 5 of 5 sampled values are EMAIL", "t.ssn": "phi.ssn: a social security number: the name holds \"ssn\"",
		"t.n": "unclassified: its name says nothing", "empty.x": "unclassified: free form: its type is text, and its name says nothing",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("proposal (-want +got):\n%s", diff)
	}
	if y := p.YAML(); bytes.Contains(y, []byte("900-11")) || bytes.Contains(y, []byte("@clinic")) || !bytes.Contains(y, []byte("up to 5 rows of each table")) {
		t.Errorf("the proposal reads:\n%s", y)
	}
	wantKind(t, p.Sample(t.Context(), conn, 0, s), sallyport.Invalid)
	wantKind(t, p.Sample(t.Context(), &failing{err: os.ErrClosed}, 5, s), sallyport.Unavailable)
}
