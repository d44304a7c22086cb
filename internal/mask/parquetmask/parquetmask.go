// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

// Package parquetmask masks Apache Parquet files.
//
// A file is read column by column and written anew: the values by the rules of
// their columns (package column), the schema by its types and names, and nothing
// else. Statistics, dictionaries and indexes are those of the masked values; the
// metadata of the writer (pandas, Arrow, Spark, GeoParquet), bloom filters and
// encryption keys are not carried over. A name in which the scanner finds something
// becomes "masked_1".
//
// A field within others has the path of names with dots, without the groups that
// lists and maps are made of: "codes" for the elements of a list, "tags.key" and
// "tags.value" for a map. A value for which the rules have no answer of its type
// becomes null where its column is optional, and else the type's constant.
//
// The reader is this package's own: it gives one value at a time and bounds every
// length, where a library for trusted files allocates what a header says. A file that
// is not what it says to be is refused with Kind Integrity; what was written before
// is then worth nothing.
package parquetmask

import (
	"context"
	"errors"
	"io"

	"github.com/klauspost/compress/zstd"
	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/format"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/mask/column"
	"github.com/sallyport-dev/sallyport/internal/mask/text"
)

// Magic begins and ends a file.
const Magic = "PAR1"

// Limits of what is masked at a time.
const (
	maxRow      = 64 << 20 // bytes of the values of one row
	batchRows   = 512
	batchBytes  = 8 << 20
	maxBuffered = 128 << 20 // bytes of values in a row group that is written
	// A run of equal values or of nulls takes a few bytes however long it is. A file
	// has some values for free, and then so many for each of its bytes.
	freeValues    = 16 << 20
	valuesPerByte = 4096
)

// Masker masks files by one set of rules. It does not change and is safe for
// concurrent use.
type Masker struct {
	rules *column.Rules
	json  Documents
}

// New returns the mask for rules. json masks the documents in columns of type JSON
// that have no label; without it there is no answer for them.
func New(r *column.Rules, json Documents) *Masker { return &Masker{rules: r, json: json} }

func broken(msg string) error {
	return sallyport.E(sallyport.Integrity, "parquet file", "the Parquet file is broken: "+msg).
		WithHint("have it written again; nothing of it was delivered")
}

func unsupported(msg string) error {
	return sallyport.E(sallyport.Denied, "parquet file", msg).
		WithHint("write the file unencrypted, without geometry, variant and float16, packed by snappy, gzip, zstd or not at all")
}

func tooLarge(msg string) error {
	return sallyport.E(sallyport.Denied, "parquet file", "the Parquet file cannot be masked: "+msg).
		WithHint("write it with smaller pages and row groups")
}

// errRead keeps an error of the source apart from one of the file.
func errRead(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return broken("it ends in the middle")
	}
	return err
}

// Copy writes the masked form of the file src, which has size bytes, to dst.
func (m *Masker) Copy(ctx context.Context, dst io.Writer, src io.ReaderAt, size int64, w *text.Work) (err error) {
	// What the library is given to write was made here; should it find something in
	// it that it does not expect, that ends this file and not the gateway.
	defer func() {
		if recover() != nil {
			err = broken("it cannot be written again")
		}
	}()
	f, err := readFooter(src, size)
	if err != nil {
		return err
	}
	b := &builder{rules: m.rules, work: w}
	schema, err := b.schema(f.root)
	if err != nil {
		return err
	}
	run := &run{src: src, footer: f, work: &column.Work{Text: w}, room: max(freeValues, size*valuesPerByte)}
	if err := run.plan(m); err != nil {
		return err
	}
	if run.zstd, err = zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(maxPage)); err != nil {
		return err
	}
	defer run.zstd.Close()
	out := parquet.NewGenericWriter[any](dst, schema, parquet.Compression(&parquet.Snappy), parquet.CreatedBy("sallyport", "1", "masked"))
	for i := range f.meta.RowGroups {
		if err := run.group(ctx, out, &f.meta.RowGroups[i]); err != nil {
			return err
		}
	}
	return out.Close()
}

// run is one file on its way.
type run struct {
	src      io.ReaderAt
	footer   *footer
	leaves   []*leaf
	learners []*leaf
	zstd     *zstd.Decoder
	work     *column.Work
	held     held

	columns  [][]parquet.Value // of the batch
	starts   []int             // of the current row, by column
	buffered int               // bytes in the row group that is written
	room     int64             // values that may still come
}

