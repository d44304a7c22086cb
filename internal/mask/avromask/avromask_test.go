// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package avromask_test

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"
	"github.com/linkedin/goavro/v2"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/mask/avromask"
	"github.com/sallyport-dev/sallyport/internal/mask/column"
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
columns: {}
`

// masker returns the mask with labels by column.
func masker(tb testing.TB, labels map[string]sallyport.Label) *avromask.Masker {
	tb.Helper()
	set := masktest.Rules(tb, siteRules)
	of := map[string][]sallyport.Label{}
	for name, l := range labels {
		of[name] = []sallyport.Label{l}
	}
	return avromask.New(column.NewRules(set.Text(), of, nil))
}

const schema = `{
  "type": "record", "name": "Visit", "namespace": "clinic.test", "doc": "seen by Quillfeather, SSN 900-55-1234",
  "aliases": ["Quillfeather"], "owner": "Quillfeather",
  "fields": [
    {"name": "id", "type": "long", "doc": "900-55-1234"},
    {"name": "mrn", "type": "string"},
    {"name": "name", "type": ["null", "string"], "default": null},
    {"name": "ssn", "type": "string", "default": "900-55-1234"},
    {"name": "born", "type": {"type": "int", "logicalType": "date"}},
    {"name": "seen", "type": {"type": "long", "logicalType": "timestamp-micros"}},
    {"name": "weight", "type": "double"},
    {"name": "paid", "type": {"type": "bytes", "logicalType": "decimal", "precision": 12, "scale": 2}},
    {"name": "note", "type": "string"},
    {"name": "scan", "type": "bytes"},
    {"name": "number", "type": ["null", "long"]},
    {"name": "physician", "type": {"type": "enum", "name": "Physician", "symbols": ["Quillfeather", "Ebbing"]}},
    {"name": "ward", "type": {"type": "enum", "name": "Ward", "symbols": ["A", "B"]}},
    {"name": "tags", "type": {"type": "map", "values": "string"}},
    {"name": "codes", "type": {"type": "array", "items": "string"}},
    {"name": "contact", "type": ["null", {"type": "record", "name": "Contact", "fields": [
      {"name": "phone", "type": "string"}, {"name": "next", "type": ["null", "Contact"], "default": null}]}]}
  ]}`

func labels() map[string]sallyport.Label {
	return map[string]sallyport.Label{
		"name": "phi.name", "ssn": "phi.ssn", "mrn": "phi.mrn", "born": "phi.dob", "seen": "phi.dob", "weight": "phi.weight",
		"number": "phi.id", "physician": "phi.name", "contact.phone": "phi.phone", "paid": "phi.account", "ward": "public", "id": "public",
	}
}

// row is a visit. Its values stand nowhere in what is masked.
func row(i int) map[string]any {
	contact := map[string]any{"phone": "212-555-0143", "next": map[string]any{"clinic.test.Contact": map[string]any{"phone": "212-555-0144", "next": nil}}}
	return map[string]any{
		"id": int64(i), "mrn": "ZZ-884413", "name": map[string]any{"string": "Quillfeather"}, "ssn": "900-55-1234",
		"born": time.Date(1951, 7, 9, 0, 0, 0, 0, time.UTC), "seen": time.Date(2025, 7, 9, 10, 11, 12, 345_000, time.UTC), "weight": 83.7,
		"paid": big.NewRat(7739921, 100), "note": "Quillfeather called, 900-55-1234 given", "scan": []byte{0, 1, 2, 0xff, 0xfe},
		"number": map[string]any{"long": int64(77311200)}, "physician": "Quillfeather", "ward": "B",
		"tags": map[string]any{"mail quill@example.org": "900-55-1234"}, "codes": []any{"J45", "900-55-1234"},
		"contact": map[string]any{"clinic.test.Contact": contact},
	}
}

// canaries are values of the rows and of the schema.
func canaries() []string {
	return []string{"Quillfeather", "Ebbing", "900-55-1234", "ZZ-884413", "212-555-0143", "212-555-0144", "quill@example.org", "\x00\x01\x02\xff\xfe"}
}

func write(tb testing.TB, codec string, rows int) []byte {
	tb.Helper()
	var b bytes.Buffer
	name := codec
	if codec == "zstandard" {
		name = "null"
	}
	w, err := goavro.NewOCFWriter(goavro.OCFConfig{W: &b, Schema: schema, CompressionName: name, MetaData: map[string][]byte{"site": []byte("Quillfeather 900-55-1234")}})
	if err != nil {
		tb.Fatal(err)
	}
	for from := 0; from < rows; from += 100 {
		var block []map[string]any
		for i := from; i < min(rows, from+100); i++ {
			block = append(block, row(i))
		}
		if err := w.Append(block); err != nil {
			tb.Fatal(err)
		}
	}
	if codec == "zstandard" {
		enc, err := zstd.NewWriter(nil)
		if err != nil {
			tb.Fatal(err)
		}
		return recode(tb, b.Bytes(), codec, func(b []byte) []byte { return enc.EncodeAll(b, nil) })
	}
	return b.Bytes()
}

// recode writes a file with another codec, by which change packs or unpacks a block:
// the library does not know zstandard.
func recode(tb testing.TB, file []byte, codec string, change func([]byte) []byte) []byte {
	tb.Helper()
	at := len(avromask.Magic)
	long := func() int64 {
		v, n := binary.Varint(file[at:])
		if n <= 0 {
			tb.Fatal("a number does not end")
		}
		at += n
		return v
	}
	take := func(n int64) []byte {
		at += int(n)
		return file[at-int(n) : at]
	}
	out := []byte(avromask.Magic)
	for {
		n := long()
		out = binary.AppendVarint(out, n)
		if n == 0 {
			break
		}
		for range n {
			k, v := take(long()), take(long())
			if string(k) == "avro.codec" {
				v = []byte(codec)
			}
			out = append(binary.AppendVarint(append(binary.AppendVarint(out, int64(len(k))), k...), int64(len(v))), v...)
		}
	}
	out = append(out, take(16)...)
	for at < len(file) {
		n := long()
		b := change(take(long()))
		out = append(binary.AppendVarint(binary.AppendVarint(out, n), int64(len(b))), b...)
		out = append(out, take(16)...)
	}
	return out
}

func mask(tb testing.TB, m *avromask.Masker, file []byte) ([]byte, error) {
	tb.Helper()
	var out bytes.Buffer
	err := m.Copy(tb.Context(), &out, bytes.NewReader(file), &text.Work{})
	return out.Bytes(), err
}

// absent fails where one of the canaries is in b, plain or in base64.
func absent(tb testing.TB, b []byte) {
	tb.Helper()
	for _, c := range canaries() {
		for shift := range 3 { // base64 at each of the three offsets, without its edges
			coded := base64.StdEncoding.EncodeToString([]byte(strings.Repeat("x", shift) + c))
			if coded = coded[4 : len(coded)-4]; len(coded) >= 8 && bytes.Contains(b, []byte(coded)) {
				tb.Errorf("%q is there in base64", c)
			}
		}
		if bytes.Contains(b, []byte(c)) {
			tb.Errorf("%q is there", c)
		}
	}
}

// TestCodecs has each codec's file read by the other implementation in Go.
func TestCodecs(t *testing.T) {
	t.Parallel()
	m := masker(t, labels())
	for _, codec := range []string{"null", "deflate", "snappy", "zstandard"} {
		t.Run(codec, func(t *testing.T) {
			t.Parallel()
			file := write(t, codec, 250)
			if n := bytes.Count(file, []byte("Quillfeather")); n < 4 {
				t.Fatalf("the schema and the metadata of the original have %d canaries", n)
			}
			out, err := mask(t, m, file)
			if err != nil {
				t.Fatal(err)
			}
			if codec == "zstandard" {
				dec, err := zstd.NewReader(nil)
				if err != nil {
					t.Fatal(err)
				}
				defer dec.Close()
				out = recode(t, out, "null", func(b []byte) []byte {
					plain, err := dec.DecodeAll(b, nil)
					if err != nil {
						t.Fatal(err)
					}
					return plain
				})
			}
			r, err := goavro.NewOCFReader(bytes.NewReader(out))
			if err != nil {
				t.Fatal(err)
			}
			n := 0
			for r.Scan() {
				got, err := r.Read()
				if err != nil {
					t.Fatal(err)
				}
				if n == 7 {
					compare(t, got.(map[string]any))
				}
				n++
			}
			if n != 250 || r.Err() != nil {
				t.Errorf("%d rows, %v", n, r.Err())
			}
			if len(r.MetaData()) != 2 {
				t.Errorf("metadata %v", r.MetaData())
			}
			absent(t, out)
		})
	}
}

func compare(t *testing.T, got map[string]any) {
	t.Helper()
	mrn, _ := got["mrn"].(string)
	if !strings.HasPrefix(mrn, "tok_") && !strings.Contains(mrn, "mrn") {
		t.Errorf("the token is %q", mrn)
	}
	delete(got, "mrn")
	got["paid"] = got["paid"].(*big.Rat).String()
	want := map[string]any{
		"id": int64(7), "name": map[string]any{"string": "[NAME]"}, "ssn": "[SSN]", "born": time.Date(1951, 1, 1, 0, 0, 0, 0, time.UTC),
		"seen": time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC), "weight": 80.0, "paid": "0/1", "note": "[NAME] called, [SSN] given", "scan": []byte{},
		"number": nil, "physician": "MASKED", "ward": "B", "tags": map[string]any{"mail [EMAIL]": "[SSN]"}, "codes": []any{"J45", "[SSN]"},
		"contact": map[string]any{"clinic.test.Contact": map[string]any{
			"phone": "[PHONE]", "next": map[string]any{"clinic.test.Contact": map[string]any{"phone": "[PHONE]", "next": nil}},
		}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("row (-want +got):\n%s", diff)
	}
}

// TestAvsc has a masked file read by an implementation that is not in Go.
func TestAvsc(t *testing.T) {
	t.Parallel()
	out, err := mask(t, masker(t, labels()), write(t, "deflate", 3))
	if err != nil {
		t.Fatal(err)
	}
	a := objectpeer.ReadAvro(t, out)
	if len(a.Rows) != 3 || a.Codec != "deflate" {
		t.Fatalf("%d rows, codec %q", len(a.Rows), a.Codec)
	}
	b, err := json.Marshal(a)
	if err != nil {
		t.Fatal(err)
	}
	absent(t, b)
	if got := a.Rows[2]; got["note"] != "[NAME] called, [SSN] given" || got["number"] != nil || got["ward"] != "B" {
		t.Errorf("row %v", got)
	}
	for _, part := range []string{"doc", "aliases", "owner", "default"} {
		if strings.Contains(string(a.Schema), `"`+part+`"`) {
			t.Errorf("the schema has %s: %s", part, a.Schema)
		}
	}
}

// TestUnlabelled holds that without any rule everything is scanned.
func TestUnlabelled(t *testing.T) {
	t.Parallel()
	out, err := mask(t, masker(t, nil), write(t, "null", 1))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []string{"900-55-1234", "212-555-0143", "quill@example.org", "\x00\x01\x02\xff\xfe"} {
		if bytes.Contains(out, []byte(c)) {
			t.Errorf("%q is there", c)
		}
	}
}

// TestRefused says what is no file to mask.
func TestRefused(t *testing.T) {
	t.Parallel()
	whole := write(t, "null", 3)
	header := func(meta ...string) []byte {
		b := binary.AppendVarint([]byte(avromask.Magic), int64(len(meta)/2))
		for _, s := range meta {
			b = append(binary.AppendVarint(b, int64(len(s))), s...)
		}
		return append(append(b, 0), make([]byte, 16)...)
	}
	block := func(count int64, data []byte) []byte {
		b := binary.AppendVarint(nil, count)
		return append(append(binary.AppendVarint(b, int64(len(data))), data...), make([]byte, 16)...)
	}
	loop := header("avro.schema", `{"type":"record","name":"R","fields":[{"name":"r","type":"R"}]}`)
	wide := `{"type":"record","name":"R0","fields":[]}` // each record holds the one before twice
	for i := range 30 {
		wide = fmt.Sprintf(`{"type":"record","name":"R%d","fields":[{"name":"a","type":%s},{"name":"b","type":"R%d"}]}`, i+1, wide, i)
	}
	for name, tc := range map[string]struct {
		file []byte
		kind sallyport.Kind
	}{
		"empty":             {nil, sallyport.Integrity},
		"cut":               {whole[:len(whole)-20], sallyport.Integrity},
		"cut in the header": {whole[:30], sallyport.Integrity},
		"no schema":         {header("avro.codec", "null"), sallyport.Integrity},
		"no type":           {header("avro.schema", `{"type":"record","name":"R","fields":[{"name":"a","type":"Q"}]}`), sallyport.Integrity},
		"unknown codec":     {header("avro.codec", "xz", "avro.schema", `"string"`), sallyport.Denied},
		"endless":           {append(loop, block(1, nil)...), sallyport.Integrity},
		"wide":              {header("avro.schema", wide), sallyport.Integrity},
		"endless nulls":     {append(header("avro.schema", `"null"`), block(1<<60, nil)...), sallyport.Integrity},
		"long block":        {append(header("avro.schema", `"null"`), block(1, []byte("x"))...), sallyport.Integrity},
		"negative count":    {append(header("avro.schema", `"null"`), block(-1, nil)...), sallyport.Integrity},
		"huge string":       {append(header("avro.schema", `"string"`), block(1, binary.AppendVarint(nil, 1<<40))...), sallyport.Integrity},
		"huge array":        {append(header("avro.schema", `{"type":"array","items":"null"}`), block(1, binary.AppendVarint(nil, 1<<40))...), sallyport.Integrity},
		"no such branch":    {append(header("avro.schema", `["null","string"]`), block(1, binary.AppendVarint(nil, 2))...), sallyport.Integrity},
		"no such symbol":    {append(header("avro.schema", `{"type":"enum","name":"E","symbols":["A"]}`), block(1, binary.AppendVarint(nil, 2))...), sallyport.Integrity},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := mask(t, masker(t, nil), tc.file)
			if sallyport.KindOf(err) != tc.kind || err == nil {
				t.Errorf("error %v, want kind %v", err, tc.kind)
			}
		})
	}
}

// FuzzAvro holds that no file panics or takes more than its share, and that what is
// masked is a file again.
func FuzzAvro(f *testing.F) {
	f.Add(write(f, "null", 2))
	f.Add(write(f, "deflate", 2))
	f.Add(write(f, "snappy", 2))
	f.Add(write(f, "zstandard", 2))
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
		again, err := mask(t, m, out)
		if err != nil {
			t.Fatalf("the masked file is refused: %v", err)
		}
		if _, err := mask(t, m, again); err != nil {
			t.Fatal(err)
		}
	})
}

func BenchmarkAvro(b *testing.B) {
	m, file := masker(b, labels()), write(b, "null", 2000)
	b.SetBytes(int64(len(file)))
	for b.Loop() {
		if _, err := mask(b, m, file); err != nil {
			b.Fatal(err)
		}
	}
}
