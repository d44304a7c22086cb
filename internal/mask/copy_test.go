// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package mask_test

import (
	"bytes"
	"encoding/binary"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/mask"
)

// payload strips the framing of a run of CopyData messages.
func payload(t testing.TB, run []byte) []byte {
	t.Helper()
	out := []byte{}
	for len(run) > 0 {
		n := int(binary.BigEndian.Uint32(run[1:]))
		if run[0] != 'd' || n <= 4 || len(run) < n+1 {
			t.Fatalf("%q is not a run of CopyData messages", run)
		}
		out = append(out, run[5:n+1]...)
		run = run[n+1:]
	}
	return out
}

// copyChunks masks the chunks of a stream, one CopyData message each.
func copyChunks(t testing.TB, cols []mask.PGColumn, f mask.CopyFormat, chunks ...[]byte) ([]byte, []mask.Count, error) {
	t.Helper()
	c, err := mask.NewPGCopy(cols, f, "test")
	if err != nil {
		t.Fatal(err)
	}
	var buf mask.Buffer
	for _, chunk := range chunks {
		if err := buf.Copy(c, mask.FromUpstream(chunk)); err != nil {
			return payload(t, bytesOf(t, buf.Take())), nil, err
		}
	}
	out := payload(t, bytesOf(t, buf.Take()))
	counts := c.TakeCounts()
	return out, counts, c.Close()
}

