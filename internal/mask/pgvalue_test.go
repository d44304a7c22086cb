// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package mask_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/mask"
	"github.com/sallyport-dev/sallyport/internal/mask/operator"
	"github.com/sallyport-dev/sallyport/internal/mask/scan"
	"github.com/sallyport-dev/sallyport/internal/mask/text"
)

// maskCells masks rows and returns their fields.
func maskCells(t testing.TB, plan *mask.PGPlan, rows ...[]byte) [][]string {
	t.Helper()
	var run []byte
	for _, r := range rows {
		run = append(run, message('D', r)...)
	}
	var buf mask.Buffer
	if err := buf.Rows(plan, mask.FromUpstream(run)); err != nil {
		t.Fatal(err)
	}
	var out [][]string
	for b := bytesOf(t, buf.Take()); len(b) > 0; {
		n := binary.BigEndian.Uint32(b[1:]) + 1
		out = append(out, fields(t, b[5:n]))
		b = b[n:]
	}
	return out
}

// scanned is a column of texts that are scanned.
func scanned(t testing.TB) mask.PGColumn {
	return mask.PGColumn{
		TypeOID: oidText, Typmod: -1, Text: testMasker(t), Labels: []sallyport.Label{"phi.note"}, Reason: "label",
		Columns: []string{"public.visits.note"}, ProfileVersion: "1",
	}
}

