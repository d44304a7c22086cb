// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package vault

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"sync"
)

// Redacted is what every secret prints as.
const Redacted = "[secret]"

// Secret is a byte string that does not print. A function holds the bytes: fmt
// calls no method on the unexported fields of other structs and, for some
// verbs, follows even pointers there, but it never looks into a function.
type Secret struct {
	reveal func() []byte
}

// NewSecret returns a secret with a copy of b.
func NewSecret(b []byte) Secret { return adoptSecret(append([]byte(nil), b...)) }

// adoptSecret returns a secret that owns b.
func adoptSecret(b []byte) Secret { return Secret{func() []byte { return b }} }

// Empty reports whether there is no secret in it.
func (s Secret) Empty() bool { return len(s.bytes()) == 0 }

func (s Secret) bytes() []byte {
	if s.reveal == nil {
		return nil
	}
	return s.reveal()
}

// String returns [Redacted].
func (Secret) String() string { return Redacted }

// GoString returns [Redacted].
func (Secret) GoString() string { return Redacted }

// Format writes [Redacted] for every verb.
func (Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, Redacted) }

// MarshalText returns [Redacted].
func (Secret) MarshalText() ([]byte, error) { return []byte(Redacted), nil }

// MarshalJSON returns [Redacted] as a JSON string.
func (Secret) MarshalJSON() ([]byte, error) { return []byte(`"` + Redacted + `"`), nil }

// LogValue returns [Redacted].
func (Secret) LogValue() slog.Value { return slog.StringValue(Redacted) }

// Credential is what logs in to a target. It can be put into the vault, but
// only a [Lease] brings it out.
type Credential struct {
	Username string
	Secret   Secret
}

// plainCredential is a credential's form inside its seal.
type plainCredential struct {
	Username string `json:"username"`
	Secret   []byte `json:"secret"`
}

func (c Credential) seal() ([]byte, error) {
	return json.Marshal(plainCredential{Username: c.Username, Secret: c.Secret.bytes()})
}

// String returns [Redacted].
func (Credential) String() string { return Redacted }

// GoString returns [Redacted].
func (Credential) GoString() string { return Redacted }

// Format writes [Redacted] for every verb.
func (Credential) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, Redacted) }

// MarshalText returns [Redacted].
func (Credential) MarshalText() ([]byte, error) { return []byte(Redacted), nil }

// MarshalJSON returns [Redacted] as a JSON string.
func (Credential) MarshalJSON() ([]byte, error) { return []byte(`"` + Redacted + `"`), nil }

// LogValue returns [Redacted].
func (Credential) LogValue() slog.Value { return slog.StringValue(Redacted) }

// Lease is a credential lent to a connector for one login.
type Lease struct {
	mu       sync.Mutex
	username string
	secret   Secret
}

func newLease(c Credential) *Lease { return &Lease{username: c.Username, secret: c.Secret} }

// Username returns the account's name, or "" when the reference gives the
// secret alone or the lease was released.
func (l *Lease) Username() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.username
}

// Password returns the secret's own bytes, which [Lease.Release] wipes; nil
// after that.
func (l *Lease) Password() []byte {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.secret.bytes()
}

// Release wipes the secret. It may be called more than once. Copies that a
// driver made of it (Go strings) are out of reach.
func (l *Lease) Release() {
	l.mu.Lock()
	defer l.mu.Unlock()
	clear(l.secret.bytes())
	l.secret, l.username = Secret{}, ""
}

// String returns [Redacted].
func (*Lease) String() string { return Redacted }

// GoString returns [Redacted].
func (*Lease) GoString() string { return Redacted }

// Format writes [Redacted] for every verb.
func (*Lease) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, Redacted) }

// MarshalText returns [Redacted].
func (*Lease) MarshalText() ([]byte, error) { return []byte(Redacted), nil }

// MarshalJSON returns [Redacted] as a JSON string.
func (*Lease) MarshalJSON() ([]byte, error) { return []byte(`"` + Redacted + `"`), nil }

// LogValue returns [Redacted].
func (*Lease) LogValue() slog.Value { return slog.StringValue(Redacted) }