// copyStreams are the streams that the tests mask whole and cut everywhere.
func copyStreams() []copyStream {
	number := mask.PGColumn{TypeOID: oidInt4, Typmod: -1, Mask: true}
	lost := mask.PGColumn{TypeOID: 99999, Typmod: -1, Mask: true}
	csv := mask.CopyFormat{Kind: mask.CopyCSV}
	return []copyStream{
		{
			"text",
			mask.CopyFormat{},
			[]mask.PGColumn{clear(), masked(), clear()},
			"1\t" + canary + "\tx\n2\t\\N\t\\N\n3\t\ty\n", "1\t[phi.ssn]\tx\n2\t\\N\t\\N\n3\t[phi.ssn]\ty\n", 3, 1,
		},
		{
			"text escapes",
			mask.CopyFormat{},
			[]mask.PGColumn{clear(), masked(), clear()},
			"a\\tb\\\\\t" + canary + "\\n\\t\\\\\tc\\nd\n\\.\t\\\\N\te\n", "a\\tb\\\\\t[phi.ssn]\tc\\nd\n\\.\t[phi.ssn]\te\n", 2, 0,
		},
		{
			"text header",
			mask.CopyFormat{Header: true},
			[]mask.PGColumn{clear(), masked()},
			"id\tssn\n1\t" + canary + "\n", "id\tssn\n1\t[phi.ssn]\n", 1, 0,
		},
		{
			"text own null",
			mask.CopyFormat{Null: canary, NullSet: true},
			[]mask.PGColumn{clear(), masked()},
			"1\t" + canary + "\n2\tx\n" + canary + "\t\n", "1\t[phi.ssn]\n2\t[phi.ssn]\n" + canary + "\t[phi.ssn]\n", 3, 0,
		},
		{
			"text types",
			mask.CopyFormat{Delimiter: '|'},
			[]mask.PGColumn{number, lost, masked()},
			"42|x\\|y|a\n\\N|\\N|b\n", "0|\\N|[phi.ssn]\n\\N|\\N|[phi.ssn]\n", 2, 1,
		},
		{
			"text delimiter in mask",
			mask.CopyFormat{Delimiter: '['},
			[]mask.PGColumn{masked(), clear()},
			canary + "[x\n", "\\[phi.ssn][x\n", 1, 0,
		},
		{"text bytea", mask.CopyFormat{}, []mask.PGColumn{{TypeOID: 17, Typmod: -1, Mask: true}}, "\\\\x0102\n", "\\\\x\n", 1, 0},
		{"text one column", mask.CopyFormat{}, []mask.PGColumn{masked()}, canary + "\n\n\\N\n", "[phi.ssn]\n[phi.ssn]\n\\N\n", 3, 1},
		{"text no columns", mask.CopyFormat{}, nil, "\n\n", "\n\n", 2, 0},
		{
			"csv", csv,
			[]mask.PGColumn{clear(), masked(), clear()},
			"1," + canary + ",x\n2,,\n3,\"\",y\n", "1,[phi.ssn],x\n2,,\n3,[phi.ssn],y\n", 3, 1,
		},
		{
			"csv quotes", csv,
			[]mask.PGColumn{clear(), masked(), clear()},
			"\"a,\"\"b\"\"\n\",\"" + canary + ",\n\"\"\",\"c\nd\"\n", "\"a,\"\"b\"\"\n\",[phi.ssn],\"c\nd\"\n", 1, 0,
		},
		{
			"csv header",
			mask.CopyFormat{Kind: mask.CopyCSV, Header: true},
			[]mask.PGColumn{clear(), masked()},
			"\"i\nd\",ssn\n1," + canary + "\n", "\"i\nd\",ssn\n1,[phi.ssn]\n", 1, 0,
		},
		{
			"csv own escape",
			mask.CopyFormat{Kind: mask.CopyCSV, Quote: '\'', Escape: '\\', Delimiter: ';'},
			[]mask.PGColumn{clear(), masked()},
			"'a\\';\\\\b';'" + canary + "\\';'\n", "'a\\';\\\\b';[phi.ssn]\n", 1, 0,
		},
		{
			"csv own null",
			mask.CopyFormat{Kind: mask.CopyCSV, Null: "[phi.ssn]", NullSet: true},
			[]mask.PGColumn{clear(), masked()},
			"1,[phi.ssn]\n2,\"[phi.ssn]\"\n3,[phi.ssn]x\n", "1,[phi.ssn]\n2,\"[phi.ssn]\"\n3,\"[phi.ssn]\"\n", 3, 1,
		},
		{
			"csv delimiter in mask",
			mask.CopyFormat{Kind: mask.CopyCSV, Delimiter: '.'},
			[]mask.PGColumn{masked(), clear()},
			canary + ".x\n", "\"[phi.ssn]\".x\n", 1, 0,
		},
		{"csv no columns", csv, nil, "\n", "\n", 1, 0},
		{
			"binary",
			mask.CopyFormat{Kind: mask.CopyBinary},
			[]mask.PGColumn{clear(), masked(), number},
			copyFile(dataRow("a", canary, "\x00\x00\x00\x07"), dataRow(null, null, null), dataRow("", "", "\x00\x00\x00\x08")),
			copyFile(dataRow("a", "[phi.ssn]", "\x00\x00\x00\x00"), dataRow(null, null, null), dataRow("", "[phi.ssn]", "\x00\x00\x00\x00")), 3, 1,
		},
		{
			"binary lost type",
			mask.CopyFormat{Kind: mask.CopyBinary},
			[]mask.PGColumn{lost, clear()},
			copyFile(dataRow(canary, "a")), copyFile(dataRow(null, "a")), 1, 0,
		},
		{
			"binary extension",
			mask.CopyFormat{Kind: mask.CopyBinary},
			[]mask.PGColumn{masked()},
			"PGCOPY\n\xff\r\n\x00\x00\x00\x00\x00\x00\x00\x00\x03abc\x00\x01\x00\x00\x00\x01x\xff\xff", copyFile(dataRow("[phi.ssn]")), 1, 0,
		},
		{"binary empty", mask.CopyFormat{Kind: mask.CopyBinary}, []mask.PGColumn{masked()}, copyFile(), copyFile(), 0, 0},
		{"binary no columns", mask.CopyFormat{Kind: mask.CopyBinary}, nil, copyFile(dataRow()), copyFile(dataRow()), 1, 0},
	}
}

type copyStream struct {
	name        string
	format      mask.CopyFormat
	cols        []mask.PGColumn
	in, want    string
	rows, nulls uint64 // nulls of the first masked column
}

// copyFile builds a binary copy from rows, whose form is that of DataRow.
func copyFile(rows ...[]byte) string {
	return "PGCOPY\n\xff\r\n\x00\x00\x00\x00\x00\x00\x00\x00\x00" + string(bytes.Join(rows, nil)) + "\xff\xff"
}

