// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package vault_test

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"filippo.io/age"
	"github.com/google/go-cmp/cmp"
	"github.com/tink-crypto/tink-go/v2/aead/subtle"
	"github.com/tink-crypto/tink-go/v2/tink"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/evidence"
	"github.com/sallyport-dev/sallyport/internal/vault"
)

func terms(session string, expires time.Time) vault.Terms {
	return vault.Terms{
		Session: sallyport.SessionID(session), Principal: "ci:etl", Resource: "clinic", Class: "default",
		Opened: expires.AddDate(-6, -1, 0), Expires: expires,
	}
}

func day(y int, m time.Month, d int) time.Time { return time.Date(y, m, d, 9, 0, 0, 0, time.UTC) }

func sessionKey(t *testing.T, v *vault.Vault, tm vault.Terms) *vault.SessionKey {
	t.Helper()
	k, err := v.NewSessionKey(tm)
	if err != nil {
		t.Fatalf("NewSessionKey: %v", err)
	}
	return k
}

// texts seals a text under a fresh key of a session, and returns the wrapped
// halves.
func texts(t *testing.T, k *vault.SessionKey) (wrapped []evidence.WrappedKey, sealed evidence.Sealed) {
	t.Helper()
	d, wrapped, err := k.NewDataKey(vault.PurposeText)
	if err != nil {
		t.Fatal(err)
	}
	sealed, err = d.SealText(nil, "s_1", 1, []byte("select 'exact'"))
	if err != nil {
		t.Fatal(err)
	}
	return wrapped, sealed
}

func aad() []byte { return evidence.AppendAAD(nil, "s_1", 1, vault.PurposeText) }

// keyFiles lists the files of the key store.
func keyFiles(t *testing.T, o vault.Options) (names []string) {
	t.Helper()
	root := filepath.Join(filepath.Dir(o.Path), "session-keys")
	err := filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			names = append(names, p)
		}
		return err
	})
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	return names
}

// TestTextNeedsBothHalves: neither the gateway nor an auditor opens a text
// alone, and nobody does once the session's key is destroyed.
func TestTextNeedsBothHalves(t *testing.T) {
	t.Parallel()
	o, auditor := options(t, t.TempDir())
	v := open(t, o)
	k := sessionKey(t, v, terms("s_1", day(2032, 12, 21)))
	wrapped, sealed := texts(t, k)
	if len(wrapped) != 2 || wrapped[0].To != "age" || wrapped[1].To != "session" || wrapped[0].By != k.ID() || wrapped[1].By != k.ID() || wrapped[0].ID != wrapped[1].ID {
		t.Fatalf("wrapped: %+v", wrapped)
	}
	half, err := open(t, o).Half(wrapped[1]) // after a restart
	if err != nil {
		t.Fatal(err)
	}
	key, err := vault.OpenAge(wrapped[0], half, auditor)
	if err != nil {
		t.Fatal(err)
	}
	if plain, err := key.Open(nil, sealed.Data, aad()); err != nil || string(plain) != "select 'exact'" {
		t.Fatalf("%q, %v", plain, err)
	}

	// The auditor alone.
	if _, err := vault.OpenAge(wrapped[0], nil, auditor); sallyport.KindOf(err) != sallyport.Invalid {
		t.Errorf("without the gateway's half: %v", err)
	}
	none, err := vault.OpenAge(wrapped[0], make([]byte, 32), auditor)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := none.Open(nil, sealed.Data, aad()); sallyport.KindOf(err) != sallyport.Integrity {
		t.Errorf("the auditors' half by itself: %v", err)
	}
	// The gateway alone.
	if _, err := v.UnwrapKey(wrapped[1]); sallyport.KindOf(err) != sallyport.Denied {
		t.Errorf("UnwrapKey of a half: %v", err)
	}
	for _, w := range wrapped {
		as := w
		as.Purpose = vault.PurposeRecording
		if _, err := v.UnwrapKey(as); err == nil {
			t.Errorf("a half that is wrapped to %s passes for a key of recordings", w.To)
		}
	}
	stranger, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := vault.OpenAge(wrapped[0], half, stranger); sallyport.KindOf(err) != sallyport.Integrity {
		t.Errorf("a stranger: %v", err)
	}
	// A half of another session.
	other := sessionKey(t, v, terms("s_2", day(2032, 12, 21)))
	w2, _ := texts(t, other)
	moved := wrapped[1]
	moved.By = other.ID()
	if _, err := v.Half(moved); sallyport.KindOf(err) != sallyport.Integrity {
		t.Errorf("a half under another session's key: %v", err)
	}
	moved = wrapped[0]
	moved.By = other.ID()
	if _, err := vault.OpenAge(moved, half, auditor); sallyport.KindOf(err) != sallyport.Integrity {
		t.Errorf("the auditors' half as that of another session: %v", err)
	}

	destroy(t, v, k.ID())
	for name, v := range map[string]*vault.Vault{"the gateway": v, "after a restart": open(t, o)} {
		if _, err := v.Half(wrapped[1]); sallyport.KindOf(err) != sallyport.NotFound {
			t.Errorf("%s has a half of a destroyed key: %v", name, err)
		}
		if _, err := v.Half(w2[1]); err != nil {
			t.Errorf("%s: the other session's half: %v", name, err)
		}
	}
}

