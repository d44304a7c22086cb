// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package operator

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"math"
	"math/big"
	"math/bits"
)

const (
	ff1Rounds = 10
	// ff1Longest bounds the numerals of one string, and with them the work.
	ff1Longest = 128
	// ff1Domain is the least number of strings that FF1 may permute.
	ff1Domain = 1_000_000
)

// ff1 is the FF1 mode of NIST SP 800-38G, with the bound on the domain of its
// revision 1, over strings of numerals in one radix. A numeral is a byte below
// the radix. It does not change and is safe for concurrent use.
type ff1 struct {
	block cipher.Block
	radix uint64
	least int // the shortest string with a domain of ff1Domain
	tweak []byte
}

// newFF1 makes one for a key of 16, 24 or 32 bytes and a radix from 2 to 256.
func newFF1(key []byte, radix int, tweak []byte) (*ff1, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	f := &ff1{block: block, radix: uint64(radix), tweak: tweak}
	for size := uint64(1); size < ff1Domain; size *= f.radix {
		f.least++
	}
	return f, nil
}

// fits reports whether x has a length that FF1 may be used for.
func (f *ff1) fits(x []byte) bool { return len(x) >= f.least && len(x) <= ff1Longest }

// permute encrypts or decrypts the numerals in x, which fits, in place.
func (f *ff1) permute(x []byte, decrypt bool) {
	if small, ok := power(f.radix, len(x)-len(x)/2); ok {
		f.narrow(x, decrypt, bits.Len64(small-1))
		return
	}
	f.wide(x, decrypt)
}

// narrow is for strings whose halves are numbers of 64 bits; width is the number
// of bits of the longer half.
func (f *ff1) narrow(x []byte, decrypt bool, width int) {
	u := len(x) / 2
	sizes := [2]uint64{}
	sizes[0], _ = power(f.radix, u)
	sizes[1], _ = power(f.radix, len(x)-u)
	a, b := number(x[:u], f.radix), number(x[u:], f.radix)
	round := f.newRound(len(x), (width+7)/8)
	var half [8]byte
	for i := range ff1Rounds {
		if decrypt {
			i = ff1Rounds - 1 - i
			a, b = b, a
		}
		binary.BigEndian.PutUint64(half[:], b)
		size := sizes[i%2]
		y := residue(round.output(i, half[:]), size)
		if decrypt {
			y = (size - y) % size
		}
		sum, carry := bits.Add64(a, y, 0)
		if decrypt {
			// b stays where it is; a becomes what it was before the round.
			a = bits.Rem64(carry, sum, size)
			continue
		}
		a, b = b, bits.Rem64(carry, sum, size)
	}
	numerals(x[:u], a, f.radix)
	numerals(x[u:], b, f.radix)
}

// wide is narrow for longer strings.
func (f *ff1) wide(x []byte, decrypt bool) {
	u := len(x) / 2
	radix := new(big.Int).SetUint64(f.radix)
	sizes := [2]*big.Int{
		new(big.Int).Exp(radix, big.NewInt(int64(u)), nil),
		new(big.Int).Exp(radix, big.NewInt(int64(len(x)-u)), nil),
	}
	a, b := wideNumber(x[:u], radix), wideNumber(x[u:], radix)
	width := new(big.Int).Sub(sizes[1], big.NewInt(1)).BitLen()
	round := f.newRound(len(x), (width+7)/8)
	half := make([]byte, (width+7)/8)
	y := new(big.Int)
	for i := range ff1Rounds {
		if decrypt {
			i = ff1Rounds - 1 - i
			a, b = b, a
		}
		y.SetBytes(round.output(i, b.FillBytes(half)))
		if decrypt {
			a.Sub(a, y).Mod(a, sizes[i%2])
			continue
		}
		a.Add(a, y).Mod(a, sizes[i%2])
		a, b = b, a
	}
	wideNumerals(x[:u], a, radix)
	wideNumerals(x[u:], b, radix)
}

// ff1Round is the round function: a CBC-MAC over P and Q, made longer in counter
// mode.
type ff1Round struct {
	block cipher.Block
	start [aes.BlockSize]byte // the code of P
	q     []byte              // T, zeros, the round, the half
	half  int                 // bytes of the half, "b" in the standard
	out   []byte              // whole blocks
	bytes int                 // bytes of output, "d" in the standard
}

func (f *ff1) newRound(n, half int) *ff1Round {
	r := &ff1Round{block: f.block, half: half, bytes: 4*((half+3)/4) + 4}
	p := [aes.BlockSize]byte{1, 2, 1, 0, byte(f.radix >> 8), byte(f.radix), ff1Rounds, byte(n / 2)}
	binary.BigEndian.PutUint32(p[8:], uint32(n))
	binary.BigEndian.PutUint32(p[12:], uint32(len(f.tweak)))
	f.block.Encrypt(r.start[:], p[:])
	blocks := (len(f.tweak) + 1 + half + aes.BlockSize - 1) / aes.BlockSize
	r.q = make([]byte, blocks*aes.BlockSize)
	copy(r.q, f.tweak)
	r.out = make([]byte, (r.bytes+aes.BlockSize-1)/aes.BlockSize*aes.BlockSize)
	return r
}

// output returns "S" for round i and the last r.half bytes of half. It is good
// until the next call.
func (r *ff1Round) output(i int, half []byte) []byte {
	r.q[len(r.q)-r.half-1] = byte(i)
	copy(r.q[len(r.q)-r.half:], half[max(0, len(half)-r.half):])
	code := r.out[:aes.BlockSize]
	copy(code, r.start[:])
	for q := r.q; len(q) > 0; q = q[aes.BlockSize:] {
		for j := range code {
			code[j] ^= q[j]
		}
		r.block.Encrypt(code, code)
	}
	for j := aes.BlockSize; j < len(r.out); j += aes.BlockSize {
		next := r.out[j : j+aes.BlockSize]
		copy(next, code)
		last := next[aes.BlockSize-8:]
		binary.BigEndian.PutUint64(last, binary.BigEndian.Uint64(last)^uint64(j/aes.BlockSize))
		r.block.Encrypt(next, next)
	}
	return r.out[:r.bytes]
}

// power returns radix to the n, and whether it has 64 bits.
func power(radix uint64, n int) (uint64, bool) {
	p := uint64(1)
	for range n {
		if p > math.MaxUint64/radix {
			return 0, false
		}
		p *= radix
	}
	return p, true
}

// residue returns the number in b, a multiple of four bytes, modulo m.
func residue(b []byte, m uint64) uint64 {
	r := uint64(0)
	for ; len(b) > 0; b = b[4:] {
		r = bits.Rem64(r>>32, r<<32|uint64(binary.BigEndian.Uint32(b)), m)
	}
	return r
}

func number(x []byte, radix uint64) uint64 {
	n := uint64(0)
	for _, d := range x {
		n = n*radix + uint64(d)
	}
	return n
}

func numerals(x []byte, n, radix uint64) {
	for i := len(x) - 1; i >= 0; i-- {
		x[i] = byte(n % radix)
		n /= radix
	}
}

func wideNumber(x []byte, radix *big.Int) *big.Int {
	n, d := new(big.Int), new(big.Int)
	for _, c := range x {
		n.Mul(n, radix).Add(n, d.SetUint64(uint64(c)))
	}
	return n
}

func wideNumerals(x []byte, n, radix *big.Int) {
	n, d := new(big.Int).Set(n), new(big.Int)
	for i := len(x) - 1; i >= 0; i-- {
		n.QuoRem(n, radix, d)
		x[i] = byte(d.Uint64())
	}
}
