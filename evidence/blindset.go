// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package evidence

import (
	"encoding/binary"
	"math"
	"math/bits"
	"slices"

	sallyport "github.com/sallyport-dev/sallyport"
)

// BlindSet is a set of salted blinded values, or a part of one, in one of two
// forms. Both answer whether a value is in it without false negatives.
//
// FormList holds the values themselves: 8 bytes each, big-endian, ascending.
//
// FormCoded is a Golomb-Rice coded set. With N patients in the whole set, each
// value v becomes floor(v * (N << Bits) / 2^64), so that a value that is not in
// the set is taken for one that is at a rate of at most 2^-Bits. The ascending
// results are written as: the first in 8 bytes, big-endian; then for each other
// the difference to the one before it, its upper part (difference >> Bits) in
// unary, as ones ended by a zero, and its lower Bits bits, the highest first;
// then zeros up to a whole byte. A part holds a stretch of the ascending results
// and can be read without the others.
type BlindSet struct {
	Patients uint64 `json:"patients"` // different ones in the whole set
	Form     string `json:"form,omitempty"`
	Bits     int    `json:"bits,omitempty"`  // of FormCoded
	Count    int    `json:"count,omitempty"` // values in Data
	Data     []byte `json:"data,omitempty"`
}

// The forms of a [BlindSet]; "" is the empty one.
const (
	FormList  = "list"
	FormCoded = "gcs"
)

const (
	// ListMost is the largest set that is written as a list.
	ListMost = 64
	// SetMost is the largest set: with more patients none is kept.
	SetMost = 2_000_000
	// codedBits give a false hit in a million statements of many patients.
	codedBits = 20
	// partBytes bounds the data of a part: in base64 and with all else it fits into
	// a leaf.
	partBytes = 36 << 10
	// maxRun bounds the unary part of a difference. A larger one begins a new part.
	maxRun = 1024
)

// FalseRate returns the likelihood with which a patient that is not in the whole
// set is taken for one that is.
func (s *BlindSet) FalseRate() float64 {
	switch s.Form {
	case FormList:
		return math.Ldexp(float64(s.Patients), -64)
	case FormCoded:
		return math.Ldexp(1, -s.Bits)
	}
	return 0
}

// NewBlindSets returns the parts of the set of the given salted values, each once.
// It sorts values and uses their memory. There may be up to [SetMost].
func NewBlindSets(values []uint64) []BlindSet {
	if len(values) == 0 {
		return nil
	}
	slices.Sort(values)
	values = slices.Compact(values)
	if len(values) <= ListMost {
		s := BlindSet{Patients: uint64(len(values)), Form: FormList, Count: len(values)}
		for _, v := range values {
			s.Data = binary.BigEndian.AppendUint64(s.Data, v)
		}
		return []BlindSet{s}
	}
	n := uint64(len(values))
	for i, v := range values {
		values[i] = reduce(v, n, codedBits)
	}
	var parts []BlindSet
	for len(values) > 0 {
		p := BlindSet{Patients: n, Form: FormCoded, Bits: codedBits}
		p.Data, p.Count = encodePart(values)
		parts, values = append(parts, p), values[p.Count:]
	}
	return parts
}

// reduce maps v to [0, n << bits).
func reduce(v, n uint64, width int) uint64 {
	hi, _ := bits.Mul64(v, n<<width)
	return hi
}

// encodePart writes as many of the ascending values as a part takes.
func encodePart(values []uint64) (data []byte, count int) {
	w := bitWriter{b: binary.BigEndian.AppendUint64(make([]byte, 0, min(partBytes, 3*len(values)+16)), values[0])}
	last := values[0]
	for count = 1; count < len(values) && len(w.b) < partBytes; count++ {
		d := values[count] - last
		if d>>codedBits > maxRun {
			break
		}
		last = values[count]
		for range d >> codedBits {
			w.put(1, 1)
		}
		w.put(0, 1)
		w.put(d, codedBits)
	}
	return w.flush(), count
}

// bitWriter writes bits, the highest first.
type bitWriter struct {
	b    []byte
	acc  uint64
	have int
}

func (w *bitWriter) put(v uint64, n int) {
	w.acc = w.acc<<n | v&(1<<n-1)
	for w.have += n; w.have >= 8; w.have -= 8 {
		w.b = append(w.b, byte(w.acc>>(w.have-8)))
	}
}

func (w *bitWriter) flush() []byte {
	if w.have > 0 {
		w.put(0, 8-w.have)
	}
	return w.b
}

// Has reports whether any of the salted values is in this part.
func (s *BlindSet) Has(values ...uint64) (bool, error) {
	n, err := s.Hits(values)
	return n > 0, err
}

