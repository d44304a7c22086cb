// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

// Package objectmask masks whole objects of a store: it tells what kind of file an
// object is, unpacks it where it is packed by gzip, and gives it to the mask that
// knows the kind. The result is delivered in pieces as it is made, and is good only
// when all of it was made: a caller keeps the pieces until then.
//
// Kinds are text, CSV, NDJSON, JSON, FHIR, HL7 v2 and X12 (package payload), Parquet
// and Avro. Everything else is refused with Kind Denied, and so is an object that
// turns out not to be of the kind that its name and type say.
package objectmask

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/gzip"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/mask"
	"github.com/sallyport-dev/sallyport/internal/mask/avromask"
	"github.com/sallyport-dev/sallyport/internal/mask/column"
	"github.com/sallyport-dev/sallyport/internal/mask/parquetmask"
	"github.com/sallyport-dev/sallyport/internal/mask/payload"
	"github.com/sallyport-dev/sallyport/internal/mask/rules"
	"github.com/sallyport-dev/sallyport/internal/mask/text"
)

// The kinds that package payload does not know.
const (
	Parquet payload.Kind = "parquet"
	Avro    payload.Kind = "avro"
)

// Limits of what is unpacked.
const (
	// maxRatio is how many times larger than packed an object may be unpacked. Tables
	// and messages pack to a tenth or a fiftieth.
	maxRatio = 200
	// free is what may be unpacked whatever it was packed.
	free = 4 << 20
	// piece is how much is masked at a time.
	piece = 256 << 10
)

// Source is an object as it lies in its store, at one generation.
type Source interface {
	Size() int64
	// Open reads length bytes from offset on, or to the end if length is negative.
	// Whoever opens closes.
	Open(ctx context.Context, offset, length int64) (io.ReadCloser, error)
	// Name, ContentType and ContentEncoding are the object's, as its store has them.
	Name() string
	ContentType() string
	ContentEncoding() string
}

// Options say how an object is masked.
type Options struct {
	// Scan has free text, and what no rule names, shown without what the scanner finds,
	// as a permit for readScanned allows. Without it an object of free text is refused,
	// and in others what no rule names is masked whole.
	Scan bool
	// Pack has an object that was packed by gzip packed again once it is masked.
	Pack bool
	// Like is what the counts have in common.
	Like mask.Count
	// MaxUnpacked bounds an object after unpacking, and after masking, in bytes; 0 is
	// no bound.
	MaxUnpacked int64
}

// Result says what an object became.
type Result struct {
	Kind        payload.Kind
	ContentType string
	Counts      []mask.Count
}

// Masks are the masks of all kinds for one set of rules. They do not change and are
// safe for concurrent use.
type Masks struct {
	strict, scanned side
	version         string
}

// side are the masks for one answer to the question whether texts may be scanned.
type side struct {
	payload *payload.Masks
	parquet *parquetmask.Masker
	avro    *avromask.Masker
}

// New makes the masks. guess, which may be nil, gives a column that no rule names a
// label, or "".
func New(set *rules.Set, guess func(column string) sallyport.Label) (*Masks, error) {
	labels := map[string][]sallyport.Label{}
	for name, label := range set.File().Columns {
		labels[name] = []sallyport.Label{sallyport.Label(label)}
	}
	columns := column.NewRules(set.Text(), labels, guess)
	strict, err := payload.New(set, payload.Options{Guess: guess, Strict: true})
	if err != nil {
		return nil, err
	}
	scanned, err := payload.New(set, payload.Options{Guess: guess, ScanText: true})
	if err != nil {
		return nil, err
	}
	m := &Masks{
		strict:  side{strict, parquetmask.New(columns.Strict(), set.StrictJSON()), avromask.New(columns.Strict())},
		scanned: side{scanned, parquetmask.New(columns, set.JSON()), avromask.New(columns)},
	}
	file, err := json.Marshal(set.File())
	if err != nil {
		return nil, sallyport.E(sallyport.Internal, opMask, "the masking rules cannot be written down").Because(err)
	}
	sum := sha256.Sum256(file)
	m.version = set.Profile().Version() + "/" + hex.EncodeToString(sum[:16])
	return m, nil
}

