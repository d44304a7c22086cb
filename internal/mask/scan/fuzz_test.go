// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package scan_test

import (
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-dev/sallyport/internal/mask/scan"
)

// seeds are texts with a finding of most kinds.
var seeds = []string{
	"SSN 900-12-3456, call (617) 555-0123 x12 or +46 (0)8 928 571 38 fax",
	"a.b42@example.org https://www.example.org/a?b=1 10.0.0.1 fe80::1 00:1A:2B:3C:4D:5E",
	"seen on January 5, 2020 at 10:30 am, 2020-01-05T10:30:00Z, 1/2/2020-3/4/2020, 5th of May, in 2014",
	"MRN00123456 NPI 1234567893 AB1234563 1EG4-TE5-MK73 GB29 NWBK 6016 1331 9268 19 4111 1111 1111 1111",
	"Cambridge, MA 02139-4307, K1A 0B1, ZIP: 7412 SL, 40.7128, -74.0060, aged 92, 12 Oak Street, Apt. 4",
	"(01)00844588003288(17)141120 +H123PARTNO1234567890120/$$420020216LOT serial SN-4431 [PHONE] 9472 7916",
}

func FuzzScan(f *testing.F) {
	for _, s := range seeds {
		f.Add([]byte(s))
	}
	s := scanner(f, scan.Options{
		MRN:   []string{"MC-######", "########"},
		Rules: []scan.UserRule{{Name: "badge", Entity: scan.Unique, Prefilter: "bdg", Pattern: `(?i)BDG ?\d+`}},
	})
	f.Fuzz(func(t *testing.T, text []byte) {
		end := 0
		for _, x := range s.Scan(nil, text, nil) {
			if x.Start < end || x.End <= x.Start || x.End > len(text) {
				t.Fatalf("finding %v in %d bytes, after %d", x, len(text), end)
			}
			if s.Rule(x.Rule) == "" || x.Entity == scan.None {
				t.Fatalf("finding %v has no rule or no entity", x)
			}
			end = x.End
		}
	})
}

// FuzzMaskTwice checks that nothing is found in what a mask left behind.
func FuzzMaskTwice(f *testing.F) {
	for _, s := range seeds {
		f.Add([]byte(s))
	}
	s := scanner(f, scan.Options{})
	f.Fuzz(func(t *testing.T, text []byte) {
		var out []byte
		var masks [][2]int
		at := 0
		for _, x := range s.Scan(nil, text, nil) {
			out = append(out, text[at:x.Start]...)
			from := len(out)
			out = append(out, "["+x.Entity.String()+"]"...)
			masks = append(masks, [2]int{from, len(out)})
			at = x.End
		}
		out = append(out, text[at:]...)
		for _, x := range s.Scan(nil, out, nil) {
			for _, m := range masks {
				if x.Start < m[1] && m[0] < x.End {
					t.Fatalf("%s found %q in what a mask left behind: %q", s.Rule(x.Rule), out[x.Start:x.End], out)
				}
			}
		}
	})
}

// FuzzLocality checks that what is found between two places outside of findings
// does not depend on what is further away than Left and Right. Addresses have a
// test of their own.
func FuzzLocality(f *testing.F) {
	for _, s := range seeds {
		f.Add([]byte(strings.Repeat(s+" ", 12)), uint16(300), uint16(500))
	}
	f.Add([]byte(strings.Repeat("555 123 4567 ", 60)), uint16(200), uint16(300))
	s := scanner(f, scan.Options{Ignore: scan.SetOf(scan.Address)})
	f.Fuzz(func(t *testing.T, text []byte, from, to uint16) { local(t, s, text, int(from), int(to)) })
}

// local checks the findings in text[a:b] against those that a window around it
// gives. Nobody cuts inside of a finding, so the window does not either.
func local(t *testing.T, s *scan.Scanner, text []byte, a, b int) {
	t.Helper()
	if a > b || b > len(text) {
		return
	}
	low := max(0, a-scan.Left)
	within := func(found []scan.Span, shift int) (out []scan.Span, crossed bool) {
		for _, x := range found {
			x.Start += shift
			x.End += shift
			crossed = crossed || x.Start < a && a < x.End || x.Start < b && b < x.End || x.Start < low && low < x.End
			if a <= x.Start && x.End <= b {
				out = append(out, x)
			}
		}
		return out, crossed
	}
	whole, crossed := within(s.Scan(nil, text, nil), 0)
	if crossed {
		return
	}
	part, _ := within(s.Scan(nil, text[low:min(len(text), b+scan.Right)], nil), low)
	if d := cmp.Diff(whole, part); d != "" {
		t.Fatalf("in %d:%d of %q (-whole +window):\n%s", a-low, b-low, text[low:min(len(text), b+scan.Right)], d)
	}
}

