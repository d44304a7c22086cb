// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package arrowmask_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/ipc"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-dev/sallyport/internal/mask"
	"github.com/sallyport-dev/sallyport/internal/mask/arrowmask"
	"github.com/sallyport-dev/sallyport/internal/mask/operator"
	"github.com/sallyport-dev/sallyport/internal/mask/profile"
	"github.com/sallyport-dev/sallyport/internal/mask/scan"
	"github.com/sallyport-dev/sallyport/test/masktest"
)

// sample is a type in both systems, with values of it in JSON.
type sample struct {
	bq     string
	arrow  arrow.DataType
	values [3]string // the second is often NULL
	masked string    // what stands for a value, in JSON
}

func samples() map[string]sample {
	micros := &arrow.TimestampType{Unit: arrow.Microsecond}
	zoned := &arrow.TimestampType{Unit: arrow.Microsecond, TimeZone: "UTC"}
	return map[string]sample{
		"string":     {"STRING", arrow.BinaryTypes.String, [3]string{`"987-65-4320"`, `null`, `"a 987-65-4320 b"`}, `"[phi.ssn]"`},
		"bytes":      {"BYTES", arrow.BinaryTypes.Binary, [3]string{`"OTg3LTY1LTQzMjA="`, `null`, `"OTg3LTY1LTQzMjAx"`}, `""`},
		"int":        {"INT64", arrow.PrimitiveTypes.Int64, [3]string{`98765432098765`, `null`, `98765432098765`}, `0`},
		"float":      {"FLOAT64", arrow.PrimitiveTypes.Float64, [3]string{`98765.4320987`, `null`, `98765.4320987`}, `0`},
		"bool":       {"BOOL", arrow.FixedWidthTypes.Boolean, [3]string{`true`, `null`, `true`}, `false`},
		"date":       {"DATE", arrow.FixedWidthTypes.Date32, [3]string{`"1974-12-25"`, `null`, `"1974-12-26"`}, `"1970-01-01"`},
		"timestamp":  {"TIMESTAMP", zoned, [3]string{`"1974-12-25 01:02:03Z"`, `null`, `"1974-12-25 01:02:04Z"`}, `"1970-01-01 00:00:00Z"`},
		"datetime":   {"DATETIME", micros, [3]string{`"1974-12-25 01:02:03"`, `null`, `"1974-12-25 01:02:04"`}, `"1970-01-01 00:00:00"`},
		"time":       {"TIME", arrow.FixedWidthTypes.Time64us, [3]string{`"13:14:15.123456"`, `null`, `"13:14:16"`}, `"00:00:00"`},
		"numeric":    {"NUMERIC", &arrow.Decimal128Type{Precision: 38, Scale: 9}, [3]string{`"98765.432098765"`, `null`, `"-98765.432098765"`}, `"0"`},
		"bignumeric": {"BIGNUMERIC", &arrow.Decimal256Type{Precision: 76, Scale: 38}, [3]string{`"98765.432098765"`, `null`, `"-98765.432098765"`}, `"0"`},
		"geography":  {"GEOGRAPHY", arrow.BinaryTypes.String, [3]string{`"POINT(98.7 65.4)"`, `null`, `"POINT(98.7 65.4)"`}, `"POINT(0 0)"`},
		"json":       {"JSON", arrow.BinaryTypes.String, [3]string{`"{\"ssn\":\"987-65-4320\"}"`, `null`, `"1"`}, `"null"`},
	}
}

// rows makes a record of rows in JSON.
func rows(t testing.TB, schema *arrow.Schema, lines ...string) arrow.RecordBatch {
	t.Helper()
	rec, _, err := array.RecordFromJSON(memory.NewGoAllocator(), schema, strings.NewReader("["+strings.Join(lines, ",")+"]"))
	if err != nil {
		t.Fatal(err)
	}
	return rec
}