// TestCopy masks each stream whole, byte by byte, and cut in two at every
// place; the bytes that come out are the same.
func TestCopy(t *testing.T) {
	t.Parallel()
	for _, s := range copyStreams() {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			whole, counts, err := copyChunks(t, s.cols, s.format, []byte(s.in))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(s.want, string(whole)); diff != "" {
				t.Fatalf("masked copy (-want +got):\n%s", diff)
			}
			if s.rows > 0 && len(counts) > 0 && (counts[0].Seen != s.rows || counts[0].Nulls != s.nulls || counts[0].Masked != s.rows-s.nulls) {
				t.Errorf("counted %+v, want %d rows and %d nulls", counts[0], s.rows, s.nulls)
			}
			for at := range len(s.in) {
				got, cutCounts, err := copyChunks(t, s.cols, s.format, []byte(s.in[:at]), []byte(s.in[at:]))
				if err != nil || !bytes.Equal(got, whole) {
					t.Fatalf("cut at %d: %q, %v", at, got, err)
				}
				if diff := cmp.Diff(counts, cutCounts); diff != "" {
					t.Fatalf("cut at %d, counts (-whole +cut):\n%s", at, diff)
				}
			}
			var single [][]byte
			for i := range len(s.in) {
				single = append(single, []byte(s.in[i:i+1]))
			}
			if got, _, err := copyChunks(t, s.cols, s.format, single...); err != nil || !bytes.Equal(got, whole) {
				t.Fatalf("byte by byte: %q, %v", got, err)
			}
			again, _, err := copyChunks(t, s.cols, s.format, whole)
			if err != nil || !bytes.Equal(again, whole) {
				t.Errorf("masked twice: %q, %v", again, err)
			}
		})
	}
}

func TestCopyKeepsMessagesApart(t *testing.T) {
	t.Parallel()
	c, err := mask.NewPGCopy([]mask.PGColumn{clear(), masked()}, mask.CopyFormat{}, "test")
	if err != nil {
		t.Fatal(err)
	}
	var buf mask.Buffer
	for _, row := range []string{"1\t" + canary + "\n", "2\tx", "yz", "\n"} {
		if err := buf.Copy(c, mask.FromUpstream([]byte(row))); err != nil {
			t.Fatal(err)
		}
	}
	want := slices.Concat(message('d', []byte("1\t[phi.ssn]\n")), message('d', []byte("2\t")), message('d', []byte("[phi.ssn]\n")))
	if got := bytesOf(t, buf.Take()); !bytes.Equal(got, want) {
		t.Errorf("messages %q, want %q", got, want)
	}
	if c.Rows() != 2 || !c.Masks() {
		t.Errorf("%d rows, masks %v", c.Rows(), c.Masks())
	}
}

func TestCopyRefuses(t *testing.T) {
	t.Parallel()
	two := []mask.PGColumn{clear(), masked()}
	text, csv, bin := mask.CopyFormat{}, mask.CopyFormat{Kind: mask.CopyCSV}, mask.CopyFormat{Kind: mask.CopyBinary}
	head := "PGCOPY\n\xff\r\n\x00\x00\x00\x00\x00\x00\x00\x00\x00"
	for _, tc := range []struct {
		name   string
		format mask.CopyFormat
		in     string
	}{
		{"text too few columns", text, canary + "\n"},
		{"text too many columns", text, "1\t2\t" + canary + "\n"},
		{"text empty line", text, "\n"},
		{"text carriage return", text, "1\t" + canary + "\r\n"},
		{"text escaped newline", text, "1\t" + canary + "\\\n"},
		{"text cut", text, "1\t" + canary},
		{"text cut in the first column", text, canary},
		{"text cut after the delimiter", text, "\t"},
		{"csv too few columns", csv, canary + "\n"},
		{"csv too many columns", csv, "1,2," + canary + "\n"},
		{"csv carriage return", csv, "1," + canary + "\r\n"},
		{"csv open quote", csv, "1,\"" + canary + "\n"},
		{"csv quote inside", csv, "1,a\"" + canary + "\"\n"},
		{"csv text behind the quote", csv, "1,\"a\"" + canary + "\n"},
		{"csv lone escape", mask.CopyFormat{Kind: mask.CopyCSV, Escape: '\\'}, "1,\"a\\b\"\n"},
		{"csv cut", csv, "1," + canary},
		{"binary signature", bin, "PGCOPY\n\xff\r\r\x00\x00\x00\x00\x00\x00\x00\x00\x00"},
		{"binary flags", bin, "PGCOPY\n\xff\r\n\x00\x00\x01\x00\x00\x00\x00\x00\x00"},
		{"binary negative extension", bin, "PGCOPY\n\xff\r\n\x00\x00\x00\x00\x00\xff\xff\xff\xff"},
		{"binary too few columns", bin, head + "\x00\x01\x00\x00\x00\x01x\xff\xff"},
		{"binary too many columns", bin, head + "\x00\x03"},
		{"binary negative length", bin, head + "\x00\x02\xff\xff\xff\xfe"},
		{"binary goes on", bin, head + "\xff\xff\x00"},
		{"binary cut", bin, head},
		{"binary cut in a value", bin, head + "\x00\x02\x00\x00\x00\x04ab"},
		{"binary cut in the header", bin, head[:12]},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			for at := range len(tc.in) {
				out, _, err := copyChunks(t, two, tc.format, []byte(tc.in[:at]), []byte(tc.in[at:]))
				wantIntegrity(t, err)
				if tc.format.Kind != mask.CopyBinary && at == 0 && bytes.Contains(out, []byte(canary)) && !strings.HasPrefix(tc.in, canary) {
					t.Errorf("%q came out before the refusal", out)
				}
			}
		})
	}
	c, err := mask.NewPGCopy(two, text, "test")
	if err != nil {
		t.Fatal(err)
	}
	var buf mask.Buffer
	wantIntegrity(t, buf.Copy(c, mask.FromUpstream([]byte("x\n"))))
	if err := buf.Copy(c, mask.FromUpstream([]byte("1\t2\n"))); err == nil || buf.Len() != 0 {
		t.Error("the copy goes on after an error")
	}
	wantIntegrity(t, c.Close())
}

