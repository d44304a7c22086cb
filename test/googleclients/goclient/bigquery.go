// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/base64"
	"fmt"
	"math/big"
	"strings"
	"time"

	"cloud.google.com/go/bigquery"
	"cloud.google.com/go/civil"
	"google.golang.org/api/iterator"
)

func (c *clients) prepare(one call) *bigquery.Query {
	q := c.bq.Query(one.SQL)
	q.DefaultDatasetID = one.Dataset
	q.UseLegacySQL, q.DryRun = one.Legacy, one.Dry
	for name, v := range one.Params {
		if n, ok := v.(float64); ok && n == float64(int64(n)) {
			v = int64(n)
		}
		q.Parameters = append(q.Parameters, bigquery.QueryParameter{Name: name, Value: v})
	}
	if dataset, table, ok := strings.Cut(one.To, "."); ok {
		q.Dst, q.WriteDisposition = c.bq.Dataset(dataset).Table(table), bigquery.WriteTruncate
	}
	return q
}

// query is jobs.query where the library takes that way, and
// jobs.getQueryResults for further pages.
func (c *clients) query(ctx context.Context, one call) (any, error) {
	it, err := c.prepare(one).Read(ctx)
	if err != nil {
		return nil, err
	}
	rows, _, err := read(it, one.Page)
	return map[string]any{"rows": rows}, err
}

// job is jobs.insert and jobs.getQueryResults.
func (c *clients) job(ctx context.Context, one call) (any, error) {
	job, err := c.prepare(one).Run(ctx)
	if err != nil {
		return nil, err
	}
	out := map[string]any{}
	if !one.Dry {
		it, err := job.Read(ctx)
		if err != nil {
			return nil, err
		}
		rows, pages, err := read(it, one.Page)
		if err != nil {
			return nil, err
		}
		out["rows"], out["pages"] = rows, pages
	}
	status := job.LastStatus()
	if !one.Dry {
		if status, err = job.Status(ctx); err != nil {
			return nil, err
		}
	}
	out["bytes"] = status.Statistics.TotalBytesProcessed
	if q, ok := status.Statistics.Details.(*bigquery.QueryStatistics); ok {
		out["kind"], out["affected"], out["columns"] = q.StatementType, q.NumDMLAffectedRows, columns(q.Schema)
		tables := []string{}
		for _, t := range q.ReferencedTables {
			tables = append(tables, t.DatasetID+"."+t.TableID)
		}
		out["tables"] = tables
	}
	return out, nil
}

func columns(s bigquery.Schema) []string {
	out := make([]string, 0, len(s))
	for _, f := range s {
		text := f.Name + " " + string(f.Type)
		if f.Repeated {
			text += "[]"
		}
		out = append(out, text)
	}
	return out
}

// read reads all rows, by pages of the size when one is given.
func read(it *bigquery.RowIterator, page int) (rows []any, pages int, err error) {
	rows = []any{}
	if page > 0 { // pages cannot be asked about when rows come by the Storage Read API
		it.PageInfo().MaxSize = page
	}
	for {
		fetched := page > 0 && it.PageInfo().Remaining() == 0
		row := make(map[string]bigquery.Value)
		switch err := it.Next(&row); err {
		case nil:
		case iterator.Done:
			return rows, max(pages, 1), nil
		default:
			return nil, 0, err
		}
		if fetched {
			pages++
		}
		rows = append(rows, plain(row))
	}
}

// plain makes JSON of a value that the library made.
func plain(v bigquery.Value) any {
	switch x := v.(type) {
	case map[string]bigquery.Value:
		out := make(map[string]any, len(x))
		for k, field := range x {
			out[k] = plain(field)
		}
		return out
	case []bigquery.Value:
		out := make([]any, 0, len(x))
		for _, item := range x {
			out = append(out, plain(item))
		}
		return out
	case []byte:
		return base64.StdEncoding.EncodeToString(x)
	case *big.Rat:
		text := x.FloatString(38)
		return strings.TrimSuffix(strings.TrimRight(text, "0"), ".")
	case time.Time:
		return x.UTC().Format(time.RFC3339Nano)
	case civil.Date, civil.DateTime, civil.Time:
		return fmt.Sprint(x)
	default:
		return v
	}
}

func (c *clients) rows(ctx context.Context, one call) (any, error) {
	rows, _, err := read(c.bq.Dataset(one.Dataset).Table(one.Table).Read(ctx), one.Page)
	return map[string]any{"rows": rows}, err
}

// all reads an iterator of the library's to its end.
func all[T any](next func() (T, error), name func(T) string) (any, error) {
	out := []string{}
	for {
		item, err := next()
		if err == iterator.Done {
			return out, nil
		}
		if err != nil {
			return nil, err
		}
		out = append(out, name(item))
	}
}

func (c *clients) datasets(ctx context.Context, _ call) (any, error) {
	return all(c.bq.Datasets(ctx).Next, func(d *bigquery.Dataset) string { return d.DatasetID })
}

func (c *clients) tables(ctx context.Context, one call) (any, error) {
	return all(c.bq.Dataset(one.Dataset).Tables(ctx).Next, func(t *bigquery.Table) string { return t.TableID })
}

