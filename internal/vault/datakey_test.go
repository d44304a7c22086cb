// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package vault_test

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"sync"
	"testing"

	"filippo.io/age"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/evidence"
	"github.com/sallyport-dev/sallyport/internal/vault"
)

func TestTextKeyIsForAuditorsOnly(t *testing.T) {
	t.Parallel()
	o, id := options(t, t.TempDir())
	second, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	stranger, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	o.Recipients = append(o.Recipients, second.Recipient().String())
	v := open(t, o)
	k, w, err := v.NewDataKey(vault.PurposeText)
	if err != nil {
		t.Fatal(err)
	}
	if w.To != "age" || w.Purpose != "text" || w.ID != k.ID() {
		t.Errorf("wrapped as %q for %q with id %q", w.To, w.Purpose, w.ID)
	}
	text := []byte("select * from patients where ssn = '078-05-1120'")
	s, err := k.SealText(nil, "s_1", 7, text)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(s.Data)
	if s.SHA256 != hex.EncodeToString(sum[:]) || s.Len != len(s.Data) || s.Len != len(text)+vault.Overhead || s.Key != w.ID {
		t.Errorf("the commitment does not fit: %+v", s)
	}
	for _, auditor := range []age.Identity{id, second} {
		ok, err := vault.OpenAge(w, nil, auditor)
		if err != nil {
			t.Fatalf("OpenAge: %v", err)
		}
		got, err := ok.Open(nil, s.Data, evidence.AppendAAD(nil, "s_1", 7, "text"))
		if err != nil || !bytes.Equal(got, text) {
			t.Errorf("Open = %q, %v", got, err)
		}
	}
	if _, err := vault.OpenAge(w, nil, stranger); sallyport.KindOf(err) != sallyport.Integrity {
		t.Errorf("a stranger's OpenAge = %v, want integrity", err)
	}
	if _, err := v.UnwrapKey(w); sallyport.KindOf(err) != sallyport.Denied {
		t.Errorf("the gateway's UnwrapKey = %v, want denied", err)
	}
	renamed := w
	renamed.ID = "dk_other"
	if _, err := vault.OpenAge(renamed, nil, id); sallyport.KindOf(err) != sallyport.Integrity {
		t.Errorf("OpenAge under another id = %v, want integrity", err)
	}
}

func TestRecordingKey(t *testing.T) {
	t.Parallel()
	o, id := options(t, t.TempDir())
	v := open(t, o)
	k, w, err := v.NewDataKey(vault.PurposeRecording)
	if err != nil {
		t.Fatal(err)
	}
	aad := evidence.AppendAAD(nil, "s_1", 1, "recording")
	ct, err := k.Seal(nil, []byte("rows"), aad)
	if err != nil {
		t.Fatal(err)
	}
	ok, err := open(t, o).UnwrapKey(w) // after a restart
	if err != nil {
		t.Fatal(err)
	}
	if got, err := ok.Open(nil, ct, aad); err != nil || string(got) != "rows" {
		t.Errorf("Open = %q, %v", got, err)
	}
	for i := range ct {
		bad := bytes.Clone(ct)
		bad[i] ^= 1
		if _, err := ok.Open(nil, bad, aad); sallyport.KindOf(err) != sallyport.Integrity {
			t.Fatalf("byte %d: Open = %v, want integrity", i, err)
		}
	}
	for n := range ct {
		if _, err := ok.Open(nil, ct[:n], aad); sallyport.KindOf(err) != sallyport.Integrity {
			t.Fatalf("cut to %d: Open = %v, want integrity", n, err)
		}
	}
	if _, err := ok.Open(nil, ct, evidence.AppendAAD(nil, "s_1", 2, "recording")); sallyport.KindOf(err) != sallyport.Integrity {
		t.Errorf("Open as another chunk = %v, want integrity", err)
	}
	if _, err := vault.OpenAge(w, nil, id); sallyport.KindOf(err) != sallyport.Invalid {
		t.Errorf("OpenAge of a vault's key = %v, want invalid", err)
	}
	swapped := w
	swapped.Purpose = "text"
	if _, err := v.UnwrapKey(swapped); sallyport.KindOf(err) != sallyport.Integrity {
		t.Errorf("UnwrapKey for another purpose = %v, want integrity", err)
	}
	other, _ := options(t, t.TempDir())
	if _, err := open(t, other).UnwrapKey(w); sallyport.KindOf(err) != sallyport.Integrity {
		t.Errorf("another vault's UnwrapKey = %v, want integrity", err)
	}
}

