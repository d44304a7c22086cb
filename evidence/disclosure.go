// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package evidence

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"hash"
	"time"

	sallyport "github.com/sallyport-dev/sallyport"
)

// Disclosure is the body of TypeDisclosure: whose rows the answer of one
// statement was made of. It stands before the statement's outcome, so that an
// outcome without one means that no table of patients was concerned.
//
// It holds no patient's key and nothing from which one could be found without
// the privacy key: see [Blinder] and [BlindSet]. A set that is too large for a
// leaf is spread over several, each with the statement's number.
type Disclosure struct {
	Stmt      uint64 `json:"stmt"`
	Namespace string `json:"namespace"`       // of the patients' keys
	Key       int    `json:"key"`             // version of the privacy key
	KeyID     string `json:"key_id"`          // of the privacy key, see [PrivacyKeyID]
	Rows      uint64 `json:"rows"`            // of the answer, or written
	Shown     string `json:"shown,omitempty"` // "masked", "part" or "shown": the outputs, not the keys alone
	Parts     int    `json:"parts,omitempty"` // leaves that the set needed, if more than one
	Part      int    `json:"part,omitempty"`  // from 1
	BlindSet
	// Unknown says which rows could not be ascribed to a patient.
	Unknown []UnknownPatients `json:"unknown,omitempty"`
}

// UnknownPatients says that rows of some tables were reached and that nobody
// knows whose they were: they may concern any patient of these tables.
type UnknownPatients struct {
	Relations []string `json:"relations"` // as in Intent.Objects
	Reason    string   `json:"reason"`    // one of the Unknown constants
	Rows      uint64   `json:"rows"`
}

// The reasons of [UnknownPatients]. They are append-only.
const (
	UnknownNoKey     = "no-key"         // the patient's key is not among the outputs
	UnknownNullKey   = "null-key"       // it is, and was NULL in so many rows
	UnknownForm      = "form"           // it was of a type or form that has no canonical one
	UnknownTooMany   = "too-many"       // more patients than are kept; the set was dropped
	UnknownLineage   = "lineage"        // where the outputs come from could not be proved
	UnknownFunction  = "function"       // a function was called that may read any table
	UnknownOutcome   = "no-outcome"     // found by a search: the statement may have been executed
	UnknownKeyAbsent = "no-privacy-key" // found by a search: recorded under a key that the search does not have
)

// The values of [Disclosure.Shown].
const (
	ShownMasked = "masked" // every output that derives from a column was masked
	ShownPart   = "part"   // some were
	ShownAll    = "shown"  // none was
)

// WhoSaw is the body of TypeWhoSaw. The patient is in it only blinded, and not as
// in the sets of disclosures: who compares the two learns nothing.
type WhoSaw struct {
	By        sallyport.PrincipalID `json:"by"`
	Purpose   string                `json:"purpose"`
	Namespace string                `json:"namespace"`
	Resource  sallyport.ResourceID  `json:"resource,omitempty"`
	From      time.Time             `json:"from,omitzero"`
	To        time.Time             `json:"to,omitzero"`
	Key       int                   `json:"key"`     // version of the privacy key
	Patient   string                `json:"patient"` // [Blinder.Subject] under it
}

// The domains of what is derived from a privacy key.
const (
	domainPatient = "sallyport.dev/patient/v1\x00"
	domainSubject = "sallyport.dev/subject/v1\x00"
	domainKeyID   = "sallyport.dev/privacy-key-id/v1"
	domainSalt    = "sallyport.dev/disclosure/v1\x00"
)

// MinPrivacyKey is the least length of a privacy key in bytes. Keys of patients
// are few enough to be tried one after the other, so that all secrecy is in it.
const MinPrivacyKey = 32

// PrivacyKeyID returns what tells a privacy key from others and nothing else of
// it.
func PrivacyKeyID(secret []byte) string {
	return hex.EncodeToString(derive(secret, domainKeyID, "")[:8])
}

func derive(secret []byte, domain, text string) []byte {
	m := hmac.New(sha256.New, secret)
	m.Write([]byte(domain))
	m.Write([]byte(text))
	return m.Sum(nil)
}

// Blinder blinds the keys of patients of one namespace. It allocates nothing for
// a key and is used by one goroutine at a time.
type Blinder struct {
	mac, subject hash.Hash
	sum          [sha256.Size]byte
}

// NewBlinder returns a blinder under a privacy key. A blinded value is the first
// 64 bits of
//
//	HMAC-SHA-256(HMAC-SHA-256(secret, domain || namespace), key)
func NewBlinder(secret []byte, namespace string) *Blinder {
	return &Blinder{
		mac:     hmac.New(sha256.New, derive(secret, domainPatient, namespace)),
		subject: hmac.New(sha256.New, derive(secret, domainSubject, namespace)),
	}
}

// Blind returns the blinded value of a patient's key in its canonical form.
func (b *Blinder) Blind(key []byte) uint64 {
	b.mac.Reset()
	b.mac.Write(key)
	return binary.BigEndian.Uint64(b.mac.Sum(b.sum[:0]))
}

// Subject returns what stands for a patient in the record of a search: 128 bits
// in hexadecimal.
func (b *Blinder) Subject(key []byte) string {
	b.subject.Reset()
	b.subject.Write(key)
	return hex.EncodeToString(b.subject.Sum(b.sum[:0])[:16])
}

// Salt makes of blinded values those of one statement, so that without the
// privacy key nobody can tell that two statements concern the same patient.
type Salt struct {
	buf []byte
	n   int
}

// NewSalt returns the salt of a statement.
func NewSalt(session sallyport.SessionID, stmt uint64) *Salt {
	b := append([]byte(domainSalt), session...)
	b = append(b, 0)
	b = binary.BigEndian.AppendUint64(b, stmt)
	return &Salt{buf: b, n: len(b)}
}

// Of returns a blinded value as it stands in the statement's record.
func (s *Salt) Of(blinded uint64) uint64 {
	s.buf = binary.BigEndian.AppendUint64(s.buf[:s.n], blinded)
	sum := sha256.Sum256(s.buf)
	return binary.BigEndian.Uint64(sum[:])
}
