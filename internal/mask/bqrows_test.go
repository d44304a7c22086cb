// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package mask_test

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/mask"
	"github.com/sallyport-dev/sallyport/internal/mask/operator"
	"github.com/sallyport-dev/sallyport/internal/mask/scan"
	"github.com/sallyport-dev/sallyport/internal/mask/text"
)

// bqMembers lets the rows pass.
func bqMembers() []mask.BQMember {
	return []mask.BQMember{{Name: "kind", Do: mask.BQKeep}, {Name: "rows", Do: mask.BQRows}}
}

func bqPlan(t testing.TB, cols ...mask.BQColumn) *mask.BQPlan {
	t.Helper()
	p, err := mask.NewBQPlan(cols, "test")
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// maskBQ masks an answer.
func maskBQ(t testing.TB, p *mask.BQPlan, answer string) string {
	t.Helper()
	m, err := p.MaskRows(mask.FromUpstream([]byte(answer)), bqMembers())
	if err != nil {
		t.Fatal(err)
	}
	return string(bytesOf(t, m))
}

func bqClear(name, typ string) mask.BQColumn { return mask.BQColumn{Name: name, Type: typ} }

func bqHidden(name, typ string) mask.BQColumn {
	return mask.BQColumn{Name: name, Type: typ, Mask: true, Labels: []sallyport.Label{"phi.ssn"}, Reason: "label", Columns: []string{"clinic.patients." + name}}
}

func bqBy(t testing.TB, name, typ string, s operator.Spec) mask.BQColumn {
	c := bqHidden(name, typ)
	c.Operator = compiled(t, s)
	return c
}

// TestBQTypes masks values of every type by every operator: as a column, in a
// record, in arrays, where NULL may stand and where not. What comes out is what
// clients read, and of what is hidden nothing is left.
func TestBQTypes(t *testing.T) {
	t.Parallel()
	ops := allOperators(t)
	ops["none"] = nil
	for typ, values := range bqSamples() {
		for name, op := range ops {
			for _, required := range []bool{false, true} {
				c := bqHidden("m", typ)
				c.Operator, c.Required = op, required
				list := c
				list.Name, list.Repeated, list.Required = "l", true, false
				record := mask.BQColumn{Name: "r", Type: "RECORD", Fields: []mask.BQColumn{bqClear("k", "STRING"), c}}
				records := record
				records.Name, records.Repeated = "rr", true
				cols := []mask.BQColumn{bqClear("a", "STRING"), c, list, record, records, bqClear("z", typ)}
				var rows [][]string
				for _, v := range values {
					q := quoted(v)
					rows = append(rows, []string{`"x\u00e9"`, q, bqList(q, q), bqRecord(`"k"`, q), bqList(bqRecord(`"k"`, q), bqRecord("null", q)), q})
				}
				if !required {
					rows = append(rows, []string{"null", "null", "[]", "null", "[]", "null"})
				}
				p := bqPlan(t, cols...)
				got := maskBQ(t, p, bqOf(rows...))
				read, err := readBQ([]byte(got), cols)
				if err != nil {
					t.Errorf("%s by %s, required %v: %v in %s", typ, name, required, err, got)
					continue
				}
				hides := op == nil || !op.Kind().Reveals() && op.Kind() != operator.Const
				for i, v := range values {
					if read[i][0] != "x\u00e9" || read[i][5] != v {
						t.Errorf("%s by %s: a column that is shown has changed: %s", typ, name, got)
					}
					if !hides {
						continue
					}
					// The form of a TIMESTAMP is the question's, not the value's.
					if got, first := fmt.Sprint(read[i][1:5]), fmt.Sprint(read[0][1:5]); got != first && typ != "TIMESTAMP" || len(v) > 5 && strings.Contains(got, v) {
						t.Errorf("%s by %s: %q is told apart or left: %s, and the first %s", typ, name, v, got, first)
					}
				}
			}
		}
	}
}

// TestBQAnswers masks by hand.
func TestBQAnswers(t *testing.T) {
	t.Parallel()
	year := operator.Spec{Kind: operator.DateYear}
	tens := operator.Spec{Kind: operator.Bucket}
	for _, c := range []struct {
		col      mask.BQColumn
		in, want string
	}{
		{bqHidden("c", "STRING"), `"987-65-4320"`, `"[phi.ssn]"`},
		{bqHidden("c", "STRING"), `null`, `null`},
		{bqHidden("c", "INTEGER"), `"7"`, `"0"`},
		{bqHidden("c", "FLOAT"), `"7.5"`, `"0.0"`},
		{bqHidden("c", "BOOLEAN"), `"true"`, `"false"`},
		{bqHidden("c", "TIMESTAMP"), `"1.5E9"`, `"0.0"`},
		{bqHidden("c", "TIMESTAMP"), `"1500000000000000"`, `"0"`},
		{bqHidden("c", "TIMESTAMP"), `"2017-07-14T02:40:00Z"`, `"1970-01-01T00:00:00Z"`},
		{bqHidden("c", "GEOGRAPHY"), `"POINT(1 2)"`, `"POINT(0 0)"`},
		{bqHidden("c", "JSON"), `"{\"a\":1}"`, `"null"`},
		{bqHidden("c", "NEWTYPE"), `"x"`, `null`},
		{bqBy(t, "c", "STRING", operator.Spec{Kind: operator.Partial, Last: 2}), `"987-65-4320"`, `"***-**-**20"`},
		{bqBy(t, "c", "STRING", operator.Spec{Kind: operator.Partial, Last: 1}), `"abc\u0022\u00e9\\"`, `"****é*"`},
		{bqBy(t, "c", "STRING", operator.Spec{Kind: operator.Null}), `"x"`, `null`},
		{bqBy(t, "c", "INT64", operator.Spec{Kind: operator.EmailDomain}), `"7"`, `null`},
		{bqBy(t, "c", "INT64", tens), `"47"`, `"40"`},
		{bqBy(t, "c", "INT64", tens), `"not a number"`, `null`},
		{bqBy(t, "c", "FLOAT64", tens), `"47.5"`, `"40.0"`},
		{bqBy(t, "c", "FLOAT64", tens), `"NaN"`, `null`},
		{bqBy(t, "c", "NUMERIC", tens), `"-47.25"`, `"-50.00"`},
		{bqBy(t, "c", "DATE", year), `"1974-12-25"`, `"1974-01-01"`},
		{bqBy(t, "c", "DATETIME", year), `"1974-12-25T01:02:03.5"`, `"1974-01-01T00:00:00"`},
		{bqBy(t, "c", "TIMESTAMP", year), `"1.56789012E8"`, `"126230400.0"`},
		{bqBy(t, "c", "TIMESTAMP", year), `"156789012123456"`, `"126230400000000"`},
		{bqBy(t, "c", "TIMESTAMP", year), `"1974-12-25T14:35:45.123456Z"`, `"1974-01-01T00:00:00Z"`},
		{bqBy(t, "c", "TIMESTAMP", year), `"long ago"`, `null`},
		{bqBy(t, "c", "BOOL", operator.Spec{Kind: operator.Const, Value: "true"}), `"false"`, `"true"`},
		{bqBy(t, "c", "TIME", operator.Spec{Kind: operator.Const, Value: "12:00:01.5"}), `"01:02:03"`, `"12:00:01.5"`},
		{bqBy(t, "c", "BYTES", operator.Spec{Kind: operator.Const, Value: "x"}), `"AQID"`, `"eA=="`},
		{bqBy(t, "c", "JSON", operator.Spec{Kind: operator.Partial, Last: 2}), `"\"12345\""`, `"\"***45\""`},
		{bqBy(t, "c", "JSON", operator.Spec{Kind: operator.Partial, Last: 2}), `"{\"a\":1}"`, `null`},
		{bqBy(t, "c", "STRING", operator.Spec{Kind: operator.Keep}), `"x"`, `"x"`},
	} {
		if got, want := maskBQ(t, bqPlan(t, c.col), bqOf([]string{c.in})), bqOf([]string{c.want}); got != want {
			t.Errorf("%s of %s:\n got %s\nwant %s", c.col.Type, c.in, got, want)
		}
		c.col.Required = true
		if c.col.Type == "NEWTYPE" {
			continue
		}
		if got := maskBQ(t, bqPlan(t, c.col), bqOf([]string{c.in})); c.in != "null" && strings.Contains(got, "null}") {
			t.Errorf("%s of %s is NULL where it may not be: %s", c.col.Type, c.in, got)
		}
	}
}

// TestBQRecords: what is said of a record holds for its fields; an array of which
// nothing is shown is empty.
func TestBQRecords(t *testing.T) {
	t.Parallel()
	fields := []mask.BQColumn{bqClear("a", "STRING"), bqClear("n", "INT64"), bqBy(t, "p", "STRING", operator.Spec{Kind: operator.Partial, Last: 1})}
	record := bqHidden("r", "RECORD")
	record.Fields = fields
	records := record
	records.Name, records.Repeated = "rr", true
	blank := bqHidden("b", "RECORD")
	blank.Repeated, blank.Fields = true, []mask.BQColumn{bqClear("x", "STRING"), {Name: "k", Type: "INT64", Key: true}}
	each := bqBy(t, "e", "STRING", operator.Spec{Kind: operator.Const, Value: "c"})
	each.Repeated = true
	none := bqHidden("l", "STRING")
	none.Repeated = true
	p := bqPlan(t, record, records, blank, each, none)
	var keys keyLog
	p.SetKeys(&keys)
	got := maskBQ(t, p, bqOf([]string{
		bqRecord(`"x"`, `"7"`, `"abc"`), bqList(bqRecord(`"x"`, "null", `"abc"`)), bqList(bqRecord(`"x"`, `"7"`), bqRecord(`"y"`, `"8"`)),
		bqList(`"1"`, `"2"`), bqList(`"1"`, `"2"`),
	}))
	want := bqOf([]string{
		bqRecord(`"[phi.ssn]"`, `"0"`, `"**c"`), bqList(bqRecord(`"[phi.ssn]"`, "null", `"**c"`)), "[]", bqList(`"c"`, `"c"`), "[]",
	})
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	if got := keys.take(); got != "7 8" {
		t.Errorf("keys %s", got)
	}
	var loci []string
	for _, c := range p.TakeCounts() {
		loci = append(loci, fmt.Sprintf("%d %s %s %d/%d", c.Output, c.Locus, c.Operator, c.Masked, c.Seen))
	}
	if d := cmp.Diff([]string{
		"0 r.a redact 1/1", "0 r.n default 1/1", "0 r.p partial 1/1", "1 rr.a redact 1/1", "1 rr.n default 0/1", "1 rr.p partial 1/1",
		"2  default 1/1", "3  const 2/2", "4  redact 1/1",
	}, loci); d != "" {
		t.Errorf("counts (-want +got):\n%s", d)
	}
}

// loud is a format that finds something in every text.
type loud struct{}

func (loud) Append(dst, src []byte, w *text.Work) ([]byte, error) {
	w.Tally.Add(text.Key{Rule: "loud", Entity: scan.Name, Locus: w.Locus}, 1)
	return append(dst, bytes.ToUpper(src)...), nil
}

// TestBQScan scans texts and documents as in PostgreSQL: with the names of the row,
// with an external detector, and counted.
func TestBQScan(t *testing.T) {
	t.Parallel()
	name := bqHidden("name", "STRING")
	name.Known = scan.Name
	note := bqHidden("note", "STRING")
	note.Text = testMasker(t)
	doc := bqHidden("doc", "JSON")
	doc.Text, doc.Format = testMasker(t), loud{}
	number := bqHidden("number", "INT64")
	number.Text = testMasker(t)
	found := note
	found.Name, found.Detector = "found", &finder{word: "Orrell"}
	p := bqPlan(t, name, note, doc, number, found)
	p.SetContext(t.Context())
	got := maskBQ(t, p, bqOf(
		[]string{`"Quillfeather"`, `"Quillfeather, SSN 987-65-4320"`, `"{\"a\":\"b\"}"`, `"5"`, `"saw Orrell \u0022x\u0022"`},
		[]string{`"Brambleton"`, `"Quillfeather"`, `null`, `null`, `null`},
		[]string{`null`, `"Quillfeather"`, `"{}"`, `"5"`, `"Orrell"`}))
	want := bqOf(
		[]string{`"[phi.ssn]"`, `"[NAME], SSN [SSN]"`, `"{\"A\":\"B\"}"`, `"0"`, `"saw [NAME] \"x\""`},
		[]string{`"[phi.ssn]"`, `"Quillfeather"`, `null`, `null`, `null`},
		[]string{`null`, `"Quillfeather"`, `"{}"`, `"0"`, `"[NAME]"`})
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	hits := map[string]uint64{}
	for _, c := range p.TakeCounts() {
		if c.Entity != "" {
			hits[c.Entity+" "+c.Rule] += c.Hits
		}
		if c.Output == 1 && c.Entity == "" && (c.Operator != mask.OpScan || c.Seen != 3 || c.Masked != 1) {
			t.Errorf("count of the note: %+v", c)
		}
	}
	if hits["NAME detector"] != 2 || hits["NAME known"] == 0 && len(hits) < 3 {
		t.Errorf("findings %v", hits)
	}
	if got := maskBQ(t, p.Fork(), bqOf([]string{`null`, `null`, `null`, `null`, `"fine"`})); !strings.Contains(got, `"[phi.ssn]"`) {
		t.Errorf("a text whose detector did not answer: %s", got)
	}
}

// TestBQRowContext moves dates by the days of the row's patient, and gives its keys.
func TestBQRowContext(t *testing.T) {
	t.Parallel()
	key := mask.BQColumn{Name: "mrn", Type: "NUMERIC", Patient: true, Key: true}
	p := bqPlan(t, key, bqBy(t, "day", "DATE", operator.Spec{Kind: operator.DateShift, Domain: "d"}))
	var keys keyLog
	p.SetKeys(&keys)
	cols := []mask.BQColumn{key, bqClear("day", "DATE")}
	read, err := readBQ([]byte(maskBQ(t, p, bqOf([]string{`"7"`, `"1974-12-25"`}, []string{`"8"`, `"1974-12-25"`}, []string{`"7.00"`, `"1974-12-25"`}, []string{`null`, `"1974-12-25"`}))), cols)
	if err != nil {
		t.Fatal(err)
	}
	if read[0][1] == "1974-12-25" || read[0][1] == read[1][1] || read[0][1] != read[2][1] || read[3][1] != "1974-01-01" {
		t.Errorf("days %v", read)
	}
	if got := keys.take(); got != "7 8 7 NULL" {
		t.Errorf("keys %s", got)
	}
}

// TestBQMembers: of an answer passes what is named, as it is said.
func TestBQMembers(t *testing.T) {
	t.Parallel()
	own := mask.Synthetic([]byte(`"sallyport-1"`))
	fields := []mask.BQMember{{Name: "name", Do: mask.BQKeep}, {Name: "type", Do: mask.BQKeep}, {Name: "fields", Do: mask.BQPick}}
	fields[2].Members = fields
	members := []mask.BQMember{
		{Name: "kind", Do: mask.BQKeep},
		{Name: "schema", Do: mask.BQPick, Members: []mask.BQMember{{Name: "fields", Do: mask.BQPick, Members: fields}}},
		{Name: "pageToken", Do: mask.BQSet, Value: own},
		{Name: "errors", Do: mask.BQFormat, Format: loud{}},
		{Name: "etag", Do: mask.BQDrop},
		{Name: "rows", Do: mask.BQRows},
		{Name: "location", Do: mask.BQFormat},
	}
	p := bqPlan(t, bqHidden("s", "STRING"))
	m, err := p.MaskRows(mask.FromUpstream([]byte(` {
  "kind" : "bigquery#queryResponse", "etag": "987-65-4320",
  "schema": {"fields": [{"name": "s", "type": "STRING", "description": "987-65-4320", "fields": [ {"name":"t","x":{"y":[1]}} ] }], "z": 1},
  "pageToken": "987-65-4320", "unknown": {"rows": [{"f": [{"v": "987-65-4320"}]}]}, "errors": [{"message":"no"}],
  "rows": [ { "f" : [ { "v" : "987-65-4320" } ] } ], "location": "987-65-4320", "n\u0061me": "987-65-4320"
} `)), members)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"kind":"bigquery#queryResponse","schema":{"fields":[{"name":"s","type":"STRING","fields":[{"name":"t"}]}]},` +
		`"pageToken":"sallyport-1","errors":[{"MESSAGE":"NO"}],"rows":[ { "f" : [ { "v" : "[phi.ssn]" } ] } ],"location":null}`
	if d := cmp.Diff(want, string(bytesOf(t, m))); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	if c := p.TakeCounts(); len(c) != 2 || c[1].Output != -1 || c[1].Locus != "errors" || c[1].Hits != 1 {
		t.Errorf("counts %+v", c)
	}
	if got := maskBQ(t, p, `{"rows":null}`); got != `{"rows":null}` {
		t.Errorf("no rows: %s", got)
	}
}

// TestBQRefuses lists answers of which nothing may leave.
func TestBQRefuses(t *testing.T) {
	t.Parallel()
	list := bqHidden("l", "STRING")
	list.Repeated = true
	record := mask.BQColumn{Name: "r", Type: "RECORD", Fields: []mask.BQColumn{bqHidden("x", "INT64")}}
	p := bqPlan(t, bqHidden("s", "STRING"), list, record)
	good := []string{`"987-65-4320"`, `[]`, bqRecord(`"1"`)}
	if got := maskBQ(t, p, bqOf(good)); strings.Contains(got, canary) {
		t.Fatalf("masked to %s", got)
	}
	at := func(i int, v string) string {
		row := slices.Clone(good)
		row[i] = v
		return bqOf(row)
	}
	answer := bqOf(good)
	for _, bad := range []string{
		"", "[]", `"x"`, `{"rows":{}}`, `{"rows":[1]}`, `{"rows":[{}]}`, `{"rows":[{"f":[]}]}`, answer + "x", answer[:len(answer)-1],
		bqOf(good[:2]), bqOf(append(slices.Clone(good), `"x"`)), bqOf(good, good[:1]),
		at(0, "1"), at(0, "true"), at(0, "[]"), at(0, bqRecord(`"1"`)), at(0, bqList(`"1"`)), at(0, `"open`), at(0, "\"\xff\""), at(0, `"\ud800"`), at(0, "nil"),
		at(1, `"x"`), at(1, `{}`), at(1, `["x"]`), at(1, `[{"v":"x"},]`), at(1, `[{"v":"x"}{"v":"x"}]`), at(1, bqList(bqRecord(`"1"`))), at(1, `[{"v":[]}]`),
		at(2, `"x"`), at(2, `[]`), at(2, bqRecord(`"1"`, `"2"`)), at(2, `{"f":[],"f":[]}`), at(2, bqRecord("1")),
		strings.Replace(answer, `"f"`, `"F"`, 1), strings.Replace(answer, `"f"`, `"\u0066"`, 1), strings.Replace(answer, `{"v":`, `{"w":1,"v":`, 1),
		strings.Replace(answer, `"987-65-4320"}`, `"987-65-4320","v":"x"}`, 1),
		`{"x":{"rows":` + strings.Repeat("[", 600) + strings.Repeat("]", 600) + `}}`,
	} {
		m, err := p.MaskRows(mask.FromUpstream([]byte(bad)), bqMembers())
		if err == nil {
			t.Errorf("%.80s is masked to %s", bad, bytesOf(t, m))
			continue
		}
		wantIntegrity(t, err)
	}
}

