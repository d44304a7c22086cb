// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package objectmask_test

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/linkedin/goavro/v2"
	"github.com/parquet-go/parquet-go"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/mask"
	"github.com/sallyport-dev/sallyport/internal/mask/objectmask"
	"github.com/sallyport-dev/sallyport/internal/mask/payload"
	"github.com/sallyport-dev/sallyport/test/masktest"
)

const siteRules = `
version: 1
profile: need-to-know
names: listed
columns: {name: phi.name, ssn: phi.ssn, ward: public}
paths: {"$.name": phi.name}
`

func masks(tb testing.TB) *objectmask.Masks {
	tb.Helper()
	m, err := objectmask.New(masktest.Rules(tb, siteRules), nil)
	if err != nil {
		tb.Fatal(err)
	}
	return m
}

func apply(tb testing.TB, m *objectmask.Masks, s *masktest.Source, scan bool) (string, objectmask.Result, error) {
	tb.Helper()
	var out []byte
	o := objectmask.Options{Scan: scan, Like: mask.Count{Reason: "label", Columns: []string{"bucket/object"}}, MaxUnpacked: 64 << 20}
	r, err := m.Mask(tb.Context(), s, o, func(p mask.Masked) error {
		out = p.AppendTo(out)
		return nil
	})
	return string(out), r, err
}

type row struct {
	Name string `parquet:"name"`
	SSN  string `parquet:"ssn"`
	Ward string `parquet:"ward"`
}