func destroy(t *testing.T, v *vault.Vault, id string) {
	t.Helper()
	for _, err := range []error{v.DoomKey(id, []byte("why")), v.DestroyKey(id), v.SpareKey(id)} {
		if err != nil {
			t.Fatalf("destroy: %v", err)
		}
	}
}

func TestRecordingKeyOfASession(t *testing.T) {
	t.Parallel()
	o, _ := options(t, t.TempDir())
	v := open(t, o)
	k := sessionKey(t, v, terms("s_1", day(2032, 12, 21)))
	d, wrapped, err := k.NewDataKey(vault.PurposeRecording)
	if err != nil || len(wrapped) != 1 {
		t.Fatalf("%+v, %v", wrapped, err)
	}
	sealed, err := d.Seal(nil, []byte("masked"), []byte("x"))
	if err != nil {
		t.Fatal(err)
	}
	key, err := open(t, o).UnwrapKey(wrapped[0])
	if err != nil {
		t.Fatal(err)
	}
	if plain, err := key.Open(nil, sealed, []byte("x")); err != nil || string(plain) != "masked" {
		t.Errorf("%q, %v", plain, err)
	}
	if _, err := v.Half(wrapped[0]); sallyport.KindOf(err) != sallyport.Invalid {
		t.Errorf("a half of a key for recordings: %v", err)
	}
	destroy(t, v, k.ID())
	if _, err := v.UnwrapKey(wrapped[0]); sallyport.KindOf(err) != sallyport.NotFound {
		t.Errorf("UnwrapKey after the destruction: %v", err)
	}
}

func TestDestroyLeavesNothingOfTheKey(t *testing.T) {
	t.Parallel()
	o, _ := options(t, t.TempDir())
	v := open(t, o)
	k := sessionKey(t, v, terms("s_1", day(2032, 12, 21)))
	files := keyFiles(t, o)
	if len(files) != 1 || filepath.Base(filepath.Dir(files[0])) != "2032-12" || filepath.Base(files[0]) != k.ID() {
		t.Fatalf("files: %v", files)
	}
	if info, err := os.Stat(files[0]); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	link := filepath.Join(t.TempDir(), "link") // keeps the file's content in sight
	if err := os.Link(files[0], link); err != nil {
		t.Fatal(err)
	}
	if err := v.DestroyKey(k.ID()); sallyport.KindOf(err) != sallyport.Internal {
		t.Errorf("a key that is not doomed: %v", err)
	}
	destroy(t, v, k.ID())
	if files := keyFiles(t, o); len(files) != 0 {
		t.Errorf("left: %v", files)
	}
	b, err := os.ReadFile(link)
	if err != nil || len(b) == 0 || len(bytes.Trim(b, "\x00")) != 0 {
		t.Errorf("the file was not overwritten: %d bytes, %v", len(b), err)
	}
	if err := v.DoomKey(k.ID(), nil); sallyport.KindOf(err) != sallyport.NotFound {
		t.Errorf("DoomKey of what is gone: %v", err)
	}
}

