// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package retention_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"filippo.io/age"
	"go.uber.org/goleak"
	"golang.org/x/mod/sumdb/note"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/evidence"
	"github.com/sallyport-dev/sallyport/internal/blob/file"
	"github.com/sallyport-dev/sallyport/internal/ledger"
	"github.com/sallyport-dev/sallyport/internal/retention"
	"github.com/sallyport-dev/sallyport/internal/session"
	"github.com/sallyport-dev/sallyport/internal/store"
	"github.com/sallyport-dev/sallyport/internal/store/sqlite"
	"github.com/sallyport-dev/sallyport/internal/vault"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const origin = "test/gw"

// bench is a keeper with the real parts around it: ledger, store, vault, blobs.
type bench struct {
	t       *testing.T
	dir     string
	now     time.Time
	auditor *age.X25519Identity
	signer  note.Signer
	known   note.Verifiers

	log    *ledger.Log
	db     *sqlite.Store
	vault  *vault.Vault
	blobs  *file.Store
	events *session.Events
	keeper *retention.Service
	alive  map[sallyport.SessionID]bool
	stop   *stopper

	sessions int
	policy   sallyport.PolicyDigest
}

const policyText = "permit(principal, action, resource);\n"

func newBench(t *testing.T) *bench {
	t.Helper()
	b := &bench{
		t: t, dir: t.TempDir(), now: time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC), alive: map[sallyport.SessionID]bool{},
		policy: sallyport.PolicyDigest(evidence.Digest([]byte(policyText))),
	}
	var err error
	b.auditor, err = age.GenerateX25519Identity()
	b.must(err)
	skey, vkey, err := note.GenerateKey(rand.Reader, origin)
	b.must(err)
	b.signer, err = note.NewSigner(skey)
	b.must(err)
	v, err := note.NewVerifier(vkey)
	b.must(err)
	b.known = note.VerifierList(v)
	b.open()
	t.Cleanup(b.close)
	b.must(b.events.PolicyLoaded(t.Context(), b.policy, "policy.cedar", policyText))
	return b
}

func (b *bench) must(err error) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
}

// open opens everything, as a start of the gateway does.
func (b *bench) open() {
	b.t.Helper()
	var err error
	b.log, err = ledger.Open(b.t.Context(), ledger.Options{
		Dir: filepath.Join(b.dir, "ledger"), Origin: origin, Signers: []note.Signer{b.signer}, Verifiers: b.known, SegmentSize: ledger.MinSegmentSize, CheckpointEvery: time.Hour,
	})
	b.must(err)
	b.db, err = sqlite.Open(b.t.Context(), filepath.Join(b.dir, "store.db"))
	b.must(err)
	b.vault, err = vault.Open(vault.Options{
		Path: filepath.Join(b.dir, "vault.json"), Master: "env:M", Recipients: []string{b.auditor.Recipient().String()},
		Getenv: func(string) string { return strings.Repeat("5a", 32) }, Now: b.clock, Rand: rand.Reader,
	})
	b.must(err)
	b.blobs, err = file.Open(filepath.Join(b.dir, "blobs"))
	b.must(err)
	b.events = session.NewEvents(b.log, origin, b.clock)
	b.stop = &stopper{bench: b}
	b.keeper, err = retention.New(b.t.Context(), retention.Deps{
		Keys: b.stop, Index: b.db.Index(), Journal: b.stop, Log: b.log, Blobs: b.stop, CatchUp: b.catchUp, Leaves: b.leaves,
		Alive: func(id sallyport.SessionID) bool { return b.alive[id] }, Default: sallyport.DefaultPeriod(),
		Now: b.clock, Rand: rand.Reader, Logger: slog.New(slog.DiscardHandler),
	})
	b.must(err)
}

func (b *bench) close() {
	b.must(b.log.Close(context.Background()))
	b.must(b.db.Close())
}

// reopen is a restart, after which an interrupted destruction is completed.
func (b *bench) reopen() {
	b.t.Helper()
	b.close()
	b.open()
	b.must(b.keeper.Complete(b.t.Context()))
}

func (b *bench) clock() time.Time { return b.now }

func (b *bench) catchUp(ctx context.Context) error {
	from, err := b.db.Index().Cursor(ctx)
	if err != nil {
		return err
	}
	var batch []store.Entry
	err = b.log.Scan(ctx, from, func(i uint64, leaf []byte) error {
		l, err := evidence.ParseLeaf(bytes.Clone(leaf))
		batch = append(batch, store.Entry{Index: i, Leaf: l})
		return err
	})
	return errors.Join(err, b.db.Index().Put(ctx, batch...))
}

