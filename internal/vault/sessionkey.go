// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package vault

import (
	"bytes"
	"encoding/base32"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"time"

	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/keyset"
	"github.com/tink-crypto/tink-go/v2/tink"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/evidence"
)

// Terms say whose a session's key is and how long it is kept. They are bound to
// the key: it does not open under others.
type Terms struct {
	Session   sallyport.SessionID   `json:"session"`
	Principal sallyport.PrincipalID `json:"principal"`
	Resource  sallyport.ResourceID  `json:"resource"`
	Grant     sallyport.GrantID     `json:"grant,omitempty"`
	Class     string                `json:"retention"`
	Opened    time.Time             `json:"opened"`
	Expires   time.Time             `json:"retained_until"`
}

// SessionKey is the key that the data keys of one session are wrapped by. It
// lies in the key store, outside of the ledger, so that destroying it erases
// what the session sealed, also in copies of the ledger and in old bundles.
type SessionKey struct {
	id    string
	vault *Vault
	aead  tink.AEAD
}

// keyFile is a file of the key store.
type keyFile struct {
	Version int             `json:"version"`
	Terms   json.RawMessage `json:"terms"`  // the exact bytes that the keyset is bound to
	Keyset  string          `json:"keyset"` // base64 of Tink's EncryptedKeyset, sealed by the vault
}

// keyStoreVersion is the version of the files in the key store.
const keyStoreVersion = 1

// NewSessionKey makes a session's key. It is durable in the key store when this
// returns.
func (v *Vault) NewSessionKey(t Terms) (*SessionKey, error) {
	const op = "session key"
	fail := func(err error) (*SessionKey, error) {
		return nil, sallyport.E(sallyport.Internal, op, "the session's key cannot be made").Because(err)
	}
	if t.Expires.IsZero() || t.Expires.Year() > 9999 || t.Class == "" {
		return fail(errors.New("it has no class or no end"))
	}
	var random [12]byte
	if _, err := io.ReadFull(v.rand, random[:]); err != nil {
		return fail(err)
	}
	t.Opened, t.Expires = t.Opened.UTC(), t.Expires.UTC()
	id := keyPrefix + t.Expires.Format(monthForm) + "_" + strings.ToLower(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(random[:]))
	terms, err := json.Marshal(t)
	if err != nil {
		return fail(err)
	}
	handle, err := keyset.NewHandle(aead.AES256GCMKeyTemplate())
	if err != nil {
		return fail(err)
	}
	a, err := aead.New(handle)
	if err != nil {
		return fail(err)
	}
	var sealed bytes.Buffer
	if err := handle.WriteWithAssociatedData(keyset.NewBinaryWriter(&sealed), v.sealer, sessionKeyData(id, terms)); err != nil {
		return fail(err)
	}
	b, err := json.Marshal(keyFile{Version: keyStoreVersion, Terms: terms, Keyset: base64.StdEncoding.EncodeToString(sealed.Bytes())})
	if err != nil {
		return fail(err)
	}
	if err := v.keys.put(id, b); err != nil {
		return nil, err
	}
	return &SessionKey{id: id, vault: v, aead: a}, nil
}

func sessionKeyData(id string, terms []byte) []byte {
	return append([]byte(sessionKeyAD+id+"/"), terms...)
}

// ID returns the key's name in the key store.
func (k *SessionKey) ID() string { return k.id }