func (c *clients) jobs(ctx context.Context, _ call) (any, error) {
	return all(c.bq.Jobs(ctx).Next, func(j *bigquery.Job) string { return j.ID() })
}

// answer is the rows of a job that ran before.
func (c *clients) answer(ctx context.Context, one call) (any, error) {
	job, err := c.bq.JobFromID(ctx, one.Name)
	if err != nil {
		return nil, err
	}
	it, err := job.Read(ctx)
	if err != nil {
		return nil, err
	}
	rows, _, err := read(it, one.Page)
	return map[string]any{"rows": rows}, err
}

func (c *clients) table(ctx context.Context, one call) (any, error) {
	m, err := c.bq.Dataset(one.Dataset).Table(one.Table).Metadata(ctx)
	if err != nil {
		return nil, err
	}
	return map[string]any{"type": m.Type, "rows": m.NumRows, "columns": columns(m.Schema), "description": m.Description}, nil
}

func (c *clients) createDataset(ctx context.Context, one call) (any, error) {
	return nil, c.bq.Dataset(one.Dataset).Create(ctx, &bigquery.DatasetMetadata{})
}

func (c *clients) deleteDataset(ctx context.Context, one call) (any, error) {
	if one.Contents {
		return nil, c.bq.Dataset(one.Dataset).DeleteWithContents(ctx)
	}
	return nil, c.bq.Dataset(one.Dataset).Delete(ctx)
}

func schema(columns [][2]string) bigquery.Schema {
	var s bigquery.Schema
	for _, c := range columns {
		s = append(s, &bigquery.FieldSchema{Name: c[0], Type: bigquery.FieldType(c[1])})
	}
	return s
}

func (c *clients) createTable(ctx context.Context, one call) (any, error) {
	return nil, c.bq.Dataset(one.Dataset).Table(one.Table).Create(ctx, &bigquery.TableMetadata{Schema: schema(one.Schema)})
}

func (c *clients) createView(ctx context.Context, one call) (any, error) {
	return nil, c.bq.Dataset(one.Dataset).Table(one.Table).Create(ctx, &bigquery.TableMetadata{ViewQuery: one.SQL})
}

func (c *clients) describe(ctx context.Context, one call) (any, error) {
	t := c.bq.Dataset(one.Dataset).Table(one.Table)
	m, err := t.Metadata(ctx)
	if err != nil {
		return nil, err
	}
	_, err = t.Update(ctx, bigquery.TableMetadataToUpdate{Description: one.Description}, m.ETag)
	return nil, err
}

func (c *clients) deleteTable(ctx context.Context, one call) (any, error) {
	return nil, c.bq.Dataset(one.Dataset).Table(one.Table).Delete(ctx)
}

type row map[string]any

// Save gives the library the row, without an id of its own.
func (r row) Save() (map[string]bigquery.Value, string, error) {
	out := make(map[string]bigquery.Value, len(r))
	for k, v := range r {
		out[k] = v
	}
	return out, bigquery.NoDedupeID, nil
}

func (c *clients) insert(ctx context.Context, one call) (any, error) {
	rows := make([]bigquery.ValueSaver, 0, len(one.Rows))
	for _, r := range one.Rows {
		rows = append(rows, row(r))
	}
	return nil, c.bq.Dataset(one.Dataset).Table(one.Table).Inserter().Put(ctx, rows)
}

// load is from an object when there is one, else from the call itself.
func (c *clients) load(ctx context.Context, one call) (any, error) {
	var source bigquery.LoadSource
	if one.Bucket != "" {
		object := bigquery.NewGCSReference("gs://" + one.Bucket + "/" + one.Name)
		object.Schema, object.SkipLeadingRows = schema(one.Schema), 1
		source = object
	} else {
		text := bigquery.NewReaderSource(strings.NewReader(one.Text))
		text.Schema = schema(one.Schema)
		source = text
	}
	status, err := wait(ctx, c.bq.Dataset(one.Dataset).Table(one.Table).LoaderFrom(source))
	if err != nil {
		return nil, err
	}
	return status.Statistics.Details.(*bigquery.LoadStatistics).OutputRows, nil
}

func (c *clients) extract(ctx context.Context, one call) (any, error) {
	_, err := wait(ctx, c.bq.Dataset(one.Dataset).Table(one.Table).ExtractorTo(bigquery.NewGCSReference("gs://"+one.Bucket+"/"+one.Name)))
	return nil, err
}

func (c *clients) copy(ctx context.Context, one call) (any, error) {
	dataset, table, _ := strings.Cut(one.To, ".")
	_, err := wait(ctx, c.bq.Dataset(dataset).Table(table).CopierFrom(c.bq.Dataset(one.Dataset).Table(one.Table)))
	return nil, err
}

// wait runs a job to its end.
func wait(ctx context.Context, r interface {
	Run(context.Context) (*bigquery.Job, error)
},
) (*bigquery.JobStatus, error) {
	job, err := r.Run(ctx)
	if err != nil {
		return nil, err
	}
	status, err := job.Wait(ctx)
	if err != nil {
		return nil, err
	}
	return status, status.Err()
}
