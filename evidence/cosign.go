// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package evidence

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/mod/sumdb/note"
)

// Signature types of C2SP signed-note ("Signature types") that this package
// knows.
const (
	sigEd25519     = 0x01
	sigCosignature = 0x04
	sigMLDSA44     = 0x06
)

const (
	keyHashSize     = 4
	timestampSize   = 8
	cosignatureSize = timestampSize + ed25519.SignatureSize
)

// A Cosigner verifies the Ed25519 cosignatures of one witness (C2SP
// tlog-cosignature, "Format" and "Ed25519 signed message"). It is a
// [note.Verifier].
type Cosigner struct {
	name string
	hash uint32
	key  ed25519.PublicKey
}

// NewCosigner reads a witness's verifier key: a signed-note vkey of the
// signature type 0x04. A key of another type is refused, a plain Ed25519 key
// (0x01) too: it has another key ID, and no cosignature would ever match.
func NewCosigner(vkey string) (*Cosigner, error) {
	k, err := parseVKey(vkey)
	if err != nil {
		return nil, err
	}
	switch k.kind {
	case sigCosignature:
	case sigEd25519:
		return nil, errors.New("the verifier key is one for signatures of logs (type 01), not for cosignatures (type 04)")
	case sigMLDSA44:
		return nil, errors.New("cosignatures by ML-DSA-44 (type 06) are not known to this release; the witness needs an Ed25519 key (type 04)")
	default:
		return nil, fmt.Errorf("the verifier key is of type %02x, not one for cosignatures (type 04)", k.kind)
	}
	if len(k.key) != ed25519.PublicKeySize {
		return nil, fmt.Errorf("the verifier key has %d bytes instead of %d", len(k.key), ed25519.PublicKeySize)
	}
	return &Cosigner{name: k.name, hash: k.hash, key: k.key}, nil
}

// CosignerKey returns the verifier key of a witness with a name and an Ed25519
// public key.
func CosignerKey(name string, key ed25519.PublicKey) (string, error) {
	if !validKeyName(name) {
		return "", errors.New("a key's name must not be empty and has neither spaces nor a plus")
	}
	if len(key) != ed25519.PublicKeySize {
		return "", fmt.Errorf("the public key has %d bytes instead of %d", len(key), ed25519.PublicKeySize)
	}
	b := append([]byte{sigCosignature}, key...)
	return fmt.Sprintf("%s+%08x+%s", name, keyHash(name, b), base64.StdEncoding.EncodeToString(b)), nil
}

// Name implements [note.Verifier].
func (c *Cosigner) Name() string { return c.name }

// KeyHash implements [note.Verifier].
func (c *Cosigner) KeyHash() uint32 { return c.hash }

// Verify implements [note.Verifier]: msg is the note's text, sig the signature
// without the key's hash.
func (c *Cosigner) Verify(msg, sig []byte) bool {
	if len(sig) != cosignatureSize {
		return false
	}
	t := binary.BigEndian.Uint64(sig)
	if t > math.MaxInt64 {
		return false
	}
	return ed25519.Verify(c.key, CosignedMessage(t, msg), sig[timestampSize:])
}

// At returns the time of the witness's cosignature among a note's verified
// signatures. It verifies the cosignature again, so that a note that was put
// together otherwise than by [note.Open] gives no time. There may be several
// (signed-note allows it only for keys of the same name); the first counts.
func (c *Cosigner) At(n *note.Note) (time.Time, error) {
	for _, s := range n.Sigs {
		if s.Name != c.name || s.Hash != c.hash {
			continue
		}
		b, err := base64.StdEncoding.DecodeString(s.Base64)
		if err != nil || len(b) != keyHashSize+cosignatureSize || binary.BigEndian.Uint32(b) != c.hash {
			return time.Time{}, errors.New("the cosignature is malformed")
		}
		if sig := b[keyHashSize:]; c.Verify([]byte(n.Text), sig) {
			return time.Unix(int64(binary.BigEndian.Uint64(sig)), 0).UTC(), nil
		}
		return time.Time{}, errors.New("the cosignature does not verify")
	}
	return time.Time{}, errors.New("the witness did not cosign the checkpoint")
}

// CosignedMessage is what an Ed25519 cosignature of a checkpoint signs: the
// header line, the time in seconds since 1970, and the whole text of the note
// (C2SP tlog-cosignature, "Ed25519 signed message").
func CosignedMessage(seconds uint64, text []byte) []byte {
	b := append([]byte("cosignature/v1\ntime "), strconv.FormatUint(seconds, 10)...)
	return append(append(b, '\n'), text...)
}

// vkey is a verifier key (C2SP signed-note, "Verifier keys").
type vkey struct {
	name string
	hash uint32
	kind byte
	key  []byte
}

// maxVKey bounds a verifier key in bytes: an ML-DSA-44 key has 1,752 in base64.
const maxVKey = 4 << 10

// parseVKey reads NAME+HASH+BASE64 in its canonical form and checks the hash.
func parseVKey(s string) (vkey, error) {
	if len(s) > maxVKey {
		return vkey{}, errors.New("the verifier key is too long")
	}
	name, rest, ok := strings.Cut(s, "+")
	hash, text, ok2 := strings.Cut(rest, "+")
	if !ok || !ok2 {
		return vkey{}, errors.New("the verifier key is not of the form NAME+HASH+BASE64")
	}
	if !validKeyName(name) {
		return vkey{}, errors.New("the verifier key's name is empty or has a space in it")
	}
	n, err := strconv.ParseUint(hash, 16, 32)
	if err != nil || fmt.Sprintf("%08x", n) != hash {
		return vkey{}, errors.New("the verifier key's hash is not one of eight hexadecimal digits")
	}
	b, err := base64.StdEncoding.DecodeString(text)
	if err != nil || len(b) < 2 || base64.StdEncoding.EncodeToString(b) != text {
		return vkey{}, errors.New("the verifier key is not in base64")
	}
	if keyHash(name, b) != uint32(n) {
		return vkey{}, errors.New("the verifier key's hash does not fit its name and key; a character may be lost")
	}
	return vkey{name: name, hash: uint32(n), kind: b[0], key: b[1:]}, nil
}

// keyHash is the key ID of C2SP signed-note ("Signatures"): of the name, and of
// the signature type with the key behind it.
func keyHash(name string, typedKey []byte) uint32 {
	sum := sha256.Sum256(append([]byte(name+"\n"), typedKey...))
	return binary.BigEndian.Uint32(sum[:])
}

// validKeyName follows C2SP signed-note, "Format"; control characters do not
// survive in a note either.
func validKeyName(name string) bool {
	return name != "" && utf8.ValidString(name) && !strings.ContainsFunc(name, func(r rune) bool {
		return unicode.IsSpace(r) || r == '+' || r < ' '
	})
}
