// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package server_test

import (
	"context"
	"crypto/rand"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"filippo.io/age"
	"golang.org/x/mod/sumdb/note"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/evidence"
	"github.com/sallyport-dev/sallyport/internal/config"
	"github.com/sallyport-dev/sallyport/internal/ledger"
	"github.com/sallyport-dev/sallyport/internal/ledger/signer"
	"github.com/sallyport-dev/sallyport/internal/server"
	"github.com/sallyport-dev/sallyport/internal/vault"
	"github.com/sallyport-dev/sallyport/test/gatewaytest"
)

// edit changes the configuration of a stopped gateway.
func edit(t *testing.T, g *gatewaytest.Gateway, old, text string) *config.Config {
	t.Helper()
	b, err := os.ReadFile(g.Config)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(b), old) {
		t.Fatalf("the configuration has no %q", old)
	}
	if err := os.WriteFile(g.Config, []byte(strings.Replace(string(b), old, text, 1)), 0o644); err != nil {
		t.Fatal(err)
	}
	cfg, err := config.Load(g.Config)
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

// refused opens a gateway that must not open.
func refused(t *testing.T, cfg *config.Config, kind sallyport.Kind, want string) {
	t.Helper()
	gw, err := server.Open(context.Background(), cfg, deps())
	if err == nil {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		_ = gw.Run(ctx)
		t.Fatalf("the gateway opens; want %q", want)
	}
	if sallyport.KindOf(err) != kind || !strings.Contains(err.Error(), want) {
		t.Errorf("got %v, want %q", err, want)
	}
}

