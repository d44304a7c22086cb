// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

// Command goclient makes calls with Google's client libraries for Go. Standard
// input is one JSON object {service, calls}; standard output one array with
// {value} or {error} of each call, in order. ../calls.mjs has the same calls.
//
// It is a module of its own: the libraries are no dependencies of the product.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"

	"cloud.google.com/go/bigquery"
	storageread "cloud.google.com/go/bigquery/storage/apiv1"
	"cloud.google.com/go/storage"
	"golang.org/x/oauth2"
	"google.golang.org/api/googleapi"
	"google.golang.org/api/option"
	"google.golang.org/grpc/status"
)

type service struct {
	Project, BigQuery, Storage, Read, Token, Credentials string
	Usual                                                bool
}

type call struct {
	Call, SQL                        string
	Params                           map[string]any
	Legacy, Dry, Contents, Resumable bool
	Page                             int
	Dataset, Table, To, Description  string
	Fields                           []string
	Schema                           [][2]string
	Rows                             []map[string]any
	Bucket, Name, Prefix, Text, Type string
	Restriction, Compression, Format string
	Streams                          int
	Fraction                         float64
	Offset, Length                   int64
	Names                            []string  `json:"names"`
	Messages                         []message `json:"messages"`
	Endless                          bool
}

type failure struct {
	Code    int    `json:"code"`
	Reason  string `json:"reason"`
	Message string `json:"message"`
}

type result struct {
	Value any      `json:"value"`
	Error *failure `json:"error,omitempty"`
}

// clients are those that the service names an endpoint for.
type clients struct {
	bq  *bigquery.Client
	gcs *storage.Client
	api *storageread.BigQueryReadClient
	// write makes the options of a client of the Storage Write API.
	write []option.ClientOption

	project string
}

func main() {
	if err := run(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	var in struct {
		Service service
		Calls   []call
	}
	if err := json.NewDecoder(os.Stdin).Decode(&in); err != nil {
		return err
	}
	c, err := dial(ctx, in.Service)
	if err != nil {
		return err
	}
	known := c.calls()
	results := make([]result, 0, len(in.Calls))
	for _, one := range in.Calls {
		do, ok := known[one.Call]
		if !ok {
			return fmt.Errorf("there is no call %q", one.Call)
		}
		value, err := do(ctx, one)
		results = append(results, result{value, failed(err)})
	}
	return json.NewEncoder(os.Stdout).Encode(results)
}

func dial(ctx context.Context, s service) (*clients, error) {
	login := option.WithTokenSource(oauth2.StaticTokenSource(&oauth2.Token{AccessToken: s.Token}))
	if s.Credentials != "" {
		login = option.WithAuthCredentialsFile(option.ExternalAccount, s.Credentials)
	}
	c := &clients{project: s.Project}
	var err error
	if s.BigQuery != "" {
		if c.bq, err = bigquery.NewClient(ctx, s.Project, s.options(login, s.BigQuery+"/bigquery/v2/")...); err != nil {
			return nil, err
		}
	}
	if s.Read != "" {
		c.write = []option.ClientOption{option.WithEndpoint(s.Read), login}
		if c.api, err = storageread.NewBigQueryReadClient(ctx, option.WithEndpoint(s.Read), login); err != nil {
			return nil, err
		}
		if err := c.bq.EnableStorageReadClient(ctx, option.WithEndpoint(s.Read), login); err != nil {
			return nil, err
		}
	}
	if s.Storage != "" {
		if c.gcs, err = storage.NewClient(ctx, s.options(login, s.Storage+"/storage/v1/")...); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// options are those of a client, which is told an endpoint unless the usual one is
// meant.
func (s service) options(login option.ClientOption, endpoint string) []option.ClientOption {
	if s.Usual {
		return []option.ClientOption{login}
	}
	return []option.ClientOption{option.WithEndpoint(endpoint), login}
}

type doer func(context.Context, call) (any, error)

func (c *clients) calls() map[string]doer {
	return map[string]doer{
		"query": c.query, "job": c.job, "rows": c.rows, "datasets": c.datasets, "tables": c.tables, "jobs": c.jobs, "answer": c.answer, "table": c.table,
		"create_dataset": c.createDataset, "delete_dataset": c.deleteDataset, "create_table": c.createTable, "create_view": c.createView,
		"describe": c.describe, "delete_table": c.deleteTable, "insert": c.insert, "load": c.load, "extract": c.extract, "copy": c.copy,
		"buckets": c.buckets, "create_bucket": c.createBucket, "delete_bucket": c.deleteBucket, "objects": c.objects, "put": c.put, "get": c.get,
		"resume":  c.get, // the library goes on by itself
		"session": c.session, "stream": c.stream, "split": c.split,
		"append": c.append, "append_raw": c.appendRaw, "write_stream": c.writeStream, "get_write_stream": c.getWriteStream, "finalize": c.finalize,
		"commit": c.commit, "flush": c.flush,
		"stat": c.stat, "delete": c.remove, "copy_object": c.copyObject,
	}
}

// failed is an error as whoever uses the library sees it.
func failed(err error) *failure {
	if err == nil {
		return nil
	}
	f := &failure{Message: err.Error()}
	if api, ok := errors.AsType[*googleapi.Error](err); ok {
		f.Code, f.Message = api.Code, api.Message
		if len(api.Errors) > 0 {
			f.Reason = api.Errors[0].Reason
		}
	} else if job, ok := errors.AsType[*bigquery.Error](err); ok {
		f.Reason, f.Message = job.Reason, job.Message
	} else if errors.Is(err, storage.ErrObjectNotExist) || errors.Is(err, storage.ErrBucketNotExist) {
		f.Code = http.StatusNotFound // which the library keeps to itself
	} else if s, ok := status.FromError(err); ok {
		f.Reason, f.Message = s.Code().String(), s.Message()
	}
	return f
}