// Version is another one for other rules, whatever of them is different.
func (m *Masks) Version() string { return m.version }

// Mask masks an object and hands its pieces to deliver, which are good during the
// call only. Errors: Denied for what cannot be masked, Integrity for a file that is
// broken, else what the source or deliver returned.
func (m *Masks) Mask(ctx context.Context, src Source, o Options, deliver func(mask.Masked) error) (Result, error) {
	body, err := src.Open(ctx, 0, -1)
	if err != nil {
		return Result{}, err
	}
	in := &input{Reader: bufio.NewReaderSize(body, payload.HeadLen), body: body}
	defer in.close()
	what := shape{name: src.Name(), media: src.ContentType()}
	head, err := in.head()
	if err != nil {
		return Result{}, err
	}
	if what.packed, err = isPacked(src.ContentEncoding(), head); err != nil {
		return Result{}, err
	}
	if what.packed {
		if head, err = in.unpack(o.MaxUnpacked); err != nil {
			return Result{}, err
		}
	}
	kind, err := what.kind(head)
	if err != nil {
		return Result{}, err
	}
	r := Result{Kind: kind, ContentType: what.contentType(kind)}
	if kind == payload.Text && !o.Scan {
		return Result{}, sallyport.E(sallyport.Denied, opMask, "the object is free text, which this role may not see").
			WithHint("a permit for readScanned shows it without what the scanner finds")
	}
	run := func(deliver func(mask.Masked) error) error {
		return m.run(ctx, in, src, kind, o, &r, within(deliver, o.MaxUnpacked))
	}
	if what.packed && o.Pack {
		err = packed(run, deliver)
	} else {
		err = run(deliver)
	}
	return r, err
}

// packed packs what run delivers.
func packed(run func(func(mask.Masked) error) error, deliver func(mask.Masked) error) error {
	_, err := mask.Rewrite(mask.Count{}, func(_ *text.Work, out io.Writer) error {
		z := gzip.NewWriter(out)
		if err := run(func(p mask.Masked) error { _, err := p.WriteTo(z); return err }); err != nil {
			return err
		}
		return z.Close()
	}, deliver)
	return err
}

// run masks an object of a kind.
func (m *Masks) run(ctx context.Context, in *input, src Source, kind payload.Kind, o Options, r *Result, deliver func(mask.Masked) error) (err error) {
	by := &m.strict
	if o.Scan {
		by = &m.scanned
	}
	switch kind {
	case Parquet:
		in.close() // it is read from its end
		r.Counts, err = mask.Rewrite(o.Like, func(w *text.Work, out io.Writer) error {
			return by.parquet.Copy(ctx, out, &ranges{ctx: ctx, src: src}, src.Size(), w)
		}, deliver)
	case Avro:
		r.Counts, err = mask.Rewrite(o.Like, func(w *text.Work, out io.Writer) error { return by.avro.Copy(ctx, out, in, w) }, deliver)
	default:
		r.Counts, err = by.mask(ctx, in, kind, o, deliver)
	}
	return err
}

const opMask = "mask object"

// within delivers up to most bytes: some formats can say in a few bytes what takes
// many.
func within(deliver func(mask.Masked) error, most int64) func(mask.Masked) error {
	var n int64
	return func(p mask.Masked) error {
		if n += int64(p.Len()); most > 0 && n > most {
			return tooLarge("the object is larger than objects may be to be masked, once it is")
		}
		return deliver(p)
	}
}

func tooLarge(msg string) error {
	return sallyport.E(sallyport.Denied, opMask, msg).WithHint("split it, or have the operator raise the limit")
}