// TestSessionKeys goes through a destruction that stops after each step.
func TestSessionKeys(t *testing.T) {
	t.Parallel()
	o, _ := options(t, t.TempDir())
	v := open(t, o)
	early, late := sessionKey(t, v, terms("s_1", day(2027, 1, 5))), sessionKey(t, v, terms("s_2", day(2032, 12, 21)))
	list := func(until time.Time) map[string]string {
		out := map[string]string{}
		err := v.SessionKeys(until, func(k vault.KeyInfo) error {
			state := "used by " + string(k.Terms.Session)
			switch {
			case k.Damaged != nil:
				state = "damaged"
			case k.Gone:
				state = "gone: " + string(k.Doom)
			case k.Doom != nil:
				state = "doomed: " + string(k.Doom)
			}
			out[k.ID] = state
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	check := func(what string, until time.Time, want map[string]string) {
		t.Helper()
		if diff := cmp.Diff(want, list(until)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", what, diff)
		}
	}
	check("all", time.Time{}, map[string]string{early.ID(): "used by s_1", late.ID(): "used by s_2"})
	check("early", day(2027, 1, 1), map[string]string{early.ID(): "used by s_1"})
	check("none", day(2026, 12, 31), map[string]string{})
	if err := v.DoomKey(late.ID(), []byte("w")); err != nil {
		t.Fatal(err)
	}
	if _, err := v.SessionTerms(late.ID()); sallyport.KindOf(err) != sallyport.NotFound {
		t.Errorf("a doomed key has terms: %v", err)
	}
	check("doomed", day(2027, 1, 1), map[string]string{early.ID(): "used by s_1", late.ID(): "doomed: w"})
	if err := v.SpareKey(late.ID()); err != nil {
		t.Fatal(err)
	}
	if tm, err := v.SessionTerms(late.ID()); err != nil || tm != terms("s_2", day(2032, 12, 21)) {
		t.Errorf("a spared key: %+v, %v", tm, err)
	}
	for _, f := range []func() error{
		func() error { return v.DoomKey(late.ID(), []byte("w")) }, func() error { return v.DestroyKey(late.ID()) }, func() error { return v.DestroyKey(late.ID()) },
	} {
		if err := f(); err != nil {
			t.Fatal(err)
		}
	}
	check("gone", time.Unix(0, 0), map[string]string{late.ID(): "gone: w"})
	// Damage to one key does not hide the others.
	if err := os.WriteFile(filepath.Join(filepath.Dir(o.Path), "session-keys", "2027-01", early.ID()), []byte("{}"), 0o600); err != nil {
		t.Fatal(err)
	}
	check("damaged", time.Time{}, map[string]string{early.ID(): "damaged", late.ID(): "gone: w"})
}

// TestTermsAreBound: nobody shortens or lengthens a key's life in its file.
func TestTermsAreBound(t *testing.T) {
	t.Parallel()
	o, _ := options(t, t.TempDir())
	v := open(t, o)
	k := sessionKey(t, v, terms("s_1", day(2032, 12, 21)))
	wrapped, _ := texts(t, k)
	file := keyFiles(t, o)[0]
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, bytes.Replace(b, []byte("2032-12-21"), []byte("2032-12-22"), 1), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := v.Half(wrapped[1]); sallyport.KindOf(err) != sallyport.Integrity {
		t.Errorf("with other terms: %v", err)
	}
	for _, id := range []string{"", "sk_", "../vault.json", "sk_2032-12_" + strings.Repeat("a", 19) + "/", "sk_2032-13_" + strings.Repeat("a", 20), "sk_2032-12_" + strings.Repeat("A", 20)} {
		if _, err := v.SessionTerms(id); sallyport.KindOf(err) != sallyport.NotFound {
			t.Errorf("%q: %v", id, err)
		}
	}
	for _, tm := range []vault.Terms{{}, {Class: "x"}, {Expires: day(2032, 1, 1)}, terms("s", day(12000, 1, 1))} {
		if _, err := v.NewSessionKey(tm); err == nil {
			t.Errorf("a key under the terms %+v", tm)
		}
	}
}

// kms is a key management service: another AEAD behind the interface of Tink's
// clients.
type kms struct {
	tink.AEAD
	asked []string
}

func (k *kms) Supported(uri string) bool { return strings.HasPrefix(uri, "test-kms://") }

func (k *kms) GetAEAD(uri string) (tink.AEAD, error) {
	if uri != "test-kms://ring/key" {
		return nil, errors.New("no such key")
	}
	return k, nil
}

func (k *kms) Decrypt(ciphertext, ad []byte) ([]byte, error) {
	k.asked = append(k.asked, string(ad))
	return k.AEAD.Decrypt(ciphertext, ad)
}

func TestMasterKeyInAKMS(t *testing.T) {
	t.Parallel()
	o, auditor := options(t, t.TempDir())
	a, err := subtle.NewChaCha20Poly1305(bytes.Repeat([]byte{7}, 32))
	if err != nil {
		t.Fatal(err)
	}
	service := &kms{AEAD: a}
	o.Master, o.KMS = "test-kms://ring/key", []vault.KMS{service}
	v := open(t, o)
	put(t, v, "clinic", "app", "pw")
	k := sessionKey(t, v, terms("s_1", day(2032, 12, 21)))
	wrapped, sealed := texts(t, k)

	v = open(t, o)
	if len(service.asked) != 1 {
		t.Errorf("the service was asked to decrypt %d times at a start", len(service.asked))
	}
	half, err := v.Half(wrapped[1])
	if err != nil {
		t.Fatal(err)
	}
	key, err := vault.OpenAge(wrapped[0], half, auditor)
	if err != nil {
		t.Fatal(err)
	}
	if plain, err := key.Open(nil, sealed.Data, aad()); err != nil || string(plain) != "select 'exact'" {
		t.Errorf("%q, %v", plain, err)
	}
	if l, err := v.Lease(t.Context(), "vault:clinic"); err != nil || string(l.Password()) != "pw" {
		t.Errorf("a lease: %v", err)
	}
	for master, kind := range map[vault.Ref]sallyport.Kind{
		"test-kms://ring/other": sallyport.Unavailable, "gcp-kms://ring/key": sallyport.Invalid, "env:MASTER": sallyport.Integrity,
	} {
		o.Master = master
		if _, err := vault.Open(o); sallyport.KindOf(err) != kind {
			t.Errorf("%s: %v", master, err)
		}
	}
}

func TestNewDataKeyOfASessionRefuses(t *testing.T) {
	t.Parallel()
	o, _ := options(t, t.TempDir())
	o.Recipients = nil
	k := sessionKey(t, open(t, o), terms("s_1", day(2032, 12, 21)))
	for _, purpose := range []string{vault.PurposeText, "", "other"} {
		if _, _, err := k.NewDataKey(purpose); sallyport.KindOf(err) != sallyport.Invalid {
			t.Errorf("%q: %v", purpose, err)
		}
	}
}

// TestKeyStoreThatCannotBeWritten: without a durable key there is none.
func TestKeyStoreThatCannotBeWritten(t *testing.T) {
	t.Parallel()
	o, _ := options(t, t.TempDir())
	v := open(t, o)
	if err := os.WriteFile(filepath.Join(filepath.Dir(o.Path), "session-keys"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := v.NewSessionKey(terms("s_1", day(2032, 12, 21))); sallyport.KindOf(err) != sallyport.Unavailable {
		t.Errorf("a key: %v", err)
	}
	if err := v.SessionKeys(time.Time{}, func(vault.KeyInfo) error { return nil }); sallyport.KindOf(err) != sallyport.Unavailable {
		t.Errorf("a list: %v", err)
	}
}
