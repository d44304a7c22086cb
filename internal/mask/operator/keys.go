// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package operator

import (
	"bytes"
	"cmp"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"hash"
	"slices"
	"strconv"
	"sync"

	sallyport "github.com/sallyport-dev/sallyport"
)

// secretBytes is the least length of a secret: that of the hash.
const secretBytes = 32

// Key is one version of the secret that keyed operators derive their keys from.
type Key struct {
	Version int    // from 1
	Secret  []byte // at least 32 bytes
}

// Format prints the version alone, whatever the verb.
func (k Key) Format(s fmt.State, _ rune) { fmt.Fprintf(s, "key version %d", k.Version) }

// Keys are the versions of a masking secret. The newest makes results; older ones
// are kept so that FPE can be reversed. A nil Keys has none.
type Keys struct {
	keys []Key // the current one last
}

// NewKeys checks the versions; the one with the greatest number is current.
// Errors have Kind Invalid and never hold a secret.
func NewKeys(keys ...Key) (*Keys, error) {
	const op = "masking keys"
	all := make([]Key, 0, len(keys))
	for _, k := range keys {
		if k.Version < 1 {
			return nil, sallyport.E(sallyport.Invalid, op, "a key's version is not positive").WithHint("number the versions from 1")
		}
		if len(k.Secret) < secretBytes {
			return nil, sallyport.E(sallyport.Invalid, op, "the secret of version "+strconv.Itoa(k.Version)+" is shorter than 32 bytes").
				WithHint("make one with: openssl rand 32")
		}
		all = append(all, Key{k.Version, bytes.Clone(k.Secret)})
	}
	slices.SortFunc(all, func(a, b Key) int { return cmp.Compare(a.Version, b.Version) })
	for i := 1; i < len(all); i++ {
		if all[i].Version == all[i-1].Version {
			return nil, sallyport.E(sallyport.Invalid, op, "version "+strconv.Itoa(all[i].Version)+" is given twice").
				WithHint("give each secret a version of its own")
		}
	}
	return &Keys{keys: all}, nil
}

// Current returns the version that makes results, or 0 when there are no keys.
func (k *Keys) Current() int {
	if k == nil || len(k.keys) == 0 {
		return 0
	}
	return k.keys[len(k.keys)-1].Version
}

// Format prints the current version alone, whatever the verb.
func (k *Keys) Format(s fmt.State, _ rune) { fmt.Fprintf(s, "keys up to version %d", k.Current()) }

// derive returns the 32 bytes that one kind of operator uses for one domain.
// Neither a purpose nor a domain holds a zero byte, so no two pairs meet.
func (k Key) derive(purpose Kind, domain string) []byte {
	h := hmac.New(sha256.New, k.Secret)
	h.Write([]byte("sallyport mask v1\x00" + purpose.String() + "\x00" + domain))
	return h.Sum(nil)
}

// mac is HMAC-SHA-256 under one derived key, for any number of goroutines.
type mac struct{ states sync.Pool }

type macState struct {
	hash hash.Hash
	sum  [sha256.Size]byte
}

func newMAC(key []byte) *mac {
	m := new(mac)
	m.states.New = func() any { return &macState{hash: hmac.New(sha256.New, key)} }
	return m
}

// of returns the code of v.
func (m *mac) of(v []byte) [sha256.Size]byte {
	s := m.states.Get().(*macState) // the pool holds nothing else
	defer m.states.Put(s)
	s.hash.Reset()
	s.hash.Write(v)
	s.hash.Sum(s.sum[:0])
	return s.sum
}

// ofRow returns the code of a row's number and a value in it.
func (m *mac) ofRow(number uint64, v []byte) [sha256.Size]byte {
	return m.of(append(binary.BigEndian.AppendUint64(make([]byte, 0, 8+len(v)), number), v...))
}
