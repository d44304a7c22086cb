// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package e2e_test

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/sallyport-dev/sallyport/evidence"
	"github.com/sallyport-dev/sallyport/test/gatewaytest"
	"github.com/sallyport-dev/sallyport/test/pgtest"
)

// scanPolicy lets the clinic's role see notes with the findings masked.
const scanPolicy = `
@id("etl-scans-notes")
permit(principal in Role::"claims-etl", action == Action::"readScanned", resource in Label::"phi.note");
`

// charts has what the clinic lacks: a document, an address, an amount.
const charts = `
CREATE TABLE public.charts (id int PRIMARY KEY, mrn text, name text, born date, seen timestamptz, zip char(5), ip inet, weight numeric(6,2),
	doc jsonb, note text, tags text[]);
INSERT INTO public.charts VALUES
 (1, 'MRN-000101', 'Adela Quillfeather', '1949-02-17', '2026-01-12 09:30+00', '10001', '10.20.30.40', 71.25,
  '{"text": "call 212-555-0101", "n": [1, "adela@clinic.example"]}', 'Quillfeather seen 2026-01-12, SSN 900-11-2233; BP 120/80.', '{"2026-01-12",ok}'),
 (2, 'MRN-000102', 'Osric Thimblewood', '1967-07-04', '2026-02-03 14:00+00', '03601', '10.20.31.41', 80.00,
  '{"text": "no contact"}', 'HbA1c 7.9, follow-up in two weeks.', '{}'),
 (3, null, null, null, null, null, null, null, null, null, null);
GRANT ALL ON public.charts TO gateway;
`

const chartLabels = `  public.charts.id: public
  public.charts.mrn: phi.mrn
  public.charts.name: phi.name
  public.charts.born: phi.dob
  public.charts.seen: phi.date
  public.charts.zip: phi.zip
  public.charts.ip: phi.ip
  public.charts.weight: phi.weight
  public.charts.doc: phi.note
  public.charts.note: phi.note
  public.charts.tags: phi.note
`

func chartGateway(t *testing.T, masking string) *gatewaytest.Gateway {
	t.Helper()
	return gatewaytest.Start(t, gatewaytest.Policy(openPolicy()+scanPolicy), gatewaytest.Schema(charts),
		gatewaytest.MoreLabels(chartLabels), gatewaytest.Masking(masking))
}