func TestNewDataKeyRefuses(t *testing.T) {
	t.Parallel()
	o, _ := options(t, t.TempDir())
	o.Recipients = nil
	v := open(t, o)
	for _, purpose := range []string{"text", "", "other"} {
		if _, _, err := v.NewDataKey(purpose); sallyport.KindOf(err) != sallyport.Invalid {
			t.Errorf("NewDataKey(%q) = %v, want invalid", purpose, err)
		}
	}
	if _, _, err := v.NewDataKey("recording"); err != nil {
		t.Errorf("NewDataKey(recording): %v", err)
	}
	o.Rand = bytes.NewReader(nil)
	o.Path += "2"
	if _, err := vault.Open(o); sallyport.KindOf(err) != sallyport.Internal {
		t.Errorf("Open without randomness = %v, want internal", err)
	}
}

// TestNonces seals from many goroutines: no nonce comes twice.
func TestNonces(t *testing.T) {
	t.Parallel()
	o, _ := options(t, t.TempDir())
	k, _, err := open(t, o).NewDataKey(vault.PurposeRecording)
	if err != nil {
		t.Fatal(err)
	}
	const writers, each = 8, 500
	var mu sync.Mutex
	seen := map[string]bool{}
	var wg sync.WaitGroup
	for range writers {
		wg.Go(func() {
			for range each {
				ct, err := k.Seal(nil, []byte("x"), nil)
				if err != nil {
					t.Errorf("Seal: %v", err)
					return
				}
				mu.Lock()
				seen[string(ct[:12])] = true
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if len(seen) != writers*each {
		t.Errorf("%d nonces for %d seals", len(seen), writers*each)
	}
	k.Wipe()
	if _, err := k.Seal(nil, []byte("x"), nil); sallyport.KindOf(err) != sallyport.Unavailable {
		t.Errorf("Seal after Wipe = %v, want unavailable", err)
	}
}

func TestSealAllocations(t *testing.T) {
	o, _ := options(t, t.TempDir())
	k, _, err := open(t, o).NewDataKey(vault.PurposeText)
	if err != nil {
		t.Fatal(err)
	}
	text, dst, aad := make([]byte, 300), make([]byte, 0, 512), []byte("s/1/text")
	if n := testing.AllocsPerRun(100, func() {
		if _, err := k.Seal(dst, text, aad); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("Seal allocates %v times", n)
	}
}

func BenchmarkSeal(b *testing.B) {
	id, err := age.GenerateX25519Identity()
	if err != nil {
		b.Fatal(err)
	}
	v, err := vault.Open(vault.Options{
		Path: b.TempDir() + "/vault.json", Master: "env:M", Recipients: []string{id.Recipient().String()},
		Getenv: func(string) string { return masterHex }, Rand: rand.Reader,
	})
	if err != nil {
		b.Fatal(err)
	}
	k, _, err := v.NewDataKey(vault.PurposeText)
	if err != nil {
		b.Fatal(err)
	}
	text, dst := bytes.Repeat([]byte("select 1 "), 32), make([]byte, 0, 512)
	b.Run("seal", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := k.SealText(dst, "s_abcdefghij", 1, text); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("fingerprint", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			v.Fingerprint(text)
		}
	})
}