func parquetFile(tb testing.TB, rows int) []byte {
	tb.Helper()
	var b bytes.Buffer
	w := parquet.NewGenericWriter[row](&b)
	for range rows {
		if _, err := w.Write([]row{{"Quillfeather", "900-55-1234", "B"}}); err != nil {
			tb.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		tb.Fatal(err)
	}
	return b.Bytes()
}

func avroFile(tb testing.TB, rows int) []byte {
	tb.Helper()
	var b bytes.Buffer
	const schema = `{"type":"record","name":"R","fields":[{"name":"name","type":"string"},{"name":"ssn","type":"string"},{"name":"ward","type":"string"}]}`
	w, err := goavro.NewOCFWriter(goavro.OCFConfig{W: &b, Schema: schema})
	if err != nil {
		tb.Fatal(err)
	}
	block := make([]map[string]any, rows)
	for i := range block {
		block[i] = map[string]any{"name": "Quillfeather", "ssn": "900-55-1234", "ward": "B"}
	}
	if err := w.Append(block); err != nil {
		tb.Fatal(err)
	}
	return b.Bytes()
}

const (
	table   = "name,ssn,ward\nQuillfeather,900-55-1234,B\n"
	lines   = `{"name": "Quillfeather", "ward": "B"}` + "\n" + `{"name": "Quillfeather", "note": "900-55-1234"}` + "\n"
	patient = `{"resourceType":"Patient","name":[{"family":"Quillfeather"}],"identifier":[{"value":"900-55-1234"}]}`
	message = "MSH|^~\\&|A|B|C|D|20250101||ADT^A01|1|P|2.5\rPID|1||900-55-1234||Quillfeather^Ada\r"
	prose   = "SSN 900-55-1234 of a patient of ward B\n"
)

// TestKinds says what is masked, and by which of its properties it is known.
func TestKinds(t *testing.T) {
	t.Parallel()
	m := masks(t)
	claim := "ISA*00*          *00*          *ZZ*A              *ZZ*B              *250101*1200*^*00501*000000001*0*P*:~GS*HC*A*B*20250101*1200*1*X*005010X222A1~" +
		"ST*837*0001*005010X222A1~NM1*IL*1*Quillfeather*Ada****MI*900551234~SE*3*0001~GE*1*1~IEA*1*000000001~"
	for name, tc := range map[string]struct {
		source *masktest.Source
		kind   payload.Kind
		media  string
		want   string // "" where only absence is checked
	}{
		"csv by type":          {&masktest.Source{Data: []byte(table), Called: "a", Media: "text/csv"}, payload.CSV, "text/csv", "name,ssn,ward\n[NAME],[SSN],B\n"},
		"csv by name":          {&masktest.Source{Data: []byte(table), Called: "x/a.csv", Media: "application/octet-stream"}, payload.CSV, "text/csv", ""},
		"csv by look":          {&masktest.Source{Data: []byte(table), Called: "a"}, payload.CSV, "text/csv", ""},
		"csv as text":          {&masktest.Source{Data: []byte(table), Called: "a", Media: "text/plain"}, payload.CSV, "text/plain", ""},
		"csv packed":           {&masktest.Source{Data: masktest.Gzip(t, []byte(table)), Called: "a.csv.gz", Media: "application/gzip"}, payload.CSV, "text/csv", "name,ssn,ward\n[NAME],[SSN],B\n"},
		"csv by encoding":      {&masktest.Source{Data: masktest.Gzip(t, []byte(table)), Called: "a", Media: "text/csv", Encoding: "gzip"}, payload.CSV, "text/csv", ""},
		"csv, not packed":      {&masktest.Source{Data: []byte(table), Called: "a", Media: "text/csv", Encoding: "gzip"}, payload.CSV, "text/csv", ""},
		"ndjson":               {&masktest.Source{Data: []byte(lines), Called: "a.ndjson"}, payload.NDJSON, "application/x-ndjson", ""},
		"json":                 {&masktest.Source{Data: []byte(lines)[:37], Called: "a", Media: "application/json"}, payload.JSON, "application/json", `{"name": "[NAME]", "ward": "B"}`},
		"json of many":         {&masktest.Source{Data: []byte(lines), Called: "a", Media: "application/json"}, payload.NDJSON, "application/json", ""},
		"fhir":                 {&masktest.Source{Data: []byte(patient), Called: "a", Media: "application/json"}, payload.FHIR, "application/json", ""},
		"fhir as text":         {&masktest.Source{Data: []byte(patient), Called: "a.txt", Media: "text/plain"}, payload.FHIR, "text/plain", ""},
		"hl7":                  {&masktest.Source{Data: []byte(message), Called: "a"}, payload.HL7, "application/hl7-v2", ""},
		"x12":                  {&masktest.Source{Data: []byte(claim), Called: "a.x12"}, payload.X12, "application/edi-x12", ""},
		"text":                 {&masktest.Source{Data: []byte(prose), Called: "a.txt"}, payload.Text, "text/plain; charset=utf-8", "SSN [SSN] of a patient of ward B\n"},
		"text in UTF-16":       {&masktest.Source{Data: []byte("\xff\xfeh\x00i\x00"), Called: "a.txt"}, payload.Text, "text/plain; charset=utf-8", "hi"},
		"parquet":              {&masktest.Source{Data: parquetFile(t, 3), Called: "a"}, objectmask.Parquet, "application/vnd.apache.parquet", ""},
		"avro":                 {&masktest.Source{Data: avroFile(t, 3), Called: "a", Media: "application/octet-stream"}, objectmask.Avro, "application/avro", ""},
		"avro packed":          {&masktest.Source{Data: masktest.Gzip(t, avroFile(t, 3)), Called: "a.avro.gz"}, objectmask.Avro, "application/avro", ""},
		"nothing":              {&masktest.Source{Called: "a.bin"}, payload.NDJSON, "application/x-ndjson", ""},
		"table of many pieces": {&masktest.Source{Data: []byte("name,ssn,ward\n" + strings.Repeat("Quillfeather,900-55-1234,B\n", 50_000)), Called: "a.csv"}, payload.CSV, "text/csv", "name,ssn,ward\n" + strings.Repeat("[NAME],[SSN],B\n", 50_000)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			out, r, err := apply(t, m, tc.source, true)
			if err != nil {
				t.Fatal(err)
			}
			if r.Kind != tc.kind || r.ContentType != tc.media || tc.want != "" && out != tc.want {
				t.Errorf("kind %s, type %s, %.200q", r.Kind, r.ContentType, out)
			}
			for _, canary := range []string{"Quillfeather", "900-55-1234", "900551234"} {
				if strings.Contains(out, canary) {
					t.Errorf("%s is there: %.200q", canary, out)
				}
			}
			if masked := strings.Contains(out, "["); masked && (len(r.Counts) < 2 || r.Counts[0].Masked != 1) {
				t.Errorf("counts %+v", r.Counts)
			}
		})
	}
}

