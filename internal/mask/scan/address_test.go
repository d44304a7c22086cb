// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package scan_test

import (
	"testing"

	"github.com/sallyport-dev/sallyport/internal/mask/scan"
)

// An address is found with names off, by its form and its words for streets.
func TestAddresses(t *testing.T) {
	s, err := scan.New(scan.Options{})
	if err != nil {
		t.Fatal(err)
	}
	check(t, s, []string{
		"at <ADDRESS:24 Clarke Avenue>",
		"<ADDRESS:1659 Hoog St>",
		"<ADDRESS:1812 Park Avenue West> is closed",
		"<ADDRESS:12B Mill Lane>, upstairs",
		"<ADDRESS:221 5th Avenue>",
		"<ADDRESS:77 Rue des Tilleuls> is the clinic",
		"<ADDRESS:33 avenue de Provence>",
		"<ADDRESS:9 Brixtonlaan>",
		"<ADDRESS:Kastanienallee 14>",
		"moved to <ADDRESS:Harjukuja 54> in spring",
		"<ADDRESS:Via Tasso 129>",
		"<ADDRESS:Rua do Arenque 1634>",
		"<ADDRESS:Erzsébet tér 19.> is near",
		"<ADDRESS:Árpád fejedelem útja 62.> is not",
		"<ADDRESS:ul. Miła 53>",
		"<ADDRESS:19902 Dobrovského 1394 Apt. 066>",
		"<ADDRESS:7878 Rahu 37 Apt. 405> is hers",
		"<ADDRESS:903 83 Dora Creek Apt. 176>",
		"in <ADDRESS:Apt. 595>",
		"<ADDRESS:Suite 501>",
		"<ADDRESS:P.O. Box 149>",
		"<ADDRESS:PO Box 149>",
		"<ADDRESS:the corner of 159 Quarry Street and Alder Union>",
		"<ADDRESS:the corner of Alšova 408 and Alder Greens>",
		"lives on <ADDRESS:Ombregada 50> street.",
		"<ADDRESS:418 Larkspur Lane\n Apt. 9\n Riverton\n Norway 95441>",
		"<ADDRESS:418 Larkspur Lane\n Apt. 9\n Riverton>\n",
		"the end",
		"the bus stops at <ADDRESS:79367 the corner of 74 Quarry Street and Alder Union>",
		"<ADDRESS:79367 230 107 Alder Street>",
		"<ADDRESS:69 Av Sidi Alder>",
		"C/ <ADDRESS:Señores Curas 88>",
		"<ADDRESS:24 Clarke Avenue\n Suite 240\n West Brook\n New Zealand 764>\n<PHONE:9469 9966>-Office",
		"<ADDRESS:24 Clarke Avenue\n Suite 240\n West Brook>\n\nSodium 138",
		"<ADDRESS:14 Crown Street Alder Squares\n Suite 321\n Riverton\n Norway 75419>",
		"<ADDRESS:418 Larkspur Lane>\n KOKKOLA\n riverton\n   <ZIP:700>",
		"<ADDRESS:418 Larkspur Lane>\n a long way from there 12 people\n   700",
	})
	covered(t, s, []string{
		"Unit 5022 Box 1225\nDPO AE 44085",
		"PSC 6293, Box 8158\nAPO AP 04336",
		"USNS Alderton\nFPO AA 65728",
		"418 Larkspur Lane\nRiverton, OH 43001",
		"418 Larkspur Lane, Riverton, OH 43001-1234",
	})
}

// With names on, words that announce an address make one of a name and a number, unless
// the name is a word of another kind.
func TestAnnouncedAddresses(t *testing.T) {
	check(t, named(t, scan.NamesListed), []string{
		"please send a new one to <ADDRESS:Pagari 18>?",
		"He lives on the north side of <ADDRESS:Dunajska 56>.",
		"my new address is <ADDRESS:Dašická 688>",
		"address:\n<ADDRESS:Pagari 18>.",
		"moved to Ward 12.",
		"sent home on Aspirin 81.",
		"walked past Pagari 18",
		"my new address is Pagari 18 mg",
	})
	check(t, scanner(t, scan.Options{}), []string{"my new address is Dašická 688"})
}

// A number behind a place is a postal code when it has four digits or more, or when the
// place is known and the number counts nothing.
func TestCodesBehindPlaces(t *testing.T) {
	check(t, scanner(t, scan.Options{}), []string{
		"in Egilsstaðir <ZIP:700> in its mission",
		"in Egilsstaðir 700 beds",
		"in Cyprus (Greek) <ZIP:75534-030> in its mission",
		"in Unionville (Orange) <ZIP:840 24> is",
		"in nan <ZIP:75534-030> in its mission",
		"in Boeing 747 in service",
	})
	check(t, named(t, scan.NamesListed), []string{
		"in <PLACE:France> <ZIP:700> in its mission",
		"in <PLACE:France> 700 hospitals took part",
		"in <PLACE:France> 700 patients took part",
		"in <PLACE:Norway> 300 beds were added",
		"in <PLACE:Spain> 100 of them",
		"in <PLACE:Texas> 100% of claims",
	})
	check(t, named(t, scan.NamesUnlisted), []string{"in Class 300 in June"})
}

// covered wants every letter and digit of the texts in findings.
func covered(t *testing.T, s *scan.Scanner, texts []string) {
	t.Helper()
	for _, text := range texts {
		for i, e := range cover(s, []byte(text)) {
			if c := text[i]; e == scan.None && c != ' ' && c != '\n' && c != ',' {
				t.Errorf("byte %d is left of %s", i, marked(s, text, nil))
				break
			}
		}
	}
}

func TestAddressesAreNotFoundInOtherNumbers(t *testing.T) {
	s, err := scan.New(scan.Options{})
	if err != nil {
		t.Fatal(err)
	}
	check(t, s, []string{
		"3 Head CT scans",
		"2 blocks down the road",
		"5 of the way through",
		"Unit 5 is closed",
		"box 12 of gloves",
		"Grade 3 murmur",
		"Metformin 500 mg, then 850",
		"20 Units Daily",
		"Lead 2, Lead 3",
		"via port 2",
		"12:30 Main",
		"3/4 Street",
		"50% Way",
		"7-10 Days Rest",
	})
}

// FuzzAddresses looks for a text that the scanner cannot stand, and for findings that
// overlap or reach beyond it.
func FuzzAddresses(f *testing.F) {
	for _, seed := range []string{
		"24 Clarke Avenue\n Suite 240\n West Brook\n New Zealand 12345",
		"the corner of 159 Quarry str and Alder Union",
		"Unit 5022 Box 1225\nDPO AE 44085", "12 ", " 12", "Apt. 1", "é 1 é", "ul. 5 Rue (", "1 Rue de", "\x00 1 \xff\xfe St",
	} {
		f.Add([]byte(seed))
	}
	s := named(f, scan.NamesUnlisted)
	f.Fuzz(func(t *testing.T, text []byte) {
		last := 0
		for _, found := range s.Scan(nil, text, nil) {
			if found.Start < last || found.End <= found.Start || found.End > len(text) {
				t.Fatalf("finding %v of %d bytes behind %d", found, len(text), last)
			}
			last = found.End
		}
	})
}
