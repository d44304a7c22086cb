// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package evidence_test

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/sallyport-dev/sallyport/evidence"
)

// The example of C2SP tlog-cosignature names a key by its ID only, so these keys
// are made here, from seeds that say whose they are.

// witness is a cosigner whose lines the tests make by the specification's own
// words.
type witness struct {
	name string
	key  ed25519.PrivateKey
}

func newWitness(name string) witness {
	seed := sha256.Sum256([]byte("synthetic seed of " + name))
	return witness{name, ed25519.NewKeyFromSeed(seed[:])}
}

func (w witness) public() []byte { return w.key.Public().(ed25519.PublicKey) }

// vkeyOf is SHA-256(name, newline, type, key)[:4] written out.
func vkeyOf(name string, kind byte, key []byte) string {
	typed := append([]byte{kind}, key...)
	sum := sha256.Sum256(append([]byte(name+"\n"), typed...))
	return fmt.Sprintf("%s+%x+%s", name, sum[:4], base64.StdEncoding.EncodeToString(typed))
}

func (w witness) vkey() string { return vkeyOf(w.name, 4, w.public()) }

// line cosigns a note's text.
func (w witness) line(text string, seconds uint64) string {
	var id [4]byte
	hash := sha256.Sum256([]byte(w.name + "\n\x04" + string(w.public())))
	copy(id[:], hash[:])
	b := binary.BigEndian.AppendUint64(id[:], seconds)
	b = append(b, ed25519.Sign(w.key, fmt.Appendf(nil, "cosignature/v1\ntime %d\n%s", seconds, text))...)
	return "— " + w.name + " " + base64.StdEncoding.EncodeToString(b) + "\n"
}

const logName = "sallyport.example/gw1"

// signedBy returns a checkpoint of a size, signed by a log of a name.
func signedBy(t testing.TB, name string, size uint64) (signed, vkey string) {
	t.Helper()
	skey, vkey := logKeys(t, name)
	s, err := note.NewSigner(skey)
	if err != nil {
		t.Fatal(err)
	}
	cp := evidence.Checkpoint{Origin: name, Size: size, Root: sha256.Sum256(fmt.Append(nil, size))}
	out, err := note.Sign(&note.Note{Text: cp.Text()}, s)
	if err != nil {
		t.Fatal(err)
	}
	return string(out), vkey
}

func logKeys(t testing.TB, name string) (skey, vkey string) {
	t.Helper()
	seed := sha256.Sum256([]byte("synthetic seed of the log " + name))
	skey, vkey, err := note.GenerateKey(bytes.NewReader(append(seed[:], seed[:]...)), name)
	if err != nil {
		t.Fatal(err)
	}
	return skey, vkey
}

func textOf(signed string) string {
	text, _, _ := strings.Cut(signed, "\n\n")
	return text + "\n"
}

func TestCosignerKnowsItsWitness(t *testing.T) {
	t.Parallel()
	w := newWitness("witness.example/w1")
	c, err := evidence.NewCosigner(w.vkey())
	if err != nil {
		t.Fatal(err)
	}
	if key, err := evidence.CosignerKey(w.name, w.public()); err != nil || key != w.vkey() {
		t.Fatalf("key %q, %v", key, err)
	}
	signed, _ := signedBy(t, logName, 17)
	const seconds = 1679315147
	n, err := note.Open([]byte(signed+w.line(textOf(signed), seconds)), note.VerifierList(c))
	if err != nil {
		t.Fatal(err)
	}
	at, err := c.At(n)
	if err != nil || !at.Equal(time.Unix(seconds, 0)) {
		t.Fatalf("at %v, %v", at, err)
	}
	// A note that nobody verified gives no time.
	n.Text = strings.Replace(n.Text, "17", "18", 1)
	if _, err := c.At(n); err == nil {
		t.Error("a cosignature of another checkpoint has a time")
	}
	n.Sigs = nil
	if _, err := c.At(n); err == nil {
		t.Error("no cosignature has a time")
	}
}

