// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package bigquery_test

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	analyze "github.com/sallyport-dev/sallyport/internal/analyze/bigquery"
	"github.com/sallyport-dev/sallyport/internal/wire/grpc"
	"github.com/sallyport-dev/sallyport/test/bigquerypeer"
	"github.com/sallyport-dev/sallyport/test/bqanalyzer"
	"github.com/sallyport-dev/sallyport/test/gatewaytest"
	"github.com/sallyport-dev/sallyport/test/googleclients"
)

const readAPI = "google.cloud.bigquery.storage.v1.BigQueryRead."

// startRead starts a gateway whose counterpart speaks the Storage Read API as well.
func startRead(t *testing.T, more ...gatewaytest.Option) *world {
	t.Helper()
	peer := bigquerypeer.Start(t, bigquerypeer.WithClinic(), bigquerypeer.WithRead())
	ca, err := os.ReadFile(peer.ReadCA)
	if err != nil {
		t.Fatal(err)
	}
	return startReadAt(t, peer, peer.Read, string(ca), more...)
}

// startReadAt starts one that reaches the Storage Read API at a host and port, with a
// certificate of an authority.
func startReadAt(t *testing.T, peer *bigquerypeer.Server, host, ca string, more ...gatewaytest.Option) *world {
	t.Helper()
	entry := fmt.Sprintf(resource, peer.URL, bigquerypeer.Project, bqanalyzer.Binary(t)) + "      storage_url: https://" + host + "\n    tls: {ca: bq-ca.pem}\n"
	return startEntry(t, peer, entry, append([]gatewaytest.Option{gatewaytest.File("bq-ca.pem", ca)}, more...)...)
}

// reading is the service as a client sees it that reads by Arrow.
func (w *world) reading() googleclients.Service {
	s := w.service()
	s.Read = w.HTTPAddress()
	return s
}

func (w *world) goClient(t *testing.T, calls ...call) []googleclients.Result {
	t.Helper()
	got := googleclients.Go(t, w.reading(), calls...)
	for i, r := range got {
		clean(t, fmt.Sprintf("%+v", calls[i]), fmt.Sprintf("%+v %+v", r.Value, r.Error))
	}
	return got
}

func session(restriction string, fields ...string) call {
	return call{Name: "session", Dataset: "clinic", Table: "patients", Restriction: restriction, Fields: fields, Streams: 1}
}

func refusedBy(reason string) *googleclients.Error { return &googleclients.Error{Reason: reason} }

// streamOf is the name of a session's only stream.
func streamOf(t *testing.T, r googleclients.Result) string {
	t.Helper()
	if r.Error != nil {
		t.Fatalf("no session: %+v", *r.Error)
	}
	names := r.Value.(object)["streams"].(array)
	if len(names) != 1 {
		t.Fatalf("the streams are %v", names)
	}
	return names[0].(string)
}

// TestReadAsByREST is row 2 of the bypasses: the Go client reads answers and tables by
// Arrow, from the tables that the service hides, and sees what it sees by REST.
func TestReadAsByREST(t *testing.T) {
	t.Parallel()
	w := startRead(t)
	calls := []call{
		query("SELECT * FROM clinic.patients ORDER BY mrn"), query("SELECT mrn, note, UPPER(name) AS n FROM clinic.patients ORDER BY mrn"),
		query("SELECT mrn, zip FROM clinic.patients ORDER BY mrn LIMIT 1"), query("SELECT zip FROM clinic.patients WHERE FALSE"),
		{Name: "rows", Dataset: "clinic", Table: "patients"},
		{Name: "rows", Dataset: "clinic", Table: "visits"},
		query("SELECT n, CONCAT('row ', CAST(n AS STRING)) AS t FROM UNNEST(GENERATE_ARRAY(1, 30000)) AS n ORDER BY n"),
	}
	rest := googleclients.Go(t, w.service(), calls...)
	w.peer.Forget()
	w.peer.Set(bigquerypeer.Settings{PageRows: 1}) // a client asks for Arrow where there is more than a page
	arrow := w.goClient(t, calls...)
	for i, c := range calls {
		for _, r := range []googleclients.Result{rest[i], arrow[i]} {
			if r.Error != nil {
				t.Fatalf("%+v: %+v", c, *r.Error)
			}
		}
		if diff := cmp.Diff(sorted(rest[i].Value), sorted(arrow[i].Value)); diff != "" {
			t.Errorf("%+v: (-by REST +by Arrow)\n%s", c, diff)
		}
	}
	n := map[string]int{}
	for _, r := range w.peer.Requests() {
		if r.Token != bigquerypeer.TokenExpected || r.Identity != bigquerypeer.Identity {
			t.Errorf("%s came as %s with token %q", r.ID, r.Identity, r.Token)
		}
		n[strings.TrimPrefix(r.ID, readAPI)]++
	}
	if n["CreateReadSession"] < 5 || n["ReadRows"] < 5 {
		t.Errorf("the client did not use the Storage Read API: %v", n)
	}
	if w.peer.Saw(w.Token) {
		t.Error("the target was shown the caller's token")
	}
}