// TestStrict holds that without a permit to scan, what no rule names is masked whole.
func TestStrict(t *testing.T) {
	t.Parallel()
	m := masks(t)
	for name, tc := range map[string]struct{ data, want string }{
		"a.csv":    {"name,ssn,ward,other\nQuillfeather,900-55-1234,B,plain words\n", "name,ssn,ward,other\n[NAME],[SSN],B,[UNCLASSIFIED]\n"},
		"a.ndjson": {`{"name": "Quillfeather", "other": "plain words"}` + "\n", ""},
		"a":        {string(parquetFile(t, 2)), ""},
		"b":        {string(avroFile(t, 2)), ""},
	} {
		out, _, err := apply(t, m, &masktest.Source{Data: []byte(tc.data), Called: name}, false)
		if err != nil || strings.Contains(out, "plain words") || strings.Contains(out, "Quillfeather") || tc.want != "" && out != tc.want {
			t.Errorf("%s: %q, %v", name, out, err)
		}
	}
}

// TestRefused says what is not masked, and that the error says what is.
func TestRefused(t *testing.T) {
	t.Parallel()
	m := masks(t)
	fails := errors.New("the store broke off")
	for name, tc := range map[string]struct {
		source *masktest.Source
		scan   bool
		kind   sallyport.Kind
	}{
		"text that may not be seen": {&masktest.Source{Data: []byte(prose), Called: "a.txt"}, false, sallyport.Denied},
		"pdf":                       {&masktest.Source{Data: []byte("%PDF-1.7 Quillfeather"), Called: "a.txt"}, true, sallyport.Denied},
		"pdf by type":               {&masktest.Source{Data: []byte(prose), Called: "a", Media: "application/pdf"}, true, sallyport.Denied},
		"dicom":                     {&masktest.Source{Data: append(make([]byte, 128), "DICM Quillfeather"...), Called: "a"}, true, sallyport.Denied},
		"dicom by type":             {&masktest.Source{Data: []byte("x"), Called: "a", Media: "application/dicom"}, true, sallyport.Denied},
		"picture":                   {&masktest.Source{Data: []byte("\x89PNG\r\n\x1a\n"), Called: "a.csv", Media: "text/csv"}, true, sallyport.Denied},
		"zip":                       {&masktest.Source{Data: []byte("PK\x03\x04 Quillfeather"), Called: "a"}, true, sallyport.Denied},
		"unknown":                   {&masktest.Source{Data: []byte("what is this"), Called: "a"}, true, sallyport.Denied},
		"unknown name":              {&masktest.Source{Data: []byte("what is this"), Called: "a.dat", Media: "application/octet-stream"}, true, sallyport.Denied},
		"unknown packing":           {&masktest.Source{Data: []byte(table), Called: "a.csv", Encoding: "br"}, true, sallyport.Denied},
		"packed twice":              {&masktest.Source{Data: masktest.Gzip(t, masktest.Gzip(t, []byte(table))), Called: "a.csv.gz"}, true, sallyport.Denied},
		"parquet packed":            {&masktest.Source{Data: masktest.Gzip(t, parquetFile(t, 1)), Called: "a.parquet.gz"}, true, sallyport.Denied},
		"no parquet":                {&masktest.Source{Data: []byte(table), Called: "a.parquet"}, true, sallyport.Denied},
		"broken parquet":            {&masktest.Source{Data: parquetFile(t, 3)[:90], Called: "a.parquet"}, true, sallyport.Integrity},
		"broken avro":               {&masktest.Source{Data: avroFile(t, 3)[:120], Called: "a.avro"}, true, sallyport.Integrity},
		"broken json":               {&masktest.Source{Data: []byte(`{"name": "Quillfeather"`), Called: "a.json"}, true, sallyport.Denied},
		"broken table":              {&masktest.Source{Data: []byte("name,ssn\nQuillfeather\n"), Called: "a.csv"}, true, sallyport.Integrity},
		"table without a head":      {&masktest.Source{Data: []byte("Quillfeather,900551234\nQuillfeather,900551234\n"), Called: "a.csv"}, true, sallyport.Integrity},
		"broken packing":            {&masktest.Source{Data: masktest.Gzip(t, []byte(strings.Repeat(table, 100)))[:60], Called: "a.csv.gz"}, true, sallyport.Integrity},
		"text with a zero byte":     {&masktest.Source{Data: append(bytes.Repeat([]byte("word "), 20_000), 0), Called: "a.txt"}, true, sallyport.Denied},
		"unpacks without end":       {&masktest.Source{Data: masktest.Gzip(t, bytes.Repeat([]byte("a,b\n"), 4<<20)), Called: "a.csv.gz"}, true, sallyport.Denied},
		"other encoding":            {&masktest.Source{Data: []byte(table), Called: "a", Media: "text/csv; charset=ebcdic"}, true, sallyport.Denied},
		"breaks off":                {&masktest.Source{Data: bytes.Repeat([]byte(table), 10_000), Called: "a.csv", Fails: fails}, true, sallyport.Internal},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, _, err := apply(t, m, tc.source, tc.scan)
			if tc.source.Fails != nil {
				if !errors.Is(err, fails) {
					t.Errorf("error %v", err)
				}
				return
			}
			if err == nil || sallyport.KindOf(err) != tc.kind || strings.Contains(err.Error(), "Quillfeather") {
				t.Errorf("error %v, want kind %v", err, tc.kind)
			}
		})
	}
}

