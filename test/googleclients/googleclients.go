// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

// Package googleclients runs Google's own clients, unchanged, against an
// endpoint: the client libraries for Node.js and Go, and the programs bq and
// gcloud when the machine has them.
//
// The libraries for Go and Node.js are given the same calls, so that one table
// of a test meets both. What they make of an answer comes back as JSON: INT64 and
// FLOAT64 as numbers, BYTES in base64, NUMERIC and everything of time as text.
package googleclients

import (
	"bytes"
	"context"
	"embed"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-dev/sallyport/test/peer"
)

//go:embed package.json package-lock.json *.mjs
var files embed.FS

// Service says where the clients go and how they log in.
type Service struct {
	Project  string `json:"project"`
	BigQuery string `json:"bigquery,omitempty"` // root, as "http://127.0.0.1:1"
	Storage  string `json:"storage,omitempty"`  // root of Cloud Storage
	// Read is the host and port of the Storage APIs, which the Go client then reads
	// results and tables through, and appends rows.
	Read string `json:"read,omitempty"`
	// Usual has the clients use the endpoints that they know themselves; of BigQuery
	// and Storage it only counts whether they are there.
	Usual bool `json:"usual,omitempty"`
	// Proxy is the proxy for what is asked with TLS.
	Proxy string `json:"-"`
	// CA is the file of the authority that the services' certificates are of; empty
	// means the system's.
	CA string `json:"-"`
	// Token is a bearer token. Credentials is a credentials file to log in with
	// instead, as the variable GOOGLE_APPLICATION_CREDENTIALS names one.
	Token       string `json:"token,omitempty"`
	Credentials string `json:"credentials,omitempty"`
	// Retries is how often the Node.js client asks again after a failure; nil is its default.
	Retries *int `json:"retries,omitempty"`
}

// Call is one call of a client. Name picks it; calls.mjs, and for the Storage APIs
// goclient/read.go and write.go, say what each does and which of the other fields it
// reads.
type Call struct {
	Name string `json:"call"`

	SQL    string         `json:"sql,omitempty"`
	Params map[string]any `json:"params,omitempty"`
	Legacy bool           `json:"legacy,omitempty"`
	Dry    bool           `json:"dry,omitempty"`
	Page   int            `json:"page,omitempty"` // rows of a page of job and rows

	Dataset     string           `json:"dataset,omitempty"`
	Table       string           `json:"table,omitempty"`
	To          string           `json:"to,omitempty"` // "dataset.table", or a bucket
	Fields      []string         `json:"fields,omitempty"`
	Schema      [][2]string      `json:"schema,omitempty"` // name and type of each column
	Rows        []map[string]any `json:"rows,omitempty"`
	Description string           `json:"description,omitempty"`
	Contents    bool             `json:"contents,omitempty"`

	// Of a session of the Storage Read API.
	Restriction string  `json:"restriction,omitempty"`
	Streams     int     `json:"streams,omitempty"` // at most
	Compression string  `json:"compression,omitempty"`
	Format      string  `json:"format,omitempty"` // "ARROW" when empty
	Fraction    float64 `json:"fraction,omitempty"`

	// Of streams of the Storage Write API.
	Streamed []string  `json:"names,omitempty"` // the names of streams
	Messages []Message `json:"messages,omitempty"`
	Endless  bool      `json:"endless,omitempty"` // the last message again and again, until the stream ends

	Bucket    string `json:"bucket,omitempty"`
	Object    string `json:"name,omitempty"` // or the name of a stream, or the id of a job
	Prefix    string `json:"prefix,omitempty"`
	Text      string `json:"text,omitempty"`
	Type      string `json:"type,omitempty"`
	Resumable bool   `json:"resumable,omitempty"`
	Offset    int64  `json:"offset,omitempty"`
	Length    int64  `json:"length,omitempty"`
}

// Message is a message with rows for a stream of the Storage Write API.
type Message struct {
	Stream string           `json:"stream,omitempty"`
	Schema [][2]string      `json:"schema,omitempty"` // name and type of each field; none: no schema is sent
	Rows   []map[string]any `json:"rows,omitempty"`
	Offset *int64           `json:"offset,omitempty"`
	// Column is the column that a field says it is of, whatever its own name is.
	Column map[string]string `json:"column,omitempty"`
	Arrow  bool              `json:"arrow,omitempty"` // not in protocol buffers
	// Unknown adds a field that no definition has.
	Unknown bool `json:"unknown,omitempty"`
}

// Result is what a client made of a call.
type Result struct {
	Value any    `json:"value"`
	Error *Error `json:"error"`
}

// Error is an error as the client shows it.
type Error struct {
	Code    int    `json:"code"` // of HTTP; 0 when there was no answer, or a job failed
	Reason  string `json:"reason"`
	Message string `json:"message"`
}

// Check compares a result with what is wanted: a value as JSON gives it, or an
// *[Error], of which a Code of 0 and an empty Message are not compared.
func Check(t testing.TB, name string, want any, got Result) {
	t.Helper()
	wantError, _ := want.(*Error)
	if wantError == nil {
		if got.Error != nil {
			t.Errorf("%s: %+v", name, *got.Error)
		} else if diff := cmp.Diff(want, got.Value); diff != "" {
			t.Errorf("%s: (-want +got)\n%s", name, diff)
		}
		return
	}
	if got.Error == nil {
		t.Errorf("%s: got %v, not an error", name, got.Value)
		return
	}
	is := *got.Error
	if wantError.Code == 0 {
		is.Code = 0
	}
	if wantError.Message == "" {
		is.Message = ""
	}
	if diff := cmp.Diff(*wantError, is); diff != "" {
		t.Errorf("%s: (-want +got)\n%s", name, diff)
	}
}

