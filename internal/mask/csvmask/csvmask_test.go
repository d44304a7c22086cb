// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package csvmask_test

import (
	"bytes"
	"encoding/csv"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/mask/csvmask"
	"github.com/sallyport-dev/sallyport/internal/mask/operator"
	"github.com/sallyport-dev/sallyport/internal/mask/profile"
	"github.com/sallyport-dev/sallyport/internal/mask/scan"
	"github.com/sallyport-dev/sallyport/internal/mask/text"
	"github.com/sallyport-dev/sallyport/test/masktest"
)

func masker(tb testing.TB, s profile.Spec, o csvmask.Options) *csvmask.Masker {
	tb.Helper()
	m, err := csvmask.Compile(masktest.Masker(tb, s), o)
	if err != nil {
		tb.Fatal(err)
	}
	return m
}

// guess is a dictionary of a few names.
func guess(column string) sallyport.Label {
	return map[string]sallyport.Label{
		"mrn": "phi.mrn", "first_name": "phi.name", "last_name": "phi.name", "dob": "phi.dob", "zip": "phi.zip", "phone": "phi.phone",
	}[column]
}

func TestFiles(t *testing.T) {
	safe := profile.Spec{Name: profile.SafeHarbor}
	headed := csvmask.Options{Header: true, Guess: guess}
	tests := []struct {
		name, in, want string
		options        csvmask.Options
		spec           profile.Spec
	}{
		{
			name: "labels and scanned cells", options: headed,
			in:   "mrn,first_name,note\n1,Ottilie,call Ottilie at 541-555-0142\n",
			want: "mrn,first_name,note\n[MRN],[NAME],call [NAME] at [PHONE]\n",
		},
		{
			name: "names of one record are not of the next", options: headed,
			in:   "first_name,note\nOttilie,x\nCasimir,Ottilie\n",
			want: "first_name,note\n[NAME],x\n[NAME],Ottilie\n",
		},
		{
			name: "quotes, line ends and mark stay", options: headed,
			in:   "\ufeff\"note\",b\r\n\"say \"\"541-555-0142\"\",\r\nplease\",\"\"\r\n\"plain\",x",
			want: "\ufeff\"note\",b\r\n\"say \"\"[PHONE]\"\",\r\nplease\",\"\"\r\n\"plain\",x",
		},
		{
			name: "a site's label", options: csvmask.Options{Header: true, Guess: guess, Columns: map[string][]sallyport.Label{"Remark ": {"phi.note"}, "zip": {"phi.note"}}},
			in:   "remark,zip\nall of this,97405\n",
			want: "remark,zip\n[NOTE],[NOTE]\n",
		},
		{name: "dates and places", options: headed, in: "dob,zip\n1931-07-04,97405\n,\n", want: "dob,zip\n1936,97400\n,\n"},
		{name: "a header that is PHI", options: headed, in: "code,541-555-0142\nR07.9,x\n", want: "code,[PHONE]\nR07.9,x\n"},
		{
			name: "without a header, by number", options: csvmask.Options{Delimiter: ';', Columns: map[string][]sallyport.Label{"1": {"phi.mrn"}}},
			in: "55120443;ottilie@example.org;98\r7;8;9", want: "[MRN];[EMAIL];98\r[MRN];8;9",
		},
		{
			name: "a constant that needs quotes", options: headed, spec: profile.Spec{Name: profile.SafeHarbor, Labels: map[sallyport.Label]operator.Spec{"phi.mrn": {Kind: operator.Const, Value: `a"b,c`}}},
			in: "mrn,\"b\"\n1,2\n\"1\",2\n", want: "mrn,\"b\"\n\"a\"\"b,c\",2\n\"a\"\"b,c\",2\n",
		},
		{
			name: "null", options: headed, spec: profile.Spec{Name: profile.SafeHarbor, Labels: map[sallyport.Label]operator.Spec{"phi.mrn": {Kind: operator.Null}}},
			in: "mrn,b\n1,2\n\"1\",2\n", want: "mrn,b\n,2\n\"\",2\n",
		},
		{name: "names with numbers", options: headed, in: "mrn2,Phone 1,n2\n1,2,3\n", want: "mrn2,Phone 1,n2\n[MRN],[PHONE],3\n"},
		{name: "empty lines and fields", options: headed, in: "a,b\n\n,\n1,\n", want: "a,b\n\n,\n1,\n"},
		{name: "a trailing delimiter at the end", options: headed, in: "a,b\n1,", want: "a,b\n1,"},
		{name: "nothing", options: headed, in: "", want: ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			spec := tt.spec
			if spec.Name == "" {
				spec = safe
			}
			var w text.Work
			got, err := masker(t, spec, tt.options).Append([]byte("<"), []byte(tt.in), &w)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff("<"+tt.want, string(got)); d != "" {
				t.Errorf("masked otherwise (-want +got):\n%s", d)
			}
		})
	}
}

