// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package demo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// call is one call of Google's client libraries for Go: how one writes it, and how
// the program that makes it is told.
type call struct {
	code string
	told map[string]any
}

func objects(bucket string) call {
	return call{fmt.Sprintf("gcs.Bucket(%q).Objects(ctx, nil)", bucket), map[string]any{"call": "objects", "bucket": bucket}}
}

func object(bucket, name string) call {
	return call{
		fmt.Sprintf("gcs.Bucket(%q).Object(%q).NewReader(ctx)", bucket, name),
		map[string]any{"call": "get", "bucket": bucket, "name": name},
	}
}

func copied(from, to, name string) call {
	return call{
		fmt.Sprintf("gcs.Bucket(%q).Object(%q).CopierFrom(gcs.Bucket(%q).Object(%[2]q)).Run(ctx)", to, name, from),
		map[string]any{"call": "copy_object", "bucket": from, "to": to, "name": name},
	}
}

func buckets() call {
	return call{"gcs.Buckets(ctx, project)", map[string]any{"call": "buckets"}}
}

func deletedBucket(bucket string) call {
	return call{fmt.Sprintf("gcs.Bucket(%q).Delete(ctx)", bucket), map[string]any{"call": "delete_bucket", "bucket": bucket}}
}

func query(sql string) call {
	return call{fmt.Sprintf("bq.Query(%q).Read(ctx)", sql), map[string]any{"call": "job", "sql": sql, "page": 100}}
}

func tables(dataset string) call {
	return call{fmt.Sprintf("bq.Dataset(%q).Tables(ctx)", dataset), map[string]any{"call": "tables", "dataset": dataset}}
}

func table(dataset, name string) call {
	return call{fmt.Sprintf("bq.Dataset(%q).Table(%q).Read(ctx)", dataset, name), map[string]any{"call": "rows", "dataset": dataset, "table": name}}
}

func deletedTable(dataset, name string) call {
	return call{fmt.Sprintf("bq.Dataset(%q).Table(%q).Delete(ctx)", dataset, name), map[string]any{"call": "delete_table", "dataset": dataset, "table": name}}
}

func jobs() call { return call{"bq.Jobs(ctx)", map[string]any{"call": "jobs"}} }

func answerOf(job string) call {
	return call{fmt.Sprintf("job, err := bq.JobFromID(ctx, %q); job.Read(ctx)", job), map[string]any{"call": "answer", "name": job}}
}

// credentials is the file that the libraries log in with at a resource, as
// "sallyport login" has written it.
func (s *stage) credentials(a actor, resource string) string {
	return s.path(a.name, "google", resource+"."+role+".json")
}

// library is a program of Google's libraries that makes one call. All that it is
// told of the gateway is an address, an authority and a file of credentials.
func (s *stage) library(a actor, resource string, c call) invocation {
	root := "https://" + s.gateway.at.http
	in, err := json.Marshal(map[string]any{
		"service": map[string]string{"project": s.google.at.Project, "bigquery": root, "storage": root, "credentials": s.credentials(a, resource)},
		"calls":   []any{c.told},
	})
	return invocation{who: a.name, path: s.google.at.Client, in: string(in), env: s.environment([]variable{{"SSL_CERT_FILE", s.path("ca.pem")}}), err: err}
}

// begin shows a call and has it made in the background.
func (s *stage) begin(ctx context.Context, a actor, resource string, c call) *program {
	s.command(a.name, c.code)
	return s.quietly(ctx, s.library(a, resource, c))
}

// end waits for a call's end and returns what the library made of it, as text; code
// is the status of HTTP when that is an error, and 0 when it is none.
func (p *program) end() (text string, code int, err error) {
	<-p.done
	p.cancel()
	r, err := p.result()
	if err == nil {
		err = r.check(0)
	}
	var results []struct {
		Value any
		Error *struct {
			Code            int
			Reason, Message string
		}
	}
	if err == nil {
		err = json.Unmarshal([]byte(r.out), &results)
	}
	if err == nil && len(results) != 1 {
		err = errors.New("not one result")
	}
	if err != nil {
		return "", 0, fmt.Errorf("the client: %w; it printed:\n%s", err, r.out)
	}
	if e := results[0].Error; e != nil {
		return fmt.Sprintf("error: %s (%d %s)", e.Message, e.Code, e.Reason), max(e.Code, 1), p.stage.search(r.out)
	}
	return plain(results[0].Value), 0, p.stage.search(r.out)
}

