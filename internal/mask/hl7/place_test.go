// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package hl7_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-dev/sallyport/internal/mask/hl7"
	"github.com/sallyport-dev/sallyport/internal/mask/profile"
)

// TestPlaces puts values of every kind at every place of the 64 bytes that are looked at
// together, at the end of the part of a text that is in view, and into lines that are
// longer than that: what is shown does not depend on it.
func TestPlaces(t *testing.T) {
	m := masker(t, profile.Spec{Name: profile.SafeHarbor}, hl7.Options{})
	const (
		head = "MSH|^~\\&|A|B|C|D|20240312||ADT^A01|7|P|2.5\r"
		seen = "MSH|^~\\&|A|[ORG]|C|[ORG]|2024||ADT^A01|1|P|2.5\r"
		in   = `PID|1||55120443^^^NFG^MR~900-55-0199^^^USA^SS||Zimmerwald^Ottilie^B~^Tilly||19310704|F||2106-3^White^HL70005|4471 Larkspur Rd^^Eugene^OR^97405^USA|""|(541)555-0142|||||ACC77|900-55-0199`
		want = `PID|1||[MRN]^^^NFG^MR~[SSN]^^^USA^SS||[NAME]^^~[NAME]^||1936|F||2106-3^White^HL70005|[ADDRESS]^^[PLACE]^OR^97400^USA|""|[PHONE]|||||[ACCOUNT]|[SSN]`
		next = "\rPV1|1|I|||||7781^Quillfeather^Dorian^^^^MD|4402^Brackenridge|||MED||||||||V1|||||||||||||||||||||||||20240311|20240312081500\r"
		then = "\rPV1|1|I|||||[ID]^[NAME]^^^^^|[ID]^[NAME]|||MED||||||||[ID]|||||||||||||||||||||||||2024|2024\r"
	)
	for _, from := range []int{0, 3900, 4030, 8100, 20000} {
		for n := from; n < from+140; n++ {
			// As many bytes as n stand before, in a line of their own and in the same one.
			for _, pad := range []struct{ in, out string }{
				{"OBX|" + strings.Repeat("1|", n/2) + strings.Repeat("1", n%2) + "\r", ""},
				{"ZZZ|" + strings.Repeat("|", n) + "x" + "\r", "ZZZ|" + strings.Repeat("|", n) + "[ID]" + "\r"},
			} {
				out := pad.out
				if out == "" {
					out = mask(t, m, head+pad.in)[len(seen):]
				}
				if d := cmp.Diff(seen+out+want+then, mask(t, m, head+pad.in+in+next)); d != "" {
					t.Fatalf("behind %d bytes (-want +got):\n%s", n, d)
				}
			}
		}
	}
}

// TestLengths gives values of every length up to some hundred bytes to fields that hide
// them, keep them or show a part.
func TestLengths(t *testing.T) {
	m := masker(t, profile.Spec{Name: profile.SafeHarbor}, hl7.Options{})
	const head, seen = "MSH|^~\\&|A|B|C|D|2020\r", "MSH|^~\\&|A|[ORG]|C|[ORG]|2020\r"
	for n := 1; n < 300; n++ {
		v := strings.Repeat("Qz", n)[:n]
		code := v
		if n > 3 {
			code = ""
		}
		in := "PID|" + code + "||" + v + "^^^NFG||" + v + "^" + v + "||2020" + strings.Repeat("0102", n%2) + "|" + v + "\rNTE|1||" + v + "\r" + v + "\r"
		want := "PID|" + code + "||[MRN]^^^NFG||[NAME]^||2020|" + code + "\rNTE|1||[TEXT]\r[TEXT]\r"
		if d := cmp.Diff(seen+want, mask(t, m, head+in)); d != "" {
			t.Fatalf("of %d bytes (-want +got):\n%s", n, d)
		}
	}
}
