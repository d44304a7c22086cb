// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package evidence_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/evidence"
)

var at = time.Date(2026, 3, 4, 5, 6, 7, 890, time.FixedZone("x", 3600))

func leaf[B any](t evidence.Type, body B) evidence.Leaf[B] {
	return evidence.Leaf[B]{V: 1, Type: t, Origin: "ledger.example/gw1", Time: at, Mono: 12, Session: "s1", Seq: 3, Prev: "ab", Body: body}
}

func fullIntent() evidence.Intent {
	return evidence.Intent{
		Stmt: 7, Phase: "execute", Mode: "before-forward", Of: 3, Class: "select", Readable: "select a<b && c>d from \"t\"",
		Digest: "d1", Objects: []string{"clinic/public/patients"}, Effects: []string{"read", "write"},
		Masks: []evidence.MaskPlan{
			{Output: 1, Columns: []string{"clinic/public/patients/ssn"}, Labels: []sallyport.Label{"phi.ssn", "phi"}, Reason: "label"},
			{Output: 2, Reason: "unknown-lineage"},
			{Output: 3, Labels: []sallyport.Label{"phi.note"}, Reason: "label", Scan: true},
		},
		Verdict: "allow", Rules: []sallyport.RuleID{"r1", "r2"}, Policy: "p1", Grant: "g1",
		Approval: &sallyport.Approval{
			Request: "q1", Approver: "human:ann", Rationale: "ticket <12> & more", At: at,
			Authn: sallyport.Authentication{Method: "oidc", Via: &sallyport.Authentication{Method: "oidc"}},
		},
		Params: "hmac", Sealed: &evidence.Sealed{Key: "k1", SHA256: "ff", Len: 3, Zstd: true, Data: []byte{1, 2, 3}},
	}
}

func TestAppendEqualsMarshal(t *testing.T) {
	t.Parallel()
	for name, in := range map[string]evidence.Intent{
		"full":          fullIntent(),
		"zero":          {},
		"empty lists":   {Rules: []sallyport.RuleID{}, Objects: []string{}, Masks: []evidence.MaskPlan{{Labels: []sallyport.Label{}}}, Sealed: &evidence.Sealed{}},
		"odd text":      {Readable: "\x00\x1f\b\f\n\r\t\"\\/<>&\u2028\u2029\u007f\x80\xff é 漢 \U0001f600 \ufffd"},
		"broken at end": {Readable: "abc\xe2\x80"},
	} {
		l := leaf(evidence.TypeIntent, in)
		compareIntent(t, name, l)
		l.Session, l.Seq, l.Prev = "", 0, ""
		compareIntent(t, name+", no session", l)
	}
	for name, out := range map[string]evidence.Outcome{
		"zero": {}, "full": {Stmt: 1, Status: "ok", Code: "00000", Tag: "SELECT 3", Rows: 3, Bytes: 99, Micros: -4},
	} {
		l := leaf(evidence.TypeOutcome, out)
		want, err := evidence.Marshal(l)
		if err != nil {
			t.Fatal(err)
		}
		got, err := evidence.AppendOutcome([]byte("before"), &l)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff("before"+string(want), string(got)); diff != "" {
			t.Errorf("%s (-Marshal +AppendOutcome):\n%s", name, diff)
		}
	}
}

func compareIntent(t *testing.T, name string, l evidence.Leaf[evidence.Intent]) {
	t.Helper()
	want, err := evidence.Marshal(l)
	if err != nil {
		t.Fatal(err)
	}
	got, err := evidence.AppendIntent([]byte("before"), &l)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff("before"+string(want), string(got)); diff != "" {
		t.Errorf("%s (-Marshal +AppendIntent):\n%s", name, diff)
	}
}

