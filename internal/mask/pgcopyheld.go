// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package mask

import "encoding/binary"

// What of a row is held at most, in bytes of the stream.
const (
	heldField = 1 << 20 // of a field whose mask depends on its value
	heldRow   = 4 << 20
)

// copyHeld holds the fields of a row, as they came, until the row is whole.
type copyHeld struct {
	raw    []byte // the fields, one behind the other
	start  int    // where in raw the current field begins
	fields []copyField
	values []byte // the decoded values, where they are not those of raw
	masked []byte
}

// copyField is a field that has ended.
type copyField struct {
	from, to int // in raw
	quoted   bool
	null     bool // it is the null marker
	// known says that the value was decoded; it is needed for masks and for fields
	// that tell something about others.
	known              bool
	valueFrom, valueTo int // in values
}

func (h *copyHeld) rawOf(f *copyField) []byte { return h.raw[f.from:f.to] }

func (c *PGCopy) valueOf(f *copyField) []byte {
	if c.format.Kind == CopyBinary {
		return c.held.rawOf(f)
	}
	return c.held.values[f.valueFrom:f.valueTo]
}

// wants reports whether the bytes of a field are needed.
func (h *copyHeld) wants(f *pgField) bool { return f.act != actConstant || f.collects() || f.key }

// add holds further bytes of the current field, of which nothing is needed beyond
// the limit. It returns false when the row is larger than what may be held.
func (h *copyHeld) add(f *pgField, b []byte) bool {
	if !h.wants(f) {
		return true
	}
	if f.act == actValue {
		b = b[:min(len(b), heldField+1-(len(h.raw)-h.start))]
	}
	h.raw = append(h.raw, b...)
	return len(h.raw) <= heldRow
}

// room reports whether a field of n bytes can be held with what is held of the
// row.
func (h *copyHeld) room(f *pgField, n uint32) bool {
	switch {
	case !h.wants(f):
		n = 0
	case f.act == actValue:
		n = min(n, heldField+1)
	}
	return uint64(len(h.raw))+uint64(n) <= heldRow
}

// end says that the current field is whole.
func (h *copyHeld) end(null, quoted bool) {
	h.fields = append(h.fields, copyField{from: h.start, to: len(h.raw), null: null, quoted: quoted})
	h.start = len(h.raw)
}

func (h *copyHeld) reset() { h.raw, h.start, h.fields = h.raw[:0], 0, h.fields[:0] }

// flush appends the row that is held, and which is whole.
func (c *PGCopy) flush(dst []byte) []byte {
	c.work.beginRow()
	c.decodeHeld()
	dst = c.appendFields(dst)
	c.held.reset()
	return dst
}

// appendFields appends the fields that are held. Those that were not decoded,
// because the row is too large, become constants.
func (c *PGCopy) appendFields(dst []byte) []byte {
	for i := range c.held.fields {
		dst = c.appendHeld(c.separate(dst, i), i)
	}
	return dst
}

// separate appends what stands before a field.
func (c *PGCopy) separate(dst []byte, i int) []byte {
	if i > 0 && c.format.Kind != CopyBinary {
		return append(dst, c.format.Delimiter)
	}
	return dst
}

// decodeHeld decodes the fields whose values are needed, notes what they tell
// about the others, and asks the detectors.
func (c *PGCopy) decodeHeld() {
	h := c.held
	h.values = h.values[:0]
	for i := range h.fields {
		f, fd := &h.fields[i], &c.fields[i]
		switch {
		case !fd.key:
		case f.null:
			c.key(fd, nil, true)
		case f.to-f.from > heldField:
			c.unreadableKey()
		}
		if f.null || fd.act != actValue && !fd.collects() && !fd.key || f.to-f.from > heldField {
			continue
		}
		f.known = true
		if c.format.Kind != CopyBinary {
			f.valueFrom = len(h.values)
			h.values, f.known = c.format.decode(h.values, h.rawOf(f), f.quoted)
			f.valueTo = len(h.values)
		}
		if f.known && fd.collects() {
			c.work.collect(i, c.valueOf(f))
		}
		switch {
		case !fd.key:
		case f.known:
			c.key(fd, c.valueOf(f), false)
		default:
			c.unreadableKey()
		}
	}
	if !c.work.detects {
		return
	}
	c.work.beginRun()
	for i := range h.fields {
		if f := &h.fields[i]; f.known {
			c.work.batch(i, c.valueOf(f))
		}
	}
	c.work.detect()
}

// appendHeld appends a field that is held, masked.
func (c *PGCopy) appendHeld(dst []byte, i int) []byte {
	f, fd := &c.held.fields[i], &c.fields[i]
	switch {
	case fd.act == actPass || fd.act == actKeep:
		if f.null && fd.act == actKeep {
			c.nulls[i]++
		}
		return c.appendRaw(dst, f)
	case fd.act == actConstant || f.null || !f.known:
		return c.appendConstant(dst, i, f.null)
	case c.format.Kind == CopyBinary:
		return c.work.appendField(dst, i, c.valueOf(f))
	}
	masked, null := c.work.value(c.held.masked[:0], i, c.valueOf(f))
	c.held.masked = masked
	if null {
		return append(dst, c.format.Null...)
	}
	return c.format.appendValue(dst, masked)
}

func (c *PGCopy) appendRaw(dst []byte, f *copyField) []byte {
	if c.format.Kind == CopyBinary {
		return appendSized(dst, func(dst []byte) ([]byte, bool) { return append(dst, c.held.rawOf(f)...), f.null })
	}
	return append(dst, c.held.rawOf(f)...)
}

// appendConstant appends the constant of a masked field, or NULL when the field is
// the null marker beyond doubt.
func (c *PGCopy) appendConstant(dst []byte, i int, null bool) []byte {
	switch {
	case null && c.format.Kind == CopyBinary:
		c.nulls[i]++
		return binary.BigEndian.AppendUint32(dst, pgNull)
	case null && c.format.nullIsPlain():
		c.nulls[i]++
		return append(dst, c.format.Null...)
	case c.fields[i].act == actValue:
		c.work.cols[i].fallback++
	}
	return append(dst, c.repl[i]...)
}
