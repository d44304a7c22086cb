// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package csvmask_test

import (
	"strings"
	"testing"

	"github.com/sallyport-dev/sallyport/internal/mask/csvmask"
	"github.com/sallyport-dev/sallyport/internal/mask/profile"
	"github.com/sallyport-dev/sallyport/test/masktest"
)

// BenchmarkAppend masks a file of a thousand patients, beside a copy of the same
// bytes.
func BenchmarkAppend(b *testing.B) {
	record := "55120443,Ottilie,Zimmerwald,1931-07-04,97405,541-555-0142,\"seen for follow up, glucose stable on the current dose\",OR,98\n"
	src := []byte("mrn,first_name,last_name,dob,zip,phone,note,state,glucose\n" + strings.Repeat(record, 1000))
	m := masker(b, profile.Spec{Name: profile.SafeHarbor}, csvmask.Options{Header: true, Guess: guess})
	masktest.Bench(b, "patients", src, m.Append)
}
