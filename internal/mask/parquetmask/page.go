// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package parquetmask

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"io"
	"math/bits"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/snappy"
	"github.com/klauspost/compress/zstd"
	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/format"
)

// Limits of pages and values. Writers make pages of a megabyte.
const (
	maxPage       = 64 << 20 // bytes, packed and unpacked
	maxPageHeader = 1 << 20
	maxDictionary = 2 << 20  // values
	maxValue      = 16 << 20 // bytes
	maxHeld       = 512 << 20
	maxAhead      = 8 << 20
)

// oldDictionary is how older writers call the encodings of dictionaries and of the
// indexes into them.
const oldDictionary format.Encoding = 2

// held counts the bytes of pages that are in memory, of all columns.
type held struct{ n int }

// chunk reads one column of one row group, value by value.
type chunk struct {
	src     io.ReaderAt
	e       *element
	codec   format.CompressionCodec
	zstd    *zstd.Decoder
	at, end int64 // what of the column has not been read into window
	ahead   int
	held    *held

	window   []byte // what was read and has not been used
	page     []byte // unpacked
	dict     []parquet.Value
	dictSize int // bytes of its page, which it refers to
	left     int // values of the page that are to come
	rep, def *hybrid
	values   values

	peeked  bool // whether the three below are the next value
	repetes uint32
	defines uint32
	value   parquet.Value
}

func (c *chunk) kind() parquet.Kind { return parquet.Kind(c.e.schema.Type.V) }

// fill makes the window at least n bytes long.
func (c *chunk) fill(n int) error {
	if n <= len(c.window) {
		return nil
	}
	room := c.end - c.at
	more := min(int64(max(n-len(c.window), c.ahead)), room)
	if int64(n-len(c.window)) > room {
		return broken("a page is longer than its column")
	}
	c.held.n += int(more)
	if c.held.n > maxHeld {
		return tooLarge("the pages of its columns are too large to be read together")
	}
	from := len(c.window)
	c.window = append(c.window[:from:from], make([]byte, more)...)
	if _, err := c.src.ReadAt(c.window[from:], c.at); err != nil {
		return errRead(err)
	}
	c.at += more
	return nil
}

// use takes n bytes that fill has brought.
func (c *chunk) use(n int) []byte {
	b := c.window[:n:n]
	c.window = c.window[n:]
	c.held.n -= n
	return b
}

// close gives the memory of the chunk back.
func (c *chunk) close() { c.held.n -= len(c.window) + len(c.page) + c.dictSize }

// header reads the header of the next page.
func (c *chunk) header() (*format.PageHeader, error) {
	for size := 256; ; size *= 4 {
		size = int(min(int64(size), int64(len(c.window))+c.end-c.at))
		if err := c.fill(size); err != nil {
			return nil, err
		}
		n, short, ok := skim(c.window)
		if ok {
			h := &format.PageHeader{}
			return h, decode(c.use(n), h)
		}
		if !short || size >= maxPageHeader || c.at == c.end {
			return nil, broken("a page has no header")
		}
	}
}

// more reads pages until there are values. done says that the column has ended.
func (c *chunk) more() (done bool, err error) {
	for c.left == 0 {
		if c.at == c.end && len(c.window) == 0 {
			return true, nil
		}
		h, err := c.header()
		if err != nil {
			return false, err
		}
		if h.CompressedPageSize < 0 || h.CompressedPageSize > maxPage || h.UncompressedPageSize < 0 || h.UncompressedPageSize > maxPage {
			return false, tooLarge("it has a page of more than 64 MiB")
		}
		if err := c.fill(int(h.CompressedPageSize)); err != nil {
			return false, err
		}
		body := c.use(int(h.CompressedPageSize))
		if h.CRC != 0 && crc32.ChecksumIEEE(body) != uint32(h.CRC) {
			return false, broken("a page has another checksum than it says")
		}
		switch {
		case h.Type == format.DictionaryPage && h.DictionaryPageHeader.Valid:
			err = c.dictionary(&h.DictionaryPageHeader.V, body, int(h.UncompressedPageSize))
		case h.Type == format.DataPage && h.DataPageHeader.Valid:
			err = c.dataV1(&h.DataPageHeader.V, body, int(h.UncompressedPageSize))
		case h.Type == format.DataPageV2 && h.DataPageHeaderV2.Valid:
			err = c.dataV2(&h.DataPageHeaderV2.V, body, int(h.UncompressedPageSize))
		case h.Type == format.IndexPage:
		default:
			err = broken("a page is of no known type")
		}
		if err != nil {
			return false, err
		}
	}
	return false, nil
}

