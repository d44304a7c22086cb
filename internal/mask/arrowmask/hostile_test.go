// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package arrowmask_test

import (
	"bytes"
	"encoding/binary"
	"runtime"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/ipc"
	"github.com/apache/arrow-go/v18/arrow/memory"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/mask"
	"github.com/sallyport-dev/sallyport/internal/mask/arrowmask"
	"github.com/sallyport-dev/sallyport/internal/mask/operator"
)

// wide is a schema with everything that a mask takes apart, a record of it, and its
// plan.
func wide(t testing.TB) (*arrow.Schema, arrow.RecordBatch, *mask.BQPlan) {
	inner := arrow.StructOf(arrow.Field{Name: "k", Type: arrow.PrimitiveTypes.Int64, Nullable: true}, arrow.Field{Name: "v", Type: arrow.BinaryTypes.String, Nullable: true})
	schema := arrow.NewSchema([]arrow.Field{
		{Name: "id", Type: arrow.PrimitiveTypes.Int64, Nullable: true},
		{Name: "s", Type: arrow.BinaryTypes.String, Nullable: true},
		{Name: "p", Type: arrow.BinaryTypes.String, Nullable: true},
		{Name: "b", Type: arrow.FixedWidthTypes.Boolean, Nullable: true},
		{Name: "l", Type: arrow.ListOf(inner), Nullable: true},
		{Name: "e", Type: arrow.ListOf(arrow.BinaryTypes.String), Nullable: true},
		{Name: "n", Type: &arrow.Decimal128Type{Precision: 38, Scale: 9}, Nullable: true},
	}, nil)
	rec := rows(t, schema,
		`{"id":1,"s":"987-65-4320","p":"987-65-4320","b":true,"l":[{"k":1,"v":"987-65-4320"},null],"e":["x"],"n":"1.5"}`,
		`{"id":null,"s":null,"p":null,"b":null,"l":null,"e":null,"n":null}`,
		`{"id":2,"s":"","p":"","b":false,"l":[],"e":[],"n":"-1"}`)
	list := hidden("e", "STRING")
	list.Repeated = true
	id := column("id", "INT64")
	id.Key, id.Patient = true, true
	cols := []mask.BQColumn{
		id, hidden("s", "STRING"), by(t, "p", "STRING", operator.Spec{Kind: operator.Partial, Last: 2}), hidden("b", "BOOL"),
		{Name: "l", Type: "RECORD", Repeated: true, Fields: []mask.BQColumn{column("k", "INT64"), by(t, "v", "STRING", operator.Spec{Kind: operator.Hash, Domain: "v"})}},
		list, by(t, "n", "NUMERIC", operator.Spec{Kind: operator.Bucket}),
	}
	return schema, rec, plan(t, cols...)
}

// encoded is the same for a column with a dictionary.
func encoded(t testing.TB) (*arrow.Schema, arrow.RecordBatch, *mask.BQPlan) {
	dict := &arrow.DictionaryType{IndexType: arrow.PrimitiveTypes.Int8, ValueType: arrow.BinaryTypes.String}
	schema := arrow.NewSchema([]arrow.Field{{Name: "a", Type: dict, Nullable: true}, {Name: "b", Type: dict, Nullable: true}}, nil)
	b := array.NewRecordBuilder(memory.NewGoAllocator(), schema)
	for i := range 2 {
		for _, v := range []string{canary, "111-11-1120", canary} {
			if err := b.Field(i).(*array.BinaryDictionaryBuilder).AppendString(v); err != nil {
				t.Fatal(err)
			}
		}
		b.Field(i).AppendNull()
	}
	return schema, b.NewRecordBatch(), plan(t, by(t, "a", "STRING", operator.Spec{Kind: operator.Partial, Last: 2}), hidden("b", "STRING"))
}

