// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package bigquery_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-dev/sallyport/test/bigquerypeer"
	"github.com/sallyport-dev/sallyport/test/gatewaytest"
	"github.com/sallyport-dev/sallyport/test/googleclients"
)

const writeAPI = "google.cloud.bigquery.storage.v1.BigQueryWrite."

// notes are a table to append to, and one that is written only when somebody approves.
const notes = "CREATE TABLE scratch.notes (id BIGINT NOT NULL, name VARCHAR, ssn VARCHAR); CREATE TABLE made.held (id BIGINT, name VARCHAR, ssn VARCHAR)"

const holdWrites = `
@id("write-first") @hold("group:privacy-officers") @expires("15m")
forbid(principal, action == Action::"write", resource == Table::"dwh/made/held") unless { context has approval };
`

func startWrite(t *testing.T, more ...gatewaytest.Option) *world {
	t.Helper()
	w := startRead(t, append([]gatewaytest.Option{gatewaytest.Policy(policy + holdWrites)}, more...)...)
	w.peer.Seed(bigquerypeer.Project, "CREATE SCHEMA IF NOT EXISTS scratch; CREATE SCHEMA IF NOT EXISTS made; "+notes)
	return w
}

func noteSchema() [][2]string {
	return [][2]string{{"id", "INTEGER"}, {"name", "STRING"}, {"ssn", "STRING"}}
}

func tablePath(dataset, table string) string {
	return "projects/" + bigquerypeer.Project + "/datasets/" + dataset + "/tables/" + table
}

const byDefault = "/streams/_default"

// message is one with rows of some ids, which hold values that nobody may see.
func message(stream string, ids ...int) googleclients.Message {
	m := googleclients.Message{Stream: stream, Schema: noteSchema()}
	for _, id := range ids {
		m.Rows = append(m.Rows, map[string]any{"id": id, "name": "Ada Example", "ssn": "219-09-9991"})
	}
	return m
}

func raw(m ...googleclients.Message) call { return call{Name: "append_raw", Messages: m} }

func appends(kind, dataset, table string, ids ...int) call {
	return call{Name: "append", Dataset: dataset, Table: table, Type: kind, Schema: noteSchema(), Rows: message("", ids...).Rows, Page: 2}
}

// ids are those in a table, past the service.
func (w *world) ids(table string) string {
	var out []string
	for _, r := range w.peer.SQL("SELECT id FROM " + table + " ORDER BY id") {
		out = append(out, fmt.Sprint(r[0]))
	}
	return strings.Join(out, " ")
}

// ended is how a stream ended that was sent as it is.
func ended(t *testing.T, r googleclients.Result) (reason, message string, answers array) {
	t.Helper()
	if r.Error != nil {
		t.Fatalf("%+v", *r.Error)
	}
	v := r.Value.(object)
	return v["end"].(string), v["message"].(string), v["answers"].(array)
}

// untouched fails the test for a call of the Storage Write API that reached the target.
func (w *world) untouched(t *testing.T, what string) {
	t.Helper()
	for _, r := range w.peer.Requests() {
		if strings.HasPrefix(r.ID, writeAPI) {
			t.Errorf("%s: the target was sent %s %s", what, r.ID, r.Body)
		}
	}
}

