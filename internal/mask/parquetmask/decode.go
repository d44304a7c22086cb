// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package parquetmask

import (
	"encoding/binary"
	"math"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/deprecated"
)

// The decoders below give one value at a time, so that what a page of few bytes
// says to hold is never in memory at once.

// hybrid decodes runs and packed bits (Parquet's RLE encoding).
type hybrid struct {
	b     []byte
	width uint
	left  uint64 // of the current run
	value uint32 // of a run of equal ones
	bits  []byte // of a run of packed ones
	at    uint64 // bit in bits
}

func (h *hybrid) next() (uint32, bool) {
	if h.width == 0 {
		return 0, true
	}
	for h.left == 0 {
		if !h.run() {
			return 0, false
		}
	}
	h.left--
	if h.bits == nil {
		return h.value, true
	}
	v, ok := bitsAt(h.bits, h.at, h.width)
	h.at += uint64(h.width)
	return uint32(v), ok
}

// run begins the next run.
func (h *hybrid) run() bool {
	head, n := binary.Uvarint(h.b)
	if n <= 0 || head > math.MaxUint32 {
		return false
	}
	h.b = h.b[n:]
	if head&1 == 0 {
		size := int(h.width+7) / 8
		if size > len(h.b) {
			return false
		}
		var word [4]byte
		copy(word[:], h.b[:size])
		h.value, h.bits, h.left = binary.LittleEndian.Uint32(word[:]), nil, head>>1
		h.b = h.b[size:]
		return true
	}
	size := min(head>>1*uint64(h.width), uint64(len(h.b))) // some writers cut the last run
	h.bits, h.at, h.left = h.b[:size:size], 0, head>>1*8
	h.b = h.b[size:]
	return size > 0
}

// bitsAt reads width bits, at most 64, the least significant first.
func bitsAt(b []byte, at uint64, width uint) (uint64, bool) {
	if at+uint64(width) > uint64(len(b))*8 {
		return 0, false
	}
	var v uint64
	for got := uint(0); got < width; {
		shift := uint(at & 7)
		take := min(8-shift, width-got)
		v |= uint64(b[at>>3]>>shift&byte(1<<take-1)) << got
		got += take
		at += uint64(take)
	}
	return v, true
}

// delta decodes DELTA_BINARY_PACKED.
type delta struct {
	b       []byte
	perMini uint64
	minis   int
	total   uint64 // of all values
	given   uint64
	last    int64

	least  int64  // of the block
	widths []byte // of the miniblocks that are left in the block
	mini   []byte
	width  uint
	inMini uint64 // values given of the miniblock
}

// newDelta reads the header; there are at most most values.
func newDelta(b []byte, most int) (*delta, bool) {
	d := &delta{b: b}
	block, ok1 := d.uvarint()
	minis, ok2 := d.uvarint()
	total, ok3 := d.uvarint()
	first, ok4 := d.varint()
	if !ok1 || !ok2 || !ok3 || !ok4 || minis == 0 || minis > 1024 || block == 0 || block > 1<<20 || block%minis != 0 || block/minis%8 != 0 ||
		total > uint64(most) {
		return nil, false
	}
	d.perMini, d.minis, d.total, d.last = block/minis, int(minis), total, first
	d.inMini = d.perMini
	return d, true
}

func (d *delta) uvarint() (uint64, bool) {
	v, n := binary.Uvarint(d.b)
	if n <= 0 {
		return 0, false
	}
	d.b = d.b[n:]
	return v, true
}

func (d *delta) varint() (int64, bool) {
	v, n := binary.Varint(d.b)
	if n <= 0 {
		return 0, false
	}
	d.b = d.b[n:]
	return v, true
}

func (d *delta) next() (int64, bool) {
	if d.given == d.total {
		return 0, false
	}
	if d.given++; d.given == 1 {
		return d.last, true
	}
	if d.inMini == d.perMini && !d.miniblock() {
		return 0, false
	}
	v, ok := bitsAt(d.mini, d.inMini*uint64(d.width), d.width)
	d.inMini++
	d.last += d.least + int64(v) // wraps as the format says
	return d.last, ok
}

func (d *delta) miniblock() bool {
	if len(d.widths) == 0 {
		var ok bool
		if d.least, ok = d.varint(); !ok || len(d.b) < d.minis {
			return false
		}
		d.widths, d.b = d.b[:d.minis], d.b[d.minis:]
	}
	d.width, d.widths = uint(d.widths[0]), d.widths[1:]
	size := d.perMini / 8 * uint64(d.width)
	if d.width > 64 {
		return false
	}
	size = min(size, uint64(len(d.b))) // the last may be cut
	d.mini, d.b, d.inMini = d.b[:size], d.b[size:], 0
	return true
}

// lengths decodes all values as lengths, and returns them with what is behind them.
func lengths(b []byte, most int) (of []int32, rest []byte, ok bool) {
	d, ok := newDelta(b, most)
	if !ok {
		return nil, nil, false
	}
	for range d.total {
		v, ok := d.next()
		if !ok || v < 0 || v > math.MaxInt32 {
			return nil, nil, false
		}
		of = append(of, int32(v))
	}
	return of, d.b, true
}

// values gives the values of one page that are not null, one after the other. The
// bytes of a value are good as long as the page is.
type values func() (parquet.Value, bool)