// sorted are rows in an order that does not depend on the interface.
func sorted(v any) map[string]int {
	out := map[string]int{}
	if o, ok := v.(object); ok {
		for _, r := range o["rows"].(array) {
			out[fmt.Sprint(r)]++
		}
	}
	return out
}

// TestSessions is row 15: sessions of tables, and streams in the hands of others.
func TestSessions(t *testing.T) {
	t.Parallel()
	w := startRead(t)
	o := w.other(t)
	got := w.goClient(t, session(""), session("", "ssn", "mrn"), call{Name: "session", Dataset: "clinic", Table: "patients", Format: "AVRO"}, session("", "nickname"),
		call{Name: "session", Dataset: "clinic", Table: "nobody"}, call{Name: "session", Dataset: "INFORMATION_SCHEMA", Table: "JOBS"}, call{Name: "session", Dataset: "clinic", Table: "adults"})
	all, some := streamOf(t, got[0]), streamOf(t, got[1])
	if diff := cmp.Diff(any(array{"mrn int64", "ssn utf8"}), got[1].Value.(object)["columns"]); diff != "" {
		t.Errorf("columns: (-want +got)\n%s", diff)
	}
	googleclients.Check(t, "Avro", refusedBy("InvalidArgument"), got[2])
	if msg := got[2].Error.Message; !strings.Contains(msg, "ARROW") {
		t.Errorf("Avro is refused without a word of what to do: %s", msg)
	}
	for i, r := range got[3:] {
		if r.Error == nil {
			t.Errorf("session %d: %v", i+3, r.Value)
		}
	}
	got = w.goClient(t, call{Name: "stream", Object: all}, call{Name: "stream", Object: some}, call{Name: "stream", Object: some, Offset: 2},
		call{Name: "stream", Object: some, Offset: 9}, call{Name: "split", Object: some, Fraction: 0.5}, call{Name: "stream", Object: "projects/x/streams/y"})
	masked := func(mrn float64) any { return object{"mrn": mrn, "ssn": "[phi.ssn]"} }
	for i, want := range []array{{masked(1001), masked(1002), masked(1003)}, {masked(1003)}} {
		if diff := cmp.Diff(any(want), got[i+1].Value.(object)["rows"]); diff != "" {
			t.Errorf("stream %d: (-want +got)\n%s", i+1, diff)
		}
	}
	if n := len(got[0].Value.(object)["rows"].(array)); n != 3 {
		t.Errorf("%d rows of the whole table", n)
	}
	googleclients.Check(t, "beyond the end", refusedBy("OutOfRange"), got[3])
	googleclients.Check(t, "nobody's stream", refusedBy("NotFound"), got[5])
	halves := got[4].Value.(object)
	n := 0
	for _, half := range []string{"primary", "remainder"} {
		r := w.goClient(t, call{Name: "stream", Object: halves[half].(string)})[0]
		if r.Error != nil {
			t.Fatalf("%s: %+v", half, *r.Error)
		}
		n += len(r.Value.(object)["rows"].(array))
	}
	if n != 3 {
		t.Errorf("%d rows in both halves", n)
	}
	w.peer.Forget()
	for _, name := range []string{all, some, halves["primary"].(string)} {
		for i, r := range o.calls(t, "ReadRows", grpc.AppendString(nil, 1, name), "SplitReadStream", grpc.AppendString(nil, 1, name)) {
			if r.Code != grpc.NotFound {
				t.Errorf("another's stream, %d: %v", i, r)
			}
		}
	}
	for _, r := range w.peer.Requests() {
		if strings.HasPrefix(r.ID, readAPI) {
			t.Errorf("the target was sent %s", r.ID)
		}
	}
}

