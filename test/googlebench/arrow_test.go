// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

//go:build bench

package googlebench_test

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/ipc"
	"github.com/apache/arrow-go/v18/arrow/memory"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/mask"
	"github.com/sallyport-dev/sallyport/internal/mask/arrowmask"
)

// batch is a record batch as a clinic's table gives it, some 70 bytes to a row, with
// its schema in front and apart.
func batch(t *testing.T) (schema, rows []byte) {
	t.Helper()
	s := arrow.NewSchema([]arrow.Field{
		{Name: "id", Type: arrow.PrimitiveTypes.Int64},
		{Name: "name", Type: arrow.BinaryTypes.String, Nullable: true},
		{Name: "ssn", Type: arrow.BinaryTypes.String, Nullable: true},
		{Name: "note", Type: arrow.BinaryTypes.String, Nullable: true},
	}, nil)
	b := array.NewRecordBuilder(memory.NewGoAllocator(), s)
	for i := range 10_000 {
		b.Field(0).(*array.Int64Builder).Append(int64(i))
		b.Field(1).(*array.StringBuilder).Append(fmt.Sprintf("Testperson %d", i))
		b.Field(2).(*array.StringBuilder).Append(fmt.Sprintf("987-65-%04d", i))
		b.Field(3).(*array.StringBuilder).Append("no known allergies, follow-up in two weeks")
	}
	var head, all bytes.Buffer
	for out, records := range map[*bytes.Buffer][]arrow.RecordBatch{&head: nil, &all: {b.NewRecordBatch()}} {
		w := ipc.NewWriter(out, ipc.WithSchema(s))
		for _, r := range records {
			if err := w.Write(r); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
	}
	const end = 8 // bytes, of a stream's end
	schema = head.Bytes()[:head.Len()-end]
	return schema, all.Bytes()[len(schema) : all.Len()-end]
}

// TestArrowMask is the mask of record batches alone, two columns of four masked, beside
// the library for Arrow that takes the same batch apart and puts it together again.
func TestArrowMask(t *testing.T) {
	schema, rows := batch(t)
	hidden := func(name string) mask.BQColumn {
		return mask.BQColumn{Name: name, Type: "STRING", Mask: true, Labels: []sallyport.Label{"phi.ssn"}, Reason: "label"}
	}
	plan, err := mask.NewBQPlan([]mask.BQColumn{{Name: "id", Type: "INTEGER"}, hidden("name"), hidden("ssn"), {Name: "note", Type: "STRING"}}, "bench")
	if err != nil {
		t.Fatal(err)
	}
	masker, err := arrowmask.Open(plan, mask.FromUpstream(schema))
	if err != nil {
		t.Fatal(err)
	}
	again := func() error {
		r, err := ipc.NewReader(bytes.NewReader(append(bytes.Clone(schema), rows...)), ipc.WithAllocator(memory.NewGoAllocator()))
		if err != nil {
			return err
		}
		defer r.Release()
		var out bytes.Buffer
		w := ipc.NewWriter(&out, ipc.WithSchema(r.Schema()))
		for r.Next() {
			if err := w.Write(r.RecordBatch()); err != nil {
				return err
			}
		}
		return r.Err()
	}
	masked := func() error { _, err := masker.Mask(mask.FromUpstream(rows)); return err }
	var rate [2]float64
	for i, f := range []func() error{again, masked} {
		const n = 2000
		begin := spent(t)
		for range n {
			if err := f(); err != nil {
				t.Fatal(err)
			}
		}
		rate[i] = float64(len(rows)) * n / 1e6 / (spent(t) - begin).Seconds()
	}
	report(t, "mask of record batches, two columns of four, beside arrow-go that rewrites them unmasked", "MB per CPU second", rate[0], rate[1])
}
