// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

// Package vault keeps what must never be seen: the credentials of targets, the
// data keys of sessions and the key of the statements' fingerprints.
//
// Credentials lie in one file, each sealed by a Tink AEAD keyset (AES-256-GCM)
// that is itself sealed by a master key from a file or the environment. They
// come out in one way only: as a [Lease] for a connector that logs in to the
// target. Nothing else returns one, and a [Credential], a [Secret] or a [Lease]
// that lands in a log, an error or a JSON document prints as [Redacted].
//
// The data keys of sessions are born here, used through [DataKey] and leave
// only wrapped. Each session has a [SessionKey] in the key store, a directory
// beside the vault file, and destroying that key erases what the session sealed.
// The key of the recordings, which hold masked data only, is wrapped to it. The
// key of the exact statement texts is split: one half goes to the auditors' age
// recipients, the other is wrapped to the session's key, so that neither the
// gateway's operator nor, once the session's key is destroyed, an auditor can
// read them alone (docs/adr/0011-erasure.md).
package vault

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"hash"
	"io"
	"maps"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"filippo.io/age"
	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/keyset"
	"github.com/tink-crypto/tink-go/v2/tink"

	sallyport "github.com/sallyport-dev/sallyport"
)

// fileVersion is the version of the vault file that this package writes, and
// the only one it reads.
const fileVersion = 1

// keyStoreName is the directory of the sessions' keys, beside the vault file. It
// is apart so that a backup of it can be kept for a shorter time.
const keyStoreName = "session-keys"

// keySize is the size in bytes of the master key, of data keys and of the
// fingerprint key.
const keySize = 32

// Associated data, so that one sealed thing cannot stand in for another.
const (
	keysetAD      = "sallyport/vault/keyset"
	fingerprintAD = "sallyport/vault/fingerprint"
	entryAD       = "sallyport/vault/entry/"
	dataKeyAD     = "sallyport/vault/datakey/"
	sessionKeyAD  = "sallyport/vault/sessionkey/"
	cacheKeyAD    = "sallyport/vault/cachekey/"
)

// Options say where a vault lies and what it works with. All but Recipients
// are required.
type Options struct {
	Path   string // of the vault file; made when it is missing
	Master Ref    // "file:PATH", "env:NAME" or the URI of a key in a KMS; never "vault:NAME"
	// KMS are the clients that a URI is looked for with. May be empty.
	KMS []KMS
	// Recipients are the auditors' age recipients ("age1..."). Without one, no
	// key for statement texts can be made.
	Recipients []string
	Getenv     func(string) string
	Now        func() time.Time
	Rand       io.Reader
}

// Vault holds the opened keyset; the credentials stay sealed in the file until
// they are leased. Its methods may be called from any number of goroutines, and
// several processes may share one file.
type Vault struct {
	path       string
	getenv     func(string) string
	now        func() time.Time
	rand       io.Reader
	recipients []age.Recipient
	sealer     tink.AEAD
	keys       keyStore
	macs       sync.Pool // of hash.Hash keyed with the fingerprint key
}

// document is the vault file.
type document struct {
	Version     int              `json:"version"`
	Keyset      string           `json:"keyset"`      // base64 of Tink's EncryptedKeyset
	Fingerprint string           `json:"fingerprint"` // base64, sealed by the keyset
	Entries     map[string]entry `json:"entries"`
}

// entry is one sealed credential.
type entry struct {
	Sealed  string    `json:"sealed"` // base64
	Updated time.Time `json:"updated"`
}

// Open opens the vault, or makes it with fresh keys. Errors: Invalid for
// options that cannot work and for files that others may read; Integrity when
// the file does not open under the master key; Unavailable for the rest.
func Open(o Options) (*Vault, error) {
	recipients, err := parseRecipients(o.Recipients)
	if err != nil {
		return nil, err
	}
	master, err := masterAEAD(o)
	if err != nil {
		return nil, err
	}
	kek := &attended{AEAD: master}
	v := &Vault{path: o.Path, getenv: o.Getenv, now: o.Now, rand: o.Rand, recipients: recipients}
	v.keys = keyStore{dir: filepath.Join(filepath.Dir(o.Path), keyStoreName)}
	err = locked(o.Path, func() error {
		doc, err := readDocument(o.Path)
		if sallyport.KindOf(err) == sallyport.NotFound {
			return v.create(kek)
		}
		if err != nil {
			return err
		}
		return v.load(doc, kek)
	})
	if err != nil {
		return nil, kek.explain(err)
	}
	return v, nil
}

