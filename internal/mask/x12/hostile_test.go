// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package x12_test

import (
	"strings"
	"testing"

	"github.com/sallyport-dev/sallyport/internal/mask/profile"
	"github.com/sallyport-dev/sallyport/internal/mask/x12"
)

// TestSmuggled has identifiers where the standard has codes and numbers.
func TestSmuggled(t *testing.T) {
	m := masker(t, profile.Spec{Name: profile.SafeHarbor}, x12.Options{})
	for _, in := range []string{
		"SBR*QUILL*OTTO QUILL", "PAT*QUILL", "HL*QUILL*OTTO", "OI*OTTO QUILL", "NM1*QUILL*OTTO", "NM1*85*1*****XX*1*QUILL*QUILL", "NTE*OTTO QUILL*x",
		"CLM*A*500*OTTO QUILL*QUILL*OTTO***AA:QUILL:OTTO", "EQ*OTTO QUILL", "EQ*900112233", "EQ**HC:900112233", "PRV*PE*PXC*QUILL", "PRV*PE*PXC*900112233",
		"LIN**N4*QUILLFEATH", "LIN**N4*900112233", "HI*BF:QUILL", "HI*BF:77412345", "HI*BF:E119:::900112233", "SV1*HC:900112233", "SV1*HC:19740506", "SV1*HC:QUILL",
		"SV1*HC:99213:QUILL", "EB*1*IND*30*********X*HC:900112233", "UM*HS*I*1*11:A*QUILL:OTTO", "PLB*1*20241231*QUILL:1*1", "PER*OTTO QUILL", "REF*QUILL*1", "INS*Y*QUILL",
		"CTX*CLM01:QUILL", "CTX*PATIENT NAME NM109:9001", "AK1*HC*1*9001QUILL", "HCP*0*1*2*3*4*5*6*7*8*900112233", "DMG*D8*19740506*QUILL", "AMT*QUILL*900-11-2233",
		"MOA***OTTO QUILL", "CAS*CO*QUILL*77412345678", "QTY*77412345*900112233", "CRC*0912345*QUILL", "BIN*5*QUILL", "nothing*QUILL",
	} {
		src := wrapped(in)
		if strings.HasPrefix(in, "nothing") { // in the envelope itself
			src = strings.NewReplacer("GS*HC", "GS*OTTO QUILL", "*005010X222A1", "*900112233QUILL", "ST*837", "ST*QUILL", "IEA*1", "IEA*OTTO", "~nothing*QUILL", "").Replace(src)
		}
		got := mask(t, m, src)
		for _, canary := range []string{"QUILL", "OTTO", "9001", "1122", "7741", "0506", "0912345"} {
			if strings.Contains(got, canary) {
				t.Errorf("%s: %q survives in %s", in, canary, got)
			}
		}
	}
}

// TestCodes: what a claim cannot do without.
func TestCodes(t *testing.T) {
	m := masker(t, profile.Spec{Name: profile.SafeHarbor}, x12.Options{})
	for _, in := range []string{
		"PRV*PE*PXC*207Q00000X", "LIN**N4*00456042001", "HI*ABK:E119*ABF:Z9981", "HI*BBR:0DTJ4ZZ", "HI*BE:80:::30*BE:A1:::1150.25", "SV1*HC:99213:25:GT*150*UN*1***1:2",
		"SV2*0300*HC:80053*73.42*UN*1", "SV1*N4:00456042001", "LQ*HE*MA130", "CAS*CO*45*100.5*1", "EB*1*IND*30^1^35*HM**27*150*.2", "STC*A1:20:PR", "UM*HS*I*1*11:B",
		"AK1*HC*0*005010X222A1", "MOA***MA01*N130", "DMG***F**::2106-3",
	} {
		if got := mask(t, m, wrapped(in)); !strings.Contains(got, "~"+in+"~") {
			t.Errorf("%s became %s", in, got)
		}
	}
}