// Client runs calls in order by one library.
type Client func(t testing.TB, s Service, calls ...Call) []Result

// Libraries are the clients that are installed from package registries, by name.
func Libraries() map[string]Client { return map[string]Client{"Node": Node, "Go": Go} }

// Node runs calls by the client libraries for Node.js.
func Node(t testing.TB, s Service, calls ...Call) []Result {
	t.Helper()
	dir, err := peer.Node(context.WithoutCancel(t.Context()), "googleclients", files)
	if err != nil {
		t.Fatalf("googleclients: %v", err)
	}
	return run(t, dir, s, calls, "node", "calls.mjs")
}

// GoClient builds the program of the client libraries for Go when the cache does not
// hold it, and returns its path.
func GoClient(ctx context.Context) (string, error) {
	return peer.GoProgram(ctx, "test/googleclients/goclient")
}

// Go runs calls by the client libraries for Go.
func Go(t testing.TB, s Service, calls ...Call) []Result {
	t.Helper()
	program, err := GoClient(context.WithoutCancel(t.Context()))
	if err != nil {
		t.Fatalf("googleclients: %v", err)
	}
	return run(t, t.TempDir(), s, calls, program)
}

func run(t testing.TB, dir string, s Service, calls []Call, program string, args ...string) []Result {
	t.Helper()
	in, err := json.Marshal(map[string]any{"service": s, "calls": calls})
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), program, args...)
	cmd.Dir, cmd.Env = dir, peer.Environment(t)
	if s.CA != "" {
		cmd.Env = append(cmd.Env, "SSL_CERT_FILE="+s.CA, "NODE_EXTRA_CA_CERTS="+s.CA)
	}
	if s.Proxy != "" {
		cmd.Env = append(cmd.Env, "HTTPS_PROXY="+s.Proxy)
	}
	var stderr bytes.Buffer
	cmd.Stdin, cmd.Stderr = bytes.NewReader(in), &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("googleclients: %s: %v\n%s", program, err, stderr.Bytes())
	}
	var results []Result
	if err := json.Unmarshal(out, &results); err != nil {
		t.Fatalf("googleclients: %s printed %q: %v", program, out, err)
	}
	if len(results) != len(calls) {
		t.Fatalf("googleclients: %s gave %d results of %d calls", program, len(results), len(calls))
	}
	return results
}

// Printed is what a command line program printed.
type Printed struct {
	Out    string // standard output and standard error
	Status int    // exit status
}

// BQ runs bq with the service's token and project. ok is false when the machine
// has no bq, which is said in the test's log: Google offers it from no package
// registry.
func BQ(t testing.TB, s Service, args ...string) (_ Printed, ok bool) {
	t.Helper()
	if !s.Usual {
		args = append([]string{"--api", s.BigQuery}, args...)
	}
	return cloud(t, s, "bq", append([]string{"--project_id", s.Project, "--format", "json", "--headless", "--quiet"}, args...))
}

// GCloud runs gcloud with the service's token and project, as [BQ] does bq.
func GCloud(t testing.TB, s Service, args ...string) (_ Printed, ok bool) {
	t.Helper()
	return cloud(t, s, "gcloud", append([]string{"--project", s.Project, "--quiet"}, args...))
}

func cloud(t testing.TB, s Service, name string, args []string) (Printed, bool) {
	t.Helper()
	program, err := exec.LookPath(name)
	if err != nil {
		t.Logf("NOT RUN: this machine has no %s of the Google Cloud CLI, so nothing here is proved of it: %s", name, strings.Join(args, " "))
		return Printed{}, false
	}
	home := t.TempDir()
	token := filepath.Join(home, "token")
	if err := os.WriteFile(token, []byte(s.Token), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), program, args...)
	cmd.Env = append(peer.Environment(t), "CLOUDSDK_CONFIG="+home, "CLOUDSDK_AUTH_ACCESS_TOKEN_FILE="+token, "CLOUDSDK_CORE_DISABLE_PROMPTS=1",
		"CLOUDSDK_CORE_DISABLE_USAGE_REPORTING=true", "CLOUDSDK_COMPONENT_MANAGER_DISABLE_UPDATE_CHECK=true", "BIGQUERYRC="+filepath.Join(home, "bigqueryrc"))
	if s.CA != "" {
		cmd.Env = append(cmd.Env, "CLOUDSDK_CORE_CUSTOM_CA_CERTS_FILE="+s.CA)
	}
	if s.Proxy != "" {
		cmd.Env = append(cmd.Env, "HTTPS_PROXY="+s.Proxy)
	}
	if s.Storage != "" && !s.Usual {
		cmd.Env = append(cmd.Env, fmt.Sprintf("CLOUDSDK_API_ENDPOINT_OVERRIDES_STORAGE=%s/storage/v1/", s.Storage))
	}
	out, err := cmd.CombinedOutput()
	if _, exit := err.(*exec.ExitError); err != nil && !exit {
		t.Fatalf("googleclients: %s: %v", name, err)
	}
	return Printed{Out: string(out), Status: cmd.ProcessState.ExitCode()}, true
}