// TestSafeHarborRows reads the same rows under the profile through psql, in each of
// pgx's modes and by COPY.
func TestSafeHarborRows(t *testing.T) {
	t.Parallel()
	g := chartGateway(t, "version: 1\nprofile: safe-harbor\n")
	const query = "select id, mrn, name, born, seen, zip, ip, weight, note, doc from charts order by id"
	want := [][]string{
		{"1", "[phi.mrn]", "[phi.name]", "1949-01-01", "2026-01-01 00:00:00+00", "10000", "0.0.0.0", "0", "[NAME] seen 2026, SSN [SSN]; BP 120/80.", `{"n": [1, "[EMAIL]"], "text": "call [PHONE]"}`},
		{"2", "[phi.mrn]", "[phi.name]", "1967-01-01", "2026-01-01 00:00:00+00", "00000", "0.0.0.0", "0", "HbA1c 7.9, follow-up in two weeks.", `{"text": "no contact"}`},
		{"3", "", "", "", "", "", "", "", "", ""},
	}
	dsn := g.DSN(g.CIToken(t))
	for name, out := range map[string]string{
		"psql": pgtest.Psql(t, dsn, "-A", "-t", "-F", "|", "-c", "set time zone 'UTC'", "-c", query).Stdout,
		"copy": strings.NewReplacer(`\\`, `\`, `\N`, ``).Replace(pgtest.Psql(t, dsn, "-q", "-c", "set time zone 'UTC'", "-c", "copy ("+query+") to stdout with (delimiter '|')").Stdout),
	} {
		var got [][]string
		for _, line := range strings.Split(strings.TrimSpace(strings.TrimPrefix(out, "SET\n")), "\n") {
			got = append(got, strings.Split(line, "|"))
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	for _, mode := range modes {
		conn := g.Connect(t, func(c *pgx.ConnConfig) { c.DefaultQueryExecMode = mode })
		rows, err := conn.Query(bound(t), "select born, seen, zip, host(ip), weight::float8, note, doc::text, tags from charts where id = $1", 1)
		if err != nil {
			t.Fatal(err)
		}
		for rows.Next() {
			if _, err := rows.Values(); err != nil {
				t.Errorf("%v: %v", mode, err)
			}
			for i, raw := range rows.RawValues() {
				noSecret(t, "column "+string(rows.FieldDescriptions()[i].Name), raw)
			}
		}
		if err := rows.Err(); err != nil {
			t.Errorf("%v: %v", mode, err)
		}
	}
}

// TestMaskingEvents looks for what was masked and found in the evidence.
func TestMaskingEvents(t *testing.T) {
	t.Parallel()
	g := chartGateway(t, `version: 1
profile: limited-data-set
names: off
keys: [{version: 3, secret: "file:masking.key"}]
labels:
  phi.mrn: {op: token, domain: mrn}
  phi.ip: ip_prefix
  phi.weight: {op: round, width: 5}
  phi.dob: {op: date_shift, domain: dob}
patient: phi.mrn
`)
	conn := g.Connect(t)
	first, second := map[string]string{}, map[string]string{}
	for _, into := range []map[string]string{first, second} {
		var mrn, ip, weight, born, note string
		err := conn.QueryRow(bound(t), "select mrn, host(ip), weight::text, born::text, note from charts where id = 1").Scan(&mrn, &ip, &weight, &born, &note)
		if err != nil {
			t.Fatal(err)
		}
		for k, v := range map[string]string{"mrn": mrn, "ip": ip, "weight": weight, "born": born, "note": note} {
			into[k] = v
		}
	}
	if diff := cmp.Diff(first, second); diff != "" {
		t.Errorf("keyed operators differ from one answer to the next:\n%s", diff)
	}
	if !strings.HasPrefix(first["mrn"], "tok_mrn_3_") {
		t.Errorf("mrn is %q", first["mrn"])
	}
	for _, name := range []string{"ip", "weight", "born"} {
		t.Logf("%s: %s", name, first[name])
	}
	if !strings.Contains(first["note"], "[SSN]") || strings.Contains(first["note"], "900-11-2233") {
		t.Errorf("note is %q", first["note"])
	}
	_ = conn.Close(bound(t))
	auditor := apiAs(t, g, g.HumanToken(t, "audra", "auditors"))
	type event struct {
		Type, Locus, Entity, Rule, Operator, Profile string
		Version                                      string `json:"profile_version"`
		Output                                       int
		Seen, Masked, Hits                           uint64
	}
	found := map[string]event{}
	eventually(t, "the masking events", func() bool {
		status, bundle := auditor.do(t, "POST", "/v1/evidence", "application/json", strings.NewReader(`{"purpose":"look at masking"}`))
		if status != 200 {
			t.Fatalf("evidence: %d %s", status, bundle)
		}
		clear(found)
		for _, leaf := range leavesOf(t, bundle) {
			if leaf["type"] != "masking" {
				continue
			}
			b, err := json.Marshal(leaf["body"])
			if err != nil {
				t.Fatal(err)
			}
			var e event
			if err := json.Unmarshal(b, &e); err != nil {
				t.Fatal(err)
			}
			found[e.Operator+" "+e.Entity] = e
		}
		return len(found) >= 5
	})
	if e := found["redact SSN"]; e.Hits != 1 || e.Rule == "" || e.Profile != "limited-data-set" || e.Version == "" {
		t.Errorf("the finding in the note is on record as %+v", e)
	}
	if e := found["token "]; e.Seen != 1 || e.Masked != 1 || !strings.HasPrefix(e.Version, "1+") {
		t.Errorf("the token is on record as %+v", e)
	}
}

// leavesOf returns the leaves of a bundle.
func leavesOf(t *testing.T, bundle []byte) []map[string]any {
	t.Helper()
	z, err := zip.NewReader(bytes.NewReader(bundle), int64(len(bundle)))
	if err != nil {
		t.Fatal(err)
	}
	f, err := z.Open(evidence.LeavesName)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	all, err := io.ReadAll(f)
	if err != nil {
		t.Fatal(err)
	}
	var out []map[string]any
	for line := range bytes.Lines(all) {
		var l struct{ Leaf map[string]any }
		if err := json.Unmarshal(line, &l); err != nil {
			t.Fatal(err)
		}
		out = append(out, l.Leaf)
	}
	return out
}

// analyzer speaks Presidio's REST interface and finds one word.
func analyzer(t *testing.T, word string) *httptest.Server {
	t.Helper()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var in struct{ Text []string }
		if r.URL.Path != "/analyze" || json.NewDecoder(r.Body).Decode(&in) != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		type found struct {
			Type  string  `json:"entity_type"`
			Start int     `json:"start"`
			End   int     `json:"end"`
			Score float64 `json:"score"`
		}
		out := make([][]found, len(in.Text))
		for i, text := range in.Text {
			out[i] = []found{}
			if before, _, ok := strings.Cut(text, word); ok {
				start := utf8.RuneCountInString(before)
				out[i] = append(out[i], found{"PERSON", start, start + utf8.RuneCountInString(word), 0.9})
			}
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(out)
	}))
	t.Cleanup(srv.Close)
	return srv
}

// TestDetector shows a scanned column to a service, and takes the service away.
func TestDetector(t *testing.T) {
	t.Parallel()
	srv := analyzer(t, "thistledown")
	g := gatewaytest.Start(t, gatewaytest.Policy(openPolicy()+scanPolicy),
		gatewaytest.Schema(`CREATE TABLE public.letters (id int PRIMARY KEY, body text); GRANT ALL ON public.letters TO gateway;
			INSERT INTO public.letters VALUES (1, 'é: thistledown came, SSN 900-11-2233'), (2, 'nobody came'), (3, null);`),
		gatewaytest.MoreLabels("  public.letters.id: public\n  public.letters.body: phi.note\n"),
		gatewaytest.Masking("version: 1\nnames: off\ndetectors: [{name: n, type: presidio, url: \""+srv.URL+"\", labels: [phi.note], version: t1, timeout: 5s}]\n"))
	read := func(sql string) []string {
		conn := g.Connect(t)
		rows, err := conn.Query(bound(t), sql)
		if err != nil {
			t.Fatal(err)
		}
		got, err := pgx.CollectRows(rows, func(r pgx.CollectableRow) (string, error) {
			var s *string
			err := r.Scan(&s)
			if s == nil {
				return "null", err
			}
			return *s, err
		})
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	const query = "select body from letters order by id"
	if diff := cmp.Diff([]string{"é: [NAME] came, SSN [SSN]", "nobody came", "null"}, read(query)); diff != "" {
		t.Errorf("with the service (-want +got):\n%s", diff)
	}
	out := pgtest.Psql(t, g.DSN(g.CIToken(t)), "-q", "-c", "copy (select body from letters where id = 1) to stdout").Stdout
	if out != "é: [NAME] came, SSN [SSN]\n" {
		t.Errorf("by copy: %q", out)
	}
	srv.Close()
	if diff := cmp.Diff([]string{"[phi.note]", "[phi.note]", "null"}, read(query)); diff != "" {
		t.Errorf("without the service (-want +got):\n%s", diff)
	}
	auditor := apiAs(t, g, g.HumanToken(t, "audra", "auditors"))
	eventually(t, "the event of the service's absence", func() bool {
		_, bundle := auditor.do(t, "POST", "/v1/evidence", "application/json", strings.NewReader(`{"purpose":"look at masking"}`))
		byDetector, absent := false, false
		for _, leaf := range leavesOf(t, bundle) {
			b, _ := leaf["body"].(map[string]any)
			byDetector = byDetector || b["rule"] == "detector" && b["detector"] == "presidio t1" && b["entity"] == "NAME"
			absent = absent || b["reason"] == "detector_unavailable"
		}
		return byDetector && absent
	})
	if log := g.Log.String(); strings.Count(log, "a detector fails") != 1 || strings.Contains(log, "thistledown") {
		t.Errorf("the log says:\n%s", log)
	}
}

// TestCanaryUnderRules has everything shown that rules let through, and looks for
// the rest wherever the gateway could have left it.
func TestCanaryUnderRules(t *testing.T) {
	t.Parallel()
	g := chartGateway(t, "version: 1\nprofile: limited-data-set\nkeys: [{version: 1, secret: \"file:masking.key\"}]\n"+
		"labels: {phi.mrn: {op: fpe, domain: mrn, alphabet: alnum}, phi.ssn: {op: hash, domain: ssn}, phi.name: {op: surrogate, domain: name}}\npatient: phi.mrn\n")
	tap := &wiretap{}
	for _, mode := range modes {
		conn := g.Connect(t, tap.on, func(c *pgx.ConnConfig) { c.DefaultQueryExecMode = mode })
		for _, sql := range []string{
			"select * from charts", "select mrn, name, note from charts order by id", "select reverse(note), doc ->> 'text', tags[1] from charts",
			"select upper(name), md5(mrn), zip::int % 1000, extract(day from born) from charts", "select note from charts where id = 1 union all select note from charts",
			"select row_to_json(c) from charts c", "select c from charts c", "select string_agg(note, ' ') from charts", "select name, ssn, birth_date, note from patients",
		} {
			if _, err := conn.Exec(bound(t), sql); err != nil && code(err) != "42501" {
				t.Errorf("%v %s: %v", mode, sql, err)
			}
		}
	}
	out := pgtest.Psql(t, g.DSN(g.CIToken(t)), "-c", "copy charts to stdout csv header", "-c", "copy (select note, doc from charts) to stdout")
	for _, shown := range []string{"penicillin", "hba1c 7.9", "pregnant", "asthma;", "lives alone"} { // no identifiers
		if !bytes.Contains(bytes.ToLower(tap.b.Bytes()), []byte(shown)) {
			t.Errorf("a scanned note does not show %q", shown)
		}
	}
	noIdentifier(t, "what psql shows", []byte(out.Stdout+out.Stderr))
	noIdentifier(t, "what the clients received", tap.b.Bytes())
	noTrace(t, "the gateway's log", []byte(g.Log.String()))
	g.Stop(t)
	atRest(t, g.Dir)
}