// TestAppends has the Go client append to streams of every type, and commit.
func TestAppends(t *testing.T) {
	t.Parallel()
	w := startWrite(t)
	got := w.goClient(t, appends("DEFAULT", "scratch", "notes", 1, 2, 3), appends("COMMITTED", "scratch", "notes", 4, 5, 6), appends("PENDING", "scratch", "notes", 7, 8, 9),
		appends("BUFFERED", "scratch", "notes", 10, 11))
	for i, want := range []array{{-1.0, -1.0}, {0.0, 2.0}, {0.0, 2.0}, {0.0}} {
		if got[i].Error != nil {
			t.Fatalf("%d: %+v", i, *got[i].Error)
		}
		if diff := cmp.Diff(any(want), got[i].Value.(object)["offsets"]); diff != "" {
			t.Errorf("offsets of %d: (-want +got)\n%s", i, diff)
		}
	}
	if at := w.ids("scratch.notes"); at != "1 2 3 4 5 6" {
		t.Errorf("before the commit: %s", at)
	}
	pending, buffered := got[2].Value.(object)["stream"].(string), got[3].Value.(object)["stream"].(string)
	commit := call{Name: "commit", Dataset: "scratch", Table: "notes", Streamed: []string{pending}}
	steps := []struct {
		call call
		want any
	}{
		{commit, array{"INVALID_STREAM_STATE"}},
		{call{Name: "finalize", Object: pending}, 3.0},
		{commit, array{}},
		{call{Name: "flush", Object: buffered, Offset: 0}, 0.0},
		{call{Name: "get_write_stream", Object: buffered}, object{"name": buffered, "type": "BUFFERED", "columns": array{}}},
		{call{Name: "get_write_stream", Object: buffered, Contents: true}, object{"name": buffered, "type": "BUFFERED", "columns": array{"id INT64", "name STRING", "ssn STRING"}}},
		{call{Name: "finalize", Object: tablePath("scratch", "notes") + byDefault}, refusedBy("InvalidArgument")},
		{call{Name: "commit", Dataset: "made", Table: "held", Streamed: []string{pending}}, refusedBy("InvalidArgument")},
		{call{Name: "write_stream", Dataset: "scratch", Table: "none", Type: "PENDING"}, refusedBy("NotFound")},
	}
	var calls []call
	for _, one := range steps {
		calls = append(calls, one.call)
	}
	for i, r := range w.goClient(t, calls...) {
		googleclients.Check(t, calls[i].Name, steps[i].want, r)
	}
	if at := w.ids("scratch.notes"); at != "1 2 3 4 5 6 7 8 9 10" {
		t.Errorf("in the end: %s", at)
	}
	for _, r := range w.peer.Requests() {
		if r.Token != bigquerypeer.TokenExpected {
			t.Errorf("%s came with token %q", r.Path, r.Token)
		}
	}
}

// TestAppendedTraces is row 21 of the bypasses: values in rows that a client streams are
// nowhere in what the gateway leaves, also where the service's errors have them.
func TestAppendedTraces(t *testing.T) {
	t.Parallel()
	w := startWrite(t)
	to := tablePath("scratch", "notes") + byDefault
	without := message(to, 1)
	without.Rows = append(without.Rows, map[string]any{"name": "Ada Example"})
	got := googleclients.Go(t, w.reading(), appends("PENDING", "scratch", "notes", 1, 2), appends("DEFAULT", "clinic", "patients", 3), raw(without), raw(message(to, 4), message("", 5)))
	if reason, text, answers := ended(t, got[2]); reason != "OK" || len(answers) != 1 || answers[0].(object)["error"] != "InvalidArgument" || answers[0].(object)["row"] != 1.0 {
		t.Errorf("a row without what is required: %s %s %v", reason, text, answers)
	}
	w.Stop(t)
	noted := false
	for name, b := range w.Traces(t) {
		clean(t, name, string(b))
		noted = noted || strings.Contains(string(b), "2 of 2 messages acknowledged")
		if strings.Contains(string(b), w.Token) {
			t.Errorf("%s holds the token", name)
		}
	}
	if !noted {
		t.Error("no outcome says how many messages were acknowledged")
	}
}