// attempt masks a batch and fails the test where that ends in another way than an
// answer or a refusal. What is masked is masked once more, which must go as well.
func attempt(t testing.TB, p *mask.BQPlan, head, batch []byte) (ok bool) {
	t.Helper()
	var keys keyLog
	p = p.Fork()
	p.SetKeys(&keys)
	m, err := arrowmask.Open(p, mask.FromUpstream(head))
	if err != nil {
		refusal(t, err)
		return false
	}
	out, err := m.Mask(mask.FromUpstream(batch))
	if err != nil {
		refusal(t, err)
		return false
	}
	again, err := arrowmask.Open(p.Fork(), mask.FromUpstream(head))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := again.Mask(mask.FromUpstream(bytesOf(t, out))); err != nil {
		t.Fatalf("what was masked is refused: %v", err)
	}
	return true
}

// refusal fails the test when an error is none, or stands for a panic.
func refusal(t testing.TB, err error) {
	t.Helper()
	if k := sallyport.KindOf(err); k != sallyport.Integrity || strings.Contains(err.Error(), "could not be read") {
		t.Fatalf("not a refusal: %v (%v)", err, k)
	}
}

// TestDamage changes every byte of schemas and batches, and cuts them at every
// length: they are masked or refused.
func TestDamage(t *testing.T) {
	t.Parallel()
	for name, opts := range map[string][]ipc.Option{"plain": nil, "lz4": {ipc.WithLZ4()}, "zstd": {ipc.WithZstd()}} {
		for kind, made := range map[string]func(testing.TB) (*arrow.Schema, arrow.RecordBatch, *mask.BQPlan){"wide": wide, "encoded": encoded} {
			t.Run(name+" "+kind, func(t *testing.T) {
				t.Parallel()
				schema, rec, p := made(t)
				head, batches := serialized(t, schema, []arrow.RecordBatch{rec}, opts...)
				if !attempt(t, p, head, batches[0]) {
					t.Fatal("the batch itself is refused")
				}
				refused := 0
				for i := range batches[0] {
					for _, x := range []byte{0x01, 0x80, 0xFF} {
						b := bytes.Clone(batches[0])
						b[i] ^= x
						if !attempt(t, p, head, b) {
							refused++
						}
					}
					if attempt(t, p, head, batches[0][:i]) && i > 0 && kind == "wide" {
						t.Fatalf("a batch of %d bytes is taken that has %d", i, len(batches[0]))
					}
				}
				for i := range head {
					b := bytes.Clone(head)
					b[i] ^= 0xFF
					attempt(t, p, b, batches[0])
				}
				if refused < len(batches[0])/4 {
					t.Errorf("only %d of %d damaged batches are refused", refused, 3*len(batches[0]))
				}
			})
		}
	}
}

// TestBombs: lengths that nothing stands behind ask for no memory.
func TestBombs(t *testing.T) { // not parallel: it counts memory
	schema := arrow.NewSchema([]arrow.Field{{Name: "s", Type: arrow.BinaryTypes.String, Nullable: true}}, nil)
	for name, opts := range map[string]ipc.Option{"lz4": ipc.WithLZ4(), "zstd": ipc.WithZstd()} {
		rec := rows(t, schema, `{"s":"`+strings.Repeat("9", 4000)+`"}`)
		head, batches := serialized(t, schema, []arrow.RecordBatch{rec}, opts)
		at := bytes.LastIndex(batches[0], binary.LittleEndian.AppendUint64(nil, 4000))
		if at < 0 {
			t.Fatal("the length of a buffer was not found")
		}
		for _, size := range []uint64{1 << 40, 1<<63 - 1, 1 << 63, 200 << 20} {
			b := bytes.Clone(batches[0])
			binary.LittleEndian.PutUint64(b[at:], size)
			p := plan(t, by(t, "s", "STRING", operator.Spec{Kind: operator.Partial, Last: 2}))
			m, err := arrowmask.Open(p, mask.FromUpstream(head))
			if err != nil {
				t.Fatal(err)
			}
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_, err = m.Mask(mask.FromUpstream(b))
			runtime.ReadMemStats(&after)
			if used := after.TotalAlloc - before.TotalAlloc; err == nil || used > 64<<20 {
				t.Errorf("%s: %d bytes that are not there take %d: %v", name, size, used, err)
			}
		}
	}
}

