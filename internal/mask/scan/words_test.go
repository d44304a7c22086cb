// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package scan_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-dev/sallyport/internal/mask/scan"
	"github.com/sallyport-dev/sallyport/internal/mask/scan/lexicon"
)

// named makes a scanner that looks for names.
func named(t testing.TB, mode scan.NameMode) *scan.Scanner {
	t.Helper()
	l, err := lexicon.Load()
	if err != nil {
		t.Fatal(err)
	}
	s, err := scan.New(scan.Options{Names: mode, Lexicon: l})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// marked writes what was found into the text: "<NAME:Ann> called".
func marked(s *scan.Scanner, text string, known *scan.Known) string {
	var b strings.Builder
	last := 0
	for _, f := range s.Scan(nil, []byte(text), known) {
		fmt.Fprintf(&b, "%s<%v:%s>", text[last:f.Start], f.Entity, text[f.Start:f.End])
		last = f.End
	}
	return b.String() + text[last:]
}

// check scans each text without its marks and wants the marks back.
func check(t *testing.T, s *scan.Scanner, want []string) {
	t.Helper()
	for _, w := range want {
		if got := marked(s, unmarked(w), nil); got != w {
			t.Errorf("(-want +got):\n%s", cmp.Diff(w, got))
		}
	}
}

func unmarked(text string) string {
	for {
		i := strings.IndexByte(text, '<')
		if i < 0 {
			return text
		}
		j := i + strings.IndexByte(text[i:], ':')
		k := j + strings.IndexByte(text[j:], '>')
		text = text[:i] + text[j+1:k] + text[k+1:]
	}
}

func TestListedNames(t *testing.T) {
	check(t, named(t, scan.NamesListed), []string{
		"seen by <TITLE:Dr.> <NAME:Okonkwo> today",
		"<TITLE:Mrs.> <NAME:Alder> came with <TITLE:Mr.> <NAME:Bramble>",
		"call <NAME:Maria Castell> back",
		"<NAME:Helen J. Granger> was admitted",
		"<NAME:Granger>, <NAME:Helen>",
		"<NAME:Pieter van der Berg> signed",
		"my name is <NAME:Rose>",
		"Dear <NAME:Olivia>, thank you",
		"<NAME:Ingrid>'s results are back",
		"<NAME:O'Brien> was there, said <NAME:Ingrid>",
		"<NAME:Sørensen> did not call, <NAME:Müller> did",
		"spoke to patricia and robert",
		"message from <NAME:patricia desrosiers> about the results",
		"moved from <PLACE:Portugal> to <PLACE:New Zealand>",
		"grew up in <PLACE:Ohio>",
		"a <NATIONALITY:Norwegian> visitor, please polish the floor",
		"on <WEEKDAY:Tuesday> morning",
		"employed by <ORG:Fernwick Inc>.",
		"treated at <ORG:Granger Hospital>",
		"from <ORG:Alder, Granger and Holloway>",
	})
}

func TestListedNamesAreNotFoundInOtherWords(t *testing.T) {
	check(t, named(t, scan.NamesListed), []string{
		"The will may rose",
		"Will you come in May?",
		"Rose to standing without help",
		"Parkinson's disease, Hodgkin lymphoma, Wilson's disease",
		"[NAME] saw [TITLE] [NAME] at [ADDRESS]",
		"B12 and H1N1",
		"SMITH123 is a code",
		"General Hospital, Major Depression, Miss",
		"German measles",
		"patient denies pain",
		"price_Smith and x@Smith",
	})
}

func TestUnlistedNames(t *testing.T) {
	check(t, named(t, scan.NamesUnlisted), []string{
		"told <NAME:Xyltharn> to wait",
		"<NAME:Xyltharn> waited",
		"<NAME:XYLTHARN QUORVE> waited",
		"flew to <PLACE:Xyltharn>",
		"works for <ORG:Xyltharn>",
		"the nurse met <NAME:Bowers>",
		"<NAME:Xyltharn von Quorve-Zimt> signed",
		"<NAME:J. Xyltharn> signed",
		"started Xylopril and Zorvastatin",
		"in lower case xyltharn is missed",
	})
}

func TestNamesOffFindsNoWords(t *testing.T) {
	s, err := scan.New(scan.Options{})
	if err != nil {
		t.Fatal(err)
	}
	check(t, s, []string{"Dr. Maria Castell of Fernwick Inc, Norway"})
}

// A word is judged by near words only, so the place of a word in a long text
// does not matter.
func TestNamesAreFoundAnywhere(t *testing.T) {
	s := named(t, scan.NamesListed)
	const name = "Maria Castell"
	for n := range 200 {
		text := strings.Repeat("rest ", n) + name + strings.Repeat(" rest", 100)
		var got []string
		for _, f := range s.Scan(nil, []byte(text), nil) {
			got = append(got, text[f.Start:f.End])
		}
		if diff := cmp.Diff([]string{name}, got); diff != "" {
			t.Fatalf("behind %d words (-want +got):\n%s", n, diff)
		}
	}
}

func TestKnown(t *testing.T) {
	s, err := scan.New(scan.Options{})
	if err != nil {
		t.Fatal(err)
	}
	var k scan.Known
	if !k.Empty() {
		t.Error("a zero Known is not empty")
	}
	k.Add(scan.Name, []byte("Søren O'Neil-Brook"))
	k.Add(scan.Place, []byte("Alderton, OH"))
	for _, tt := range []struct{ text, want string }{
		{"soren came", "<NAME:soren> came"},
		{"SOREN came", "<NAME:SOREN> came"},
		{"So Søren's foot", "So <NAME:Søren>'s foot"},
		{"o'neil and BROOK", "<NAME:o'neil> and <NAME:BROOK>"},
		{"o’neil", "<NAME:o’neil>"},
		{"from alderton, oh", "from <PLACE:alderton>, oh"},
		{"sorensen is another", "sorensen is another"},
		{"S. Brook", "S. <NAME:Brook>"},
	} {
		if got := marked(s, tt.text, &k); got != tt.want {
			t.Errorf("got %q, want %q", got, tt.want)
		}
	}
	k.Reset()
	if got := marked(s, "soren", &k); got != "soren" || !k.Empty() {
		t.Errorf("after Reset: %q", got)
	}
}

func TestKnownIsBounded(t *testing.T) {
	s, err := scan.New(scan.Options{})
	if err != nil {
		t.Fatal(err)
	}
	var k scan.Known
	word := func(i int) []byte { return []byte("aaa" + string(rune('a'+i/26)) + string(rune('a'+i%26))) }
	for i := range 300 {
		k.Add(scan.Name, word(i))
	}
	found := 0
	for i := range 300 {
		found += len(s.Scan(nil, word(i), &k))
	}
	if found != 256 {
		t.Errorf("%d words are known, want 256", found)
	}
}

func TestWordsDoNotAllocate(t *testing.T) {
	s := named(t, scan.NamesUnlisted)
	var k scan.Known
	name, text := []byte("Maria Castell"), []byte("Dr. Alder met maria castell in Xyltharn, 24 Clarke Avenue\n Apt. 9\n Riverton, OH 43001 on Friday.")
	dst := make([]scan.Span, 0, 64)
	run := func() {
		k.Reset()
		k.Add(scan.Name, name)
		dst = s.Scan(dst[:0], text, &k)
	}
	run()
	if n := testing.AllocsPerRun(100, run); n != 0 {
		t.Errorf("%v allocations a scan", n)
	}
}

func TestHardNegatives(t *testing.T) {
	raw, err := os.ReadFile("testdata/hard-negatives.txt")
	if err != nil {
		t.Fatal(err)
	}
	off, err := scan.New(scan.Options{})
	if err != nil {
		t.Fatal(err)
	}
	listed := named(t, scan.NamesListed)
	lines := 0
	for line := range strings.Lines(string(raw)) {
		kind, text, ok := strings.Cut(strings.TrimSuffix(line, "\n"), "\t")
		if !ok {
			continue
		}
		lines++
		if got := marked(off, text, nil); got != text {
			t.Errorf("%s, names off: %s", kind, got)
		}
		if got := marked(listed, text, nil); got != text {
			t.Errorf("%s, names listed: %s", kind, got)
		}
	}
	if lines < 466 {
		t.Errorf("%d lines, want at least 466", lines)
	}
}

// What stands far away changes nothing: the words in the middle of a text are
// found as they are found with no more than Left bytes before them and Right
// behind.
func FuzzWordsAreLocal(f *testing.F) {
	f.Add("Dr. Maria van der Castell, Alder and Holloway of Fernwick Inc. moved to New Zealand on Friday, wrote J. Q. Xyltharn ", uint(300), uint(60))
	f.Add("soren o'neil-brook, alder and granger of Fernwick Hospital; Children's librarian\nDear Maria ", uint(400), uint(90))
	s := named(f, scan.NamesUnlisted)
	f.Fuzz(func(t *testing.T, seed string, from, length uint) {
		if seed == "" || len(seed) > 2000 || strings.ContainsAny(seed, "0123456789:@.") && !strings.HasPrefix(seed, "Dr.") {
			return // patterns are local on their own terms
		}
		text := []byte(strings.Repeat(seed, 2400/len(seed)+1))
		begin := 200 + int(from%1000)
		end := begin + 1 + int(length%200)
		low, high := begin-scan.Left, min(len(text), end+scan.Right)
		whole, part := cover(s, text), cover(s, text[low:high])
		if diff := cmp.Diff(whole[begin:end], part[begin-low:end-low]); diff != "" {
			t.Errorf("found otherwise with less around it (-whole +part):\n%s\n%q", diff, text[low:high])
		}
	})
}

// cover gives the entity found at each byte.
func cover(s *scan.Scanner, text []byte) []scan.Entity {
	out := make([]scan.Entity, len(text))
	for _, f := range s.Scan(nil, text, nil) {
		for i := f.Start; i < f.End; i++ {
			out[i] = f.Entity
		}
	}
	return out
}

// BenchmarkWords measures the scanner with the word pass.
func BenchmarkWords(b *testing.B) {
	for _, mode := range []struct {
		name string
		mode scan.NameMode
	}{{"listed", scan.NamesListed}, {"unlisted", scan.NamesUnlisted}} {
		s := named(b, mode.mode)
		dst := make([]scan.Span, 0, 1024)
		for name, values := range corpora() {
			b.Run(mode.name+"/"+name, func(b *testing.B) {
				b.SetBytes(size(values))
				b.ReportAllocs()
				for b.Loop() {
					for _, v := range values {
						dst = s.Scan(dst[:0], v, nil)
					}
				}
			})
		}
	}
}

func BenchmarkLoad(b *testing.B) {
	for b.Loop() {
		if _, err := lexicon.Load(); err != nil {
			b.Fatal(err)
		}
	}
}
