// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package parquetmask_test

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/compress"
	"github.com/parquet-go/parquet-go/deprecated"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/mask/column"
	"github.com/sallyport-dev/sallyport/internal/mask/parquetmask"
	"github.com/sallyport-dev/sallyport/internal/mask/text"
	"github.com/sallyport-dev/sallyport/test/masktest"
	"github.com/sallyport-dev/sallyport/test/objectpeer"
)

const siteRules = `
version: 1
profile: limited-data-set
names: listed
keys: [{version: 1, secret: "env:KEY"}]
labels:
  phi.dob: date_year
  phi.mrn: {op: token, domain: mrn}
  phi.weight: {op: round, width: 10}
`

func masker(tb testing.TB, labels map[string]sallyport.Label) *parquetmask.Masker {
	tb.Helper()
	set := masktest.Rules(tb, siteRules)
	of := map[string][]sallyport.Label{}
	for name, l := range labels {
		of[name] = []sallyport.Label{l}
	}
	return parquetmask.New(column.NewRules(set.Text(), of, nil), set.JSON())
}

func mask(tb testing.TB, m *parquetmask.Masker, file []byte) ([]byte, error) {
	tb.Helper()
	var out bytes.Buffer
	err := m.Copy(tb.Context(), &out, bytes.NewReader(file), int64(len(file)), &text.Work{})
	return out.Bytes(), err
}

// canaries are values that stand in the files below.
func canaries() []string {
	return []string{"Quillfeather", "900-55-1234", "ZZ-884413", "quill@example.org", "212-555-0143", "1951-07-09"}
}

// absent fails where one of the canaries is in b, plain or in base64.
func absent(tb testing.TB, b []byte) {
	tb.Helper()
	for _, c := range canaries() {
		for shift := range 3 {
			coded := base64.StdEncoding.EncodeToString([]byte(strings.Repeat("x", shift) + c))
			if coded = coded[4 : len(coded)-4]; bytes.Contains(b, []byte(coded)) {
				tb.Errorf("%q is there in base64", c)
			}
		}
		if bytes.Contains(b, []byte(c)) {
			tb.Errorf("%q is there", c)
		}
	}
}

const clinic = `SELECT i AS id, 'ZZ-884413' AS mrn, 'Quillfeather' AS name, CASE WHEN i % 3 = 0 THEN NULL ELSE '900-55-1234' END AS ssn,
  DATE '1951-07-09' AS born, TIMESTAMP '2025-07-09 10:11:12.345678' AS seen, 83.7::DOUBLE AS weight, 77399.21::DECIMAL(12,2) AS paid,
  'Quillfeather called, 900-55-1234 given' AS note, '\x00\xFF\xFE'::BLOB AS scan, 77311200::BIGINT AS number, true AS smoker,
  'b6d5b0d4-5a3f-4b2c-9f7e-0a1b2c3d4e5f'::UUID AS record, ['J45', '900-55-1234'] AS codes,
  MAP {'quill@example.org': '212-555-0143'} AS tags,
  {'phone': '212-555-0143', 'ward': 'B', 'visits': [{'note': 'seen 900-55-1234', 'n': 1}]} AS contact,
  '{"ssn": "900-55-1234", "ward": "B"}'::JSON AS doc, (i % 100)::UTINYINT AS small, TIME '10:11:12' AS clock
  FROM range(1, %ROWS) t(i)`

func labels() map[string]sallyport.Label {
	return map[string]sallyport.Label{
		"name": "phi.name", "ssn": "phi.ssn", "mrn": "phi.mrn", "born": "phi.dob", "seen": "phi.dob", "weight": "phi.weight",
		"number": "phi.id", "paid": "phi.account", "contact.phone": "phi.phone", "contact.ward": "public", "record": "phi.id",
		"tags.value": "phi.phone", "smoker": "phi.health",
	}
}

