// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package terminal_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"filippo.io/age"
	"go.uber.org/goleak"
	"golang.org/x/mod/sumdb/note"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/evidence"
	"github.com/sallyport-dev/sallyport/internal/analyze/shell"
	"github.com/sallyport-dev/sallyport/internal/blob/file"
	"github.com/sallyport-dev/sallyport/internal/demo/issuer"
	"github.com/sallyport-dev/sallyport/internal/grant"
	"github.com/sallyport-dev/sallyport/internal/identity"
	"github.com/sallyport-dev/sallyport/internal/ledger"
	"github.com/sallyport-dev/sallyport/internal/mask/rules"
	"github.com/sallyport-dev/sallyport/internal/mask/scan/lexicon"
	"github.com/sallyport-dev/sallyport/internal/policy"
	"github.com/sallyport-dev/sallyport/internal/record"
	"github.com/sallyport-dev/sallyport/internal/session"
	"github.com/sallyport-dev/sallyport/internal/store/sqlite"
	"github.com/sallyport-dev/sallyport/internal/terminal"
	"github.com/sallyport-dev/sallyport/internal/vault"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const policies = `
@id("connect") permit(principal, action == Action::"connect", resource == Resource::"web");
@id("run") permit(principal, action == Action::"execute", resource);
@id("raw") permit(principal, action == Action::"readRaw", resource in Label::"public");
@id("scanned") permit(principal, action == Action::"readScanned", resource in Label::"phi.note");
`

// world is an engine of real parts with one open session, without a target.
type world struct {
	t       testing.TB
	log     *ledger.Log
	vault   *vault.Vault
	blobs   *file.Store
	session *session.Session
	masks   *terminal.Masks
}

type directory struct{}

func (directory) Resource(id sallyport.ResourceID) (session.Resource, bool) {
	return session.Resource{ID: "web", Protocol: "test"}, id == "web"
}

func (directory) Eligible(sallyport.Principal, sallyport.ResourceID, sallyport.RoleID) bool {
	return true
}

func newWorld(t testing.TB, keep int64) *world {
	t.Helper()
	ctx, dir := t.Context(), t.TempDir()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	w := &world{t: t}
	skey, vkey, err := note.GenerateKey(rand.Reader, "test/gw")
	must(err)
	signer, err := note.NewSigner(skey)
	must(err)
	verifier, err := note.NewVerifier(vkey)
	must(err)
	w.log, err = ledger.Open(ctx, ledger.Options{
		Dir: filepath.Join(dir, "ledger"), Origin: "test/gw", Signers: []note.Signer{signer}, Verifiers: note.VerifierList(verifier), SegmentSize: 1 << 20,
	})
	must(err)
	t.Cleanup(func() { _ = w.log.Close(context.Background()) })
	events := session.NewEvents(w.log, "test/gw", time.Now)
	db, err := sqlite.Open(ctx, filepath.Join(dir, "store.db"))
	must(err)
	t.Cleanup(func() { _ = db.Close() })
	logger := slog.New(slog.DiscardHandler)
	grants, err := grant.New(ctx, grant.Deps{Store: db.Grants(), Journal: events, Now: time.Now, Rand: rand.Reader, Logger: logger})
	must(err)
	t.Cleanup(grants.Close)
	is, err := issuer.Start(ctx, rand.Reader, time.Now)
	must(err)
	t.Cleanup(func() { _ = is.Close() })
	deps := identity.Deps{Now: time.Now, Rand: rand.Reader, Journal: events}
	v, err := identity.New(ctx, identity.Config{Issuers: []identity.Issuer{{
		Name: "test", URL: is.URL, Audiences: []string{issuer.Audience}, Algorithms: []string{"ES256"}, AllowLoopbackHTTP: true,
		Map: []identity.Rule{{Principal: "{sub}", Kind: sallyport.CIJob, GroupsClaim: "groups"}},
	}}}, deps)
	must(err)
	tokens, err := identity.NewTokens(identity.TokenConfig{}, v, db.Tokens(), deps)
	must(err)
	must(vault.CreateMaster(filepath.Join(dir, "master"), rand.Reader))
	auditor, err := age.GenerateX25519Identity()
	must(err)
	w.vault, err = vault.Open(vault.Options{
		Path: filepath.Join(dir, "vault.json"), Master: vault.Ref("file:" + filepath.Join(dir, "master")),
		Recipients: []string{auditor.Recipient().String()}, Getenv: os.Getenv, Now: time.Now, Rand: rand.Reader,
	})
	must(err)
	w.blobs, err = file.Open(filepath.Join(dir, "blobs"))
	must(err)
	rec, err := record.NewRecorder(ctx, record.Options{Blobs: w.blobs, MaxResponseBytes: keep})
	must(err)
	set, diags := policy.Compile([]policy.File{{Name: "test.cedar", Text: policies}})
	must(diags.Err())
	engine := session.New(session.Deps{
		Events: events, Policy: func() *policy.Set { return set }, Identify: tokens, Grants: grants, Vault: w.vault,
		Directory: directory{}, Recorder: rec, Blobs: w.blobs, Now: time.Now, Rand: rand.Reader, Logger: logger,
		Waits: session.Waits{Hold: time.Second, GrantWindow: time.Hour},
	})
	token, err := is.Token("job", 10*time.Minute, map[string]any{"groups": []string{"ci"}})
	must(err)
	w.session, err = engine.Open(ctx, session.Ask{Protocols: []string{"test"}, Token: token, Resource: "web", Role: "ops", Client: "test"})
	must(err)
	t.Cleanup(func() { _ = w.session.Close("test over") })
	must(w.session.Begin(ctx, session.Target{Lineage: "none"}))
	r, err := rules.Compile(rules.Default(), rules.Deps{Lexicon: lexicon.Load, Now: time.Now})
	must(err)
	w.masks, err = terminal.New(r)
	must(err)
	return w
}

