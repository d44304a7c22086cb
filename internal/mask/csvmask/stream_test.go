// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package csvmask_test

import (
	"math/rand/v2"
	"strings"
	"testing"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/mask/csvmask"
	"github.com/sallyport-dev/sallyport/internal/mask/profile"
	"github.com/sallyport-dev/sallyport/internal/mask/text"
	"github.com/sallyport-dev/sallyport/test/masktest"
)

// TestStream holds that a file in pieces, wherever it is cut, becomes what it
// becomes as a whole, or is refused as it is.
func TestStream(t *testing.T) {
	t.Parallel()
	m, err := csvmask.Compile(masktest.Masker(t, profile.Spec{Name: profile.NeedToKnow}), csvmask.Options{
		Header: true, Columns: map[string][]sallyport.Label{"name": {"phi.name"}, "mrn": {"phi.mrn"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(1, 2))
	for name, file := range map[string]string{
		"plain":            "name,mrn,note\nAda,1,SSN 900-55-1234\nBea,2,Bea came\n",
		"no line at end":   "name,mrn,note\nAda,1,x",
		"quotes":           "\xef\xbb\xbfname,mrn,note\r\n\"Ada\",1,\"say \"\"900-55-1234\"\"\r\nand, go\"\r\n\"Bea\",2,\"\"\r\n",
		"carriage returns": "name,mrn,note\rAda,1,x\rBea,2,900-55-1234\r",
		"empty":            "",
		"header alone":     "name,mrn\n",
		"fewer fields":     "name,mrn\nAda\n",
		"open quote":       "name,mrn\n\"Ada,1\n",
		"quote inside":     "name,mrn\nA\"da,1\nBea,2\n",
	} {
		want, wantErr := m.Append(nil, []byte(file), &text.Work{})
		for range 50 {
			s := m.Stream(&text.Work{})
			var got []byte
			var err error
			for rest := file; rest != "" && err == nil; {
				n := 1 + rng.IntN(min(len(rest), 9))
				got, err = s.Append(got, []byte(rest[:n]))
				rest = rest[n:]
			}
			if err == nil {
				got, err = s.Flush(got)
			}
			if (err == nil) != (wantErr == nil) || err == nil && string(got) != string(want) {
				t.Fatalf("%s: %q, %v; want %q, %v", name, got, err, want, wantErr)
			}
			if err != nil && (sallyport.KindOf(err) != sallyport.Integrity || strings.Contains(err.Error(), "Ada")) {
				t.Fatalf("%s: %v", name, err)
			}
		}
	}
}
