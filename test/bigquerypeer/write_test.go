// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package bigquerypeer_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-dev/sallyport/test/bigquerypeer"
	"github.com/sallyport-dev/sallyport/test/googleclients"
)

const notes = "CREATE SCHEMA w; CREATE TABLE w.notes (id BIGINT NOT NULL, day DATE, text VARCHAR)"

const notesTable = "projects/" + bigquerypeer.Project + "/datasets/w/tables/notes"

// noteSchema is the writer's schema of them.
func noteSchema() [][2]string {
	return [][2]string{{"id", "INTEGER"}, {"day", "DATE"}, {"text", "STRING"}}
}

func note(id int) map[string]any { return map[string]any{"id": id, "day": 20000, "text": "all well"} }

// message is one with rows of some ids.
func message(stream string, ids ...int) googleclients.Message {
	m := googleclients.Message{Stream: stream, Schema: noteSchema()}
	for _, id := range ids {
		m.Rows = append(m.Rows, note(id))
	}
	return m
}

// ids are those in the table.
func ids(s *bigquerypeer.Server) string {
	var out []string
	for _, r := range s.SQL("SELECT id, CAST(day AS VARCHAR), text FROM w.notes ORDER BY id") {
		if r[1] != "2024-10-04" || r[2] != "all well" {
			return "a row is another"
		}
		out = append(out, r[0].(string))
	}
	return strings.Join(out, " ")
}

// The Go client appends by its managed streams of every type.
func TestStorageWriteClient(t *testing.T) {
	t.Parallel()
	s := bigquerypeer.Start(t, bigquerypeer.WithSeed(notes), bigquerypeer.WithRead())
	svc := service(s)
	append_ := func(kind string, ids ...int) googleclients.Call {
		return googleclients.Call{Name: "append", Dataset: "w", Table: "notes", Type: kind, Schema: noteSchema(), Rows: message("", ids...).Rows, Page: 2}
	}
	got := googleclients.Go(t, svc, append_("DEFAULT", 1, 2, 3), append_("COMMITTED", 4, 5, 6), append_("PENDING", 7, 8), append_("BUFFERED", 9, 10, 11))
	for i, want := range []any{array{-1.0, -1.0}, array{0.0, 2.0}, array{0.0}, array{0.0, 2.0}} {
		if got[i].Error != nil {
			t.Fatalf("%d: %+v", i, *got[i].Error)
		}
		if diff := cmp.Diff(want, got[i].Value.(object)["offsets"]); diff != "" {
			t.Errorf("offsets of %d: (-want +got)\n%s", i, diff)
		}
	}
	if at := ids(s); at != "1 2 3 4 5 6" {
		t.Errorf("before the commit: %s", at)
	}
	name := func(i int) string { return got[i].Value.(object)["stream"].(string) }
	pending, buffered := name(2), name(3)
	commit := googleclients.Call{Name: "commit", Dataset: "w", Table: "notes", Streamed: []string{pending}}
	steps := []step{
		{commit, array{"INVALID_STREAM_STATE"}},
		{googleclients.Call{Name: "finalize", Object: pending}, 2.0},
		{commit, array{}},
		{commit, array{"STREAM_ALREADY_COMMITTED"}},
		{googleclients.Call{Name: "flush", Object: buffered, Offset: 1}, 1.0},
		{googleclients.Call{Name: "flush", Object: buffered, Offset: 3}, &googleclients.Error{Reason: "OutOfRange"}},
		{googleclients.Call{Name: "get_write_stream", Object: buffered, Contents: true}, object{"name": buffered, "type": "BUFFERED", "columns": array{"id INT64", "day DATE", "text STRING"}}},
		{googleclients.Call{Name: "get_write_stream", Object: notesTable + "/streams/_default"}, object{"name": notesTable + "/streams/_default", "type": "COMMITTED", "columns": array{}}},
		{googleclients.Call{Name: "get_write_stream", Object: notesTable + "/streams/none"}, &googleclients.Error{Reason: "NotFound"}},
		{googleclients.Call{Name: "write_stream", Dataset: "w", Table: "none", Type: "PENDING"}, &googleclients.Error{Reason: "NotFound"}},
		{googleclients.Call{Name: "write_stream", Dataset: "w", Table: "notes"}, &googleclients.Error{Reason: "InvalidArgument"}},
	}
	var calls []googleclients.Call
	for _, one := range steps {
		calls = append(calls, one.call)
	}
	for i, r := range googleclients.Go(t, svc, calls...) {
		googleclients.Check(t, calls[i].Name, steps[i].want, r)
	}
	if at := ids(s); at != "1 2 3 4 5 6 7 8 9 10" {
		t.Errorf("in the end: %s", at)
	}
}

