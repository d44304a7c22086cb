// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package vault

import (
	"bytes"
	"fmt"
	"io"
	"strings"

	"filippo.io/age"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/evidence"
)

// ageHeader begins what an age file wraps: the header line, the key's id and
// purpose on a line each, and the 32 bytes of the key. The lines bind the key to
// its record, which age itself has no place for. halfHeader begins one that
// wraps half of a key.
const (
	ageHeader  = "sallyport-data-key-v1"
	halfHeader = "sallyport-half-key-v1"
)

// WrapSealKey wraps the first key of the ledger's seals, which has the given id,
// to the auditors and to nobody else.
func (v *Vault) WrapSealKey(id string, key []byte) (evidence.WrappedKey, error) {
	const op = "seal key"
	w := evidence.WrappedKey{ID: id, Purpose: evidence.PurposeSeal, To: evidence.ToAge}
	if len(v.recipients) == 0 {
		return w, sallyport.E(sallyport.Invalid, op, "there are no auditors to give the key of the ledger's seals to").
			WithHint("configure at least one age recipient of the auditors (age1...)")
	}
	var err error
	if w.Wrapped, err = sealToAge(v.recipients, w, key); err != nil {
		return w, sallyport.E(sallyport.Internal, op, "the key of the ledger's seals cannot be wrapped").Because(err)
	}
	return w, nil
}

// OpenSealKey opens a key that WrapSealKey wrapped, with one of the auditors'
// identities.
func OpenSealKey(w evidence.WrappedKey, identities ...age.Identity) (evidence.SealKey, error) {
	key, err := openAge(w, identities...)
	if err != nil {
		return evidence.SealKey{}, err
	}
	defer clear(key)
	if w.Purpose != evidence.PurposeSeal || len(key) != evidence.SealKeySize {
		return evidence.SealKey{}, sallyport.E(sallyport.Integrity, "seal key", "what is wrapped as "+w.ID+" is no seal key")
	}
	return evidence.NewSealKey([evidence.SealKeySize]byte(key)), nil
}

// UnwrapKey opens a data key that is wrapped to its session's key or, in old
// records, to the vault. A key for texts is Denied: only auditors open it. It is
// NotFound when the session's key was destroyed.
func (v *Vault) UnwrapKey(w evidence.WrappedKey) (*OpenKey, error) {
	const op = "data key"
	if w.To == evidence.ToSession && w.Purpose == PurposeRecording {
		key, err := v.unwrapBySession(w)
		if err != nil {
			return nil, err
		}
		defer clear(key)
		return newOpenKey(w.ID, w.Purpose, key)
	}
	if w.To != evidence.ToVault {
		return nil, sallyport.E(sallyport.Denied, op, "the key "+w.ID+" is not wrapped to this gateway").
			WithHint("an auditor opens it with their own age identity")
	}
	key, err := v.sealer.Decrypt(w.Wrapped, dataKeyData(w))
	if err != nil {
		return nil, sallyport.E(sallyport.Integrity, op, "the key "+w.ID+" does not open under this vault").
			WithHint("use the vault file of the gateway that wrote the record").Because(err)
	}
	defer clear(key)
	return newOpenKey(w.ID, w.Purpose, key)
}

// OpenAge opens a data key that is wrapped to the auditors, with one of their
// identities. Where the record has only half of it (By is set), half is the
// gateway's, which [Vault.Half] gives out; else half is nil.
func OpenAge(w evidence.WrappedKey, half []byte, identities ...age.Identity) (*OpenKey, error) {
	if (w.By != "") != (len(half) == keySize) {
		return nil, sallyport.E(sallyport.Invalid, "data key", "the key "+w.ID+" needs both of its halves").
			WithHint("the gateway gives out its half while the session's key is kept")
	}
	key, err := openAge(w, identities...)
	if err != nil {
		return nil, err
	}
	defer clear(key)
	for i := range min(len(key), len(half)) {
		key[i] ^= half[i]
	}
	return newOpenKey(w.ID, w.Purpose, key)
}

// openAge returns the bytes of a wrapped key, which the caller clears.
func openAge(w evidence.WrappedKey, identities ...age.Identity) ([]byte, error) {
	const op = "data key"
	broken := sallyport.E(sallyport.Integrity, op, "the key "+w.ID+" does not open with these identities").
		WithHint("give the age identity of one of the recipients that were configured when the session ran")
	if w.To != evidence.ToAge {
		return nil, sallyport.E(sallyport.Invalid, op, "the key "+w.ID+" is not wrapped to age recipients")
	}
	r, err := age.Decrypt(bytes.NewReader(w.Wrapped), identities...)
	if err != nil {
		return nil, broken.Because(err)
	}
	prefix := agePrefix(w)
	plain, err := io.ReadAll(io.LimitReader(r, int64(len(prefix)+keySize+1)))
	if err != nil {
		return nil, broken.Because(err)
	}
	key, ok := bytes.CutPrefix(plain, []byte(prefix))
	if !ok {
		clear(plain)
		return nil, sallyport.E(sallyport.Integrity, op, "what is wrapped as "+w.ID+" is another key")
	}
	return key, nil
}

func sealToAge(recipients []age.Recipient, w evidence.WrappedKey, key []byte) ([]byte, error) {
	var out bytes.Buffer
	wc, err := age.Encrypt(&out, recipients...)
	if err != nil {
		return nil, err
	}
	plain := append([]byte(agePrefix(w)), key...)
	defer clear(plain)
	if _, err := wc.Write(plain); err != nil {
		return nil, err
	}
	if err := wc.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

func agePrefix(w evidence.WrappedKey) string {
	header := ageHeader
	if w.By != "" {
		header = halfHeader + "\n" + w.By
	}
	return header + "\n" + w.ID + "\n" + w.Purpose + "\n"
}

func dataKeyData(w evidence.WrappedKey) []byte {
	return []byte(dataKeyAD + w.ID + "/" + w.Purpose)
}

// parseRecipients parses age recipients, one per string.
func parseRecipients(list []string) ([]age.Recipient, error) {
	var out []age.Recipient
	for i, s := range list {
		rs, err := age.ParseRecipients(strings.NewReader(s))
		if err != nil || len(rs) != 1 {
			// age's error would repeat the string, which may be an identity.
			return nil, sallyport.E(sallyport.Invalid, "vault recipients", fmt.Sprintf("recipient %d is no age recipient", i+1)).
				WithHint("give the public part (age1...), as age-keygen -y prints it; never the AGE-SECRET-KEY")
		}
		out = append(out, rs...)
	}
	return out, nil
}