// calls makes calls of gRPC by the name of a method and a message each, under the
// prefix that names resource and role, and returns how they end.
func (w *world) calls(t *testing.T, what ...any) (out []grpc.Status) {
	t.Helper()
	for i := 0; i < len(what); i += 2 {
		out = append(out, w.call(t, "/r/dwh/dwh/"+analyze.ReadService+"/"+what[i].(string), string(grpc.Append(nil, what[i+1].([]byte)))))
	}
	return out
}

func (w *world) call(t *testing.T, path, body string, set ...func(*http.Request)) grpc.Status {
	t.Helper()
	got := w.Ask(t, "POST", path, body, append([]func(*http.Request){func(r *http.Request) { r.Header.Set("Content-Type", grpc.ContentType) }}, set...)...)
	s, ok := grpc.ParseStatus(got.Header.Get(grpc.HeaderStatus), got.Header.Get(grpc.HeaderMessage))
	if got.Status != http.StatusOK || !ok && got.Body == "" {
		t.Errorf("%s: %d %v %q", path, got.Status, got.Header, got.Body)
	}
	clean(t, path, s.Message+got.Body)
	return s
}

// TestRestrictions is row 6: rows are chosen by columns that may choose rows, and by
// nothing that is more than one condition.
func TestRestrictions(t *testing.T) {
	t.Parallel()
	w := startRead(t)
	for restriction, reason := range map[string]string{
		"mrn > 1001 AND zip IS NOT NULL": "", "zip != 'x) OR (TRUE'": "", "mrn IN (1001, 1003)": "",
		"ssn = '219-09-9991'": "PermissionDenied", "mrn > 0 AND STARTS_WITH(name, 'A')": "PermissionDenied", "birth > DATE '1970-01-01'": "PermissionDenied",
		"IF(ssn LIKE '2%', TRUE, FALSE)": "PermissionDenied", "ERROR(ssn) IS NULL": "PermissionDenied", "LENGTH(TO_JSON_STRING(patients)) > 3": "InvalidArgument",
		"TRUE) OR (TRUE": "InvalidArgument", "mrn > 0) UNION ALL (SELECT ssn FROM clinic.patients WHERE (TRUE": "InvalidArgument", "mrn > 0 -- all": "InvalidArgument",
		"mrn > 0 /* all */": "InvalidArgument", "mrn > 0 # all": "InvalidArgument", "mrn > 0; SELECT 1": "InvalidArgument", "mrn IN (SELECT mrn FROM clinic.patients WHERE ssn = 'x')": "InvalidArgument",
		"EXISTS (SELECT 1 FROM clinic.patients WHERE name = 'x')": "InvalidArgument", "nickname = 'x'": "InvalidArgument", "another.f(zip) = 'x'": "PermissionDenied", "mrn = 1001, ssn": "InvalidArgument",
	} {
		w.peer.Forget()
		got := w.goClient(t, session(restriction, "mrn", "zip"))[0]
		asked := false
		for _, r := range w.peer.Requests() {
			asked = asked || r.ID == readAPI+"CreateReadSession"
		}
		switch {
		case reason == "":
			rows := w.goClient(t, call{Name: "stream", Object: streamOf(t, got)})[0]
			if rows.Error != nil || !asked {
				t.Errorf("%s: %+v", restriction, rows.Error)
			}
		case got.Error == nil || got.Error.Reason != reason || asked:
			t.Errorf("%s: %+v %v, reached the target: %v", restriction, got.Error, got.Value, asked)
		}
	}
}

// TestRestrictedAnswers is row 6 for the tables that the service hides.
func TestRestrictedAnswers(t *testing.T) {
	t.Parallel()
	w := startRead(t)
	for id, sql := range map[string]string{"open": "SELECT mrn, zip FROM clinic.patients", "shut": "SELECT mrn, ssn FROM clinic.patients"} {
		w.insert(t, id, sql, "", "")
		to := parse(t, w.Ask(t, "GET", project+"/jobs/"+id, "")).Configuration.Query.DestinationTable
		s := call{Name: "session", Dataset: to.DatasetID, Table: to.TableID, Streams: 1}
		restricted := s
		restricted.Restriction = "mrn = 1002"
		got := w.goClient(t, s, restricted)
		rows := w.goClient(t, call{Name: "stream", Object: streamOf(t, got[0])})[0]
		if rows.Error != nil || len(rows.Value.(object)["rows"].(array)) != 3 {
			t.Errorf("%s: %+v", id, rows)
		}
		if id == "open" {
			rows := w.goClient(t, call{Name: "stream", Object: streamOf(t, got[1])})[0]
			if rows.Error != nil || len(rows.Value.(object)["rows"].(array)) != 1 {
				t.Errorf("%s, restricted: %+v", id, rows)
			}
		} else {
			googleclients.Check(t, "a condition on a masked answer", refusedBy("PermissionDenied"), got[1])
		}
		theirs := grpc.AppendMessage(grpc.AppendString(nil, 1, "projects/"+bigquerypeer.Project), 2,
			grpc.AppendString(grpc.AppendVarint(nil, 3, 2), 6, "projects/"+bigquerypeer.Project+"/datasets/"+to.DatasetID+"/tables/"+to.TableID))
		if s := w.other(t).calls(t, "CreateReadSession", theirs)[0]; s.Code != grpc.NotFound {
			t.Errorf("another's answer: %v", s)
		}
	}
}