// jsonOf is a record in JSON.
func jsonOf(t testing.TB, rec arrow.RecordBatch) string {
	t.Helper()
	b, err := rec.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestTypes masks a column of every type between two that are shown, plain, in a
// record, in a list, and in a list of records, with each codec.
func TestTypes(t *testing.T) {
	t.Parallel()
	for name, s := range samples() {
		for codec, opts := range map[string][]ipc.Option{"plain": nil, "lz4": {ipc.WithLZ4()}, "zstd": {ipc.WithZstd()}} {
			t.Run(name+" "+codec, func(t *testing.T) {
				t.Parallel()
				item := arrow.StructOf(arrow.Field{Name: "k", Type: arrow.PrimitiveTypes.Int64, Nullable: true}, arrow.Field{Name: "v", Type: s.arrow, Nullable: true})
				schema := arrow.NewSchema([]arrow.Field{
					{Name: "a", Type: arrow.PrimitiveTypes.Int64},
					{Name: "m", Type: s.arrow, Nullable: true},
					{Name: "r", Type: item, Nullable: true},
					{Name: "l", Type: arrow.ListOf(s.arrow), Nullable: true},
					{Name: "lr", Type: arrow.ListOf(item), Nullable: true},
					{Name: "c", Type: s.arrow, Nullable: true},
				}, nil)
				line := func(i int, m, c string) string {
					return fmt.Sprintf(`{"a":%d,"m":%s,"r":{"k":1,"v":%s},"l":[%s],"lr":[{"k":7,"v":%s},{"k":8,"v":%s}],"c":%s}`, i, m, m, strings.ReplaceAll(m, "null", ""), m, m, c)
				}
				v := s.values
				rec := rows(t, schema, line(1, v[0], v[0]), line(2, v[1], v[1]), line(3, v[2], v[2]))
				fields := []mask.BQColumn{column("k", "INTEGER"), hidden("v", s.bq)}
				list := hidden("l", s.bq)
				list.Repeated = true
				p := plan(t, column("a", "INT64"), hidden("m", s.bq), mask.BQColumn{Name: "r", Type: "RECORD", Fields: fields},
					list, mask.BQColumn{Name: "lr", Type: "RECORD", Repeated: true, Fields: fields}, column("c", s.bq))
				head, batches := serialized(t, schema, []arrow.RecordBatch{rec}, opts...)
				stream, _ := maskAll(t, p, head, batches)
				got := read(t, stream)
				blank := func(m string) string {
					if m == "null" {
						return m
					}
					return s.masked
				}
				none := func(i int, m, c string) string {
					return strings.Replace(line(i, blank(m), c), `"l":[`+strings.ReplaceAll(blank(m), "null", "")+`]`, `"l":[]`, 1)
				}
				want := rows(t, schema, none(1, v[0], v[0]), none(2, v[1], v[1]), none(3, v[2], v[2]))
				if len(got) != 1 {
					t.Fatalf("%d records", len(got))
				}
				if !array.RecordEqual(want, got[0]) {
					t.Errorf("(-want +got):\n%s", cmp.Diff(jsonOf(t, want), jsonOf(t, got[0])))
				}
				if !array.Equal(rec.Column(5), got[0].Column(5)) || !array.Equal(rec.Column(0), got[0].Column(0)) {
					t.Error("a column that is shown has changed")
				}
			})
		}
	}
}

// TestNothingIsLeft looks for the masked value in the bytes of a batch: where it is
// NULL, in what writers leave behind a column, in metadata, in dictionaries.
func TestNothingIsLeft(t *testing.T) {
	t.Parallel()
	schema := arrow.NewSchema([]arrow.Field{
		{Name: "s", Type: arrow.BinaryTypes.String, Nullable: true},
		{Name: "n", Type: arrow.PrimitiveTypes.Int64, Nullable: true},
	}, nil)
	const number = 0x3938373635343332
	word := binary.LittleEndian.AppendUint64(nil, number)
	// A text and a number that are NULL, and are there nevertheless.
	offsets := binary.LittleEndian.AppendUint32(make([]byte, 4), uint32(len(canary)))
	texts := array.NewData(schema.Field(0).Type, 1, []*memory.Buffer{
		memory.NewBufferBytes([]byte{0xFE}), memory.NewBufferBytes(offsets), memory.NewBufferBytes([]byte(canary)),
	}, nil, 1, 0)
	numbers := array.NewData(schema.Field(1).Type, 1, []*memory.Buffer{memory.NewBufferBytes([]byte{0xFE}), memory.NewBufferBytes(word)}, nil, 1, 0)
	rec := array.NewRecordBatchWithMetadata(schema, []arrow.Array{array.MakeFromData(texts), array.MakeFromData(numbers)}, 1,
		arrow.NewMetadata([]string{"min"}, []string{canary}))
	head, batches := serialized(t, schema, []arrow.RecordBatch{rec})
	if !bytes.Contains(batches[0], []byte(canary)) || !bytes.Contains(batches[0], word) {
		t.Fatal("the batch does not hold what it is to hide")
	}
	for _, cols := range [][]mask.BQColumn{
		{hidden("s", "STRING"), hidden("n", "INT64")},
		{by(t, "s", "STRING", operator.Spec{Kind: operator.Partial, Last: 2}), by(t, "n", "INT64", operator.Spec{Kind: operator.Bucket})},
		{by(t, "s", "STRING", operator.Spec{Kind: operator.Null}), by(t, "n", "INT64", operator.Spec{Kind: operator.Null})},
	} {
		// Bytes between buffers and behind the last, and bits behind the last.
		dirty := bytes.Clone(batches[0])
		body := 8 + int(binary.LittleEndian.Uint32(dirty[4:]))
		dirty[body] |= 0xFE
		for i := bytes.LastIndex(dirty, word) + len(word); i < len(dirty); i++ {
			dirty[i] = canary[i%len(canary)]
		}
		stream, masked := maskAll(t, plan(t, cols...), head, [][]byte{dirty})
		for _, secret := range [][]byte{[]byte(canary), word, []byte(canary)[:6], []byte("min"), {0xFE}} {
			if bytes.Contains(masked[0], secret) {
				t.Errorf("%q is left", secret)
			}
		}
		if got := jsonOf(t, read(t, stream)[0]); !strings.Contains(got, `{"n":null,"s":null}`) {
			t.Errorf("reads as %s", got)
		}
	}
}

// TestOperators masks by operators that look at values, and counts.
func TestOperators(t *testing.T) {
	t.Parallel()
	all := samples()
	schema := arrow.NewSchema([]arrow.Field{
		{Name: "s", Type: arrow.BinaryTypes.String, Nullable: true},
		{Name: "b", Type: arrow.BinaryTypes.Binary, Nullable: true},
		{Name: "i", Type: arrow.PrimitiveTypes.Int64, Nullable: true},
		{Name: "f", Type: arrow.PrimitiveTypes.Float64, Nullable: true},
		{Name: "d", Type: arrow.FixedWidthTypes.Date32, Nullable: true},
		{Name: "t", Type: all["timestamp"].arrow, Nullable: true},
		{Name: "n", Type: all["numeric"].arrow, Nullable: true},
		{Name: "big", Type: all["bignumeric"].arrow, Nullable: true},
		{Name: "q", Type: arrow.PrimitiveTypes.Int64, Nullable: true},
		{Name: "r", Type: arrow.PrimitiveTypes.Int64},
	}, nil)
	rec := rows(t, schema,
		`{"s":"987-65-4320","b":"AQID","i":47,"f":47.5,"d":"1974-12-25","t":"1974-12-25 01:02:03Z","n":"-47.25","big":"47.25","q":3,"r":3}`,
		`{"s":null,"b":null,"i":null,"f":null,"d":null,"t":null,"n":null,"big":null,"q":null,"r":4}`)
	year := operator.Spec{Kind: operator.DateYear}
	tens := operator.Spec{Kind: operator.Bucket}
	required := by(t, "r", "INT64", operator.Spec{Kind: operator.EmailDomain})
	required.Required = true
	p := plan(t,
		by(t, "s", "STRING", operator.Spec{Kind: operator.Partial, Last: 2}),
		by(t, "b", "BYTES", operator.Spec{Kind: operator.Const, Value: "x"}),
		by(t, "i", "INT64", tens), by(t, "f", "FLOAT64", tens), by(t, "d", "DATE", year), by(t, "t", "TIMESTAMP", year),
		by(t, "n", "NUMERIC", tens), by(t, "big", "BIGNUMERIC", operator.Spec{Kind: operator.Round}),
		by(t, "q", "INT64", operator.Spec{Kind: operator.EmailDomain}), required)
	head, batches := serialized(t, schema, []arrow.RecordBatch{rec})
	stream, _ := maskAll(t, p, head, batches)
	want := rows(t, schema,
		`{"s":"***-**-**20","b":"eA==","i":40,"f":40,"d":"1974-01-01","t":"1974-01-01 00:00:00Z","n":"-50","big":"50","q":null,"r":0}`,
		`{"s":null,"b":null,"i":null,"f":null,"d":null,"t":null,"n":null,"big":null,"q":null,"r":0}`)
	if d := cmp.Diff(jsonOf(t, want), jsonOf(t, read(t, stream)[0])); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	for _, c := range p.TakeCounts() {
		if c.Seen != 2 || c.Output < 9 && c.Nulls != 1 || c.Masked != c.Seen-c.Nulls {
			t.Errorf("counts %+v", c)
		}
	}
	if p.Rows() != 0 || len(p.TakeCounts()) != 0 {
		t.Error("counts are not taken")
	}
}

// TestRowContext: a text is scanned for the name of its own row, also in a list, and
// dates move by the days of their own patient.
func TestRowContext(t *testing.T) {
	t.Parallel()
	schema := arrow.NewSchema([]arrow.Field{
		{Name: "mrn", Type: arrow.PrimitiveTypes.Int64},
		{Name: "name", Type: arrow.BinaryTypes.String, Nullable: true},
		{Name: "note", Type: arrow.BinaryTypes.String, Nullable: true},
		{Name: "notes", Type: arrow.ListOf(arrow.BinaryTypes.String), Nullable: true},
		{Name: "day", Type: arrow.FixedWidthTypes.Date32, Nullable: true},
	}, nil)
	rec := rows(t, schema,
		`{"mrn":1,"name":"Quillfeather","note":"saw Quillfeather, SSN 987-65-4320","notes":["quillfeather","Brambleton"],"day":"1974-12-25"}`,
		`{"mrn":2,"name":"Brambleton","note":"saw Quillfeather","notes":["Brambleton rang"],"day":"1974-12-25"}`,
		`{"mrn":1,"name":null,"note":"saw Quillfeather","notes":[],"day":"1974-12-25"}`)
	key := column("mrn", "INT64")
	key.Patient, key.Key = true, true
	name := hidden("name", "STRING")
	name.Known = scan.Name
	note := hidden("note", "STRING")
	note.Text = masktest.Masker(t, profile.Spec{Name: profile.NeedToKnow})
	notes := note
	notes.Name, notes.Repeated = "notes", true
	p := plan(t, key, name, note, notes, by(t, "day", "DATE", operator.Spec{Kind: operator.DateShift, Domain: "d"}))
	var keys keyLog
	p.SetKeys(&keys)
	head, batches := serialized(t, schema, []arrow.RecordBatch{rec})
	stream, masked := maskAll(t, p, head, batches)
	got := read(t, stream)[0]
	text := func(col, row int) string { return got.Column(col).(*array.String).Value(row) }
	if d := cmp.Diff([]string{"saw [NAME], SSN [SSN]", "saw Quillfeather", "saw Quillfeather"}, []string{text(2, 0), text(2, 1), text(2, 2)}); d != "" {
		t.Errorf("notes (-want +got):\n%s", d)
	}
	if got := got.Column(3).(*array.List).ListValues().(*array.String); got.Value(0) != "[NAME]" || got.Value(1) != "Brambleton" || got.Value(2) != "[NAME] rang" {
		t.Errorf("texts in lists: %v", got)
	}
	days := got.Column(4).(*array.Date32)
	if days.Value(0) != days.Value(2) || days.Value(0) == days.Value(1) || days.Value(0) == rec.Column(4).(*array.Date32).Value(0) {
		t.Errorf("days %v", days)
	}
	if bytes.Contains(masked[0], []byte(canary)) {
		t.Error("the canary is left")
	}
	if d := cmp.Diff("1 2 1", strings.Join(keys, " ")); d != "" {
		t.Errorf("keys (-want +got):\n%s", d)
	}
	found := map[string]uint64{}
	for _, c := range p.TakeCounts() {
		if c.Entity != "" {
			found[c.Entity+" "+c.Locus] += c.Hits
		}
	}
	if d := cmp.Diff(map[string]uint64{"NAME note": 1, "SSN note": 1, "NAME notes": 2}, found); d != "" {
		t.Errorf("findings (-want +got):\n%s", d)
	}
}

// keyLog notes what it is given.
type keyLog []string

func (k *keyLog) Key(b []byte) { *k = append(*k, string(b)) }
func (k *keyLog) Null()        { *k = append(*k, "NULL") }
func (k *keyLog) Unreadable()  { *k = append(*k, "?") }

// TestKeys reads keys in records, lists, and numbers.
func TestKeys(t *testing.T) {
	t.Parallel()
	schema := arrow.NewSchema([]arrow.Field{
		{Name: "n", Type: &arrow.Decimal128Type{Precision: 38, Scale: 9}, Nullable: true},
		{Name: "r", Type: arrow.StructOf(arrow.Field{Name: "k", Type: arrow.BinaryTypes.String, Nullable: true}), Nullable: true},
		{Name: "l", Type: arrow.ListOf(arrow.PrimitiveTypes.Int64), Nullable: true},
		{Name: "d", Type: arrow.FixedWidthTypes.Date32, Nullable: true},
	}, nil)
	rec := rows(t, schema, `{"n":"7","r":{"k":"a"},"l":[1,2],"d":"2020-01-01"}`, `{"n":"-0.5","r":null,"l":[],"d":null}`, `{"n":null,"r":{"k":null},"l":[3],"d":null}`)
	k := func(c mask.BQColumn) mask.BQColumn { c.Key = true; return c }
	list := k(hidden("l", "INT64"))
	list.Repeated = true
	p := plan(t, k(column("n", "NUMERIC")), mask.BQColumn{Name: "r", Type: "RECORD", Fields: []mask.BQColumn{k(hidden("k", "STRING"))}}, list, k(column("d", "DATE")))
	var keys keyLog
	p.SetKeys(&keys)
	head, batches := serialized(t, schema, []arrow.RecordBatch{rec})
	maskAll(t, p, head, batches)
	if d := cmp.Diff("7 -0.5 NULL a NULL 1 2 3 ? NULL NULL", strings.Join(keys, " ")); d != "" {
		t.Errorf("keys (-want +got):\n%s", d)
	}
}

// TestDictionaries: indices of a masked column tell nothing that its values do not.
func TestDictionaries(t *testing.T) {
	t.Parallel()
	dict := &arrow.DictionaryType{IndexType: arrow.PrimitiveTypes.Int32, ValueType: arrow.BinaryTypes.String}
	schema := arrow.NewSchema([]arrow.Field{
		{Name: "a", Type: dict, Nullable: true}, {Name: "b", Type: dict, Nullable: true}, {Name: "c", Type: dict, Nullable: true},
	}, nil)
	b := array.NewRecordBuilder(memory.NewGoAllocator(), schema)
	record := func(values ...string) arrow.RecordBatch {
		for i := range 3 {
			col := b.Field(i).(*array.BinaryDictionaryBuilder)
			for _, v := range values {
				if v == "" {
					col.AppendNull()
				} else if err := col.AppendString(v); err != nil {
					t.Fatal(err)
				}
			}
		}
		return b.NewRecordBatch()
	}
	recs := []arrow.RecordBatch{record("987-65-4320", "", "111-11-1120", "222-22-2299", "987-65-4320"), record("987-65-4320", "333-33-3320")}
	p := plan(t, hidden("a", "STRING"), by(t, "b", "STRING", operator.Spec{Kind: operator.Partial, Last: 2}), column("c", "STRING"))
	head, batches := serialized(t, schema, recs)
	stream, masked := maskAll(t, p, head, batches)
	got := read(t, stream)
	col := func(rec, i int) (indices []int, values []string) {
		d := got[rec].Column(i).(*array.Dictionary)
		for k := range d.Len() {
			if d.IsNull(k) {
				indices, values = append(indices, -1), append(values, "")
				continue
			}
			indices = append(indices, d.GetValueIndex(k))
			values = append(values, d.Dictionary().(*array.String).Value(d.GetValueIndex(k)))
		}
		return indices, values
	}
	for _, c := range []struct {
		rec, col int
		indices  []int
		values   []string
	}{
		{0, 0, []int{0, -1, 0, 0, 0}, []string{"[phi.ssn]", "", "[phi.ssn]", "[phi.ssn]", "[phi.ssn]"}},
		{1, 0, []int{0, 0}, []string{"[phi.ssn]", "[phi.ssn]"}},
		{0, 1, []int{0, -1, 0, 1, 0}, []string{"***-**-**20", "", "***-**-**20", "***-**-**99", "***-**-**20"}},
		{1, 1, []int{0, 0}, []string{"***-**-**20", "***-**-**20"}},
		{1, 2, []int{0, 1}, []string{"987-65-4320", "333-33-3320"}},
	} {
		indices, values := col(c.rec, c.col)
		if d := cmp.Diff(c.values, values); d != "" {
			t.Errorf("batch %d, column %d (-want +got):\n%s", c.rec, c.col, d)
		}
		if c.col < 2 {
			if d := cmp.Diff(c.indices, indices); d != "" {
				t.Errorf("indices of batch %d, column %d (-want +got):\n%s", c.rec, c.col, d)
			}
		}
	}
	if n := bytes.Count(masked[0], []byte(canary)); n != 1 { // in the dictionary of the column that is shown
		t.Errorf("the canary is there %d times", n)
	}
}

// TestRanges: ends of a range that is masked are open.
func TestRanges(t *testing.T) {
	t.Parallel()
	span := arrow.StructOf(arrow.Field{Name: "start", Type: arrow.FixedWidthTypes.Date32, Nullable: true}, arrow.Field{Name: "end", Type: arrow.FixedWidthTypes.Date32, Nullable: true})
	schema := arrow.NewSchema([]arrow.Field{{Name: "r", Type: span, Nullable: true}, {Name: "i", Type: arrow.FixedWidthTypes.MonthDayNanoInterval, Nullable: true}}, nil)
	rec := rows(t, schema, `{"r":{"start":"1974-12-25","end":"1974-12-26"},"i":{"months":1,"days":2,"nanoseconds":3}}`, `{"r":null,"i":null}`)
	head, batches := serialized(t, schema, []arrow.RecordBatch{rec})
	stream, _ := maskAll(t, plan(t, hidden("r", "RANGE"), hidden("i", "INTERVAL")), head, batches)
	want := rows(t, schema, `{"r":{"start":null,"end":null},"i":{"months":0,"days":0,"nanoseconds":0}}`, `{"r":null,"i":null}`)
	if d := cmp.Diff(jsonOf(t, want), jsonOf(t, read(t, stream)[0])); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

// TestOpenRefuses lists schemas that do not fit the plan.
func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	schema := arrow.NewSchema([]arrow.Field{{Name: "s", Type: arrow.BinaryTypes.String}}, nil)
	noted := arrow.NewMetadata([]string{"min"}, []string{canary})
	withNote := arrow.NewSchema([]arrow.Field{{Name: "s", Type: arrow.BinaryTypes.String, Metadata: noted}}, nil)
	list := hidden("s", "STRING")
	list.Repeated = true
	for _, c := range []struct {
		name   string
		schema *arrow.Schema
		cols   []mask.BQColumn
	}{
		{"another name", schema, []mask.BQColumn{hidden("t", "STRING")}},
		{"another type", schema, []mask.BQColumn{hidden("s", "INT64")}},
		{"more columns", schema, []mask.BQColumn{hidden("s", "STRING"), hidden("t", "STRING")}},
		{"no column", schema, nil},
		{"no list", schema, []mask.BQColumn{list}},
		{"no NULL", schema, []mask.BQColumn{by(t, "s", "STRING", operator.Spec{Kind: operator.Null})}},
		{"metadata of a column", withNote, []mask.BQColumn{column("s", "STRING")}},
		{"metadata", arrow.NewSchema(schema.Fields(), &noted), []mask.BQColumn{column("s", "STRING")}},
		{"a union", arrow.NewSchema([]arrow.Field{{Name: "s", Type: arrow.SparseUnionOf(schema.Fields(), []int8{1})}}, nil), []mask.BQColumn{column("s", "STRING")}},
	} {
		head, _ := serialized(t, c.schema, nil)
		_, err := arrowmask.Open(plan(t, c.cols...), mask.FromUpstream(head))
		if err == nil {
			t.Errorf("%s: opened", c.name)
			continue
		}
		wantIntegrity(t, err)
	}
}

// TestAfterRefusal: nothing leaves a stream once a batch was refused.
func TestAfterRefusal(t *testing.T) {
	t.Parallel()
	schema, rec := patients(3)
	head, batches := serialized(t, schema, []arrow.RecordBatch{rec})
	m, err := arrowmask.Open(patientPlan(t), mask.FromUpstream(head))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := m.Mask(mask.FromUpstream(batches[0])); err != nil {
		t.Fatal(err)
	}
	for _, b := range [][]byte{batches[0][:len(batches[0])-8], batches[0]} {
		_, err := m.Mask(mask.FromUpstream(b))
		wantIntegrity(t, err)
	}
}

func patientPlan(t testing.TB) *mask.BQPlan {
	return plan(t, column("id", "INTEGER"), hidden("name", "STRING"), by(t, "ssn", "STRING", operator.Spec{Kind: operator.Partial, Last: 2}),
		column("note", "STRING"), hidden("day", "DATE"))
}
