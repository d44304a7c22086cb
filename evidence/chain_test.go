// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package evidence_test

import (
	"bytes"
	"crypto/sha256"
	"slices"
	"strings"
	"testing"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/evidence"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// session writes the leaves of a session; edit may change the close.
func session(t *testing.T, edit func(*evidence.SessionClose)) [][]byte {
	t.Helper()
	var leaves [][]byte
	c := evidence.NewChain("s1")
	add := func(leaf any) {
		var raw []byte
		var err error
		switch l := leaf.(type) {
		case evidence.Leaf[evidence.SessionOpen]:
			c.Next(&l.Session, &l.Seq, &l.Prev)
			raw, err = evidence.Marshal(l)
		case evidence.Leaf[evidence.Intent]:
			c.Next(&l.Session, &l.Seq, &l.Prev)
			raw, err = evidence.AppendIntent(nil, &l)
		case evidence.Leaf[evidence.Denial]:
			c.Next(&l.Session, &l.Seq, &l.Prev)
			raw, err = evidence.Marshal(l)
		case evidence.Leaf[evidence.Recording]:
			c.Next(&l.Session, &l.Seq, &l.Prev)
			raw, err = evidence.Marshal(l)
		case evidence.Leaf[evidence.SessionClose]:
			l.Body.Events, l.Body.Head = c.Seq()+1, c.Head()
			edit(&l.Body)
			c.Next(&l.Session, &l.Seq, &l.Prev)
			raw, err = evidence.Marshal(l)
		}
		if err != nil {
			t.Fatal(err)
		}
		c.Add(raw)
		leaves = append(leaves, raw)
	}
	chunk := sha256.Sum256([]byte("chunk"))
	add(leaf(evidence.TypeSessionOpen, evidence.SessionOpen{}))
	add(leaf(evidence.TypeIntent, evidence.Intent{Stmt: 1, Phase: "execute"}))
	add(leaf(evidence.TypeDenial, evidence.Denial{Stmt: 2}))
	add(leaf(evidence.TypeRecording, evidence.Recording{Chunk: 1, Sealed: evidence.Sealed{SHA256: evidence.Digest([]byte("chunk"))}}))
	add(leaf(evidence.TypeSessionClose, evidence.SessionClose{Statements: 2, Denials: 1, Chunks: 1, Recording: evidence.Digest(chunk[:])}))
	return leaves
}

func TestVerifyChain(t *testing.T) {
	t.Parallel()
	same := func(l [][]byte) [][]byte { return l }
	for name, tc := range map[string]struct {
		close  func(*evidence.SessionClose)
		edit   func([][]byte) [][]byte
		open   bool
		refuse string
	}{
		"whole":            {},
		"still open":       {edit: func(l [][]byte) [][]byte { return l[:3] }, open: true},
		"first is missing": {edit: func(l [][]byte) [][]byte { return l[1:] }, refuse: "leaf 1"},
		"one is missing":   {edit: func(l [][]byte) [][]byte { return slices.Delete(l, 2, 3) }, refuse: "leaf 3"},
		"one is changed": {edit: func(l [][]byte) [][]byte {
			l[1] = bytes.Replace(l[1], []byte("execute"), []byte("Execute"), 1)
			return l
		}, refuse: "leaf 3"},
		"one is twice":     {edit: func(l [][]byte) [][]byte { return slices.Insert(l, 1, l[1]) }, refuse: "leaf 3"},
		"after the close":  {edit: func(l [][]byte) [][]byte { return append(l, l[4]) }, refuse: "leaf 6"},
		"wrong events":     {close: func(b *evidence.SessionClose) { b.Events++ }, refuse: "events"},
		"wrong head":       {close: func(b *evidence.SessionClose) { b.Head = "" }, refuse: "head"},
		"wrong denials":    {close: func(b *evidence.SessionClose) { b.Denials = 0 }, refuse: "denials"},
		"few statements":   {close: func(b *evidence.SessionClose) { b.Statements = 0 }, refuse: "statements"},
		"many statements":  {close: func(b *evidence.SessionClose) { b.Statements = 3 }, refuse: "statements"},
		"wrong chunks":     {close: func(b *evidence.SessionClose) { b.Chunks = 0 }, refuse: "chunks"},
		"wrong recording":  {close: func(b *evidence.SessionClose) { b.Recording = "" }, refuse: "recording"},
		"of two sessions":  {edit: func(l [][]byte) [][]byte { l[1] = bytes.Replace(l[1], []byte("s1"), []byte("s2"), 1); return l }, refuse: "another session"},
		"not of a session": {edit: func(l [][]byte) [][]byte { l[0] = bytes.Replace(l[0], []byte("\"session\":\"s1\","), nil, 1); return l }, refuse: "no session"},
	} {
		if tc.edit == nil {
			tc.edit = same
		}
		if tc.close == nil {
			tc.close = func(*evidence.SessionClose) {}
		}
		closed, err := evidence.VerifyChain(tc.edit(session(t, tc.close)))
		switch {
		case tc.refuse == "" && (err != nil || closed == tc.open):
			t.Errorf("%s: closed %v, %v", name, closed, err)
		case tc.refuse != "" && (sallyport.KindOf(err) != sallyport.Integrity || !strings.Contains(err.Error(), tc.refuse)):
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestProofForm(t *testing.T) {
	t.Parallel()
	skey, vkey, err := note.GenerateKey(bytes.NewReader(make([]byte, 64)), "log.example")
	if err != nil {
		t.Fatal(err)
	}
	signer, err := note.NewSigner(skey)
	if err != nil {
		t.Fatal(err)
	}
	verifier, err := note.NewVerifier(vkey)
	if err != nil {
		t.Fatal(err)
	}
	known := note.VerifierList(verifier)
	a, b := tlog.RecordHash([]byte("a")), tlog.RecordHash([]byte("b"))
	cp := evidence.Checkpoint{Origin: "log.example", Size: 2, Root: tlog.NodeHash(a, b)}
	signed, err := note.Sign(&note.Note{Text: cp.Text()}, signer)
	if err != nil {
		t.Fatal(err)
	}
	proof := evidence.FormatProof(1, tlog.RecordProof{a}, signed)
	index, got, err := evidence.VerifyProof([]byte("b"), proof, known)
	if err != nil || index != 1 || got != cp {
		t.Fatalf("index %d, checkpoint %v, %v", index, got, err)
	}
	extra := bytes.Replace(proof, []byte("index"), []byte("extra eA==\nindex"), 1)
	if _, _, err := evidence.VerifyProof([]byte("b"), extra, known); err != nil {
		t.Errorf("with extra data: %v", err)
	}
	if _, _, err := evidence.VerifyProof([]byte("x"), proof, known); err == nil {
		t.Error("another leaf is accepted")
	}
	for _, bad := range []string{
		"", "c2sp.org/tlog-proof@v1\n", "c2sp.org/tlog-proof@v1\nindex x\n\ny", "c2sp.org/tlog-proof@v1\nindex 01\n\ny",
		"c2sp.org/tlog-proof@v1\nindex 1\nabc\n\ny", "c2sp.org/tlog-proof@v2\nindex 1\n\ny", "c2sp.org/tlog-proof@v1\nextra x\n\ny",
		strings.Replace(string(proof), "index 1", "index 2", 1), strings.Replace(string(proof), "log.example\n2", "log.example\n3", 1),
	} {
		if _, _, err := evidence.VerifyProof([]byte("b"), []byte(bad), known); err == nil {
			t.Errorf("%q is accepted", bad)
		}
	}
}

// FuzzParseProof checks that what is read is written again as it was.
func FuzzParseProof(f *testing.F) {
	f.Add([]byte("c2sp.org/tlog-proof@v1\nindex 5\n" + tlog.RecordHash(nil).String() + "\n\ncheckpoint\n"))
	f.Add([]byte("c2sp.org/tlog-proof@v1\nextra eA==\nindex 0\n\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		index, proof, checkpoint, err := evidence.ParseProof(b)
		if err != nil {
			return
		}
		again := evidence.FormatProof(index, proof, checkpoint)
		i2, p2, c2, err := evidence.ParseProof(again)
		if err != nil || i2 != index || !slices.Equal(p2, proof) || !bytes.Equal(c2, checkpoint) {
			t.Fatalf("%q became %q: %v", b, again, err)
		}
	})
}
