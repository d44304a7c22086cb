// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package server

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"golang.org/x/mod/sumdb/note"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/evidence"
	"github.com/sallyport-dev/sallyport/internal/config"
	"github.com/sallyport-dev/sallyport/internal/ledger/signer"
)

// ledgerKeys are the keys that sign the ledger. The first is the one to stay.
type ledgerKeys []signer.Key

// LedgerPath is where a configuration's ledger lies.
func LedgerPath(cfg *config.Config) string { return filepath.Join(string(cfg.Data), "ledger") }

// HeadPath is where the head of a configuration's ledger lies.
func HeadPath(cfg *config.Config) string {
	if cfg.Ledger.Head != "" {
		return string(cfg.Ledger.Head)
	}
	return filepath.Join(string(cfg.Data), "head", "checkpoint")
}

// openKeys opens the keys that sign a configuration's ledger. The one of the
// default place is made where there is neither key nor ledger yet.
func openKeys(cfg *config.Config, deps Deps) (ledgerKeys, error) {
	refs := cfg.Ledger.Signers
	if len(refs) == 0 {
		path := filepath.Join(string(cfg.Data), "keys", "ledger.key")
		if err := firstKey(cfg, path, deps.Rand); err != nil {
			return nil, err
		}
		refs = []config.Signer{config.Signer("file:" + path)}
	}
	services := make([]signer.KMS, len(deps.KMS))
	for i, s := range deps.KMS {
		services[i] = s
	}
	var keys ledgerKeys
	for _, ref := range refs {
		k, err := signer.Open(string(ref), cfg.Origin, services...)
		if err != nil {
			return nil, err
		}
		if slices.Contains(keys.vkeys(), k.VKey()) {
			return nil, sallyport.E(sallyport.Invalid, "ledger key", "two of the ledger.signers are one key")
		}
		keys = append(keys, k)
	}
	return keys, nil
}

// firstKey makes the key of a new ledger. A ledger whose key is gone is not a
// new one.
func firstKey(cfg *config.Config, path string, rand io.Reader) error {
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		return nil // what is wrong with it shows when it is opened
	}
	if _, err := os.Stat(LedgerPath(cfg)); !errors.Is(err, fs.ErrNotExist) {
		return sallyport.E(sallyport.Integrity, "ledger key", "the key that signs this ledger is missing: "+path).
			WithHint("restore it from its backup; nothing was changed. Where it is lost for good, `sallyport ledger rollback` begins a new log that says so")
	}
	_, err := signer.Create(path, cfg.Origin, rand)
	return err
}

func (k ledgerKeys) signers() []note.Signer {
	out := make([]note.Signer, len(k))
	for i, key := range k {
		out[i] = key
	}
	return out
}

func (k ledgerKeys) verifiers() note.Verifiers {
	out := make([]note.Verifier, len(k))
	for i, key := range k {
		out[i] = key.Verifier()
	}
	return note.VerifierList(out...)
}

func (k ledgerKeys) vkeys() []string {
	out := make([]string, len(k))
	for i, key := range k {
		out[i] = key.VKey()
	}
	return out
}

// rotation is the event for keys that differ from those of the last epoch, nil
// when they do not.
func (k ledgerKeys) rotation(origin string, old []string) (*evidence.KeyRotate, error) {
	if slices.Equal(old, k.vkeys()) {
		return nil, nil
	}
	signed, err := note.Sign(&note.Note{Text: evidence.RotationText(origin, k.vkeys())}, k.signers()...)
	if err != nil {
		return nil, sallyport.E(sallyport.Unavailable, "ledger key", "the change of keys cannot be signed").Because(err)
	}
	return &evidence.KeyRotate{Old: old, New: k.vkeys(), Rotation: string(signed)}, nil
}