// TestBQPlanRefuses lists columns that no plan is made of.
func TestBQPlanRefuses(t *testing.T) {
	t.Parallel()
	unknown := bqHidden("c", "NEWTYPE")
	unknown.Required = true
	deep := bqClear("c", "STRING")
	for range 17 {
		deep = mask.BQColumn{Name: "r", Type: "RECORD", Fields: []mask.BQColumn{deep}}
	}
	for name, cols := range map[string][]mask.BQColumn{
		"a type that is not known and not NULL": {unknown},
		"a record without fields":               {{Name: "r", Type: "RECORD"}},
		"fields without a record":               {{Name: "r", Type: "STRING", Fields: []mask.BQColumn{bqClear("c", "STRING")}}},
		"records too deep":                      {deep},
		"too many":                              make([]mask.BQColumn, 10001),
	} {
		if _, err := mask.NewBQPlan(cols, "test"); sallyport.KindOf(err) != sallyport.Invalid || err == nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// FuzzBQRows: whatever a target answers, it is refused, or what comes out is JSON of
// the same shape, in which the masked columns hold constants and the others what
// they held.
func FuzzBQRows(f *testing.F) {
	list := bqHidden("l", "TIMESTAMP")
	list.Repeated = true
	cols := []mask.BQColumn{
		bqClear("a", "STRING"), bqHidden("s", "STRING"), bqBy(f, "p", "STRING", operator.Spec{Kind: operator.Partial, Last: 1}), list,
		{Name: "r", Type: "RECORD", Repeated: true, Fields: []mask.BQColumn{bqBy(f, "d", "DATE", operator.Spec{Kind: operator.DateYear}), {Name: "k", Type: "INT64", Key: true}}},
	}
	plan := bqPlan(f, cols...)
	f.Add([]byte(bqOf([]string{`"x"`, `"987-65-4320"`, `"a\u0022"`, bqList(`"1.5E9"`), bqList(bqRecord(`"1974-12-25"`, `"7"`))})))
	f.Add([]byte(bqOf([]string{"null", "null", "null", "[]", "[]"}, []string{`""`, `""`, `""`, "null", "null"})))
	f.Add([]byte(`{"rows":[],"x":{"y":[{}]},"kind":1}`))
	f.Fuzz(func(t *testing.T, answer []byte) {
		p := plan.Fork()
		var keys keyLog
		p.SetKeys(&keys)
		m, err := p.MaskRows(mask.FromUpstream(answer), bqMembers())
		if err != nil {
			wantIntegrity(t, err)
			return
		}
		out := bytesOf(t, m)
		again, err := p.MaskRows(mask.FromUpstream(out), bqMembers())
		if err != nil {
			t.Fatalf("what was masked is refused: %v", err)
		}
		in, errIn := readBQLoose(answer)
		got, errOut := readBQLoose(out)
		if bytes.Contains(answer, []byte(`\u`)) && len(in) != len(got) {
			return // a member whose name is written otherwise is left out
		}
		if errIn != nil || errOut != nil || len(in) != len(got) {
			t.Fatalf("%v, %v: %d rows became %d", errIn, errOut, len(in), len(got))
		}
		for i := range in {
			if in[i][0] != got[i][0] {
				t.Fatalf("a value that is shown, %v, became %v", in[i][0], got[i][0])
			}
			if s := got[i][1]; (s == nil) != (in[i][1] == nil) || s != nil && s != "[phi.ssn]" {
				t.Fatalf("a hidden value became %v", s)
			}
		}
		if len(got) > 0 && !bytes.Equal(bytesOf(t, again), out) && plan.Masks() && !strings.Contains(string(out), "*") {
			t.Fatal("masking is not idempotent")
		}
	})
}

// BenchmarkBQRows masks answers of the REST interface.
func BenchmarkBQRows(b *testing.B) {
	row := []string{`"10492"`, `"Testperson"`, `"987-65-4320"`, `"no known allergies, follow-up in two weeks"`, `"1974-12-25"`}
	rows := make([][]string, 1000)
	for i := range rows {
		rows[i] = row
	}
	answer := []byte(bqOf(rows...))
	scannedNote := bqHidden("note", "STRING")
	scannedNote.Text = testMasker(b)
	for _, bc := range []struct {
		name string
		cols []mask.BQColumn
	}{
		{"none", []mask.BQColumn{bqClear("id", "INT64"), bqClear("name", "STRING"), bqClear("ssn", "STRING"), bqClear("note", "STRING"), bqClear("day", "DATE")}},
		{"two constants", []mask.BQColumn{bqClear("id", "INT64"), bqHidden("name", "STRING"), bqHidden("ssn", "STRING"), bqClear("note", "STRING"), bqClear("day", "DATE")}},
		{"scan", []mask.BQColumn{bqClear("id", "INT64"), bqHidden("name", "STRING"), bqHidden("ssn", "STRING"), scannedNote, bqClear("day", "DATE")}},
	} {
		b.Run(bc.name, func(b *testing.B) {
			p := bqPlan(b, bc.cols...)
			b.SetBytes(int64(len(answer)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := p.MaskRows(mask.FromUpstream(answer), bqMembers()); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// TestBQBytesStay: what is not masked stays as it was written, byte for byte.
func TestBQBytesStay(t *testing.T) {
	t.Parallel()
	rows := "[ {\"f\":\t[ {\"v\" : \"\\u0041\\/\\n\u00e9\"} ,{ \"v\":%s}, {\"v\":[ {\"v\": \"1e1\" } ]} ]}\n , {\"f\":[{\"v\":null},{\"v\":%s},{\"v\":[]}]} ]"
	list := bqClear("l", "FLOAT64")
	list.Repeated = true
	secret := fmt.Sprintf(rows, `"987-65-4320"`, ` "\u0039\u0038" `)
	for _, c := range []struct {
		col  mask.BQColumn
		want string
	}{
		{bqClear("s", "STRING"), secret},
		{bqHidden("s", "STRING"), fmt.Sprintf(rows, `"[phi.ssn]"`, ` "[phi.ssn]" `)},
		{bqBy(t, "s", "STRING", operator.Spec{Kind: operator.Const, Value: "\"\n"}), fmt.Sprintf(rows, `"\"\n"`, ` "\"\n" `)},
	} {
		if d := cmp.Diff(`{"rows":`+c.want+`}`, maskBQ(t, bqPlan(t, bqClear("a", "STRING"), c.col, list), ` { "rows" : `+secret+` } `)); d != "" {
			t.Errorf("(-want +got):\n%s", d)
		}
	}
}
