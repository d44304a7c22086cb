// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package evidence_test

import (
	"bytes"
	"testing"

	"github.com/sallyport-dev/sallyport/evidence"
	"golang.org/x/mod/sumdb/note"
)

// TestEveryBitOfACheckpoint flips each in turn: none may be without a meaning.
func TestEveryBitOfACheckpoint(t *testing.T) {
	t.Parallel()
	skey, vkey, err := note.GenerateKey(bytes.NewReader(make([]byte, 64)), "ledger.example/gw1")
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
	for size := range uint64(6) { // signatures that end in different letters
		signed, err := note.Sign(&note.Note{Text: evidence.Checkpoint{Origin: "ledger.example/gw1", Size: size}.Text()}, signer)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := evidence.OpenCheckpoint(signed, known); err != nil {
			t.Fatal(err)
		}
		for i := range 8 * len(signed) {
			signed[i/8] ^= 1 << (i % 8)
			if _, err := evidence.OpenCheckpoint(signed, known); err == nil {
				t.Errorf("size %d, byte %d, bit %d: a changed checkpoint is opened", size, i/8, i%8)
			}
			signed[i/8] ^= 1 << (i % 8)
		}
	}
}
