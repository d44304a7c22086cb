// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package avromask

import (
	"encoding/binary"
	"math"
	"strconv"

	"github.com/sallyport-dev/sallyport/internal/mask/column"
)

// maxDepth bounds how deep the data of a type that contains itself may go.
const maxDepth = 200

// freeValues are how many values of no bytes, such as nulls, a block may have.
const freeValues = 64 << 10

// walk goes over the data of one block.
type walk struct {
	b      []byte // what is left of the block
	budget int    // values that may still come
	depth  int
	work   *column.Work
	text   []byte
}

// block appends the masked form of a block with count values to dst.
func (p *plan) block(dst, src []byte, count int64, w *column.Work) ([]byte, error) {
	// Values can be of no bytes; a block must not be one of endless nulls.
	d := &walk{b: src, budget: 8*len(src) + freeValues, work: w}
	for range count {
		w.Row()
		if p.learns {
			ahead := walk{b: d.b, budget: d.budget, work: w}
			if err := ahead.learn(p.root); err != nil {
				return dst, err
			}
		}
		var err error
		if dst, _, err = d.value(dst, p.root); err != nil {
			return dst, err
		}
	}
	if len(d.b) > 0 {
		return dst, broken("a block is longer than its values")
	}
	return dst, nil
}

func (d *walk) long() (int64, error) {
	v, n := binary.Varint(d.b)
	if n <= 0 {
		return 0, broken("a number does not end")
	}
	d.b = d.b[n:]
	return v, nil
}

func (d *walk) take(n int64) ([]byte, error) {
	if n < 0 || n > int64(len(d.b)) {
		return nil, broken("a value is longer than its block")
	}
	v := d.b[:n]
	d.b = d.b[n:]
	return v, nil
}

func (d *walk) bytes() ([]byte, error) {
	n, err := d.long()
	if err != nil {
		return nil, err
	}
	return d.take(n)
}

// branch reads which branch of a union follows.
func (d *walk) branch(n *node) (int, error) {
	i, err := d.long()
	if err == nil && (i < 0 || i >= int64(len(n.children))) {
		err = broken("a union has no such branch")
	}
	return int(i), err
}

// enter counts a value.
func (d *walk) enter() error {
	d.depth++
	if d.budget--; d.budget < 0 || d.depth > maxDepth {
		return broken("it has more values than its size allows, or goes too deep")
	}
	return nil
}

// items reads how many items follow in an array or a map.
func (d *walk) items() (int64, error) {
	n, err := d.long()
	if err != nil || n >= 0 {
		return n, err
	}
	if _, err := d.long(); err != nil { // the size in bytes
		return 0, err
	}
	if n == math.MinInt64 {
		return 0, broken("a length is out of range")
	}
	return -n, nil
}

// value appends what stands for the next value to dst. answered is false where the
// constant of the type does.
func (d *walk) value(dst []byte, n *node) (out []byte, answered bool, err error) {
	if err := d.enter(); err != nil {
		return dst, false, err
	}
	defer func() { d.depth-- }()
	switch n.schema.kind {
	case kNull:
		return dst, true, nil
	case kRecord:
		for _, c := range n.children {
			if dst, _, err = d.value(dst, c); err != nil {
				return dst, false, err
			}
		}
		return dst, true, nil
	case kUnion:
		return d.union(dst, n)
	case kArray, kMap:
		return d.sequence(dst, n)
	case kEnum:
		i, err := d.long()
		if err != nil || i < 0 || i >= int64(len(n.schema.named.symbols)) {
			return dst, false, broken("an enumeration has no such symbol")
		}
		if n.schema.named.masked {
			n.col.Bool(false, d.work) // counts it
			i = 0
		}
		return binary.AppendVarint(dst, i), true, nil
	case kBoolean:
		v, err := d.take(1)
		if err != nil || v[0] > 1 {
			return dst, false, broken("a boolean is none")
		}
		truth, ok := n.col.Bool(v[0] == 1, d.work)
		if truth && ok {
			return append(dst, 1), true, nil
		}
		return append(dst, 0), ok, nil
	case kInt, kLong:
		return d.number(dst, n)
	case kFloat, kDouble:
		return d.float(dst, n)
	case kFixed:
		return d.fixed(dst, n)
	}
	v, err := d.bytes()
	if err != nil {
		return dst, false, err
	}
	d.text = d.text[:0]
	switch {
	case n.schema.kind == kString:
		d.text, answered = n.col.String(d.text, v, d.work)
	case n.schema.logical == "decimal":
		d.text, answered = d.decimal(n, v, 0)
	case n.schema.logical == "big-decimal":
		d.text, answered = n.col.Opaque(d.text, v, d.work)
	default:
		d.text, answered = n.col.Bytes(d.text, v, d.work)
	}
	if !answered {
		d.text = d.text[:0]
	}
	return appendBytes(dst, d.text), answered, nil
}

// union masks the branch that is there, and takes null for one without an answer.
func (d *walk) union(dst []byte, n *node) ([]byte, bool, error) {
	i, err := d.branch(n)
	if err != nil {
		return dst, false, err
	}
	at := len(dst)
	dst, answered, err := d.value(binary.AppendVarint(dst, int64(i)), n.children[i])
	if err == nil && !answered && n.null >= 0 {
		dst, answered = binary.AppendVarint(dst[:at], int64(n.null)), true
	}
	return dst, answered, err
}