func TestAppendedOffsets(t *testing.T) {
	t.Parallel()
	const other = "token-of-the-reader"
	s := bigquerypeer.Start(t, bigquerypeer.WithSeed(notes), bigquerypeer.WithIdentity(other, "reader@clinic-test.iam.gserviceaccount.com"), bigquerypeer.WithRead())
	svc := service(s)
	name := googleclients.Go(t, svc, googleclients.Call{Name: "write_stream", Dataset: "w", Table: "notes", Type: "COMMITTED"})[0].Value.(object)["name"].(string)
	at := func(offset int64, m googleclients.Message) googleclients.Message { m.Offset = &offset; return m }
	raw := func(m ...googleclients.Message) googleclients.Call {
		return googleclients.Call{Name: "append_raw", Messages: m}
	}
	offset := func(n float64) object { return object{"offset": n} }
	failed := func(code, text string) object { return object{"offset": -1.0, "error": code, "message": text} }
	got := googleclients.Go(t, svc,
		raw(at(0, message(name, 1, 2)), at(2, message("", 3)), at(1, message("", 9)), at(7, message("", 9)), message("", 4)),
		raw(googleclients.Message{Stream: name, Schema: noteSchema(), Rows: []map[string]any{note(9), {"text": "without a number"}}}),
		raw(at(0, message(notesTable+"/streams/_default", 9))), raw(message("", 9)),
	)
	googleclients.Check(t, "offsets", object{"end": "OK", "message": "", "answers": array{
		offset(0), offset(2), failed("AlreadyExists", "The offset is within stream"), failed("OutOfRange", "The offset is beyond stream"), offset(3),
	}}, got[0])
	bad := got[1].Value.(object)["answers"].(array)[0].(object)
	if bad["row"] != 1.0 || !strings.Contains(bad["row_message"].(string), "without a number") {
		t.Errorf("a row without what is required: %v", bad)
	}
	googleclients.Check(t, "an offset of the default stream", object{"end": "OK", "message": "", "answers": array{failed("InvalidArgument", "The default stream takes no offset")}}, got[2])
	if end := got[3].Value.(object)["end"]; end != "InvalidArgument" {
		t.Errorf("no stream: %v", end)
	}
	svc.Token = other
	if end := googleclients.Go(t, svc, raw(message(name, 9)))[0].Value.(object)["end"]; end != "PermissionDenied" {
		t.Errorf("another's stream: %v", end)
	}
	if at := ids(s); at != "1 2 3 4" {
		t.Errorf("the table has %s", at)
	}
}

func TestAppendFaults(t *testing.T) {
	t.Parallel()
	s := bigquerypeer.Start(t, bigquerypeer.WithSeed(notes), bigquerypeer.WithRead())
	s.Fail(bigquerypeer.Fault{Next: 1, Path: "/AppendRows", Cut: true})
	to := notesTable + "/streams/_default"
	got := googleclients.Go(t, service(s), googleclients.Call{Name: "append_raw", Messages: []googleclients.Message{message(to, 1), message("", 2)}})
	if v := got[0].Value.(object); v["end"] != "Unavailable" || len(v["answers"].(array)) != 1 {
		t.Errorf("a stream that ends in its middle: %v", v)
	}
	if at := ids(s); at != "1" {
		t.Errorf("the table has %s", at)
	}
}
