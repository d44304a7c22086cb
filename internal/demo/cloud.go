// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package demo

import (
	"context"
	"errors"
	"strings"
)

// otherJob is another pipeline that holds the same role.
func otherJob() actor {
	a := job()
	a.name, a.subject = "other-job", "repo:acme/reports:ref:refs/heads/main"
	claims := map[string]any{"repository": "acme/reports"}
	for k, v := range a.claims {
		if claims[k] == nil {
			claims[k] = v
		}
	}
	a.claims = claims
	return a
}

// cloudSteps are the chapters of Google Cloud.
func cloudSteps(g *google) []step {
	all := []step{
		{
			"Cloud Storage: an export is read masked, and is a whole file to its reader",
			"The library checks size and CRC32C of what it reads, and so of the masked file. What is labelled public comes as it is.", exportRead,
		},
		{
			"Cloud Storage: what is labelled does not flow to where nothing is",
			"The job may write into the public bucket; a copy of the patients there would have lost its labels.", exportCopied,
		},
		{
			"Cloud Storage: deleting a bucket waits for a person",
			"The client just waits for its answer.", bucketDeleted,
		},
	}
	if g.analyser == "" {
		all = append(all, step{
			"BigQuery: a table's rows are masked by column",
			"Queries are left out: sallyport-bqanalyzer, which traces them to columns, is not there (building it wants a machine of 8 GB).", listed,
		})
	} else {
		all = append(all, step{
			"BigQuery: a query's answer is masked by where it comes from",
			"GoogleSQL is analysed as BigQuery resolves it; an alias or a function does not wash a column. Conditions on it are refused.", queried,
		}, step{
			"BigQuery: another pipeline does not find the answer",
			"To BigQuery both callers are the gateway. A job, its rows and its hidden table belong to whoever asked.", answersApart,
		})
	}
	return append(all, step{"BigQuery: dropping a table waits for a person", "As DROP DATABASE did.", tableDropped})
}

func exportRead(ctx context.Context, s *stage) error {
	if err := s.login(ctx, job(), lake); err != nil {
		return err
	}
	s.shows(job(), lake, "gcs, err := storage.NewClient(ctx", "/storage/v1/")
	if _, err := s.ask(ctx, job(), lake, objects(exportBucket), 0, exportObject); err != nil {
		return err
	}
	text, err := s.ask(ctx, job(), lake, object(exportBucket, exportObject), 0, "id,mrn,name,ssn,birth_date,zip\n")
	if err != nil {
		return err
	}
	if n := strings.Count(text, "\n"); n != 6 {
		return errors.New("the masked file does not have five rows")
	}
	text, err = s.ask(ctx, job(), lake, object(publicBucket, hoursObject), 0)
	if err == nil && text != hours {
		err = errors.New("the public file is another")
	}
	return err
}

func exportCopied(ctx context.Context, s *stage) error {
	if _, err := s.ask(ctx, job(), lake, copied(exportBucket, publicBucket, exportObject), 403, "no policy permits declassify"); err != nil {
		return err
	}
	text, err := s.ask(ctx, job(), lake, objects(publicBucket), 0, hoursObject)
	if err == nil && strings.Contains(text, exportObject) {
		err = errors.New("the copy is there")
	}
	return err
}

func bucketDeleted(ctx context.Context, s *stage) error {
	if err := s.twice(ctx, lake, deletedBucket(oldBucket), "wait for the end of the month", "the month is over, ticket OPS-313"); err != nil {
		return err
	}
	text, err := s.ask(ctx, job(), lake, buckets(), 0, exportBucket, publicBucket)
	if err == nil && strings.Contains(text, oldBucket) {
		err = errors.New("the bucket is still there")
	}
	return err
}

func (s *stage) intoWarehouse(ctx context.Context) error {
	if err := s.login(ctx, job(), warehouse); err != nil {
		return err
	}
	s.shows(job(), warehouse, "bq, err := bigquery.NewClient(ctx, project", "/bigquery/v2/")
	return nil
}

func listed(ctx context.Context, s *stage) error {
	if err := s.intoWarehouse(ctx); err != nil {
		return err
	}
	_, err := s.ask(ctx, job(), warehouse, table("clinic", "patients"), 0, append(readable(), "id=5")...)
	return err
}

func queried(ctx context.Context, s *stage) error {
	if err := s.intoWarehouse(ctx); err != nil {
		return err
	}
	const p = "FROM clinic.patients p"
	for _, x := range []struct {
		sql  string
		code int
		want []string
	}{
		{"SELECT id, name AS ward, ssn AS room " + p + " ORDER BY id", 0, append(readable(), "id=5")},
		{"SELECT id, REVERSE(ssn) AS r, CONCAT(name, '!') AS s, TO_JSON_STRING(p) AS j " + p + " ORDER BY id LIMIT 2", 0, []string{"id=2"}},
		{"SELECT id " + p + " WHERE ssn LIKE '900-1%'", failure, []string{"no policy permits"}},
	} {
		if _, err := s.ask(ctx, job(), warehouse, query(x.sql), x.code, x.want...); err != nil {
			return err
		}
	}
	s.line("")
	s.say("The table without a query:")
	_, err := s.ask(ctx, job(), warehouse, table("clinic", "patients"), 0, append(readable(), "id=5")...)
	return err
}

// answersApart has another caller ask for what the job has queried.
func answersApart(ctx context.Context, s *stage) error {
	text, err := s.ask(ctx, job(), warehouse, jobs(), 0)
	if err != nil {
		return err
	}
	id, _, _ := strings.Cut(text, "\n")
	if id == "" {
		return errors.New("the job has no answers")
	}
	if _, err := s.ask(ctx, job(), warehouse, answerOf(id), 0, "id="); err != nil {
		return err
	}
	if err := s.login(ctx, otherJob(), warehouse); err != nil {
		return err
	}
	if _, err := s.ask(ctx, otherJob(), warehouse, answerOf(id), 404); err != nil {
		return err
	}
	text, err = s.ask(ctx, otherJob(), warehouse, jobs(), 0)
	if err == nil && strings.Contains(text, id) {
		err = errors.New("the other pipeline sees the job")
	}
	return err
}

func tableDropped(ctx context.Context, s *stage) error {
	drop := query("DROP TABLE clinic." + oldTable)
	if s.google.analyser == "" {
		drop = deletedTable("clinic", oldTable)
	}
	if err := s.twice(ctx, warehouse, drop, "it is still read", "nobody reads it any more, ticket OPS-314"); err != nil {
		return err
	}
	text, err := s.ask(ctx, job(), warehouse, tables("clinic"), 0, "patients")
	if err == nil && strings.Contains(text, oldTable) {
		err = errors.New("the table is still there")
	}
	return err
}