// plain writes a result as text: a value as it is, items and rows one to a line.
func plain(v any) string {
	switch x := v.(type) {
	case nil:
		return "done"
	case []any:
		if len(x) == 0 {
			return "(none)"
		}
		var lines []string
		for _, item := range x {
			lines = append(lines, plain(item))
		}
		return strings.Join(lines, "\n")
	case map[string]any:
		if rows, ok := x["rows"].([]any); ok && len(rows) > 0 {
			return plain(rows)
		} else if ok {
			return "done"
		}
		var words []string
		for _, k := range slices.Sorted(maps.Keys(x)) {
			words = append(words, fmt.Sprintf("%s=%v", k, x[k]))
		}
		return strings.Join(words, "  ")
	default:
		return fmt.Sprint(x)
	}
}

// close shows what a call came to, and checks its status and that the text holds
// each of texts.
func (p *program) close(code int, texts ...string) (string, error) {
	text, got, err := p.end()
	if err != nil {
		return "", err
	}
	p.stage.output(text)
	switch {
	case code == failure && got == 0:
		return text, errors.New("it was expected to fail, and did not")
	case code != failure && got != code:
		return text, fmt.Errorf("it came to %d instead of %d", got, code)
	}
	return text, result{out: text}.check(0, texts...)
}

// ask has a call made, shows it with what it came to, and checks that.
func (s *stage) ask(ctx context.Context, a actor, resource string, c call, code int, texts ...string) (string, error) {
	return s.begin(ctx, a, resource, c).close(code, texts...)
}

// twice has a call made that is held, denied, made again, held and approved.
func (s *stage) twice(ctx context.Context, resource string, c call, no, yes string) error {
	first := s.begin(ctx, job(), resource, c)
	defer first.abandon()
	id, err := s.decide(ctx, first, "", "deny", no)
	if err != nil {
		return err
	}
	s.line("")
	s.say("The client, in the first terminal:")
	if _, err := first.close(failure, no); err != nil {
		return err
	}
	again := s.begin(ctx, job(), resource, c)
	defer again.abandon()
	if _, err := s.decide(ctx, again, id, "approve", yes); err != nil {
		return err
	}
	_, err = again.close(0)
	return err
}

// login has an actor log in at a resource, which writes the file of credentials.
func (s *stage) login(ctx context.Context, a actor, resource string) error {
	return s.remember(ctx, a, "--resource", resource, "--role", role)
}

// remember has an actor log in, with more flags.
func (s *stage) remember(ctx context.Context, a actor, more ...string) error {
	token, err := s.token(a, keptLife)
	if err != nil {
		return err
	}
	if err := s.put(a.name+".token", token, 0o600); err != nil {
		return err
	}
	args := append([]string{"login", "--server", "https://" + s.gateway.at.api, "--ca", "ca.pem", "--token-file", a.name + ".token"}, more...)
	_, err = s.expect(ctx, invocation{who: a.name, name: "sallyport", path: s.env.Self, args: args, env: s.environment([]variable{{"SALLYPORT_PROFILE", s.path(a.name, "profile.json")}})}, 0)
	return err
}

// shows writes how a client is made, the two things that are changed marked.
func (s *stage) shows(a actor, resource, made, path string) {
	s.line("")
	s.say("The client is Google's library for Go. Two things are changed, the file of credentials and the address:")
	s.command(a.name, exports([]variable{{"GOOGLE_APPLICATION_CREDENTIALS", s.credentials(a, resource)}, {"SSL_CERT_FILE", s.path("ca.pem")}}, false))
	s.command(a.name, fmt.Sprintf("%s, option.WithEndpoint(\"https://%s%s\"))", made, s.gateway.at.http, path))
}

// leaveGoogle says how to go on with clients of Google Cloud.
func (s *stage) leaveGoogle() {
	if s.google == nil {
		return
	}
	s.line("")
	s.say("With clients of Google Cloud, in a terminal of the ci-job:")
	for _, x := range []struct {
		resource, client string
		try              []string
	}{
		{lake, "gcloud", []string{"gcloud storage cat gs://" + exportBucket + "/" + exportObject, "gcloud storage rm gs://" + exportBucket + "/" + exportObject + "    # held; the officer decides"}},
		{warehouse, "bq", []string{"bq head clinic.patients", `bq query --nouse_legacy_sql "SELECT id, REVERSE(ssn) AS r FROM clinic.patients"`}},
	} {
		s.line("\n   eval \"$(%s env %s --role %s --project %s --client %s)\"", s.env.Self, x.resource, role, s.google.at.Project, x.client)
		for _, t := range x.try {
			s.line("   %s", t)
		}
	}
	root := "https://" + s.gateway.at.http
	s.line("   # in Go: option.WithEndpoint(%q) for Cloud Storage, option.WithEndpoint(%q) for BigQuery", root+"/storage/v1/", root+"/bigquery/v2/")
}