func TestNewPGCopyRefuses(t *testing.T) {
	t.Parallel()
	for i, f := range []mask.CopyFormat{
		{Kind: 9},
		{Kind: mask.CopyBinary, Delimiter: ','},
		{Kind: mask.CopyBinary, Header: true},
		{Delimiter: 'a'},
		{Delimiter: '\\'},
		{Delimiter: '.'},
		{Delimiter: '7'},
		{Delimiter: '\n'},
		{Delimiter: 0xC3},
		{Quote: '"'},
		{Escape: '"'},
		{Null: "a\nb", NullSet: true},
		{Null: "a\tb", NullSet: true},
		{Delimiter: 'N'},
		{Kind: mask.CopyCSV, Delimiter: '"'},
		{Kind: mask.CopyCSV, Null: `"`, NullSet: true},
		{Kind: mask.CopyCSV, Null: ",", NullSet: true},
		{Kind: mask.CopyCSV, Quote: '\r'},
		{Kind: mask.CopyCSV, Escape: 0xFF},
	} {
		if _, err := mask.NewPGCopy([]mask.PGColumn{masked()}, f, "test"); sallyport.KindOf(err) != sallyport.Invalid {
			t.Errorf("format %d (%+v): %v", i, f, err)
		}
	}
}

// textFields are the values of a line of COPY's text format, each with the tab
// behind it.
var textFields = regexp.MustCompile(`(?s)(?:\\.|[^\\\t])*\t`)

func FuzzCopy(f *testing.F) {
	for _, s := range copyStreams() {
		f.Add([]byte(s.in), uint8(s.format.Kind), uint16(len(s.in)/2))
	}
	f.Fuzz(func(t *testing.T, data []byte, kind uint8, cut uint16) {
		format := mask.CopyFormat{Kind: mask.CopyKind(kind % 3)}
		cols := []mask.PGColumn{clear(), masked(), clear()}
		whole, counts, err := copyChunks(t, cols, format, data)
		at := min(int(cut), len(data))
		got, cutCounts, cutErr := copyChunks(t, cols, format, data[:at], data[at:])
		if (err == nil) != (cutErr == nil) {
			t.Fatalf("whole: %v, cut: %v", err, cutErr)
		}
		if err != nil {
			wantIntegrity(t, err)
			return
		}
		if !bytes.Equal(got, whole) || !cmp.Equal(counts, cutCounts) {
			t.Fatalf("whole: %q %v, cut: %q %v", whole, counts, got, cutCounts)
		}
		again, _, err := copyChunks(t, cols, format, whole)
		if err != nil || !bytes.Equal(again, whole) {
			t.Fatalf("masked twice: %q, %v", again, err)
		}
		if format.Kind == mask.CopyText {
			for line := range strings.Lines(string(whole)) {
				// A backslash takes what follows into the value, a tab too.
				if f := textFields.FindAllString(strings.TrimSuffix(line, "\n")+"\t", -1); f[1] != "[phi.ssn]\t" && f[1] != "\\N\t" {
					t.Fatalf("a masked column holds %q", f[1])
				}
			}
		}
	})
}