// TestDuckDB masks what DuckDB wrote, by every codec and both forms of pages, and
// has DuckDB read it again.
func TestDuckDB(t *testing.T) {
	t.Parallel()
	m := masker(t, labels())
	for name, options := range map[string]string{
		"snappy": ", CODEC 'snappy'", "gzip": ", CODEC 'gzip'", "zstd": ", CODEC 'zstd'", "none": ", CODEC 'uncompressed'",
		"v2":         ", CODEC 'zstd', PARQUET_VERSION V2",
		"row groups": ", ROW_GROUP_SIZE 2048, KV_METADATA {pandas: '{\"name\": \"Quillfeather 900-55-1234\"}'}",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			out, err := mask(t, m, objectpeer.WriteParquet(t, strings.Replace(clinic, "%ROWS", "3000", 1), options))
			if err != nil {
				t.Fatal(err)
			}
			rows := objectpeer.ReadParquet(t, out)
			if len(rows) != 2999 {
				t.Fatalf("%d rows", len(rows))
			}
			b, err := json.Marshal(rows)
			if err != nil {
				t.Fatal(err)
			}
			absent(t, b)
			absent(t, out)
			compare(t, rows[6])
		})
	}
}

func compare(t *testing.T, got map[string]any) {
	t.Helper()
	if mrn, _ := got["mrn"].(string); mrn == "" || mrn == "ZZ-884413" {
		t.Errorf("the token is %q", mrn)
	}
	delete(got, "mrn")
	want := map[string]any{
		"id": "7", "name": "[NAME]", "ssn": "[SSN]", "born": "1951-01-01", "seen": "2025-01-01 00:00:00", "weight": 80.0, "paid": nil,
		"note": "[NAME] called, [SSN] given", "scan": nil, "number": nil, "smoker": nil, "record": nil, "codes": []any{"J45", "[SSN]"},
		"tags":    []any{map[string]any{"key": "[EMAIL]", "value": "[PHONE]"}},
		"contact": map[string]any{"phone": "[PHONE]", "ward": "B", "visits": []any{map[string]any{"note": "seen [SSN]", "n": 1.0}}},
		"doc":     `{"ssn": "[SSN]", "ward": "B"}`, "small": 7.0, "clock": "10:11:12",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("row (-want +got):\n%s", diff)
	}
}

// TestSchema holds that the schema is what it was, as DuckDB sees it.
func TestSchema(t *testing.T) {
	t.Parallel()
	file := objectpeer.WriteParquet(t, strings.Replace(clinic, "%ROWS", "3", 1), "")
	out, err := mask(t, masker(t, labels()), file)
	if err != nil {
		t.Fatal(err)
	}
	var before, after []string
	for _, f := range []struct {
		to   *[]string
		file []byte
	}{{&before, file}, {&after, out}} {
		p, err := parquet.OpenFile(bytes.NewReader(f.file), int64(len(f.file)))
		if err != nil {
			t.Fatal(err)
		}
		*f.to = strings.Split(p.Schema().String(), "\n")
		if p == nil || len(p.Metadata().KeyValueMetadata) > 0 {
			t.Errorf("metadata %v", p.Metadata().KeyValueMetadata)
		}
	}
	if diff := cmp.Diff(before, after); diff != "" {
		t.Errorf("schema (-before +after):\n%s", diff)
	}
}

// forms has every physical type and every encoding that there is a writer for.
type forms struct {
	Name    string           `parquet:"name,dict"`
	Delta   string           `parquet:"delta,delta"`
	Note    string           `parquet:"note,delta,zstd"`
	Plain   string           `parquet:"plain,plain,gzip"`
	Count   int64            `parquet:"count,delta"`
	Small   int32            `parquet:"small,delta"`
	Float   float32          `parquet:"float,split"`
	Double  float64          `parquet:"double,split,snappy"`
	Old     deprecated.Int96 `parquet:"old"`
	Flag    bool             `parquet:"flag"`
	Fixed   [11]byte         `parquet:"fixed"`
	ID      [16]byte         `parquet:"id,uuid"`
	List    []string         `parquet:"list,list"`
	Born    time.Time        `parquet:"born,timestamp(millisecond)"`
	Nanos   time.Time        `parquet:"nanos,timestamp(nanosecond)"`
	Choice  string           `parquet:"choice,enum"`
	Quill   *string          `parquet:"Quillfeather,optional"`
	Decimal int32            `parquet:"decimal,decimal(2:9)"`
	Inner   struct {
		SSN []string `parquet:"ssn"`
	} `parquet:"inner"`
}