func TestOperatorValues(t *testing.T) {
	t.Parallel()
	days := func(n int32) string { return string(binary.BigEndian.AppendUint32(nil, uint32(n))) }
	for _, tc := range []struct {
		name     string
		spec     operator.Spec
		oid      uint32
		typmod   int32
		format   int16
		in, want string
		fallback uint64
	}{
		{"year of a date", operator.Spec{Kind: operator.DateYear}, 1082, -1, 0, "1974-12-25", "1974-01-01", 0},
		{"year of a binary date", operator.Spec{Kind: operator.DateYear}, 1082, -1, 1, days(-9138), days(-9496), 0},
		{"another DateStyle", operator.Spec{Kind: operator.DateYear}, 1082, -1, 0, "12/25/1974", "1970-01-01", 1},
		{"German DateStyle", operator.Spec{Kind: operator.DateYear}, 1082, -1, 0, "25.12.1974", "1970-01-01", 1},
		{"no such day", operator.Spec{Kind: operator.DateYear}, 1082, -1, 0, "1974-02-30", "1970-01-01", 1},
		{"year in a zone", operator.Spec{Kind: operator.DateYear}, 1184, -1, 0, "1974-12-31 22:00:00.25-05", "1975-01-01 00:00:00+00", 0},
		{"month", operator.Spec{Kind: operator.DateTrunc}, 1114, -1, 0, "1974-12-25 14:35:45", "1974-12-01 00:00:00", 0},
		{"age", operator.Spec{Kind: operator.Age90}, 23, -1, 0, "92", "90", 0},
		{"not an integer", operator.Spec{Kind: operator.Age90}, 23, -1, 0, "9x", "0", 1},
		{"bucket of int2", operator.Spec{Kind: operator.Bucket}, 21, -1, 1, "\x00\x2f", "\x00\x28", 0},
		{"const outside of int2", operator.Spec{Kind: operator.Const, Value: "70000"}, 21, -1, 1, "\x00\x2f", "\x00\x00", 0},
		{"bucket of numeric", operator.Spec{Kind: operator.Bucket}, 1700, -1, 0, "47.25", "40.00", 0},
		{"ip", operator.Spec{Kind: operator.IPPrefix}, 869, -1, 0, "10.1.2.3", "10.1.2.0/24", 0},
		{"zip", operator.Spec{Kind: operator.ZIP3}, oidText, -1, 0, "62704-1234", "62700", 0},
		{"zip in bpchar", operator.Spec{Kind: operator.ZIP3}, 1042, 14, 0, "62704     ", "62700", 0},
		{"hash too long", operator.Spec{Kind: operator.Hash, Domain: "d"}, 1043, 9, 0, canary, "[phi.", 1},
		{"bad text", operator.Spec{Kind: operator.Hash, Domain: "d"}, oidText, -1, 0, "\xff\xfe", "[phi.test]", 1},
		{"null", operator.Spec{Kind: operator.Null}, oidText, -1, 0, canary, null, 0},
		{"default text", operator.Spec{Kind: operator.Default}, oidText, -1, 0, canary, "", 0},
		{"placeholder", operator.Spec{Kind: operator.Redact, Placeholder: "ID"}, oidText, -1, 0, canary, "[ID]", 0},
		{"const that is none of its type", operator.Spec{Kind: operator.Const, Value: "x"}, 1082, -1, 0, "1974-12-25", "1970-01-01", 0},
		{"const in numeric(10,2)", operator.Spec{Kind: operator.Const, Value: "7.129"}, 1700, 10<<16 | 2 + 4, 0, "1.00", "7.12", 0},
		{"const in numeric(3,-2)", operator.Spec{Kind: operator.Const, Value: "12300"}, 1700, 3<<16 | 0x7FE + 4, 0, "100", "12300", 0},
		{"const outside of numeric(3,0)", operator.Spec{Kind: operator.Const, Value: "1000"}, 1700, 3<<16 + 4, 0, "1", "0", 0},
		{"const outside of varchar(3)", operator.Spec{Kind: operator.Const, Value: "\u00e9\u00e9\u00e9\u00e9"}, 1043, 7, 0, "a", "[ph", 0},
		{"const in varchar(4)", operator.Spec{Kind: operator.Const, Value: "\u00e9\u00e9\u00e9\u00e9"}, 1043, 8, 0, "a", "\u00e9\u00e9\u00e9\u00e9", 0},
		{"const network", operator.Spec{Kind: operator.Const, Value: "10.1.2.3/8"}, 650, -1, 0, "1.2.3.0/24", "10.0.0.0/8", 0},
		{"const outside of float4", operator.Spec{Kind: operator.Const, Value: "9999999999999999999999999999999999999999999999"}, 700, -1, 0, "1", "0", 0},
		{"const bool", operator.Spec{Kind: operator.Const, Value: "true"}, 16, -1, 1, "\x00", "\x01", 0},
		{"enum", operator.Spec{Kind: operator.Hash, Domain: "d"}, 99999, -1, 0, canary, null, 0},
		{"keep", operator.Spec{Kind: operator.Keep}, 99999, -1, 0, "low", "low", 0},
		{"object", operator.Spec{Kind: operator.Age90}, 114, -1, 0, ` {"age": 40, "ssn": "987-65-4320"}`, "null", 1},
		{"jsonb string", operator.Spec{Kind: operator.ZIP3}, 3802, -1, 1, "\x01\"62704\"", "\x01\"62700\"", 0},
		{"jsonb of another version", operator.Spec{Kind: operator.ZIP3}, 3802, -1, 1, "\x02\"62704\"", "\x01null", 1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			c := opColumn(tc.oid, tc.typmod, tc.format, compiled(t, tc.spec))
			plan := mask.NewPGPlan([]mask.PGColumn{c}, "test")
			if got := maskCells(t, plan, dataRow(tc.in))[0][0]; got != tc.want {
				t.Errorf("%q becomes %q, want %q", tc.in, got, tc.want)
			}
			counts := plan.TakeCounts()
			if len(counts) != 1 || counts[0].Seen != 1 || counts[0].Fallback != tc.fallback {
				t.Errorf("counts are %+v, want %d fallback", counts, tc.fallback)
			}
		})
	}
}

