// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

// Package signer opens the keys that sign a ledger's checkpoints. A key is a
// [crypto.Signer] of Ed25519; this package knows three kinds: a file in the form
// of golang.org/x/mod/sumdb/note, a key that an agent holds which speaks the
// protocol of ssh-agent, as those of TPMs and smart cards do, and a key of a
// key management service. Of the last two the key itself never enters the
// gateway.
package signer

import (
	"crypto"
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"

	sallyport "github.com/sallyport-dev/sallyport"
)

// Key signs for one origin.
type Key struct {
	note.Signer
	verifier note.Verifier
	vkey     string
}

// Verifier returns the verifier of the key's signatures.
func (k Key) Verifier() note.Verifier { return k.verifier }

// VKey returns the verifier key, as auditors keep it (C2SP signed-note).
func (k Key) VKey() string { return k.vkey }

const op = "ledger key"

// New makes a key of a crypto.Signer, whose public key must be an
// [ed25519.PublicKey].
func New(origin string, key crypto.Signer) (Key, error) {
	pub, ok := key.Public().(ed25519.PublicKey)
	if !ok {
		return Key{}, sallyport.E(sallyport.Invalid, op, fmt.Sprintf("the key is a %T; checkpoints are signed with Ed25519", key.Public()))
	}
	vkey, err := note.NewEd25519VerifierKey(origin, pub)
	if err != nil {
		return Key{}, sallyport.E(sallyport.Invalid, op, "the origin or the key is malformed").Because(err)
	}
	v, err := note.NewVerifier(vkey)
	if err != nil {
		return Key{}, sallyport.E(sallyport.Invalid, op, "the origin or the key is malformed").Because(err)
	}
	return Key{Signer: signer{origin, v.KeyHash(), key}, verifier: v, vkey: vkey}, nil
}

// signer is a note.Signer.
type signer struct {
	name string
	hash uint32
	key  crypto.Signer
}

func (s signer) Name() string    { return s.name }
func (s signer) KeyHash() uint32 { return s.hash }

// Sign implements [note.Signer]. Ed25519 takes the message itself and no
// randomness (RFC 8032).
func (s signer) Sign(msg []byte) ([]byte, error) { return s.key.Sign(nil, msg, crypto.Hash(0)) }

// KMS is a key management service.
type KMS interface {
	// Supported reports whether it knows keys of this URI.
	Supported(uri string) bool
	// Signer returns the key that the URI names.
	Signer(uri string) (crypto.Signer, error)
}

// Open opens the key that a reference names: "file:PATH",
// "agent:SOCKET#SHA256:FINGERPRINT", or the URI of a key in one of the services.
// Errors: NotFound when the file or the agent's key is not there, Unavailable
// when it cannot be read or the service asked, Integrity when it signs for
// another origin.
func Open(ref, origin string, services ...KMS) (Key, error) {
	for _, s := range services {
		if !s.Supported(ref) {
			continue
		}
		key, err := s.Signer(ref)
		if err != nil {
			return Key{}, err
		}
		return New(origin, key)
	}
	scheme, rest, _ := strings.Cut(ref, ":")
	switch scheme {
	case "file":
		return openFile(rest, origin)
	case "agent":
		return openAgent(rest, origin)
	}
	return Key{}, sallyport.E(sallyport.Invalid, op, "a signer is \"file:PATH\", \"agent:SOCKET#SHA256:FINGERPRINT\" or \"gcp-kms://KEY-VERSION\"")
}

// The parts of a signer key of package note: prefix, name, hash, and base64 of
// the algorithm and the seed.
const (
	filePrefix = "PRIVATE+KEY+"
	algEd25519 = 1
)

func openFile(path, origin string) (Key, error) {
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return Key{}, sallyport.E(sallyport.NotFound, op, "the signing key "+path+" is missing").Because(err)
	}
	if err != nil {
		return Key{}, sallyport.E(sallyport.Unavailable, op, "the signing key "+path+" cannot be read").Because(err)
	}
	defer clear(b)
	bad := sallyport.E(sallyport.Integrity, op, "the file "+path+" holds no signing key").
		WithHint("restore it from its backup; `sallyport ledger new-key` makes one for a new ledger or to change to")
	rest, ok := strings.CutPrefix(strings.TrimSpace(string(b)), filePrefix)
	name, rest, ok1 := strings.Cut(rest, "+")
	hash, text, ok2 := strings.Cut(rest, "+")
	n, err := strconv.ParseUint(hash, 16, 32)
	if !ok || !ok1 || !ok2 || err != nil || len(hash) != 8 {
		return Key{}, bad
	}
	seed, err := base64.StdEncoding.DecodeString(text)
	if err != nil || len(seed) != 1+ed25519.SeedSize || seed[0] != algEd25519 {
		return Key{}, bad // the cause would hold a part of the key
	}
	defer clear(seed)
	if name != origin {
		return Key{}, sallyport.E(sallyport.Integrity, op, "the signing key "+path+" belongs to the origin "+strconv.Quote(name)).
			WithHint("the origin cannot change over a ledger's life; use a new data directory for a new one")
	}
	k, err := New(origin, ed25519.NewKeyFromSeed(seed[1:]))
	if err == nil && uint64(k.verifier.KeyHash()) != n {
		err = bad
	}
	return k, err
}

// Create makes a key for an origin in a new file, readable by its owner only,
// and its verifier key beside it with the extension ".vkey". Errors: Conflict
// when the file is there already, Unavailable when it cannot be written.
func Create(path, origin string, rand io.Reader) (vkey string, err error) {
	skey, vkey, err := note.GenerateKey(rand, origin)
	if err != nil {
		return "", sallyport.E(sallyport.Internal, op, "no key can be made").Because(err)
	}
	if err := writeNew(path, []byte(skey+"\n"), 0o600); err != nil {
		kind, hint := sallyport.Unavailable, "look at the directory of "+path
		if errors.Is(err, fs.ErrExist) {
			kind, hint = sallyport.Conflict, "a key is never overwritten; name another file"
		}
		return "", sallyport.E(kind, op, "the signing key "+path+" cannot be written").WithHint(hint).Because(err)
	}
	public := strings.TrimSuffix(path, filepath.Ext(path)) + ".vkey"
	if err := writeNew(public, []byte(vkey+"\n"), 0o644); err != nil && !errors.Is(err, fs.ErrExist) {
		return "", sallyport.E(sallyport.Unavailable, op, "the verifier key "+public+" cannot be written").Because(err)
	}
	return vkey, nil
}

// writeNew writes a file that is not there yet, durably.
func writeNew(path string, b []byte, mode fs.FileMode) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}