func (b *bench) leaves(ctx context.Context, id sallyport.SessionID, fn func([]byte) error) error {
	indexes, err := b.db.Index().Leaves(ctx, id)
	if err != nil {
		return err
	}
	for _, i := range indexes {
		leaf, err := b.log.Read(ctx, i)
		if err != nil {
			return err
		}
		if err := fn(leaf); err != nil {
			return err
		}
	}
	return nil
}

// written is a session on the ledger, with what opens it.
type written struct {
	id         sallyport.SessionID
	key        string
	keys       []evidence.WrappedKey
	text, wide evidence.Sealed // a text in the leaf, and one that is too wide for it
	wideText   []byte
	chunk      evidence.Sealed // of the recording
}

const exact = "select * from patients where ssn = '900-11-2233'"

// session writes a session of an hour under a retention class.
func (b *bench) session(resource, class string, period sallyport.Period) written {
	b.t.Helper()
	b.sessions++
	w := written{id: sallyport.SessionID(fmt.Sprintf("s_%d", b.sessions)), wideText: bytes.Repeat([]byte(exact), 200)}
	tm := vault.Terms{
		Session: w.id, Principal: "ci:etl", Resource: sallyport.ResourceID(resource), Grant: sallyport.GrantID(fmt.Sprintf("g_%d", b.sessions)),
		Class: class, Opened: b.now, Expires: period.After(b.now),
	}
	k, err := b.vault.NewSessionKey(tm)
	b.must(err)
	w.key = k.ID()
	text, keys, err := k.NewDataKey(vault.PurposeText)
	b.must(err)
	rec, recKeys, err := k.NewDataKey(vault.PurposeRecording)
	b.must(err)
	w.keys = append(keys, recKeys...)
	chain := evidence.NewChain(w.id)
	grant := sallyport.Grant{ID: tm.Grant, Principal: tm.Principal, Resource: tm.Resource, Request: "req_1", Policy: b.policy}
	append1(b, &chain, evidence.TypeSessionOpen, evidence.SessionOpen{
		Principal: sallyport.Principal{ID: tm.Principal}, Resource: tm.Resource, Grant: &grant, Policy: b.policy, Keys: w.keys, Class: class, Expires: tm.Expires,
	})
	w.text, err = text.SealText(nil, w.id, 1, []byte(exact))
	b.must(err)
	append1(b, &chain, evidence.TypeIntent, evidence.Intent{Stmt: 1, Phase: "execute", Readable: "select * from patients where ssn = $1", Policy: b.policy, Sealed: &w.text})
	w.wide, err = text.SealText(nil, w.id, 2, w.wideText)
	b.must(err)
	b.must(b.blobs.Put(b.t.Context(), w.wide.SHA256, w.wide.Data))
	outside := w.wide
	outside.Data = nil
	append1(b, &chain, evidence.TypeDenial, evidence.Denial{Stmt: 2, Readable: "…", Policy: b.policy, Sealed: &outside})
	ct, err := rec.Seal(nil, []byte("masked rows"), evidence.AppendAAD(nil, w.id, 1, vault.PurposeRecording))
	b.must(err)
	sum := sha256.Sum256(ct)
	w.chunk = evidence.Sealed{Key: rec.ID(), SHA256: hex.EncodeToString(sum[:]), Len: len(ct)}
	b.must(b.blobs.Put(b.t.Context(), w.chunk.SHA256, ct))
	append1(b, &chain, evidence.TypeRecording, evidence.Recording{Chunk: 1, First: 1, Last: 1, Sealed: w.chunk})
	b.now = b.now.Add(time.Hour)
	append1(b, &chain, evidence.TypeSessionClose, evidence.SessionClose{
		Statements: 1, Denials: 1, Events: chain.Seq() + 1, Head: chain.Head(), Chunks: 1, Recording: digestOf(sum[:]),
	})
	return w
}

func digestOf(b []byte) string { return evidence.Digest(b) }

func append1[B any](b *bench, chain *evidence.Chain, t evidence.Type, body B) {
	b.t.Helper()
	leaf := evidence.Leaf[B]{V: evidence.LeafVersion, Type: t, Origin: origin, Time: b.now, Body: body}
	if chain != nil {
		chain.Next(&leaf.Session, &leaf.Seq, &leaf.Prev)
	}
	raw, err := evidence.Marshal(leaf)
	b.must(err)
	if chain != nil {
		chain.Add(raw)
	}
	_, err = b.log.Append(b.t.Context(), raw)
	b.must(err)
}

