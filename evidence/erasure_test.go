// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package evidence_test

import (
	"bytes"
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/evidence"
)

// FuzzHalves: what is read as halves of keys is what was written.
func FuzzHalves(f *testing.F) {
	line, err := evidence.AppendHalfLine(nil, evidence.Half{Session: "s_1", Key: "dk_1", Half: bytes.Repeat([]byte{1}, 32)})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(line)
	f.Add(append(bytes.Clone(line), line...))
	f.Add(line[:len(line)-1])
	f.Add([]byte("{}\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		halves, err := evidence.ParseHalves(text)
		if err != nil {
			return
		}
		var again []byte
		for _, h := range halves {
			if len(h.Half) != evidence.HalfSize {
				t.Fatalf("half of %d bytes", len(h.Half))
			}
			if again, err = evidence.AppendHalfLine(again, h); err != nil {
				t.Fatal(err)
			}
		}
		twice, err := evidence.ParseHalves(again)
		if err != nil || !cmp.Equal(halves, twice) {
			t.Fatalf("%v: %v and %v", err, halves, twice)
		}
	})
}

func TestResumeChain(t *testing.T) {
	t.Parallel()
	whole := evidence.NewChain("s_1")
	var third evidence.Leaf[json.RawMessage]
	for _, leaf := range []string{"one", "two"} {
		whole.Add([]byte(leaf))
	}
	rest := evidence.ResumeChain("s_1", whole.Seq(), whole.Head())
	rest.Next(&third.Session, &third.Seq, &third.Prev)
	var want evidence.Leaf[json.RawMessage]
	whole.Next(&want.Session, &want.Seq, &want.Prev)
	if diff := cmp.Diff(want, third); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestSay(t *testing.T) {
	t.Parallel()
	at := time.Date(2032, 12, 21, 23, 0, 0, 0, time.FixedZone("", -3600))
	for want, k := range map[string]evidence.KeyDestroyed{
		"erased on 2032-12-22 by retention class default (event 7)": {Rule: evidence.RuleExpired, Class: "default", By: "x"},
		"erased on 2032-12-22 by order of human:sam (event 7)":      {Rule: evidence.RuleErased, Class: "default", By: sallyport.PrincipalID("human:sam")},
	} {
		if got := k.Say(7, at); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
