// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package demo

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/demo/clinic"
)

// What the chapters of Google Cloud are told with comes from outside of this
// program: PeersVariable names one that runs stand-ins for the services and has a
// client of Google's libraries, AnalyserVariable names sallyport-bqanalyzer.
const (
	PeersVariable    = "SALLYPORT_DEMO_PEERS"
	AnalyserVariable = "SALLYPORT_DEMO_ANALYSER"
)

const (
	// lake and warehouse are the resources' names.
	lake      = "exports"
	warehouse = "warehouse"

	exportBucket = "clinic-exports"
	publicBucket = "clinic-public"
	oldBucket    = "clinic-march" // is deleted
	exportObject = "2026/patients.csv"
	hoursObject  = "hours.txt"
	hours        = "Open from 8 to 17.\n"
	oldTable     = "notes_of_2025" // is dropped
)

// google is what the chapters of Google Cloud happen on.
type google struct {
	analyser string // path; empty when there is none
	at       struct {
		Project  string `json:"project"`
		BigQuery string `json:"bigquery"` // roots of the services
		Storage  string `json:"storage"`
		Token    string `json:"token"`  // the gateway's for both
		Client   string `json:"client"` // path of the libraries' program
	}

	*peers
}

// openGoogle starts the stand-ins with what the clinic has exported, and notes what
// must not leave them beside the clinic's values.
func (s *stage) openGoogle(ctx context.Context) error {
	program := s.env.Getenv(PeersVariable)
	if program == "" {
		s.say("The chapters of BigQuery and Cloud Storage are left out: their stand-ins are not part of this program. To see them: make demo")
		return nil
	}
	s.say("And stand-ins for Google Cloud, on loopback: one that speaks BigQuery's REST interface over DuckDB, and fake-gcs-server for Cloud Storage. They are " +
		"not Google's services; the client libraries are Google's own.")
	seed, err := s.copies(ctx)
	if err != nil {
		return err
	}
	p, err := s.launchPeers("Google Cloud", program)
	if err != nil {
		return err
	}
	g := &google{analyser: s.env.Getenv(AnalyserVariable), peers: p}
	s.google = g
	if err := g.greet(ctx, seed, &g.at, func() bool { return g.at.Client != "" }); err != nil {
		return err
	}
	return errors.Join(s.put("google.token", g.at.Token, 0o600),
		s.put("google.cedar", clinic.Google(), 0o644), s.put("warehouse.labels.yaml", clinic.Warehouse(), 0o644))
}

// copies returns the seed of the stand-ins as JSON: a copy of the clinic's
// patients in a table and in a file, and what holds nobody.
func (s *stage) copies(ctx context.Context) (string, error) {
	rows, err := s.boss.Query(ctx, "SELECT id::text, mrn, name, ssn::text, birth_date::text, zip, note FROM public.patients ORDER BY id")
	if err != nil {
		return "", sallyport.E(sallyport.Unavailable, op, "the clinic cannot be read").Because(err)
	}
	type patient struct{ ID, MRN, Name, SSN, Birth, Zip, Note string }
	people, err := pgx.CollectRows(rows, pgx.RowToStructByPos[patient])
	if err != nil {
		return "", sallyport.E(sallyport.Unavailable, op, "the clinic cannot be read").Because(err)
	}
	lines := [][]string{{"id", "mrn", "name", "ssn", "birth_date", "zip"}}
	var tuples []string
	for _, p := range people {
		lines = append(lines, []string{p.ID, p.MRN, p.Name, p.SSN, p.Birth, p.Zip})
		var words []string
		for _, v := range []string{p.ID, p.MRN, p.Name, p.SSN, p.Birth, p.Zip, p.Note} {
			words = append(words, "'"+strings.ReplaceAll(v, "'", "''")+"'")
		}
		tuples = append(tuples, "("+strings.Join(words, ", ")+")")
		s.raw = append(s.raw, reversed(p.SSN)) // which a query asks for
	}
	var file strings.Builder
	if err := csv.NewWriter(&file).WriteAll(lines); err != nil {
		return "", err
	}
	type object struct{ Bucket, Name, Type, Content string }
	b, err := json.Marshal(map[string]any{
		"sql": "CREATE SCHEMA clinic; CREATE TABLE clinic.patients (id BIGINT NOT NULL, mrn VARCHAR, name VARCHAR, ssn VARCHAR, birth_date DATE, zip VARCHAR, note VARCHAR); " +
			"INSERT INTO clinic.patients VALUES " + strings.Join(tuples, ", ") + "; CREATE TABLE clinic." + oldTable + " AS SELECT id, note FROM clinic.patients",
		"buckets": []string{oldBucket},
		"objects": []object{{exportBucket, exportObject, "text/csv", file.String()}, {publicBucket, hoursObject, "text/plain", hours}},
	})
	return string(b), err
}

func reversed(text string) string {
	var b strings.Builder
	for i := len(text) - 1; i >= 0; i-- {
		b.WriteByte(text[i])
	}
	return b.String()
}

// resources are the entries of the configuration.
func (g *google) resources() string {
	analyser := ""
	if g.analyser != "" {
		analyser = fmt.Sprintf("      analyser: %q\n", g.analyser)
	}
	return fmt.Sprintf(`  - name: %s
    type: gcs
    credential: {password: "file:google.token"}
    gcs:
      url: %s
      auth: {mode: bearer}
      buckets:
        - {name: %s, labels: [phi]}
        - {name: %s, labels: [phi]}
        - {name: %s, labels: [public], plain_names: true}
  - name: %s
    type: bigquery
    credential: {password: "file:google.token"}
    labels: warehouse.labels.yaml
    bigquery:
      url: %s
      project: %s
      auth: {mode: bearer}
%s`, lake, g.at.Storage, exportBucket, oldBucket, publicBucket, warehouse, g.at.BigQuery, g.at.Project, analyser)
}