// mask masks an object of one of the kinds of package payload.
func (s *side) mask(ctx context.Context, in io.Reader, kind payload.Kind, o Options, deliver func(mask.Masked) error) ([]mask.Count, error) {
	body := s.payload.Body(kind)
	if kind == payload.CSV {
		body = s.payload.Table()
	}
	defer body.Abort()
	buf := make([]byte, piece)
	var seen int64
	for {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		n, err := io.ReadFull(in, buf)
		if seen += int64(n); gathered(kind) && seen > payload.MaxDocument {
			return nil, sallyport.E(sallyport.Denied, opMask, fmt.Sprintf("an object of kind %s is masked up to 256 MiB, and this one is larger", kind)).
				WithHint("split it, or keep one document a line (NDJSON)")
		}
		out, werr := body.Write(mask.FromUpstream(buf[:n]))
		if werr == nil {
			werr = deliver(out)
		}
		if werr != nil {
			return nil, werr
		}
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			break
		}
		if err != nil {
			return nil, err
		}
	}
	out, err := body.Flush()
	if err != nil {
		return nil, err
	}
	if body.Failed() > 0 && (gathered(kind) || kind == payload.Text) {
		return nil, sallyport.E(sallyport.Denied, opMask, fmt.Sprintf("the object is not of the kind that it seems to be (%s), so it is withheld", kind)).
			WithHint("give it the content type of what it holds; " + hintKinds)
	}
	return body.Counts(o.Like), deliver(out)
}

// gathered reports whether objects of a kind are masked as a whole.
func gathered(k payload.Kind) bool {
	switch k {
	case payload.JSON, payload.FHIR, payload.HL7, payload.X12:
		return true
	}
	return false
}

// input is an object that is read from its beginning.
type input struct {
	*bufio.Reader
	body io.ReadCloser
}

func (in *input) close() {
	if in.body != nil {
		_ = in.body.Close() // it was read as far as it is needed
		in.body = nil
	}
}

// head returns the beginning of the object.
func (in *input) head() ([]byte, error) {
	head, err := in.Peek(payload.HeadLen)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	return head, nil
}

// unpack replaces the object by what is packed in it, and returns its beginning.
func (in *input) unpack(most int64) ([]byte, error) {
	counted := &counter{r: in.Reader}
	z, err := gzip.NewReader(counted)
	if err != nil {
		return nil, unpacking(err)
	}
	in.Reader = bufio.NewReaderSize(&bounded{z: z, packed: counted, most: most}, payload.HeadLen)
	return in.head()
}

// counter counts what is read.
type counter struct {
	r *bufio.Reader
	n int64
}

// Read implements [io.Reader].
func (c *counter) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	return n, err
}

// ReadByte implements [io.ByteReader], so that no other buffer comes in between.
func (c *counter) ReadByte() (byte, error) {
	b, err := c.r.ReadByte()
	if err == nil {
		c.n++
	}
	return b, err
}

// bounded unpacks within the limits.
type bounded struct {
	z      io.Reader
	packed *counter
	n      int64
	most   int64
}

// Read implements [io.Reader].
func (b *bounded) Read(p []byte) (int, error) {
	n, err := b.z.Read(p)
	b.n += int64(n)
	switch {
	case b.n > free && b.n/maxRatio > b.packed.n:
		return 0, sallyport.E(sallyport.Denied, opMask, fmt.Sprintf("the object unpacks to more than %d times its size", maxRatio)).
			WithHint("store it unpacked")
	case b.most > 0 && b.n > b.most:
		return 0, tooLarge("the object is larger than objects may be to be masked, once it is unpacked")
	case err != nil && !errors.Is(err, io.EOF):
		return 0, unpacking(err)
	}
	return n, err
}

// unpacking keeps an error of the packing apart from one of the source.
func unpacking(err error) error {
	if errors.Is(err, gzip.ErrHeader) || errors.Is(err, gzip.ErrChecksum) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) || corrupt(err) {
		return sallyport.E(sallyport.Integrity, opMask, "the object's packing (gzip) is broken").WithHint("store it anew")
	}
	return err
}

// ranges reads an object at any place.
type ranges struct {
	ctx context.Context
	src Source
}

// ReadAt implements [io.ReaderAt].
func (r *ranges) ReadAt(p []byte, off int64) (n int, err error) {
	body, err := r.src.Open(r.ctx, off, int64(len(p)))
	if err != nil {
		return 0, err
	}
	defer func() {
		if cerr := body.Close(); err == nil {
			err = cerr
		}
	}()
	return io.ReadFull(body, p)
}