// FuzzAppendEqualsMarshal looks for texts and times that the two encoders write
// differently.
func FuzzAppendEqualsMarshal(f *testing.F) {
	f.Add("select 1", "r", int64(0), uint64(1), []byte("x"))
	f.Add("\u2028\xff\"\\<", "", int64(-1)<<40, uint64(1)<<63, []byte{})
	f.Fuzz(func(t *testing.T, text, word string, unix int64, n uint64, data []byte) {
		l := leaf(evidence.TypeIntent, evidence.Intent{
			Stmt: n, Phase: word, Readable: text, Objects: []string{text, word}, Rules: []sallyport.RuleID{sallyport.RuleID(word)},
			Masks: []evidence.MaskPlan{{Output: int(n), Labels: []sallyport.Label{sallyport.Label(text)}}}, Sealed: &evidence.Sealed{Data: data},
		})
		l.Time, l.Prev = time.Unix(unix, int64(n>>1)%1e9), word
		want, werr := evidence.Marshal(l)
		got, gerr := evidence.AppendIntent(nil, &l)
		if (werr == nil) != (gerr == nil) {
			t.Fatalf("Marshal: %v, AppendIntent: %v", werr, gerr)
		}
		if werr == nil && !bytes.Equal(want, got) {
			t.Fatalf("Marshal:\n%s\nAppendIntent:\n%s", want, got)
		}
		o := leaf(evidence.TypeOutcome, evidence.Outcome{Stmt: n, Status: word, Tag: text, Micros: unix})
		want, _ = evidence.Marshal(o)
		got, err := evidence.AppendOutcome(nil, &o)
		if err == nil && !bytes.Equal(want, got) {
			t.Fatalf("Marshal:\n%s\nAppendOutcome:\n%s", want, got)
		}
	})
}

func TestLeafSizes(t *testing.T) {
	t.Parallel()
	l := leaf(evidence.TypeIntent, evidence.Intent{})
	b, err := evidence.Marshal(l)
	if err != nil {
		t.Fatal(err)
	}
	// A digest is always written, so that each byte of it adds one.
	for extra, kind := range map[int]bool{0: true, 1: false} {
		l.Body.Digest = strings.Repeat("x", evidence.MaxLeaf-len(b)+extra)
		got, merr := evidence.Marshal(l)
		dst, aerr := evidence.AppendIntent([]byte("keep"), &l)
		if (merr == nil) != kind || (aerr == nil) != kind {
			t.Errorf("%d bytes: %v, %v", len(got), merr, aerr)
		}
		if aerr != nil && string(dst) != "keep" {
			t.Error("a failed append changed its destination")
		}
		if merr != nil && sallyport.KindOf(merr) != sallyport.Invalid {
			t.Errorf("kind: %v", merr)
		}
	}
}

func TestParseLeaf(t *testing.T) {
	t.Parallel()
	b, err := evidence.Marshal(leaf(evidence.TypeIntent, fullIntent()))
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := evidence.ParseLeaf(b)
	if err != nil {
		t.Fatal(err)
	}
	again, err := evidence.Marshal(parsed)
	if err != nil || !bytes.Equal(again, b) {
		t.Errorf("parsed and written again: %s, %v", again, err)
	}
	body, err := evidence.Body[evidence.Intent](parsed)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(fullIntent(), body); diff != "" {
		t.Errorf("body (-want +got):\n%s", diff)
	}
	for _, bad := range []string{
		"", "null", "[]", "{}", "{\"v\":1}", "{\"v\":1,\"type\":\"stop\"}", "{\"v\":1,\"type\":\"stop\",\"body\":3}",
		"{\"v\":2,\"type\":\"stop\",\"body\":{}}", "{\"v\":1,\"type\":\"stop\",\"body\":{}}x", strings.Repeat(" ", 70000),
	} {
		if _, err := evidence.ParseLeaf([]byte(bad)); sallyport.KindOf(err) != sallyport.Integrity {
			t.Errorf("%.40q: %v", bad, err)
		}
	}
}

// FuzzParseLeaf checks that no input makes the reader panic, and that errors
// quote nothing of it.
func FuzzParseLeaf(f *testing.F) {
	f.Add([]byte("{\"v\":1,\"type\":\"intent\",\"time\":\"2026-01-02T03:04:05Z\",\"body\":{\"stmt\":1}}"))
	f.Add([]byte("{\"v\":\"secret\",\"secret\":1}"))
	f.Add([]byte("{\"v\":1,\"type\":\"intent\",\"time\":\"secret\",\"body\":{}}"))
	f.Fuzz(func(t *testing.T, b []byte) {
		parsed, err := evidence.ParseLeaf(b)
		if err != nil {
			if strings.Contains(err.Error(), "secret") {
				t.Fatal("the error quotes its input")
			}
			return
		}
		if !json.Valid(b) {
			t.Fatal("accepted what is not JSON")
		}
		_, _ = evidence.Body[evidence.Intent](parsed)
	})
}

func BenchmarkAppendIntent(b *testing.B) {
	l := leaf(evidence.TypeIntent, fullIntent())
	l.Body.Approval = nil
	buf := make([]byte, 0, 1<<12)
	b.ReportAllocs()
	for b.Loop() {
		var err error
		if buf, err = evidence.AppendIntent(buf[:0], &l); err != nil {
			b.Fatal(err)
		}
	}
}
