// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

// Package forgery makes evidence bundles out of a real ledger, and changes them
// as somebody would who wants an auditor to believe something else. The tests of
// all verifiers run the same manipulations.
package forgery

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"strings"
	"testing"
	"time"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/evidence"
	"github.com/sallyport-dev/sallyport/internal/export"
	"github.com/sallyport-dev/sallyport/internal/ledger"
	"golang.org/x/mod/sumdb/note"
)

// Origin is the name of the log.
const Origin = "ledger.example/gw7"

const policyText = "@id(\"claims\")\npermit(principal, action, resource);\n// \u2028 a comment, \"quoted\"\n"

// Log is a gateway's log, which a witness cosigns.
type Log struct {
	// Key is the log's verifier key, OtherKey one that nobody should trust.
	Key, OtherKey string
	// Witnesses is a policy (C2SP tlog-policy) that demands the witness.
	Witnesses []byte
	// SealKey opens the seals.
	SealKey evidence.SealKey

	t             testing.TB
	ledger        *ledger.Log
	signer, other note.Signer
	witness       ed25519.PrivateKey
	now           time.Time
	chains        map[sallyport.SessionID]*evidence.Chain
	blobs         map[string][]byte
	policy        sallyport.PolicyDigest
}

// New returns a log that ends with the test and has one epoch in it, of two
// sessions and whatever a bundle can hold.
func New(t testing.TB) *Log {
	t.Helper()
	l := &Log{
		t: t, now: time.Date(2026, 5, 6, 7, 0, 0, 123456789, time.UTC), chains: map[sallyport.SessionID]*evidence.Chain{},
		blobs: map[string][]byte{}, policy: sallyport.PolicyDigest(evidence.Digest([]byte(policyText))),
	}
	l.signer, l.Key = key(t, 1)
	l.other, l.OtherKey = key(t, 2)
	l.witness = ed25519.NewKeyFromSeed(bytes.Repeat([]byte{3}, ed25519.SeedSize))
	l.Witnesses = fmt.Appendf(nil, "witness tower %s\nquorum tower\n", l.witnessKey())
	ratchet, first, err := ledger.NewRatchet(bytes.NewReader(bytes.Repeat([]byte{4}, evidence.SealKeySize)))
	if err != nil {
		t.Fatal(err)
	}
	l.SealKey = evidence.NewSealKey([evidence.SealKeySize]byte(first))
	verifier, err := note.NewVerifier(l.Key)
	if err != nil {
		t.Fatal(err)
	}
	l.ledger, err = ledger.Open(t.Context(), ledger.Options{
		Dir: t.TempDir(), Origin: Origin, Signers: []note.Signer{l.signer}, Verifiers: note.VerifierList(verifier), Ratchet: ratchet,
		SegmentSize: ledger.MinSegmentSize, CheckpointEvery: time.Hour,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.ledger.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	l.begin()
	return l
}

func key(t testing.TB, seed byte) (note.Signer, string) {
	t.Helper()
	skey, vkey, err := note.GenerateKey(bytes.NewReader(bytes.Repeat([]byte{seed}, 64)), Origin)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := note.NewSigner(skey)
	if err != nil {
		t.Fatal(err)
	}
	return signer, vkey
}

const witnessName = "witness.example/tower"

// typed is the witness's public key after the type of its signatures (C2SP
// tlog-cosignature).
func (l *Log) typed() []byte {
	return append([]byte{4}, l.witness[ed25519.SeedSize:]...)
}

func (l *Log) witnessID() []byte {
	sum := sha256.Sum256(append([]byte(witnessName+"\n"), l.typed()...))
	return sum[:4]
}

func (l *Log) witnessKey() string {
	return fmt.Sprintf("%s+%x+%s", witnessName, l.witnessID(), base64.StdEncoding.EncodeToString(l.typed()))
}

// Checkpoint publishes the log and has it cosigned.
func (l *Log) Checkpoint(ctx context.Context) ([]byte, error) {
	signed, err := l.ledger.Publish(ctx)
	if err != nil {
		return nil, err
	}
	text, _, _ := strings.Cut(string(signed), "\n\n")
	at := uint64(l.now.Unix())
	sig := ed25519.Sign(l.witness, fmt.Appendf(nil, "cosignature/v1\ntime %d\n%s\n", at, text))
	line := append(binary.BigEndian.AppendUint64(l.witnessID(), at), sig...)
	return fmt.Appendf(signed, "— %s %s\n", witnessName, base64.StdEncoding.EncodeToString(line)), nil
}

// Keep is Checkpoint for an auditor who keeps it.
func (l *Log) Keep() (signed []byte, size uint64) {
	l.t.Helper()
	signed, err := l.Checkpoint(l.t.Context())
	if err != nil {
		l.t.Fatal(err)
	}
	return signed, l.ledger.Size()
}

// Bundle exports what a filter selects.
func (l *Log) Bundle(f export.Filter) []byte {
	l.t.Helper()
	var buf bytes.Buffer
	_, err := export.Build(l.t.Context(), &buf, export.Source{
		Checkpoint: l.Checkpoint, Scan: l.ledger.Scan, Subtree: l.ledger.Subtree,
		Blob: func(_ context.Context, digest string) ([]byte, error) {
			if b, ok := l.blobs[digest]; ok {
				return b, nil
			}
			return nil, sallyport.E(sallyport.NotFound, "blob get", "erased")
		},
		Replay: func(_ context.Context, id sallyport.SessionID, _ []uint64) ([]byte, error) {
			return fmt.Appendf(nil, "{\"session\":%q,\"row\":[\"***\",\"17\"]}\n", id), nil
		},
		Signers: []note.Signer{l.signer}, Keys: []string{l.Key}, Recipients: []string{"age1example"}, Now: func() time.Time { return l.now },
	}, f)
	if err != nil {
		l.t.Fatalf("build: %v", err)
	}
	return buf.Bytes()
}

// Erase forgets a ciphertext of which leaves have the digest.
func (l *Log) Erase() { clear(l.blobs) }

// Now is the time of the last event.
func (l *Log) Now() time.Time { return l.now }

// put appends an event; session is "" for one outside of sessions.
func put[B any](l *Log, session sallyport.SessionID, t evidence.Type, body B) {
	l.t.Helper()
	l.now = l.now.Add(1234567 * time.Microsecond)
	leaf := evidence.Leaf[B]{V: evidence.LeafVersion, Type: t, Origin: Origin, Time: l.now, Mono: l.now.UnixNano(), Body: body}
	chain := l.chains[session]
	if session != "" && chain == nil {
		c := evidence.NewChain(session)
		chain = &c
		l.chains[session] = chain
	}
	if chain != nil {
		chain.Next(&leaf.Session, &leaf.Seq, &leaf.Prev)
	}
	raw, err := evidence.Marshal(leaf)
	if err != nil {
		l.t.Fatal(err)
	}
	if chain != nil {
		chain.Add(raw)
	}
	if _, err := l.ledger.Append(l.t.Context(), raw); err != nil {
		l.t.Fatal(err)
	}
}