// FuzzKind holds that no beginning of an object panics, and that what is masked is
// of a kind.
func FuzzKind(f *testing.F) {
	for _, s := range []string{table, lines, patient, message, prose, "\x1f\x8b\x08", "PAR1", "Obj\x01"} {
		f.Add([]byte(s), "a.csv", "text/csv", "")
		f.Add([]byte(s), "a", "", "gzip")
	}
	m := masks(f)
	f.Fuzz(func(t *testing.T, data []byte, name, media, encoding string) {
		if len(data) > 1<<16 {
			return
		}
		_, r, err := apply(t, m, &masktest.Source{Data: data, Called: name, Media: media, Encoding: encoding}, true)
		if err == nil && (r.Kind == "" || r.ContentType == "") {
			t.Fatalf("%+v", r)
		}
	})
}

func BenchmarkObject(b *testing.B) {
	m := masks(b)
	fill := func(s string) []byte { return []byte(strings.Repeat(s, 4<<20/len(s))) }
	for name, s := range map[string]*masktest.Source{
		"text":    {Data: fill(prose), Called: "a.txt"},
		"csv":     {Data: append([]byte("name,ssn,ward\n"), fill("Quillfeather,900-55-1234,B\n")...), Called: "a.csv"},
		"csv.gz":  {Data: masktest.Gzip(b, append([]byte("name,ssn,ward\n"), fill("Quillfeather,900-55-1234,B\n")...)), Called: "a.csv.gz"},
		"ndjson":  {Data: fill(lines), Called: "a.ndjson"},
		"json":    {Data: []byte("[" + strings.Repeat(lines[:37]+",", 100_000) + "1]"), Called: "a.json"},
		"fhir":    {Data: fill(patient + "\n"), Called: "a.ndjson"},
		"hl7":     {Data: fill(message), Called: "a.hl7"},
		"parquet": {Data: parquetFile(b, 100_000), Called: "a.parquet"},
		"avro":    {Data: avroFile(b, 100_000), Called: "a.avro"},
	} {
		b.Run(name, func(b *testing.B) {
			size := s.Size()
			switch name {
			case "parquet": // of the values, which it packs
				size = 100_000 * int64(len("Quillfeather900-55-1234B"))
			case "csv.gz":
				size = 4 << 20
			}
			b.SetBytes(size)
			for b.Loop() {
				if _, _, err := apply(b, m, s, true); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// TestPack packs again what was packed, and nothing else.
func TestPack(t *testing.T) {
	t.Parallel()
	m := masks(t)
	var z bytes.Buffer
	w := gzip.NewWriter(&z)
	if _, err := w.Write([]byte(table)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string][]byte{"a.csv.gz": z.Bytes(), "a.csv": []byte(table)} {
		src := &masktest.Source{Called: name, Data: content}
		want, plain, err := apply(t, m, src, true)
		if err != nil {
			t.Fatal(err)
		}
		var out []byte
		r, err := m.Mask(t.Context(), src, objectmask.Options{Scan: true, Pack: true}, func(p mask.Masked) error { out = p.AppendTo(out); return nil })
		if err != nil || len(r.Counts) != len(plain.Counts) {
			t.Fatalf("%s: %v, %d counts, want %d", name, err, len(r.Counts), len(plain.Counts))
		}
		if name == "a.csv.gz" {
			z, err := gzip.NewReader(bytes.NewReader(out))
			if err == nil {
				out, err = io.ReadAll(z)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		if string(out) != want {
			t.Errorf("%s became %q, want %q", name, out, want)
		}
	}
}
