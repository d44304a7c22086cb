// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package evidence

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"strings"

	"golang.org/x/mod/sumdb/tlog"
)

// Seal binds the log, as far as it had come, to a key that its gateway forgot
// right after. Heartbeats and the end of an epoch carry one. Whoever takes the
// gateway's machine later has the key that signs checkpoints and can sign
// another history, but cannot make the seals that stand in the true one.
type Seal struct {
	Key  string `json:"key"` // SealKey.ID
	N    uint64 `json:"n"`   // the interval that ends with it, from 0 in each epoch
	Size uint64 `json:"size"`
	Root string `json:"root"` // base64, of the tree of Size leaves
	MAC  string `json:"mac"`  // hex
}

// PurposeSeal is the purpose of a wrapped key that verifies seals.
const PurposeSeal = "seal"

// What each key is derived for. A later key follows from an earlier one, never
// the other way.
const (
	sealNext   = "sallyport seal next\n"
	sealID     = "sallyport seal id\n"
	sealMAC    = "sallyport seal mac\n"
	frameFirst = "sallyport frame first\n"
	frameNext  = "sallyport frame next\n"
)

// SealKeySize is the size of a seal key in bytes.
const SealKeySize = 32

// SealKey is the key of one interval of an epoch, and all that follows from it.
// A gateway draws the first one when it starts, seals it to its auditors, and
// from then on keeps only the key of the interval that runs.
type SealKey struct {
	id  [8]byte
	n   uint64
	key [SealKeySize]byte
}

// NewSealKey returns the key of an epoch's first interval.
func NewSealKey(first [SealKeySize]byte) SealKey {
	id := sealDerive(sealID, first)
	return SealKey{id: [8]byte(id[:8]), key: first}
}

// ParseSealKey reads a first key in the form in which auditors are given it: 64
// hexadecimal digits.
func ParseSealKey(text string) (SealKey, error) {
	b, err := hex.DecodeString(text)
	if err != nil || len(b) != SealKeySize {
		return SealKey{}, fmt.Errorf("a seal key is %d hexadecimal digits", 2*SealKeySize)
	}
	return NewSealKey([SealKeySize]byte(b)), nil
}

// ParseSealKeys reads a file of seal keys: one a line, with comments behind "#".
func ParseSealKeys(text string) ([]SealKey, error) {
	var keys []SealKey
	n := 0
	for line := range strings.Lines(text) {
		n++
		line, _, _ = strings.Cut(line, "#")
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		k, err := ParseSealKey(line)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
		keys = append(keys, k)
	}
	return keys, nil
}

// Secret returns the key of the interval, in the form that ParseSealKey reads
// when it is an epoch's first.
func (k *SealKey) Secret() string { return hex.EncodeToString(k.key[:]) }

func sealDerive(label string, key [SealKeySize]byte) [SealKeySize]byte {
	var room [64]byte
	return sha256.Sum256(append(append(room[:0], label...), key[:]...))
}

// ID names the epoch's keys without telling anything of them: 16 hexadecimal
// digits.
func (k *SealKey) ID() string { return hex.EncodeToString(k.id[:]) }

// IDBytes is ID as frames carry it.
func (k *SealKey) IDBytes() [8]byte { return k.id }

// Interval returns the number of the interval.
func (k *SealKey) Interval() uint64 { return k.n }

// Next forgets the key and goes on to that of the next interval.
func (k *SealKey) Next() {
	k.key = sealDerive(sealNext, k.key)
	k.n++
}

// Seal ends the interval over a log of size leaves. The caller must call Next.
func (k *SealKey) Seal(origin string, size uint64, root tlog.Hash) Seal {
	return Seal{
		Key: k.ID(), N: k.n, Size: size, Root: base64.StdEncoding.EncodeToString(root[:]),
		MAC: hex.EncodeToString(k.mac(origin, size, root)),
	}
}

func (k *SealKey) mac(origin string, size uint64, root tlog.Hash) []byte {
	key := sealDerive(sealMAC, k.key)
	h := hmac.New(sha256.New, key[:])
	h.Write(binary.BigEndian.AppendUint64(nil, k.n))
	h.Write([]byte(Checkpoint{Origin: origin, Size: size, Root: root}.Text()))
	return h.Sum(nil)
}

// maxIntervals bounds how far Check goes on: at a seal a second, an epoch of
// thirty years.
const maxIntervals = 1 << 30

// Check verifies a seal of this interval or a later one and goes on to the
// interval after it, so that seals are checked in their order. It returns how
// many seals are missing before this one.
func (k *SealKey) Check(s Seal, origin string) (missing uint64, err error) {
	switch {
	case s.Key != k.ID():
		return 0, fmt.Errorf("it was made with another key")
	case s.N < k.n || s.N-k.n > maxIntervals:
		return 0, fmt.Errorf("it is seal %d where %d or a later one must follow", s.N, k.n)
	}
	root, err := tlog.ParseHash(s.Root)
	if err != nil {
		return 0, fmt.Errorf("its root is malformed")
	}
	for ; k.n < s.N; missing++ {
		k.Next()
	}
	mac, err := hex.DecodeString(s.MAC)
	if err != nil || !hmac.Equal(mac, k.mac(origin, s.Size, root)) {
		return missing, fmt.Errorf("its key did not make it: what it seals was changed afterwards")
	}
	k.Next()
	return missing, nil
}

// FrameKey authenticates one frame of the write-ahead log.
type FrameKey struct{ key [SealKeySize]byte }

// FrameKey returns the key of the interval's first frame.
func (k *SealKey) FrameKey() FrameKey { return FrameKey{sealDerive(frameFirst, k.key)} }

// MAC authenticates a frame by its hash.
func (k *FrameKey) MAC(frame [sha256.Size]byte) (mac [sha256.Size]byte) {
	h := hmac.New(sha256.New, k.key[:])
	h.Write(frame[:])
	h.Sum(mac[:0])
	return mac
}

// Next forgets the key and goes on to that of the next frame.
func (k *FrameKey) Next() { k.key = sealDerive(frameNext, k.key) }