// Hits returns how many of the salted values are in this part. The error has the
// kind Integrity: the part is not in its canonical form.
func (s *BlindSet) Hits(values []uint64) (int, error) {
	if err := s.check(); err != nil {
		return 0, err
	}
	wanted := slices.Clone(values)
	switch s.Form {
	case FormList:
		slices.Sort(wanted)
		return s.list(wanted)
	case FormCoded:
		for i, v := range wanted {
			wanted[i] = reduce(v, s.Patients, s.Bits)
		}
		slices.Sort(wanted)
		return s.coded(wanted)
	}
	return 0, nil
}

func (s *BlindSet) broken(msg string) error {
	return sallyport.E(sallyport.Integrity, "blind set", msg)
}

// check tests what can be tested before the data are read.
func (s *BlindSet) check() error {
	switch {
	case s.Form == "":
		if s.Patients != 0 || s.Count != 0 || len(s.Data) != 0 {
			return s.broken("a set without a form is not empty")
		}
	case s.Form != FormList && s.Form != FormCoded:
		return s.broken("a set has a form that is not known")
	case s.Patients == 0 || s.Patients > 1<<32 || s.Count < 1 || uint64(s.Count) > s.Patients:
		return s.broken("a set counts more or fewer patients than there can be")
	case s.Form == FormList && (s.Bits != 0 || uint64(s.Count) != s.Patients || len(s.Data) != 8*s.Count):
		return s.broken("a list is not as long as it says")
	case s.Form == FormCoded && (s.Bits < 1 || s.Bits > 31 || len(s.Data) < 8 || len(s.Data) > MaxLeaf):
		return s.broken("a coded set has impossible parameters")
	}
	return nil
}

// meet counts the values at the beginning of wanted that are v, and returns those
// that are more than it.
func meet(wanted []uint64, v uint64) (n int, rest []uint64) {
	for len(wanted) > 0 && wanted[0] <= v {
		if wanted[0] == v {
			n++
		}
		wanted = wanted[1:]
	}
	return n, wanted
}

func (s *BlindSet) list(wanted []uint64) (hits int, err error) {
	last := uint64(0)
	for i := range s.Count {
		v := binary.BigEndian.Uint64(s.Data[8*i:])
		if i > 0 && v <= last {
			return 0, s.broken("a list is not ascending")
		}
		n := 0
		n, wanted = meet(wanted, v)
		last, hits = v, hits+n
	}
	return hits, nil
}

func (s *BlindSet) coded(wanted []uint64) (hits int, err error) {
	last := binary.BigEndian.Uint64(s.Data)
	r := bitReader{b: s.Data[8:]}
	limit := s.Patients << s.Bits
	for i := range s.Count {
		if i > 0 {
			d, ok := r.rice(s.Bits)
			if !ok || d > limit {
				return 0, s.broken("a coded set ends inside a value")
			}
			last += d
		}
		if last >= limit {
			return 0, s.broken("a coded set holds a value that cannot be")
		}
		n := 0
		n, wanted = meet(wanted, last)
		hits += n
	}
	if !r.ended() {
		return 0, s.broken("a coded set goes on behind its last value")
	}
	return hits, nil
}

// bitReader reads bits, the highest first.
type bitReader struct {
	b    []byte // not in acc yet
	acc  uint64 // the next bits, from the highest
	have int    // how many of acc are bits of the data
}

// fill makes as many bits ready as there are, at least 57 where so many are left.
func (r *bitReader) fill() {
	for r.have <= 56 && len(r.b) > 0 {
		r.acc |= uint64(r.b[0]) << (56 - r.have)
		r.b, r.have = r.b[1:], r.have+8
	}
}

// rice reads one difference. Its unary part is bounded by the data, which are those
// of one leaf, so that nothing overflows.
func (r *bitReader) rice(width int) (uint64, bool) {
	var v uint64
	for {
		r.fill()
		ones := bits.LeadingZeros64(^r.acc)
		v += uint64(min(ones, r.have))
		if ones < r.have {
			r.skip(ones + 1)
			break
		}
		if r.have == 0 {
			return 0, false
		}
		r.skip(r.have)
	}
	r.fill()
	if r.have < width {
		return 0, false
	}
	v = v<<width | r.acc>>(64-width)
	r.skip(width)
	return v, true
}

func (r *bitReader) skip(n int) { r.acc, r.have = r.acc<<n, r.have-n }

// ended reports whether nothing but the zeros of the last byte is left.
func (r *bitReader) ended() bool {
	r.fill()
	return r.have < 8 && r.acc == 0
}