// create makes a vault file with fresh keys and no entries.
func (v *Vault) create(kek tink.AEAD) error {
	const op = "vault create"
	fail := func(err error) error {
		return sallyport.E(sallyport.Internal, op, "the vault's keys cannot be made").Because(err)
	}
	// Tink draws its keys from crypto/rand itself; it takes no other source.
	handle, err := keyset.NewHandle(aead.AES256GCMKeyTemplate())
	if err != nil {
		return fail(err)
	}
	var sealed bytes.Buffer
	if err := handle.WriteWithAssociatedData(keyset.NewBinaryWriter(&sealed), kek, []byte(keysetAD)); err != nil {
		return fail(err)
	}
	if v.sealer, err = aead.New(handle); err != nil {
		return fail(err)
	}
	key := make([]byte, keySize)
	if _, err := io.ReadFull(v.rand, key); err != nil {
		return fail(err)
	}
	fingerprint, err := v.sealer.Encrypt(key, []byte(fingerprintAD))
	if err != nil {
		return fail(err)
	}
	v.useFingerprintKey(key)
	return writeDocument(v.path, document{
		Version:     fileVersion,
		Keyset:      base64.StdEncoding.EncodeToString(sealed.Bytes()),
		Fingerprint: base64.StdEncoding.EncodeToString(fingerprint),
		Entries:     map[string]entry{},
	})
}

// load opens the keys of an existing vault file.
func (v *Vault) load(doc document, kek tink.AEAD) error {
	fail := func(err error) error {
		return sallyport.E(sallyport.Integrity, "vault open", "the vault does not open under this master key").
			WithHint("give the master key that the vault was made with, or restore the vault file from a backup").Because(err)
	}
	sealed, err := base64.StdEncoding.DecodeString(doc.Keyset)
	if err != nil {
		return fail(err)
	}
	handle, err := keyset.ReadWithAssociatedData(keyset.NewBinaryReader(bytes.NewReader(sealed)), kek, []byte(keysetAD))
	if err != nil {
		return fail(err)
	}
	if v.sealer, err = aead.New(handle); err != nil {
		return fail(err)
	}
	wrapped, err := base64.StdEncoding.DecodeString(doc.Fingerprint)
	if err != nil {
		return fail(err)
	}
	key, err := v.sealer.Decrypt(wrapped, []byte(fingerprintAD))
	if err != nil {
		return fail(err)
	}
	if len(key) != keySize {
		return fail(errors.New("the fingerprint key has the wrong size"))
	}
	v.useFingerprintKey(key)
	return nil
}

func (v *Vault) useFingerprintKey(key []byte) {
	v.macs.New = func() any { return hmac.New(sha256.New, key) }
}

// Fingerprint returns the lower-case hex HMAC-SHA-256 of text under the vault's
// fingerprint key. Equal texts have equal fingerprints, and without the key a
// text cannot be guessed from its fingerprint.
func (v *Vault) Fingerprint(text []byte) string {
	h := v.macs.Get().(hash.Hash)
	h.Reset()
	h.Write(text)
	var sum [sha256.Size]byte
	var out [2 * sha256.Size]byte
	hex.Encode(out[:], h.Sum(sum[:0]))
	v.macs.Put(h)
	return string(out[:])
}

// Entry says that a credential is there, without it.
type Entry struct {
	Name    string    `json:"name"`
	Updated time.Time `json:"updated"`
}

// Put seals c under name, in place of what was there. A name has 1 to 64
// lower-case letters, digits, dots, dashes and underscores.
func (v *Vault) Put(name string, c Credential) error {
	const op = "vault put"
	if !validName(name) {
		return invalidName(op)
	}
	if c.Secret.Empty() {
		return sallyport.E(sallyport.Invalid, op, "the credential holds no secret").
			WithHint("give the password on standard input")
	}
	plain, err := c.seal()
	if err != nil {
		return sallyport.E(sallyport.Internal, op, "the credential cannot be encoded").Because(err)
	}
	defer clear(plain)
	sealed, err := v.sealer.Encrypt(plain, []byte(entryAD+name))
	if err != nil {
		return sallyport.E(sallyport.Internal, op, "the credential cannot be sealed").Because(err)
	}
	return v.change(func(doc *document) error {
		doc.Entries[name] = entry{Sealed: base64.StdEncoding.EncodeToString(sealed), Updated: v.now().UTC()}
		return nil
	})
}

// Delete removes the credential called name; NotFound when there is none.
func (v *Vault) Delete(name string) error {
	return v.change(func(doc *document) error {
		if _, ok := doc.Entries[name]; !ok {
			return absent("vault delete", name)
		}
		delete(doc.Entries, name)
		return nil
	})
}