// hold takes b as the page that is in memory.
func (c *chunk) hold(b []byte) error {
	c.held.n += len(b) - len(c.page)
	c.page = b
	if c.held.n > maxHeld {
		return tooLarge("the pages of its columns are too large to be read together")
	}
	return nil
}

func (c *chunk) dictionary(h *format.DictionaryPageHeader, body []byte, size int) error {
	if h.NumValues < 0 || h.NumValues > maxDictionary || h.Encoding != format.Plain && h.Encoding != oldDictionary || c.dict != nil {
		return broken("a dictionary is none, or too large")
	}
	b, err := c.unpack(body, size)
	if err != nil {
		return err
	}
	c.dictSize = len(b)
	if c.held.n += len(b); c.held.n > maxHeld {
		return tooLarge("the pages of its columns are too large to be read together")
	}
	next := plain(c.kind(), b, widthOf(c.kind(), int(c.e.schema.TypeLength.V)))
	c.dict = make([]parquet.Value, 0, min(int(h.NumValues), len(b)))
	for range h.NumValues {
		v, ok := next()
		if !ok {
			return broken("a dictionary ends too early")
		}
		c.dict = append(c.dict, v)
	}
	return nil
}

func (c *chunk) dataV1(h *format.DataPageHeader, body []byte, size int) error {
	b, err := c.unpack(body, size)
	if err != nil {
		return err
	}
	if err := c.hold(b); err != nil {
		return err
	}
	c.rep, c.def = nil, nil
	if c.e.maxRep > 0 {
		if c.rep, b, err = levels(b, c.e.maxRep, h.RepetitionLevelEncoding); err != nil {
			return err
		}
	}
	if c.e.maxDef > 0 {
		if c.def, b, err = levels(b, c.e.maxDef, h.DefinitionLevelEncoding); err != nil {
			return err
		}
	}
	return c.begin(h.Encoding, b, int(h.NumValues))
}

// levels takes the levels in front of the values of a page.
func levels(b []byte, most int, e format.Encoding) (*hybrid, []byte, error) {
	if e != format.RLE || len(b) < 4 {
		return nil, nil, broken("a page has levels in an encoding that is long gone, or none")
	}
	n := binary.LittleEndian.Uint32(b)
	if b = b[4:]; uint64(n) > uint64(len(b)) {
		return nil, nil, broken("the levels of a page are longer than the page")
	}
	return levelsOf(b[:n], most), b[n:], nil
}

func levelsOf(b []byte, most int) *hybrid {
	return &hybrid{b: b, width: uint(bits.Len(uint(most)))}
}

func (c *chunk) dataV2(h *format.DataPageHeaderV2, body []byte, size int) error {
	rep, def := int(h.RepetitionLevelsByteLength), int(h.DefinitionLevelsByteLength)
	if rep < 0 || def < 0 || rep > len(body) || def > len(body)-rep || size < rep+def {
		return broken("the levels of a page are longer than the page")
	}
	b := body[rep+def:]
	if !h.IsCompressed.Valid || h.IsCompressed.V {
		var err error
		if b, err = c.unpack(b, size-rep-def); err != nil {
			return err
		}
	}
	if err := c.hold(b); err != nil {
		return err
	}
	c.rep, c.def = nil, nil
	if c.e.maxRep > 0 {
		c.rep = levelsOf(body[:rep], c.e.maxRep)
	}
	if c.e.maxDef > 0 {
		c.def = levelsOf(body[rep:rep+def], c.e.maxDef)
	}
	return c.begin(h.Encoding, b, int(h.NumValues))
}

