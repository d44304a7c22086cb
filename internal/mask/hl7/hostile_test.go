// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package hl7_test

import (
	"strings"
	"testing"

	"github.com/sallyport-dev/sallyport/internal/mask/hl7"
	"github.com/sallyport-dev/sallyport/internal/mask/profile"
	"github.com/sallyport-dev/sallyport/internal/mask/text"
)

// TestHostile puts names and numbers where the table lets codes and measurements
// through.
func TestHostile(t *testing.T) {
	t.Parallel()
	m := masker(t, profile.Spec{Name: profile.SafeHarbor}, hl7.Options{})
	for _, line := range []string{
		"EVN|A01|2026|||OTTO QUILL", "PV1|1|OTTO QUILL", "PV1|1|QUILLEN", "PV1|1|I||||||||||QUILLEN|||QUILLEN",
		"OBX|1|NM|8867-4^Rate^LN||77412345", "OBX|1|ST|1||x||OTTO QUILL|QUILLEN", "OBX|1|ID|X||OTTO QUILL", "OBX|1|IS|X||QUILLEN",
		"OBX|1|CE|QUILLEN^Otto Quillen^LN||1", "OBX|1|CE|8867-4^Rate^LN||OTTO^Otto Quillen^99X", "OBX|1|CE|8867-4^rate 900-11-2233^LN||1",
		"OBX|1|CE|900112233^x^SCT||1", "DG1|1||I10^Hypertension^I10|Otto Quillen", "AL1|1|DA|X^Otto Quillen^99X|SV|Otto Quillen",
		"PID|1||12^^^1.2.3.900112233.4.5&1.2.900112233&ISO^MR", "OBX|1|CE|1.2.3.900112233.4.5^x^99X||1",
	} {
		in := "MSH|^~\\&|A|B|C|D|2026||ORU^R01|7|P|2.6\r" + line + "\r"
		out, err := m.Append(nil, []byte(in), &text.Work{})
		if err != nil {
			t.Errorf("%s: %v", line, err)
			continue
		}
		for _, bad := range []string{"OTTO", "Otto", "QUILL", "Quill", "77412345", "900112233", "900-11-2233"} {
			if strings.Contains(string(out), bad) {
				t.Errorf("%s shows %q: %s", line, bad, strings.Split(string(out), "\r")[1])
			}
		}
	}
	// What a table has stays.
	for _, line := range []string{
		"PV1|1|I|||||||||MED||||EMERGENCY", "OBX|1|NM|8867-4^Heart rate^LN||72|/min^^UCUM|60-100|N|||F", "AL1|1|DRUG|X^^99X|SV",
		"OBX|1|CE|29463-7^Body weight^LN||271649006^Systolic pressure^SCT", "DG1|1||E11.9^Type 2 diabetes mellitus^I10",
		"OBX|1|SN|8867-4^Rate^LN||>^100", "PID|1|||||||M",
	} {
		in := "MSH|^~\\&|A|B|C|D|2026||ORU^R01|7|P|2.6\r" + line + "\r"
		out, err := m.Append(nil, []byte(in), &text.Work{})
		if err != nil || strings.Split(string(out), "\r")[1] != line {
			t.Errorf("%s became %q, %v", line, strings.Split(string(out), "\r")[1], err)
		}
	}
}