// Entries lists the vault's credentials by name.
func (v *Vault) Entries() ([]Entry, error) {
	doc, err := readDocument(v.path)
	if err != nil {
		return nil, err
	}
	out := make([]Entry, 0, len(doc.Entries))
	for _, name := range slices.Sorted(maps.Keys(doc.Entries)) {
		out = append(out, Entry{Name: name, Updated: doc.Entries[name].Updated})
	}
	return out, nil
}

// change rewrites the vault file under its lock.
func (v *Vault) change(f func(*document) error) error {
	return locked(v.path, func() error {
		doc, err := readDocument(v.path)
		if err != nil {
			return err
		}
		if doc.Entries == nil {
			doc.Entries = map[string]entry{}
		}
		if err := f(&doc); err != nil {
			return err
		}
		return writeDocument(v.path, doc)
	})
}

// Lease returns the credential that ref names, for a connector to log in with.
// The caller releases it as soon as the target has accepted it. What "env:" and
// "file:" refer to is the secret alone: the lease then has no user name, and
// the resource's configuration gives it.
//
// The file is read anew each time, so a credential that was rotated is used by
// the next session without a restart. Errors: Invalid for what is no reference,
// NotFound, Integrity, Unavailable; none holds the reference when it might be a
// password written in the wrong place.
func (v *Vault) Lease(ctx context.Context, ref Ref) (*Lease, error) {
	const op = "vault lease"
	if err := ctx.Err(); err != nil {
		return nil, sallyport.E(sallyport.Unavailable, op, "the session ended before its credential was leased").Because(err)
	}
	scheme, name, err := ref.split()
	if err != nil {
		return nil, err
	}
	if scheme != schemeVault {
		secret, err := readSecret(ref, v.getenv)
		if err != nil {
			return nil, err
		}
		return newLease(Credential{Secret: adoptSecret(secret)}), nil
	}
	doc, err := readDocument(v.path)
	if err != nil {
		return nil, err
	}
	e, ok := doc.Entries[name]
	if !ok {
		return nil, absent(op, name)
	}
	c, err := v.open(name, e)
	if err != nil {
		return nil, err
	}
	return newLease(c), nil
}

// LeaseOutside returns the secret behind a reference that does not name an entry
// of the vault: "env:NAME" or "file:PATH".
func LeaseOutside(ref Ref, getenv func(string) string) (*Lease, error) {
	scheme, _, err := ref.split()
	if err != nil {
		return nil, err
	}
	if scheme == schemeVault {
		return nil, sallyport.E(sallyport.Invalid, "vault lease", "a reference names an entry of the vault, and no gateway's configuration is given").
			WithHint("name it with --config")
	}
	secret, err := readSecret(ref, getenv)
	if err != nil {
		return nil, err
	}
	return newLease(Credential{Secret: adoptSecret(secret)}), nil
}

func (v *Vault) open(name string, e entry) (Credential, error) {
	fail := func(err error) (Credential, error) {
		return Credential{}, sallyport.E(sallyport.Integrity, "vault lease", "the credential "+name+" does not open").
			WithHint("it was changed outside the vault; put it again with `sallyport vault put`").Because(err)
	}
	sealed, err := base64.StdEncoding.DecodeString(e.Sealed)
	if err != nil {
		return fail(err)
	}
	plain, err := v.sealer.Decrypt(sealed, []byte(entryAD+name))
	if err != nil {
		return fail(err)
	}
	defer clear(plain)
	var p plainCredential
	if err := json.Unmarshal(plain, &p); err != nil {
		return fail(errors.New("the sealed credential is not what the vault writes"))
	}
	return Credential{Username: p.Username, Secret: adoptSecret(p.Secret)}, nil
}

func absent(op, name string) error {
	return sallyport.E(sallyport.NotFound, op, "the vault holds no credential "+name).
		WithHint("put it with `sallyport vault put " + name + "`")
}

func validName(name string) bool {
	if name == "" || len(name) > 64 {
		return false
	}
	for _, c := range []byte(name) {
		switch {
		case c >= 'a' && c <= 'z', c >= '0' && c <= '9', c == '.', c == '-', c == '_':
		default:
			return false
		}
	}
	return true
}

func invalidName(op string) error {
	return sallyport.E(sallyport.Invalid, op, "this is no name of a credential").
		WithHint("a name has 1 to 64 lower-case letters, digits, dots, dashes and underscores")
}