// plain decodes PLAIN.
func plain(kind parquet.Kind, b []byte, fixed int) values {
	bit := uint64(0)
	return func() (v parquet.Value, ok bool) {
		if kind == parquet.Boolean {
			x, ok := bitsAt(b, bit, 1)
			bit++
			return parquet.BooleanValue(x == 1), ok
		}
		size := fixed
		if kind == parquet.ByteArray {
			if len(b) < 4 {
				return v, false
			}
			n := binary.LittleEndian.Uint32(b)
			if b = b[4:]; uint64(n) > uint64(len(b)) {
				return v, false
			}
			size = int(n)
		}
		if len(b) < size {
			return v, false
		}
		v = valueOf(kind, b[:size:size])
		b = b[size:]
		return v, true
	}
}

// widthOf returns the bytes of a value of a kind, of which length is that of fixed
// ones.
func widthOf(kind parquet.Kind, length int) int {
	switch kind {
	case parquet.Int32, parquet.Float:
		return 4
	case parquet.Int64, parquet.Double:
		return 8
	case parquet.Int96:
		return 12
	case parquet.FixedLenByteArray:
		return length
	}
	return 0
}

// valueOf reads a value of as many bytes as its kind has.
func valueOf(kind parquet.Kind, b []byte) parquet.Value {
	switch kind {
	case parquet.Int32:
		return parquet.Int32Value(int32(binary.LittleEndian.Uint32(b)))
	case parquet.Int64:
		return parquet.Int64Value(int64(binary.LittleEndian.Uint64(b)))
	case parquet.Int96:
		return parquet.Int96Value(deprecated.Int96{binary.LittleEndian.Uint32(b), binary.LittleEndian.Uint32(b[4:]), binary.LittleEndian.Uint32(b[8:])})
	case parquet.Float:
		return parquet.FloatValue(math.Float32frombits(binary.LittleEndian.Uint32(b)))
	case parquet.Double:
		return parquet.DoubleValue(math.Float64frombits(binary.LittleEndian.Uint64(b)))
	case parquet.FixedLenByteArray:
		return parquet.FixedLenByteArrayValue(b)
	}
	return parquet.ByteArrayValue(b)
}

// indexed decodes the places of values in a dictionary.
func indexed(dict []parquet.Value, b []byte) values {
	if len(b) == 0 || b[0] > 32 {
		return nothing
	}
	h := &hybrid{b: b[1:], width: uint(b[0])}
	return func() (v parquet.Value, ok bool) {
		i, ok := h.next()
		if !ok || uint64(i) >= uint64(len(dict)) {
			return v, false
		}
		return dict[i], true
	}
}

func nothing() (v parquet.Value, ok bool) { return v, false }

// runs decodes booleans in RLE, with their length in front.
func runs(b []byte) values {
	if len(b) < 4 {
		return nothing
	}
	h := &hybrid{b: b[4:], width: 1}
	return func() (parquet.Value, bool) {
		x, ok := h.next()
		return parquet.BooleanValue(x == 1), ok
	}
}

// deltas decodes whole numbers in DELTA_BINARY_PACKED.
func deltas(kind parquet.Kind, b []byte, most int) values {
	d, ok := newDelta(b, most)
	if !ok {
		return nothing
	}
	return func() (parquet.Value, bool) {
		x, ok := d.next()
		if kind == parquet.Int32 {
			return parquet.Int32Value(int32(x)), ok
		}
		return parquet.Int64Value(x), ok
	}
}

// pieces decodes DELTA_LENGTH_BYTE_ARRAY.
func pieces(b []byte, most int) values {
	of, rest, ok := lengths(b, most)
	if !ok {
		return nothing
	}
	return func() (v parquet.Value, ok bool) {
		if len(of) == 0 || int(of[0]) > len(rest) {
			return v, false
		}
		v = parquet.ByteArrayValue(rest[:of[0]:of[0]])
		of, rest = of[1:], rest[of[0]:]
		return v, true
	}
}

// prefixed decodes DELTA_BYTE_ARRAY, whose values begin like the one before.
func prefixed(kind parquet.Kind, b []byte, most, fixed int) values {
	prefix, rest, ok := lengths(b, most)
	if !ok {
		return nothing
	}
	suffixes := pieces(rest, most)
	var before []byte
	return func() (v parquet.Value, ok bool) {
		s, ok := suffixes()
		if !ok || len(prefix) == 0 || int(prefix[0]) > len(before) || int(prefix[0])+len(s.ByteArray()) > maxValue {
			return v, false
		}
		before = append(append(make([]byte, 0, int(prefix[0])+len(s.ByteArray())), before[:prefix[0]]...), s.ByteArray()...)
		prefix = prefix[1:]
		if kind == parquet.FixedLenByteArray && len(before) != fixed {
			return v, false
		}
		return valueOf(kind, before), true
	}
}

// split decodes BYTE_STREAM_SPLIT: the first bytes of all values, then the second.
func split(kind parquet.Kind, b []byte, width int) values {
	if width == 0 {
		return nothing
	}
	n, at := len(b)/width, 0
	return func() (v parquet.Value, ok bool) {
		if at == n {
			return v, false
		}
		own := make([]byte, width)
		for i := range own {
			own[i] = b[i*n+at]
		}
		at++
		return valueOf(kind, own), true
	}
}
