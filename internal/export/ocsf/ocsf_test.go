// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package ocsf_test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/tlog"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/evidence"
	"github.com/sallyport-dev/sallyport/internal/export/ocsf"
)

func mapAll(t testing.TB, leaves [][]byte, opt ocsf.Options) []ocsf.Event {
	t.Helper()
	m := ocsf.New(opt)
	cp := &evidence.Checkpoint{Origin: origin, Size: uint64(len(leaves)), Root: tlog.RecordHash([]byte("root"))}
	var out []ocsf.Event
	var prev *ocsf.Ref
	for i, leaf := range leaves {
		e := m.Map(uint64(i), leaf, prev, cp)
		prev = &e.Ref
		out = append(out, e)
	}
	return out
}

func parse(t testing.TB, b []byte) map[string]any {
	t.Helper()
	var v map[string]any
	if err := json.Unmarshal(b, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

// get returns what lies at a path of keys and indexes.
func get(v any, path ...any) any {
	for _, p := range path {
		switch k := p.(type) {
		case string:
			m, _ := v.(map[string]any)
			v = m[k]
		case int:
			l, _ := v.([]any)
			if k >= len(l) {
				return nil
			}
			v = l[k]
		}
	}
	return v
}

// Every event of every type, of every kind of principal and both sorts of
// protocol, follows the schema, shortened or not.
func TestEventsFollowTheSchema(t *testing.T) {
	t.Parallel()
	s := loadSchema(t)
	for _, kind := range []sallyport.PrincipalKind{sallyport.CIJob, sallyport.AIAgent, sallyport.Human, ""} {
		for _, protocol := range []string{"postgres", "kubernetes", ""} {
			for _, limit := range []int{0, ocsf.MinEvent, 1} {
				for _, e := range mapAll(t, samples(t, kind, protocol), ocsf.Options{Origin: origin, Product: "v1", MaxEvent: limit}) {
					for _, problem := range s.check(e.JSON) {
						t.Errorf("%s %q: event %d (%s): %s", kind, protocol, e.Index, e.Type, problem)
					}
				}
			}
		}
	}
}

// The check itself finds what it should.
func TestSchemaCheckFinds(t *testing.T) {
	t.Parallel()
	s := loadSchema(t)
	good := string(mapAll(t, samples(t, sallyport.CIJob, "postgres"), ocsf.Options{Origin: origin})[15].JSON)
	if got := s.check([]byte(good)); len(got) != 0 {
		t.Fatal(got)
	}
	for name, edit := range map[string][2]string{
		"required":   {`"severity_id":1,`, ``},
		"unknown":    {`"severity_id":1,`, `"severity_id":1,"bogus":1,`},
		"enum":       {`"severity_id":1,`, `"severity_id":7,`},
		"type":       {`"severity_id":1,`, `"severity_id":"1",`},
		"activity":   {`"activity_id":4,`, `"activity_id":44,`},
		"profile":    {`"profiles":["security_control",`, `"profiles":[`},
		"constraint": {`"database":`, `"databases":`},
		"object":     {`"query_string":`, `"query":`},
	} {
		text := strings.Replace(good, edit[0], edit[1], 1)
		if text == good {
			t.Errorf("%s: %s is not in the event", name, edit[0])
		}
		if len(s.check([]byte(text))) == 0 {
			t.Errorf("%s: nothing was found", name)
		}
	}
}

// Every constant of package evidence that names a type of event has a sample,
// and none but the unknown ones becomes an event of a type that is not known.
func TestEveryTypeIsMapped(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, e := range mapAll(t, samples(t, sallyport.CIJob, "postgres"), ocsf.Options{Origin: origin}) {
		v := parse(t, e.JSON)
		if get(v, "unmapped", "sallyport", "body") != nil {
			seen[string(e.Type)] = true
		}
	}
	for _, name := range eventTypes(t) {
		if !seen[name] {
			t.Errorf("the type %q has no event of its own", name)
		}
	}
}

// eventTypes reads the constants of type evidence.Type out of the package.
func eventTypes(t testing.TB) []string {
	t.Helper()
	files, err := filepath.Glob("../../../evidence/*.go")
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, name := range files {
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(f, func(n ast.Node) bool {
			v, ok := n.(*ast.ValueSpec)
			if !ok {
				return true
			}
			if id, ok := v.Type.(*ast.Ident); ok && id.Name == "Type" && len(v.Values) == 1 {
				if text, err := strconv.Unquote(v.Values[0].(*ast.BasicLit).Value); err == nil {
					out = append(out, text)
				}
			}
			return true
		})
	}
	if len(out) < 20 {
		t.Fatalf("only %d types of events found", len(out))
	}
	return out
}

// Indexes, hashes and links are those of the log, also in a shortened event.
func TestEventsChain(t *testing.T) {
	t.Parallel()
	leaves := samples(t, sallyport.CIJob, "postgres")
	for _, limit := range []int{0, 1} {
		events := mapAll(t, leaves, ocsf.Options{Origin: origin, MaxEvent: limit})
		if len(events) != len(leaves) {
			t.Fatalf("%d events of %d leaves", len(events), len(leaves))
		}
		for i, e := range events {
			v := parse(t, e.JSON)
			hash := tlog.RecordHash(leaves[i])
			if got := get(v, "attestation_list", 0, "fingerprint", "value"); got != hex.EncodeToString(hash[:]) {
				t.Errorf("event %d has the hash %v", i, got)
			}
			if get(v, "metadata", "uid") != ocsf.UID(origin, uint64(i)) || get(v, "metadata", "sequence") != float64(i) || get(v, "unmapped", "sallyport", "index") != float64(i) {
				t.Errorf("event %d does not name its index", i)
			}
			if i == 0 {
				continue
			}
			before := parse(t, events[i-1].JSON)
			link := get(v, "attestation_list", 0, "prev_event")
			if get(link, "uid") != get(before, "metadata", "uid") || get(link, "type_uid") != before["type_uid"] ||
				get(link, "fingerprint", "value") != get(before, "attestation_list", 0, "fingerprint", "value") {
				t.Errorf("event %d does not follow event %d", i, i-1)
			}
		}
	}
}

// No ciphertext, wrapped key, policy text or body of an unknown type is shipped;
// digests are.
func TestNothingSealedIsShipped(t *testing.T) {
	t.Parallel()
	for _, e := range mapAll(t, samples(t, sallyport.CIJob, "postgres"), ocsf.Options{Origin: origin}) {
		text := string(e.JSON)
		for _, never := range []string{"Q0lQSEVSVEVYV", "CIPHERTEXT", "UNKNOWNBODY", "permit(principal", `"wrapped"`, `"mono"`} {
			if strings.Contains(text, never) {
				t.Errorf("event %d (%s) has %q", e.Index, e.Type, never)
			}
		}
		if e.Type == evidence.TypeRecording && !strings.Contains(text, "c0ffee") {
			t.Error("the digest of a recording is not shipped")
		}
	}
}

func TestStatements(t *testing.T) {
	t.Parallel()
	events := mapAll(t, samples(t, sallyport.AIAgent, "postgres"), ocsf.Options{Origin: origin, Product: "v1"})
	var intent, denial, outcome map[string]any
	for _, e := range events {
		v := parse(t, e.JSON)
		switch {
		case e.Type == evidence.TypeIntent && intent == nil:
			intent = v
		case e.Type == evidence.TypeDenial && denial == nil:
			denial = v
		case e.Type == evidence.TypeOutcome && outcome == nil:
			outcome = v
		}
	}
	for _, tt := range []struct {
		event map[string]any
		want  any
		path  []any
	}{
		{intent, 600504.0, []any{"type_uid"}},
		{intent, "SELECT name FROM patients WHERE ssn = $1", []any{"query_info", "query_string"}},
		{intent, "Approved", []any{"disposition"}},
		{intent, "ci:acme/claims", []any{"actor", "user", "uid"}},
		{intent, "ci:acme/claims", []any{"ai_agent", "uid"}},
		{intent, "bb", []any{"ai_agent", "instance_uid"}}, // of the login, not of the token that it was exchanged for
		{intent, "192.0.2.7", []any{"src_endpoint", "ip"}},
		{intent, "clinic", []any{"database", "name"}},
		{intent, "public.patients", []any{"table", "name"}},
		{intent, "clinic#3", []any{"authorizations", 0, "policy", "uid"}},
		{intent, "d1", []any{"policy", "uid"}},
		{intent, "g1", []any{"unmapped", "sallyport", "body", "grant"}},
		{intent, "r1", []any{"unmapped", "sallyport", "body", "approval", "request"}},
		{intent, nil, []any{"query_info", "data"}},
		{intent, "s1", []any{"metadata", "correlation_uid"}},
		{denial, "Blocked", []any{"disposition"}},
		{denial, 600507.0, []any{"type_uid"}},
		{denial, 2.0, []any{"status_id"}},
		{outcome, 1.0, []any{"status_id"}},
		{outcome, 5.0, []any{"duration"}},
		{outcome, 600504.0, []any{"type_uid"}},
	} {
		if got := get(tt.event, tt.path...); got != tt.want {
			t.Errorf("%v is %v, want %v", tt.path, got, tt.want)
		}
	}
}

// A mapper that begins at Low makes the same events as one that saw everything.
func TestMapperGoesOnAnywhere(t *testing.T) {
	t.Parallel()
	leaves := samples(t, sallyport.CIJob, "postgres")
	opt := ocsf.Options{Origin: origin}
	whole := mapAll(t, leaves, opt)
	first := ocsf.New(opt)
	for from := range leaves {
		m := ocsf.New(opt)
		for i := first.Low(uint64(from)); i < uint64(from); i++ {
			m.Follow(i, leaves[i])
		}
		var prev *ocsf.Ref
		if from > 0 {
			prev = &whole[from-1].Ref
		}
		cp := &evidence.Checkpoint{Origin: origin, Size: uint64(len(leaves)), Root: tlog.RecordHash([]byte("root"))}
		if got := m.Map(uint64(from), leaves[from], prev, cp); string(got.JSON) != string(whole[from].JSON) {
			t.Errorf("from %d:\n%s\nwant\n%s", from, got.JSON, whole[from].JSON)
		}
		first.Follow(uint64(from), leaves[from])
	}
}

// The second attestation is the digest of the event as OCSF says, computed here
// in another way.
func TestEventFingerprint(t *testing.T) {
	t.Parallel()
	for _, e := range mapAll(t, samples(t, sallyport.CIJob, "postgres"), ocsf.Options{Origin: origin}) {
		v := parse(t, e.JSON)
		own, _ := get(v, "attestation_list", 1).(map[string]any)
		want := get(own, "fingerprint", "value")
		delete(own, "fingerprint")
		// Everything is ASCII here, so that encoding/json's form is RFC 8785's.
		b, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		b = []byte(strings.NewReplacer(`\u003c`, "<", `\u003e`, ">", `\u0026`, "&").Replace(string(b)))
		sum := sha256.Sum256(b)
		if !strings.Contains(string(e.JSON), "…") && hex.EncodeToString(sum[:]) != want {
			t.Errorf("event %d: %x, want %v", e.Index, sum, want)
		}
	}
}

func TestShortenedEventKeepsItsPlace(t *testing.T) {
	t.Parallel()
	leaves := samples(t, sallyport.CIJob, "postgres")
	b := &builder{t: t, leaves: leaves[:15:15]}
	add(b, evidence.TypeIntent, "s1", evidence.Intent{
		Stmt: 1, Readable: "SELECT " + strings.Repeat("ä, ", 14000), Digest: "d", Verdict: "allow",
		Objects: slices.Repeat([]string{"clinic/public/patients"}, 200), Rules: slices.Repeat([]sallyport.RuleID{"clinic#3"}, 100),
	})
	for _, limit := range []int{0, 64 << 10, 8 << 10, ocsf.MinEvent} {
		events := mapAll(t, b.leaves, ocsf.Options{Origin: origin, MaxEvent: limit})
		e := events[len(events)-1]
		v := parse(t, e.JSON)
		if limit > 0 && len(e.JSON) > limit {
			t.Errorf("an event has %d bytes, more than %d", len(e.JSON), limit)
		}
		if got := get(v, "metadata", "is_truncated"); (got == true) != (limit > 0) {
			t.Errorf("limit %d: is_truncated is %v", limit, got)
		}
		if problems := loadSchema(t).check(e.JSON); len(problems) > 0 {
			t.Error(problems)
		}
	}
}

func TestCanonical(t *testing.T) {
	t.Parallel()
	// The examples of RFC 8785, and the order of names beyond the BMP.
	for in, want := range map[string]string{
		`{"b":10,"a":-1,"A":0}`:                                 `{"A":0,"a":-1,"b":10}`,
		`{"\u20ac":1,"\r":2,"1":3,"\ud83d\ude02":4,"\ufb33":5}`: "{\"\\r\":2,\"1\":3,\"\u20ac\":1,\"\U0001f602\":4,\"\ufb33\":5}",
		`["\u20ac$\u000f\nA'B\"\\\\\"/",true,null,1.0,4.50]`:    "[\"\u20ac$\\u000f\\nA'B\\\"\\\\\\\\\\\"/\",true,null,1,4.5]",
		`[18446744073709551615,9007199254740993,1e30]`:          `[18446744073709551615,9007199254740993,1e+30]`,
		"[\"\u2028\\b\\f\\t<>&\"]":                              "[\"\u2028\\b\\f\\t<>&\"]",
	} {
		dec := json.NewDecoder(strings.NewReader(in))
		dec.UseNumber()
		var v any
		if err := dec.Decode(&v); err != nil {
			t.Fatal(err)
		}
		if got := string(ocsf.Canonical(v)); got != want {
			t.Errorf("%s\n got %s\nwant %s", in, got, want)
		}
	}
}