// TestOldRows is row 14: what a table was at another time, and parts of it.
func TestOldRows(t *testing.T) {
	t.Parallel()
	w := startRead(t)
	table := "projects/" + bigquerypeer.Project + "/datasets/clinic/tables/patients"
	ask := func(table, restriction string, at int64) grpc.Status {
		s := grpc.AppendString(grpc.AppendVarint(nil, 3, 2), 6, table)
		if at > 0 {
			s = grpc.AppendMessage(s, 7, grpc.AppendMessage(nil, 1, grpc.AppendVarint(nil, 1, uint64(at))))
		}
		if restriction != "" {
			s = grpc.AppendMessage(s, 8, grpc.AppendString(nil, 2, restriction))
		}
		return w.calls(t, "CreateReadSession", grpc.AppendMessage(grpc.AppendString(nil, 1, "projects/"+bigquerypeer.Project), 2, s))[0]
	}
	for what, got := range map[string]grpc.Status{
		"a condition on old rows": ask(table, "ssn = 'x'", 1_700_000_000), "a condition on rows of a decorator": ask(table+"@-3600000", "ssn = 'x'", 0),
		"a condition on a partition": ask(table+"$20260101", "ssn = 'x'", 0),
		"a wildcard":                 ask("projects/"+bigquerypeer.Project+"/datasets/clinic/tables/pat*", "", 0), "two times": ask(table+"@-1", "", 5), "another form": ask("clinic.patients", "", 0),
	} {
		if got.Code != grpc.PermissionDenied && got.Code != grpc.InvalidArgument {
			t.Errorf("%s: %v", what, got)
		}
	}
	// Of what the columns were nothing is known, so that all of them are masked.
	old := grpc.AppendMessage(grpc.AppendString(grpc.AppendVarint(nil, 3, 2), 6, table), 7, grpc.AppendMessage(nil, 1, grpc.AppendVarint(nil, 1, 1_700_000_000)))
	made := w.message(t, "CreateReadSession", grpc.AppendMessage(grpc.AppendString(nil, 1, "projects/"+bigquerypeer.Project), 2, old))
	name := regexp.MustCompile(`projects/[a-z0-9/-]+/sessions/[A-Z0-9]+/streams/[A-Z0-9]{26}`).FindString(made)
	rows := w.message(t, "ReadRows", grpc.AppendString(nil, 1, name))
	if name == "" || !strings.Contains(rows, "unclassified") || strings.Contains(rows, "02139") {
		t.Errorf("old rows of %q: %q", name, rows)
	}
}

// message is the body of the answer to a call.
func (w *world) message(t *testing.T, method string, message []byte) string {
	t.Helper()
	got := w.Ask(t, "POST", "/r/dwh/dwh/"+analyze.ReadService+"/"+method, string(grpc.Append(nil, message)), func(r *http.Request) { r.Header.Set("Content-Type", grpc.ContentType) })
	clean(t, method, got.Body)
	return got.Body
}