// TestLocality does what FuzzLocality does with long texts made of pieces that
// the detectors know.
func TestLocality(t *testing.T) {
	s := scanner(t, scan.Options{Ignore: scan.SetOf(scan.Address)})
	rnd := rand.New(rand.NewPCG(1, 2))
	mixed := strings.Fields(strings.Join(seeds, " ") + " 5 12 555 900123456 ( ) phone mrn order in Lisboa x")
	numbers := strings.Fields("5 12 12 555 555 1234 0123 900-12-3456 617-555-0123 1/2/2020 04 +44 (08) call")
	for i := range 4000 {
		var text []byte
		pieces, gaps := mixed, []string{" ", " ", " ", "", "-", ".", "/", "\n", ", "}
		if i%2 == 0 {
			pieces, gaps = numbers, []string{" ", " ", " ", " ", " ", " ", " ", " ", " ", "-", ", ", "\n"}
		}
		for len(text) < 1200 {
			text = append(text, pieces[rnd.IntN(len(pieces))]...)
			text = append(text, gaps[rnd.IntN(len(gaps))]...)
		}
		a := rnd.IntN(600)
		local(t, s, text, a, a+rnd.IntN(200))
	}
}

// TestLocalityOfBounds parts what belongs together by ever more of what the detectors
// pass over, so that each bound on how far they look is met from both sides: a bound that
// is wider than Left or Right finds in the whole what it cannot find in the window, or
// more than Right at once.
func TestLocalityOfBounds(t *testing.T) {
	s := scanner(t, scan.Options{Ignore: scan.SetOf(scan.Address)})
	befores := []string{"SSN", "phone", "MRN:", "order", "in Lisboa", "born", "aged", "card no.", "ZIP", "lat", "https://", "x@", "May", "MA", "Texas", "in Łódź", "5", "1 1", "555-", "n.n", "Tel:\n", "(617) ", "2020-01-"}
	fillers := []string{" ", "a", "-", ".", "1 ", "12-", "the ", "is ", "b.", "/", "]", "_", "\n", "0", "é", "::", "(1)"}
	places := []string{"17", "900123456", "900-12-3456", "5550123456", "617-555-0123", "123-4567", "12345", "1/2", "47", "1234567893", "40.71280", "@example.org", "a@b", "10.0.0.1", "://example.org", "fe80::1", "2020", "1:2:3", "MC12-34"}
	afters := []string{"", "y/o", "fax", "mg", "2020", "@example.org", ".org", "ext 5", "pm", "-74.0060", "9"}
	sizes := []int{40, 70, 100, 126, 127, 128, 129, 150, 250, 400, 511, 512, 513, 600}
	n := 0
	for _, before := range befores {
		for _, filler := range fillers {
			for _, place := range places {
				for _, size := range sizes {
					n++
					gap := strings.Repeat(filler, size/len(filler)+1)
					if n%2 == 0 {
						gap += " "
					}
					head, tail := before+gap, ""
					if n%3 == 0 {
						head, tail = before+" ", gap
					}
					text := []byte(head + place + tail + afters[n%len(afters)] + " end")
					local(t, s, text, len(head), len(head)+len(place))
					local(t, s, text, len(head), len(text)-4)
					for _, x := range s.Scan(nil, text, nil) {
						if x.End-x.Start > scan.Right {
							t.Fatalf("a finding of %s is %d bytes long, which no stream can hold", s.Rule(x.Rule), x.End-x.Start)
						}
					}
				}
			}
		}
	}
}

// FuzzIP checks addresses, as they look, against the parser of the standard
// library.
func FuzzIP(f *testing.F) {
	for _, s := range []string{"fe80::1", "1:2:3:4:5:6:7:8", "::ffff:10.0.0.1", "1::2::3", "10.0.0.256", "1.2.3.4", "1:2:3:4:5:6:7::", "0::01.2.3.4"} {
		f.Add(s)
	}
	s := scanner(f, scan.Options{})
	f.Fuzz(func(t *testing.T, text string) {
		for _, x := range s.Scan(nil, []byte(text), nil) {
			if x.Entity != scan.IP {
				continue
			}
			if _, err := netip.ParseAddr(scan.Looks(text[x.Start:x.End])); err != nil {
				t.Fatalf("%q is taken for an address: %v", text[x.Start:x.End], err)
			}
		}
		a, err := netip.ParseAddr(text)
		if err != nil || a.Zone() != "" || !strings.ContainsAny(text, "0123456789") {
			return
		}
		if got := s.Scan(nil, []byte(text), nil); len(got) != 1 || got[0].Entity != scan.IP || got[0].End-got[0].Start != len(text) {
			t.Fatalf("%q is an address, found %v", text, got)
		}
	})
}