func TestArrays(t *testing.T) {
	t.Parallel()
	note := scanned(t)
	note.TypeOID = 1009
	lost := note
	lost.Binary, lost.Operator = true, compiled(t, operator.Spec{Kind: operator.Null})
	lostText := lost
	lostText.Binary = false
	year := opColumn(1182, -1, 0, compiled(t, operator.Spec{Kind: operator.DateYear}))
	long := func(words ...uint32) string {
		var b []byte
		for _, w := range words {
			b = binary.BigEndian.AppendUint32(b, w)
		}
		return string(b)
	}
	bin := opColumn(1007, -1, 1, compiled(t, operator.Spec{Kind: operator.Age90}))
	for _, tc := range []struct {
		name        string
		col         mask.PGColumn
		in, want    string
		undecodable uint64
	}{
		{"text", note, `{a,"b ` + canary + `",NULL,"NULL","x\"y\\z",""}`, `{a,"b [SSN]",NULL,"NULL","x\"y\\z",""}`, 0},
		{"dimensions", note, `{{` + canary + `,b},{c,d}}`, `{{[SSN],b},{c,d}}`, 0},
		{"bounds", note, `[0:1][-2:-1]={{` + canary + `,b},{c,d}}`, `[0:1][-2:-1]={{[SSN],b},{c,d}}`, 0},
		{"empty", note, `{}`, `{}`, 0},
		{"dates", year, `{1974-12-25,infinity,NULL}`, `{1974-01-01,1970-01-01,NULL}`, 0},
		{"bad element", note, "{a,\xff}", `{a,[phi.note]}`, 1},
		{"cut", note, `{` + canary, `{}`, 1},
		{"cut in quotes", note, `{"` + canary, `{}`, 1},
		{"cut in an escape", note, `{"` + canary + `\`, `{}`, 1},
		{"nothing", note, ``, `{}`, 1},
		{"no brace", note, canary, `{}`, 1},
		{"behind the end", note, `{a}` + canary, `{}`, 1},
		{"no element", note, `{a,}`, `{}`, 1},
		{"two commas", note, `{a,,b}`, `{}`, 1},
		{"brace in an element", note, `{a{b}`, `{}`, 1},
		{"quote in an element", note, `{a"b"}`, `{}`, 1},
		{"uneven", note, `{a,{` + canary + `}}`, `{}`, 1},
		{"array for an element", note, `{a,{}}`, `{}`, 1},
		{"shallow behind deep", note, `{{a},` + canary + `}`, `{}`, 1},
		{"too deep", note, `{{{{{{{` + canary + `}}}}}}}`, `{}`, 1},
		{"bounds without end", note, `[0:1` + canary, `{}`, 1},
		{"value in bounds", note, `[` + canary + `x]={a,b}`, `{}`, 1},
		{"binary element that becomes NULL", lost, long(1, 0, 25, 1, 1) + "\x00\x00\x00\x01\xff", long(1, 1, 25, 1, 1, 0xFFFFFFFF), 1},
		{"element that becomes NULL", lostText, "{a,\xff}", "{a,NULL}", 1},
		{"binary", bin, long(1, 1, 23, 3, 1, 4, 92, 4, 40, 0xFFFFFFFF), long(1, 1, 23, 3, 1, 4, 90, 4, 40, 0xFFFFFFFF), 0},
		{"binary dimensions", bin, long(2, 0, 23, 1, 1, 2, 5, 4, 92, 4, 40), long(2, 0, 23, 1, 1, 2, 5, 4, 90, 4, 40), 0},
		{"binary empty", bin, long(0, 0, 23), long(0, 0, 23), 0},
		{"binary element", bin, long(1, 0, 23, 1, 1) + "\x00\x00\x00\x01x", long(1, 0, 23, 1, 1, 4, 0), 1},
		{"binary other type", bin, long(1, 0, 25, 1, 1, 4, 92), long(0, 0, 23), 1},
		{"binary short", bin, long(1, 0, 23, 2, 1, 4, 92), long(0, 0, 23), 1},
		{"binary long", bin, long(1, 0, 23, 1, 1, 4, 92, 4, 92), long(0, 0, 23), 1},
		{"binary too many", bin, long(3, 0, 23, 0x7FFFFFFF, 1, 0x7FFFFFFF, 1, 0x7FFFFFFF, 1), long(0, 0, 23), 1},
		{"binary too deep", bin, long(7, 0, 23, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 4, 92), long(0, 0, 23), 1},
		{"binary header", bin, long(1, 0), long(0, 0, 23), 1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			plan := mask.NewPGPlan([]mask.PGColumn{tc.col}, "test")
			got := maskCells(t, plan, dataRow(tc.in))[0][0]
			if got != tc.want {
				t.Errorf("%q becomes %q, want %q", tc.in, got, tc.want)
			}
			if counts := plan.TakeCounts(); counts[0].Undecodable != tc.undecodable {
				t.Errorf("counts are %+v, want %d undecodable", counts, tc.undecodable)
			}
			if again := maskCells(t, plan, dataRow(got))[0][0]; again != got {
				t.Errorf("masked twice: %q, once %q", again, got)
			}
		})
	}
}

func TestScannedCounts(t *testing.T) {
	t.Parallel()
	plan := mask.NewPGPlan([]mask.PGColumn{clear(), scanned(t)}, "need-to-know")
	got := maskCells(t, plan,
		dataRow(canary, "ssn "+canary+", again "+canary), dataRow("b", "nothing"), dataRow("c", null), dataRow("d", "bad \xff "+canary))
	want := [][]string{{canary, "ssn [SSN], again [SSN]"}, {"b", "nothing"}, {"c", null}, {"d", "[phi.note]"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}
	counts := plan.TakeCounts()
	base := mask.Count{
		Output: 1, Columns: []string{"public.visits.note"}, Labels: []sallyport.Label{"phi.note"}, Reason: "label",
		Profile: "need-to-know", ProfileVersion: "1",
	}
	values, hits := base, base
	values.Operator, values.Seen, values.Masked, values.Nulls, values.Fallback, values.Undecodable = mask.OpScan, 4, 2, 1, 1, 1
	hits.Reason, hits.Operator, hits.Entity, hits.Locus, hits.Hits = mask.ReasonFinding, "redact", "SSN", "public.visits.note", 2
	if len(counts) == 2 {
		hits.Rule = counts[1].Rule // the scanner's own name for it
	}
	if diff := cmp.Diff([]mask.Count{values, hits}, counts); diff != "" {
		t.Errorf("counts (-want +got):\n%s", diff)
	}
	if hits.Rule == "" {
		t.Error("the finding has no rule")
	}
	if again := plan.TakeCounts(); again != nil {
		t.Errorf("taken twice: %+v", again)
	}
}

// TestScannedTypes tells what is scanned and what is masked whole.
func TestScannedTypes(t *testing.T) {
	t.Parallel()
	v := "x " + canary
	for _, tc := range []struct {
		oid    uint32
		typmod int32
		want   string
	}{
		{oidText, -1, "x [SSN]"},
		{1043, 20, "x [SSN]"},
		{1043, 9, "x [SS"}, // a server would not have sent it
		{1042, -1, "x [SSN]"},
		{19, -1, "x [SSN]"},
		{705, -1, "x [SSN]"},
		{114, -1, "null"},
		{3802, -1, "null"},
		{142, -1, "<masked/>"},
		{oidInt4, -1, "0"},
		{1082, -1, "1970-01-01"},
		{17, -1, `\x`},
		{1007, -1, "{}"},
		{99999, -1, null},
	} {
		c := scanned(t)
		c.TypeOID, c.Typmod = tc.oid, tc.typmod
		if got := maskCells(t, mask.NewPGPlan([]mask.PGColumn{c}, "test"), dataRow(v))[0][0]; got != tc.want {
			t.Errorf("type %d: %q, want %q", tc.oid, got, tc.want)
		}
	}
}

// upper is a format that fails on an empty text.
type upper struct{}

func (upper) Append(dst, src []byte, w *text.Work) ([]byte, error) {
	if len(src) == 0 || w.Locus != "public.visits.note" {
		return nil, errors.New("nothing to do")
	}
	w.Tally.Add(text.Key{Rule: "upper", Entity: scan.Name, Locus: "$.name"}, 1)
	return append(dst, bytes.ToUpper(src)...), nil
}

func TestFormats(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name     string
		oid      uint32
		binary   bool
		in, want string
		hits     int
	}{
		{"json", 114, false, `{"a": 1}`, `{"A": 1}`, 1},
		{"jsonb", 3802, true, "\x01{\"a\": 1}", "\x01{\"A\": 1}", 1},
		{"jsonb of another version", 3802, true, "\x02{}", "\x01null", 0},
		{"error", 3802, true, "\x01", "\x01null", 0},
		{"text", oidText, false, "abc", "ABC", 1},
		{"bad text", oidText, false, "ab\xff", "[phi.note]", 0},
		{"answer with a zero byte", oidText, false, "a\x00b", "[phi.note]", 1},
		{"number", oidInt4, false, "12", "0", 0},
		{"array", 199, false, `{"{\"a\": 1}",NULL}`, `{"{\"A\": 1}",NULL}`, 1},
	} {
		c := scanned(t)
		c.TypeOID, c.Binary, c.Format = tc.oid, tc.binary, upper{}
		plan := mask.NewPGPlan([]mask.PGColumn{c}, "test")
		if got := maskCells(t, plan, dataRow(tc.in))[0][0]; got != tc.want {
			t.Errorf("%s: %q becomes %q, want %q", tc.name, tc.in, got, tc.want)
		}
		counts := plan.TakeCounts()
		if len(counts) != 1+tc.hits || tc.hits == 1 && (counts[1].Locus != "$.name" || counts[1].Entity != "NAME") {
			t.Errorf("%s: counts are %+v", tc.name, counts)
		}
	}
}

// TestRowContext masks a row with what other columns of the same row say: the
// patient's key and the names.
func TestRowContext(t *testing.T) {
	t.Parallel()
	shift := compiled(t, operator.Spec{Kind: operator.DateShift, Domain: "d"})
	name := masked()
	name.Labels, name.Known = []sallyport.Label{"phi.name"}, scan.Name
	key := mask.PGColumn{TypeOID: oidInt4, Typmod: -1, Patient: true}
	cols := func(format int16) []mask.PGColumn {
		k := key
		k.Binary = format == 1
		// The key and the name stand behind what they are needed for.
		return []mask.PGColumn{opColumn(1082, -1, 0, shift), scanned(t), name, k}
	}
	rows := maskCells(t, mask.NewPGPlan(cols(0), "test"),
		dataRow("1974-12-25", "Quenbyson came", "Alder Quenbyson", "7"),
		dataRow("1974-12-25", "Quenbyson came", "Tamsin Orrell", "8"),
		dataRow("1975-12-25", "Quenbyson came", null, "7"),
		dataRow("1974-12-25", "x", null, null))
	if rows[0][1] != "[NAME] came" || rows[1][1] != "Quenbyson came" || rows[2][1] != "Quenbyson came" {
		t.Errorf("notes are %q, %q, %q", rows[0][1], rows[1][1], rows[2][1])
	}
	moved, other, later := rows[0][0], rows[1][0], rows[2][0]
	if moved == "1974-12-25" || moved == other || moved[4:] != later[4:] {
		t.Errorf("dates of patients 7, 8, 7 are %s, %s, %s", moved, other, later)
	}
	if rows[3][0] != "1974-01-01" {
		t.Errorf("without a patient the date is %s", rows[3][0])
	}
	// The same patient in binary is moved by the same days.
	bin := maskCells(t, mask.NewPGPlan(cols(1), "test"), dataRow("1974-12-25", "x", null, "\x00\x00\x00\x07"))
	if bin[0][0] != moved {
		t.Errorf("with a binary key the date is %s, with one in text %s", bin[0][0], moved)
	}
	// And in a copy.
	out, _, err := copyChunks(t, cols(0), mask.CopyFormat{}, []byte("1974-12-25\tQuenbyson came\tAlder Quenbyson\t7\n1974-12-25\tQuenbyson came\t\\N\t\\N\n"))
	want := moved + "\t[NAME] came\t[phi.name]\t7\n1974-01-01\tQuenbyson came\t\\N\t\\N\n"
	if err != nil || string(out) != want {
		t.Errorf("the copy is %q, %v, want %q", out, err, want)
	}
}

// TestOtherRow joins names and keys of other rows to what they must not tell about.
func TestOtherRow(t *testing.T) {
	t.Parallel()
	shift := compiled(t, operator.Spec{Kind: operator.DateShift, Domain: "d"})
	born, note, name, key := opColumn(1082, -1, 0, shift), scanned(t), masked(), mask.PGColumn{TypeOID: oidInt4, Typmod: -1, Patient: true}
	name.Known = scan.Name
	born.Row, note.Row, name.Row, key.Row = 1, 1, 1, 1
	another := func(c mask.PGColumn) mask.PGColumn { c.Row = 5; return c }
	row := []string{"1974-12-25", "Quenbyson came", "Alder Quenbyson", "7"}
	alone := maskCells(t, mask.NewPGPlan([]mask.PGColumn{born, note, name, key}, "test"), dataRow(row...))[0]
	if alone[0] == "1974-01-01" || alone[1] != "[NAME] came" {
		t.Fatalf("of one row: %q", alone)
	}
	apart := maskCells(t, mask.NewPGPlan([]mask.PGColumn{born, note, another(name), another(key)}, "test"), dataRow(row...))[0]
	if apart[0] != "1974-01-01" || apart[1] != "Quenbyson came" {
		t.Errorf("of two rows: %q", apart)
	}
	both := maskCells(t, mask.NewPGPlan([]mask.PGColumn{another(key), born, key, another(born), another(name), note}, "test"),
		dataRow("8", "1974-12-25", "7", "1974-12-25", "Alder Quenbyson", "Quenbyson came"))[0]
	if both[1] != alone[0] || both[3] == alone[0] || both[3] == "1974-01-01" || both[5] != "Quenbyson came" {
		t.Errorf("with two keys: %q, alone %q", both, alone)
	}
}

// TestNoiseIsOne repeats a value: noise of its own each time would have a mean.
func TestNoiseIsOne(t *testing.T) {
	t.Parallel()
	noise := opColumn(1700, -1, 0, compiled(t, operator.Spec{Kind: operator.Noise, Domain: "d", Scale: 5}))
	rows := maskCells(t, mask.NewPGPlan([]mask.PGColumn{noise}, "test"), dataRow("71.25"), dataRow("71.26"), dataRow("71.25"), dataRow("71.25"))
	if rows[0][0] == "71.25" || rows[0][0] != rows[2][0] || rows[2][0] != rows[3][0] || rows[0][0] == rows[1][0] {
		t.Errorf("the rows are %q", rows)
	}
}

// TestValueRowsAllocateNothing holds for operators without keys and for scans.
func TestValueRowsAllocateNothing(t *testing.T) { // not parallel: it counts allocations
	name := masked()
	name.Known = scan.Name
	cols := []mask.PGColumn{
		scanned(t), name,
		opColumn(1082, -1, 0, compiled(t, operator.Spec{Kind: operator.DateYear})),
		opColumn(oidText, -1, 0, compiled(t, operator.Spec{Kind: operator.Partial, Last: 2})),
		opColumn(oidInt4, -1, 0, compiled(t, operator.Spec{Kind: operator.Age90})),
		opColumn(1700, -1, 0, compiled(t, operator.Spec{Kind: operator.Bucket})),
		opColumn(1009, -1, 0, compiled(t, operator.Spec{Kind: operator.Partial, Last: 2})),
		opColumn(1184, -1, 0, compiled(t, operator.Spec{Kind: operator.DateTrunc})),
	}
	row := message('D', dataRow("call Quenbyson about "+canary, "Alder Quenbyson", "1974-12-25", "MRN0010492", "92", "47.25",
		`{"MRN 0010492",NULL}`, "1974-12-25 14:35:45+00"))
	plan := mask.NewPGPlan(cols, "test")
	var buf mask.Buffer
	once := func() {
		if err := buf.Rows(plan, mask.FromUpstream(row)); err != nil {
			t.Fatal(err)
		}
		buf.Reuse(buf.Take())
	}
	once()
	if allocs := testing.AllocsPerRun(100, once); allocs > 0 {
		t.Errorf("a row allocates %v times", allocs)
	}
}