func TestCosignaturesThatAreNone(t *testing.T) {
	t.Parallel()
	w, other := newWitness("witness.example/w1"), newWitness("witness.example/w2")
	c, err := evidence.NewCosigner(w.vkey())
	if err != nil {
		t.Fatal(err)
	}
	signed, _ := signedBy(t, logName, 17)
	text := textOf(signed)
	later, _ := signedBy(t, logName, 18)
	cut := func(line string, change func([]byte) []byte) []byte {
		_, b64, _ := strings.Cut(strings.TrimPrefix(strings.TrimSpace(line), "— "), " ")
		b, err := base64.StdEncoding.DecodeString(b64)
		if err != nil {
			t.Fatal(err)
		}
		return change(b[4:])
	}
	same := func(b []byte) []byte { return b }
	for name, sig := range map[string][]byte{
		"of another witness":    cut(other.line(text, 1), same),
		"of another checkpoint": cut(w.line(textOf(later), 1), same),
		"of another time":       cut(w.line(text, 1), func(b []byte) []byte { b[7] ^= 1; return b }),
		"beyond 2^63-1":         cut(w.line(text, 1<<63), same),
		"cut":                   cut(w.line(text, 1), func(b []byte) []byte { return b[:71] }),
		"longer":                cut(w.line(text, 1), func(b []byte) []byte { return append(b, 0) }),
		"a plain signature":     ed25519.Sign(w.key, []byte(text)),
		"without a time":        append(make([]byte, 8), ed25519.Sign(w.key, []byte(text))...),
		"empty":                 nil,
	} {
		if c.Verify([]byte(text), sig) {
			t.Errorf("a cosignature %s verifies", name)
		}
	}
	if !c.Verify([]byte(text), cut(w.line(text, 1), same)) {
		t.Error("the right one does not verify")
	}
}

func TestCosignerRefusesKeys(t *testing.T) {
	t.Parallel()
	w := newWitness("w")
	good := w.vkey()
	for name, tc := range map[string]struct{ key, says string }{
		"empty":              {"", "form"},
		"no parts":           {"w", "form"},
		"two parts":          {"w+00000000", "form"},
		"a log's":            {vkeyOf("w", 1, w.public()), "type 01"},
		"post-quantum":       {vkeyOf("w", 6, make([]byte, 1312)), "ML-DSA"},
		"ECDSA":              {vkeyOf("w", 2, w.public()), "type 02"},
		"a short key":        {vkeyOf("w", 4, w.public()[:31]), "31 bytes"},
		"a long key":         {vkeyOf("w", 4, append(w.public(), 0)), "33 bytes"},
		"no name":            {vkeyOf("", 4, w.public()), "name"},
		"a space":            {vkeyOf("w 1", 4, w.public()), "name"},
		"a no-break space":   {vkeyOf("w\u00a01", 4, w.public()), "name"},
		"a control char":     {vkeyOf("w\x01", 4, w.public()), "name"},
		"no UTF-8":           {vkeyOf("w\xff", 4, w.public()), "name"},
		"another hash":       {strings.Replace(good, "w+", "v+", 1), "fit"},
		"upper-case hash":    {strings.ToUpper(good[:11]) + good[11:], "hash"},
		"no base64":          {good[:len(good)-1] + "*", "base64"},
		"base64 with spaces": {good[:20] + "\n" + good[20:], "base64"},
		"huge":               {"w+00000000+" + strings.Repeat("A", 1<<20), "long"},
	} {
		if _, err := evidence.NewCosigner(tc.key); err == nil || !strings.Contains(err.Error(), tc.says) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := evidence.CosignerKey("a b", w.public()); err == nil {
		t.Error("a name with a space is taken")
	}
	if _, err := evidence.CosignerKey("a", nil); err == nil {
		t.Error("no key is taken")
	}
}

// FuzzCosigner checks that no key and no signature ends the verifier, and that a
// key which is taken says itself.
func FuzzCosigner(f *testing.F) {
	w := newWitness("witness.example/w1")
	signed, _ := signedBy(f, logName, 17)
	text := textOf(signed)
	f.Add(w.vkey(), text, []byte(w.line(text, 5)))
	f.Add(vkeyOf("w", 6, make([]byte, 1312)), text, make([]byte, 72))
	f.Add("w+00000000+", "", []byte{})
	f.Fuzz(func(t *testing.T, key, text string, sig []byte) {
		c, err := evidence.NewCosigner(key)
		if err != nil {
			return
		}
		if _, _, ok := strings.Cut(key, c.Name()+fmt.Sprintf("+%08x+", c.KeyHash())); !ok {
			t.Fatalf("%q is read as %s", key, c.Name())
		}
		if c.Verify([]byte(text), sig) && len(sig) != 72 {
			t.Fatal("a signature of another length verifies")
		}
		n, err := note.Open(append([]byte(text), sig...), note.VerifierList(c))
		if err != nil {
			return
		}
		if _, err := c.At(n); err != nil {
			t.Fatalf("a note that opens has no time: %v", err)
		}
	})
}