// TestCallsRefused has calls of other methods and forms end as calls do.
func TestCallsRefused(t *testing.T) {
	t.Parallel()
	w := startRead(t)
	read := "/" + analyze.ReadService + "/"
	none := func(r *http.Request) { r.Header.Del("Authorization") }
	body := string(grpc.Append(nil, nil))
	for what, one := range map[string]struct {
		got  grpc.Status
		want grpc.Code
	}{
		"no token":          {w.call(t, read+"ReadRows", body, none), grpc.Unauthenticated},
		"a token of nobody": {w.call(t, read+"ReadRows", body, func(r *http.Request) { r.Header.Set("Authorization", "Bearer x") }), grpc.Unauthenticated},
		"a method of none":  {w.call(t, read+"DropTables", body), grpc.Unimplemented},
		"an empty append":   {w.call(t, "/google.cloud.bigquery.storage.v1.BigQueryWrite/AppendRows", body), grpc.InvalidArgument},
		"a write of none":   {w.call(t, "/google.cloud.bigquery.storage.v1.BigQueryWrite/DropRows", body), grpc.Unimplemented},
		"reflection":        {w.call(t, "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo", body), grpc.Unimplemented},
		"compression":       {w.call(t, read+"ReadRows", "\x01\x00\x00\x00\x01x"), grpc.Unimplemented},
		"half a message":    {w.call(t, read+"ReadRows", "\x00\x00\x00\x00\x05x"), grpc.InvalidArgument},
		"two messages":      {w.call(t, read+"ReadRows", body+body), grpc.InvalidArgument},
		"a huge message":    {w.call(t, read+"ReadRows", "\x00\x7f\xff\xff\xffx"), grpc.ResourceExhausted},
		"an unknown field":  {w.call(t, read+"ReadRows", string(grpc.Append(nil, grpc.AppendVarint(grpc.AppendString(nil, 1, "x"), 9, 1)))), grpc.InvalidArgument},
		"a timeout of none": {w.call(t, read+"ReadRows", body, func(r *http.Request) { r.Header.Set(grpc.HeaderTimeout, "soon") }), grpc.InvalidArgument},
		"another project": {w.call(t, read+"CreateReadSession", string(grpc.Append(nil, grpc.AppendMessage(grpc.AppendString(nil, 1, "projects/another"), 2,
			grpc.AppendString(grpc.AppendVarint(nil, 3, 2), 6, "projects/another/datasets/clinic/tables/patients"))))), grpc.PermissionDenied},
	} {
		if one.got.Code != one.want || one.got.Message == "" {
			t.Errorf("%s: %v, want %s", what, one.got, one.want)
		}
	}
	plain := start(t)
	if got := plain.call(t, read+"ReadRows", body); got.Code != grpc.Unimplemented || !strings.Contains(got.Message, "storage_url") {
		t.Errorf("a resource without the Storage API: %v", got)
	}
}

// TestReadTraces is rows 19 and 21 for rows in Arrow: nothing that was read is left in
// clear, and what the client saw is on record.
func TestReadTraces(t *testing.T) {
	t.Parallel()
	w := startRead(t)
	s := streamOf(t, w.goClient(t, session(""))[0])
	w.goClient(t, call{Name: "stream", Object: s}, session("ssn = '219-09-9991'"), session("mrn = 219099991"))
	w.Stop(t)
	for name, b := range w.Traces(t) {
		clean(t, name, string(b))
		if strings.Contains(string(b), "219099991") || strings.Contains(string(b), w.Token) {
			t.Errorf("%s holds a literal or the token", name)
		}
	}
}

// TestReadCompression reads buffers that are packed, masked and packed again.
func TestReadCompression(t *testing.T) {
	t.Parallel()
	w := startRead(t)
	for _, codec := range []string{"LZ4_FRAME", "ZSTD"} {
		made := w.goClient(t, call{Name: "session", Dataset: "clinic", Table: "patients", Compression: codec, Streams: 1})[0]
		got := w.goClient(t, call{Name: "stream", Object: streamOf(t, made)})[0]
		if got.Error != nil || len(got.Value.(object)["rows"].(array)) != 3 {
			t.Errorf("%s: %+v", codec, got)
		}
	}
}

// TestReadFaults has the target break off, and its answers end as what may be tried
// again: the client reads on.
func TestReadFaults(t *testing.T) {
	t.Parallel()
	w := startRead(t)
	w.peer.Fail(bigquerypeer.Fault{Next: 1, Path: "/ReadRows", Cut: true})
	w.peer.Fail(bigquerypeer.Fault{Next: 1, Path: "/ReadRows", Status: http.StatusServiceUnavailable, Message: "Ada Example"})
	got := w.goClient(t, call{Name: "rows", Dataset: "clinic", Table: "lab_results"})[0]
	if got.Error != nil || len(got.Value.(object)["rows"].(array)) != 4 {
		t.Errorf("after faults: %+v", got)
	}
	w.peer.Fail(bigquerypeer.Fault{Next: 1, Path: "/CreateReadSession", Status: http.StatusBadRequest, Message: "Ada Example is no number"})
	got = w.goClient(t, session("mrn > 0"))[0]
	googleclients.Check(t, "a message", refusedBy("InvalidArgument"), got)
}