// leavesOf reads a ledger that nobody has open.
func leavesOf(t *testing.T, cfg *config.Config, vkeys []string) (leaves [][]byte) {
	t.Helper()
	skey, _, err := note.GenerateKey(rand.Reader, cfg.Origin)
	if err != nil {
		t.Fatal(err)
	}
	s, err := note.NewSigner(skey)
	if err != nil {
		t.Fatal(err)
	}
	var known []note.Verifier
	for _, k := range vkeys {
		v, err := note.NewVerifier(k)
		if err != nil {
			t.Fatal(err)
		}
		known = append(known, v)
	}
	dir := filepath.Join(t.TempDir(), "copy")
	if err := os.CopyFS(dir, os.DirFS(server.LedgerPath(cfg))); err != nil {
		t.Fatal(err)
	}
	l, err := ledger.Open(t.Context(), ledger.Options{
		Dir: dir, Origin: cfg.Origin, Signers: []note.Signer{s}, Verifiers: note.VerifierList(known...), Now: time.Now,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close(context.Background()) }()
	err = l.Scan(t.Context(), 0, func(_ uint64, leaf []byte) error {
		leaves = append(leaves, append([]byte{}, leaf...))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return leaves
}

// leafBodies returns the bodies of one type of event.
func leafBodies[B any](t *testing.T, leaves [][]byte, kind evidence.Type) (out []B) {
	t.Helper()
	for _, raw := range leaves {
		l, err := evidence.ParseLeaf(raw)
		if err != nil {
			t.Fatal(err)
		}
		if l.Type != kind {
			continue
		}
		b, err := evidence.Body[B](l)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, b)
	}
	return out
}

// busy lets a gateway record something.
func busy(t *testing.T, g *gatewaytest.Gateway) {
	t.Helper()
	conn := g.Connect(t)
	if _, err := conn.Exec(t.Context(), "select count(*) from visits"); err != nil {
		t.Fatal(err)
	}
	if err := conn.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// TestRestoredBackup puts an older ledger back, which the gateway must refuse,
// and declares it.
func TestRestoredBackup(t *testing.T) {
	g := gatewaytest.Start(t, gatewaytest.Open())
	busy(t, g)
	g.Stop(t)
	cfg, err := config.Load(g.Config)
	if err != nil {
		t.Fatal(err)
	}
	backup := filepath.Join(t.TempDir(), "backup")
	if err := os.CopyFS(backup, os.DirFS(server.LedgerPath(cfg))); err != nil {
		t.Fatal(err)
	}
	g.Run(t)
	busy(t, g)
	g.Stop(t)
	if err := os.RemoveAll(server.LedgerPath(cfg)); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(server.LedgerPath(cfg), os.DirFS(backup)); err != nil {
		t.Fatal(err)
	}
	refused(t, cfg, sallyport.Integrity, "the ledger's head names")

	if _, err := server.Rollback(t.Context(), cfg, deps(), "restored", "dana"); sallyport.KindOf(err) != sallyport.Invalid {
		t.Fatalf("a rollback under the old origin: %v", err)
	}
	cfg = edit(t, g, "origin: sallyport.test/gw", "origin: sallyport.test/gw2")
	done, err := server.Rollback(t.Context(), cfg, deps(), "the disk was restored", "dana")
	if err != nil {
		t.Fatal(err)
	}
	if done.Old != "sallyport.test/gw" || done.Size == 0 || done.Claimed <= done.Size {
		t.Errorf("%+v", done)
	}
	for _, name := range []string{"ledger/tiles/checkpoint", "head", "ledger.key"} {
		if _, err := os.Stat(filepath.Join(done.Kept, name)); err != nil {
			t.Errorf("the old %s is not kept: %v", name, err)
		}
	}
	g.Run(t)
	busy(t, g)
	keys := g.VerifierKeys()
	g.Stop(t)
	leaves := leavesOf(t, cfg, keys)
	first, err := evidence.ParseLeaf(leaves[0])
	if err != nil || first.Type != evidence.TypeRollback {
		t.Fatalf("the new log begins with %q, %v", first.Type, err)
	}
	body := leafBodies[evidence.Rollback](t, leaves, evidence.TypeRollback)[0]
	if body.Reason != "the disk was restored" || body.Size != done.Size || !strings.HasPrefix(body.Head, "sallyport.test/gw\n") || body.By != "dana" {
		t.Errorf("%+v", body)
	}
	if len(leafBodies[evidence.Intent](t, leaves, evidence.TypeIntent)) == 0 {
		t.Error("the new log records no statement")
	}
}

// TestRollbackCutShort finishes a rollback of which only the plan was written.
func TestRollbackCutShort(t *testing.T) {
	g := gatewaytest.Start(t, gatewaytest.Open())
	g.Stop(t)
	cfg := edit(t, g, "origin: sallyport.test/gw", "origin: sallyport.test/gw2")
	kept := filepath.Join(string(cfg.Data), "ledger-lost-test")
	plan := `{"body":{"of_origin":"sallyport.test/gw","size":1,"root":"","reason":"r","by":"dana"},"kept":"` + kept + `"}`
	if err := os.WriteFile(filepath.Join(string(cfg.Data), "rollback.json"), []byte(plan), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(kept, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(server.LedgerPath(cfg), filepath.Join(kept, "ledger")); err != nil {
		t.Fatal(err)
	}
	refused(t, cfg, sallyport.Unavailable, "a rollback of the ledger was begun")
	if _, err := server.Rollback(t.Context(), cfg, deps(), "another reason", "dana"); err != nil {
		t.Fatal(err)
	}
	g.Run(t)
	keys := g.VerifierKeys()
	g.Stop(t)
	if b := leafBodies[evidence.Rollback](t, leavesOf(t, cfg, keys), evidence.TypeRollback); len(b) != 1 || b[0].Reason != "r" {
		t.Errorf("%+v", b)
	}
}

// TestKeyMissing takes the key of a ledger away: no new one is made for it.
func TestKeyMissing(t *testing.T) {
	g := gatewaytest.Start(t, gatewaytest.Open())
	g.Stop(t)
	cfg, err := config.Load(g.Config)
	if err != nil {
		t.Fatal(err)
	}
	key := filepath.Join(string(cfg.Data), "keys", "ledger.key")
	if err := os.Rename(key, key+".away"); err != nil {
		t.Fatal(err)
	}
	refused(t, cfg, sallyport.Integrity, "the key that signs this ledger is missing")
	if _, err := os.Stat(key); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a key was made: %v", err)
	}
	if err := os.Rename(key+".away", key); err != nil {
		t.Fatal(err)
	}
	g.Run(t)
}

// TestKeyRotation changes the key with an overlap, and not without one.
func TestKeyRotation(t *testing.T) {
	g := gatewaytest.Start(t, gatewaytest.Open())
	old := g.VerifierKeys()[0]
	g.Stop(t)
	dir := filepath.Join(g.Dir, "data", "keys")
	next := filepath.Join(dir, "next.key")
	vkey, err := signer.Create(next, "sallyport.test/gw", rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	const before = "auditors: [age"
	alone := "ledger: {signers: [\"file:data/keys/next.key\"]}\n" + before
	cfg := edit(t, g, before, alone)
	refused(t, cfg, sallyport.Integrity, "the checkpoint does not verify")
	both := "ledger: {signers: [\"file:data/keys/next.key\", \"file:data/keys/ledger.key\"]}\n" + before
	edit(t, g, alone, both)
	g.Run(t)
	if keys := g.VerifierKeys(); len(keys) != 2 || keys[0] != vkey || keys[1] != old {
		t.Fatalf("%q", keys)
	}
	busy(t, g)
	g.Stop(t)
	cfg = edit(t, g, both, alone)
	g.Run(t)
	busy(t, g)
	g.Stop(t)

	leaves := leavesOf(t, cfg, []string{vkey})
	var rotations []string
	for _, r := range leafBodies[evidence.KeyRotate](t, leaves, evidence.TypeKeyRotate) {
		rotations = append(rotations, r.Rotation)
	}
	v, err := note.NewVerifier(old)
	if err != nil || len(rotations) != 2 {
		t.Fatalf("%d rotations, %v", len(rotations), err)
	}
	known := evidence.TrustRotations([]note.Verifier{v}, "sallyport.test/gw", rotations)
	signed, err := os.ReadFile(filepath.Join(server.LedgerPath(cfg), "tiles", "checkpoint"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := evidence.OpenCheckpoint(signed, note.VerifierList(v)); err == nil {
		t.Error("the old key still signs")
	}
	if _, err := evidence.OpenCheckpoint(signed, note.VerifierList(known...)); err != nil {
		t.Errorf("who trusted the old key cannot follow to the new one: %v", err)
	}
	if known := evidence.TrustRotations([]note.Verifier{v}, "sallyport.test/gw", rotations[1:]); len(known) != 1 {
		t.Error("a rotation is believed that no trusted key signed")
	}
}

// TestSeals opens the key of an epoch's seals as an auditor does and follows
// them.
func TestSeals(t *testing.T) {
	g := gatewaytest.Start(t, gatewaytest.Open())
	busy(t, g)
	g.Stop(t)
	keys := g.VerifierKeys()
	g.Run(t)
	g.Stop(t)
	cfg, err := config.Load(g.Config)
	if err != nil {
		t.Fatal(err)
	}
	stranger, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	var key evidence.SealKey
	epochs, sealed := 0, 0
	for _, raw := range leavesOf(t, cfg, keys) {
		l, err := evidence.ParseLeaf(raw)
		if err != nil {
			t.Fatal(err)
		}
		var seal *evidence.Seal
		switch l.Type {
		case evidence.TypeStart:
			start, _ := evidence.Body[evidence.Start](l)
			epochs++
			if _, err := vault.OpenSealKey(*start.SealKey, stranger); err == nil {
				t.Error("a stranger opens the key")
			}
			if key, err = vault.OpenSealKey(*start.SealKey, g.Auditor); err != nil {
				t.Fatal(err)
			}
		case evidence.TypeHeartbeat:
			beat, _ := evidence.Body[evidence.Heartbeat](l)
			seal = beat.Seal
		case evidence.TypeStop:
			stop, _ := evidence.Body[evidence.Stop](l)
			seal = stop.Seal
		}
		if seal == nil {
			continue
		}
		sealed++
		if missing, err := key.Check(*seal, cfg.Origin); err != nil || missing != 0 {
			t.Errorf("epoch %d: %d seals missing, %v", epochs, missing, err)
		}
	}
	if epochs != 2 || sealed < 2 {
		t.Errorf("%d epochs, %d seals", epochs, sealed)
	}
}