// admit admits a command whose output has a label.
func (w *world) admit(label sallyport.Label) (*session.Admission, session.Permit) {
	w.t.Helper()
	c, err := shell.NewCommands(nil, true, []sallyport.Label{label})
	if err != nil {
		w.t.Fatal(err)
	}
	a, p, err := w.session.Permit(w.t.Context(), session.Command{Statement: c.Line("web", "run it").Statement, Text: []byte("run it")})
	if err != nil {
		w.t.Fatal(err)
	}
	return a, p
}

// start starts a run whose output has a label.
func (w *world) start(label sallyport.Label, change func(*terminal.Options)) (*terminal.Run, session.Permit) {
	w.t.Helper()
	a, p := w.admit(label)
	o := terminal.Options{Session: w.session, Permit: p, Admission: a, Title: "run it", Now: time.Now}
	if change != nil {
		change(&o)
	}
	r, err := w.masks.Start(o)
	if err != nil {
		w.t.Fatal(err)
	}
	return r, p
}

// settle ends a statement.
func (w *world) settle(p session.Permit, r session.Result) {
	w.t.Helper()
	if err := w.session.Settle(p, r); err != nil {
		w.t.Fatal(err)
	}
}

// frames closes the session and returns what was recorded.
func (w *world) frames() []record.Frame {
	w.t.Helper()
	if err := w.session.Close("test over"); err != nil {
		w.t.Fatal(err)
	}
	var key record.Opener
	var chunks []evidence.Recording
	for _, l := range w.leaves() {
		switch l.Type {
		case evidence.TypeSessionOpen:
			b, err := evidence.Body[evidence.SessionOpen](l)
			if err != nil {
				w.t.Fatal(err)
			}
			i := slices.IndexFunc(b.Keys, func(k evidence.WrappedKey) bool { return k.Purpose == vault.PurposeRecording })
			if key, err = w.vault.UnwrapKey(b.Keys[i]); err != nil {
				w.t.Fatal(err)
			}
		case evidence.TypeRecording:
			b, err := evidence.Body[evidence.Recording](l)
			if err != nil {
				w.t.Fatal(err)
			}
			chunks = append(chunks, b)
		}
	}
	var out []record.Frame
	for f, err := range record.Read(w.t.Context(), w.blobs, key, w.session.ID(), chunks) {
		if err != nil {
			w.t.Fatal(err)
		}
		f.Data = bytes.Clone(f.Data)
		out = append(out, f)
	}
	return out
}

// recorded is what frames of a kind hold together.
func recorded(frames []record.Frame, kind string) string {
	var b []byte
	for _, f := range frames {
		if f.Kind == kind {
			b = append(b, f.Data...)
		}
	}
	return string(b)
}

// leaves returns every leaf of the ledger.
func (w *world) leaves() (out []evidence.Leaf[json.RawMessage]) {
	w.t.Helper()
	if err := w.log.Sync(context.Background()); err != nil {
		w.t.Fatal(err)
	}
	err := w.log.Scan(context.Background(), 0, func(_ uint64, b []byte) error {
		l, err := evidence.ParseLeaf(slices.Clone(b))
		out = append(out, l)
		return err
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return out
}