// readable reports how much of a session somebody reads who has everything that
// there is: the vault with its master key, the blobs, the ledger and the
// auditor's identity.
func (b *bench) readable(w written) (texts, recordings int) {
	b.t.Helper()
	for _, k := range w.keys {
		if k.To == evidence.ToSession && k.Purpose == vault.PurposeRecording {
			ct, err := b.blobs.Get(b.t.Context(), w.chunk.SHA256)
			key, kerr := b.vault.UnwrapKey(k)
			if err == nil && kerr == nil {
				_, err = key.Open(nil, ct, evidence.AppendAAD(nil, w.id, 1, vault.PurposeRecording))
				b.must(err)
				recordings++
			}
		}
	}
	half, err := b.vault.Half(w.keys[1])
	if err != nil {
		half = make([]byte, evidence.HalfSize)
	}
	key, err := vault.OpenAge(w.keys[0], half, b.auditor)
	b.must(err)
	for stmt, s := range map[uint64]evidence.Sealed{1: w.text, 2: w.wide} { // whoever kept the ciphertexts has them
		if plain, err := key.Open(nil, s.Data, evidence.AppendAAD(nil, w.id, stmt, vault.PurposeText)); err == nil && strings.Contains(string(plain), exact) {
			texts++
		}
	}
	return texts, recordings
}

func (b *bench) wantReadable(what string, w written, yes bool) {
	b.t.Helper()
	texts, recordings := b.readable(w)
	if yes && (texts != 2 || recordings != 1) || !yes && texts+recordings > 0 {
		b.t.Errorf("%s: %d texts and %d recordings can be read", what, texts, recordings)
	}
	for _, digest := range []string{w.wide.SHA256, w.chunk.SHA256} {
		if has, err := b.blobs.Has(b.t.Context(), digest); has != yes || err != nil {
			b.t.Errorf("%s: a blob is there: %v, %v", what, has, err)
		}
	}
}

// events of a type that are on the ledger.
func eventsOf[B any](b *bench, typ evidence.Type) (out []B) {
	b.t.Helper()
	b.must(b.log.Scan(b.t.Context(), 0, func(_ uint64, raw []byte) error {
		leaf, err := evidence.ParseLeaf(raw)
		if err != nil || leaf.Type != typ {
			return err
		}
		body, err := evidence.Body[B](leaf)
		out = append(out, body)
		return err
	}))
	return out
}

// stopper is between the keeper and its parts and ends the world at the n-th
// change that the keeper makes: the change itself still happens, or not.
type stopper struct {
	*bench
	at, n int
	after bool
	dead  bool
}

var errDead = errors.New("the process is gone")

func (s *stopper) change(f func() error) error {
	if s.dead {
		return errDead
	}
	s.n++
	if s.n != s.at {
		return f()
	}
	s.dead = true
	if s.after {
		s.must(f())
	}
	return errDead
}

func (s *stopper) SessionKeys(until time.Time, fn func(vault.KeyInfo) error) error {
	return s.vault.SessionKeys(until, fn)
}

func (s *stopper) SessionTerms(id string) (vault.Terms, error) { return s.vault.SessionTerms(id) }

func (s *stopper) DoomKey(id string, note []byte) error {
	return s.change(func() error { return s.vault.DoomKey(id, note) })
}

func (s *stopper) SpareKey(id string) error {
	return s.change(func() error { return s.vault.SpareKey(id) })
}

func (s *stopper) DestroyKey(id string) error {
	return s.change(func() error { return s.vault.DestroyKey(id) })
}

func (s *stopper) Delete(ctx context.Context, digest string) error {
	return s.change(func() error { return s.blobs.Delete(ctx, digest) })
}

func (s *stopper) KeysDestroyed(ctx context.Context, list ...evidence.KeyDestroyed) error {
	return s.change(func() error { return s.events.KeysDestroyed(ctx, list...) })
}

func (s *stopper) LegalHold(ctx context.Context, h evidence.LegalHold) error {
	return s.events.LegalHold(ctx, h)
}

func (s *stopper) LogPruned(ctx context.Context, p evidence.LogPruned) error {
	return s.events.LogPruned(ctx, p)
}

func (s *stopper) PolicyLoaded(ctx context.Context, d sallyport.PolicyDigest, source, text string) error {
	return s.events.PolicyLoaded(ctx, d, source, text)
}

func contextFor(t *testing.T) (context.Context, context.CancelFunc) {
	return context.WithTimeout(t.Context(), time.Minute)
}
