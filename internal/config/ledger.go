// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package config

import (
	"errors"
	"fmt"
	"strings"
)

// Ledger says who signs the ledger and where its head lies.
type Ledger struct {
	// Signers sign checkpoints, all of them each: "file:PATH" or
	// "agent:SOCKET#SHA256:FINGERPRINT". Empty means a file below Data that is made
	// at the first start. A key is changed by naming the new one beside the old one
	// for a while.
	Signers []Signer `yaml:"signers"`
	// Head is the file that keeps the last checkpoint outside of the ledger; empty
	// means one below Data.
	Head Path `yaml:"head"`
}

// Signer says where a key is that signs checkpoints. It is not secret itself.
type Signer string

// UnmarshalText accepts a reference and nothing else; its errors never repeat the
// text, which may be a key.
func (s *Signer) UnmarshalText(text []byte) error {
	scheme, rest, ok := strings.Cut(string(text), ":")
	if isKMS(string(text)) {
		*s = Signer(text)
		return nil
	}
	if !ok || scheme != "file" && scheme != "agent" || rest == "" {
		return errors.New(`want "file:PATH", "agent:SOCKET#SHA256:FINGERPRINT" or the URI of a key in a KMS; the key itself must not stand in the file`)
	}
	if _, print, ok := strings.Cut(rest, "#"); scheme == "agent" && (!ok || !strings.HasPrefix(print, "SHA256:")) {
		return errors.New("an agent's key is named by its fingerprint after the socket: #SHA256:…, as `ssh-add -l` prints it")
	}
	*s = Signer(text)
	return nil
}

// in resolves the path of a "file:" reference against a directory.
func (s Signer) in(dir string) Signer {
	if path, ok := strings.CutPrefix(string(s), "file:"); ok {
		return Signer("file:" + string(Path(path).in(dir)))
	}
	return s
}

// maxSigners bounds the keys that sign each checkpoint.
const maxSigners = 4

func (l Ledger) validate(f *findings) {
	if len(l.Signers) > maxSigners {
		f.add("ledger.signers", "has %d keys; %d at most, and two while one is being changed", len(l.Signers), maxSigners)
	}
	seen := map[Signer]bool{}
	for i, s := range l.Signers {
		if seen[s] {
			f.add(fmt.Sprintf("ledger.signers[%d]", i), "is there twice")
		}
		seen[s] = true
	}
}