// begin chooses the decoder of a page's values.
func (c *chunk) begin(e format.Encoding, b []byte, n int) error {
	if n < 0 {
		return broken("a page has a negative number of values")
	}
	kind, fixed := c.kind(), widthOf(c.kind(), int(c.e.schema.TypeLength.V))
	whole := kind == parquet.Int32 || kind == parquet.Int64
	text := kind == parquet.ByteArray
	switch {
	case e == format.Plain:
		c.values = plain(kind, b, fixed)
	case e == oldDictionary || e == format.RLEDictionary:
		c.values = indexed(c.dict, b)
	case e == format.RLE && kind == parquet.Boolean:
		c.values = runs(b)
	case e == format.DeltaBinaryPacked && whole:
		c.values = deltas(kind, b, n)
	case e == format.DeltaLengthByteArray && text:
		c.values = pieces(b, n)
	case e == format.DeltaByteArray && (text || kind == parquet.FixedLenByteArray):
		c.values = prefixed(kind, b, n, fixed)
	case e == format.ByteStreamSplit && !text && kind != parquet.Boolean:
		c.values = split(kind, b, fixed)
	default:
		return broken("a page has values in an encoding that its type has not")
	}
	c.left = n
	return nil
}

// unpack returns a page's bytes, which have to be size.
func (c *chunk) unpack(b []byte, size int) (out []byte, err error) {
	switch c.codec {
	case format.Uncompressed:
		return b, nil
	case format.Snappy:
		n, err := snappy.DecodedLen(b)
		if err != nil || n != size {
			return nil, broken("a page does not unpack")
		}
		out, err = snappy.Decode(nil, b)
		if err != nil {
			return nil, broken("a page does not unpack")
		}
		return out, nil
	case format.Gzip:
		z, err := gzip.NewReader(bytes.NewReader(b))
		if err != nil {
			return nil, broken("a page does not unpack")
		}
		var buf bytes.Buffer
		if _, err := io.Copy(&buf, io.LimitReader(z, int64(size)+1)); err != nil {
			return nil, broken("a page does not unpack")
		}
		out = buf.Bytes()
	case format.Zstd:
		if size == 0 && len(b) == 0 {
			return nil, nil
		}
		if out, err = c.zstd.DecodeAll(b, nil); err != nil {
			return nil, broken("a page does not unpack")
		}
	default:
		return nil, unsupported("the Parquet file is packed by a codec that is not known here")
	}
	if len(out) != size {
		return nil, broken("a page does not unpack to what it says")
	}
	return out, nil
}

// peek reads the next value with its levels, unless it was already. ok is false at
// the column's end.
func (c *chunk) peek() (ok bool, err error) {
	if c.peeked {
		return true, nil
	}
	if c.left == 0 {
		if done, err := c.more(); done || err != nil {
			return false, err
		}
	}
	c.left--
	c.repetes, c.defines = 0, 0
	if c.rep != nil {
		if c.repetes, ok = c.rep.next(); !ok || c.repetes > uint32(c.e.maxRep) {
			return false, broken("a page has fewer levels than values")
		}
	}
	if c.def != nil {
		if c.defines, ok = c.def.next(); !ok || c.defines > uint32(c.e.maxDef) {
			return false, broken("a page has fewer levels than values")
		}
	}
	c.value = parquet.Value{}
	if c.defines == uint32(c.e.maxDef) {
		if c.value, ok = c.values(); !ok {
			return false, broken("a page has fewer values than it says")
		}
	}
	c.peeked = true
	return true, nil
}

// row appends the values of the next row to dst. bytes is lowered by what they take;
// below zero the row is too large.
func (c *chunk) row(dst []parquet.Value, bytes *int) ([]parquet.Value, error) {
	const value = 24
	for first := true; ; first = false {
		ok, err := c.peek()
		if err != nil {
			return dst, err
		}
		if !ok && first {
			return dst, broken("a column has fewer rows than its row group")
		}
		if !ok || !first && c.repetes == 0 {
			return dst, nil
		}
		if first && c.repetes != 0 {
			return dst, broken("a row begins in the middle")
		}
		c.peeked = false
		if *bytes -= value + size(c.value); *bytes < 0 {
			return dst, tooLarge("it has a row of more than 64 MiB")
		}
		dst = append(dst, c.value.Level(int(c.repetes), int(c.defines), c.e.leaf))
	}
}

// size returns the bytes that a value refers to.
func size(v parquet.Value) int {
	if k := v.Kind(); k == parquet.ByteArray || k == parquet.FixedLenByteArray {
		return len(v.ByteArray())
	}
	return 0
}