func writeForms(tb testing.TB, rows, version int, codec compress.Codec) []byte {
	tb.Helper()
	var b bytes.Buffer
	w := parquet.NewGenericWriter[forms](&b, parquet.DataPageVersion(version), parquet.Compression(codec), parquet.PageBufferSize(2000),
		parquet.KeyValueMetadata("ARROW:schema", "Quillfeather"), parquet.MaxRowsPerRowGroup(700), parquet.BloomFilters(parquet.SplitBlockFilter(10, "name")))
	for i := range rows {
		f := forms{
			Name: "Quillfeather", Delta: "SSN 900-55-1234", Note: "call 212-555-0143 please", Plain: "ward " + strings.Repeat("b", i%5), Count: int64(i * i),
			Small: int32(-i), Float: float32(i) / 4, Double: float64(i) / 8, Old: deprecated.Int96{1, 0, 2458849}, Flag: i%2 == 0,
			Fixed: [11]byte([]byte("900-55-1234")), ID: [16]byte{1, byte(i)}, List: []string{"a", "900-55-1234", "b"}[:i%4%3+i%2], Born: time.Date(1951, 7, 9, 0, 0, 0, 0, time.UTC),
			Nanos: time.Date(1951, 7, 9, 0, 0, 0, 17, time.UTC), Choice: "Quillfeather", Decimal: int32(i),
		}
		if i%2 == 0 {
			f.Inner.SSN = []string{"900-55-1234", "900-55-1234"}
		}
		if _, err := w.Write([]forms{f}); err != nil {
			tb.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		tb.Fatal(err)
	}
	return b.Bytes()
}

// TestForms reads every encoding, and shows all that has no label and no finding as
// it was.
func TestForms(t *testing.T) {
	t.Parallel()
	m := masker(t, map[string]sallyport.Label{"name": "phi.name", "choice": "phi.name", "fixed": "public", "inner.ssn": "phi.ssn", "born": "phi.dob", "nanos": "phi.dob"})
	for _, version := range []int{1, 2} {
		const rows = 2500
		out, err := mask(t, m, writeForms(t, rows, version, &parquet.Zstd))
		if err != nil {
			t.Fatal(err)
		}
		r := parquet.NewGenericReader[forms](bytes.NewReader(out))
		got := make([]forms, rows)
		if n, err := r.Read(got); n != rows || err != nil && err != io.EOF {
			t.Fatalf("%d rows, %v", n, err)
		}
		for i, f := range got {
			want := forms{
				Name: "[NAME]", Delta: "SSN [SSN]", Note: "call [PHONE] please", Plain: "ward " + strings.Repeat("b", i%5), Count: int64(i * i), Small: int32(-i),
				Float: float32(i) / 4, Double: float64(i) / 8, Old: f.Old, Flag: i%2 == 0, Fixed: [11]byte([]byte("900-55-1234")), ID: [16]byte{1, byte(i)},
				List: f.List, Born: time.Date(1951, 1, 1, 0, 0, 0, 0, time.UTC), Nanos: time.Date(1951, 1, 1, 0, 0, 0, 0, time.UTC), Choice: "[NAME]", Decimal: int32(i),
			}
			if len(f.List) > 1 && f.List[1] != "[SSN]" || len(f.List) != i%4%3+i%2 {
				t.Fatalf("row %d: list %v", i, f.List)
			}
			if i%2 == 0 {
				want.Inner.SSN = []string{"[SSN]", "[SSN]"}
			}
			if diff := cmp.Diff(want, f, cmpopts.EquateEmpty()); diff != "" {
				t.Fatalf("row %d (-want +got):\n%s", i, diff)
			}
		}
	}
}

// TestUnlabelled holds that without any rule everything is scanned, whatever holds
// it.
func TestUnlabelled(t *testing.T) {
	t.Parallel()
	out, err := mask(t, masker(t, nil), writeForms(t, 100, 1, &parquet.Uncompressed))
	if err != nil {
		t.Fatal(err)
	}
	rows := objectpeer.ReadParquet(t, out)
	b, err := json.Marshal(rows)
	if err != nil || len(rows) != 100 {
		t.Fatal(len(rows), err)
	}
	for _, c := range []string{"900-55-1234", "212-555-0143"} {
		if bytes.Contains(b, []byte(c)) || bytes.Contains(out, []byte(c)) {
			t.Errorf("%q is there", c)
		}
	}
	if rows[1]["fixed"] == "900-55-1234" {
		t.Error("a text of fixed length is shown")
	}
}

// TestNames holds that a name in which something is found is not carried over.
func TestNames(t *testing.T) {
	t.Parallel()
	file := objectpeer.WriteParquet(t, `SELECT 1 AS "900-55-1234", 2 AS "call 212-555-0143", 3 AS ward`, "")
	out, err := mask(t, masker(t, nil), file)
	if err != nil {
		t.Fatal(err)
	}
	absent(t, out)
	if diff := cmp.Diff([]map[string]any{{"masked_1": 1.0, "masked_2": 2.0, "ward": 3.0}}, objectpeer.ReadParquet(t, out)); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}
}