// NewDataKey makes a data key of the session for a purpose, and returns it with
// its wrapped forms for the ledger. A key for [PurposeRecording] is wrapped to
// the session's key. One for [PurposeText] is the exclusive or of two random
// halves: one wrapped to the auditors' age recipients, the other to the
// session's key. Neither the gateway nor an auditor has it alone. Without a
// recipient, a key for texts is refused with kind Invalid, since texts hold what
// no operator may read.
func (k *SessionKey) NewDataKey(purpose string) (*DataKey, []evidence.WrappedKey, error) {
	const op = "data key"
	v := k.vault
	if purpose != PurposeText && purpose != PurposeRecording {
		return nil, nil, sallyport.E(sallyport.Invalid, op, "a data key is for text or for recording")
	}
	if purpose == PurposeText && len(v.recipients) == 0 {
		return nil, nil, sallyport.E(sallyport.Invalid, op, "there are no auditors to seal the statements' texts to").
			WithHint("configure at least one age recipient of the auditors (age1...)")
	}
	fail := func(err error) (*DataKey, []evidence.WrappedKey, error) {
		return nil, nil, sallyport.E(sallyport.Internal, op, "the data key cannot be wrapped").Because(err)
	}
	d, key, err := newDataKey(purpose, v.rand)
	if err != nil {
		return nil, nil, err
	}
	defer clear(key)
	own := evidence.WrappedKey{ID: d.id, Purpose: purpose, To: evidence.ToSession, By: k.id}
	if purpose == PurposeRecording {
		if own.Wrapped, err = k.aead.Encrypt(key, dataKeyData(own)); err != nil {
			return fail(err)
		}
		return d, []evidence.WrappedKey{own}, nil
	}
	half := make([]byte, keySize)
	defer clear(half)
	if _, err := io.ReadFull(v.rand, half); err != nil {
		return fail(err)
	}
	for i := range key {
		key[i] ^= half[i] // from here on the auditors' half
	}
	auditors := evidence.WrappedKey{ID: d.id, Purpose: purpose, To: evidence.ToAge, By: k.id}
	if auditors.Wrapped, err = sealToAge(v.recipients, auditors, key); err != nil {
		return fail(err)
	}
	if own.Wrapped, err = k.aead.Encrypt(half, dataKeyData(own)); err != nil {
		return fail(err)
	}
	return d, []evidence.WrappedKey{auditors, own}, nil
}

// sessionKey opens a session's key from the key store; NotFound when it was
// destroyed or is about to be.
func (v *Vault) sessionKey(id string) (tink.AEAD, error) {
	f, _, err := v.keys.get(id)
	if err != nil {
		return nil, err
	}
	fail := func(err error) (tink.AEAD, error) {
		return nil, sallyport.E(sallyport.Integrity, "session key", "the session's key "+id+" does not open under this vault").
			WithHint("it was changed, or belongs to another vault; restore the key store from a backup").Because(err)
	}
	sealed, err := base64.StdEncoding.DecodeString(f.Keyset)
	if err != nil {
		return fail(err)
	}
	handle, err := keyset.ReadWithAssociatedData(keyset.NewBinaryReader(bytes.NewReader(sealed)), v.sealer, sessionKeyData(id, f.Terms))
	if err != nil {
		return fail(err)
	}
	a, err := aead.New(handle)
	if err != nil {
		return fail(err)
	}
	return a, nil
}

// unwrapBySession returns what is wrapped to a session's key: a data key, or the
// gateway's half of one.
func (v *Vault) unwrapBySession(w evidence.WrappedKey) ([]byte, error) {
	a, err := v.sessionKey(w.By)
	if err != nil {
		return nil, err
	}
	key, err := a.Decrypt(w.Wrapped, dataKeyData(w))
	if err != nil {
		return nil, sallyport.E(sallyport.Integrity, "data key", "the key "+w.ID+" does not open under its session's key").
			WithHint("the record or the key store was changed").Because(err)
	}
	return key, nil
}

// Half returns the gateway's half of a session's key for texts, which opens
// nothing without an auditor's identity. Errors: NotFound when the session's key
// was destroyed, Invalid when w is not such a half.
func (v *Vault) Half(w evidence.WrappedKey) ([]byte, error) {
	if w.To != evidence.ToSession || w.Purpose != PurposeText {
		return nil, sallyport.E(sallyport.Invalid, "data key", "the key "+w.ID+" is not the gateway's half of a key for texts")
	}
	return v.unwrapBySession(w)
}