// plan decides about the columns.
func (r *run) plan(m *Masker) error {
	for i, e := range r.footer.leaves {
		meaning, err := meaningOf(e.schema)
		if err != nil {
			return err
		}
		l := &leaf{e: e, m: meaning, col: m.rules.Nested(logicalPath(r.footer.root, e.path), i), json: m.json}
		r.leaves = append(r.leaves, l)
		if l.col.Learns() {
			r.learners = append(r.learners, l)
		}
	}
	r.columns = make([][]parquet.Value, len(r.leaves))
	r.starts = make([]int, len(r.leaves))
	return nil
}

// logicalPath returns the path of a column without the groups that lists and maps
// are made of.
func logicalPath(root *element, path []string) []string {
	var out []string
	hidden := 0 // names that are to come and belong to a list or a map
	at := root
	for _, name := range path {
		for _, c := range at.children {
			if c.path[len(c.path)-1] == name {
				at = c
				break
			}
		}
		if hidden > 0 {
			hidden--
		} else {
			out = append(out, name)
		}
		switch {
		case isMap(at.schema):
			hidden = 1
		case isList(at.schema) && len(at.children) == 1:
			hidden = 1
			if c := at.children[0]; !c.schema.Type.Valid && len(c.children) == 1 {
				hidden = 2
			}
		}
	}
	return out
}

// group masks one row group.
func (r *run) group(ctx context.Context, out *parquet.GenericWriter[any], g *format.RowGroup) error {
	chunks := make([]*chunk, len(g.Columns))
	for i := range g.Columns {
		m := &g.Columns[i].MetaData
		begin, length := extent(m)
		chunks[i] = &chunk{
			src: r.src, e: r.footer.leaves[i], codec: m.Codec, zstd: r.zstd, at: begin, end: begin + length,
			ahead: min(maxAhead, maxHeld/4/len(g.Columns)), held: &r.held,
		}
	}
	defer func() {
		for _, c := range chunks {
			c.close()
		}
	}()
	for left := g.NumRows; left > 0; {
		if err := ctx.Err(); err != nil {
			return err
		}
		n, err := r.batch(chunks, left)
		if err != nil {
			return err
		}
		left -= int64(n)
		if err := r.write(out); err != nil {
			return err
		}
	}
	for _, c := range chunks {
		if ok, err := c.peek(); ok || err != nil {
			return broken("a column has more rows than its row group")
		}
	}
	r.buffered = 0
	return out.Flush()
}

// batch reads and masks rows until there are enough.
func (r *run) batch(chunks []*chunk, left int64) (rows int, err error) {
	for i := range r.columns {
		r.columns[i] = r.columns[i][:0]
	}
	bytes := 0
	for int64(rows) < left && rows < batchRows && bytes < batchBytes {
		room := maxRow
		for i, c := range chunks {
			r.starts[i] = len(r.columns[i])
			if r.columns[i], err = c.row(r.columns[i], &room); err != nil {
				return rows, err
			}
		}
		bytes += maxRow - room
		r.maskRow()
		rows++
	}
	r.buffered += bytes
	for _, vs := range r.columns {
		r.room -= int64(len(vs))
	}
	if r.room < 0 {
		return rows, tooLarge("it has more values than its size allows")
	}
	return rows, nil
}

// maskRow masks the row that was read last.
func (r *run) maskRow() {
	r.work.Row()
	for _, l := range r.learners {
		for _, v := range r.columns[l.e.leaf][r.starts[l.e.leaf]:] {
			if !v.IsNull() {
				l.know(v, r.work)
			}
		}
	}
	for i, l := range r.leaves {
		vs := r.columns[i][r.starts[i]:]
		for j, v := range vs {
			if !v.IsNull() {
				vs[j] = l.mask(v, r.work)
			}
		}
	}
}

// write hands a batch over to the library that writes.
func (r *run) write(out *parquet.GenericWriter[any]) error {
	for i, c := range out.ColumnWriters() {
		if _, err := c.WriteRowValues(r.columns[i]); err != nil {
			return err
		}
	}
	if r.buffered < maxBuffered {
		return nil
	}
	r.buffered = 0
	return out.Flush()
}