// TestRefused says what is no file to mask.
func TestRefused(t *testing.T) {
	t.Parallel()
	whole := writeForms(t, 50, 1, &parquet.Snappy)
	footer := func(n uint32, magic string) []byte {
		return append(binary.LittleEndian.AppendUint32(append([]byte("PAR1"), make([]byte, 40)...), n), magic...)
	}
	torn := bytes.Clone(whole)
	for i := 100; i < 4000 && i < len(torn)/2; i += 7 {
		torn[i] ^= 0x55
	}
	brotli := writeForms(t, 5, 1, &parquet.Brotli)
	for name, tc := range map[string]struct {
		file []byte
		kind sallyport.Kind
	}{
		"empty":         {nil, sallyport.Integrity},
		"cut":           {whole[:len(whole)-30], sallyport.Integrity},
		"only a begin":  {append([]byte("PAR1"), make([]byte, 100)...), sallyport.Integrity},
		"long footer":   {footer(1<<31, "PAR1"), sallyport.Integrity},
		"no footer":     {footer(0, "PAR1"), sallyport.Integrity},
		"encrypted":     {footer(4, "PARE"), sallyport.Denied},
		"torn":          {torn, sallyport.Integrity},
		"unknown codec": {brotli, sallyport.Denied},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := mask(t, masker(t, nil), tc.file)
			if err == nil || sallyport.KindOf(err) != tc.kind {
				t.Errorf("error %v, want kind %v", err, tc.kind)
			}
		})
	}
}

// FuzzParquet holds that no file panics or takes more than its share, and that what
// is masked is a file again.
func FuzzParquet(f *testing.F) {
	f.Add(writeForms(f, 3, 1, &parquet.Uncompressed))
	f.Add(writeForms(f, 3, 2, &parquet.Snappy))
	f.Add(writeForms(f, 3, 1, &parquet.Gzip))
	m := masker(f, labels())
	f.Fuzz(func(t *testing.T, file []byte) {
		if len(file) > 1<<16 {
			return
		}
		out, err := mask(t, m, file)
		if err != nil {
			if k := sallyport.KindOf(err); k != sallyport.Integrity && k != sallyport.Denied {
				t.Fatal(err)
			}
			return
		}
		if _, err := mask(t, m, out); err != nil {
			t.Fatalf("the masked file is refused: %v", err)
		}
	})
}

func BenchmarkParquet(b *testing.B) {
	m, file := masker(b, labels()), writeForms(b, 5000, 1, &parquet.Uncompressed)
	b.SetBytes(int64(len(file)))
	for b.Loop() {
		if _, err := mask(b, m, file); err != nil {
			b.Fatal(err)
		}
	}
}
