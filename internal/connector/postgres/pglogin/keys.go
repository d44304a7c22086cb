// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package pglogin

import (
	"context"
	"crypto/subtle"
	"encoding/binary"
	"io"
	"net/netip"
	"sync"
	"time"

	"github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/wire/pgwire"
)

// Sizes of the secret keys handed out, in bytes.
const (
	secretLong  = 32 // protocol 3.2
	secretShort = 4  // protocol 3.0 can carry no more
)

// Defaults of [KeysOptions].
const (
	DefaultCancelRate  = 5.0
	DefaultCancelBurst = 20
)

// maxSources limits the number of sources whose rate is remembered.
const maxSources = 4096

// KeysOptions configure [Keys].
type KeysOptions struct {
	Rand io.Reader        // required; crypto/rand.Reader
	Now  func() time.Time // required
	// Rate is how many cancel requests a second one source may send in the long
	// run, Burst how many at once; 0 means the default.
	Rate  float64
	Burst int
}

// Keys is the registry of the keys that clients hold for cancelling. They are
// forged: the process number and the secret are the gateway's own, so that a
// client never learns the target's. It is safe for concurrent use.
type Keys struct {
	o KeysOptions

	mu      sync.Mutex
	live    map[uint32]liveKey
	sources map[netip.Addr]*bucket
}

type liveKey struct {
	secret []byte
	cancel func(context.Context) error
}

// bucket holds the tokens of one source as they were at the instant at.
type bucket struct {
	tokens float64
	at     time.Time
}

// NewKeys makes an empty registry.
func NewKeys(o KeysOptions) *Keys {
	if o.Rate <= 0 {
		o.Rate = DefaultCancelRate
	}
	if o.Burst <= 0 {
		o.Burst = DefaultCancelBurst
	}
	return &Keys{o: o, live: map[uint32]liveKey{}, sources: map[netip.Addr]*bucket{}}
}

// Issue makes a key for a session that speaks the protocol version given:
// 32 bytes of secret from 3.2 on, 4 before. cancel is what [Keys.Find] returns
// for it until release is called, which the session must do at its end.
func (k *Keys) Issue(version uint32, cancel func(context.Context) error) (key pgwire.CancelKey, release func(), err error) {
	size := secretShort
	if version >= pgwire.Version32 {
		size = secretLong
	}
	// A few tries suffice: even a million sessions fill a two-thousandth of the
	// numbers.
	for range 32 {
		var b [4 + secretLong]byte
		if _, err := io.ReadFull(k.o.Rand, b[:4+size]); err != nil {
			return pgwire.CancelKey{}, nil, sallyport.E(sallyport.Internal, "postgres cancel key", "the gateway has no randomness").Because(err)
		}
		// Positive, since drivers keep it in a signed 32-bit integer.
		pid := binary.BigEndian.Uint32(b[:4]) &^ (1 << 31)
		secret := append([]byte(nil), b[4:4+size]...)
		if pid == 0 || !k.add(pid, liveKey{secret: secret, cancel: cancel}) {
			continue
		}
		return pgwire.CancelKey{PID: pid, Secret: secret}, sync.OnceFunc(func() { k.remove(pid) }), nil
	}
	return pgwire.CancelKey{}, nil, sallyport.E(sallyport.Exhausted, "postgres cancel key", "no free key was found")
}

func (k *Keys) add(pid uint32, l liveKey) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	if _, taken := k.live[pid]; taken {
		return false
	}
	k.live[pid] = l
	return true
}

func (k *Keys) remove(pid uint32) {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.live, pid)
}

// Len returns the number of live keys.
func (k *Keys) Len() int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return len(k.live)
}

// Find returns the cancel function that belongs to a key which arrived from
// source. Errors are of kind NotFound for a key that names no session and of
// kind Exhausted when the source asks too often; the client is told neither,
// since the protocol has no answer to a cancel request.
func (k *Keys) Find(source netip.Addr, key pgwire.CancelKey) (func(context.Context) error, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if !k.take(source) {
		return nil, sallyport.E(sallyport.Exhausted, "postgres cancel", "too many cancel requests from one source")
	}
	l, ok := k.live[key.PID]
	// Compared in constant time, so that the secret cannot be guessed byte by
	// byte. Whether a process number is live may be learned; it is no secret.
	if !ok || subtle.ConstantTimeCompare(l.secret, key.Secret) != 1 {
		return nil, sallyport.E(sallyport.NotFound, "postgres cancel", "the key names no session")
	}
	return l.cancel, nil
}

// take takes a token from the source's bucket. k.mu is held.
func (k *Keys) take(source netip.Addr) bool {
	source = source.Unmap().WithZone("")
	if source.Is6() {
		// One host commands a whole /64.
		if p, err := source.Prefix(64); err == nil {
			source = p.Addr()
		}
	}
	now, burst := k.o.Now(), float64(k.o.Burst)
	b := k.sources[source]
	if b == nil {
		if len(k.sources) >= maxSources {
			k.forget(now)
		}
		b = &bucket{tokens: burst, at: now}
		k.sources[source] = b
	}
	b.tokens = k.level(b, now)
	b.at = now
	if b.tokens < 1 {
		return false
	}
	b.tokens--
	return true
}

// level is the number of tokens in b by now. A clock that went back adds none.
func (k *Keys) level(b *bucket, now time.Time) float64 {
	return min(float64(k.o.Burst), b.tokens+max(0, now.Sub(b.at).Seconds())*k.o.Rate)
}

// forget drops the sources whose buckets are full again and, when none is, all:
// so many sources at once are one attacker's, and memory is worth more than the
// limit on each. k.mu is held.
func (k *Keys) forget(now time.Time) {
	for source, b := range k.sources {
		if k.level(b, now) >= float64(k.o.Burst) {
			delete(k.sources, source)
		}
	}
	if len(k.sources) >= maxSources {
		clear(k.sources)
	}
}
