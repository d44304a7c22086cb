// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package vault

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha256"
	"encoding/base32"
	"encoding/binary"
	"encoding/hex"
	"io"
	"strings"
	"sync/atomic"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/evidence"
)

// The purposes of data keys.
const (
	PurposeText      = "text"      // exact statements
	PurposeRecording = "recording" // masked answers
)

// nonceSize is the size in bytes of a GCM nonce (NIST SP 800-38D, 8.2.1): four
// random bytes and an eight-byte counter.
const nonceSize = 12

// Overhead is how many bytes longer a sealed text is than the plain one: the
// nonce in front and the tag behind.
const Overhead = nonceSize + 16

// DataKey seals what one session writes for one purpose, by AES-256-GCM. A key
// seals in one process only and never again after that: what opens a wrapped
// key is an [OpenKey], which cannot seal, so the counter in its nonces never
// meets itself. Its methods may be called from any number of goroutines.
type DataKey struct {
	id      string
	purpose string
	prefix  [4]byte
	count   atomic.Uint64
	aead    atomic.Pointer[cipher.AEAD] // nil once wiped
}

// newDataKey draws a key and returns it with its bytes, which the caller wraps
// and clears.
func newDataKey(purpose string, rand io.Reader) (*DataKey, []byte, error) {
	var id [12]byte
	k := &DataKey{purpose: purpose}
	key := make([]byte, keySize)
	for _, b := range [][]byte{id[:], k.prefix[:], key} {
		if _, err := io.ReadFull(rand, b); err != nil {
			return nil, nil, sallyport.E(sallyport.Internal, "data key", "no randomness for a data key").Because(err)
		}
	}
	a, err := newGCM(key)
	if err != nil {
		return nil, nil, err
	}
	k.aead.Store(&a)
	k.id = "dk_" + strings.ToLower(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(id[:]))
	return k, key, nil
}

func newGCM(key []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key)
	if err == nil {
		var a cipher.AEAD
		if a, err = cipher.NewGCM(block); err == nil {
			return a, nil
		}
	}
	return nil, sallyport.E(sallyport.Integrity, "data key", "the data key cannot be used").Because(err)
}

// ID returns the key's name, as [evidence.WrappedKey] and [evidence.Sealed]
// carry it.
func (k *DataKey) ID() string { return k.id }

// Purpose returns what the key is for.
func (k *DataKey) Purpose() string { return k.purpose }

// Seal appends the nonce and the ciphertext of plaintext to dst and returns the
// extended slice. The additional data aad must be given again to open it; see
// [evidence.AppendAAD]. With room for [Overhead] more bytes in dst it does not
// allocate. It fails with kind Unavailable after [DataKey.Wipe].
func (k *DataKey) Seal(dst, plaintext, aad []byte) ([]byte, error) {
	a := k.aead.Load()
	if a == nil {
		return dst, sallyport.E(sallyport.Unavailable, "seal", "the session's data key was wiped already")
	}
	start := len(dst)
	dst = append(dst, k.prefix[:]...)
	dst = binary.BigEndian.AppendUint64(dst, k.count.Add(1))
	return (*a).Seal(dst, dst[start:start+nonceSize], plaintext, aad), nil
}

// SealText seals the exact text of statement stmt of a session, appending the
// ciphertext to dst[:0]; Data of the result points into it. A caller whose
// ciphertext is too large for a leaf stores Data as a blob under SHA256 and sets
// it to nil.
func (k *DataKey) SealText(dst []byte, session sallyport.SessionID, stmt uint64, text []byte) (evidence.Sealed, error) {
	var room [96]byte
	dst, err := k.Seal(dst[:0], text, evidence.AppendAAD(room[:0], session, stmt, k.purpose))
	if err != nil {
		return evidence.Sealed{}, err
	}
	sum := sha256.Sum256(dst)
	return evidence.Sealed{Key: k.id, SHA256: hex.EncodeToString(sum[:]), Len: len(dst), Data: dst}, nil
}

// Wipe makes the key forget itself; Seal fails from then on. It may be called
// more than once.
func (k *DataKey) Wipe() { k.aead.Store(nil) }

// OpenKey opens what a [DataKey] sealed.
type OpenKey struct {
	id      string
	purpose string
	aead    cipher.AEAD
}

func newOpenKey(id, purpose string, key []byte) (*OpenKey, error) {
	if len(key) != keySize {
		return nil, sallyport.E(sallyport.Integrity, "data key", "the unwrapped data key has the wrong size")
	}
	a, err := newGCM(key)
	if err != nil {
		return nil, err
	}
	return &OpenKey{id: id, purpose: purpose, aead: a}, nil
}

// ID returns the key's name.
func (k *OpenKey) ID() string { return k.id }

// Purpose returns what the key is for.
func (k *OpenKey) Purpose() string { return k.purpose }

// Open appends the plain text of sealed to dst. Kind Integrity when sealed or
// aad is not what was sealed under this key.
func (k *OpenKey) Open(dst, sealed, aad []byte) ([]byte, error) {
	fail := sallyport.E(sallyport.Integrity, "unseal", "the ciphertext does not open under its key").
		WithHint("it was changed, or belongs to another session or statement")
	if len(sealed) < Overhead {
		return dst, fail
	}
	out, err := k.aead.Open(dst, sealed[:nonceSize], sealed[nonceSize:], aad)
	if err != nil {
		return dst, fail.Because(err)
	}
	return out, nil
}
