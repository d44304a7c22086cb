// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package vault

import (
	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/evidence"
)

// NewDataKey makes a key as releases before the key store did, whose records must
// open for ever. It makes a session's data key for a purpose and returns it with its
// wrapped form for the ledger: for [PurposeText] wrapped to the auditors' age
// recipients and to nobody else, for [PurposeRecording] to the vault. Without a
// recipient, a key for texts is refused with kind Invalid, since texts hold what
// no operator may read.
func (v *Vault) NewDataKey(purpose string) (*DataKey, evidence.WrappedKey, error) {
	const op = "data key"
	fail := func(err error) (*DataKey, evidence.WrappedKey, error) { return nil, evidence.WrappedKey{}, err }
	if purpose != PurposeText && purpose != PurposeRecording {
		return fail(sallyport.E(sallyport.Invalid, op, "a data key is for text or for recording"))
	}
	if purpose == PurposeText && len(v.recipients) == 0 {
		return fail(sallyport.E(sallyport.Invalid, op, "there are no auditors to seal the statements' texts to").
			WithHint("configure at least one age recipient of the auditors (age1...)"))
	}
	k, key, err := newDataKey(purpose, v.rand)
	if err != nil {
		return fail(err)
	}
	defer clear(key)
	w := evidence.WrappedKey{ID: k.id, Purpose: purpose}
	if purpose == PurposeText {
		w.To = evidence.ToAge
		w.Wrapped, err = sealToAge(v.recipients, w, key)
	} else {
		w.To = evidence.ToVault
		w.Wrapped, err = v.sealer.Encrypt(key, dataKeyData(w))
	}
	if err != nil {
		return fail(sallyport.E(sallyport.Internal, op, "the data key cannot be wrapped").Because(err))
	}
	return k, w, nil
}