// TestRead checks by another parser that the file of testdata keeps its records
// and holds nothing of the patients.
func TestRead(t *testing.T) {
	src, err := os.ReadFile(filepath.Join("testdata", "patients.csv"))
	if err != nil {
		t.Fatal(err)
	}
	m := masker(t, profile.Spec{Name: profile.SafeHarbor}, csvmask.Options{Header: true, Guess: guess})
	var w text.Work
	got, err := m.Append(nil, src, &w)
	if err != nil {
		t.Fatal(err)
	}
	records, err := csv.NewReader(bytes.NewReader(bytes.TrimPrefix(got, []byte("\ufeff")))).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	want := [][]string{
		{"mrn", "first_name", "last_name", "dob", "zip", "phone", "note", "state", "glucose"},
		{"[MRN]", "[NAME]", "[NAME]", "1936", "97400", "[PHONE]", "Said \"call [NAME]\", then\n[NAME] left [PHONE]", "OR", "98"},
		{"[MRN]", "[NAME]", "[NAME]", "1958", "97300", "", "", "OR", "101"},
	}
	if d := cmp.Diff(want, records); d != "" {
		t.Errorf("records (-want +got):\n%s", d)
	}
	if bytes.Count(got, []byte("\r\n")) != bytes.Count(src, []byte("\r\n")) {
		t.Error("line ends have changed")
	}
}

// TestShift moves dates by the record's patient, by the site's column or the
// first that is a record number.
func TestShift(t *testing.T) {
	spec := profile.Spec{Name: profile.LimitedDataSet, Labels: map[sallyport.Label]operator.Spec{"phi.dob": {Kind: operator.DateShift, Domain: "dates", Days: 30}}}
	for name, o := range map[string]csvmask.Options{
		"guessed": {Header: true, Guess: guess},
		"given":   {Header: true, Guess: guess, Patient: "Key"},
	} {
		var w text.Work
		w.Row.Patient = []byte("the caller's")
		out, err := masker(t, spec, o).Append(nil, []byte("mrn,key,dob\n1,p,1980-06-15\n1,p,1980-06-15\n2,q,1980-06-15\n"), &w)
		if err != nil {
			t.Fatal(err)
		}
		var days []string
		for _, line := range strings.Split(strings.TrimSpace(string(out)), "\n")[1:] {
			days = append(days, line[strings.LastIndexByte(line, ',')+1:])
		}
		if days[0] != days[1] || days[0] == days[2] || days[0] == "1980-06-15" || string(w.Row.Patient) != "the caller's" {
			t.Errorf("%s: %v", name, days)
		}
	}
}

func TestRefused(t *testing.T) {
	m := masker(t, profile.Spec{Name: profile.SafeHarbor}, csvmask.Options{Header: true, Guess: guess})
	for name, src := range map[string]string{
		"ragged":              "a,b\n1\n",
		"too long a record":   "a,b\n1,2,3\n",
		"open quotes":         "a,b\n1,\"2\n",
		"text after quotes":   "a,b\n1,\"2\"x\n",
		"quotes in the midst": "a,b\n1,2\"x\"\n",
		"UTF-16":              "\xff\xfea\x00,\x00",
		"too many fields":     strings.Repeat(",", 5000),
	} {
		t.Run(name, func(t *testing.T) {
			got, err := m.Append([]byte("before"), []byte(src), &text.Work{})
			if sallyport.KindOf(err) != sallyport.Integrity || string(got) != "before" {
				t.Errorf("got %q, %v", got, err)
			}
		})
	}
}