func (d *walk) sequence(dst []byte, n *node) ([]byte, bool, error) {
	for {
		count, err := d.items()
		if err != nil {
			return dst, false, err
		}
		dst = binary.AppendVarint(dst, count)
		if count == 0 {
			return dst, true, nil
		}
		for range count {
			if n.key != nil {
				key, err := d.bytes()
				if err != nil {
					return dst, false, err
				}
				d.text, _ = n.key.String(d.text[:0], key, d.work)
				dst = appendBytes(dst, d.text)
			}
			if dst, _, err = d.value(dst, n.children[0]); err != nil {
				return dst, false, err
			}
		}
	}
}

func (d *walk) number(dst []byte, n *node) ([]byte, bool, error) {
	v, err := d.long()
	if err != nil {
		return dst, false, err
	}
	isInt := n.schema.kind == kInt
	if isInt && int64(int32(v)) != v {
		return dst, false, broken("an int is too large")
	}
	var ok bool
	switch n.schema.logical {
	case "date":
		v, ok = n.col.Day(v, d.work)
	case "time-millis", "time-micros":
		v, ok = n.col.Span(v, d.work)
	case "timestamp-millis", "local-timestamp-millis":
		v, ok = n.col.Millis(v, d.work)
	case "timestamp-micros", "local-timestamp-micros":
		v, ok = n.col.Instant(v, d.work)
	case "timestamp-nanos", "local-timestamp-nanos":
		v, ok = n.col.Nanos(v, d.work)
	default:
		v, ok = n.col.Int(v, d.work)
	}
	if !ok || isInt && int64(int32(v)) != v {
		return binary.AppendVarint(dst, 0), false, nil
	}
	return binary.AppendVarint(dst, v), true, nil
}

func (d *walk) float(dst []byte, n *node) ([]byte, bool, error) {
	if n.schema.kind == kFloat {
		b, err := d.take(4)
		if err != nil {
			return dst, false, err
		}
		own := math.Float32frombits(binary.LittleEndian.Uint32(b))
		v, ok := n.col.Float32(own, d.work)
		return binary.LittleEndian.AppendUint32(dst, math.Float32bits(v)), ok, nil
	}
	b, err := d.take(8)
	if err != nil {
		return dst, false, err
	}
	v, ok := n.col.Float(math.Float64frombits(binary.LittleEndian.Uint64(b)), d.work)
	if !ok {
		v = 0
	}
	return binary.LittleEndian.AppendUint64(dst, math.Float64bits(v)), ok, nil
}

func (d *walk) fixed(dst []byte, n *node) (out []byte, ok bool, err error) {
	v, err := d.take(int64(n.schema.named.size))
	if err != nil {
		return dst, false, err
	}
	d.text = d.text[:0]
	switch {
	case n.schema.logical == "decimal":
		d.text, ok = d.decimal(n, v, len(v))
	case n.schema.logical == "uuid" && len(v) == 16:
		var u [16]byte
		u, ok = n.col.UUID([16]byte(v), d.work)
		d.text = append(d.text, u[:]...)
	case n.schema.logical == "duration":
		if _, ok = n.col.Span(0, d.work); ok {
			d.text = append(d.text, v...)
		}
	default:
		d.text, ok = n.col.Bytes(d.text, v, d.work)
	}
	if !ok || len(d.text) != len(v) {
		return append(dst, make([]byte, len(v))...), false, nil
	}
	return append(dst, d.text...), true, nil
}

// decimal masks an unscaled number in two's complement, of size bytes or, if that is
// 0, of any number.
func (d *walk) decimal(n *node, v []byte, size int) ([]byte, bool) {
	return n.col.Unscaled(d.text[:0], v, n.schema.scale, size, d.work)
}

// learn goes over the next value for what its row has to be known for.
func (d *walk) learn(n *node) error {
	if err := d.enter(); err != nil {
		return err
	}
	defer func() { d.depth-- }()
	switch n.schema.kind {
	case kNull:
		return nil
	case kRecord:
		for _, c := range n.children {
			if err := d.learn(c); err != nil {
				return err
			}
		}
		return nil
	case kUnion:
		i, err := d.branch(n)
		if err != nil {
			return err
		}
		return d.learn(n.children[i])
	case kArray, kMap:
		return d.learnItems(n)
	}
	v, err := d.skip(n)
	if err != nil || !n.col.Learns() {
		return err
	}
	n.col.Know(v, d.work)
	return nil
}

func (d *walk) learnItems(n *node) error {
	for {
		count, err := d.items()
		if err != nil || count == 0 {
			return err
		}
		for range count {
			if n.key != nil {
				key, err := d.bytes()
				if err != nil {
					return err
				}
				if n.key.Learns() {
					n.key.Know(key, d.work)
				}
			}
			if err := d.learn(n.children[0]); err != nil {
				return err
			}
		}
	}
}

// skip passes a value that holds no other and returns it as text, numbers written.
func (d *walk) skip(n *node) ([]byte, error) {
	switch n.schema.kind {
	case kBoolean:
		return d.take(1)
	case kFloat:
		return d.take(4)
	case kDouble:
		return d.take(8)
	case kFixed:
		return d.take(int64(n.schema.named.size))
	case kInt, kLong, kEnum:
		v, err := d.long()
		if err != nil || !n.col.Learns() {
			return nil, err
		}
		return strconv.AppendInt(nil, v, 10), nil
	}
	return d.bytes()
}
