// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

// Command demogoogle runs what the demonstration's chapters of Google Cloud are told
// with: counterparts of BigQuery and of Cloud Storage on free loopback ports, and the
// path of a program of Google's client libraries for Go. The product knows nothing
// of it but its path.
//
//	demogoogle install    fills the cache with all of it, and says what it does
//	demogoogle            runs it
//
// It reads one line of JSON, a [seed], prints one, a [hello], and ends with its
// standard input.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"

	"github.com/sallyport-dev/sallyport/test/bigquerypeer"
	"github.com/sallyport-dev/sallyport/test/gcspeer"
	"github.com/sallyport-dev/sallyport/test/googleclients"
	"github.com/sallyport-dev/sallyport/test/peer"
)

// seed is what the counterparts hold at first.
type seed struct {
	SQL     string           `json:"sql"`     // of DuckDB's
	Buckets []string         `json:"buckets"` // those without an object
	Objects []gcspeer.Object `json:"objects"`
}

// hello says where everything is.
type hello struct {
	Project  string `json:"project"`
	BigQuery string `json:"bigquery"` // root, as "http://127.0.0.1:1"
	Storage  string `json:"storage"`
	Token    string `json:"token"`  // that both accept, and no other
	Client   string `json:"client"` // path of the program of the libraries
}

func main() { os.Exit(peer.Main("demogoogle", install, serve)) }

// install fills the cache.
func install(ctx context.Context, w io.Writer) error {
	for _, one := range []struct {
		what string
		do   func(context.Context) (string, error)
	}{
		{"the stand-in for Cloud Storage (fake-gcs-server)", gcspeer.Install},
		{"the stand-in for BigQuery (DuckDB and Node.js)", bigquerypeer.Install},
		{"Google's client libraries for Go", googleclients.GoClient},
	} {
		_, _ = fmt.Fprintf(w, "demo: %s\n", one.what)
		if _, err := one.do(ctx); err != nil {
			return fmt.Errorf("%s: %w", one.what, err)
		}
	}
	return nil
}

// serve runs everything until the end of in.
func serve(t peer.T, in io.Reader, out io.Writer) {
	var with seed
	rest := peer.Seed(t, in, &with)
	client, err := googleclients.GoClient(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	bq := bigquerypeer.Start(t, bigquerypeer.WithSeed(with.SQL))
	gcs := gcspeer.Start(t)
	for _, b := range with.Buckets {
		gcs.Make(b)
	}
	for _, o := range with.Objects {
		gcs.Seed(o.Bucket, o.Name, o.Type, o.Content)
	}
	if bq.Token != gcs.Token {
		t.Fatal("the counterparts want two tokens")
	}
	if err := json.NewEncoder(out).Encode(hello{bigquerypeer.Project, bq.URL, gcs.URL, bq.Token, client}); err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, rest); err != nil {
		t.Fatal(err)
	}
}