func TestOptions(t *testing.T) {
	for name, o := range map[string]csvmask.Options{
		"a quote":              {Delimiter: '"'},
		"a letter":             {Delimiter: 'x'},
		"a line end":           {Delimiter: '\n'},
		"names, but no header": {Columns: map[string][]sallyport.Label{"zip": {"phi.zip"}}},
	} {
		if _, err := csvmask.Compile(masktest.Masker(t, profile.Spec{Name: profile.SafeHarbor}), o); sallyport.KindOf(err) != sallyport.Invalid {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestLoci checks that a column is named in counts only when the site named it.
func TestLoci(t *testing.T) {
	m := masker(t, profile.Spec{Name: profile.SafeHarbor}, csvmask.Options{Header: true, Guess: guess, Columns: map[string][]sallyport.Label{"Chart": {"phi.mrn"}}})
	var w text.Work
	if _, err := m.Append(nil, []byte("chart,zimmerwald,541-555-0142\n1,541-555-0142,x\n"), &w); err != nil {
		t.Fatal(err)
	}
	got := map[string]scan.Entity{}
	for _, c := range w.Tally.Take() {
		got[c.Locus] = c.Entity
	}
	want := map[string]scan.Entity{"chart": scan.MRN, "column 2": scan.Phone, "header": scan.Phone}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("loci (-want +got):\n%s", d)
	}
}

// TestTable masks records of a stream.
func TestTable(t *testing.T) {
	m := masker(t, profile.Spec{Name: profile.SafeHarbor}, csvmask.Options{Header: true, Guess: guess})
	table := m.Table([]byte("mrn"), []byte("note"))
	var w text.Work
	got, err := table.Record(nil, &w, csvmask.Field{Value: []byte("1")}, csvmask.Field{Value: []byte("a,b"), Quoted: true})
	if err != nil || string(got) != `[MRN],"a,b"` {
		t.Errorf("got %q, %v", got, err)
	}
	if got, err = table.Record(got, &w, csvmask.Field{}); sallyport.KindOf(err) != sallyport.Integrity || string(got) != `[MRN],"a,b"` {
		t.Errorf("got %q, %v", got, err)
	}
}

// FuzzCSV masks any bytes: they are refused, or keep their records and fields;
// masking twice changes nothing; a labelled cell never survives.
func FuzzCSV(f *testing.F) {
	paths, err := filepath.Glob("testdata/*.csv")
	if err != nil || len(paths) == 0 {
		f.Fatalf("files: %v %v", paths, err)
	}
	for _, p := range paths {
		src, err := os.ReadFile(p)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(src)
	}
	m := masker(f, profile.Spec{Name: profile.SafeHarbor}, csvmask.Options{Header: true, Guess: guess})
	const canary = "Qxzvyw"
	f.Fuzz(func(t *testing.T, src []byte) {
		var w text.Work
		once, err := m.Append(nil, src, &w)
		if err == nil && found(&w) {
			// Next to what a finding leaves, the scanner may find something more.
			sameRecords(t, src, once)
		} else if err == nil {
			again, err := m.Append(nil, once, &text.Work{})
			if err != nil || string(again) != string(once) {
				t.Errorf("masked twice, %v:\n%q\n%q", err, once, again)
			}
			sameRecords(t, src, once)
		}
		quoted := `"` + strings.ReplaceAll(string(src), `"`, `""`) + `"`
		got, err := m.Append(nil, []byte("mrn,other\n"+canary+","+quoted+"\n\""+canary+"\",x\n"), &text.Work{})
		if err == nil && !bytes.Contains(src, []byte(canary)) && bytes.Contains(got, []byte(canary)) {
			t.Errorf("a canary survives in %q", got)
		}
	})
}

// found reports whether the scanner found something.
func found(w *text.Work) bool {
	return slices.ContainsFunc(w.Tally.Take(), func(c text.Count) bool { return c.Rule != "column" })
}

// sameRecords compares by another parser, which reads a carriage return alone as
// text: such files are left out.
func sameRecords(t *testing.T, src, out []byte) {
	if bytes.Contains(bytes.ReplaceAll(src, []byte("\r\n"), nil), []byte("\r")) {
		return
	}
	counts := func(b []byte) (n []int, err error) {
		records, err := csv.NewReader(bytes.NewReader(bytes.TrimPrefix(b, []byte("\ufeff")))).ReadAll()
		for _, r := range records {
			n = append(n, len(r))
		}
		return n, err
	}
	want, err := counts(src)
	if err != nil {
		return
	}
	got, err := counts(out)
	if d := cmp.Diff(want, got); d != "" || err != nil {
		t.Errorf("records of %q are those of %q, %v:\n%s", src, out, err, d)
	}
}