// TestAppendsRefused are calls that policy or the gateway refuses; nothing of them
// reaches the target.
func TestAppendsRefused(t *testing.T) {
	t.Parallel()
	w := startWrite(t)
	to := tablePath("scratch", "notes") + byDefault
	changes := message(tablePath("clinic", "visits")+byDefault, 1)
	changes.Schema = append(changes.Schema, [2]string{"_change_type", "STRING"})
	unknown, arrow := message(to, 1), message(to, 1)
	unknown.Unknown, arrow.Arrow = true, true
	w.peer.Forget()
	for what, one := range map[string]struct {
		call   call
		reason string
	}{
		"another table":     {raw(message(tablePath("clinic", "patients")+byDefault, 1)), "PermissionDenied"},
		"another project":   {raw(message("projects/another/datasets/scratch/tables/notes"+byDefault, 1)), "PermissionDenied"},
		"changes":           {raw(changes), "PermissionDenied"},
		"no stream":         {raw(message("", 1)), "InvalidArgument"},
		"a stream of none":  {raw(message(tablePath("scratch", "notes")+"/streams/abc", 1)), "NotFound"},
		"a hidden table":    {raw(message(tablePath("_hidden", "notes")+byDefault, 1)), "NotFound"},
		"a wildcard":        {raw(message(tablePath("scratch", "note*")+byDefault, 1)), "InvalidArgument"},
		"an old table":      {raw(message(tablePath("scratch", "notes@1")+byDefault, 1)), "InvalidArgument"},
		"an unknown field":  {raw(unknown), "InvalidArgument"},
		"Arrow":             {raw(arrow), "InvalidArgument"},
		"no whole message":  {raw(), "InvalidArgument"},
		"a stream to write": {call{Name: "write_stream", Dataset: "clinic", Table: "patients", Type: "PENDING"}, "PermissionDenied"},
		"no type":           {call{Name: "write_stream", Dataset: "scratch", Table: "notes"}, "InvalidArgument"},
		"what table it is":  {call{Name: "get_write_stream", Object: tablePath("clinic", "patients") + byDefault}, "PermissionDenied"},
	} {
		got := w.goClient(t, one.call)[0]
		reason := ""
		if got.Error != nil {
			reason = got.Error.Reason
		} else {
			reason, _, _ = ended(t, got)
		}
		if reason != one.reason {
			t.Errorf("%s: %s, not %s", what, reason, one.reason)
		}
		w.untouched(t, what)
	}
}

// TestLaterMessages are refused where they say more than the first that was judged; the
// rows before them are in the table.
func TestLaterMessages(t *testing.T) {
	t.Parallel()
	w := startWrite(t)
	to, other := tablePath("scratch", "notes")+byDefault, tablePath("made", "held")+byDefault
	late, named := message("", 9), message("", 9)
	late.Schema = append(late.Schema, [2]string{"_CHANGE_TYPE", "STRING"})
	named.Column = map[string]string{"name": "_Change_Type"}
	narrow := googleclients.Message{Schema: noteSchema()[:1], Rows: []map[string]any{{"id": 3}}}
	for what, one := range map[string]struct {
		message googleclients.Message
		hint    string
	}{
		"another stream": {message(other, 9), "multiplexing"}, "changes": {late, "_CHANGE_TYPE"}, "changes by another name": {named, "_CHANGE_TYPE"},
	} {
		w.peer.Seed(bigquerypeer.Project, "DELETE FROM scratch.notes")
		got := w.goClient(t, raw(message(to, 1), message(to, 2), narrow, one.message, message("", 10)))[0]
		reason, text, answers := ended(t, got)
		if reason != "InvalidArgument" || !strings.Contains(text, one.hint) || len(answers) != 3 {
			t.Errorf("%s: %s %s %v", what, reason, text, answers)
		}
		if at := w.ids("scratch.notes"); at != "1 2 3" {
			t.Errorf("%s: the table has %s", what, at)
		}
		if at := w.ids("made.held"); at != "" {
			t.Errorf("%s: the other table has %s", what, at)
		}
	}
	// A stream that was judged as one that deletes goes to the service.
	first := message(to, 9)
	first.Schema = append(first.Schema, [2]string{"_CHANGE_TYPE", "STRING"})
	if reason, _, answers := ended(t, w.goClient(t, raw(first))[0]); reason != "OK" || len(answers) != 1 || !strings.Contains(fmt.Sprint(answers), "changes of rows are not served") {
		t.Errorf("changes: %s %v", reason, answers)
	}
}

