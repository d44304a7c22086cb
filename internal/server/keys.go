// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package server

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/mod/sumdb/note"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/ledger"
)

// ledgerKey reads the key that signs the ledger's checkpoints, or makes it at
// the first start, when there is no ledger yet: a key that is missing later has
// been lost, and another would not be the ledger's. The verifier key lies beside
// it in clear, for auditors.
func ledgerKey(dir, ledgerDir, origin string, rand io.Reader) (note.Signer, note.Verifier, string, error) {
	const op = "ledger key"
	bad := func(msg string, err error) error {
		return sallyport.E(sallyport.Unavailable, op, msg).WithHint("look at " + dir).Because(err)
	}
	secret, public := filepath.Join(dir, "ledger.key"), filepath.Join(dir, "ledger.vkey")
	skey, err := os.ReadFile(secret)
	if errors.Is(err, fs.ErrNotExist) {
		if _, serr := os.Stat(ledgerDir); serr == nil {
			return nil, nil, "", sallyport.E(sallyport.Integrity, op, "the signing key is missing, and there is a ledger that it signed").
				WithHint("put the key back into " + dir + " from where you keep a copy; nothing was changed").Because(err)
		}
		s, v, gerr := note.GenerateKey(rand, origin)
		if gerr != nil {
			return nil, nil, "", bad("no key can be made", gerr)
		}
		if err := writeNew(public, []byte(v+"\n"), 0o644); err != nil {
			return nil, nil, "", bad("the verifier key cannot be written", err)
		}
		if err := writeNew(secret, []byte(s+"\n"), 0o600); err != nil {
			return nil, nil, "", bad("the signing key cannot be written", err)
		}
		if err := (ledger.OS{}).SyncDir(dir); err != nil {
			return nil, nil, "", bad("the keys cannot be made durable", err)
		}
		skey, err = []byte(s), nil
	}
	if err != nil {
		return nil, nil, "", bad("the signing key cannot be read", err)
	}
	vkey, err := os.ReadFile(public)
	if err != nil {
		return nil, nil, "", bad("the verifier key cannot be read", err)
	}
	signer, err := note.NewSigner(strings.TrimSpace(string(skey)))
	if err != nil {
		return nil, nil, "", bad("the signing key is not one", errors.New("malformed signer key"))
	}
	verifier, err := note.NewVerifier(strings.TrimSpace(string(vkey)))
	if err != nil {
		return nil, nil, "", bad("the verifier key is not one", err)
	}
	if signer.Name() != origin || verifier.Name() != origin || signer.KeyHash() != verifier.KeyHash() {
		return nil, nil, "", sallyport.E(sallyport.Integrity, op, "the ledger's key belongs to another origin").
			WithHint("the origin cannot change over a ledger's life; use a new data directory for a new one")
	}
	return signer, verifier, strings.TrimSpace(string(vkey)), nil
}

// writeNew writes a file durably, except for its name in the directory.
func writeNew(path string, b []byte, mode fs.FileMode) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, mode)
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}