// TestClaims: values that a batch does not bring are not made up.
func TestClaims(t *testing.T) {
	t.Parallel()
	schema := arrow.NewSchema([]arrow.Field{{Name: "s", Type: arrow.BinaryTypes.String, Nullable: true}}, nil)
	rec := rows(t, schema, `{"s":"aa"}`, `{"s":"bb"}`, `{"s":"cc"}`, `{"s":"dd"}`, `{"s":"ee"}`)
	for name, opts := range map[string][]ipc.Option{"plain": nil, "lz4": {ipc.WithLZ4()}, "zstd": {ipc.WithZstd()}} {
		head, batches := serialized(t, schema, []arrow.RecordBatch{rec}, opts...)
		five, many := binary.LittleEndian.AppendUint64(nil, 5), binary.LittleEndian.AppendUint64(nil, 1<<22)
		if n := bytes.Count(batches[0], five); n != 2 { // rows, and the column's values
			t.Fatalf("%s: the number of rows is there %d times", name, n)
		}
		claims := bytes.ReplaceAll(batches[0], five, many)
		if attempt(t, plan(t, hidden("s", "STRING")), head, claims) {
			t.Errorf("%s: a batch of five rows that claims %d is masked", name, 1<<22)
		}
	}
}

// TestOverlap: a buffer of a column that is shown cannot be one of a masked column.
func TestOverlap(t *testing.T) {
	t.Parallel()
	schema, rec := patients(3)
	head, batches := serialized(t, schema, []arrow.RecordBatch{rec})
	body := 8 + int(binary.LittleEndian.Uint32(batches[0][4:]))
	place := func(content string) []byte {
		at := bytes.Index(batches[0], []byte(content)) - body
		return binary.LittleEndian.AppendUint64(binary.LittleEndian.AppendUint64(nil, uint64(at)), uint64(len(content)))
	}
	secret := place("987-65-0000987-65-0001987-65-0002")
	shown := place(strings.Repeat("no known allergies, follow-up in two weeks", 3))
	b := bytes.Replace(batches[0], shown, secret, 1)
	if bytes.Equal(b, batches[0]) || !bytes.Contains(batches[0], secret) {
		t.Fatal("the buffers were not found")
	}
	if attempt(t, patientPlan(t), head, b) {
		t.Error("a batch whose note is the number is masked")
	}
}

// FuzzBatch masks batches of a schema that is known.
func FuzzBatch(f *testing.F) {
	type kind struct {
		head []byte
		plan *mask.BQPlan
	}
	var kinds []kind
	for _, made := range []func(testing.TB) (*arrow.Schema, arrow.RecordBatch, *mask.BQPlan){wide, encoded} {
		schema, rec, p := made(f)
		for _, opts := range [][]ipc.Option{nil, {ipc.WithLZ4()}, {ipc.WithZstd()}} {
			head, batches := serialized(f, schema, []arrow.RecordBatch{rec}, opts...)
			f.Add(uint8(len(kinds)), batches[0])
			kinds = append(kinds, kind{head, p})
		}
	}
	f.Fuzz(func(t *testing.T, which uint8, batch []byte) {
		k := kinds[int(which)%len(kinds)]
		attempt(t, k.plan, k.head, batch)
	})
}

// FuzzSchema opens streams with any schema, and masks a batch where that goes.
func FuzzSchema(f *testing.F) {
	schema, rec, p := wide(f)
	head, batches := serialized(f, schema, []arrow.RecordBatch{rec})
	f.Add(head)
	other, _, _ := encoded(f)
	head, _ = serialized(f, other, nil)
	f.Add(head)
	f.Fuzz(func(t *testing.T, head []byte) { attempt(t, p, head, batches[0]) })
}

// TestTwoBatches: one answer holds one batch.
func TestTwoBatches(t *testing.T) {
	t.Parallel()
	schema, rec, p := wide(t)
	head, batches := serialized(t, schema, []arrow.RecordBatch{rec})
	if attempt(t, p, head, append(bytes.Clone(batches[0]), batches[0]...)) {
		t.Error("two batches are taken")
	}
	end := []byte{0xFF, 0xFF, 0xFF, 0xFF, 0, 0, 0, 0}
	if !attempt(t, p, head, append(bytes.Clone(batches[0]), end...)) {
		t.Error("the mark of a stream's end is refused")
	}
	if !attempt(t, p, head, batches[0][4:]) {
		t.Error("a message of an older writer is refused")
	}
}