// TestReadPolicyChanges is row 1 for streams: a stream is read under the policy of
// then, and not at all once the grant is gone.
func TestReadPolicyChanges(t *testing.T) {
	t.Parallel()
	w := startRead(t, gatewaytest.Policy(policy+`
@id("for-now") permit(principal in Role::"dwh", action == Action::"readRaw", resource in Label::"phi.name");`))
	s := call{Name: "stream", Object: streamOf(t, w.goClient(t, session("", "mrn"))[0])}
	named := googleclients.Go(t, w.reading(), session("", "mrn", "name"))[0]
	early := call{Name: "stream", Object: streamOf(t, named)}
	if got := googleclients.Go(t, w.reading(), early)[0]; got.Error != nil || !strings.Contains(fmt.Sprint(got.Value), "Ada Example") {
		t.Fatalf("what policy shows is not shown: %+v", got)
	}
	w.become(t, policy, func() bool {
		return !strings.Contains(fmt.Sprint(googleclients.Go(t, w.reading(), early)[0].Value), "Ada Example")
	})
	if got := w.goClient(t, early)[0]; got.Error != nil {
		t.Errorf("under another policy: %+v", got)
	}
	w.become(t, strings.Replace(policy, `@id("look") permit`, `@id("look") forbid`, 1), func() bool { return googleclients.Go(t, w.reading(), s)[0].Error != nil })
	googleclients.Check(t, "revoked", refusedBy("PermissionDenied"), w.goClient(t, s)[0])
}

// become changes the policy and waits until it is in force.
func (w *world) become(t *testing.T, policy string, is func() bool) {
	t.Helper()
	next := filepath.Join(w.Dir, "next.cedar")
	if err := os.WriteFile(next, []byte(policy), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(next, filepath.Join(w.Dir, "policy.cedar")); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if is() {
			return
		}
	}
	t.Fatal("the policy does not change")
}

// TestReadChangedView has a view defined anew between a query's verdict and its run:
// its answer is not read by Arrow either.
func TestReadChangedView(t *testing.T) {
	t.Parallel()
	peer := bigquerypeer.Start(t, bigquerypeer.WithClinic(), bigquerypeer.WithRead())
	ca, err := os.ReadFile(peer.ReadCA)
	if err != nil {
		t.Fatal(err)
	}
	w, came, release := startHeldAt(t, peer, "      storage_url: https://"+peer.Read+"\n    tls: {ca: bq-ca.pem}\n", gatewaytest.File("bq-ca.pem", string(ca)))
	w.view(t, "first", "zip")
	done := make(chan gatewaytest.Answer, 1)
	go func() { done <- w.insert(t, "late", "SELECT x FROM scratch.v -- held back", "", "") }()
	<-came
	w.view(t, "second", "ssn")
	close(release)
	<-done
	to := parse(t, w.Ask(t, "GET", project+"/jobs/late", "")).Configuration.Query.DestinationTable
	got := w.goClient(t, call{Name: "session", Dataset: to.DatasetID, Table: to.TableID})[0]
	googleclients.Check(t, "the answer of another view", refusedBy("FailedPrecondition"), got)
}

// TestReadChangedTable has the columns of a table change places, and meaning, between
// a session's verdict and the reading of its streams.
func TestReadChangedTable(t *testing.T) {
	t.Parallel()
	w := startRead(t)
	before := streamOf(t, w.goClient(t, session(""))[0])
	w.peer.Seed(bigquerypeer.Project, "CREATE OR REPLACE TABLE clinic.patients AS SELECT mrn, name, zip, birth, note, ssn FROM clinic.patients")
	after := w.goClient(t, session(""))[0]
	w.goClient(t, call{Name: "stream", Object: before})
	if after.Error == nil {
		w.goClient(t, call{Name: "stream", Object: streamOf(t, after)})
	}
	w.peer.Seed(bigquerypeer.Project, "CREATE OR REPLACE TABLE clinic.patients AS SELECT mrn, ssn AS zip FROM clinic.patients")
	got := w.goClient(t, call{Name: "stream", Object: before})[0]
	googleclients.Check(t, "a table that is another", refusedBy("Unavailable"), got)
}
