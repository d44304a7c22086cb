// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package mask

// BatchMasker masks record batches, of a form that this package does not read, by a
// plan. Package arrowmask makes them.
type BatchMasker interface {
	// AppendBatch appends the masked form of one batch to dst.
	AppendBatch(dst, src []byte) ([]byte, error)
}

// Batches masks the record batches of one stream as they come from a target. It is
// used by one goroutine.
type Batches struct {
	schema Masked
	m      BatchMasker
	err    error
}

// OpenBatches makes the mask of a stream of batches; open makes its masker from the
// stream's schema. A schema that open takes holds no data of rows, and passes.
func OpenBatches(schema Raw, open func(schema []byte) (BatchMasker, error)) (*Batches, error) {
	m, err := open(schema.b)
	if err != nil {
		return nil, err
	}
	return &Batches{schema: Masked{b: append([]byte(nil), schema.b...)}, m: m}, nil
}

// Schema returns the schema of the stream, which is the same before and behind the
// mask.
func (b *Batches) Schema() Masked { return b.schema }

// Mask returns the masked form of one batch, in memory of its own. After an error
// nothing more of the stream may leave.
func (b *Batches) Mask(batch Raw) (Masked, error) {
	if b.err != nil {
		return Masked{}, b.err
	}
	out, err := b.m.AppendBatch(nil, batch.b)
	if err != nil {
		b.err = err
		return Masked{}, err
	}
	return Masked{b: out}, nil
}