// bound is a gateway token for the resource of whoever has another token.
func bound(t *testing.T, w *world, token string) string {
	t.Helper()
	res, err := w.HTTP.PostForm("https://"+w.APIAddress()+"/v1/token", url.Values{
		"grant_type": {"urn:ietf:params:oauth:grant-type:token-exchange"}, "subject_token": {token}, "resource": {"dwh"}, "scope": {"dwh"},
		"subject_token_type": {"urn:ietf:params:oauth:token-type:jwt"},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close() //nolint:errcheck // it was read
	var out struct {
		Token string `json:"access_token"`
	}
	if err := json.NewDecoder(res.Body).Decode(&out); err != nil || out.Token == "" {
		t.Fatalf("no token: %d %v", res.StatusCode, err)
	}
	return out.Token
}

// TestOthersWrittenStreams has another caller work with a stream.
func TestOthersWrittenStreams(t *testing.T) {
	t.Parallel()
	w := startWrite(t)
	name := w.goClient(t, call{Name: "write_stream", Dataset: "scratch", Table: "notes", Type: "PENDING"})[0].Value.(object)["name"].(string)
	token, err := w.Issuer.Token("repo:acme/other:ref:refs/heads/main", 600e9, map[string]any{"kind": "ci", "repository": "acme/other"})
	if err != nil {
		t.Fatal(err)
	}
	o := *w
	o.Token = bound(t, w, token)
	w.peer.Forget()
	for _, one := range []call{
		{Name: "finalize", Object: name}, {Name: "get_write_stream", Object: name}, {Name: "flush", Object: name}, {Name: "commit", Dataset: "scratch", Table: "notes", Streamed: []string{name}},
	} {
		googleclients.Check(t, "another's "+one.Name, refusedBy("NotFound"), o.goClient(t, one)[0])
	}
	if reason, _, _ := ended(t, o.goClient(t, raw(message(name, 1)))[0]); reason != "NotFound" {
		t.Errorf("another's append: %s", reason)
	}
	w.untouched(t, "another's stream")
	if reason, _, _ := ended(t, w.goClient(t, raw(message(name, 1)))[0]); reason != "OK" {
		t.Errorf("the caller's own: %s", reason)
	}
}

// TestHeldAppends waits with the first rows of a stream until somebody has decided.
func TestHeldAppends(t *testing.T) {
	t.Parallel()
	w := startWrite(t)
	for _, how := range []string{"deny", "approve"} {
		w.peer.Forget()
		done := make(chan googleclients.Result, 1)
		go func() {
			done <- googleclients.Go(t, w.reading(), raw(message(tablePath("made", "held")+byDefault, 1), message("", 2)))[0]
		}()
		w.Decide(t, w.HTTP, "AppendRows made.held", how)
		reason, text, answers := ended(t, <-done)
		if how == "deny" {
			if reason != "PermissionDenied" || w.ids("made.held") != "" {
				t.Errorf("denied: %s %s", reason, text)
			}
			w.untouched(t, "denied")
		} else if reason != "OK" || len(answers) != 2 || w.ids("made.held") != "1 2" {
			t.Errorf("approved: %s %s %v", reason, text, answers)
		}
	}
}

// TestAppendsEnd has a stream that would go on for ever end, and the target's with it:
// by the service, and by the caller's token.
func TestAppendsEnd(t *testing.T) {
	t.Parallel()
	w := startWrite(t)
	to := tablePath("scratch", "notes") + byDefault
	w.peer.Fail(bigquerypeer.Fault{Next: 1, Path: "/AppendRows", Cut: true})
	if reason, _, answers := ended(t, w.goClient(t, raw(message(to, 1), message("", 2)))[0]); reason != "Unavailable" || len(answers) != 1 {
		t.Errorf("a stream that the service ends: %s %v", reason, answers)
	}
	done := make(chan googleclients.Result, 1)
	endless := raw(message(to, 3))
	endless.Endless = true
	go func() { done <- googleclients.Go(t, w.reading(), endless)[0] }()
	for end := time.Now().Add(30 * time.Second); !strings.Contains(w.ids("scratch.notes"), "3 3"); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("no rows come")
		}
	}
	res, err := w.HTTP.Post("https://"+w.APIAddress()+"/v1/token/revoke", "application/x-www-form-urlencoded", strings.NewReader("token="+w.Token))
	if err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("%v %v", res, err)
	}
	_ = res.Body.Close()
	if reason, text, _ := ended(t, <-done); reason == "OK" || reason == "Unavailable" {
		t.Errorf("revoked: %s %s", reason, text)
	}
	w.Stop(t)
	unknown := 0
	for name, b := range w.Traces(t) {
		clean(t, name, string(b))
		unknown += strings.Count(string(b), `"status":"unknown"`)
	}
	if unknown == 0 {
		t.Error("no outcome says that it is not known what the service took")
	}
}
